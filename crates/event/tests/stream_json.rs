//! What a run prints as stream-json, read while it passes: the same calls as its hooks tell, and what only it tells.

use std::collections::BTreeMap;

use event::event::{Fact, Source, Time};
use event::session::Session;
use event::session::spending::Costed;
use event::stream_json::StreamJson;
use event::vocabulary::Kind;
use serde_json::{Value, json};

use crate::monitor::Monitor;
use crate::recordings;

/// The facts of a recorded stream, a millisecond a line.
fn read(name: &str, is_hooked: bool) -> Vec<Fact> {
    let text = std::fs::read_to_string(recordings::folder().join(name).join("stream.jsonl")).unwrap();
    let mut stream = StreamJson::default();
    (1_800_000_000_000..)
        .zip(text.lines())
        .flat_map(|(ms, line)| stream.take(line.as_bytes(), Time::from_ms(ms), |_| is_hooked))
        .collect()
}

fn only(monitor: &Monitor) -> &Session {
    assert_eq!(monitor.sessions.len(), 1);
    monitor.sessions.values().next().unwrap()
}

/// Calls by id: tool, how it ended, and in which agent.
type Calls = BTreeMap<String, (Option<String>, Kind, Option<String>)>;

fn ends(facts: &[Fact]) -> Calls {
    let is_end = |fact: &&Fact| matches!(fact.kind, Kind::ToolCallFinished | Kind::ToolCallFailed);
    let ended = facts.iter().filter(is_end);
    ended
        .map(|fact| {
            let call = fact.tool_use_id.clone().unwrap();
            (call, (fact.tool_name.clone(), fact.kind, fact.agent_id.clone()))
        })
        .collect()
}

