//! The OTLP door: recordings of a real client's telemetry beside its hooks, the specification's answers, an official exporter.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{DEADLINE, Home, Monitor, python, repository};

/// What a door answered, body and all.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn post(monitor: &Monitor, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", monitor.port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        monitor.port,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Whoever refuses a body early may close before it has read it all.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase();
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), body: answer.split_off(end + 4), head }
}

const JSON: &str = "content-type: application/json\r\n";
const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";

/// Plays a recording's hooks into a monitor, and its exports, which came while the session ran.
pub(crate) fn play(monitor: &Monitor, scenario: &str, telemetry_first: bool) -> Vec<Value> {
    let folder = repository().join("fixtures/claude").join(scenario);
    let hooks = std::fs::read_to_string(folder.join("hooks.jsonl")).unwrap();
    let hooks: Vec<Value> = hooks.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let exports = std::fs::read_to_string(folder.join("otlp/index.jsonl")).unwrap();
    let exports: Vec<Value> = exports.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut told: Vec<(u64, bool, &Value)> = Vec::new();
    let at = |line: &Value| line["received_ns"].as_u64().unwrap();
    told.extend(hooks.iter().map(|line| (at(line), true, line)));
    told.extend(exports.iter().map(|line| (at(line), false, line)));
    told.sort_by_key(|(at, is_hook, _)| (telemetry_first && *is_hook, *at));
    for (_, is_hook, line) in told {
        if is_hook {
            let (status, body) = monitor.post("/api/events", &line["payload"].to_string());
            assert_eq!(status, 204, "{body}");
            continue;
        }
        let body = std::fs::read(folder.join("otlp").join(line["file"].as_str().unwrap())).unwrap();
        let headers = format!("content-type: {}\r\n", line["content_type"].as_str().unwrap());
        let answer = post(monitor, line["path"].as_str().unwrap(), &headers, &body);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        if line["content_type"] == "application/json" {
            assert_eq!(answer.json(), json!({}));
        } else {
            assert!(answer.body.is_empty() && answer.head.contains("application/x-protobuf"));
        }
    }
    monitor.history()
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["kind"] == kind).count()
}

/// What both runs have in common: kinds, tools, and how they ended.
fn shape(events: &[Value]) -> Vec<Value> {
    let of_session = events.iter().filter(|event| event["session_id"].is_string());
    let mut shape: Vec<Value> = of_session
        .map(|event| {
            let data = &event["data"];
            let keys =
                ["name", "model", "input_tokens", "output_tokens", "cost_usd", "decision", "source", "hook_name"];
            let told: Vec<&Value> = keys.iter().map(|key| &data[*key]).collect();
            json!([event["kind"], event["tool_name"], event["outcome"], told])
        })
        .collect();
    shape.sort_by_key(Value::to_string);
    shape
}

#[test]
fn a_session_told_by_hooks_and_by_otlp_has_no_event_twice_in_either_encoding() {
    let mut shapes = Vec::new();
    for scenario in ["otlp-json", "otlp-proto"] {
        let home = Home::new();
        let monitor = home.monitor();
        let events = play(&monitor, scenario, false);

        // As many as its hooks alone tell, and no more.
        for (kind, wanted) in [
            ("prompt.submitted", 1),
            ("tool_call.started", 8),
            ("tool_call.finished", 7),
            ("tool_call.failed", 1),
            ("agent.started", 1),
            ("agent.finished", 1),
            ("session.ended", 1),
            ("api_request.finished", 9),
            ("tool_call.decided", 8),
            ("metrics.reported", 3),
        ] {
            assert_eq!(count(&events, kind), wanted, "{scenario}: {kind}");
        }
        let both = events.iter().filter(|event| event["sources"] == json!(["http", "otlp"])).count();
        // Eight calls, a prompt and an agent.
        assert_eq!(both, 10, "{scenario}");
        let call = events.iter().find(|event| event["kind"] == "tool_call.finished").unwrap();
        assert_eq!(call["data"]["otlp"]["success"], "true", "{call}");

        let session = &monitor.get("/api/v1/sessions")["sessions"][0];
        let usage = &session["usage"];
        assert_eq!((&usage["source"], &usage["status"]), (&json!("otlp"), &json!("reported")));
        let tokens =
            json!({ "input": 10_800, "output": 378, "cache_read": 189_000, "cache_creation": 2_700, "total": 202_878 });
        assert_eq!((&usage["tokens"], &usage["api_requests"]), (&tokens, &json!(9)), "{scenario}");
        assert_eq!(usage["cost_usd"], json!(0.143745), "{scenario}");
        assert_eq!(
            (session["counts"]["prompts"].clone(), session["counts"]["tool_calls"].clone()),
            (json!(1), json!(8))
        );
        shapes.push(shape(&events));
    }
    assert!(!shapes[0].is_empty());
    assert_eq!(shapes[0], shapes[1]);
}

