//! Every public message has a golden file in `contract/`; `UPDATE_CONTRACT=1` rewrites them. The order of keys counts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use event::emitted;
use event::event::{Event, Fact, Outcome, Source, Time};
use event::hook_input;
use event::otlp;
use event::prices::Prices;
use event::session::Session;
use event::spans::{self, Asked, Story};
use event::transcript::Transcript;
use event::vocabulary::{Kept, Kind, ROWS, When};
use event::wire::history::{self, EventJson, SessionJson};
use event::wire::websocket::Instance;
use event::wire::{broadcast, socketio, websocket};
use serde_json::{Value, json};

use crate::monitor::Monitor;

/// The number of the story's first event.
const FIRST_SEQ: u64 = 81_200;

/// The story's second session, of which its transcript tells.
const TRANSCRIBED: &str = "d7a30f12-5b7e-4c57-9f0e-2f3c1b6a9e44";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract")
}

/// The files of one folder of `contract/`: all are checked, and a file that no test knows fails too.
struct Golden {
    folder: PathBuf,
    known: BTreeSet<String>,
    differing: Vec<String>,
}

impl Golden {
    fn new(folder_name: &str) -> Golden {
        Golden { folder: folder().join(folder_name), known: BTreeSet::new(), differing: Vec::new() }
    }

