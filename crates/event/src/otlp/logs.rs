//! Log records: Claude Code's events by their names, other programs' log lines, and everything else as it came.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Attributes, CLAUDE_CODE, Export, Log, Origin, WITHHELD, fact_of, finish, number, once, time_of, whole_number, word,
};
use crate::event::{Fact, Outcome, Time};
use crate::summary;
use crate::vocabulary::Kind;

/// The facts that log records tell, in their order.
pub fn facts(export: Export<Log>, now: Time) -> Vec<Fact> {
    export.records.into_iter().map(|(origin, log)| fact(&origin, log, now)).collect()
}

fn fact(origin: &Arc<Origin>, mut log: Log, now: Time) -> Fact {
    let name = name_of(&log);
    let time = time_of(log.time_ns, now);
    let sequence = word(&log.attributes, "event.sequence");
    let identity = {
        let rest = sequence.unwrap_or_else(|| format!("{} {}", json!(log.attributes), log.body));
        (log.time_ns.to_be_bytes(), name.clone(), rest)
    };
    log.attributes.shift_remove("event.name");
    log.attributes.shift_remove("event.timestamp");
    let mut fact = match name.strip_prefix(CLAUDE_CODE) {
        Some(event) => claude_codes(event, origin, log, time),
        None if name.is_empty() => log_line(origin, log, time),
        None => other(&name, origin, log, time),
    };
    fact.identity = once(&fact, &[&identity.0, identity.1.as_bytes(), identity.2.as_bytes()]);
    fact
}