#[test]
fn hooks_that_come_after_their_telemetry_tell_the_fuller_story_under_the_same_number() {
    let home = Home::new();
    let monitor = home.monitor();

    let events = play(&monitor, "otlp-json", true);

    for (kind, wanted) in
        [("prompt.submitted", 1), ("tool_call.finished", 7), ("tool_call.failed", 1), ("agent.finished", 1)]
    {
        assert_eq!(count(&events, kind), wanted, "{kind}");
    }
    // What only a hook knows is there, and what follows from it.
    let written =
        events.iter().find(|event| event["kind"] == "tool_call.finished" && event["tool_name"] == "Write").unwrap();
    assert_eq!(written["sources"], json!(["otlp", "http"]));
    assert!(written["data"]["tool_input"]["file_path"].is_string() && written["data"]["otlp"].is_object(), "{written}");
    assert!(count(&events, "file.operated") >= 2);
    let prompt = events.iter().find(|event| event["kind"] == "prompt.submitted").unwrap();
    assert_eq!(prompt["data"]["prompt"], "Do the scripted steps");
    let session = &monitor.get("/api/v1/sessions")["sessions"][0];
    assert_eq!((session["counts"]["prompts"].clone(), session["counts"]["tool_calls"].clone()), (json!(1), json!(8)));
}

#[test]
fn an_export_that_is_sent_again_adds_nothing_even_after_a_restart() {
    let home = Home::new();
    let monitor = home.monitor();
    play(&monitor, "otlp-json", false);
    let of_session = |monitor: &Monitor| -> Vec<String> {
        let events = monitor.history().into_iter().filter(|event| event["session_id"].is_string());
        events.map(|event| format!("{} {} {}", event["seq"], event["kind"], event["summary"])).collect()
    };
    let usage = |monitor: &Monitor| monitor.get("/api/v1/sessions")["sessions"][0]["usage"].clone();
    let (before, spent) = (of_session(&monitor), usage(&monitor));

    let again = |monitor: &Monitor| {
        let folder = repository().join("fixtures/claude/otlp-json/otlp");
        for (path, file) in
            [("/v1/logs", "0001-logs.json"), ("/v1/logs", "0003-logs.json"), ("/v1/metrics", "0002-metrics.json")]
        {
            assert_eq!(post(monitor, path, JSON, &std::fs::read(folder.join(file)).unwrap()).status, 200);
        }
    };
    again(&monitor);
    assert_eq!((of_session(&monitor), usage(&monitor)), (before.clone(), spent.clone()));
    let port = monitor.port;
    monitor.kill();
    let monitor = home.monitor_on(port);
    again(&monitor);
    assert_eq!((of_session(&monitor), usage(&monitor)), (before, spent));
}

