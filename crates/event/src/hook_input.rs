//! What Claude Code sends on a hook's stdin, and what other agents send on theirs, read once into a fact. Lenient:
//! unknown events and fields are kept.
//!
//! Source of the format: Claude Code's hooks reference, and recordings of a real client (`fixtures/claude`). A payload
//! carries no time; the hook program stamps it.

mod programs;

use serde_json::{Map, Value, json};

use crate::bodies;
use crate::event::{Fact, Identity, Outcome, Route, Source, Time};
use crate::frame::Frame;
use crate::vocabulary::Kind;
use crate::{redact, summary};

/// The longest id or name that is lifted out of a payload, in bytes. Real ones have 40.
pub(crate) const ID_BYTES_MAX: usize = 256;

/// The longest working directory, in bytes: Linux's `PATH_MAX`.
const PATH_BYTES_MAX: usize = 4096;

/// How much of an unreadable input is kept for a person to look at, in bytes.
const UNREADABLE_BYTES_MAX: usize = 256 * 1024;

/// Reads one hook's stdin. Never fails: what is no JSON object becomes a `hook.unreadable` fact that says why.
pub fn read(stdin: &[u8], time: Time, source: Source) -> Fact {
    taken(stdin, time, source, None)
}

/// Reads what a hook left in the spool: as [`read`] does, and where the hook program took less than it was given, that is
/// why it cannot be read.
pub fn read_frame(frame: &Frame) -> Fact {
    let taken_short = if frame.is_cut {
        Some(format!("it was cut: no more than the first {} MiB were taken", frame.payload.len() >> 20))
    } else {
        frame.is_late.then(|| "it was cut: it had not ended when the hook's time was up".to_owned())
    };
    taken(&frame.payload, Time::from_ns(frame.time_ns), Source::Hook, taken_short)
}

fn taken(stdin: &[u8], time: Time, source: Source, taken_short: Option<String>) -> Fact {
    let is_cut = taken_short.is_some();
    let reason = match parse_leniently(stdin) {
        Ok(Value::Object(payload)) => return from_payload(payload, time, source),
        Ok(other) => format!("a JSON {} instead of an object", type_of(&other)),
        Err(error) => taken_short.unwrap_or_else(|| error.to_string()),
    };
    unreadable(stdin, &reason, is_cut, time, source)
}

