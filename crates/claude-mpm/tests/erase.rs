//! Deleting a session: nothing of it is left, everything else goes on.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{self, Home, Monitor, eventually};

/// A word that is in nothing but the session that is deleted.
const SECRET: &str = "zanzibar";

fn folder(home: &Home, port: u16) -> PathBuf {
    home.path().join(".claude-mpm/monitor").join(port.to_string())
}

fn unencrypted(home: &Home) {
    std::fs::create_dir_all(home.path().join(".claude-mpm")).unwrap();
    let settings = "monitoring:\n  store:\n    encrypted: false\n";
    std::fs::write(home.path().join(".claude-mpm/configuration.yaml"), settings).unwrap();
}

fn hook(monitor: &Monitor, hook: Value) {
    let (status, body) = monitor.post("/api/events", &hook.to_string());
    assert_eq!(status, 204, "{body}");
}

/// A session whose every name has the secret in it.
fn a_secret_session(monitor: &Monitor, calls: u64) {
    let cwd = format!("/w/{SECRET}-project");
    let session = format!("s-{SECRET}");
    hook(
        monitor,
        json!({ "session_id": session, "hook_event_name": "UserPromptSubmit", "prompt": format!("about {SECRET}"), "cwd": cwd }),
    );
    for call in 0..calls {
        let id = format!("t-{SECRET}-{call}");
        let input = json!({ "file_path": format!("{cwd}/{call}.rs"), "content": format!("fn {SECRET}{call}() {{}}") });
        for name in ["PreToolUse", "PostToolUse"] {
            hook(
                monitor,
                json!({ "session_id": session, "hook_event_name": name, "tool_name": "Write", "cwd": cwd, "tool_use_id": id,
                    "tool_input": input, "tool_response": { "filePath": input["file_path"] } }),
            );
        }
    }
}

fn another_session(monitor: &Monitor) {
    hook(
        monitor,
        json!({ "session_id": "s-other", "hook_event_name": "UserPromptSubmit", "prompt": "something plain", "cwd": "/w/plain" }),
    );
}

/// Files of a folder that hold the secret.
fn telling(dir: &Path) -> Vec<String> {
    let mut telling = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        if bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
            telling.push(entry.file_name().into_string().unwrap());
        }
    }
    telling
}

fn is_secret(event: &Value) -> bool {
    event["session_id"] == format!("s-{SECRET}")
}

fn indexed(home: &Home, port: u16) {
    eventually("the index has the session", || {
        telling(&folder(home, port)).iter().any(|name| name.starts_with("index-")).then_some(())
    });
}

#[test]
fn nothing_of_a_deleted_session_is_left_and_whoever_looks_is_told() {
    let home = Home::new();
    unencrypted(&home);
    let monitor = home.monitor();
    let port = monitor.port;
    another_session(&monitor);
    a_secret_session(&monitor, 40);
    another_session(&monitor);
    indexed(&home, port);
    let before = monitor.history();
    let secret = before.iter().filter(|event| is_secret(event)).count();
    assert!(secret > 80, "{secret}");
    let mut follower = support::node("follow.mjs", &["--url", &monitor.url(""), "--namespaces", "/monitor,/session"])
        .map(support::Follower::start);
    if let Some(follower) = &mut follower {
        follower.event("/monitor", "state");
        follower.event("/session", "connect");
    }

    let path = format!("/api/v1/sessions/s-{SECRET}");
    assert_eq!(monitor.request("DELETE", &path, &[("origin", "http://localhost:1")], "").0, 403, "another page");
    assert_eq!(monitor.request("DELETE", "/api/v1/sessions/nobody", &[], "").0, 404);
    let (status, body) = monitor.request("DELETE", &path, &[], "");
    assert_eq!((status, body), (200, format!("{{\"session_id\":\"s-{SECRET}\",\"deleted\":true}}")));

    if let Some(follower) = &mut follower {
        let told = follower.event("/session", "deleted");
        assert_eq!(told["data"]["session_id"], format!("s-{SECRET}"), "{told}");
        follower.wait("the page takes it off its list", |said| {
            said["event"] == "state" && said["data"]["removed"] == json!([format!("s-{SECRET}")])
        });
    }
    let left: Vec<Value> = before.iter().filter(|event| !is_secret(event)).cloned().collect();
    assert_eq!(monitor.history()[..left.len()], left);
    let one = before.iter().find(|event| is_secret(event)).unwrap();
    let (status, body) = monitor.request("GET", &format!("/api/v1/events/{}", one["seq"]), &[], "");
    assert_eq!(status, 410, "{body}");
    assert!(body.contains("its session has been deleted"), "{body}");
    let found = monitor.get(&format!("/api/v1/events?q={SECRET}"));
    assert_eq!((&found["events"], found.get("partial")), (&json!([]), None), "{found}");
    assert!(!monitor.get("/api/v1/sessions").to_string().contains(SECRET));
    for (group, other) in [("session", "s-other"), ("project", "plain")] {
        let sums = monitor.get(&format!("/api/v1/stats?group={group}"));
        assert!(!sums.to_string().contains(SECRET) && sums.to_string().contains(other), "{sums}");
    }
    // Whoever follows from before it comes to the end without a gap.
    if let Some(mut client) = support::program_on_path("curl").map(std::process::Command::new) {
        client.args(["-sN", &monitor.url("/api/v1/stream?since=0")]).stdout(Stdio::piped());
        let mut process = client.spawn().unwrap();
        let lines = support::lines_of(process.stdout.take().unwrap());
        another_session(&monitor);
        let last = monitor.history().last().unwrap()["seq"].clone();
        let mut seen = String::new();
        eventually("it is told the newest event", || {
            lines.try_iter().for_each(|line| seen.push_str(&(line + "\n")));
            seen.contains(&format!("\"seq\":{last}")).then_some(())
        });
        assert!(!seen.contains("event: gap") && !seen.contains(SECRET), "{seen}");
        process.kill().unwrap();
        process.wait().unwrap();
    }
    eventually("no file tells of it while the monitor runs", || telling(&folder(&home, port)).is_empty().then_some(()));
    monitor.stop();
    assert_eq!(telling(&folder(&home, port)), [""; 0]);
    let monitor = home.monitor_on(port);
    assert!(!monitor.get("/api/v1/state").to_string().contains(SECRET));
    assert_eq!(monitor.history()[..left.len()], left);
}