/// An export of one log record of Claude Code.
fn log(name: &str, attributes: &Value) -> Value {
    let attributes: Vec<Value> = attributes
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } }))
        .collect();
    json!({ "resourceLogs": [{ "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "claude-code" } }] },
        "scopeLogs": [{ "logRecords": [{ "body": { "stringValue": format!("claude_code.{name}") }, "attributes": attributes }] }] }] })
}

#[test]
fn a_decision_that_otlp_tells_ends_the_wait_for_a_person() {
    let home = Home::new();
    let monitor = home.monitor();
    let call = json!({ "session_id": "s", "tool_name": "Bash", "tool_input": { "command": "make" }, "cwd": "/w" });
    for (hook, id) in [("PreToolUse", Some("t1")), ("PermissionRequest", None)] {
        let mut payload = call.clone();
        payload["hook_event_name"] = json!(hook);
        if let Some(id) = id {
            payload["tool_use_id"] = json!(id);
        }
        assert_eq!(monitor.post("/api/events", &payload.to_string()).0, 204);
    }
    let state = || monitor.get("/api/v1/sessions")["sessions"][0]["state"].clone();
    assert_eq!(state(), "need");

    let other = log("tool_decision", &json!({ "session.id": "s", "tool_use_id": "t0", "decision": "accept" }));
    assert_eq!(post(&monitor, "/v1/logs", JSON, other.to_string().as_bytes()).status, 200);
    assert_eq!(state(), "need");
    let decided = log(
        "tool_decision",
        &json!({ "session.id": "s", "tool_use_id": "t1", "decision": "accept", "source": "user_temporary" }),
    );
    assert_eq!(post(&monitor, "/v1/logs", JSON, decided.to_string().as_bytes()).status, 200);
    assert_eq!(state(), "working");
}

#[test]
fn secrets_and_file_bodies_of_telemetry_stay_where_those_of_hooks_stay() {
    let home = Home::new();
    let monitor = home.monitor();
    let key = ["sk-ant-", "api03-abcdefghijklmnopqrstuvwx"].concat();
    let input = json!({ "file_path": "/w/.env", "content": "the body of a file" }).to_string();
    let wrote = log(
        "tool_result",
        &json!({ "session.id": "s", "tool_name": "Write", "tool_use_id": "t1", "success": "true",
        "tool_input": input, "user.email": "ada@example.com", "note": format!("KEY={key}") }),
    );
    assert_eq!(post(&monitor, "/v1/logs", JSON, wrote.to_string().as_bytes()).status, 200);

    let events = monitor.history();
    let event = events.iter().find(|event| event["tool_use_id"] == "t1").unwrap();
    let text = event.to_string();
    for secret in [&key, "the body of a file", "ada@example.com"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(event["data"]["tool_input"]["file_path"], "/w/.env");
    let content = monitor.get(&format!("/api/v1/events/{}/content", event["seq"]));
    assert!(content.to_string().contains("the body of a file") && !content.to_string().contains(&key));
}

#[test]
fn answers_are_those_of_the_specification() {
    let home = Home::new();
    let monitor = home.monitor();
    let empty = b"{}";

    let answer = post(&monitor, "/v1/logs", "content-type: text/plain\r\n", empty);
    assert_eq!((answer.status, answer.json()["code"].clone()), (415, json!(3)));
    assert_eq!(post(&monitor, "/v1/traces", &format!("{JSON}content-encoding: br\r\n"), empty).status, 415);
    for (path, headers) in [("/v1/logs", JSON), ("/v1/metrics", PROTOBUF), ("/v1/traces", PROTOBUF)] {
        let answer = post(&monitor, path, headers, b"\x0a\x7fnonsense");
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.head.contains(headers.trim_end()), "{}", answer.head);
    }
    let answer = post(&monitor, "/v1/traces", "content-type: application/json; charset=utf-8\r\n", b"[]");
    assert_eq!(answer.status, 400);
    assert!(answer.json()["message"].as_str().unwrap().contains("resourceSpans"));

    // One record of three is none.
    let records = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [7, { "body": { "stringValue": "hello" } }, {}] }] }] });
    let answer = post(&monitor, "/v1/logs", JSON, records.to_string().as_bytes());
    assert_eq!((answer.status, &answer.json()["partialSuccess"]["rejectedLogRecords"]), (200, &json!("2")));
    assert_eq!(count(&monitor.history(), "log.message"), 1);
    // A span without ids: partial_success (1) with rejected_spans (1) of 1 and an error_message (2).
    let span = [0x0a, 0x09, 0x12, 0x07, 0x12, 0x05, 0x2a, 0x03, b'a', b'b', b'c'];
    let answer = post(&monitor, "/v1/traces", PROTOBUF, &span);
    assert_eq!((answer.status, &answer.body[..1], &answer.body[2..5]), (200, &[0x0a][..], &[0x08, 0x01, 0x12][..]));
    assert_eq!(monitor.request("GET", "/v1/logs", &[], "").0, 405);
}

