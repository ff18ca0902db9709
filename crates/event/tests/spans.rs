//! A session as spans of time: what ran when, what waited for whom, and what delayed the end.

use std::path::Path;

use event::event::{Source, Time};
use event::spans::{Asked, KINDS, Story};
use event::wire::history::EventJson;
use event::wire::spans::{Report, Status};
use serde_json::{Value, json};

use crate::monitor::Monitor;

/// Plays hooks, each at its second, and reads their events as the server does.
fn report(hooks: &[(f64, Value)], asked: Asked) -> Report {
    story(hooks).told("s", asked, Time::from_ms(1_000_000))
}

fn story(hooks: &[(f64, Value)]) -> Story {
    let mut monitor = Monitor::default();
    for (second, hook) in hooks {
        let mut hook = hook.clone();
        hook["session_id"] = json!("s");
        monitor.tell(&hook, Time::from_ms((second * 1000.0) as i64), Source::Hook);
    }
    read(&monitor)
}

fn read(monitor: &Monitor) -> Story {
    let mut story = Story::default();
    for event in monitor.events.iter().filter(|event| KINDS.contains(&event.fact.kind.name())) {
        story.take(json!(EventJson::from(event)).to_string().as_bytes());
    }
    story
}

fn prompt(id: &str) -> Value {
    json!({ "hook_event_name": "UserPromptSubmit", "prompt": "Go", "prompt_id": id })
}

fn pre(call: &str, tool: &str, agent: Option<&str>) -> Value {
    let mut hook = json!({ "hook_event_name": "PreToolUse", "tool_name": tool, "tool_use_id": call, "prompt_id": "p",
        "tool_input": { "command": call, "subagent_type": "Explore", "prompt": "Look", "description": "Look around" } });
    if let Some(agent) = agent {
        hook["agent_id"] = json!(agent);
        hook["agent_type"] = json!("Explore");
    }
    hook
}

fn post(call: &str, tool: &str, agent: Option<&str>) -> Value {
    let mut hook = pre(call, tool, agent);
    hook["hook_event_name"] = json!("PostToolUse");
    hook["tool_response"] = json!({ "stdout": "" });
    hook
}

fn stop() -> Value {
    json!({ "hook_event_name": "Stop", "prompt_id": "p", "background_tasks": [] })
}

/// The main thread asks an agent, which runs two calls at once; then it runs one of its own.
fn delegating() -> Vec<(f64, Value)> {
    let mut answered = post("ask", "Agent", None);
    answered["tool_response"] =
        json!({ "status": "completed", "agentId": "a", "content": [{ "type": "text", "text": "Found it." }] });
    vec![
        (0.0, prompt("p")),
        (1.0, pre("ask", "Agent", None)),
        (1.5, json!({ "hook_event_name": "SubagentStart", "agent_id": "a", "agent_type": "Explore" })),
        (2.0, pre("short", "Read", Some("a"))),
        (2.0, pre("long", "Bash", Some("a"))),
        (3.0, post("short", "Read", Some("a"))),
        (8.0, post("long", "Bash", Some("a"))),
        (
            9.0,
            json!({ "hook_event_name": "SubagentStop", "agent_id": "a", "agent_type": "Explore", "last_assistant_message": "Found it." }),
        ),
        (9.5, answered),
        (10.0, pre("last", "Edit", None)),
        (11.0, post("last", "Edit", None)),
        (12.0, stop()),
    ]
}

#[test]
fn calls_belong_to_their_agents_and_agents_to_who_asked_for_them() {
    let report = report(&delegating(), Asked::default());
    let spans: Vec<_> =
        report.spans.iter().map(|span| (&*span.id, &*span.agent, span.began.ms(), span.ended.unwrap().ms())).collect();
    assert_eq!(
        spans,
        [
            ("ask", "main", 1_000, 9_500),
            ("short", "a", 2_000, 3_000),
            ("long", "a", 2_000, 8_000),
            ("last", "main", 10_000, 11_000)
        ]
    );
    let [main, agent] = &report.agents[..] else { panic!("{:#?}", report.agents) };
    assert_eq!((&*main.id, main.parent.as_deref(), main.calls), ("main", None, 2));
    assert_eq!((&*agent.id, agent.parent.as_deref(), agent.calls), ("a", Some("main"), 2));
    assert_eq!((agent.task.as_deref(), agent.tool_use_id.as_deref()), (Some("Look around"), Some("ask")));
    assert_eq!((agent.answer.as_deref(), agent.ended), (Some("Found it."), Some(Time::from_ms(9_000))));
}

#[test]
fn the_critical_path_is_what_delayed_the_end_and_looks_into_agents() {
    let report = report(&delegating(), Asked::default());
    assert_eq!(report.critical_path, ["ask", "long", "last"], "the short call ran beside the long one");
}

