//! What claude-mpm's own pages and scripts read on the default namespace: one of ten events, `{type, subtype, data,
//! timestamp, session_id, source, correlation_id?, cwd?}`.
//!
//! There are two generations of them. The newer page (its version 5) listens for ten names and takes each event once,
//! under the name that is also its `type`. The older page and the scripts listen for `claude_event` alone, with the
//! category as `type`. Names and payloads were found by running its published versions 4.2.51 and 5.9.10 and asking
//! their servers.

use serde_json::{Map, Value, json};

use crate::event::{Event, Fact, Outcome};
use crate::vocabulary::Kind;
use crate::wire::socketio;

/// The names for which the newer page listens.
pub const NAMES: [&str; 10] = [
    "claude_event",
    "hook_event",
    "tool_event",
    "cli_event",
    "system_event",
    "agent_event",
    "build_event",
    "session_event",
    "response_event",
    "file_event",
];

/// The name for which the older page and the scripts listen.
pub const OLD_NAME: &str = "claude_event";

/// How much of a prompt or a message is a preview, in characters.
const PREVIEW_CHARS: usize = 200;

/// Where an event stands in both generations' words.
struct Place {
    name: &'static str,
    subtype: String,
    /// The category that is the `type` of the old form.
    old_type: &'static str,
    old_subtype: String,
}

/// An event as the newer page takes it: the event's name and its payload. `None` for what its servers never send.
pub fn message(event: &Event) -> Option<(&'static str, Value)> {
    let place = place(&event.fact)?;
    let payload = payload(event, place.name, &place.subtype);
    Some((place.name, payload))
}

/// An event as the older page and the scripts take it, under [`OLD_NAME`].
pub fn old_message(event: &Event) -> Option<Value> {
    let place = place(&event.fact)?;
    let mut payload = payload(event, place.old_type, &place.old_subtype);
    payload["event"] = json!(OLD_NAME);
    Some(payload)
}

/// Whether a fact was emitted in this form, so that it goes out as it came.
fn is_relayed(fact: &Fact) -> bool {
    fact.namespace() == "/" && (NAMES.contains(&fact.event_name()) || fact.event_name() == "mpm_event")
}

fn place(fact: &Fact) -> Option<Place> {
    let at = |name, subtype: &str, old_type| Place {
        name,
        subtype: subtype.to_owned(),
        old_type,
        old_subtype: subtype.rsplit('.').next().unwrap_or(subtype).to_owned(),
    };
    let claude = |old_type| at("claude_event", fact.event_name(), old_type);
    Some(match fact.kind {
        Kind::SystemStatus
        | Kind::SystemServerInfo
        | Kind::SystemHeartbeat
        | Kind::ClientConnected
        | Kind::ClientDisconnected
        | Kind::ClientRefused => return None,
        Kind::Custom if is_relayed(fact) => return None,
        Kind::PromptSubmitted | Kind::PromptExpanded => at("claude_event", "user_prompt", "hook"),
        Kind::ToolCallStarted => at("tool_event", "pre_tool", "hook"),
        Kind::ToolCallFinished | Kind::ToolCallFailed => at("tool_event", "post_tool", "hook"),
        Kind::TurnFinished | Kind::TurnFailed => at("claude_event", "stop", "hook"),
        Kind::AgentDelegated => at("agent_event", "agent.delegated", "agent"),
        Kind::AgentStarted => at("hook_event", "subagent_start", "hook"),
        Kind::AgentFinished => at("hook_event", "subagent_stop", "hook"),
        Kind::TeammateIdle => at("agent_event", "agent_end", "agent"),
        // Under its own name it would end an agent that never was.
        Kind::CompactionSummarized => at("claude_event", "compaction_summarized", "hook"),
        Kind::CompactionStarted => at("claude_event", "pre_compact", "hook"),
        Kind::CompactionFinished => at("claude_event", "post_compact", "hook"),
        Kind::TodoUpdated => Place { old_subtype: "updated".to_owned(), ..at("hook_event", "todo_updated", "todo") },
        Kind::SessionStarted => at("session_event", "session.started", "session"),
        Kind::SessionEnded => at("session_event", "session.ended", "session"),
        Kind::SessionUpdated if fact.data.get("token_usage").is_some_and(Value::is_object) => {
            at("session_event", "token_usage_updated", "session")
        }
        Kind::ClaudeOutput => {
            Place { old_subtype: "output".to_owned(), ..at("response_event", "response.end", "claude") }
        }
        Kind::FileOperated => match fact.text("operation") {
            Some("read") => at("file_event", "file.read", "file"),
            Some("edit") => at("file_event", "file.edit", "file"),
            _ => at("file_event", "file.write", "file"),
        },
        Kind::LogMessage => Place { old_subtype: "entry".to_owned(), ..at("claude_event", "log", "log") },
        Kind::SystemStarted => at("system_event", "system_ready", "system"),
        Kind::SystemStopped => at("system_event", "system_shutdown", "system"),
        Kind::SystemError | Kind::SpoolGivenUp | Kind::HookUnreadable => at("claude_event", "error", "error"),
        _ => claude(match fact.namespace() {
            "/session" => "session",
            "/claude" => "claude",
            "/agent" => "agent",
            "/memory" => "memory",
            "/todo" => "todo",
            "/log" => "log",
            "/system" | "/" => "system",
            _ => "hook",
        }),
    })
}

