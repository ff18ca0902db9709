//! What the server answers has the shape of its golden file: the same keys, of the same types.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, Monitor};

/// The keys and types of a value; lists by their first element. A key whose value may be null counts as there.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            json!(fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect::<BTreeMap<_, _>>())
        }
        Value::Array(items) => json!([items.first().map(shape)]),
        Value::String(_) => json!("string"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("boolean"),
        Value::Null => json!("null"),
    }
}

/// Whether an answer fits a golden file: every key of the one is in the other; null fits anything; `free` keys hold
/// what differs from one event to the next.
fn assert_fits(name: &str, answer: &Value, golden: &Value) {
    fn fits(answer: &Value, golden: &Value) -> bool {
        match (answer, golden) {
            (Value::String(null), _) | (_, Value::String(null)) if null == "null" => true,
            (Value::Object(answer), Value::Object(golden)) => {
                answer.len() == golden.len()
                    && answer.iter().all(|(key, value)| golden.get(key).is_some_and(|golden| fits(value, golden)))
            }
            (Value::Array(answer), Value::Array(golden)) => {
                fits(&answer[0], &golden[0]) || answer[0].is_null() || golden[0].is_null()
            }
            _ => answer == golden,
        }
    }
    let (answer, golden) = (shape(answer), shape(golden));
    assert!(fits(&answer, &golden), "contract/server/{name}.json differs\nanswer: {answer:#}\ngolden: {golden:#}");
}

fn golden_path(name: &str) -> PathBuf {
    support::repository().join("contract/server").join(format!("{name}.json"))
}

/// Compares with the golden file, or writes it where `UPDATE_CONTRACT` is set.
fn check(name: &str, answer: &Value) {
    let path = golden_path(name);
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, serde_json::to_string_pretty(answer).unwrap() + "\n").unwrap();
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_CONTRACT=1 writes it", path.display()));
    assert_fits(name, answer, &serde_json::from_str(&golden).unwrap());
}

/// A monitor with one session at work.
fn busy(home: &Home) -> Monitor {
    let monitor = home.monitor();
    for payload in [
        json!({ "session_id": "7f3a91c2-0000-4000-8000-000000000001", "hook_event_name": "SessionStart", "source": "startup", "cwd": "/home/dev/app", "model": "claude-opus-5-5", "transcript_path": "/home/dev/t.jsonl" }),
        json!({ "session_id": "7f3a91c2-0000-4000-8000-000000000001", "hook_event_name": "UserPromptSubmit", "prompt_id": "p1", "cwd": "/home/dev/app", "permission_mode": "default", "prompt": "Run the tests" }),
        json!({ "session_id": "7f3a91c2-0000-4000-8000-000000000001", "hook_event_name": "PreToolUse", "prompt_id": "p1", "cwd": "/home/dev/app", "permission_mode": "default",
            "tool_name": "Bash", "tool_use_id": "toolu_1", "tool_input": { "command": "cargo test" } }),
    ] {
        assert_eq!(monitor.post("/api/events", &payload.to_string()).0, 204);
    }
    monitor
}

#[test]
fn answers_over_http_have_their_documented_shape() {
    let home = Home::new();
    let monitor = busy(&home);
    for (name, path) in [
        ("health", "/health"),
        ("status", "/status"),
        ("agents", "/agents"),
        ("state", "/api/v1/state"),
        ("sessions", "/api/v1/sessions"),
        ("events", "/api/v1/events?kind=tool_call.started&limit=1"),
        ("content", "/api/v1/events/2/content"),
    ] {
        check(name, &monitor.get(path));
    }
    let stats = monitor.get("/api/v1/stats");
    for field in [
        "server_time",
        "events",
        "errors",
        "tool_calls",
        "unique_kinds",
        "events_per_minute",
        "by_namespace",
        "by_kind",
        "clients",
    ] {
        assert!(stats.get(field).is_some(), "{field}");
    }
    let (status, body) = monitor.post("/emit", "{");
    assert_eq!(status, 400);
    check("error", &serde_json::from_str(&body).unwrap());
    let (_, body) = monitor.post("/emit", r#"{"event":"x"}"#);
    check("emitted", &serde_json::from_str(&body).unwrap());
}

#[test]
fn the_pages_namespace_says_hello_then_events_then_states() {
    let Some(mut client) = support::node("follow.mjs", &[]) else { return };
    let home = Home::new();
    let monitor = busy(&home);
    client.args(["--url", &monitor.url(""), "--namespaces", "/monitor,/system"]);
    let mut client = Follower::start(client);
    check("monitor-hello", &client.event("/monitor", "hello")["data"]);
    check("system-status", &client.event("/system", "status")["data"]);
    check("system-server-info", &client.event("/system", "server_info")["data"]);
    check("system-heartbeat", &client.event("/system", "heartbeat")["data"]);

    monitor.post("/emit", r#"{"namespace":"/hook","event":"user_prompt","data":{"prompt":"hi","session_id":"7f3a91c2-0000-4000-8000-000000000001"}}"#);

    let events = client.wait("a batch with the prompt", |said| {
        said["event"] == "events" && said["data"].to_string().contains("\"hi\"")
    });
    let prompt = events["data"].as_array().unwrap().iter().find(|event| event["kind"] == "prompt.submitted").unwrap();
    assert_eq!(
        prompt,
        &monitor.get(&format!("/api/v1/events/{}", prompt["seq"])),
        "live and history are the same JSON"
    );
    let state = client.wait("the session's state", |said| {
        said["event"] == "state" && said["data"]["sessions"][0]["last_prompt"] == "hi"
    });
    let mut state = state["data"].clone();
    // The sessions' own shape is checked above.
    state["sessions"] = json!([]);
    check("monitor-state", &state);
}
