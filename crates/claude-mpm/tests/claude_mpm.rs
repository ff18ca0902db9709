//! claude-mpm's own pages, scripts and hooks work with this monitor as with their own server.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, Monitor};

fn client(monitor: &Monitor, who: &str, ask: &str) -> Option<Follower> {
    let url = format!("http://127.0.0.1:{}", monitor.port);
    support::node("claude-mpm.mjs", &["--url", &url, "--as", who, "--ask", ask]).map(Follower::start)
}

fn call(monitor: &Monitor, hook: &str, id: &str) {
    let payload = json!({ "session_id": "s1", "hook_event_name": hook, "tool_name": "Bash", "tool_use_id": id, "cwd": "/w/app",
        "tool_input": { "command": "ls" }, "tool_response": { "stdout": "a file", "stderr": "" } });
    assert_eq!(monitor.post("/api/events", &payload.to_string()).0, 204);
}

fn nothing_wrong(client: &Follower) {
    let wrong: Vec<&Value> = client.seen().iter().filter(|said| said["event"] == "$wrong").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_request_of_its_clients_is_answered_in_a_form_they_can_read() {
    let home = Home::new();
    let monitor = home.monitor();
    call(&monitor, "PreToolUse", "t1");
    for who in ["page5", "page4", "script"] {
        let Some(mut client) = client(&monitor, who, "all") else { return };
        let done = client.wait("all requests", |said| said["event"] == "$done");
        let silent: Vec<&Value> = client.seen().iter().filter(|said| said["event"] == "$silence").collect();
        assert!(silent.is_empty() && done["data"]["asked"] == done["data"]["answered"], "{who}: {silent:#?}");
        nothing_wrong(&client);
    }
    // What they ask is no event.
    let asked = ["dashboard:", "client:", "hook:", "request", "get_", "ping", "subscribe"];
    for event in monitor.history() {
        let name = event["event"].as_str().unwrap();
        assert!(!asked.iter().any(|asked| name.starts_with(asked)), "{event}");
    }
}

#[test]
fn the_newer_page_gets_each_event_under_one_of_its_ten_names() {
    let home = Home::new();
    let monitor = home.monitor();
    call(&monitor, "PreToolUse", "t1");
    let Some(mut client) = client(&monitor, "page5", "none") else { return };
    let history = client.event("/", "event_history");
    assert!(
        history["data"]["events"].as_array().unwrap().iter().any(|event| event["subtype"] == "pre_tool"),
        "{history}"
    );
    call(&monitor, "PostToolUse", "t1");
    let finished = client.wait("its end", |said| said["data"]["subtype"] == "post_tool");
    assert_eq!((&finished["event"], &finished["data"]["type"]), (&json!("tool_event"), &json!("tool_event")));
    assert_eq!(finished["data"]["data"]["output"], "a file");
    assert_eq!(finished["data"]["correlation_id"], "t1");
    monitor.post("/emit", r#"{"namespace":"/log","event":"message","data":{"level":"INFO","message":"the last"}}"#);
    client.wait("the last", |said| said["data"]["subtype"] == "log");
    let mut names: HashMap<u64, HashSet<String>> = HashMap::new();
    for said in client.seen() {
        if let (Some(seq), Some(name)) = (said["data"]["data"]["seq"].as_u64(), said["event"].as_str()) {
            assert!(names.entry(seq).or_default().insert(name.to_owned()), "twice: {said}");
        }
    }
    assert!(names.len() >= 2 && names.values().all(|names| names.len() == 1), "{names:?}");
    nothing_wrong(&client);
}

#[test]
fn the_older_page_and_the_scripts_get_everything_as_claude_event() {
    let home = Home::new();
    let monitor = home.monitor();
    for who in ["page4", "script"] {
        let Some(mut client) = client(&monitor, who, "none") else { return };
        // It has asked as only the older ones ask, and is served so from here on.
        client.wait("its status", |said| said["event"] == "status");
        client.tell(&json!({ "event": "get_history", "data": { "limit": 5 } }));
        client.wait("its history", |said| said["event"] == "get_history" && said["ack"] == true);
        call(&monitor, "PreToolUse", who);
        let began = client.wait("the call", |said| said["data"]["subtype"] == "pre_tool");
        assert_eq!((&began["event"], &began["data"]["type"]), (&json!("claude_event"), &json!("hook")), "{who}");
        nothing_wrong(&client);
    }
}

#[test]
fn what_its_hooks_post_becomes_what_the_hooks_of_claude_code_tell() {
    let posts = std::fs::read_to_string(support::repository().join("fixtures/claude-mpm/posts.jsonl")).unwrap();
    for version in ["4.2.51", "5.9.10"] {
        let home = Home::new();
        let monitor = home.monitor();
        for post in posts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            if post["version"] == version {
                assert_eq!(monitor.post("/api/events", &post["body"].to_string()).0, 204);
            }
        }
        let events = monitor.history();
        let of = |kind: &str| events.iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
        assert!(of("custom").is_empty(), "{version}: {:#?}", of("custom"));
        assert_eq!(of("prompt.submitted")[0]["data"]["prompt"], "Fix the bug", "{version}");
        let calls = of("tool_call.started");
        assert_eq!(calls[0]["tool_name"], "Bash");
        assert_eq!(calls[0]["cwd"], "/w/app");
        assert!(calls[0]["data"]["tool_input"]["command"] == "ls -la", "{}", calls[0]);
        assert!(calls[0]["data"]["tool_input"].get("param_keys").is_none());
        for (kind, count) in [
            ("tool_call.finished", 1),
            ("agent.delegated", 1),
            ("agent.finished", 1),
            ("turn.finished", 1),
            ("notification.sent", 1),
        ] {
            assert_eq!(of(kind).len(), count, "{version}: {kind}");
        }
        let session = &monitor.get("/api/v1/sessions")["sessions"][0];
        assert_eq!(session["session_id"], "c01bd4e7-22aa-4f19-8c3d-91d2c7fe0a11");
    }
}

#[test]
fn requests_that_read_files_are_refused_and_not_stored() {
    let home = Home::new();
    let monitor = home.monitor();
    let Some(mut client) = client(&monitor, "page4", "none") else { return };
    client.wait("its status", |said| said["event"] == "status");
    client.tell(&json!({ "event": "read_file", "data": { "file_path": "/etc/passwd" } }));
    let answer = client.wait("a refusal", |said| said["event"] == "file_content_response");
    assert_eq!(answer["data"]["success"], false);
    assert!(monitor.history().iter().all(|event| event["event"] != "read_file"));
}

#[test]
fn what_a_client_relays_reaches_the_others_without_the_bodies_of_files() {
    let home = Home::new();
    let monitor = home.monitor();
    let Some(mut sender) = client(&monitor, "page5", "none") else { return };
    let mut other = client(&monitor, "page5", "none").unwrap();
    for client in [&mut sender, &mut other] {
        client.event("/", "event_history");
    }
    let call = json!({ "hook_event_name": "PreToolUse", "session_id": "s1", "tool_name": "Write", "tool_use_id": "t9", "cwd": "/w",
        "tool_input": { "file_path": "/w/a.txt", "content": "the body of a file" } });
    let wrapped =
        json!({ "type": "hook", "subtype": "pre_tool", "timestamp": "2026-11-20T14:30:00Z", "data": { "data": call } });
    sender.tell(&json!({ "event": "claude_event", "data": wrapped }));
    other.wait("what was relayed", |said| said["event"] == "hook:event");
    other.wait("the call", |said| said["data"]["subtype"] == "pre_tool" && said["event"] == "tool_event");
    for said in other.seen() {
        assert!(!said.to_string().contains("the body of a file"), "{said}");
    }
}
