//! The real Claude Code client, driven against a scripted API: every hook that fired is in the history, in order and
//! paired, and was seen live by somebody else's Socket.IO client and in a real browser.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, Monitor};

/// The hooks of somebody else, in the same settings: they witness what really fired.
const WITNESSED: [&str; 14] = [
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PostToolBatch",
    "SubagentStart",
    "SubagentStop",
    "Stop",
    "SessionEnd",
    "TaskCreated",
    "TaskCompleted",
    "CwdChanged",
    "PermissionRequest",
];

/// A home with a witness in its settings, and our hooks installed beside it by our own installer.
fn prepare(home: &Home, monitor: &Monitor, client: &Path) -> PathBuf {
    let witness = home.path().join("witness");
    fs::create_dir_all(home.path().join(".claude")).unwrap();
    fs::create_dir_all(&witness).unwrap();
    let script = home.path().join("witness.sh");
    fs::write(
        &script,
        format!(
            "#!/bin/sh\nf=$(mktemp {}/XXXXXXXX)\ncat > \"$f.part\" && mv \"$f.part\" \"$f.json\"\n",
            witness.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let hooks: BTreeMap<&str, Value> = WITNESSED
        .iter()
        .map(|event| (*event, json!([{ "hooks": [{ "type": "command", "command": script }] }])))
        .collect();
    let settings = json!({ "hooks": hooks, "model": "claude-sonnet-4-5" });
    fs::write(home.path().join(".claude/settings.json"), serde_json::to_vec_pretty(&settings).unwrap()).unwrap();

    let port = monitor.port.to_string();
    let installed = home.program(&["hooks", "install", "--port", &port, "--client"]).arg(client).output().unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    witness
}

/// Runs a scenario to its end.
fn run(home: &Home, client: &Path, scenario: &str, environment: &[(&str, &str)], arguments: &[&str]) {
    let harness = support::repository().join("tests/claude/run.sh");
    let out = home.path().join("out");
    let mut command = std::process::Command::new(harness);
    command.arg(scenario).arg(&out).args(arguments).env("CLAUDE_BIN", client).env("CLIENT_HOME", home.path());
    let ran = command.envs(environment.iter().copied()).output().unwrap();
    assert!(
        out.join("rc").exists(),
        "the client did not end: {} {}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// What fired by event and call, as counted by the witness.
fn witnessed(folder: &Path) -> BTreeMap<(String, String), usize> {
    let payloads = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let mut counts = BTreeMap::new();
    for path in payloads {
        let payload: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        *counts.entry(key(&payload["hook_event_name"], &payload["tool_use_id"])).or_default() += 1;
    }
    counts
}

fn key(event: &Value, call: &Value) -> (String, String) {
    let event = event.as_str().unwrap_or_default();
    // Permission requests and agents are given their call's id by us: the client sends none.
    let call = if event.contains("ToolUse") { call.as_str().unwrap_or_default() } else { "" };
    (event.to_owned(), call.to_owned())
}

/// The same, as the history has it.
fn recorded(events: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for event in events.iter().filter(|event| event["sources"][0] == "hook") {
        let name = &event["data"]["hook_event_name"];
        if WITNESSED.iter().any(|witnessed| name == witnessed) {
            *counts.entry(key(name, &event["tool_use_id"])).or_default() += 1;
        }
    }
    counts
}

fn is_over(events: &[Value]) -> bool {
    events.iter().any(|event| event["kind"] == "session.ended")
}

#[test]
fn every_hook_of_a_real_session_is_kept_in_order_paired_and_seen_live() {
    let (Some(client), Some(mut follower)) =
        (support::tool("CLAUDE_MPM_TEST_CLAUDE"), support::node("follow.mjs", &[]))
    else {
        return;
    };
    let home = Home::new();
    let monitor = home.monitor();
    let witness = prepare(&home, &monitor, &client);
    follower.args(["--url", &monitor.url(""), "--namespaces", "/hook,/session,/agent,/todo,/memory,/claude,/system"]);
    let mut follower = Follower::start(follower);
    for namespace in ["/hook", "/session", "/agent", "/system"] {
        follower.event(namespace, "connect");
    }
    let mut browser = support::browser(&monitor).map(Follower::start);
    if let Some(browser) = &mut browser {
        browser.wait("the page is open", |said| said["ready"] == true);
    }

    run(&home, &client, "basic", &[], &["--permission-mode", "bypassPermissions"]);

    let events = monitor.history_when(is_over);
    let fired = witnessed(&witness);
    assert!(fired.values().sum::<usize>() > 30, "the witness saw {fired:#?}");
    assert_eq!(recorded(&events), fired, "the history has exactly what fired");
    let times: Vec<&str> = events
        .iter()
        .filter(|event| event["sources"][0] == "hook" && event["session_id"].is_string())
        .filter_map(|event| event["time"].as_str())
        .collect();
    assert!(
        times.windows(2).filter(|pair| pair[0] > pair[1]).count() <= 3,
        "in order, but for hooks that ran at once: {times:#?}"
    );

    let started: Vec<&Value> = events.iter().filter(|event| event["kind"] == "tool_call.started").collect();
    assert!(!started.is_empty());
    for call in started {
        let ends = events
            .iter()
            .filter(|event| {
                event["tool_use_id"] == call["tool_use_id"]
                    && matches!(event["kind"].as_str(), Some("tool_call.finished" | "tool_call.failed"))
            })
            .count();
        assert_eq!(ends, 1, "one end for {call}");
    }
    let last = events.iter().rev().find(|event| event["kind"] == "session.ended").unwrap()["seq"].clone();
    follower.wait("the session's end", |said| said["namespace"] == "/session" && said["data"]["seq"] == last);
    let seen: Vec<&Value> = follower.seen().iter().map(|said| &said["data"]["seq"]).collect();
    for event in events.iter().filter(|event| event["sources"][0] == "hook" && event["seq"].as_u64() <= last.as_u64()) {
        assert!(seen.contains(&&event["seq"]), "not seen live: {event}");
    }
    if let Some(browser) = &mut browser {
        for text in ["echo hello world", "exit 3", "Look around"] {
            browser.wait(&format!("a row with {text:?}"), |said| {
                said["row"].as_str().is_some_and(|row| row.contains(text))
            });
        }
    }
    let sessions = monitor.get("/api/v1/sessions");
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1, "{sessions:#}");
    assert_eq!(sessions["sessions"][0]["state"], "ended");
    let usage = support::eventually("the transcripts are read", || {
        let usage = monitor.get("/api/v1/sessions")["sessions"][0]["usage"].clone();
        Some(usage).filter(|usage| usage["api_requests"] == answers(&home))
    });
    assert_eq!((&usage["source"], &usage["cost_status"]), (&json!("transcript"), &json!("estimated")), "{usage:#}");
}

/// How many answers the scripted API gave that are in the client's own transcripts.
fn answers(home: &Home) -> u64 {
    let mut folders = vec![home.path().join(".claude/projects")];
    let mut ids = std::collections::BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "jsonl") {
                let text = fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                let answers =
                    lines.filter(|line| line["type"] == "assistant" && line["message"]["model"] != "<synthetic>");
                ids.extend(answers.map(|line| line["message"]["id"].to_string()));
            }
        }
    }
    ids.len() as u64
}

