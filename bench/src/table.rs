//! Results as a person and a program read them: a table, and one JSON line.

use std::io::Write;

use serde_json::{Map, Value};

/// One benchmark's results.
pub(crate) struct Table {
    name: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(name: &'static str, columns: &[&'static str]) -> Table {
        Table { name, columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.to_vec());
    }

    /// Prints both forms.
    pub(crate) fn print(&self) {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([self.columns[column].chars().count()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &[String]| {
            let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            format!("| {} |", padded.join(" | "))
        };
        let heads: Vec<String> = self.columns.iter().map(|column| (*column).to_owned()).collect();
        let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                Value::Object(
                    self.columns
                        .iter()
                        .zip(row)
                        .map(|(column, cell)| ((*column).to_owned(), Value::from(cell.as_str())))
                        .collect::<Map<_, _>>(),
                )
            })
            .collect();
        let mut out = std::io::stdout().lock();
        // A reader that has gone away wants no more results.
        let _ = writeln!(out, "\n{}\n{}\n{}", self.name, line(&heads), line(&rules));
        for row in &self.rows {
            let _ = writeln!(out, "{}", line(row));
        }
        let _ = writeln!(out, "{}", serde_json::json!({ "benchmark": self.name, "rows": rows }));
    }
}

/// The value at this fraction of sorted values.
pub(crate) fn percentile(sorted: &[f64], fraction: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * fraction).round() as usize).copied().unwrap_or(f64::NAN)
}

/// A number with so many decimals; nothing for what was not measured.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    if value.is_nan() { String::new() } else { format!("{value:.decimals$}") }
}
