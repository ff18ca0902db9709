//! Transcripts on disk: what they tell is told once, whatever happens to the file or to the monitor.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Home, Monitor, eventually, repository};

/// A session's transcript in a home, as its client would write it.
pub(crate) struct Conversation {
    session_id: String,
    path: PathBuf,
    answers: u32,
}

impl Conversation {
    pub(crate) fn new(home: &Home, session_id: &str) -> Conversation {
        let folder = home.path().join(".claude/projects/-w-app");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{session_id}.jsonl"));
        let conversation = Conversation { session_id: session_id.to_owned(), path, answers: 0 };
        conversation.write(&json!({ "type": "user", "uuid": format!("first of {session_id}"), "promptSource": "typed",
            "timestamp": time(0), "message": { "role": "user", "content": "Go" } }));
        conversation
    }

    pub(crate) fn write(&self, line: &Value) {
        append(&self.path, format!("{line}\n").as_bytes());
    }

    /// An answer with one token in and ten out.
    pub(crate) fn answer(&mut self) {
        self.answers += 1;
        self.write(&answer(self.answers, &format!("m{}", self.answers)));
    }

    /// The transcript of one of its subagents, of one line.
    pub(crate) fn subagent(&self, id: &str, kind: &str, line: &Value) {
        let agents = self.path.with_extension("").join("subagents");
        fs::create_dir_all(&agents).unwrap();
        fs::write(agents.join(format!("agent-{id}.meta.json")), json!({ "agentType": kind }).to_string()).unwrap();
        append(&agents.join(format!("agent-{id}.jsonl")), format!("{line}\n").as_bytes());
    }

    /// Its session, as its prompt's hook tells of it.
    pub(crate) fn prompt(&self) -> String {
        json!({ "session_id": self.session_id, "hook_event_name": "UserPromptSubmit", "prompt": "Go", "prompt_id": "p",
            "cwd": "/w/app", "transcript_path": self.path })
        .to_string()
    }
}

/// A moment of a morning before the monitor's.
fn time(second: u32) -> String {
    format!("2026-11-20T10:{:02}:{:02}.000Z", second / 60, second % 60)
}

pub(crate) fn answer(second: u32, id: &str) -> Value {
    json!({ "type": "assistant", "uuid": format!("u{id}"), "requestId": format!("r{id}"), "timestamp": time(second),
        "gitBranch": "main", "message": { "id": id, "model": "claude-opus-4-8", "stop_reason": "end_turn",
        "content": [{ "type": "text", "text": "words" }],
        "usage": { "input_tokens": 1, "output_tokens": 10, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0 } } })
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn session(monitor: &Monitor, session_id: &str) -> Value {
    let sessions = monitor.get("/api/v1/sessions");
    let mut of = sessions["sessions"].as_array().unwrap().iter().filter(|session| session["session_id"] == session_id);
    of.next().cloned().unwrap_or_default()
}

/// Waits until a session has had so many answers, and returns it.
fn answered(monitor: &Monitor, session_id: &str, answers: u64) -> Value {
    eventually(&format!("{answers} answers of {session_id}"), || {
        Some(session(monitor, session_id)).filter(|session| session["usage"]["api_requests"] == answers)
    })
}

fn answers_in(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter(|event| event["kind"] == "api_request.finished")
        .map(|event| event["data"]["message_id"].as_str().unwrap())
        .collect()
}

#[test]
fn a_session_has_the_tokens_context_branch_and_estimated_cost_of_its_transcript() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut conversation = Conversation::new(&home, "s1");
    conversation.answer();
    home.hook(monitor.port, conversation.prompt().as_bytes());
    answered(&monitor, "s1", 1);

    conversation.answer();
    let session = answered(&monitor, "s1", 2);
    let usage = &session["usage"];
    assert_eq!(usage["tokens"], json!({ "input": 2, "output": 20, "cache_read": 0, "cache_creation": 0, "total": 22 }));
    assert_eq!((&usage["source"], &usage["cost_status"]), (&json!("transcript"), &json!("estimated")));
    assert_eq!(usage["cost_usd"], json!(2.0 * (5.0 + 10.0 * 25.0) / 1e6));
    assert_eq!(session["context"], json!({ "tokens": 1, "window": 200_000, "status": "ok" }));
    assert_eq!((&session["git"]["branch"], &session["model"]), (&json!("main"), &json!("claude-opus-4-8")));
    let text = monitor.history().iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains("words"), "what was said is in no event");
}

