//! Every door takes what it documents, refuses the rest with a reason, and the same fact is one event.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, Monitor};

fn emit(monitor: &Monitor, event: &Value) -> Value {
    let (status, body) = monitor.post("/emit", &event.to_string());
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn stored(monitor: &Monitor, seq: &Value) -> Value {
    monitor.get(&format!("/api/v1/events/{seq}"))
}

#[test]
fn an_emitted_event_is_stored_before_its_answer() {
    let home = Home::new();
    let monitor = home.monitor();

    let answer = emit(
        &monitor,
        &json!({ "namespace": "system", "event": "custom_event", "data": { "message": "Custom event data" } }),
    );

    let event = stored(&monitor, &answer["seq"]);
    assert_eq!(
        (&event["namespace"], &event["event"], &event["data"]["message"]),
        (&json!("/system"), &json!("custom_event"), &json!("Custom event data"))
    );
}

#[test]
fn an_array_is_taken_whole_or_not_at_all() {
    let home = Home::new();
    let monitor = home.monitor();

    let answer = emit(&monitor, &json!([{ "event": "one", "data": {} }, { "event": "two", "data": {} }]));
    assert_eq!(answer["seqs"].as_array().unwrap().len(), 2);

    let (status, body) = monitor.post("/emit", &json!([{ "event": "three" }, { "no": "event" }]).to_string());
    assert_eq!(status, 400);
    assert!(body.contains("event 1"), "{body}");
    assert!(!monitor.history().iter().any(|event| event["event"] == "three"));
}

#[test]
fn an_event_on_each_line_is_taken_whole_or_not_at_all() {
    let home = Home::new();
    let monitor = home.monitor();
    let line = |name: &str| json!({ "event": name, "data": { "text": "two\nlines" } }).to_string();

    let body = format!("{}\n\n{}\r\n{}", line("one"), line("two"), line("three"));
    let (status, answer) = monitor.request("POST", "/emit", &[("content-type", "application/x-ndjson")], &body);
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let names: Vec<_> =
        answer["seqs"].as_array().unwrap().iter().map(|seq| stored(&monitor, seq)["event"].clone()).collect();
    assert_eq!(names, ["one", "two", "three"]);

    for (body, reason) in [
        (format!("{}\n{{\"event\":", line("four")), "line 2 is no JSON"),
        (format!("{}\n{}", line("five"), json!({ "no": "event" })), "event 1"),
        (format!("{}\n[{}]", line("six"), line("seven")), "event 1"),
        ("{\"event\":\n".to_owned(), "the body is no JSON"),
        ("\n\n".to_owned(), "the body is no JSON"),
    ] {
        let (status, answer) = monitor.post("/emit", &body);
        assert!(status == 400 && answer.contains(reason), "{body}: {answer}");
    }
    assert_eq!(monitor.post("/emit", &"{\"event\":\"x\"}\n".repeat(10_001)).0, 413);
    assert!(!monitor.history().iter().any(|event| event["event"] == "four" || event["event"] == "five"));
}

#[test]
fn what_cannot_be_meant_is_refused_in_words() {
    let home = Home::new();
    let monitor = home.monitor();
    for (event, said) in [
        (json!({ "event": "x", "room": 5 }), "\\\"room\\\" must be a string"),
        (json!({ "event": "x", "namespace": "lo g/../" }), "is no namespace"),
    ] {
        let (status, body) = monitor.post("/emit", &event.to_string());
        assert!(status == 400 && body.contains(said), "{body}");
    }
    for (query, said) in [
        ("limit=many", "limit must be a whole number"),
        ("before=-1", "before must be a whole number"),
        ("limit=0", "limit must be 1 to 5000"),
        ("q=path:*.ts", "write how a part of the path begins"),
    ] {
        let (status, body) = monitor.request("GET", &format!("/api/v1/events?{query}"), &[], "");
        assert!(status == 400 && body.contains(said), "{body}");
    }
    for (method, path) in
        [("TRACE", "/"), ("PUT", "/live"), ("TRACE", "/health"), ("FROB", "/api/v1/events"), ("FROB", "/emit")]
    {
        assert_eq!(monitor.request(method, path, &[], "").0, 405, "{method} {path}");
    }
    let long = "x".repeat(70 * 1024);
    assert_eq!(monitor.request("GET", "/health", &[("x-long", &long)], "").0, 431);
    assert_eq!(monitor.request("GET", "/health", &[("x-long", &long[..60 * 1024])], "").0, 200);
}

#[test]
fn nothing_that_a_socket_io_client_says_is_lost_or_passed_over_in_silence() {
    let home = Home::new();
    let monitor = home.monitor();
    let follow = |auth: Value| {
        let (url, auth) = (monitor.url(""), auth.to_string());
        support::node("follow.mjs", &["--url", &url, "--namespaces", "/,/log", "--auth", &auth]).map(Follower::start)
    };
    let Some(mut client) = follow(json!({})) else { return };
    let mut say = |namespace: &str, event: &str, args: Value| {
        client.tell(&json!({ "namespace": namespace, "event": event, "args": args }));
        client.wait(event, |said| said["ack"] == true && said["event"] == event)["data"].clone()
    };
    let bytes = say("/log", "bytes", json!([{ "bytes": [1, 2, 3] }]));
    assert_eq!(stored(&monitor, &bytes["seq"])["data"], json!({ "base64": "AQID" }));
    let many = say("/log", "many", json!([1, 2, { "deep": [{ "bytes": [255] }] }]));
    assert_eq!(stored(&monitor, &many["seq"])["data"], json!([1, 2, { "deep": [{ "base64": "/w==" }] }]));
    let further = say("/log", "further", json!([{ "n": 1 }, 2]));
    assert_eq!(stored(&monitor, &further["seq"])["data"], json!({ "n": 1, "args": [2] }));
    assert_eq!(say("/", "subscribe", json!([{ "events": ["file_operation"] }]))["status"], "ok");

    for (namespace, args, message) in [
        ("/", json!([{ "events": ["nosuch"] }]), "\"nosuch\""),
        ("/", json!([5]), "a list of names"),
        ("/log", json!([5]), "send an object"),
    ] {
        client.tell(&json!({ "namespace": namespace, "event": "subscribe", "args": args }));
        client.wait(message, |said| {
            let answered = said["ack"] == true && said["data"]["status"] == "error";
            answered && said["data"]["message"].as_str().is_some_and(|told| told.contains(message))
        });
    }
    for since in [json!(-1), json!("abc"), json!(1.5)] {
        let mut client = follow(json!({ "since": since })).unwrap();
        client.wait("a refusal", |said| {
            said["event"] == "connect_error" && said["data"]["message"].to_string().contains("number of an event")
        });
    }
}

#[test]
fn an_event_can_be_emitted_from_a_shell() {
    let home = Home::new();
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "a-token");
    let monitor = Monitor::start(command);
    let port = monitor.port.to_string();
    let emit = |arguments: &[&str], token: &str, stdin: &str| {
        let mut command = home.program(&[&["emit", "--port", &port], arguments].concat());
        command.env("CLAUDE_MPM_SOCKETIO_TOKEN", token);
        let mut emitting = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Whoever does not want it may have ended.
        let _ = emitting.stdin.take().unwrap().write_all(stdin.as_bytes());
        emitting.wait_with_output().unwrap()
    };
    let event = |output: &std::process::Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let path = format!("/api/v1/events/{}", answer["seq"]);
        let (_, event) = monitor.request("GET", &path, &[("authorization", "Bearer a-token")], "");
        serde_json::from_str::<Value>(&event).unwrap()
    };

    let told = event(&emit(&["system", "custom_event", r#"{"message": "Hello"}"#, "--room", "a"], "a-token", ""));
    assert_eq!(
        (&told["namespace"], &told["event"], &told["data"], &told["room"]),
        (&json!("/system"), &json!("custom_event"), &json!({ "message": "Hello" }), &json!("a"))
    );
    assert_eq!(event(&emit(&["/log", "note"], "a-token", ""))["data"], json!({}));
    assert_eq!(event(&emit(&["log", "note", "-"], "a-token", "[1, 2]"))["data"], json!([1, 2]));
    assert_eq!(event(&emit(&["log", "note", "-5"], "a-token", ""))["data"], json!(-5));

    for (arguments, token, code, reason) in [
        (&["system", "x", "{message}"][..], "a-token", 2, "the data is no JSON"),
        (&["system", "disconnect"], "a-token", 1, "reserved by Socket.IO"),
        (&["system", "x"], "another", 1, "Invalid authentication token"),
        (&["system"], "a-token", 2, "EVENT"),
    ] {
        let output = emit(arguments, token, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && said.contains(reason), "{arguments:?}: {said}");
    }
    monitor.stop();
    let output = emit(&["system", "x"], "a-token", "");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Suggestion: Start one with"));
}

#[test]
fn what_the_hook_scripts_of_claude_mpm_send_is_the_same_event_as_our_hooks() {
    let home = Home::new();
    let monitor = home.monitor();
    let raw = json!({ "session_id": "s1", "transcript_path": "/t.jsonl", "cwd": "/w/app", "permission_mode": "default", "hook_event_name": "PreToolUse",
        "tool_name": "Bash", "tool_input": { "command": "cargo test" }, "tool_use_id": "toolu_1" });
    let wrapped = |data: &Value| {
        json!({ "type": "hook", "subtype": "pre_tool", "hook_event_name": "PreToolUse", "session_id": "s1",
        "correlation_id": "c1", "timestamp": "2026-11-20T12:00:00.000Z", "source": "claude_hooks", "data": data })
    };

    home.hook(monitor.port, raw.to_string().as_bytes());
    monitor.history_when(|events| events.iter().any(|event| event["tool_use_id"] == "toolu_1"));
    for body in [wrapped(&raw), wrapped(&wrapped(&raw)), wrapped(&wrapped(&wrapped(&raw)))] {
        let body = json!({ "namespace": "/", "event": "claude_event", "data": body });
        assert_eq!(monitor.post("/api/events", &body.to_string()), (204, String::new()));
    }

    let calls: Vec<Value> =
        monitor.history().into_iter().filter(|event| event["kind"] == "tool_call.started").collect();
    assert_eq!(calls.len(), 1, "four tellings are one event");
    assert_eq!(calls[0]["sources"], json!(["hook", "http"]));
    assert_eq!(calls[0]["data"]["tool_input"]["command"], "cargo test");
}

#[test]
fn a_telling_after_a_restart_is_still_the_same_event() {
    let home = Home::new();
    let monitor = home.monitor();
    let raw = json!({ "session_id": "s1", "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": { "command": "ls" }, "tool_use_id": "toolu_1" });
    assert_eq!(monitor.post("/api/events", &raw.to_string()).0, 204);
    let port = monitor.port;
    monitor.kill();

    let monitor = home.monitor_on(port);
    home.hook(port, raw.to_string().as_bytes());
    home.hook(port, json!({ "session_id": "s1", "hook_event_name": "Stop" }).to_string().as_bytes());

    let events = monitor.history_when(|events| events.iter().any(|event| event["kind"] == "turn.finished"));
    let calls: Vec<&Value> = events.iter().filter(|event| event["kind"] == "tool_call.started").collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["sources"], json!(["http", "hook"]));
}

#[test]
fn bodies_that_are_no_event_get_an_error_that_a_program_can_read() {
    let home = Home::new();
    let monitor = home.monitor();
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let nested = format!("{{\"event\":\"x\",\"data\":{}}}", "[".repeat(200));
    for (path, body, wanted) in [
        ("/emit", "", 400),
        ("/emit", "{", 400),
        ("/emit", "12", 400),
        ("/emit", "\"x\"", 400),
        ("/emit", deep.as_str(), 400),
        ("/emit", nested.as_str(), 400),
        ("/emit", r#"{"namespace":"/x"}"#, 400),
        ("/emit", r#"{"event":""}"#, 400),
        ("/emit", r#"{"event":"connect"}"#, 400),
        ("/emit", r#"{"namespace":3,"event":"x"}"#, 400),
        ("/api/events", "[]", 400),
        ("/api/events", "[{}]", 400),
        ("/api/events", "null", 400),
        ("/api/events", "{}", 400),
        ("/api/events", "\u{0}", 400),
    ] {
        let (status, answer) = monitor.post(path, body);
        assert_eq!(status, wanted, "{path} {}: {answer}", &body[..body.len().min(60)]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"]["message"].is_string() && answer["error"]["code"].is_string(), "{answer}");
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_and_the_next_one_is_taken() {
    let home = Home::new();
    let monitor = home.monitor();
    let giant = format!("{{\"event\":\"x\",\"data\":\"{}\"}}", "x".repeat(40 * 1024 * 1024));

    let refused = crate::support::try_request(monitor.port, "POST", "/emit", &[], &giant);

    // The server may close the connection before it has read everything.
    if let Some((status, body)) = refused {
        assert_eq!(status, 413, "{body}");
        assert!(body.contains("\"error\""));
    }
    emit(&monitor, &json!({ "event": "after", "data": {} }));
}

#[test]
fn history_is_found_by_words_and_fields_and_paged_without_a_gap() {
    let home = Home::new();
    let monitor = home.monitor();
    let events: Vec<Value> = (0..250).map(|number| json!({ "namespace": if number % 2 == 0 { "/log" } else { "/system" }, "event": "note",
        "data": { "message": format!("note {number} about {}", if number % 10 == 0 { "handleRequest" } else { "nothing" }), "session_id": format!("s{}", number % 3) } })).collect();
    emit(&monitor, &json!(events));

    let found =
        |query: &str| monitor.get(&format!("/api/v1/events?limit=5000&{query}"))["events"].as_array().unwrap().len();
    assert_eq!(found("q=request"), 25);
    assert_eq!(found("q=%22note%2020%20about%22"), 1);
    assert_eq!(found("namespace=/log&q=note"), 125);
    assert_eq!(found("session=s1&q=note"), 83);
    assert_eq!(found("q=-handlerequest+note"), 225);

    let mut before = u64::MAX >> 1;
    let mut seen = Vec::new();
    loop {
        let page = monitor.get(&format!("/api/v1/events?q=note&limit=7&before={before}"));
        seen.extend(page["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()));
        match page["next"].as_u64() {
            Some(next) => before = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), 250);
    assert!(seen.is_sorted_by(|newer, older| newer > older));
    let (status, body) = monitor.request("GET", "/api/v1/events?q=took:>never", &[], "");
    assert_eq!(status, 400, "{body}");
}
