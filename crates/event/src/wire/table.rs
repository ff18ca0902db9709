//! An event as a row of a table, for spreadsheets: CSV as RFC 4180 has it.

use std::io::{self, Write};

use serde_json::Value;

/// The columns, by their names in an event; behind them comes `data`, its JSON.
pub const COLUMNS: [&str; 13] = [
    "seq",
    "time",
    "recorded_at",
    "kind",
    "namespace",
    "event",
    "session_id",
    "agent_id",
    "agent_type",
    "tool_name",
    "outcome",
    "duration_ms",
    "summary",
];

/// Writes the names of the columns; `with_content` adds one for what was withheld.
pub fn write_head(out: &mut impl Write, with_content: bool) -> io::Result<()> {
    let content = if with_content { ",content" } else { "" };
    write!(out, "{},data{content}\r\n", COLUMNS.join(","))
}

/// Writes an event, given as its JSON; `content` is its cell in the column for it, if there is one.
pub fn write_row(out: &mut impl Write, json: &[u8], content: Option<Option<&[u8]>>) -> io::Result<()> {
    let event: Value = serde_json::from_slice(json).unwrap_or_default();
    for name in COLUMNS {
        let cell = match event.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        write!(out, "{},", quoted(&cell))?;
    }
    write!(out, "{}", quoted(&event.get("data").map(Value::to_string).unwrap_or_default()))?;
    if let Some(content) = content {
        write!(out, ",{}", quoted(&String::from_utf8_lossy(content.unwrap_or_default())))?;
    }
    out.write_all(b"\r\n")
}

/// What a spreadsheet would take for a formula is marked as text.
fn quoted(cell: &str) -> String {
    let mark = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if mark.is_empty() && !cell.contains([',', '"', '\n', '\r']) {
        return cell.to_owned();
    }
    format!("\"{mark}{}\"", cell.replace('"', "\"\""))
}
