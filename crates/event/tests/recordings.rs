//! Real runs of Claude Code become what `fixtures/claude/expected.json`, an oracle written without this crate, says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use event::agent;
use event::event::{Fact, Outcome, Source, Time};
use event::session::State;
use event::vocabulary::Kind;
use serde_json::{Value, json};

use crate::monitor::Monitor;

pub(crate) struct Recorded {
    pub(crate) at: Time,
    pub(crate) payload: Value,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claude")
}

/// Every scenario: its name, its hooks in order of arrival, and what the oracle says of it.
fn scenarios() -> Vec<(String, Vec<Recorded>, Value)> {
    let expected: Value = serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
    let scenarios = expected.as_object().unwrap().iter();
    scenarios.map(|(name, expected)| (name.clone(), hooks(name), expected.clone())).collect()
}

pub(crate) fn hooks(scenario: &str) -> Vec<Recorded> {
    let text = std::fs::read_to_string(folder().join(scenario).join("hooks.jsonl")).unwrap();
    text.lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let at = Time::from_ns(line["received_ns"].as_u64().unwrap());
            Recorded { at, payload: line["payload"].take() }
        })
        .collect()
}

/// All payloads of all recordings.
pub(crate) fn payloads() -> Vec<Value> {
    scenarios().into_iter().flat_map(|(_, hooks, _)| hooks).map(|hook| hook.payload).collect()
}

fn play<'a>(hooks: impl IntoIterator<Item = &'a Recorded>) -> Monitor {
    let mut monitor = Monitor::default();
    for hook in hooks {
        assert!(
            monitor.tell(&hook.payload, hook.at, Source::Hook) > 0,
            "a hook was taken for a repetition: {}",
            hook.payload
        );
    }
    monitor
}

/// The last word on each call: what really told its end counts more than what was concluded.
fn ends(monitor: &Monitor) -> BTreeMap<String, Fact> {
    let mut ends = BTreeMap::<String, Fact>::new();
    for fact in monitor.facts().filter(|fact| matches!(fact.kind, Kind::ToolCallFinished | Kind::ToolCallFailed)) {
        let call = fact.tool_use_id.clone().unwrap();
        if !is_guess(fact) || ends.get(&call).is_none_or(is_guess) {
            ends.insert(call, fact.clone());
        }
    }
    ends
}

