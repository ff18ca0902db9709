//! Codex, Gemini CLI and Cursor: their hooks become the same kinds of events, and keep the same secrets.

use event::event::{Fact, Outcome, Source, Time};
use event::session::State;
use event::vocabulary::Kind;
use serde_json::Value;

use crate::monitor::Monitor;
use crate::recordings;

fn played(program: &str) -> Monitor {
    let path = recordings::folder().join("../programs").join(program).with_extension("jsonl");
    let mut monitor = Monitor::default();
    for (line, ms) in std::fs::read_to_string(path).unwrap().lines().zip(1_800_000_000_000..) {
        let payload: Value = serde_json::from_str(line).unwrap();
        monitor.tell(&payload, Time::from_ms(ms), Source::Hook);
    }
    assert_eq!(monitor.sessions.len(), 1, "{program}");
    monitor
}

/// A tool, what is told of a call, and how that ended.
type Call<'a> = (&'a str, Kind, Option<Outcome>);

fn calls(monitor: &Monitor) -> Vec<Call<'_>> {
    let is_call =
        |fact: &&Fact| matches!(fact.kind, Kind::ToolCallStarted | Kind::ToolCallFinished | Kind::ToolCallFailed);
    monitor.facts().filter(is_call).map(|fact| (fact.tool_name.as_deref().unwrap(), fact.kind, fact.outcome)).collect()
}

const BEGAN: Option<Outcome> = None;
const OK: Option<Outcome> = Some(Outcome::Ok);
const FAILED: Option<Outcome> = Some(Outcome::Error);

#[test]
fn each_program_is_one_session_with_its_prompt_its_calls_and_its_end() {
    use Kind::{ToolCallFailed as Fails, ToolCallFinished as Ends, ToolCallStarted as Begins};
    let wanted: [(&str, Vec<Call>); 3] = [
        ("codex", vec![("Bash", Begins, BEGAN), ("Bash", Fails, FAILED), ("Edit", Begins, BEGAN), ("Edit", Ends, OK)]),
        (
            "gemini",
            vec![
                ("Bash", Begins, BEGAN),
                ("Bash", Ends, OK),
                ("Read", Begins, BEGAN),
                ("Read", Ends, OK),
                ("Write", Begins, BEGAN),
                ("Write", Fails, FAILED),
                ("TodoWrite", Begins, BEGAN),
                ("TodoWrite", Ends, OK),
            ],
        ),
        (
            "cursor",
            vec![
                ("Bash", Begins, BEGAN),
                ("Bash", Ends, OK),
                ("Read", Begins, BEGAN),
                ("Edit", Ends, OK),
                ("Read", Begins, BEGAN),
                ("Edit", Ends, OK),
                ("mcp__cursor__query", Begins, BEGAN),
                ("mcp__cursor__query", Fails, FAILED),
            ],
        ),
    ];
    for (program, calls_wanted) in wanted {
        let monitor = played(program);
        let session = monitor.sessions.values().next().unwrap();
        assert_eq!(session.agent_program.as_deref(), Some(program));
        assert_eq!((session.cwd.as_deref(), session.project.as_deref()), (Some("/w/shop"), Some("shop")));
        assert_eq!(session.last_prompt.as_deref(), Some("Make the tests pass"), "{program}");
        assert_eq!(session.transcript_path, None, "only Claude Code's transcripts are read");
        // What is only concluded of calls whose end no hook tells comes besides.
        let told: Vec<_> =
            calls(&monitor).into_iter().filter(|(.., outcome)| *outcome != Some(Outcome::Unknown)).collect();
        assert_eq!(told, calls_wanted, "{program}");
        assert!(monitor.facts().any(|fact| fact.kind == Kind::TurnFinished), "{program}");
        let named = monitor.facts().filter(|fact| fact.kind == Begins).all(|fact| fact.tool_use_id.is_some());
        assert!(named, "{program}: every call has an id");
        let (state, ..) = session.state(Time::from_ms(1_800_000_001_000));
        assert_eq!(state, if program == "codex" { State::Idle } else { State::Ended }, "{program}");
    }
}

#[test]
fn no_file_conversation_or_address_of_theirs_is_on_a_wire() {
    for program in ["codex", "gemini", "cursor"] {
        for fact in played(program).facts() {
            let told = format!("{} {}", fact.data, fact.summary);
            assert!(!told.contains("secret") && !told.contains("ada@example.com"), "{program}: {told}");
        }
    }
}

#[test]
fn a_permission_that_they_wait_for_is_a_need() {
    for (program, answered_by) in [("codex", "PostToolUse"), ("gemini", "AfterTool")] {
        let path = recordings::folder().join("../programs").join(program).with_extension("jsonl");
        let mut monitor = Monitor::default();
        let mut needed = false;
        for (line, ms) in std::fs::read_to_string(path).unwrap().lines().zip(1_800_000_000_000..) {
            let payload: Value = serde_json::from_str(line).unwrap();
            monitor.tell(&payload, Time::from_ms(ms), Source::Hook);
            let session = monitor.sessions.values().next().unwrap();
            let (state, ..) = session.state(Time::from_ms(ms));
            if state == State::Need {
                needed = true;
                assert_ne!(payload["hook_event_name"], answered_by, "{program}");
            }
        }
        assert!(needed, "{program}");
    }
}

#[test]
fn a_list_of_another_program_has_its_words() {
    let monitor = played("gemini");
    let session = monitor.sessions.values().next().unwrap();
    let list: Vec<_> = session.todos.items().iter().map(|item| item.content.as_str()).collect();
    assert_eq!(list, ["Run the tests", "Fix what fails"]);
}

#[test]
fn a_hook_that_nobody_knows_yet_tells_no_file() {
    let hook = serde_json::json!({ "conversation_id": "c", "cursor_version": "9.0", "hook_event_name": "beforeSomething",
        "file_path": "/w/x", "content": "a secret line" });
    let mut monitor = Monitor::default();
    monitor.tell(&hook, Time::from_ms(1_800_000_000_000), Source::Hook);
    assert!(monitor.events.iter().all(|event| !format!("{event:?}").contains("secret")));
}