#[test]
fn parallel_calls_and_agents_of_a_real_session_all_find_their_ends() {
    let Some(client) = support::tool("CLAUDE_MPM_TEST_CLAUDE") else { return };
    let home = Home::new();
    let monitor = home.monitor();
    let witness = prepare(&home, &monitor, &client);

    run(&home, &client, "parallel", &[], &["--permission-mode", "bypassPermissions"]);

    let events = monitor.history_when(is_over);
    assert_eq!(recorded(&events), witnessed(&witness));
    let session = &monitor.get("/api/v1/sessions")["sessions"][0];
    assert_eq!(session["open_calls"], json!([]), "{session:#}");
    assert!(session["agents"].as_array().unwrap().len() >= 3, "{session:#}");
}

#[test]
fn a_real_permission_prompt_needs_you_until_it_is_answered() {
    let Some(client) = support::tool("CLAUDE_MPM_TEST_CLAUDE") else { return };
    if support::program_on_path("tmux").is_none() {
        return;
    }
    let home = Home::new();
    let monitor = home.monitor();
    let witness = prepare(&home, &monitor, &client);

    let needed = std::thread::scope(|scope| {
        let running =
            scope.spawn(|| run(&home, &client, "permission", &[("MODE", "tui")], &["--permission-mode", "default"]));
        let mut needed = false;
        while !running.is_finished() {
            let sessions = monitor.get("/api/v1/sessions");
            needed |= sessions["sessions"].as_array().unwrap().iter().any(|session| session["state"] == "need");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        running.join().unwrap();
        needed
    });

    let events = monitor.history_when(is_over);
    assert!(needed, "the session needed somebody while its prompt was open");
    assert_eq!(recorded(&events), witnessed(&witness));
    assert!(
        events.iter().any(|event| event["kind"] == "permission.requested" && event["tool_use_id"].is_string()),
        "requests are paired with their calls"
    );
    let session = &monitor.get("/api/v1/sessions")["sessions"][0];
    assert_eq!(session["state"], "ended", "{session:#}");
}

/// Plays a scenario in the terminal interface beside `meet`, which is given the session and marks for the driver.
fn meet(
    home: &Home,
    monitor: &Monitor,
    client: &Path,
    scenario: &str,
    meet: impl FnOnce(&dyn Fn(&str), &dyn Fn(&str, &str) -> Value),
) {
    let out = home.path().join("out");
    let mark = |name: &str| fs::write(out.join(name), "").unwrap();
    let session = |what: &str, state: &str| {
        support::eventually(what, || {
            let sessions = monitor.get("/api/v1/sessions");
            let session = sessions["sessions"].as_array().unwrap().first().cloned();
            session.filter(|session| session["state"] == state)
        })
    };
    std::thread::scope(|scope| {
        let running =
            scope.spawn(|| run(home, client, scenario, &[("MODE", "tui")], &["--permission-mode", "default"]));
        meet(&mark, &session);
        running.join().unwrap();
    });
}

/// How long after the sign itself an event was recorded, in milliseconds.
fn delay_ms(event: &Value) -> i64 {
    let at = |key: &str| event::event::Time::parse(event[key].as_str().unwrap()).unwrap().ms();
    at("recorded_at") - at("time")
}

#[test]
fn an_approved_command_of_a_minute_needs_nobody_long_before_it_ends_and_escape_ends_it() {
    let Some(client) = support::tool("CLAUDE_MPM_TEST_CLAUDE") else { return };
    if support::program_on_path("tmux").is_none() {
        return;
    }
    let home = Home::new();
    let monitor = home.monitor();
    prepare(&home, &monitor, &client);
    meet(&home, &monitor, &client, "approve", |mark, session| {
        let needed = session("it asks", "need");
        assert_eq!((&needed["need"]["kind"], &needed["need"]["answered"]), (&json!("permission"), &json!("no")));
        mark("needed");
        let working = session("the approval is seen", "working");
        assert!(working.get("need").is_none(), "{working:#}");
        assert_eq!(working["open_calls"].as_array().unwrap().len(), 1, "the command runs on: {working:#}");
        mark("answered");
        session("the interrupt is seen", "idle");
        mark("interrupted");
    });
    let events = monitor.history_when(is_over);
    let decided = events.iter().find(|event| event["kind"] == "tool_call.decided").unwrap();
    assert!(decided["tool_use_id"].is_string(), "{decided:#}");
    // A quarter of a second where nothing else runs; this machine may have much to do.
    eprintln!("seen {} ms after it was to be seen", delay_ms(decided));
    assert!(delay_ms(decided) <= 2_000, "{decided:#}");
    let interrupted = events.iter().find(|event| event["kind"] == "turn.interrupted").unwrap();
    assert!(delay_ms(interrupted) <= 2_000, "{interrupted:#}");
    let call = events.iter().find(|event| event["kind"] == "tool_call.failed").unwrap();
    assert_eq!(call["outcome"], "interrupted", "{call:#}");
}

#[test]
fn a_refusal_with_escape_ends_the_need_though_no_hook_tells_it() {
    let Some(client) = support::tool("CLAUDE_MPM_TEST_CLAUDE") else { return };
    if support::program_on_path("tmux").is_none() {
        return;
    }
    let home = Home::new();
    let monitor = home.monitor();
    prepare(&home, &monitor, &client);
    meet(&home, &monitor, &client, "refuse", |mark, session| {
        session("it asks", "need");
        mark("needed");
        let idle = session("the refusal is seen", "idle");
        assert_eq!(idle["open_calls"], json!([]), "{idle:#}");
        mark("answered");
    });
}

#[test]
fn a_client_that_is_killed_while_it_asks_has_ended_and_asks_nobody() {
    let Some(client) = support::tool("CLAUDE_MPM_TEST_CLAUDE") else { return };
    if support::program_on_path("tmux").is_none() {
        return;
    }
    let home = Home::new();
    let monitor = home.monitor();
    prepare(&home, &monitor, &client);
    meet(&home, &monitor, &client, "killed", |mark, session| {
        session("it asks", "need");
        mark("needed");
        let ended = session("its death is seen", "ended");
        assert_eq!(ended["reason"]["summary"], "client_gone", "{ended:#}");
        mark("answered");
    });
}

#[test]
fn uninstalling_gives_the_settings_back_byte_for_byte() {
    let home = Home::new();
    fs::create_dir_all(home.path().join(".claude")).unwrap();
    let path = home.path().join(".claude/settings.json");
    let before = "{\n   \"model\" : \"opus\",\n   \"hooks\": { \"Stop\": [ {\"hooks\":[{\"type\":\"command\",\"command\":\"say done\"}]} ] }\n}\n";
    fs::write(&path, before).unwrap();

    assert!(home.program(&["hooks", "install"]).output().unwrap().status.success());
    let installed = fs::read_to_string(&path).unwrap();
    assert!(installed.contains("claude-mpm-hook") && installed.contains("say done"), "{installed}");
    assert!(home.program(&["hooks", "install"]).output().unwrap().status.success());
    assert_eq!(fs::read_to_string(&path).unwrap(), installed, "a second run changes nothing");

    assert!(home.program(&["hooks", "uninstall"]).output().unwrap().status.success());
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}