fn payload(event: &Event, kind: &str, subtype: &str) -> Value {
    let fact = &event.fact;
    let mut payload = json!({
        "type": kind,
        // Neither page takes a dot or a colon in a name it splits.
        "subtype": subtype,
        "data": data(event, subtype),
        "timestamp": fact.time,
        "session_id": fact.session_id,
        // Without a session, this is the stream that the pages file it under.
        "source": if fact.session_id.is_some() { "hook" } else { "server" },
    });
    if let Some(call) = &fact.tool_use_id {
        payload["correlation_id"] = json!(call);
    }
    if let Some(cwd) = &fact.cwd {
        payload["cwd"] = json!(cwd);
    }
    payload
}

/// Our own payload, and over it what their pages look for.
fn data(event: &Event, subtype: &str) -> Value {
    let fact = &event.fact;
    let mut data = match socketio::payload(event) {
        Value::Object(fields) => fields,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    // They key rows by an `id`, and do not forgive one that comes twice; our names for these mean something else there.
    for key in ["id", "type", "subtype", "event", "event_type"] {
        data.shift_remove(key);
    }
    let mut add = |key: &str, value: Value| {
        if !value.is_null() {
            data.insert(key.to_owned(), value);
        }
    };
    add("working_directory", json!(fact.cwd));
    add("correlation_id", json!(fact.tool_use_id));
    match subtype {
        "user_prompt" => prompt(fact, &mut add),
        "pre_tool" => call_started(fact, &mut add),
        "post_tool" => call_ended(fact, &mut add),
        "notification" => notification(fact, &mut add),
        "stop" => turn_ended(fact, &mut add),
        "subagent_start" | "subagent_stop" => agent(fact, subtype == "subagent_stop", &mut add),
        "agent.delegated" | "delegated" => {
            add("agent_type", json!(fact.text("agent").or(fact.agent_type.as_deref())));
            add("status", json!("started"));
        }
        "todo_updated" | "updated" => {
            let todos = fact.data.get("todos").and_then(Value::as_array).map_or(0, Vec::len);
            add("total_count", json!(todos));
        }
        "session.started" | "started" => add("working_dir", json!(fact.cwd)),
        "token_usage_updated" => {
            let used = |key: &str| fact.data.pointer(&format!("/token_usage/{key}")).cloned().unwrap_or_default();
            add("input_tokens", used("input"));
            add("output_tokens", used("output"));
            add("cache_creation_tokens", used("cache_creation"));
            add("cache_read_tokens", used("cache_read"));
            add("total_tokens", used("total"));
        }
        "file.read" | "file.write" | "file.edit" | "read" | "write" | "edit" => {
            add("file_path", fact.data.get("file").cloned().unwrap_or_default());
        }
        "error" => {
            add("error_type", json!(fact.kind.name()));
            add("message", json!(fact.summary));
        }
        _ => {}
    }
    Value::Object(data)
}

fn prompt(fact: &Fact, add: &mut impl FnMut(&str, Value)) {
    let prompt = fact.text("prompt").unwrap_or_default();
    add("hook_event_name", json!("UserPromptSubmit"));
    add("prompt_text", json!(prompt));
    add("prompt_preview", json!(preview(prompt)));
    add("prompt_length", json!(prompt.chars().count()));
    add("is_command", json!(prompt.starts_with('/')));
    add("contains_code", json!(prompt.contains("```")));
}

fn call_started(fact: &Fact, add: &mut impl FnMut(&str, Value)) {
    add("hook_event_name", json!("PreToolUse"));
    tool(fact, add);
    if is_delegation(fact) {
        let of =
            |key: &str| fact.data.pointer(&format!("/tool_input/{key}")).and_then(Value::as_str).unwrap_or_default();
        let details = json!({ "agent_type": of("subagent_type"), "original_agent_type": of("subagent_type"),
            "prompt": of("prompt"), "description": of("description"), "task_preview": preview(of("prompt")) });
        add("delegation_details", details);
    }
}

fn call_ended(fact: &Fact, add: &mut impl FnMut(&str, Value)) {
    let failed = fact.outcome == Some(Outcome::Error) || fact.kind == Kind::ToolCallFailed;
    let output = output(fact);
    add("hook_event_name", json!("PostToolUse"));
    tool(fact, add);
    add("success", json!(!failed));
    add("status", json!(if failed { "error" } else { "success" }));
    add("exit_code", json!(i32::from(failed)));
    add("duration_ms", json!(fact.duration_ms));
    add("has_output", json!(!output.is_empty()));
    add("has_error", json!(failed));
    add("output_size", json!(output.len()));
    let summary = json!({ "has_output": !output.is_empty(), "has_error": failed, "output_preview": preview(&output) });
    add("result_summary", summary);
    add("output", json!(output));
    if failed {
        add("is_error", json!(true));
        add("error", json!(fact.text("error").unwrap_or_default()));
    }
}

fn notification(fact: &Fact, add: &mut impl FnMut(&str, Value)) {
    let message = fact.text("message").unwrap_or_default();
    add("hook_event_name", json!("Notification"));
    add("message_preview", json!(preview(message)));
    add("message_length", json!(message.chars().count()));
    add("is_user_input_request", json!(message.contains("input") || message.contains("permission")));
}

fn turn_ended(fact: &Fact, add: &mut impl FnMut(&str, Value)) {
    let failed = fact.kind == Kind::TurnFailed;
    add("hook_event_name", json!("Stop"));
    add("reason", json!(if failed { fact.text("error").unwrap_or_default() } else { "completed" }));
    add("stop_type", json!("normal"));
    add("is_error_stop", json!(failed));
    add("is_completion_stop", json!(!failed));
    add("output", json!(fact.text("last_assistant_message").unwrap_or_default()));
}

fn agent(fact: &Fact, ends: bool, add: &mut impl FnMut(&str, Value)) {
    add("hook_event_name", json!(if ends { "SubagentStop" } else { "SubagentStart" }));
    add("agent_type", json!(fact.agent_type.as_deref().unwrap_or("unknown")));
    if ends {
        let failed = fact.outcome == Some(Outcome::Error);
        let output = fact.text("last_assistant_message").unwrap_or_default();
        add("reason", json!(if failed { "error" } else { "completed" }));
        add("output", json!(output));
        add("is_successful_completion", json!(!failed));
        add("is_error_termination", json!(failed));
        add("has_results", json!(!output.is_empty()));
    }
}

/// What both pages show of a call. They know the tool that starts an agent by its old name alone.
fn tool(fact: &Fact, add: &mut impl FnMut(&str, Value)) {
    let name = fact.tool_name.as_deref().unwrap_or_default();
    let operation = operation(name);
    if name == "Agent" {
        add("tool_name", json!("Task"));
        add("original_tool_name", json!(name));
    }
    let parameters =
        fact.data.get("tool_input").filter(|input| input.is_object()).cloned().unwrap_or_else(|| json!({}));
    add("operation_type", json!(operation));
    add("parameter_count", json!(parameters.as_object().map_or(0, Map::len)));
    add("tool_parameters", parameters);
    add("is_file_operation", json!(matches!(operation, "read" | "write")));
    add("is_execution", json!(operation == "execute"));
    add("is_delegation", json!(operation == "delegation"));
}

fn is_delegation(fact: &Fact) -> bool {
    operation(fact.tool_name.as_deref().unwrap_or_default()) == "delegation"
}

fn operation(tool: &str) -> &'static str {
    match tool {
        "Read" | "Glob" | "Grep" | "LS" | "NotebookRead" => "read",
        "Write" | "Edit" | "MultiEdit" | "NotebookEdit" => "write",
        "Bash" | "BashOutput" | "KillShell" => "execute",
        "WebFetch" | "WebSearch" => "network",
        "TodoWrite" | "TaskCreate" | "TaskUpdate" | "TaskList" | "TaskGet" => "task_management",
        "Task" | "Agent" => "delegation",
        _ => "other",
    }
}

