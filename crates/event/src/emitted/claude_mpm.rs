//! What claude-mpm's hooks really post: not the hook's own JSON but a digest of it, named by `subtype`.
//!
//! Found by running the hooks of its published versions 4.2.51 and 5.9.10 against a server that writes down what comes.

use serde_json::{Map, Value, json};

/// Keys that its digest of a tool's input adds.
const DIGEST: [&str; 8] = [
    "input_type",
    "param_keys",
    "command_length",
    "content_length",
    "has_pipe",
    "has_redirect",
    "is_create",
    "is_edit",
];

/// Whether this is its note about another post: one comes beside every hook, one beside every prompt, and one beside
/// every call that starts an agent.
pub(super) fn is_echo(data: &Value) -> bool {
    let text = |key: &str| data.get(key).and_then(Value::as_str);
    text("type") == Some("hook")
        && match text("subtype") {
            Some("hook_execution" | "command_acknowledged") => true,
            Some("subagent_start") => data.get("data").and_then(Value::as_object).is_some_and(is_delegation),
            _ => false,
        }
}

/// The hook that a digest tells.
pub(super) fn hook(subtype: &str, digest: &Map<String, Value>) -> Option<Map<String, Value>> {
    let field = |key: &str| digest.get(key).filter(|value| !value.is_null()).cloned();
    let mut hook = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            hook.insert(key.to_owned(), value);
        }
    };
    set("session_id", field("session_id"));
    set("cwd", field("working_directory"));
    match subtype {
        "user_prompt" => {
            set("hook_event_name", Some(json!("UserPromptSubmit")));
            set("prompt", field("prompt_text"));
        }
        "pre_tool" | "post_tool" => {
            let failed = field("success") == Some(json!(false));
            let name = match subtype {
                "pre_tool" => "PreToolUse",
                _ if failed => "PostToolUseFailure",
                _ => "PostToolUse",
            };
            set("hook_event_name", Some(json!(name)));
            set("tool_name", field("tool_name"));
            set("tool_use_id", field("correlation_id"));
            set("duration_ms", field("duration_ms"));
            set("tool_input", field("tool_parameters").map(input));
            if subtype == "post_tool" {
                set("tool_response", field("output").or(field("result_summary")));
            }
            if failed {
                set("error", field("error").or(Some(json!("Failed"))));
            }
        }
        "notification" => {
            set("hook_event_name", Some(json!("Notification")));
            set("notification_type", field("notification_type"));
            set("message", field("message"));
        }
        "stop" => {
            set("hook_event_name", Some(json!("Stop")));
            set("last_assistant_message", field("output"));
        }
        _ => return None,
    }
    Some(hook)
}

/// What is no hook of Claude Code: its address with us, and its data.
pub(super) fn told_otherwise(data: &Value) -> Option<(&'static str, &'static str, Value)> {
    if data.get("type")?.as_str()? != "hook" {
        return None;
    }
    let digest = data.get("data")?.as_object()?;
    match data.get("subtype")?.as_str()? {
        "todo_updated" => Some(("/todo", "updated", Value::Object(digest.clone()))),
        _ => None,
    }
}

/// Whether this start of an agent is only the call for one: it is told with an id made of type and session, and a
/// second time when the agent really starts.
fn is_delegation(digest: &Map<String, Value>) -> bool {
    let text = |key: &str| digest.get(key).and_then(Value::as_str);
    match (text("agent_id"), text("agent_type"), text("session_id")) {
        (Some(agent), Some(kind), Some(session)) => {
            agent.strip_prefix(kind).and_then(|rest| rest.strip_prefix('_')) == Some(session)
        }
        _ => false,
    }
}

fn input(parameters: Value) -> Value {
    let Value::Object(mut fields) = parameters else { return parameters };
    for key in DIGEST {
        fields.shift_remove(key);
    }
    Value::Object(fields)
}