#[test]
fn a_body_that_is_too_large_packed_or_unpacked_is_refused_and_costs_no_memory() {
    let home = Home::new();
    let monitor = home.monitor();
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", monitor.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(post(&monitor, "/v1/logs", JSON, &vec![b' '; 16 * 1024 * 1024 + 1]).status, 413);

    // 1 GiB of blanks in about 1 MiB of gzip, made by gzip itself.
    let mut gzip = std::process::Command::new("sh")
        .args(["-c", "head -c 1073741824 /dev/zero | gzip -c"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bomb = Vec::new();
    gzip.stdout.take().unwrap().read_to_end(&mut bomb).unwrap();
    gzip.wait().unwrap();
    let before = resident();
    let answer = post(&monitor, "/v1/logs", &format!("{PROTOBUF}content-encoding: gzip\r\n"), &bomb);
    assert_eq!(answer.status, 413);
    assert!(resident() < before + 80 * 1024, "{before} kB before, {} kB after", resident());
    assert_eq!(post(&monitor, "/v1/logs", &format!("{JSON}content-encoding: gzip\r\n"), b"no gzip").status, 400);

    // Two bytes can be a record: as many as fit are refused, or each on its own.
    let mut scope = [0x12, 0x00].repeat(2_000_000);
    for tag in [0x12_u8, 0x0a] {
        let mut outer = vec![tag];
        let mut length = scope.len();
        while length > 0x7f {
            outer.push((length & 0x7f | 0x80) as u8);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.append(&mut scope);
        scope = outer;
    }
    assert_eq!(post(&monitor, "/v1/logs", PROTOBUF, &scope).status, 413);
    assert!(resident() < before + 200 * 1024, "{before} kB before, {} kB after", resident());
}

#[test]
fn the_official_exporter_for_python_sends_logs_metrics_and_spans() {
    let Some(mut exporter) = python("otlp.py", &[]) else { return };
    let home = Home::new();
    let monitor = home.monitor();

    let output = exporter.arg(monitor.url("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let events = monitor.history();
    let line = events.iter().find(|event| event["kind"] == "log.message").unwrap();
    assert_eq!(
        (&line["data"]["level"], &line["data"]["message"]),
        (&json!("WARNING"), &json!("the disk is nearly full"))
    );
    assert_eq!(line["data"]["service"], "a-test");
    let metrics = events.iter().find(|event| event["kind"] == "metrics.reported").unwrap();
    let names: Vec<&str> =
        metrics["data"]["points"].as_array().unwrap().iter().map(|point| point["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"work.done") && names.contains(&"work.duration"), "{names:?}");
    let span = events.iter().find(|event| event["data"]["signal"] == "span").unwrap();
    assert_eq!((&span["data"]["name"], &span["outcome"]), (&json!("a piece of work"), &json!("error")));
    assert_eq!(span["data"]["events"][0]["name"], "halfway");
    // None of this is a session.
    assert_eq!(monitor.get("/api/v1/sessions")["sessions"], json!([]));
}
