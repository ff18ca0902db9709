//! What programs emit themselves: `POST /emit`, `POST /api/events`, Socket.IO and raw WebSocket clients.

mod claude_mpm;

use serde_json::{Map, Value};

use crate::event::{Fact, Identity, Outcome, Route, Source, Time};
use crate::hook_input;
use crate::vocabulary::{Kept, Kind};
use crate::{bodies, redact, summary};

/// The longest namespace or event name, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// How deep claude-mpm's hook scripts wrap the hook's own JSON in `data` fields, and one more.
const ENVELOPES_MAX: usize = 4;

/// The longest that anything takes, in milliseconds: a year.
const DURATION_MS_MAX: u64 = 366 * 86_400_000;

/// Names that Socket.IO keeps for itself; clients would take them for something else.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Why something emitted cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no JSON object.
    NoObject,
    /// There is no event name, or it is no string of 1 to 128 bytes.
    NoName,
    /// The name is Socket.IO's own.
    ReservedName(String),
    /// The namespace is no string of at most 128 bytes.
    BadNamespace,
    /// The namespace has a part that no name has.
    OddNamespace(String),
    /// The room is no string.
    BadRoom,
    /// Clients would take it for what the monitor itself says.
    OfTheMonitor(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NoObject => f.write_str("an event is a JSON object with \"namespace\", \"event\" and \"data\""),
            Refusal::NoName => {
                write!(f, "\"event\" must be a string of 1 to {NAME_BYTES_MAX} bytes without control characters")
            }
            Refusal::ReservedName(name) => write!(f, "{name:?} is reserved by Socket.IO and cannot be emitted"),
            Refusal::OfTheMonitor(what) => write!(f, "{what} is for the monitor alone to say; choose another name"),
            Refusal::OddNamespace(name) => {
                write!(
                    f,
                    "{name:?} is no namespace; it is names between slashes, without spaces, commas, \"?\", \"#\" and \"..\""
                )
            }
            Refusal::BadRoom => f.write_str("\"room\" must be a string"),
            Refusal::BadNamespace => {
                write!(f, "\"namespace\" must be a string of at most {NAME_BYTES_MAX} bytes without control characters")
            }
        }
    }
}

/// Whether this is what claude-mpm's own hooks and pages say of another thing that they tell, too: nothing is lost when
/// it is passed over, and everything would be told twice otherwise.
pub fn is_echo(data: &Value) -> bool {
    claude_mpm::is_echo(data)
}

/// Reads `{"namespace", "event", "data", "room"?}`. The namespace may lack its slash; without one it is `/`.
pub fn read(emitted: Value, now: Time, source: Source) -> Result<Fact, Refusal> {
    let Value::Object(mut fields) = emitted else { return Err(Refusal::NoObject) };
    let namespace = match fields.get("namespace") {
        None | Some(Value::Null) => "/".to_owned(),
        Some(Value::String(name)) => with_slash(name),
        Some(_) => return Err(Refusal::BadNamespace),
    };
    let Some(Value::String(event)) = fields.get("event").cloned() else { return Err(Refusal::NoName) };
    let room = match fields.shift_remove("room") {
        None | Some(Value::Null) => None,
        Some(Value::String(room)) => Some(room),
        Some(_) => return Err(Refusal::BadRoom),
    };
    let data = fields.shift_remove("data").unwrap_or(Value::Null);
    let mut fact = named(&namespace, &event, data, now, source)?;
    fact.room = room;
    Ok(fact)
}

/// `/`, or names that a client could connect to.
fn is_namespace(name: &str) -> bool {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.contains(|letter: char| letter.is_whitespace() || matches!(letter, ',' | '?' | '#'))
    };
    name == "/" || name.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part))
}

/// Takes an event that arrived under `event` in `namespace`, as a Socket.IO client sends it.
pub fn named(namespace: &str, event: &str, data: Value, now: Time, source: Source) -> Result<Fact, Refusal> {
    if event.is_empty() || event.len() > NAME_BYTES_MAX || event.contains(char::is_control) {
        return Err(Refusal::NoName);
    }
    if namespace.len() > NAME_BYTES_MAX || namespace.contains(char::is_control) {
        return Err(Refusal::BadNamespace);
    }
    if !is_namespace(namespace) {
        return Err(Refusal::OddNamespace(namespace.to_owned()));
    }
    if RESERVED.contains(&event) {
        return Err(Refusal::ReservedName(event.to_owned()));
    }
    if namespace == "/admin" || namespace == "/monitor" {
        return Err(Refusal::OfTheMonitor(format!("the namespace {namespace}")));
    }
    refuse_its_own(namespace, event)?;
    if let Some((payload, time)) = hook_inside(&data, now) {
        return Ok(hook_input::from_payload(payload, time, source));
    }
    if let Some((namespace, event, data)) = claude_mpm::told_otherwise(&data) {
        refuse_its_own(namespace, event)?;
        return Ok(plain(namespace, event, data, now, source));
    }
    Ok(plain(namespace, event, data, now, source))
}

