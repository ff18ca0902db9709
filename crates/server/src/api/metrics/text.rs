//! The text that Prometheus reads, in its own format and in OpenMetrics, which differ in how they name counters.

use std::fmt::Write;

/// OpenMetrics, which newer scrapers ask for.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Prometheus' own, for everybody else.
pub(super) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric does over time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// The text, metric by metric.
pub(super) struct Text {
    open: bool,
    text: String,
    name: String,
}

impl Text {
    pub(super) fn new(open: bool) -> Text {
        Text { open, text: String::with_capacity(8 * 1024), name: String::new() }
    }

    /// Begins a metric; `name` is without `_total`, which samples of counters end in.
    pub(super) fn metric(&mut self, name: &str, is: Type, help: &str) -> &mut Text {
        let (suffix, word) = match is {
            Type::Counter => ("_total", "counter"),
            Type::Gauge => ("", "gauge"),
        };
        self.name = format!("{name}{suffix}");
        let family = if self.open { name } else { &self.name };
        // A write into a string does not fail.
        let _ = writeln!(self.text, "# HELP {family} {help}\n# TYPE {family} {word}");
        self
    }

    /// One value of the metric.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) -> &mut Text {
        self.text.push_str(&self.name);
        for (at, (label, is)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(is));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = match value.into() {
            Number::Whole(value) => writeln!(self.text, " {value}"),
            Number::Fraction(value) => writeln!(self.text, " {value}"),
        };
        self
    }

    pub(super) fn finish(mut self) -> String {
        if self.open {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// A value as it is written.
pub(super) enum Number {
    Whole(u64),
    Fraction(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number::Whole(value)
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Number {
        Number::Whole(value as u64)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Number {
        Number::Fraction(value)
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_written_as_their_documents_print_them() {
        let write = |open| {
            let mut text = Text::new(open);
            text.metric("a_things", Type::Counter, "Things.").sample(&[("kind", "x\"\\\ny"), ("b", "")], 7_u64);
            text.metric("a_ratio", Type::Gauge, "A ratio.").sample(&[], 0.5);
            text.finish()
        };
        assert_eq!(
            write(false),
            "# HELP a_things_total Things.\n# TYPE a_things_total counter\n\
             a_things_total{kind=\"x\\\"\\\\\\ny\",b=\"\"} 7\n\
             # HELP a_ratio A ratio.\n# TYPE a_ratio gauge\na_ratio 0.5\n"
        );
        assert_eq!(
            write(true),
            "# HELP a_things Things.\n# TYPE a_things counter\n\
             a_things_total{kind=\"x\\\"\\\\\\ny\",b=\"\"} 7\n\
             # HELP a_ratio A ratio.\n# TYPE a_ratio gauge\na_ratio 0.5\n# EOF\n"
        );
    }
}
