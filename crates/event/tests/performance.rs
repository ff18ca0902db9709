//! What a hook costs in here: `cargo test --release -p event performance -- --ignored --nocapture`.

use std::time::Instant;

use event::event::{Event, Source, Time};
use event::hook_input;
use event::session::Session;
use event::wire::history::EventJson;
use serde_json::{Value, json};

/// Microseconds per payload for reading, taking and encoding; the median of some rounds.
fn measure(payload: impl Fn(u64) -> Value) -> [f64; 3] {
    const COUNT: u64 = 2_000;
    let mut rounds: Vec<[f64; 3]> = (0..7)
        .map(|_| {
            let inputs: Vec<String> = (0..COUNT).map(|number| payload(number).to_string()).collect();
            let started = Instant::now();
            let facts: Vec<_> =
                inputs.iter().map(|input| hook_input::read(input.as_bytes(), Time::from_ms(1), Source::Hook)).collect();
            let read = started.elapsed();
            let mut session = Session::new("s", Time::from_ms(1));
            let started = Instant::now();
            let mut taken = Vec::with_capacity(facts.len());
            for (fact, seq) in facts.into_iter().zip(1..) {
                assert_eq!(session.knows(&fact), None);
                taken.extend(session.take(fact, seq));
            }
            let take = started.elapsed();
            let started = Instant::now();
            let mut bytes = 0;
            for fact in taken {
                let event = Event { seq: Some(1), recorded_at: Time::from_ms(2), fact };
                bytes += serde_json::to_vec(&EventJson::from(&event)).unwrap().len();
            }
            assert!(bytes > 0);
            [read, take, started.elapsed()].map(|took| took.as_secs_f64() * 1e6 / COUNT as f64)
        })
        .collect();
    rounds.sort_by(|a, b| a.iter().sum::<f64>().total_cmp(&b.iter().sum()));
    rounds[rounds.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn performance_of_a_hook() {
    let call = |number: u64, event: &str, tool: &str, input: Value, response: Value| {
        json!({ "session_id": "c01bd4e7-22aa-4f19-8c3d-91d2c7fe0a11", "transcript_path": "/home/ada/.claude/projects/-w-web-shop/c01bd4e7-22aa-4f19-8c3d-91d2c7fe0a11.jsonl",
            "cwd": "/w/web-shop", "prompt_id": "7d0f6a52-3c1e-4b7a-9a55-0c2f3f1b8e21", "permission_mode": "default", "effort": { "level": "medium" },
            "hook_event_name": event, "tool_name": tool, "tool_input": input, "tool_response": response,
            "tool_use_id": format!("toolu_{number}"), "duration_ms": 26 })
    };
    let line = "   Compiling event v0.1.0 (/w/main/crates/event)\n";
    let bash = |number, lines: usize| {
        call(
            number,
            "PostToolUse",
            "Bash",
            json!({ "command": "cargo test --workspace", "description": "Run the tests" }),
            json!({ "stdout": line.repeat(lines), "stderr": "", "interrupted": false }),
        )
    };
    let code = "    let password = self.settings.get(\"database\").map(|value| value.to_owned());\n";
    let edit = |number| {
        call(
            number,
            "PostToolUse",
            "Edit",
            json!({ "file_path": "/w/web-shop/a.rs", "old_string": code.repeat(10), "new_string": code.repeat(12) }),
            json!({ "filePath": "/w/web-shop/a.rs", "oldString": code.repeat(10), "newString": code.repeat(12), "originalFile": code.repeat(200), "structuredPatch": [{ "lines": vec![code; 22] }], "replaceAll": false }),
        )
    };
    let read = |number| {
        call(
            number,
            "PostToolUse",
            "WebFetch",
            json!({ "url": "https://example.com/a/b" }),
            json!({ "text": line.repeat(8) }),
        )
    };
    let stop = |number| json!({ "session_id": "s", "cwd": "/w", "hook_event_name": "Stop", "prompt_id": format!("{number}"), "last_assistant_message": line.repeat(12), "background_tasks": [] });
    for (name, measured, bytes) in [
        ("Stop", measure(stop), stop(1).to_string().len()),
        ("PostToolUse plain", measure(read), read(1).to_string().len()),
        ("PostToolUse Bash", measure(|number| bash(number, 8)), bash(1, 8).to_string().len()),
        ("PostToolUse Bash", measure(|number| bash(number, 270)), bash(1, 270).to_string().len()),
        ("PostToolUse Edit", measure(edit), edit(1).to_string().len()),
    ] {
        let [read, take, encode] = measured;
        println!("{name:18} {bytes:6} bytes: read {read:6.1}, take {take:5.1}, encode {encode:5.1} µs");
    }
}