/// Refuses what only the monitor itself knows: how it is, and who told an agent what.
fn refuse_its_own(namespace: &str, event: &str) -> Result<(), Refusal> {
    let is_its_own = |kind: Kind| kind.row().kept == Kept::Volatile || kind == Kind::AgentCommanded;
    if event == "gap" || Kind::addressed(namespace, event).is_some_and(is_its_own) {
        return Err(Refusal::OfTheMonitor(format!("{event:?} on {namespace}")));
    }
    Ok(())
}

/// The hook JSON that claude-mpm's own hook scripts wrap, up to three deep, in `claude_event`s; and its time.
fn hook_inside(data: &Value, now: Time) -> Option<(Map<String, Value>, Time)> {
    let mut layers = Vec::new();
    let mut layer = data.as_object();
    while let Some(fields) = layer
        && layers.len() < ENVELOPES_MAX
    {
        layers.push(fields);
        layer = fields.get("data").and_then(Value::as_object);
    }
    let is_hook = layers.iter().any(|layer| layer.get("type").and_then(Value::as_str) == Some("hook"))
        || layers
            .first()
            .is_some_and(|layer| layer.contains_key("hook_event_name") && layer.contains_key("session_id"));
    if !is_hook {
        return None;
    }
    let innermost = layers.last()?;
    let name = layers.iter().rev().find_map(|layer| layer.get("hook_event_name").filter(|name| name.is_string()));
    let mut payload = match name {
        Some(name) => {
            let mut payload = (*innermost).clone();
            payload.entry("hook_event_name").or_insert_with(|| name.clone());
            payload
        }
        None => {
            let subtype = layers.iter().find_map(|layer| layer.get("subtype").and_then(Value::as_str))?;
            claude_mpm::hook(subtype, innermost)?
        }
    };
    if !payload.contains_key("cwd")
        && let Some(cwd) = layers.iter().rev().find_map(|layer| layer.get("cwd").or(layer.get("working_directory")))
    {
        payload.insert("cwd".to_owned(), cwd.clone());
    }
    if !payload.contains_key("tool_use_id")
        && let Some(call) =
            layers.iter().find_map(|layer| layer.get("correlation_id")).filter(|_| payload.contains_key("tool_name"))
    {
        payload.insert("tool_use_id".to_owned(), call.clone());
    }
    if !payload.contains_key("session_id")
        && let Some(session) = layers.iter().find_map(|layer| layer.get("session_id"))
    {
        payload.insert("session_id".to_owned(), session.clone());
    }
    let told = layers.iter().find_map(|layer| layer.get("timestamp").and_then(Value::as_str));
    Some((payload, told.map_or(now, |told| time_told(told, now))))
}

/// When its sender says that it happened, unless that cannot be.
fn time_told(told: &str, now: Time) -> Time {
    Time::parse(told).map_or(now, |time| time.believed(now))
}

fn plain(namespace: &str, event: &str, mut data: Value, now: Time, source: Source) -> Fact {
    redact::value(&mut data);
    let whole = bodies::is_long(&data).then(|| data.clone());
    let cut = bodies::shorten_only(&mut data);
    let text = |key: &str| {
        let text = data.get(key).and_then(Value::as_str).filter(|text| !text.is_empty() && text.len() <= 256)?;
        (!text.contains(char::is_control)).then(|| text.to_owned())
    };
    let kind = Kind::addressed(namespace, event).unwrap_or(Kind::Custom);
    let time = text("timestamp").map_or(now, |told| time_told(&told, now));
    let mut fact = Fact::new(kind, time, source, Value::Null);
    fact.session_id = text("session_id");
    fact.agent_id = text("agent_id").filter(|_| !matches!(namespace, "/memory"));
    fact.agent_type = text("agent_type");
    fact.tool_name = text("tool_name");
    fact.tool_use_id = text("tool_use_id");
    fact.prompt_id = text("prompt_id");
    fact.cwd = text("working_directory").or_else(|| text("cwd"));
    fact.launch_id = text("launch_id");
    fact.duration_ms = data.get("duration_ms").and_then(Value::as_u64).filter(|ms| *ms <= DURATION_MS_MAX);
    fact.outcome = match data.get("success").and_then(Value::as_bool) {
        Some(true) => Some(Outcome::Ok),
        Some(false) => Some(Outcome::Error),
        None => None,
    };
    if kind == Kind::ToolCallFinished && fact.outcome == Some(Outcome::Error) {
        fact.kind = Kind::ToolCallFailed;
    }
    if kind == Kind::Custom {
        fact.route = Some(Route { namespace: namespace.to_owned(), event: event.to_owned() });
    }
    fact.summary = summary_of(event, &data);
    fact.data = data;
    fact.whole = whole;
    fact.cut = cut;
    fact.identity = Identity::Unique;
    fact
}