/// What a call printed, as far as it goes out on wires.
fn output(fact: &Fact) -> String {
    let response = fact.data.get("tool_response").unwrap_or(&Value::Null);
    let first = ["stdout", "output", "content", "result", "stderr"];
    let text = response
        .as_str()
        .or_else(|| first.iter().find_map(|key| response.get(key)?.as_str().filter(|text| !text.is_empty())));
    text.unwrap_or_default().to_owned()
}

fn preview(text: &str) -> String {
    text.chars().take(PREVIEW_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Source, Time};
    use crate::hook_input;

    fn event(hook: &Value) -> Event {
        let fact = hook_input::read(hook.to_string().as_bytes(), Time::from_ms(5), Source::Hook);
        Event { seq: Some(7), recorded_at: Time::from_ms(6), fact }
    }

    #[test]
    fn the_newer_page_gets_an_event_under_its_type_and_the_older_one_under_its_category() {
        let event =
            event(&json!({ "hook_event_name": "PreToolUse", "session_id": "s1", "cwd": "/w", "tool_name": "Agent",
            "tool_use_id": "t1", "tool_input": { "subagent_type": "Explore", "prompt": "Look", "description": "d" } }));
        let (name, new) = message(&event).unwrap();
        assert_eq!((name, &new["type"], &new["subtype"]), ("tool_event", &json!("tool_event"), &json!("pre_tool")));
        assert_eq!((&new["correlation_id"], &new["data"]["correlation_id"]), (&json!("t1"), &json!("t1")));
        // Their pages know a delegation by this name alone.
        assert_eq!((&new["data"]["tool_name"], &new["data"]["original_tool_name"]), (&json!("Task"), &json!("Agent")));
        assert_eq!(new["data"]["delegation_details"]["agent_type"], "Explore");
        assert_eq!((&new["cwd"], &new["session_id"], &new["source"]), (&json!("/w"), &json!("s1"), &json!("hook")));
        let old = old_message(&event).unwrap();
        assert_eq!(
            (&old["type"], &old["subtype"], &old["event"]),
            (&json!("hook"), &json!("pre_tool"), &json!("claude_event"))
        );
    }

    #[test]
    fn old_names_have_no_dots_and_no_payload_an_id() {
        for kind in crate::vocabulary::ROWS.iter().map(|row| row.kind) {
            let fact =
                Fact::new(kind, Time::from_ms(5), Source::Server, json!({ "id": 1, "type": "x", "token_usage": {} }));
            let event = Event { seq: Some(7), recorded_at: Time::from_ms(6), fact };
            let Some(old) = old_message(&event) else { continue };
            let (name, new) = message(&event).unwrap();
            assert!(NAMES.contains(&name) && new["type"] == name, "{kind:?}");
            for text in [&old["type"], &old["subtype"]] {
                assert!(!text.as_str().unwrap().contains(['.', ':']), "{kind:?}: {text}");
            }
            assert!(new["data"].is_object() && new["data"].get("id").is_none() && new.get("id").is_none(), "{kind:?}");
        }
    }
}