#[test]
fn a_deletion_that_was_cut_short_by_kill_9_is_finished_by_the_next_start() {
    let home = Home::new();
    unencrypted(&home);
    let mut monitor = home.monitor();
    let port = monitor.port;
    another_session(&monitor);
    for patience in [2, 10, 25, 60] {
        a_secret_session(&monitor, 150);
        let left: Vec<Value> = monitor.history().into_iter().filter(|event| !is_secret(event)).collect();
        // Whoever asked hears nothing any more; the moment is what is tested, and there is nothing to wait for.
        let path = format!("/api/v1/sessions/s-{SECRET}");
        let asking = std::thread::spawn(move || support::try_request(port, "DELETE", &path, &[], ""));
        std::thread::sleep(Duration::from_millis(patience));
        monitor.kill();
        asking.join().unwrap();
        monitor = home.monitor_on(port);
        let is_listed = monitor.get("/api/v1/sessions").to_string().contains(SECRET);
        if is_listed {
            // It died before it had heard of it.
            assert_eq!(monitor.request("DELETE", &format!("/api/v1/sessions/s-{SECRET}"), &[], "").0, 200);
        }
        let started = Instant::now();
        while !telling(&folder(&home, port)).is_empty() {
            assert!(started.elapsed() < support::DEADLINE, "{patience}: {:?}", telling(&folder(&home, port)));
            std::thread::yield_now();
        }
        assert_eq!(monitor.history()[..left.len()], left, "{patience}");
    }
}

/// Forty thousand events of nobody's.
fn fill(monitor: &Monitor) {
    let lines: String = (0..5_000)
        .map(|number| format!("{}\n", json!({ "namespace": "/log", "event": "message", "data": { "message": format!("line {number} {}", "x".repeat(300)) } })))
        .collect();
    for _ in 0..8 {
        assert_eq!(monitor.post("/emit", &lines).0, 200);
    }
}