#[test]
fn each_moment_is_counted_once_and_together_they_are_all_of_it() {
    let totals = report(&delegating(), Asked::default()).totals;
    assert_eq!((totals.wall_ms, totals.active_ms, totals.idle_ms), (12_000, 12_000, 0));
    // The read ran beside the shell, and counts for the shell's time; the agent's own time is not known to be the model's.
    assert_eq!((totals.shell_ms, totals.read_ms, totals.edit_ms), (6_000, 0, 1_000));
    assert_eq!(totals.agent_ms, 2_500);
    assert_eq!(totals.model_ms, 12_000 - 6_000 - 1_000 - 2_500);
    let sum = totals.waiting_ms + totals.model_ms + totals.shell_ms + totals.edit_ms + totals.read_ms;
    assert_eq!(sum + totals.web_ms + totals.agent_ms + totals.other_ms, totals.active_ms);
    assert_eq!(totals.tools["Bash"].ms, 6_000);
}

#[test]
fn a_wait_lasts_until_the_first_sign_of_its_answer_and_is_nobodys_work() {
    let mut ask = pre("call", "Bash", None);
    ask["hook_event_name"] = json!("PermissionRequest");
    ask.as_object_mut().unwrap().remove("tool_use_id");
    let report = report(
        &[
            (0.0, prompt("p")),
            (1.0, pre("call", "Bash", None)),
            (1.0, ask),
            (61.0, post("call", "Bash", None)),
            (62.0, stop()),
        ],
        Asked::default(),
    );
    let wait = &report.waits[0];
    assert_eq!((wait.kind, wait.began.ms(), wait.ended.unwrap().ms()), ("permission", 1_000, 61_000));
    assert_eq!(wait.tool_use_id.as_deref(), Some("call"));
    assert_eq!((report.totals.waiting_ms, report.totals.shell_ms), (60_000, 0));
}

#[test]
fn what_runs_is_open_and_ends_with_its_session() {
    let mut hooks = vec![(0.0, prompt("p")), (1.0, pre("call", "Bash", None))];
    let running = report(&hooks, Asked::default());
    assert_eq!((running.spans[0].status, running.spans[0].ended), (Status::Open, None));
    assert_eq!(running.prompts[0].status, Status::Open);
    assert_eq!(running.to, Time::from_ms(1_000_000), "what runs reaches to now");
    hooks.push((5.0, json!({ "hook_event_name": "SessionEnd", "reason": "other" })));
    let ended = report(&hooks, Asked::default());
    assert_eq!((ended.spans[0].status, ended.spans[0].ended), (Status::Unknown, Some(Time::from_ms(5_000))));
    assert_eq!((ended.prompts[0].ended, ended.to), (Some(Time::from_ms(5_000)), Time::from_ms(5_000)));
}

#[test]
fn an_end_that_is_told_before_the_beginning_is_of_the_same_call() {
    let mut ended = post("call", "Bash", None);
    ended["duration_ms"] = json!(500);
    let story = story(&[(0.0, prompt("p")), (3.0, ended), (1.0, pre("call", "Bash", None)), (4.0, stop())]);
    let report = story.told("s", Asked::default(), Time::from_ms(9_000));
    let [span] = &report.spans[..] else { panic!("{:#?}", report.spans) };
    assert_eq!((span.began.ms(), span.ended.unwrap().ms(), span.status), (1_000, 3_000, Status::Ok));
    assert!(span.seq > span.end_seq.unwrap(), "each event is where it was told");
    assert_eq!(report.to.ms(), 4_000, "nothing is open");
    let changed = story.told("s", Asked { since: span.end_seq, ..Asked::default() }, Time::from_ms(9_000));
    assert_eq!(changed.spans.len(), 1, "its beginning changed it");
}

#[test]
fn an_end_that_was_concluded_gives_way_to_the_one_that_is_told_late() {
    let hooks = [
        (0.0, prompt("p")),
        (1.0, pre("call", "Bash", None)),
        (2.0, stop()),
        (5.0, json!({ "hook_event_name": "SessionEnd", "reason": "other" })),
        (6.0, post("call", "Bash", None)),
    ];
    let concluded = report(&hooks[..4], Asked::default());
    assert_eq!(concluded.spans[0].status, Status::Unknown);
    let report = report(&hooks, Asked::default());
    let [span] = &report.spans[..] else { panic!("{:#?}", report.spans) };
    assert_eq!((span.ended, span.status), (Some(Time::from_ms(6_000)), Status::Ok));
}

#[test]
fn a_tool_takes_of_a_part_only_the_time_that_lies_in_it() {
    let between = Asked { from: Some(Time::from_ms(4_000)), to: Some(Time::from_ms(6_000)), since: None };
    assert_eq!(report(&delegating(), between).totals.tools["Bash"].ms, 2_000);
}

#[test]
fn an_agents_wait_ends_with_its_calls() {
    let mut ask = pre("call", "Bash", Some("a"));
    ask["hook_event_name"] = json!("PermissionRequest");
    let batch =
        json!({ "hook_event_name": "PostToolBatch", "agent_id": "a", "agent_type": "Explore", "tool_calls": [] });
    let report = report(&[(0.0, prompt("p")), (1.0, ask), (7.0, batch)], Asked::default());
    assert_eq!(report.waits[0].ended, Some(Time::from_ms(7_000)));
}

