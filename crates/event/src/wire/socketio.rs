//! The payloads of the eight Socket.IO namespaces: the fields of the Socket.IO guide first, then our own.

use serde_json::{Map, Value, json};

use crate::event::{Event, Fact, Outcome};
use crate::vocabulary::Kind;

/// The payload of an event on its namespace, and of the narrower events that go out besides.
pub fn payload(event: &Event) -> Value {
    let fact = &event.fact;
    let mut payload = documented(fact);
    // What a program emits under a name of its own comes out as it went in.
    if fact.kind != Kind::Custom && !payload.contains_key("timestamp") {
        payload.insert("timestamp".to_owned(), json!(fact.time));
    }
    add_data(&mut payload, fact);
    add_common(&mut payload, event);
    Value::Object(payload)
}

/// The fields that the guide prints for this kind, in its order.
fn documented(fact: &Fact) -> Map<String, Value> {
    let data = |key: &str| fact.data.get(key).cloned().unwrap_or(Value::Null);
    let agent = || json!(fact.agent_type.as_deref().or(fact.text("agent")).unwrap_or("main"));
    let printed = match fact.kind {
        Kind::SessionStarted => json!({
            "session_id": fact.session_id,
            "start_time": fact.time,
            // A hook does not tell; whoever starts an agent without our launcher sits in front of it.
            "launch_method": fact.text("launch_method").unwrap_or("interactive"),
            "working_directory": fact.cwd,
        }),
        Kind::SessionEnded => json!({
            "session_id": fact.session_id,
            "end_time": fact.time,
            "duration_seconds": data("duration_seconds"),
        }),
        Kind::SessionContinued => json!({ "session_id": fact.session_id, "status": "active" }),
        Kind::ClaudeStatusChanged => {
            json!({ "status": data("status"), "pid": data("pid"), "message": data("message") })
        }
        Kind::ClaudeOutput => json!({
            "content": fact.text("content").or(fact.text("delta")),
            "stream": fact.text("stream").unwrap_or("stdout"),
        }),
        Kind::AgentDelegated => json!({ "agent": data("agent"), "task": data("task"), "status": data("status") }),
        Kind::AgentStarted => json!({ "agent": agent(), "task": data("task"), "status": "started" }),
        Kind::AgentFinished => json!({ "agent": agent(), "task": data("task"), "status": "completed" }),
        Kind::PromptSubmitted => json!({ "prompt": data("prompt"), "session_id": fact.session_id }),
        Kind::ToolCallStarted => json!({ "tool_name": fact.tool_name, "session_id": fact.session_id }),
        Kind::ToolCallFinished | Kind::ToolCallFailed => json!({
            "tool_name": fact.tool_name,
            "success": fact.outcome == Some(Outcome::Ok),
            "session_id": fact.session_id,
        }),
        Kind::TodoUpdated => json!({ "todos": data("todos"), "stats": data("stats") }),
        Kind::MemoryLoaded | Kind::MemoryInjected => json!({
            "agent_id": fact.text("agent_id").map_or_else(agent, |name| json!(name)),
            "memory_size": data("memory_size"),
            "sections_count": data("sections_count"),
        }),
        Kind::MemoryUpdated | Kind::MemoryCreated => json!({
            "agent_id": data("agent_id"),
            "learning_type": data("learning_type"),
            "content": data("content"),
            "section": data("section"),
        }),
        Kind::LogMessage => return log_message(fact),
        _ => json!({}),
    };
    match printed {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The guide prints the time of a log line first; of the rest, what its sender gave.
fn log_message(fact: &Fact) -> Map<String, Value> {
    let mut payload = Map::from_iter([("timestamp".to_owned(), json!(fact.time))]);
    for key in ["level", "logger", "message", "module", "function", "line", "thread", "thread_name"] {
        if let Some(value) = fact.data.get(key) {
            payload.insert(key.to_owned(), value.clone());
        }
    }
    payload
}

fn add_data(payload: &mut Map<String, Value>, fact: &Fact) {
    match &fact.data {
        Value::Object(fields) => {
            for (key, value) in fields {
                if !payload.contains_key(key) {
                    payload.insert(key.clone(), value.clone());
                }
            }
        }
        Value::Null => {}
        other => {
            payload.insert("data".to_owned(), other.clone());
        }
    }
}

fn add_common(payload: &mut Map<String, Value>, event: &Event) {
    let fact = &event.fact;
    let mut add = |key: &str, value: Value| {
        if !value.is_null() && !payload.contains_key(key) {
            payload.insert(key.to_owned(), value);
        }
    };
    add("timestamp", json!(fact.time));
    add("seq", json!(event.seq));
    add("kind", json!(fact.kind));
    add("session_id", json!(fact.session_id));
    add("agent_id", json!(fact.agent_id));
    add("agent_type", json!(fact.agent_type));
    add("tool_name", json!(fact.tool_name));
    add("tool_use_id", json!(fact.tool_use_id));
    add("prompt_id", json!(fact.prompt_id));
    add("cwd", json!(fact.cwd));
    add("launch_id", json!(fact.launch_id));
    add("outcome", json!(fact.outcome));
    add("duration_ms", json!(fact.duration_ms));
    if !fact.summary.is_empty() {
        add("summary", json!(fact.summary));
    }
    if !fact.cut.is_empty() {
        add("cut", json!(fact.cut));
    }
    if event.seq.is_none() && fact.kind.row().kept == crate::vocabulary::Kept::Stored {
        add("stored", json!(false));
    }
}