    fn is(&mut self, name: &str, message: &Value) {
        let file = format!("{name}.json");
        let text = format!("{}\n", serde_json::to_string_pretty(message).unwrap());
        let path = self.folder.join(&file);
        if std::env::var_os("UPDATE_CONTRACT").is_some() {
            std::fs::create_dir_all(&self.folder).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let parsed: Value = serde_json::from_str(&golden).unwrap_or_default();
        // As text, since the order of keys counts.
        let (golden, sent) = (parsed.to_string(), message.to_string());
        if golden != sent {
            self.differing.push(format!("{} should be\n{text}", path.display()));
        }
        assert!(self.known.insert(file), "{name} is written twice");
    }

    fn done(self) {
        assert!(self.differing.is_empty(), "{}", self.differing.join("\n"));
        let files =
            std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // The table of queries is written by hand, and has a test of its own.
        let files: BTreeSet<String> = files.filter(|file| file.ends_with(".json") && file != "filter.json").collect();
        assert_eq!(files, self.known, "in {}", self.folder.display());
    }
}

/// Two invented minutes in a web shop, in which every kind of event happens at least once.
fn story() -> Monitor {
    story_until(|_| false)
}

/// The story up to the first event that is meant.
fn story_until(is: impl Fn(&Fact) -> bool) -> Monitor {
    let mut monitor = Monitor { first_seq: FIRST_SEQ, ..Monitor::default() };
    for line in include_str!("story.jsonl").lines() {
        let mut told: Value = serde_json::from_str(line).unwrap();
        let at = Time::parse(told["at"].as_str().unwrap()).unwrap();
        if let Some(lines) = told.get("transcript") {
            for fact in transcribed(lines) {
                monitor.take(fact);
            }
            continue;
        }
        if let Some(export) = told.get("otlp") {
            for fact in exported(export, at) {
                monitor.take(fact);
            }
            continue;
        }
        let fact = if told.get("hook").is_some() {
            let mut fact = hook_input::read(told["hook"].to_string().as_bytes(), at, Source::Hook);
            measured_on_disk(&mut fact);
            fact
        } else if let Some(stdin) = told["stdin"].as_str() {
            hook_input::read(stdin.as_bytes(), at, Source::Hook)
        } else if told.get("emit").is_some() {
            emitted::read(told["emit"].take(), at, Source::Emit).unwrap()
        } else {
            let kind = Kind::named(told["server"]["kind"].as_str().unwrap()).unwrap();
            let mut fact = Fact::new(kind, at, Source::Server, told["server"]["data"].take());
            let id = |key: &str| told["server"][key].as_str().map(str::to_owned);
            (fact.launch_id, fact.session_id) = (id("launch_id"), id("session_id"));
            fact.summary = id("summary").unwrap();
            fact
        };
        let count = monitor.take(fact);
        if monitor.facts().rev().take(count).any(&is) {
            break;
        }
    }
    monitor
}

/// What the body of an export tells, whichever signal it is.
fn exported(export: &Value, at: Time) -> Vec<Fact> {
    let logs = otlp::logs(otlp::json::logs(export).unwrap(), at);
    let metrics = otlp::metrics(otlp::json::metrics(export).unwrap(), at);
    logs.into_iter().chain(metrics).collect()
}

/// What lines of the session's transcript tell.
fn transcribed(lines: &Value) -> Vec<Fact> {
    let prices = Prices::default();
    let mut transcript = Transcript::new(TRANSCRIBED, None);
    let mut facts = Vec::new();
    for line in lines.as_array().unwrap() {
        facts.extend(transcript.take(line.to_string().as_bytes(), 0, &prices));
    }
    facts.extend(transcript.settle(&prices));
    facts
}

/// What the server adds to a loaded memory file.
fn measured_on_disk(fact: &mut Fact) {
    if matches!(fact.kind, Kind::MemoryLoaded | Kind::MemoryInjected) {
        fact.data["memory_size"] = json!(2048);
        fact.data["sections_count"] = json!(3);
    }
}

/// The event as it leaves the server: recorded three milliseconds later, and numbered if its kind is kept.
fn sent(event: &Event) -> Event {
    let mut event = event.clone();
    event.recorded_at = Time::from_ms(event.fact.time.ms() + 3);
    event.seq = event.seq.filter(|_| event.fact.kind.row().kept == Kept::Stored);
    event
}

fn find(monitor: &Monitor, is: impl Fn(&Fact) -> bool) -> Event {
    sent(monitor.events.iter().find(|event| is(&event.fact)).unwrap())
}

fn first(monitor: &Monitor, kind: Kind) -> Event {
    let event = monitor.events.iter().find(|event| event.fact.kind == kind);
    sent(event.unwrap_or_else(|| panic!("nothing in the story is {kind}")))
}

/// What the server itself sends without this crate; its goldens lie with its own tests.
fn is_servers_own(kind: Kind) -> bool {
    matches!(kind, Kind::SystemStatus | Kind::SystemHeartbeat | Kind::SystemServerInfo)
}

#[test]
fn the_table_is_public() {
    let condition = |when: When| match when {
        When::Always => json!({ "when": "always" }),
        When::Status(status) => json!({ "when": "status", "is": status }),
        When::Level(levels) => json!({ "when": "level", "is_one_of": levels }),
        When::Filled(list) => json!({ "when": "filled", "list": list }),
    };
    let row = |row: &event::vocabulary::Row| {
        let narrower: Vec<Value> = row
            .narrower
            .iter()
            .map(|(event, when)| {
                let mut besides = json!({ "event": event });
                besides.as_object_mut().unwrap().extend(condition(*when).as_object().unwrap().clone());
                besides
            })
            .collect();
        let mut value = json!({ "kind": row.name, "namespace": row.namespace, "event": row.event, "besides": narrower, "channel": row.channel });
        if let Some(broadcast) = row.broadcast {
            value["broadcast"] = json!(broadcast);
        }
        value["from"] = json!(row.from);
        value["stored"] = json!(row.kept == Kept::Stored);
        value
    };
    let mut golden = Golden::new("");
    golden.is(
        "vocabulary",
        &json!({ "namespaces": event::vocabulary::NAMESPACES, "kinds": ROWS.iter().map(row).collect::<Vec<_>>() }),
    );
    golden.done();
}

#[test]
fn events_have_one_json_form() {
    let story = story();
    let call =
        |call: &'static str, kind| move |fact: &Fact| fact.kind == kind && fact.tool_use_id.as_deref() == Some(call);
    let printed = json!({ "session_id": "s", "hook_event_name": "PostToolUse", "tool_name": "Bash", "tool_use_id": "toolu_12Yes",
        "tool_input": { "command": "yes | head" }, "tool_response": { "stdout": "y".repeat(20_000), "stderr": "" }, "duration_ms": 5 });
    let long = hook_input::read(printed.to_string().as_bytes(), Time::from_ms(1_795_185_067_950), Source::Hook);
    let mut volatile = first(&story, Kind::TurnFinished);
    volatile.seq = None;
    let mut twice = first(&story, Kind::SessionStarted);
    twice.fact.sources.push(Source::Http);
    let samples = [
        ("session_start-told_twice", twice),
        ("user_prompt", first(&story, Kind::PromptSubmitted)),
        ("pre_tool-body_cut", find(&story, call("toolu_03Edit", Kind::ToolCallStarted))),
        ("pre_tool-of_a_subagent", find(&story, call("toolu_08Search", Kind::ToolCallStarted))),
        ("post_tool-changed_a_file", find(&story, call("toolu_03Edit", Kind::ToolCallFinished))),
        ("post_tool-failed", find(&story, call("toolu_09Test", Kind::ToolCallFailed))),
        ("post_tool-never_ran", find(&story, call("toolu_07Glob", Kind::ToolCallFailed))),
        (
            "post_tool-denied",
            find(&story, |fact| fact.outcome == Some(Outcome::Denied) && fact.kind == Kind::ToolCallFailed),
        ),
        ("post_tool-size_cut", sent(&Event { seq: Some(FIRST_SEQ), recorded_at: long.time, fact: long })),
        ("post_tool_batch", find(&story, call_batch)),
        ("permission_request-paired", first(&story, Kind::PermissionRequested)),
        ("todo_updated", first(&story, Kind::TodoUpdated)),
        ("task_delegated", first(&story, Kind::AgentDelegated)),
        ("subagent_start", first(&story, Kind::AgentStarted)),
        ("api_request", first(&story, Kind::ApiRequestFinished)),
        ("api_request-of_a_transcript", find(&story, is_transcribed)),
        ("metrics", first(&story, Kind::MetricsReported)),
        ("file_operation", find(&story, call("toolu_03Edit", Kind::FileOperated))),
        ("custom", first(&story, Kind::Custom)),
        ("unknown_hook", first(&story, Kind::HookReceived)),
        ("not_stored", volatile),
    ];
    let mut golden = Golden::new("event");
    for (name, event) in &samples {
        let json = json!(EventJson::from(event));
        golden.is(name, &json);
        assert_nothing_null(&json, name);
        let read = history::read(json.to_string().as_bytes()).unwrap();
        assert_eq!(json!(EventJson::from(&read)).to_string(), json.to_string(), "{name} is not read back as it was");
    }
    golden.done();
}

fn is_transcribed(fact: &Fact) -> bool {
    fact.kind == Kind::ApiRequestFinished && fact.sources == [Source::Transcript]
}

fn call_batch(fact: &Fact) -> bool {
    fact.kind == Kind::ToolBatchFinished && fact.data["tool_calls"].as_array().is_some_and(|calls| calls.len() == 2)
}

/// Outside of `data`, a key without a value is left out.
fn assert_nothing_null(json: &Value, name: &str) {
    assert!(json.as_object().unwrap().values().all(|value| !value.is_null()), "{name}");
}

#[test]
fn sessions_have_one_json_form() {
    let of_test =
        |fact: &Fact| fact.kind == Kind::ToolCallStarted && fact.tool_use_id.as_deref() == Some("toolu_09Test");
    let samples = [
        ("need", story_until(|fact| fact.kind == Kind::PermissionRequested), 1),
        ("working", story_until(of_test), 1),
        ("stuck", story_until(of_test), 900),
        ("failing", story_until(|fact| fact.kind == Kind::TurnFailed), 1),
        ("idle", story_until(|fact| fact.kind == Kind::TurnFinished), 1),
        ("ended", story(), 60),
    ];
    let mut golden = Golden::new("session");
    for (name, monitor, seconds) in &samples {
        let session: &Session = monitor.sessions.values().next().unwrap();
        let now = Time::from_ms(session.last_event_at.ms() + seconds * 1000);
        let json = json!(SessionJson::at(session, now));
        assert_eq!(json["state"], *name);
        assert_nothing_null(&json, name);
        golden.is(name, &json);
    }
    // With what its transcript tells: tokens, context, branch.
    let story = story();
    let transcribed = &story.sessions[TRANSCRIBED];
    golden.is("transcribed", &json!(SessionJson::at(transcribed, transcribed.last_event_at)));
    golden.done();
}

#[test]
fn a_session_as_spans_has_one_json_form() {
    let story = story();
    let mut spans = Story::default();
    let session = "c01bd4e7-22aa-4f19-8c3d-91d2c7fe0a11";
    let kept = story.events.iter().map(sent).filter(|event| {
        spans::KINDS.contains(&event.fact.kind.name()) && event.fact.session_id.as_deref() == Some(session)
    });
    for event in kept {
        spans.take(json!(EventJson::from(&event)).to_string().as_bytes());
    }
    let report = spans.told(session, Asked::default(), Time::from_ms(0));
    let mut golden = Golden::new("spans");
    golden.is("session", &json!(report));
    golden.done();
}

#[test]
fn every_row_has_its_payload_on_socketio() {
    let story = story();
    let mut golden = Golden::new("socketio");
    for row in ROWS.iter().filter(|row| !is_servers_own(row.kind)) {
        let event = first(&story, row.kind);
        let besides: Vec<&str> = event.fact.narrower_events().collect();
        let message = json!({ "namespace": event.fact.namespace(), "event": event.fact.event_name(), "besides": besides, "payload": socketio::payload(&event) });
        golden.is(row.name, &message);
    }
    golden.done();
}

#[test]
fn the_fields_that_the_guide_prints_come_first_and_in_its_order() {
    let story = story();
    let printed = [
        (Kind::SessionStarted, "session_id start_time launch_method working_directory timestamp"),
        (Kind::SessionEnded, "session_id end_time duration_seconds timestamp"),
        (Kind::ClaudeStatusChanged, "status pid message timestamp"),
        (Kind::ClaudeOutput, "content stream timestamp"),
        (Kind::AgentDelegated, "agent task status timestamp"),
        (Kind::AgentFinished, "agent task status timestamp"),
        (Kind::PromptSubmitted, "prompt session_id timestamp"),
        (Kind::ToolCallStarted, "tool_name session_id timestamp"),
        (Kind::ToolCallFinished, "tool_name success session_id timestamp"),
        (Kind::ToolCallFailed, "tool_name success session_id timestamp"),
        (Kind::TodoUpdated, "todos stats timestamp"),
        (Kind::MemoryLoaded, "agent_id memory_size sections_count timestamp"),
        (Kind::MemoryUpdated, "agent_id learning_type content section timestamp"),
        (Kind::LogMessage, "timestamp level logger message module function line thread thread_name"),
        (Kind::Custom, "message user_id action"),
    ];
    for (kind, fields) in printed {
        let payload = socketio::payload(&first(&story, kind));
        let keys: Vec<&String> = payload.as_object().unwrap().keys().take(fields.split(' ').count()).collect();
        assert_eq!(keys, fields.split(' ').collect::<Vec<_>>(), "{kind}");
    }
    let todo = &socketio::payload(&first(&story, Kind::TodoUpdated))["todos"][0];
    assert!(
        todo.as_object().unwrap().keys().map(String::as_str).take(4).eq(["id", "content", "status", "priority"]),
        "{todo}"
    );
}

#[test]
fn the_default_namespace_has_three_events() {
    let story = story();
    let samples = [
        ("agent_activity-invoked", Kind::AgentDelegated),
        ("agent_activity-started", Kind::AgentStarted),
        ("agent_activity-completed", Kind::AgentFinished),
        ("agent_activity-idle", Kind::TeammateIdle),
        ("file_operation", Kind::FileOperated),
        ("session_update-started", Kind::SessionStarted),
        ("session_update", Kind::SessionUpdated),
    ];
    let mut golden = Golden::new("default");
    for (name, kind) in samples {
        let (event, payload) = broadcast::message(&first(&story, kind)).unwrap();
        golden.is(name, &json!({ "namespace": "/", "event": event, "payload": payload }));
    }
    golden.done();
}

#[test]
fn raw_frames_name_their_channel_and_their_instance() {
    let story = story();
    let instance = Instance { port: 8765, host: "localhost".to_owned() };
    let mut golden = Golden::new("websocket");
    let channels = "session.start session.end claude.status claude.output agent.delegation agent.status todo.update system.error \
        hook.user_prompt hook.pre_tool hook.post_tool memory.loaded log.message";
    for channel in channels.split_whitespace() {
        let event = sent(story.events.iter().find(|event| websocket::channel(&event.fact) == channel).unwrap());
        golden.is(channel, &websocket::frame(&event, &instance));
    }
    golden.is("custom", &websocket::frame(&first(&story, Kind::Custom), &instance));
    golden.is("unknown_hook", &websocket::frame(&first(&story, Kind::HookReceived), &instance));
    let frame = websocket::broadcast_frame(&first(&story, Kind::FileOperated), &instance).unwrap();
    golden.is("subscribed_by_event-file_operation", &frame);
    golden.done();
    // As the WebSocket API prints it.
    let start = websocket::frame(&first(&story, Kind::SessionStarted), &instance);
    assert_eq!(start["type"], "session.start");
    assert!(start["data"]["session_id"].is_string());
    assert_eq!(start["data"]["websocket_port"], 8765);
    assert_eq!(
        start["data"]["instance_info"],
        json!({ "port": 8765, "host": "localhost", "working_dir": "/w/web-shop" })
    );
}
