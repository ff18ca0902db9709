//! What hooks write reaches the history, in order, with its own time, whether or not a monitor runs.

use std::io::Write;
use std::process::Stdio;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::support::{Home, eventually};

fn prompt(session: &str, number: usize) -> String {
    json!({ "session_id": session, "hook_event_name": "UserPromptSubmit", "cwd": "/w/app", "prompt": format!("prompt {number}") }).to_string()
}

fn prompts(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter(|event| event["kind"] == "prompt.submitted")
        .map(|event| event["summary"].as_str().unwrap())
        .collect()
}

#[test]
fn a_hook_is_in_the_history_of_a_running_monitor() {
    let home = Home::new();
    let monitor = home.monitor();

    home.hook(monitor.port, prompt("s1", 1).as_bytes());

    let events = monitor.history_when(|events| prompts(events).len() == 1);
    let event = events.iter().find(|event| event["kind"] == "prompt.submitted").unwrap();
    assert_eq!((&event["namespace"], &event["event"]), (&json!("/hook"), &json!("user_prompt")));
    assert_eq!((&event["session_id"], &event["sources"]), (&json!("s1"), &json!(["hook"])));
}

#[test]
fn no_word_of_a_hook_stays_in_the_spool_once_it_is_stored() {
    let home = Home::new();
    let monitor = home.monitor();
    let spool = home.path().join(format!(".claude-mpm/spool/{}", monitor.port));
    let is_there = |word: &str| {
        let files = std::fs::read_dir(&spool).unwrap().flatten();
        files
            .filter_map(|file| std::fs::read(file.path()).ok())
            .any(|bytes| bytes.windows(word.len()).any(|part| part == word.as_bytes()))
    };
    for number in 1..=3 {
        home.hook(monitor.port, prompt("s1", number).as_bytes());
        monitor.history_when(|events| prompts(events).len() == number);
        eventually("it is gone", || (!is_there("prompt ")).then_some(()));
    }
    let port = monitor.port;
    monitor.kill();
    home.hook(port, prompt("s1", 4).as_bytes());
    assert!(is_there("prompt 4"), "until a monitor takes it");
    let monitor = home.monitor_on(port);
    let events = monitor.history_when(|events| prompts(events).len() == 4);
    assert_eq!(prompts(&events), ["prompt 1", "prompt 2", "prompt 3", "prompt 4"]);
    eventually("it is gone, too", || (!is_there("prompt ")).then_some(()));
}

#[test]
fn two_thousand_hooks_fired_while_no_monitor_runs_are_all_there_in_order_with_their_own_times() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port;
    monitor.stop();
    let before = SystemTime::now();

    for number in 0..2_000 {
        home.hook(port, prompt("s1", number).as_bytes());
    }

    let after = SystemTime::now();
    let monitor = home.monitor_on(port);
    let events = monitor.history_when(|events| prompts(events).len() >= 2_000);
    let expected: Vec<String> = (0..2_000).map(|number| format!("prompt {number}")).collect();
    assert_eq!(prompts(&events), expected);
    let times: Vec<_> = events
        .iter()
        .filter(|event| event["kind"] == "prompt.submitted")
        .map(|event| event["time"].as_str().unwrap().to_owned())
        .collect();
    assert!(times.is_sorted(), "each carries the time of its own hook");
    let ms = |time: SystemTime| {
        event::event::Time::from_ms(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64).to_string()
    };
    assert!(times[0] >= ms(before) && times[1_999] <= ms(after), "{} {}", times[0], times[1_999]);
}

#[test]
fn hooks_that_run_at_once_are_all_there() {
    let home = Home::new();
    let monitor = home.monitor();

    let hooks: Vec<_> = (0..64)
        .map(|number| {
            let mut hook = home.start_hook(monitor.port);
            hook.stdin.take().unwrap().write_all(prompt("s1", number).as_bytes()).unwrap();
            hook
        })
        .collect();
    for mut hook in hooks {
        assert!(hook.wait().unwrap().success());
    }

    let events = monitor.history_when(|events| prompts(events).len() >= 64);
    let mut found = prompts(&events);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 64);
}

#[test]
fn what_is_no_json_is_kept_and_says_so() {
    let home = Home::new();
    let monitor = home.monitor();

    home.hook(monitor.port, b"this is no JSON");
    home.hook(monitor.port, b"");
    home.hook(monitor.port, "x".repeat(5_000_000).as_bytes());

    let events =
        monitor.history_when(|events| events.iter().filter(|event| event["kind"] == "hook.unreadable").count() == 3);
    let first = events.iter().find(|event| event["kind"] == "hook.unreadable").unwrap();
    assert_eq!(first["event"], "hook_error");
    // What is no JSON may hold anything, a file's body too: it is withheld, and can be asked for.
    assert_eq!(first["data"]["text"]["bytes"], 15);
    assert_eq!(monitor.get(&format!("/api/v1/events/{}/content", first["seq"]))["data"]["text"], "this is no JSON");
}

#[test]
fn a_file_that_was_written_is_in_no_event_and_can_be_asked_for() {
    let home = Home::new();
    let monitor = home.monitor();
    let body = "the body of a file\n".repeat(10_000);
    let write = json!({ "session_id": "s1", "hook_event_name": "PreToolUse", "cwd": "/w/app", "tool_name": "Write", "tool_use_id": "toolu_1",
        "tool_input": { "file_path": "/w/app/a.txt", "content": body } });

    home.hook(monitor.port, write.to_string().as_bytes());

    let events = monitor.history_when(|events| events.iter().any(|event| event["kind"] == "tool_call.started"));
    let event = events.iter().find(|event| event["kind"] == "tool_call.started").unwrap();
    assert!(!event.to_string().contains("the body of a file"));
    assert_eq!(event["data"]["tool_input"]["content"]["bytes"], body.len());
    let content = monitor.get(&format!("/api/v1/events/{}/content", event["seq"]));
    assert_eq!(content["data"]["tool_input"]["content"], body.as_str());
}

#[test]
fn a_hook_in_debug_mode_logs_its_times_and_prints_nothing() {
    let home = Home::new();
    let mut command = home.program(&["hook", "--port", "8799"]);
    command.env("CLAUDE_MPM_HOOK_DEBUG", "true");
    let mut hook = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    hook.stdin.take().unwrap().write_all(br#"{"hook_event_name":"Stop","session_id":"a secret"}"#).unwrap();
    let ended = hook.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stdout.is_empty() && ended.stderr.is_empty());
    let log = std::fs::read_to_string(home.path().join(".claude-mpm/logs/hook-8799.log")).unwrap();
    assert!(log.contains(" ms: input ") && log.trim_end().ends_with("in the spool"), "{log}");
    assert!(!log.contains("a secret"), "{log}");

    home.hook(8798, b"{}");
    assert!(!home.path().join(".claude-mpm/logs/hook-8798.log").exists(), "nobody asked");
}