/// The words a person would look for first; else the event's name.
fn summary_of(event: &str, data: &Value) -> String {
    let words = ["summary", "message", "prompt", "task", "content", "file", "status", "tool_name"];
    let found = words.iter().find_map(|key| data.get(*key).and_then(Value::as_str).filter(|text| !text.is_empty()));
    summary::line(found.or(data.as_str()).unwrap_or(event))
}

fn with_slash(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_one(emitted: Value) -> Result<Fact, Refusal> {
        read(emitted, Time::from_ms(5), Source::Emit)
    }

    #[test]
    fn a_namespace_may_lack_its_slash_and_any_event_name_is_taken() {
        let fact =
            read_one(json!({"namespace": "system", "event": "custom_event", "data": {"message": "Custom event data"}}))
                .unwrap();
        assert_eq!((fact.namespace(), fact.event_name(), fact.kind), ("/system", "custom_event", Kind::Custom));
        assert_eq!(fact.summary, "Custom event data");
    }

    #[test]
    fn a_documented_event_becomes_its_kind() {
        let fact = read_one(
            json!({"namespace": "/hook", "event": "pre_tool", "data": {"tool_name": "Edit", "session_id": "s"}}),
        )
        .unwrap();
        assert_eq!(
            (fact.kind, fact.session_id.as_deref(), fact.tool_name.as_deref()),
            (Kind::ToolCallStarted, Some("s"), Some("Edit"))
        );
    }

    #[test]
    fn the_bodies_of_claude_mpms_hook_scripts_become_the_same_fact_as_our_hook() {
        let raw = json!({"hook_event_name": "PreToolUse", "session_id": "s1", "tool_name": "Bash", "tool_use_id": "t1", "tool_input": {"command": "ls"}});
        let ours = hook_input::read(raw.to_string().as_bytes(), Time::from_ms(5), Source::Hook);
        let envelope = |data: Value| {
            json!({"type": "hook", "subtype": "pre_tool", "hook_event_name": "PreToolUse", "session_id": "s1",
            "correlation_id": "c", "timestamp": "2025-01-31T14:30:52.123Z", "source": "hook", "data": data})
        };
        for data in [envelope(raw.clone()), envelope(envelope(raw.clone())), raw] {
            let theirs =
                read(json!({"namespace": "/", "event": "claude_event", "data": data}), Time::from_ms(5), Source::Http)
                    .unwrap();
            assert_eq!(
                (theirs.kind, theirs.identity, &theirs.data, &theirs.tool_use_id),
                (ours.kind, ours.identity, &ours.data, &ours.tool_use_id)
            );
        }
    }

    #[test]
    fn what_cannot_be_an_event_is_refused_with_the_reason() {
        assert_eq!(read_one(json!([1])).unwrap_err(), Refusal::NoObject);
        assert_eq!(read_one(json!({"namespace": "/x"})).unwrap_err(), Refusal::NoName);
        assert_eq!(read_one(json!({"namespace": 7, "event": "x"})).unwrap_err(), Refusal::BadNamespace);
        assert_eq!(read_one(json!({"event": "x", "room": 5})).unwrap_err(), Refusal::BadRoom);
        assert_eq!(read_one(json!({"event": "x", "room": null})).unwrap().room, None);
        for odd in ["lo g/../", "hook/", "//hook", "/a,b", "/a?b", "/a b", ".."] {
            let refused = read_one(json!({"namespace": odd, "event": "x"})).unwrap_err();
            assert!(matches!(refused, Refusal::OddNamespace(_)), "{odd}: {refused}");
        }
        for good in ["", "/", "mine", "/mine/deeper", "/v1.2_x-y"] {
            assert!(read_one(json!({"namespace": good, "event": "x"})).is_ok(), "{good}");
        }
        assert_eq!(read_one(json!({"event": "disconnect"})).unwrap_err(), Refusal::ReservedName("disconnect".into()));
        for (namespace, event) in [
            ("/monitor", "hello"),
            ("admin", "x"),
            ("/hook", "gap"),
            ("/system", "status"),
            ("/system", "heartbeat"),
            ("/claude", "command"),
        ] {
            let refused = read_one(json!({"namespace": namespace, "event": event})).unwrap_err();
            assert!(matches!(refused, Refusal::OfTheMonitor(_)), "{namespace} {event}: {refused}");
        }
    }
}