#[test]
fn a_price_of_the_users_own_comes_before_the_table_and_no_price_is_no_cost() {
    let home = Home::new();
    fs::create_dir_all(home.path().join(".claude-mpm")).unwrap();
    let prices = "monitoring:\n  prices:\n    claude-opus-4-8: {input: 1, output: 2, cache_write_5m: 0, cache_write_1h: 0, cache_read: 0}\n";
    fs::write(home.path().join(".claude-mpm/configuration.yaml"), prices).unwrap();
    let monitor = home.monitor();
    let mut conversation = Conversation::new(&home, "s1");
    conversation.answer();
    let mut other = answer(9, "m9");
    other["message"]["model"] = json!("claude-unheard-of");
    conversation.write(&other);
    home.hook(monitor.port, conversation.prompt().as_bytes());
    let usage = &answered(&monitor, "s1", 2)["usage"];
    assert_eq!(usage["cost_usd"], json!(21.0 / 1e6), "{usage:#}");
    assert_eq!((&usage["unpriced"], &usage["cost_status"]), (&json!(["claude-unheard-of"]), &json!("estimated")));
    assert!(usage["models"]["claude-unheard-of"].get("cost_usd").is_none(), "{usage:#}");
}

#[test]
fn twenty_kills_while_a_conversation_goes_on_tell_each_answer_once() {
    let home = Home::new();
    let mut monitor = home.monitor();
    let port = monitor.port;
    let mut conversation = Conversation::new(&home, "s1");
    home.hook(port, conversation.prompt().as_bytes());
    for kill in 0..20_u64 {
        for _ in 0..10 {
            conversation.answer();
        }
        // Moments that differ: before it has looked, while it commits, after.
        std::thread::sleep(std::time::Duration::from_millis(kill * 23 % 400));
        monitor.kill();
        monitor = home.monitor_on(port);
    }
    let session = answered(&monitor, "s1", 200);
    assert_eq!(session["usage"]["tokens"]["output"], 2_000);
    let events = monitor.history();
    let told = answers_in(&events);
    let wanted: Vec<String> = (1..=200).map(|number| format!("m{number}")).collect();
    assert_eq!(told, wanted, "in order, none missing, none twice");
}

#[test]
fn a_file_that_is_written_anew_tells_only_what_is_new_in_it() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut conversation = Conversation::new(&home, "s1");
    for _ in 0..3 {
        conversation.answer();
    }
    home.hook(monitor.port, conversation.prompt().as_bytes());
    answered(&monitor, "s1", 3);

    // Shorter, with another beginning, an old answer and a new one; as another file under the same name.
    let rewritten = conversation.path.with_extension("new");
    append(&rewritten, b"{\"type\":\"summary\",\"summary\":\"what was before\"}\n");
    append(&rewritten, format!("{}\n{}\n", answer(2, "m2"), answer(30, "m30")).as_bytes());
    fs::rename(&rewritten, &conversation.path).unwrap();
    answered(&monitor, "s1", 4);
    // And cut off, then written on.
    OpenOptions::new().write(true).open(&conversation.path).unwrap().set_len(0).unwrap();
    append(&conversation.path, format!("{}\n", answer(31, "m31")).as_bytes());
    answered(&monitor, "s1", 5);
    assert_eq!(answers_in(&monitor.history()), ["m1", "m2", "m3", "m30", "m31"]);
}

#[test]
fn a_fork_is_told_from_where_it_is_a_session_of_its_own() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut conversation = Conversation::new(&home, "s1");
    conversation.answer();
    home.hook(monitor.port, conversation.prompt().as_bytes());
    answered(&monitor, "s1", 1);

    let mut fork = Conversation::new(&home, "s2");
    fs::copy(&conversation.path, &fork.path).unwrap();
    home.hook(monitor.port, fork.prompt().as_bytes());
    let now = eventually("the fork is known", || {
        Some(session(&monitor, "s2")["last_event_at"].clone()).filter(Value::is_string)
    });
    let mut own = answer(1, "own");
    own["timestamp"] = json!(later(now.as_str().unwrap()));
    fork.write(&own);
    fork.answers = 1;
    let session = answered(&monitor, "s2", 1);
    assert_eq!(session["usage"]["tokens"]["output"], 10);
    assert_eq!(answers_in(&monitor.history()), ["m1", "own"]);
}