#[test]
fn events_go_on_coming_in_while_a_session_is_deleted() {
    let home = Home::new();
    let monitor = home.monitor();
    fill(&monitor);
    a_secret_session(&monitor, 20);
    let over = AtomicBool::new(false);
    let (slowest, told) = std::thread::scope(|scope| {
        let telling = scope.spawn(|| {
            let (mut slowest, mut told) = (Duration::ZERO, 0);
            while !over.load(Ordering::Relaxed) {
                let started = Instant::now();
                let event = json!({ "namespace": "/log", "event": "message", "data": { "message": format!("meanwhile {told}") } });
                assert_eq!(monitor.post("/emit", &event.to_string()).0, 200);
                slowest = slowest.max(started.elapsed());
                told += 1;
            }
            (slowest, told)
        });
        let (status, body) = monitor.request("DELETE", &format!("/api/v1/sessions/s-{SECRET}"), &[], "");
        assert!(status == 200 || status == 202, "{status} {body}");
        over.store(true, Ordering::Relaxed);
        telling.join().unwrap()
    });
    println!("{told} events came in meanwhile, the slowest within {slowest:?}");
    let meanwhile = |event: &Value| event["data"]["message"].as_str().is_some_and(|text| text.starts_with("meanwhile"));
    assert_eq!(monitor.history().iter().filter(|event| meanwhile(event)).count(), told);
    assert!(told > 5, "{told}");
    // Far above what it takes, for machines are shared; a file of this size takes longer to be written anew.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

#[test]
fn a_session_is_deleted_by_the_command_beside_the_monitor_and_without_it() {
    let home = Home::new();
    unencrypted(&home);
    let monitor = home.monitor();
    let port = monitor.port;
    let delete = |session: &str, more: &[&str]| {
        let port = port.to_string();
        let arguments = [&["store", "--port", &port, "delete", session], more].concat();
        let output = home.program(&arguments).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let session = format!("s-{SECRET}");
    a_secret_session(&monitor, 3);
    let (code, said) = delete(&session, &[]);
    assert!(
        code == Some(1) && said.contains("for ever? [y/N]") && said.contains("Reason: it was not agreed to"),
        "{said}"
    );
    let (code, said) = delete("nobody", &["--yes"]);
    assert!(code == Some(1) && said.contains("nothing is stored of a session \"nobody\""), "{said}");
    let (code, said) = delete(&session, &["--yes"]);
    assert!(code == Some(0) && said.contains("is deleted"), "{said}");
    eventually("nothing tells of it", || telling(&folder(&home, port)).is_empty().then_some(()));

    a_secret_session(&monitor, 3);
    another_session(&monitor);
    let left = monitor.history().into_iter().filter(|event| !is_secret(event)).collect::<Vec<_>>();
    monitor.stop();
    assert!(!telling(&folder(&home, port)).is_empty());
    let (code, said) = delete(&session, &["--yes"]);
    assert!(code == Some(0) && said.contains("is deleted"), "{said}");
    assert_eq!(telling(&folder(&home, port)), [""; 0]);
    let monitor = home.monitor_on(port);
    assert_eq!(monitor.history()[..left.len()], left);
    let sums = monitor.get("/api/v1/stats?group=session");
    assert!(sums["over_time"]["complete"] == true && !sums.to_string().contains(SECRET), "{sums}");
}

#[test]
fn a_session_of_a_named_monitor_is_deleted_and_pinned_there_and_not_where_the_default_port_is() {
    let home = Home::new();
    let usual = home.monitor();
    let named = Monitor::start(home.program(&[
        "monitor",
        "start",
        "--foreground",
        "--no-dashboard",
        "--port",
        "0",
        "--name",
        "other",
    ]));
    for monitor in [&usual, &named] {
        a_secret_session(monitor, 2);
    }
    let session = format!("s-{SECRET}");
    let run = |arguments: &[&str]| {
        let arguments = [&["store", "--name", "other"], arguments].concat();
        let mut command = home.program(&arguments);
        // What a command means that names nothing.
        command.env("CLAUDE_MPM_SOCKETIO_PORT", usual.port.to_string());
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let pinned = |monitor: &Monitor| monitor.get("/api/v1/sessions")["sessions"][0]["pinned"].clone();
    assert_eq!(run(&["pin", &session]).0, Some(0));
    assert_eq!((pinned(&usual), pinned(&named)), (Value::Null, json!(true)));
    let (code, said) = run(&["delete", &session, "--yes"]);
    assert!(code == Some(0) && said.contains("is deleted"), "{said}");
    assert!(usual.history().iter().any(is_secret));
    assert!(!named.history().iter().any(is_secret));
    // Somebody else holds the folder, and nobody answers for it: the other monitor is not asked instead.
    let instance = home.path().join(".claude-mpm/monitor/other/instance.json");
    std::fs::remove_file(instance).unwrap();
    let (code, said) = run(&["delete", &session, "--yes"]);
    assert!(code == Some(1) && said.contains("no monitor answers for it"), "{said}");
    assert!(usual.history().iter().any(is_secret));
}

#[test]
fn what_came_after_a_deletion_began_is_deleted_when_it_is_asked_for_again() {
    let home = Home::new();
    let monitor = home.monitor();
    fill(&monitor);
    a_secret_session(&monitor, 5);
    let path = format!("/api/v1/sessions/s-{SECRET}");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| monitor.request("DELETE", &path, &[], ""));
        eventually("it is gone from the list", || {
            (!monitor.get("/api/v1/sessions").to_string().contains(SECRET)).then_some(())
        });
        // The day is still being written anew.
        a_secret_session(&monitor, 5);
        let (status, body) = monitor.request("DELETE", &path, &[], "");
        assert_eq!(status, 200, "{body}");
        assert!(!monitor.history().iter().any(is_secret));
        let found = monitor.get(&format!("/api/v1/events?q={SECRET}"));
        assert_eq!(found["events"], json!([]), "{found}");
        assert_eq!(first.join().unwrap().0, 200);
    });
}