/// The name of an event: its own field, else the attribute of older exporters, else a body that is Claude Code's name.
fn name_of(log: &Log) -> String {
    let body = log.body.as_str().filter(|body| body.starts_with(CLAUDE_CODE) && body.len() <= 128);
    if let Some(body) = body {
        return body.to_owned();
    }
    if !log.event_name.is_empty() {
        return log.event_name.clone();
    }
    log.attributes.get("event.name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn claude_codes(event: &str, origin: &Origin, log: Log, time: Time) -> Fact {
    let Log { attributes, .. } = log;
    match event {
        "user_prompt" => prompt(origin, attributes, time),
        "tool_result" => tool_result(origin, attributes, time),
        "tool_decision" => tool_decision(origin, attributes, time),
        "api_request" => api_request(origin, attributes, time),
        "api_error" => api_error(origin, attributes, time),
        "compaction" => compaction(origin, attributes, time),
        "subagent_completed" => subagent_completed(origin, attributes, time),
        _ => {
            let (mut fact, mut rest) = fact_of(Kind::TelemetryReceived, time, origin, attributes);
            if let Some(mode) = rest.get("to_mode").filter(|_| event == "permission_mode_changed").cloned() {
                rest.insert("permission_mode".to_owned(), mode);
            }
            fact.summary = summary::line(&format!("{event} {}", gist(&fact, &rest)));
            let mut data =
                Attributes::from_iter([("name".to_owned(), json!(event)), ("signal".to_owned(), json!("log"))]);
            data.extend(rest);
            finish(&mut fact, data);
            fact
        }
    }
}

/// What tells one record of a name from another, for a person.
fn gist(fact: &Fact, rest: &Attributes) -> String {
    let keys = [
        "hook_name",
        "hook_event",
        "skill.name",
        "status",
        "agent_type",
        "trigger",
        "error",
        "to_mode",
        "mention_type",
    ];
    let told = keys.iter().find_map(|key| word(rest, key)).or_else(|| fact.tool_name.clone()).unwrap_or_default();
    match fact.duration_ms.or_else(|| whole_number(rest, "total_duration_ms")) {
        Some(took) => format!("{told} · {took} ms"),
        None => told,
    }
}

fn prompt(origin: &Origin, attributes: Attributes, time: Time) -> Fact {
    let (mut fact, mut data) = fact_of(Kind::PromptSubmitted, time, origin, attributes);
    if word(&data, "prompt").as_deref() == Some(WITHHELD) {
        data.shift_remove("prompt");
    }
    finish(&mut fact, data);
    fact.summary = match (fact.text("prompt"), whole_length(&fact.data, "prompt_length")) {
        (Some(prompt), _) => summary::line(prompt),
        (None, Some(1)) => "A prompt of 1 character".to_owned(),
        (None, Some(length)) => format!("A prompt of {length} characters"),
        (None, None) => "A prompt".to_owned(),
    };
    fact
}

fn whole_length(data: &Value, key: &str) -> Option<u64> {
    data.as_object().and_then(|fields| whole_number(fields, key))
}

fn tool_result(origin: &Origin, attributes: Attributes, time: Time) -> Fact {
    let failed = word(&attributes, "success").as_deref() == Some("false");
    let kind = if failed { Kind::ToolCallFailed } else { Kind::ToolCallFinished };
    let (mut fact, mut data) = fact_of(kind, time, origin, attributes);
    unpack(&mut data);
    if failed && !data.contains_key("error") {
        let error = word(&data, "error_type").unwrap_or_else(|| "Failed".to_owned());
        data.insert("error".to_owned(), json!(error));
    }
    fact.outcome = Some(if failed { Outcome::Error } else { Outcome::Ok });
    finish(&mut fact, data);
    fact.summary = summary::of(&fact);
    fact
}

/// Tool input and parameters come as JSON in a string.
fn unpack(data: &mut Attributes) {
    for key in ["tool_input", "tool_parameters"] {
        if let Some(Value::String(text)) = data.get(key)
            && let Ok(unpacked @ Value::Object(_)) = serde_json::from_str(text)
        {
            data.insert(key.to_owned(), unpacked);
        }
    }
}

fn tool_decision(origin: &Origin, attributes: Attributes, time: Time) -> Fact {
    let (mut fact, mut data) = fact_of(Kind::ToolCallDecided, time, origin, attributes);
    unpack(&mut data);
    let accepted = word(&data, "decision").as_deref() == Some("accept");
    fact.outcome = Some(if accepted { Outcome::Ok } else { Outcome::Denied });
    let verb = if accepted { "Accepted" } else { "Rejected" };
    let by = word(&data, "source").map(|source| format!(" ({source})")).unwrap_or_default();
    fact.summary = summary::line(&format!("{verb}{by}: {}", fact.tool_name.as_deref().unwrap_or("a tool")));
    finish(&mut fact, data);
    fact
}

fn api_request(origin: &Origin, attributes: Attributes, time: Time) -> Fact {
    let (mut fact, data) = fact_of(Kind::ApiRequestFinished, time, origin, attributes);
    let keys = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens"];
    let tokens: u64 = keys.iter().filter_map(|key| whole_number(&data, key)).sum();
    let cost = number(&data, "cost_usd").map(|cost| format!(" · ${cost:.4}")).unwrap_or_default();
    let model = word(&data, "model").unwrap_or_else(|| "A model".to_owned());
    fact.outcome = Some(Outcome::Ok);
    fact.summary = summary::line(&format!("{model} · {tokens} tokens{cost}"));
    finish(&mut fact, data);
    fact
}

fn api_error(origin: &Origin, attributes: Attributes, time: Time) -> Fact {
    let (mut fact, data) = fact_of(Kind::ApiRequestFailed, time, origin, attributes);
    let told: Vec<String> = ["status_code", "error"].iter().filter_map(|key| word(&data, key)).collect();
    let attempt = whole_number(&data, "attempt").map(|attempt| format!(" · attempt {attempt}")).unwrap_or_default();
    let told = if told.is_empty() { "The request failed".to_owned() } else { told.join(" ") };
    fact.outcome = Some(Outcome::Error);
    fact.summary = summary::line(&format!("{told}{attempt}"));
    finish(&mut fact, data);
    fact
}

fn compaction(origin: &Origin, attributes: Attributes, time: Time) -> Fact {
    let (mut fact, data) = fact_of(Kind::CompactionFinished, time, origin, attributes);
    let failed = word(&data, "success").as_deref() == Some("false");
    fact.outcome = Some(if failed { Outcome::Error } else { Outcome::Ok });
    let trigger = word(&data, "trigger").unwrap_or_else(|| "unknown".to_owned());
    fact.summary = summary::line(&format!("Compaction finished ({trigger})"));
    finish(&mut fact, data);
    fact
}

fn subagent_completed(origin: &Origin, mut attributes: Attributes, time: Time) -> Fact {
    let agent_type = super::lift(&mut attributes, "agent_type");
    let (mut fact, data) = fact_of(Kind::AgentFinished, time, origin, attributes);
    fact.agent_type = agent_type.or(fact.agent_type);
    fact.outcome = Some(Outcome::Ok);
    let tokens = whole_number(&data, "total_tokens").map(|tokens| format!(" · {tokens} tokens")).unwrap_or_default();
    fact.summary = summary::line(&format!("{} finished{tokens}", fact.agent_type.as_deref().unwrap_or("Subagent")));
    finish(&mut fact, data);
    fact
}

/// A log line of any program.
fn log_line(origin: &Origin, log: Log, time: Time) -> Fact {
    let level = match log.severity {
        1..=8 => "DEBUG",
        13..=16 => "WARNING",
        17..=20 => "ERROR",
        21.. => "CRITICAL",
        _ => "INFO",
    };
    let message = match &log.body {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let (mut fact, rest) = fact_of(Kind::LogMessage, time, origin, log.attributes);
    let mut data = Attributes::from_iter([
        ("level".to_owned(), json!(level)),
        ("logger".to_owned(), json!(if origin.scope.is_empty() { service(origin) } else { origin.scope.clone() })),
        ("message".to_owned(), json!(message)),
        ("service".to_owned(), json!(service(origin))),
    ]);
    for (key, id) in [("trace_id", log.trace_id), ("span_id", log.span_id)] {
        if !id.is_empty() {
            data.insert(key.to_owned(), json!(id));
        }
    }
    data.extend(rest);
    finish(&mut fact, data);
    let told = fact.text("message").unwrap_or_default();
    fact.summary = summary::line(if told.is_empty() { "A log record without text" } else { told });
    fact
}

/// An event of a program that this version does not know.
fn other(name: &str, origin: &Origin, log: Log, time: Time) -> Fact {
    let (mut fact, rest) = fact_of(Kind::TelemetryReceived, time, origin, log.attributes);
    let mut data = Attributes::from_iter([
        ("name".to_owned(), json!(name)),
        ("signal".to_owned(), json!("log")),
        ("service".to_owned(), json!(service(origin))),
    ]);
    if !log.body.is_null() {
        data.insert("message".to_owned(), log.body);
    }
    data.extend(rest);
    fact.summary = summary::line(name);
    finish(&mut fact, data);
    fact
}

fn service(origin: &Origin) -> String {
    word(&origin.resource, "service.name").unwrap_or_else(|| "unknown".to_owned())
}