/// The same day, at its very end.
fn later(time: &str) -> String {
    format!("{}T23:59:59.999Z", &time[..10])
}

#[test]
fn subagents_count_for_their_session_and_not_for_its_context() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut conversation = Conversation::new(&home, "s1");
    conversation.answer();
    let mut large = answer(5, "of a1");
    large["message"]["usage"]["input_tokens"] = json!(150_000);
    conversation.subagent("a1", "Explore", &large);
    home.hook(monitor.port, conversation.prompt().as_bytes());
    let session = answered(&monitor, "s1", 2);
    assert_eq!(session["usage"]["tokens"]["input"], 150_001);
    assert_eq!(session["context"]["tokens"], 1);
    assert_eq!(session["agents"], json!([]), "an agent that no hook told of is not at work");
    let events = monitor.history();
    let of_agent = events.iter().find(|event| event["data"]["message_id"] == "of a1").unwrap();
    assert_eq!((&of_agent["agent_id"], &of_agent["agent_type"]), (&json!("a1"), &json!("Explore")));
}

#[test]
fn lines_that_are_torn_huge_or_nonsense_stop_nothing() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut conversation = Conversation::new(&home, "s1");
    home.hook(monitor.port, conversation.prompt().as_bytes());
    append(&conversation.path, b"\0\0\xff\xfe no json\n{}\n[1]\n{\"type\":\"assistant\"\n");
    // Longer than any line may be, and longer than two pieces.
    let mut huge = answer(1, "huge");
    huge["message"]["content"][0]["text"] = json!("x".repeat(40 << 20));
    conversation.write(&huge);
    conversation.answer();
    let whole = format!("{}\n", answer(50, "torn"));
    let (one, other) = whole.as_bytes().split_at(whole.len() / 2);
    append(&conversation.path, one);
    answered(&monitor, "s1", 1);
    append(&conversation.path, other);
    answered(&monitor, "s1", 2);
    assert_eq!(answers_in(&monitor.history()), ["m1", "torn"]);
}

#[test]
fn a_path_that_is_no_transcript_of_its_session_is_not_read() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut conversation = Conversation::new(&home, "s1");
    conversation.answer();
    // Somebody tells of a session that is called otherwise, with the path of this one.
    let stranger = conversation.prompt().replace("\"session_id\":\"s1\"", "\"session_id\":\"s2\"");
    home.hook(monitor.port, stranger.as_bytes());
    home.hook(monitor.port, conversation.prompt().as_bytes());
    answered(&monitor, "s1", 1);
    assert!(session(&monitor, "s2").get("usage").is_none());
    assert_eq!(answers_in(&monitor.history()), ["m1"]);
}

#[test]
fn with_transcripts_switched_off_none_is_read() {
    let home = Home::new();
    fs::create_dir_all(home.path().join(".claude-mpm")).unwrap();
    fs::write(home.path().join(".claude-mpm/configuration.yaml"), "monitoring:\n  transcripts: false\n").unwrap();
    let monitor = home.monitor();
    let mut conversation = Conversation::new(&home, "s1");
    conversation.answer();
    home.hook(monitor.port, conversation.prompt().as_bytes());
    eventually("the session is known", || Some(session(&monitor, "s1")).filter(|session| session.is_object()));
    // Another one, which was told later, has read the same file by now.
    let (other_home, prompt) = (Home::new(), conversation.prompt());
    let other = other_home.monitor();
    other_home.hook(other.port, prompt.as_bytes());
    answered(&other, "s1", 1);
    assert!(session(&monitor, "s1").get("usage").is_none());
}

