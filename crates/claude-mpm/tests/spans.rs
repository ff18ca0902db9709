//! `GET /api/v1/sessions/{id}/spans`: a session as spans of time, from the store, and cheap to follow.

use serde_json::{Value, json};

use crate::support::{Home, Monitor, repository};

fn play(monitor: &Monitor, scenario: &str) {
    let hooks = repository().join("fixtures/claude").join(scenario).join("hooks.jsonl");
    for line in std::fs::read_to_string(hooks).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(monitor.post("/api/events", &line["payload"].to_string()).0, 204);
    }
}

fn hook(monitor: &Monitor, name: &str, call: &str) {
    let hook = json!({ "session_id": "s1", "hook_event_name": name, "tool_name": "Bash", "tool_use_id": call, "cwd": "/w", "prompt_id": "p",
        "tool_input": { "command": "make" }, "tool_response": { "stdout": "" } });
    assert_eq!(monitor.post("/api/events", &hook.to_string()).0, 204);
}

#[test]
fn a_recorded_session_is_told_with_its_agents_calls_and_where_the_time_went() {
    let home = Home::new();
    let monitor = home.monitor();
    play(&monitor, "parallel");
    let session = monitor.get("/api/v1/sessions")["sessions"][0].clone();
    let report = monitor.get(&format!("/api/v1/sessions/{}/spans", session["session_id"].as_str().unwrap()));
    let spans = report["spans"].as_array().unwrap();
    assert_eq!(spans.len() as u64, session["counts"]["tool_calls"].as_u64().unwrap());
    assert_eq!(report["agents"].as_array().unwrap().len(), 1 + session["agents"].as_array().unwrap().len());
    assert!(!report["critical_path"].as_array().unwrap().is_empty());
    assert_eq!(
        report["totals"]["tools"]["Bash"]["calls"].as_u64().unwrap() as usize,
        spans.iter().filter(|span| span["tool"] == "Bash").count()
    );
}

#[test]
fn who_follows_is_told_what_is_new_and_nothing_while_nothing_happens() {
    let home = Home::new();
    let monitor = home.monitor();
    hook(&monitor, "PreToolUse", "t1");
    let (status, body) = monitor.request("GET", "/api/v1/sessions/s1/spans", &[], "");
    let first: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &first["spans"][0]["status"]), (200, &json!("open")));
    let tag = etag(&monitor);
    assert_eq!(
        monitor.request("GET", "/api/v1/sessions/s1/spans", &[("if-none-match", &tag)], ""),
        (304, String::new())
    );
    for known in [format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let (status, _) = monitor.request("GET", "/api/v1/sessions/s1/spans", &[("if-none-match", &known)], "");
        assert_eq!(status, 304, "{known}");
    }

    hook(&monitor, "PostToolUse", "t1");
    hook(&monitor, "PreToolUse", "t2");
    let (status, body) = monitor.request("GET", "/api/v1/sessions/s1/spans", &[("if-none-match", &tag)], "");
    let second: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    let statuses: Vec<&Value> = second["spans"].as_array().unwrap().iter().map(|span| &span["status"]).collect();
    assert_eq!(statuses, [&json!("ok"), &json!("open")]);
    hook(&monitor, "PostToolUse", "t2");
    let changed = monitor.get(&format!("/api/v1/sessions/s1/spans?since={}", second["seq"]));
    let ids: Vec<&Value> = changed["spans"].as_array().unwrap().iter().map(|span| &span["id"]).collect();
    assert_eq!(ids, [&json!("t2")]);
}

fn etag(monitor: &Monitor) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", monitor.port)).unwrap();
    let head = format!(
        "GET /api/v1/sessions/s1/spans HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n",
        monitor.port
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let tag = answer.lines().find_map(|line| line.strip_prefix("etag: ")).expect("it has an ETag");
    tag.trim().to_owned()
}

#[test]
fn a_session_that_nobody_knows_and_a_moment_that_is_none_are_said_so() {
    let home = Home::new();
    let monitor = home.monitor();
    hook(&monitor, "PreToolUse", "t1");
    assert_eq!(monitor.request("GET", "/api/v1/sessions/other/spans", &[], "").0, 404);
    let (status, body) = monitor.request("GET", "/api/v1/sessions/s1/spans?from=yesterday", &[], "");
    assert!(status == 400 && body.contains("yesterday"), "{body}");
    let (status, body) = monitor.request("GET", "/api/v1/sessions/s1/spans?from=5&to=1", &[], "");
    assert!(status == 400 && body.contains("`from` must be before `to`"), "{body}");
    assert_eq!(monitor.get("/api/v1/sessions/s1/spans?to=1")["spans"], json!([]), "it began later");
}