/// Turns a parsed payload into a fact.
pub fn from_payload(mut payload: Map<String, Value>, time: Time, source: Source) -> Fact {
    programs::translate(&mut payload);
    let mut data = Value::Object(payload);
    redact::value(&mut data);
    let hook_event = data.get("hook_event_name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let identity = identity_of(&hook_event, &data);

    let whole = needs_withholding(&data).then(|| data.clone());
    let cut = bodies::withhold(&mut data);

    let mut fact = Fact::new(kind_of(&hook_event, &data), time, source, data);
    fact.identity = identity;
    fact.session_id = lift(&mut fact.data, "session_id", ID_BYTES_MAX);
    fact.prompt_id = lift(&mut fact.data, "prompt_id", ID_BYTES_MAX);
    fact.agent_id = lift(&mut fact.data, "agent_id", ID_BYTES_MAX);
    fact.agent_type = lift(&mut fact.data, "agent_type", ID_BYTES_MAX);
    fact.cwd = lift(&mut fact.data, "cwd", PATH_BYTES_MAX);
    fact.tool_name = lift(&mut fact.data, "tool_name", ID_BYTES_MAX);
    fact.tool_use_id = lift(&mut fact.data, "tool_use_id", ID_BYTES_MAX);
    fact.duration_ms = fact.data.get("duration_ms").and_then(Value::as_u64);
    fact.outcome = outcome_of(fact.kind, &fact.data);
    if let Some(change) = change_of(fact.kind, whole.as_ref()) {
        set(&mut fact.data, "change", change);
    }
    if !cut.is_empty() {
        fact.whole = whole;
    }
    fact.cut = cut;
    if fact.kind == Kind::HookReceived {
        fact.route = Some(Route { namespace: "/hook".to_owned(), event: snake_case(&hook_event) });
    }
    fact.summary = summary::of(&fact);
    fact
}

/// Which kind of event a hook is.
fn kind_of(hook_event: &str, data: &Value) -> Kind {
    let text = |key: &str| data.get(key).and_then(Value::as_str);
    match hook_event {
        "SessionStart" if text("source") == Some("compact") => Kind::SessionContinued,
        "SessionStart" => Kind::SessionStarted,
        "Setup" => Kind::SessionSetUp,
        "InstructionsLoaded" => match text("load_reason") {
            Some("nested_traversal" | "path_glob_match" | "include") => Kind::MemoryInjected,
            _ => Kind::MemoryLoaded,
        },
        // A finished background task arrives as a prompt that nobody typed.
        "UserPromptSubmit"
            if text("prompt").is_some_and(|prompt| prompt.trim_start().starts_with("<task-notification>")) =>
        {
            Kind::BackgroundTaskFinished
        }
        "UserPromptSubmit" => Kind::PromptSubmitted,
        "UserPromptExpansion" => Kind::PromptExpanded,
        "MessageDisplay" => Kind::ClaudeOutput,
        "PreToolUse" => Kind::ToolCallStarted,
        "PermissionRequest" => Kind::PermissionRequested,
        "PermissionDenied" => Kind::PermissionDenied,
        "PostToolUse" => Kind::ToolCallFinished,
        "PostToolUseFailure" => Kind::ToolCallFailed,
        "PostToolBatch" => Kind::ToolBatchFinished,
        "Notification" => Kind::NotificationSent,
        "SubagentStart" => Kind::AgentStarted,
        // Compaction runs as a hidden agent without a type and without a start.
        "SubagentStop" if text("agent_type").is_none_or(str::is_empty) => Kind::CompactionSummarized,
        "SubagentStop" => Kind::AgentFinished,
        "TaskCreated" | "TaskCompleted" => Kind::TodoUpdated,
        "Stop" => Kind::TurnFinished,
        "StopFailure" => Kind::TurnFailed,
        "TeammateIdle" => Kind::TeammateIdle,
        "ConfigChange" => Kind::ConfigChanged,
        "CwdChanged" => Kind::CwdChanged,
        "DirectoryAdded" => Kind::DirectoryAdded,
        "FileChanged" => Kind::FileChanged,
        "WorktreeCreate" => Kind::WorktreeCreated,
        "WorktreeRemove" => Kind::WorktreeRemoved,
        "PreCompact" => Kind::CompactionStarted,
        "PostCompact" => Kind::CompactionFinished,
        "Elicitation" => Kind::ElicitationRequested,
        "ElicitationResult" => Kind::ElicitationAnswered,
        "SessionEnd" => Kind::SessionEnded,
        "PreModelSwitch" => Kind::ModelSwitchRequested,
        "PostModelSwitch" => Kind::ModelSwitched,
        _ => Kind::HookReceived,
    }
}

/// Hooks of a tool call happen once for their call; any other may come again with the same words.
fn identity_of(hook_event: &str, data: &Value) -> Identity {
    let Some(session) = data.get("session_id").and_then(Value::as_str) else { return Identity::Unique };
    let is_of_call = matches!(hook_event, "PreToolUse" | "PostToolUse" | "PostToolUseFailure" | "PermissionDenied");
    if is_of_call && let Some(call) = data.get("tool_use_id").and_then(Value::as_str) {
        return once(session, hook_event, call);
    }
    Identity::Repeatable(Identity::key_of(&[session.as_bytes(), hook_event.as_bytes(), data.to_string().as_bytes()]))
}

fn once(session: &str, hook_event: &str, call: &str) -> Identity {
    Identity::Once(Identity::key_of(&[session.as_bytes(), hook_event.as_bytes(), call.as_bytes()]))
}

/// The identity of a call's beginning or end, as the hook that names the call has it.
pub(crate) fn identity_of_call(session: &str, kind: Kind, call: &str) -> Identity {
    let hook_event = match kind {
        Kind::ToolCallStarted => "PreToolUse",
        Kind::ToolCallFailed => "PostToolUseFailure",
        _ => "PostToolUse",
    };
    once(session, hook_event, call)
}

fn outcome_of(kind: Kind, data: &Value) -> Option<Outcome> {
    let is = |key: &str, pointer: bool| {
        let value = if pointer { data.pointer(key) } else { data.get(key) };
        value.and_then(Value::as_bool) == Some(true)
    };
    match kind {
        Kind::ToolCallFinished if is("/tool_response/interrupted", true) => Some(Outcome::Interrupted),
        Kind::ToolCallFailed if is("is_interrupt", false) => Some(Outcome::Interrupted),
        Kind::ToolCallFinished | Kind::TurnFinished | Kind::AgentFinished | Kind::CompactionFinished => {
            Some(Outcome::Ok)
        }
        Kind::ToolCallFailed | Kind::TurnFailed => Some(Outcome::Error),
        Kind::PermissionDenied => Some(Outcome::Denied),
        _ => None,
    }
}

/// Whether [`bodies::withhold`] could take anything out: only then the payload is copied first.
fn needs_withholding(data: &Value) -> bool {
    let names_file_tool = |call: &Value| {
        let tool = call.get("tool_name").and_then(Value::as_str);
        matches!(tool, Some("Read" | "Write" | "Edit" | "MultiEdit" | "NotebookEdit" | "NotebookRead" | "Grep"))
    };
    let calls = data.get("tool_calls").and_then(Value::as_array);
    names_file_tool(data) || calls.is_some_and(|calls| calls.iter().any(names_file_tool)) || bodies::is_long(data)
}

/// What an edit changed: `{"path", "added", "removed"}`, in lines, from the tool's own patch.
fn change_of(kind: Kind, whole: Option<&Value>) -> Option<Value> {
    if kind != Kind::ToolCallFinished {
        return None;
    }
    let response = whole?.get("tool_response")?;
    let path = response.get("filePath").and_then(Value::as_str)?;
    let hunks = response.get("structuredPatch").and_then(Value::as_array)?;
    let lines = || hunks.iter().filter_map(|hunk| hunk.get("lines")?.as_array()).flatten().filter_map(Value::as_str);
    let (mut added, removed) =
        (lines().filter(|line| line.starts_with('+')).count(), lines().filter(|line| line.starts_with('-')).count());
    let created = response.get("type").and_then(Value::as_str) == Some("create");
    if created && let Some(content) = response.get("content").and_then(Value::as_str) {
        added = content.lines().count();
    }
    Some(json!({ "path": path, "added": added, "removed": removed, "created": created }))
}

/// Takes a short string out of the payload; anything else stays where it is.
fn lift(data: &mut Value, key: &str, bytes_max: usize) -> Option<String> {
    let fields = data.as_object_mut()?;
    match fields.get(key) {
        Some(Value::String(text))
            if !text.is_empty() && text.len() <= bytes_max && !text.contains(char::is_control) => {}
        _ => return None,
    }
    match fields.shift_remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Sets a field of a payload that is an object.
pub fn set(data: &mut Value, key: &str, value: Value) {
    if let Some(fields) = data.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

/// Parses JSON the way Node writes it: bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD.
pub fn parse_leniently(bytes: &[u8]) -> serde_json::Result<Value> {
    let error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let text = String::from_utf8_lossy(bytes);
    serde_json::from_str(&mend_surrogates(&text)).map_err(|_| error)
}

/// Replaces `\ud800` to `\udfff` escapes that are no pair.
fn mend_surrogates(text: &str) -> String {
    let unit_at = |rest: &str| -> Option<u16> {
        let digits = rest.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match unit_at(rest) {
            Some(0xd800..=0xdbff) if matches!(unit_at(&rest[6..]), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                mended.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            Some(_) => 6,
            // Any other escape is two characters, the second of which may be a backslash.
            None => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    mended.push_str(rest);
    mended
}

fn unreadable(stdin: &[u8], reason: &str, is_cut: bool, time: Time, source: Source) -> Fact {
    let kept = &stdin[..stdin.len().min(UNREADABLE_BYTES_MAX)];
    let text = redact::text(&String::from_utf8_lossy(kept)).into_owned();
    // Of what was redacted: nothing says that these are what their names say.
    let [session_id, tool_use_id, tool_name, hook_event_name] =
        ["session_id", "tool_use_id", "tool_name", "hook_event_name"].map(|key| told_first(&text, key));
    let mut data = json!({ "error": reason, "bytes": stdin.len(), "text": text });
    if is_cut {
        data["truncated"] = true.into();
    }
    if let Some(name) = hook_event_name {
        data["hook_event_name"] = name.into();
    }
    let whole = data.clone();
    // Half a Write call holds half a file.
    let cut = bodies::withhold_field(&mut data, "text");
    let mut fact = Fact::new(Kind::HookUnreadable, time, source, data);
    fact.whole = Some(whole);
    fact.cut = cut;
    fact.session_id = session_id;
    fact.tool_use_id = tool_use_id;
    fact.tool_name = tool_name;
    fact.summary = summary::line(&format!("Unreadable hook input: {reason}"));
    fact
}

/// A field of an input that is cut, if it stands before all that is nested: there it can be no other's.
fn told_first(text: &str, key: &str) -> Option<String> {
    let fields = text.trim_ascii_start().strip_prefix('{')?;
    let flat = fields.split(['{', '[']).next()?;
    let (_, after) = flat.split_once(&format!("\"{key}\""))?;
    let (value, _) = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split_once('"')?;
    let is_plain =
        !value.is_empty() && value.len() <= ID_BYTES_MAX && !value.contains(|c: char| c == '\\' || c.is_control());
    is_plain.then(|| value.to_owned())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `PreToolUse` → `pre_tool_use`. Only letters, digits and underscores come out, at most 64.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in
        name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(48).enumerate()
    {
        if letter.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    if snake.is_empty() { "hook".to_owned() } else { snake }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(json: &str) -> Fact {
        read(json.as_bytes(), Time::from_ms(1_000), Source::Hook)
    }

    #[test]
    fn an_unknown_hook_and_its_fields_are_kept() {
        let fact = fact(r#"{"session_id":"s","hook_event_name":"MoonPhaseChanged","phase":{"name":"full"}}"#);
        assert_eq!(fact.kind, Kind::HookReceived);
        assert_eq!((fact.namespace(), fact.event_name()), ("/hook", "moon_phase_changed"));
        assert_eq!(fact.data["phase"]["name"], "full");
    }

    #[test]
    fn what_is_no_object_is_kept_with_its_reason() {
        for input in ["", "hello", "[1,2]", "{\"a\":", "\u{0}\u{1}", "12"] {
            let fact = fact(input);
            assert_eq!(fact.kind, Kind::HookUnreadable, "{input:?}");
            assert!(fact.data["error"].is_string());
        }
        let deep = "[".repeat(100_000);
        assert_eq!(fact(&deep).kind, Kind::HookUnreadable);
    }

    #[test]
    fn half_a_surrogate_pair_and_broken_utf8_do_not_lose_the_event() {
        let lone = fact(
            r#"{"session_id":"s","hook_event_name":"Stop","last_assistant_message":"a\ud83d b \\ud83d \ud83d\ude00"}"#,
        );
        assert_eq!(lone.kind, Kind::TurnFinished);
        assert_eq!(lone.data["last_assistant_message"], "a\u{fffd} b \\ud83d 😀");
        let broken =
            read(b"{\"session_id\":\"s\",\"hook_event_name\":\"Stop\",\"x\":\"\xff\"}", Time::from_ms(0), Source::Hook);
        assert_eq!(broken.kind, Kind::TurnFinished);
    }

    #[test]
    fn ids_that_are_no_ids_stay_in_the_payload() {
        let fact = fact(r#"{"session_id":{"a":1},"hook_event_name":"PreToolUse","tool_name":7,"cwd":["x"]}"#);
        assert_eq!((fact.session_id, fact.tool_name, fact.cwd), (None, None, None));
        assert_eq!(fact.data["tool_name"], 7);
    }

    #[test]
    fn secrets_are_gone_from_the_payload_and_from_what_is_withheld() {
        let key = ["sk-ant-", "api03-abcdefghijklmnopqrstuvwx"].concat();
        let json = json!({"session_id": "s", "hook_event_name": "PreToolUse", "tool_name": "Write", "tool_use_id": "t",
            "tool_input": {"file_path": "/w/.env", "content": format!("KEY={key}\n")}});
        let fact = fact(&json.to_string());
        assert!(!fact.data.to_string().contains(&key));
        assert!(!fact.whole.unwrap().to_string().contains(&key));
        assert!(fact.data["tool_input"]["content"]["sha256"].is_string());
    }

    #[test]
    fn the_same_call_told_twice_is_one_fact_and_two_calls_are_two() {
        let told = r#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Bash","tool_use_id":"t1","tool_input":{}}"#;
        assert_eq!(fact(told).identity, fact(told).identity);
        assert_ne!(fact(told).identity, fact(&told.replace("t1", "t2")).identity);
        assert!(matches!(fact(r#"{"session_id":"s","hook_event_name":"Stop"}"#).identity, Identity::Repeatable(_)));
    }

    #[test]
    fn an_input_that_was_cut_says_so_and_whose_it_was() {
        let begin = r#"{"session_id":"s1","hook_event_name":"PostToolUse","tool_name":"Write","tool_input":{"tool_use_id":"inner","content":"x"#;
        let whole = Frame { time_ns: 5, parent_pid: 0, is_cut: false, is_late: false, payload: begin.into() };
        for (frame, said) in [
            (
                Frame { is_cut: true, payload: [begin.as_bytes(), &[b'x'; 3 << 20]].concat(), ..whole.clone() },
                Some("3 MiB"),
            ),
            (Frame { is_late: true, ..whole.clone() }, Some("time was up")),
            (whole, None),
        ] {
            let fact = read_frame(&frame);
            assert_eq!((fact.kind, fact.session_id.as_deref()), (Kind::HookUnreadable, Some("s1")));
            assert_eq!((fact.tool_name.as_deref(), fact.tool_use_id.as_deref()), (Some("Write"), None));
            assert_eq!(fact.data["hook_event_name"], "PostToolUse");
            assert_eq!(fact.data.get("truncated").is_some(), said.is_some());
            assert_eq!(fact.data["bytes"], frame.payload.len());
            assert!(fact.summary.contains(said.unwrap_or("EOF")), "{}", fact.summary);
        }
    }
}