#[test]
fn a_part_of_a_session_has_what_overlaps_it_and_since_an_event_only_what_changed() {
    let between = Asked { from: Some(Time::from_ms(8_500)), to: Some(Time::from_ms(9_800)), since: None };
    let part = report(&delegating(), between);
    assert_eq!(part.spans.iter().map(|span| &*span.id).collect::<Vec<_>>(), ["ask"]);
    assert_eq!(part.totals.wall_ms, 1_300);
    let whole = report(&delegating(), Asked::default());
    let long = whole.spans.iter().find(|span| span.id == "long").unwrap();
    let changed = report(&delegating(), Asked { since: Some(long.end_seq.unwrap()), ..Asked::default() });
    assert_eq!(changed.spans.iter().map(|span| &*span.id).collect::<Vec<_>>(), ["ask", "last"]);
}

#[test]
fn an_answer_of_the_model_began_when_its_agent_had_done_what_came_before() {
    let mut hooks = delegating();
    hooks.truncate(1);
    let mut monitor = Monitor::default();
    for (second, hook) in [(0.0, prompt("p")), (3.0, pre("call", "Read", None)), (4.0, post("call", "Read", None))] {
        let mut hook = hook;
        hook["session_id"] = json!("s");
        monitor.tell(&hook, Time::from_ms((second * 1000.0_f64) as i64), Source::Hook);
    }
    for (ms, context) in [(2_900, 10), (6_000, 20)] {
        let data = json!({ "model": "m", "input_tokens": context, "context_tokens": context, "cost_estimated_usd": 0.1, "request_id": ms.to_string() });
        let mut fact = event::event::Fact::new(
            event::vocabulary::Kind::ApiRequestFinished,
            Time::from_ms(ms),
            Source::Transcript,
            data,
        );
        fact.session_id = Some("s".to_owned());
        monitor.take(fact);
    }
    let report = read(&monitor).told("s", Asked::default(), Time::from_ms(9_000));
    let answers: Vec<_> = report
        .spans
        .iter()
        .filter(|span| span.tool == "m")
        .map(|span| (span.began.ms(), span.ended.unwrap().ms()))
        .collect();
    assert_eq!(answers, [(0, 2_900), (4_000, 6_000)]);
    let samples: Vec<_> = report.samples.iter().map(|sample| (sample.context_tokens, sample.cost_usd)).collect();
    assert_eq!(samples, [(Some(10), Some(0.1)), (Some(20), Some(0.2))]);
}

#[test]
fn recorded_sessions_have_a_span_for_each_call_and_every_one_has_ended() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claude");
    for scenario in ["basic", "parallel", "permission", "todos", "329-parallel", "interrupt-term"] {
        let text = std::fs::read_to_string(folder.join(scenario).join("hooks.jsonl")).unwrap();
        let mut monitor = Monitor::default();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            monitor.tell(&line["payload"], Time::from_ns(line["received_ns"].as_u64().unwrap()), Source::Hook);
        }
        let session = monitor.sessions.values().max_by_key(|session| session.counts.events).unwrap();
        let report = read(&monitor).told("s", Asked::default(), session.last_event_at);
        assert_eq!(report.spans.len() as u64, session.counts.tool_calls, "{scenario}");
        let open: Vec<_> = report.spans.iter().filter(|span| span.ended.is_none()).collect();
        assert!(open.is_empty(), "{scenario}: {open:#?}");
        assert_eq!(report.agents.len(), 1 + session.agents.known().len(), "{scenario}");
        for agent in report.agents.iter().skip(1) {
            assert!(agent.task.is_some() && agent.ended.is_some(), "{scenario}: {agent:#?}");
        }
        let totals = &report.totals;
        assert_eq!(totals.active_ms + totals.idle_ms, totals.wall_ms, "{scenario}");
        for id in &report.critical_path {
            assert!(report.spans.iter().any(|span| span.id == *id), "{scenario}: {id}");
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn performance_of_a_hundred_thousand_spans() {
    let mut story = Story::default();
    for call in 0..100_000_u64 {
        let event = |seq: u64, kind: &str, ms: u64| {
            json!({ "seq": seq, "time": Time::from_ms(1_795_000_000_000 + ms as i64), "recorded_at": "2026-11-20T10:00:00.000Z", "kind": kind,
                "namespace": "/hook", "event": "x", "session_id": "s", "tool_name": "Bash", "tool_use_id": format!("t{call}"), "summary": "cargo test",
                "sources": ["hook"], "data": { "tool_input": { "command": "cargo test ".repeat(20) } } })
            .to_string()
        };
        story.take(event(2 * call + 1, "tool_call.started", call * 1_000).as_bytes());
        story.take(event(2 * call + 2, "tool_call.finished", call * 1_000 + 700).as_bytes());
    }
    let began = std::time::Instant::now();
    let report = story.told("s", Asked::default(), Time::from_ms(0));
    let told = began.elapsed();
    let bytes = serde_json::to_vec(&report).unwrap().len();
    println!("told in {told:?}, written after {:?}: {bytes} bytes", began.elapsed());
}
