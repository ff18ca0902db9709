//! OpenTelemetry's records, as exporters send them to `/v1/logs`, `/v1/metrics` and `/v1/traces`, and the facts they
//! tell.
//!
//! Source of the names: Claude Code's monitoring guide, and recordings of a real client (`fixtures/claude/otlp-*`). The
//! bytes are decoded by whoever received them: [`json`] reads OTLP/JSON, the server reads Protocol Buffers into the
//! same types, so that both become the same facts.

pub mod json;
mod logs;
mod metrics;
mod spans;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::event::{Fact, Identity, Source, Time};
use crate::{bodies, redact};

pub use logs::facts as logs;
pub use metrics::facts as metrics;
pub use spans::facts as spans;

/// Attributes of a record.
pub type Attributes = Map<String, Value>;

/// Whose records these are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// The program's own attributes, such as `service.name`.
    pub resource: Attributes,
    /// The part of the program.
    pub scope: String,
}

/// What is in one export, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Export<T> {
    /// The records that can be read.
    pub records: Vec<(Arc<Origin>, T)>,
    /// How many cannot.
    pub rejected: u64,
    /// Why, for the first of them.
    pub reason: Option<String>,
}

impl<T> Default for Export<T> {
    fn default() -> Export<T> {
        Export { records: Vec::new(), rejected: 0, reason: None }
    }
}

impl<T> Export<T> {
    /// Takes a record, or notes why it cannot be taken.
    pub fn take(&mut self, origin: &Arc<Origin>, record: Result<T, String>) {
        match record {
            Ok(record) => self.records.push((Arc::clone(origin), record)),
            Err(reason) => {
                self.rejected += 1;
                self.reason.get_or_insert(reason);
            }
        }
    }
}

/// A log record; with a name it is an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// When it happened, or when that was seen, in nanoseconds since the epoch; 0 is unknown.
    pub time_ns: u64,
    /// 1 (trace) to 24 (fatal), 0 for unspecified.
    pub severity: i64,
    /// The program's own word for it.
    pub severity_text: String,
    /// The name of the event.
    pub event_name: String,
    /// Text, most of the time.
    pub body: Value,
    /// What else is known.
    pub attributes: Attributes,
    /// The trace it belongs to, in hexadecimal.
    pub trace_id: String,
    /// The span it belongs to, in hexadecimal.
    pub span_id: String,
}

/// How the points of a metric follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// It is a measurement, or nothing tells.
    #[default]
    Unspecified,
    /// Each point counts from the one before.
    Delta,
    /// Each point counts from the start.
    Cumulative,
}

/// A point of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The metric.
    pub metric: Arc<str>,
    /// Its unit.
    pub unit: Arc<str>,
    /// How its points follow each other.
    pub temporality: Temporality,
    /// Since when it counts, in nanoseconds since the epoch; 0 is unknown.
    pub start_ns: u64,
    /// When it was read.
    pub time_ns: u64,
    /// Its number; an object for a histogram or a summary.
    pub value: Value,
    /// Which of the metric's series it belongs to.
    pub attributes: Attributes,
}

/// A span of a trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// Its trace, in hexadecimal.
    pub trace_id: String,
    /// Itself.
    pub span_id: String,
    /// The span it is a part of; empty at the root.
    pub parent_span_id: String,
    /// What was done.
    pub name: String,
    /// When it began, in nanoseconds since the epoch.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// 0 unset, 1 ok, 2 error.
    pub status: i64,
    /// What went wrong.
    pub status_message: String,
    /// What else is known.
    pub attributes: Attributes,
    /// What happened meanwhile: `{"name", "time", …}`.
    pub events: Vec<Value>,
}

/// How the names of Claude Code's events, metrics and spans begin.
const CLAUDE_CODE: &str = "claude_code.";

/// What a client writes in place of words that nobody allowed it to send.
const WITHHELD: &str = "<REDACTED>";

/// The longest id or name that is lifted out of the attributes, in bytes.
const ID_BYTES_MAX: usize = crate::hook_input::ID_BYTES_MAX;

