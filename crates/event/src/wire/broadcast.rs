//! The default namespace's three events: `agent_activity`, `file_operation`, `session_update`.

use serde_json::{Value, json};

use crate::event::Event;
use crate::vocabulary::Kind;

/// The event of the default namespace that `event` goes out as, and its payload; `None` for most.
pub fn message(event: &Event) -> Option<(&'static str, Value)> {
    let fact = &event.fact;
    let name = fact.kind.row().broadcast?;
    let text = |key: &str| fact.text(key);
    let mut payload = match name {
        "agent_activity" => json!({
            "agent": text("agent").or(fact.agent_type.as_deref()).or(text("teammate_name")),
            "action": match fact.kind {
                Kind::AgentDelegated => "invoked",
                Kind::AgentStarted => "started",
                Kind::AgentFinished => "completed",
                _ => "idle",
            },
        }),
        "file_operation" => json!({
            "file": fact.data.get("file"),
            "operation": fact.data.get("operation"),
            "size": fact.data.get("size"),
        }),
        _ => json!({
            "session_id": fact.session_id,
            "token_usage": fact.data.get("token_usage"),
            "context_percentage": fact.data.get("context_percentage"),
        }),
    };
    let ours = [
        ("timestamp", json!(fact.time)),
        ("session_id", json!(fact.session_id)),
        ("agent_id", json!(fact.agent_id)),
        ("task", json!(text("task"))),
        ("seq", json!(event.seq)),
    ];
    for (key, value) in ours.into_iter().filter(|(_, value)| !value.is_null()) {
        payload[key] = value;
    }
    Some((name, payload))
}