#[test]
fn without_hooks_the_stream_tells_the_same_calls_and_agents_as_the_hooks_of_that_run_did() {
    for name in ["basic", "parallel"] {
        let streamed = read(name, false);
        let hooked: Vec<Fact> = recordings::hooks(name)
            .iter()
            .map(|hook| event::hook_input::read(hook.payload.to_string().as_bytes(), hook.at, Source::Hook))
            .collect();
        let (streamed_ends, hooked_ends) = (ends(&streamed), ends(&hooked));
        assert!(!hooked_ends.is_empty());
        for (call, told) in &hooked_ends {
            // A call in the background of a subagent is not printed.
            let Some(is) = streamed_ends.get(call) else {
                assert!(told.2.is_some(), "{name}: {call} {told:?} is missing");
                continue;
            };
            assert_eq!(is, told, "{name}: {call}");
        }
        let begun = streamed.iter().filter(|fact| fact.kind == Kind::ToolCallStarted).count();
        assert!(begun >= streamed_ends.len());
        // The same call told by both doors is one fact.
        let key = |facts: &[Fact], kind: Kind| -> Vec<u64> {
            let mut keys: Vec<u64> = facts
                .iter()
                .filter(|fact| fact.kind == kind && fact.agent_id.is_none())
                .map(|fact| fact.identity.key())
                .collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(key(&streamed, Kind::ToolCallFinished), key(&hooked, Kind::ToolCallFinished), "{name}");
        let mut monitor = Monitor::default();
        for fact in streamed {
            monitor.take(fact);
        }
        let session = only(&monitor);
        assert_eq!(session.calls.open().len(), 0, "{name}");
        assert!(session.model.is_some() && session.cwd.is_some());
    }
}

#[test]
fn with_hooks_it_tells_only_what_they_do_not() {
    let facts = read("basic", true);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for fact in &facts {
        *counts.entry(fact.kind.name()).or_default() += 1;
        assert_eq!(fact.sources, [Source::Launcher]);
    }
    let kinds: Vec<&str> = counts.keys().copied().collect();
    assert_eq!(kinds, ["claude.output", "claude.status_changed", "metrics.reported", "session.updated"]);
    let thinking = facts.iter().find(|fact| fact.kind == Kind::ClaudeStatusChanged).unwrap();
    assert_eq!(
        (thinking.text("status"), thinking.text("thinking")),
        (Some("thinking"), Some("I will go step by step."))
    );
    // A subagent's text is printed when that was asked for, under the call that it answers.
    let mut stream = StreamJson::default();
    let at = Time::from_ms(1_800_000_000_000);
    let mut take = |line: Value| stream.take(line.to_string().as_bytes(), at, |_| true);
    take(json!({ "type": "system", "subtype": "task_started", "session_id": "s", "task_id": "a1", "tool_use_id": "t1",
        "task_type": "local_agent", "subagent_type": "Explore" }));
    let said = take(json!({ "type": "assistant", "session_id": "s", "parent_tool_use_id": "t1",
        "message": { "id": "m", "content": [{ "type": "text", "text": "Found it." }] } }));
    assert_eq!((said[0].agent_id.as_deref(), said[0].agent_type.as_deref()), (Some("a1"), Some("Explore")));
}

#[test]
fn the_result_is_the_cost_where_nobody_else_tells_it_and_counts_each_run_once() {
    let mut monitor = Monitor::default();
    for fact in read("basic", false) {
        monitor.take(fact);
    }
    let spending = only(&monitor).spending().unwrap();
    assert_eq!(
        (spending.source, spending.cost_source, spending.costed),
        (Source::Launcher, Some(Source::Launcher), Costed::Reported)
    );
    assert_eq!(spending.usage.cost_micros, Some(205_905));
    assert_eq!(spending.usage.models.keys().collect::<Vec<_>>(), ["claude-haiku-4-5-20251001", "claude-opus-4-8"]);
    assert_eq!(spending.usage.tokens.input, 12_000 + 3_600);

    // A second turn of the same process counts on from the first.
    let usage = |input: u64, cost: f64| {
        json!({ "type": "result", "subtype": "success", "session_id": "s", "is_error": false,
        "modelUsage": { "m[1m]": { "inputTokens": input, "costUSD": cost } } })
    };
    let another = usage(40, 0.4).to_string();
    let mut monitor = Monitor::default();
    let mut stream = StreamJson::default();
    for (ms, result) in [(1, usage(10, 0.1)), (2, usage(25, 0.25))] {
        let at = Time::from_ms(1_800_000_000_000 + ms);
        for fact in stream.take(result.to_string().as_bytes(), at, |_| true) {
            monitor.take(fact);
        }
    }
    let usage = only(&monitor).spending().unwrap().usage;
    assert_eq!((usage.tokens.input, usage.cost_micros), (25, Some(250_000)));

    // Another process goes on with the session, and counts from 0, however much that comes to.
    for fact in StreamJson::default().take(another.as_bytes(), Time::from_ms(1_800_000_009_000), |_| true) {
        monitor.take(fact);
    }
    let usage = only(&monitor).spending().unwrap().usage;
    assert_eq!((usage.tokens.input, usage.cost_micros), (25 + 40, Some(650_000)));
}

#[test]
fn retries_refusals_limits_and_what_is_no_line_are_taken_as_they_are() {
    let mut stream = StreamJson::default();
    let mut take = |line: Value| stream.take(line.to_string().as_bytes(), Time::from_ms(1_800_000_000_000), |_| true);
    let retry =
        take(json!({ "type": "system", "subtype": "api_retry", "session_id": "s", "attempt": 2, "max_retries": 3,
        "retry_delay_ms": 1235.2, "error_status": 500, "error": "server_error" }));
    assert_eq!(
        (retry[0].event_name(), retry[0].summary.as_str()),
        ("api_retry", "Retry 2 of 3 in 1.2 s: 500 server_error")
    );
    let denied = take(json!({ "type": "result", "subtype": "success", "session_id": "s",
        "permission_denials": [{ "tool_name": "Write", "tool_use_id": "t1", "tool_input": { "file_path": "/x", "content": "body" } }] }));
    assert_eq!((denied[0].kind, denied[0].tool_use_id.as_deref()), (Kind::PermissionDenied, Some("t1")));
    let limit =
        take(json!({ "type": "rate_limit_event", "session_id": "s", "rate_limit_info": { "status": "allowed" } }));
    assert_eq!((limit[0].namespace(), limit[0].event_name()), ("/claude", "rate_limit"));
    for line in [
        json!([]),
        json!({}),
        json!({ "session_id": 7, "type": "result" }),
        json!({ "session_id": "s", "type": "later" }),
        json!({ "session_id": "s", "type": "assistant", "message": { "content": [{ "type": "tool_use" }, 7, null] } }),
        json!({ "session_id": "s", "type": "user", "message": "text" }),
    ] {
        assert_eq!(take(line), []);
    }
    let key = ["sk-ant-", "api03-abcdefghijklmnopqrstuvwx"].concat();
    let said = take(
        json!({ "type": "assistant", "session_id": "s", "message": { "id": "m", "content": [{ "type": "text", "text": format!("use {key}") }] } }),
    );
    assert!(said[0].text("content").unwrap().starts_with("use ") && !format!("{said:?}").contains(&key));
}