/// Attributes that name a person; never kept.
const PERSONAL: [&str; 1] = ["user.email"];

/// The attributes that hold what a model or a tool said, when somebody switched that on. They may be whole files.
const BODIES: [&str; 5] = ["body", "tool.output", "tool_output", "content", "output"];

/// The moment a record tells, unless that cannot be.
fn time_of(time_ns: u64, now: Time) -> Time {
    Time::from_ns(time_ns).believed(now)
}

/// Whether these are records of Claude Code, whose `session.id` is a session of ours.
fn is_claude_code(origin: &Origin) -> bool {
    let service = origin.resource.get("service.name").and_then(Value::as_str).unwrap_or_default();
    service.starts_with("claude-code") || origin.scope.starts_with("com.anthropic.claude_code")
}

/// A number, whether it is written as one or as text: clients do both.
fn number(attributes: &Attributes, key: &str) -> Option<f64> {
    match attributes.get(key)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// The same, without a fraction.
fn whole_number(attributes: &Attributes, key: &str) -> Option<u64> {
    number(attributes, key).filter(|number| (0.0..9e15).contains(number)).map(|number| number.round() as u64)
}

/// A string, or a boolean or number as one.
fn word(attributes: &Attributes, key: &str) -> Option<String> {
    match attributes.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn lift(attributes: &mut Attributes, key: &str) -> Option<String> {
    let text = attributes.get(key)?.as_str()?;
    if text.is_empty() || text.len() > ID_BYTES_MAX {
        return None;
    }
    match attributes.shift_remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A fact with the ids that the attributes name; what is left of them comes back as its payload's beginning.
fn fact_of(
    kind: crate::vocabulary::Kind,
    time: Time,
    origin: &Origin,
    mut attributes: Attributes,
) -> (Fact, Attributes) {
    let mut fact = Fact::new(kind, time, Source::Otlp, Value::Null);
    for name in PERSONAL {
        attributes.shift_remove(name);
    }
    if is_claude_code(origin) {
        fact.session_id = lift(&mut attributes, "session.id");
    }
    fact.prompt_id = lift(&mut attributes, "prompt.id");
    fact.tool_name = lift(&mut attributes, "tool_name");
    fact.tool_use_id = lift(&mut attributes, "tool_use_id");
    fact.agent_type = lift(&mut attributes, "agent.name");
    fact.duration_ms = whole_number(&attributes, "duration_ms");
    attributes.shift_remove("duration_ms");
    (fact, attributes)
}

/// Gives a fact its payload as every door does: credentials replaced, bodies withheld, long text shortened.
fn finish(fact: &mut Fact, data: Attributes) {
    let mut data = Value::Object(data);
    redact::value(&mut data);
    let mut cut = Vec::new();
    let original = data.clone();
    for field in BODIES {
        if data.get(field).is_some_and(Value::is_string) && fact.kind != crate::vocabulary::Kind::LogMessage {
            cut.extend(bodies::withhold_field(&mut data, field));
        }
    }
    // File tools are known by their name, which is not in the payload any more.
    if let (Some(tool), Value::Object(fields)) = (&fact.tool_name, &mut data) {
        fields.insert("tool_name".to_owned(), Value::String(tool.clone()));
    }
    cut.extend(bodies::withhold(&mut data));
    if let Value::Object(fields) = &mut data {
        fields.shift_remove("tool_name");
    }
    if !cut.is_empty() {
        fact.whole = Some(original);
    }
    fact.cut = cut;
    fact.data = data;
}

/// The same record again is the same fact: exporters send a batch again when its answer was lost.
fn once(fact: &Fact, parts: &[&[u8]]) -> Identity {
    let Some(session) = &fact.session_id else { return Identity::Unique };
    let mut all: Vec<&[u8]> = vec![session.as_bytes(), b"otlp"];
    all.extend_from_slice(parts);
    Identity::Once(Identity::key_of(&all))
}