#[test]
fn a_request_that_telemetry_tells_too_is_one_event_with_the_cost_it_reports() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut conversation = Conversation::new(&home, "s1");
    conversation.answer();
    home.hook(monitor.port, conversation.prompt().as_bytes());
    answered(&monitor, "s1", 1);
    for (id, cost) in [("rm1", 0.5), ("rm2", 0.25)] {
        let (status, body) = monitor.request(
            "POST",
            "/v1/logs",
            &[("content-type", "application/json")],
            &exported(id, cost).to_string(),
        );
        assert_eq!(status, 200, "{body}");
    }
    // OTLP told this one first.
    conversation.answer();
    let session = eventually("both are told", || {
        Some(session(&monitor, "s1")).filter(|session| session["usage"]["tokens"]["output"] == 20)
    });
    let usage = &session["usage"];
    assert_eq!((&usage["cost_usd"], &usage["cost_status"]), (&json!(0.75), &json!("reported")), "{usage:#}");
    assert_eq!((&usage["source"], &usage["cost_source"]), (&json!("transcript"), &json!("otlp")));
    let events = monitor.history();
    let requests: Vec<&Value> = events.iter().filter(|event| event["kind"] == "api_request.finished").collect();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0]["sources"], json!(["transcript", "otlp"]));
    assert_eq!(requests[1]["sources"], json!(["otlp", "transcript"]));
    for (request, cost) in requests.iter().zip([0.5, 0.25]) {
        assert_eq!(request["data"]["cost_usd"], cost);
        assert!(request["data"]["message_id"].is_string() && request["data"]["otlp"].is_object(), "{request:#}");
    }

    // And the same after a restart that knows no more than the store.
    let port = monitor.port;
    monitor.stop();
    let monitor = home.monitor_on(port);
    assert_eq!(self::session(&monitor, "s1")["usage"], *usage);
}

/// An export of one request.
fn exported(request_id: &str, cost: f64) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let number = |key: &str, value: u64| json!({ "key": key, "value": { "intValue": value } });
    json!({ "resourceLogs": [{ "resource": { "attributes": [text("service.name", "claude-code")] }, "scopeLogs": [{
        "scope": { "name": "com.anthropic.claude_code.events" }, "logRecords": [{
            "timeUnixNano": "1795185011100000000", "body": { "stringValue": "claude_code.api_request" },
            "attributes": [text("session.id", "s1"), text("event.sequence", request_id), text("model", "claude-opus-4-8"),
                text("request_id", request_id), number("input_tokens", 1), number("output_tokens", 10),
                { "key": "cost_usd", "value": { "doubleValue": cost } }] }] }] }] })
}

#[test]
fn a_recorded_session_has_exactly_the_tokens_that_its_transcripts_hold() {
    let home = Home::new();
    let monitor = home.monitor();
    let folder = repository().join("fixtures/claude/parallel");
    let session_id = "377a9448-07d1-4a7e-93a9-5c75e2bb8b16";
    let projects = home.path().join(".claude/projects/-home-dev-app");
    fs::create_dir_all(projects.join(session_id).join("subagents")).unwrap();
    let mut wanted = std::collections::BTreeMap::new();
    let recorded = folder.join("transcripts/-home-dev-app");
    let mut copy = |from: &Path, to: &Path| {
        fs::copy(from, to).unwrap();
        for line in fs::read_to_string(from).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if line["type"] == "assistant" && line["message"]["model"] != "<synthetic>" {
                wanted.insert(
                    line["message"]["id"].to_string(),
                    line["message"]["usage"]["output_tokens"].as_u64().unwrap(),
                );
            }
        }
    };
    copy(&recorded.join(format!("{session_id}.jsonl")), &projects.join(format!("{session_id}.jsonl")));
    for entry in fs::read_dir(recorded.join(session_id).join("subagents")).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &projects.join(session_id).join("subagents").join(entry.file_name()));
    }
    for line in fs::read_to_string(folder.join("hooks.jsonl")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let payload =
            line["payload"].to_string().replace("/home/dev/.claude/", &format!("{}/.claude/", home.path().display()));
        assert_eq!(monitor.post("/api/events", &payload).0, 204);
    }
    let session = answered(&monitor, session_id, wanted.len() as u64);
    assert_eq!(session["usage"]["tokens"]["output"], wanted.values().sum::<u64>());
}