/// Whether a fact says that a call is over without knowing how it ended.
fn is_guess(fact: &Fact) -> bool {
    fact.data.get("concluded_from").is_some() && fact.data.get("ran").is_none()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn every_hook_becomes_one_event_of_a_known_kind() {
    for (name, hooks, _) in scenarios() {
        let monitor = play(&hooks);
        assert_eq!(monitor.primaries.len(), hooks.len(), "{name}");
        for fact in monitor.facts() {
            assert!(!matches!(fact.kind, Kind::HookReceived | Kind::HookUnreadable | Kind::Custom), "{name}: {fact:?}");
            assert!(
                fact.summary.chars().count() <= 160 && !fact.summary.is_empty(),
                "{name}: {:?} {:?}",
                fact.kind,
                fact.summary
            );
        }
    }
}

#[test]
fn sessions_prompts_and_compactions_are_counted_as_the_oracle_counts_them() {
    for (name, hooks, expected) in scenarios() {
        let monitor = play(&hooks);
        let listed = |listed| {
            monitor
                .sessions
                .values()
                .filter(move |session| session.listed == listed)
                .map(|session| session.session_id.clone())
        };
        let ids = |key: &str| {
            let mut ids: Vec<String> = serde_json::from_value(expected[key].clone()).unwrap();
            ids.sort();
            ids
        };
        assert_eq!(listed(true).collect::<Vec<_>>(), ids("sessions"), "{name}");
        assert_eq!(listed(false).collect::<Vec<_>>(), ids("phantom_sessions"), "{name}");
        let count = |kind| monitor.facts().filter(|fact| fact.kind == kind).count() as u64;
        assert_eq!(count(Kind::PromptSubmitted), expected["user_prompts"], "{name}");
        assert_eq!(
            monitor.sessions.values().map(|session| session.counts.prompts).sum::<u64>(),
            expected["user_prompts"],
            "{name}"
        );
        assert_eq!(count(Kind::BackgroundTaskFinished), expected["background_tasks_finished"], "{name}");
        assert_eq!(count(Kind::CompactionFinished), expected["compactions"], "{name}");
        let calls = monitor.sessions.values().map(|session| session.counts.tool_calls).sum::<u64>();
        assert_eq!(calls, expected["tool_calls"].as_array().unwrap().len() as u64, "{name}");
    }
}

#[test]
fn every_call_ends_as_the_oracle_says() {
    for (name, hooks, expected) in scenarios() {
        let monitor = play(&hooks);
        let ends = ends(&monitor);
        for call in expected["tool_calls"].as_array().unwrap() {
            let id = text(call, "tool_use_id");
            let what = format!("{name}: {id} should be {}", text(call, "outcome"));
            let open =
                monitor.sessions.values().any(|session| session.calls.open().iter().any(|open| open.tool_use_id == id));
            let Some(end) = ends.get(id) else {
                assert!(
                    text(call, "outcome") == "open" && call.get("ended_by").is_none() && open,
                    "{what}, and never ended"
                );
                continue;
            };
            assert!(!open, "{what}, and is open");
            assert_eq!(end.tool_name.as_deref(), call["tool_name"].as_str(), "{what}");
            assert_eq!(end.agent_id.as_deref(), call["agent_id"].as_str(), "{what}");
            match text(call, "outcome") {
                "ok" => assert_eq!((end.kind, end.outcome), (Kind::ToolCallFinished, Some(Outcome::Ok)), "{what}"),
                "error" => assert_eq!((end.outcome, end.data.get("ran")), (Some(Outcome::Error), None), "{what}"),
                "never_ran" => {
                    assert_eq!((end.outcome, &end.data["ran"]), (Some(Outcome::Error), &json!(false)), "{what}")
                }
                "denied" => {
                    assert_eq!((end.outcome, &end.data["ran"]), (Some(Outcome::Denied), &json!(false)), "{what}")
                }
                "open" => {
                    assert!(matches!(end.outcome, Some(Outcome::Unknown | Outcome::Interrupted)), "{what}: {end:?}");
                    let by = match text(&end.data, "concluded_from") {
                        "session.ended" => "SessionEnd",
                        "prompt.submitted" => "UserPromptSubmit",
                        "turn.finished" => "Stop",
                        other => other,
                    };
                    assert_eq!(by, text(call, "ended_by"), "{what}");
                }
                other => panic!("the oracle says {other:?}"),
            }
            if let Some(took) = call.get("duration_ms") {
                assert_eq!(end.duration_ms, took.as_u64(), "{what}");
            }
        }
        assert_eq!(
            ends.keys().filter(|id| !expected["tool_calls"].to_string().contains(id.as_str())).count(),
            0,
            "{name}"
        );
    }
}

#[test]
fn permissions_agents_and_lists_are_joined_as_the_oracle_joins_them() {
    for (name, hooks, expected) in scenarios() {
        let monitor = play(&hooks);
        let asked = monitor.facts().filter(|fact| fact.kind == Kind::PermissionRequested);
        let asked: Vec<Value> =
            asked.map(|fact| json!({ "tool_name": fact.tool_name, "tool_use_id": fact.tool_use_id })).collect();
        assert_eq!(json!(asked), expected["permissions"], "{name}");

        let told =
            |kind, id: &str| monitor.facts().any(|fact| fact.kind == kind && fact.agent_id.as_deref() == Some(id));
        let known = || monitor.sessions.values().flat_map(|session| session.agents.known());
        let agents = expected["agents"].as_array().unwrap();
        assert_eq!(known().count(), agents.len(), "{name}");
        for agent in agents {
            let id = text(agent, "agent_id");
            let known = known().find(|known| known.agent_id == id).unwrap_or_else(|| panic!("{name}: no agent {id}"));
            assert_eq!(known.agent_type, agent["agent_type"], "{name}");
            assert_eq!(json!(known.tool_use_id), agent["delegated_by"], "{name}");
            assert_eq!(told(Kind::AgentStarted, id), agent["started"], "{name}");
            assert_eq!(told(Kind::AgentFinished, id), agent["stopped"], "{name}");
            assert!(agent["stopped"] == false || known.state == agent::State::Done, "{name}");
        }

        let lists =
            || monitor.sessions.values().map(|session| &session.todos).filter(|todos| !todos.items().is_empty());
        let items = lists().flat_map(|todos| todos.items()).map(|todo| json!([todo.content, todo.status]));
        let wanted =
            expected["todos"].as_array().into_iter().flatten().map(|todo| json!([todo["content"], todo["status"]]));
        assert_eq!(items.collect::<Vec<_>>(), wanted.collect::<Vec<_>>(), "{name}");
        let stats = lists().next().map_or(Value::Null, |todos| json!(todos.stats()));
        assert_eq!(stats, expected["todo_stats"], "{name}");
    }
}

#[test]
fn a_recording_that_two_doors_tell_adds_no_event() {
    for (name, hooks, _) in scenarios() {
        let once: Vec<Fact> = play(&hooks).facts().cloned().collect();
        let mut after = play(&hooks);
        for hook in &hooks {
            assert_eq!(after.tell(&hook.payload, hook.at, Source::Http), 0, "{name}: {}", hook.payload);
        }
        let mut interleaved = Monitor::default();
        for (place, hook) in hooks.iter().enumerate() {
            let doors = if place % 2 == 0 { [Source::Hook, Source::Http] } else { [Source::Http, Source::Hook] };
            for door in doors {
                interleaved.tell(&hook.payload, hook.at, door);
            }
        }
        // The second door is a few facts behind.
        let mut behind = Monitor::default();
        for place in 0..hooks.len() + 3 {
            if let Some(hook) = hooks.get(place) {
                behind.tell(&hook.payload, hook.at, Source::Http);
            }
            if let Some(hook) = place.checked_sub(3).and_then(|place| hooks.get(place)) {
                assert_eq!(behind.tell(&hook.payload, hook.at, Source::Hook), 0, "{name}: {}", hook.payload);
            }
        }
        for monitor in [&after, &interleaved, &behind] {
            assert!(monitor.facts().map(|fact| fact.kind).eq(once.iter().map(|fact| fact.kind)), "{name}");
        }
    }
}

#[test]
fn hooks_that_overtake_each_other_leave_the_same_outcomes() {
    let is_call = |hook: &Recorded| {
        matches!(text(&hook.payload, "hook_event_name"), "PreToolUse" | "PostToolUse" | "PostToolUseFailure")
    };
    let mut orders = 0;
    for (name, hooks, _) in scenarios() {
        let outcomes = |monitor: &Monitor| -> BTreeMap<String, Option<Outcome>> {
            ends(monitor).into_iter().map(|(id, end)| (id, end.outcome)).collect()
        };
        let recorded = play(&hooks);
        let mut first = 0;
        while first < hooks.len() {
            let length = hooks[first..].iter().take_while(|hook| is_call(hook)).count();
            for order in 1..=4 * length.saturating_sub(1) {
                let mut shuffled: Vec<&Recorded> = hooks.iter().collect();
                shuffle(&mut shuffled[first..first + length], order as u64);
                let monitor = play(shuffled);
                assert_eq!(
                    outcomes(&monitor),
                    outcomes(&recorded),
                    "{name}: hooks {first} to {} in order {order}",
                    first + length
                );
                let calls =
                    |monitor: &Monitor| monitor.sessions.values().map(|session| session.counts.tool_calls).sum::<u64>();
                assert_eq!(calls(&monitor), calls(&recorded), "{name}");
                orders += 1;
            }
            first += length.max(1);
        }
    }
    assert!(orders > 200, "{orders}");
}

#[test]
fn the_model_is_the_one_that_was_switched_to() {
    let (name, hooks, _) = scenarios().into_iter().find(|(name, ..)| name == "329-switch").unwrap();
    let monitor = play(&hooks);
    let told = |kind| monitor.facts().filter(move |fact| fact.kind == kind).collect::<Vec<_>>();
    // `/model` weighs a candidate before it switches.
    assert_eq!((told(Kind::ModelSwitchRequested).len(), told(Kind::ModelSwitched).len()), (2, 1), "{name}");
    let switched = told(Kind::ModelSwitched)[0];
    let at_end = monitor.sessions[switched.session_id.as_ref().unwrap()].model.clone();
    let told_since = told(Kind::SessionContinued).last().and_then(|fact| fact.text("model")).map(str::to_owned);
    assert_eq!(at_end, told_since.or(switched.text("to_model").map(str::to_owned)), "{name}");
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut random = seed;
    for place in (1..items.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(place, (random >> 33) as usize % (place + 1));
    }
}

#[test]
fn a_recording_cut_off_anywhere_is_ended_by_a_session_end() {
    for (name, hooks, _) in scenarios() {
        for length in 0..hooks.len() {
            let mut monitor = play(&hooks[..length]);
            let ids: Vec<String> = monitor.sessions.keys().cloned().collect();
            let last = hooks[..length].last().map_or(Time::default(), |hook| hook.at);
            for id in ids {
                for minutes in [0, 1, 11, 60 * 24 * 365] {
                    monitor.sessions[&id].state(Time::from_ms(last.ms() + minutes * 60_000));
                }
                let end = json!({ "session_id": id, "hook_event_name": "SessionEnd", "reason": "other" });
                monitor.tell(&end, Time::from_ms(last.ms() + 1), Source::Hook);
                let session = &monitor.sessions[&id];
                let what = format!("{name}, cut after {length} hooks, session {id}");
                assert_eq!(session.state(last).0, State::Ended, "{what}");
                assert_eq!((session.calls.open().len(), session.agents.working().count()), (0, 0), "{what}");
                assert_eq!(session.claude_status, "stopped", "{what}");
            }
        }
    }
}
