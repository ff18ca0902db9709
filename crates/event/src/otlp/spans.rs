//! Spans of traces: kept as they came, with the ids by which they meet what other doors told.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Attributes, Export, ID_BYTES_MAX, Origin, Span, fact_of, finish, is_claude_code, once, time_of, word};
use crate::event::{Fact, Outcome, Time};
use crate::summary;
use crate::vocabulary::Kind;

/// The facts that spans tell, in their order.
pub fn facts(export: Export<Span>, now: Time) -> Vec<Fact> {
    export.records.into_iter().map(|(origin, span)| fact(&origin, span, now)).collect()
}

fn fact(origin: &Arc<Origin>, span: Span, now: Time) -> Fact {
    let Span { trace_id, span_id, parent_span_id, name, start_ns, end_ns, status, status_message, attributes, events } =
        span;
    let time = time_of(end_ns, now);
    let success = word(&attributes, "success");
    let agent_id = attributes.get("agent_id").and_then(Value::as_str).filter(|id| id.len() <= ID_BYTES_MAX);
    let agent_id = agent_id.map(str::to_owned).filter(|_| is_claude_code(origin));
    let (mut fact, rest) = fact_of(Kind::TelemetryReceived, time, origin, attributes);
    fact.duration_ms = fact.duration_ms.or((start_ns > 0).then(|| end_ns.saturating_sub(start_ns) / 1_000_000));
    fact.outcome = match (status, success.as_deref()) {
        (2, _) | (_, Some("false")) => Some(Outcome::Error),
        (1, _) | (_, Some("true")) => Some(Outcome::Ok),
        _ => None,
    };
    let mut data = Attributes::from_iter([
        ("name".to_owned(), json!(name)),
        ("signal".to_owned(), json!("span")),
        ("trace_id".to_owned(), json!(trace_id)),
        ("span_id".to_owned(), json!(span_id)),
    ]);
    if !parent_span_id.is_empty() {
        data.insert("parent_span_id".to_owned(), json!(parent_span_id));
    }
    if start_ns > 0 {
        data.insert("start".to_owned(), json!(Time::from_ns(start_ns)));
    }
    if !status_message.is_empty() {
        data.insert("status_message".to_owned(), json!(status_message));
    }
    if !is_claude_code(origin) {
        let service = word(&origin.resource, "service.name").unwrap_or_else(|| "unknown".to_owned());
        data.insert("service".to_owned(), json!(service));
    }
    data.extend(rest);
    if !events.is_empty() {
        // What a tool said may be a file.
        let events = events.into_iter().map(|mut event| {
            crate::bodies::withhold_field(&mut event, "output");
            crate::bodies::withhold_field(&mut event, "content");
            event
        });
        data.insert("events".to_owned(), Value::Array(events.collect()));
    }
    if let Some(agent_id) = agent_id {
        data.insert("agent_id".to_owned(), json!(agent_id));
    }
    let took = fact.duration_ms.map(|took| format!(" · {took} ms")).unwrap_or_default();
    let about = fact.tool_name.as_deref().map(|tool| format!(" {tool}")).unwrap_or_default();
    fact.identity = once(&fact, &[b"span", trace_id.as_bytes(), span_id.as_bytes()]);
    fact.summary = summary::line(&format!("{name}{about}{took}"));
    finish(&mut fact, data);
    fact
}
