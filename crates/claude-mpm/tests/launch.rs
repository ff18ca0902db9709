//! An agent under the monitor: its terminal, its output, its exit are as without it, and all of it is seen.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::support::{self, Home, Monitor, eventually};

/// `claude-mpm run` on the monitor's port.
pub(crate) fn launched(home: &Home, monitor: &Monitor, method: &str, agent: &str, arguments: &[&str]) -> Command {
    let port = monitor.port.to_string();
    let mut command =
        home.program(&["run", "--port", &port, "--launch-method", method, "--agent-command", agent, "--"]);
    command.args(arguments);
    command
}

pub(crate) fn of<'a>(events: &'a [Value], namespace: &str, event: &str) -> Vec<&'a Value> {
    events.iter().filter(|said| said["namespace"] == namespace && said["event"] == event).collect()
}

pub(crate) fn is_over(events: &[Value]) -> bool {
    of(events, "/claude", "status_changed").iter().any(|event| event["data"].get("exit_code").is_some())
}

#[test]
fn output_passes_through_byte_for_byte_and_is_told_with_the_exit() {
    let home = Home::new();
    let monitor = home.monitor();
    let bytes = "a\u{1b}[31mred\u{1b}[0m\r\n\u{0}\u{7f}é\n".as_bytes();
    std::fs::write(home.path().join("said"), bytes).unwrap();
    let script = format!("cat {}/said; echo wrong >&2; exit 7", home.path().display());
    let ran = launched(&home, &monitor, "subprocess", "sh", &["-c", &script]).stdin(Stdio::null()).output().unwrap();
    assert_eq!((ran.status.code(), ran.stdout.as_slice(), ran.stderr.as_slice()), (Some(7), bytes, &b"wrong\n"[..]));

    let events = monitor.history_when(is_over);
    let start = of(&events, "/session", "start")[0];
    let session = start["session_id"].as_str().unwrap();
    assert_eq!((&start["data"]["launch_method"], &start["data"]["agent_command"]), (&"headless".into(), &"sh".into()));
    let told: String =
        of(&events, "/claude", "output").iter().filter_map(|event| event["data"]["content"].as_str()).collect();
    assert!(told.contains("ared\né\n") && told.contains("wrong\n"), "{told:?}");
    let ends: Vec<&Value> = of(&events, "/claude", "status_changed");
    let end = ends.iter().find(|event| event["data"]["exit_code"] == 7).unwrap();
    assert_eq!((&end["data"]["status"], end["session_id"].as_str()), (&"error".into(), Some(session)));
    let states: Vec<&str> = ends
        .iter()
        .filter(|event| event["data"]["launch_id"].is_string())
        .filter_map(|event| event["data"]["status"].as_str())
        .collect();
    assert_eq!(states, ["starting", "running", "error"]);
    assert_eq!(monitor.get("/api/v1/sessions")["sessions"][0]["launch_method"], "headless");
}

#[test]
fn a_flood_is_whole_and_the_monitor_is_spared() {
    let home = Home::new();
    let monitor = home.monitor();
    let script = "yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 200000000";
    let mut process = launched(&home, &monitor, "subprocess", "sh", &["-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut count, mut piece) = (0_usize, vec![0; 1 << 16]);
    let mut stdout = process.stdout.take().unwrap();
    loop {
        let length = stdout.read(&mut piece).unwrap();
        if length == 0 {
            break;
        }
        let line = b"0123456789abcdefghijklmnopqrstuvwxyz\n";
        assert!(piece[..length].iter().zip(line.iter().cycle().skip(count % line.len())).all(|(is, was)| is == was));
        count += length;
    }
    assert_eq!(count, 200_000_000);
    assert!(process.wait().unwrap().success());
    let events = monitor.history_when(is_over);
    let told: usize = of(&events, "/claude", "output")
        .iter()
        .filter_map(|event| Some(event["data"]["content"].as_str()?.len()))
        .sum();
    assert!(told < 20_000_000, "{told} bytes told");
}

#[test]
fn what_an_agent_leaves_running_keeps_nobody_waiting_and_no_byte_from_before_its_end_is_lost() {
    let home = Home::new();
    let monitor = home.monitor();
    // It keeps both streams open for longer than this test may take, and one of it goes on writing.
    let script = "sleep 600 & echo $! > \"$HOME/left\"; (while :; do echo late; done) & echo $! >> \"$HOME/left\"; \
                  echo said >&2; head -c 60000 /dev/zero; exit 3";
    let began = std::time::Instant::now();
    let ran = launched(&home, &monitor, "subprocess", "bash", &["-c", script]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(ran.status.code(), Some(3));
    assert!(began.elapsed() < support::DEADLINE, "{:?}", began.elapsed());
    assert_eq!(ran.stdout.iter().filter(|byte| **byte == 0).count(), 60_000);
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "said\n");
    monitor.history_when(is_over);
    for pid in std::fs::read_to_string(home.path().join("left")).unwrap().lines() {
        // The writer has ended by itself: nobody reads any more.
        let _ = rustix::process::kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL);
    }
}

#[test]
fn signals_pass_through_and_their_exits_come_back() {
    let home = Home::new();
    let monitor = home.monitor();
    let dies = launched(&home, &monitor, "subprocess", "sh", &["-c", "kill -KILL $$"]).status().unwrap();
    assert_eq!(dies.code(), Some(128 + 9));

    let script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut process =
        launched(&home, &monitor, "subprocess", "sh", &["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = support::lines_of(process.stdout.take().unwrap());
    assert_eq!(lines.recv_timeout(support::DEADLINE).unwrap(), "ready");
    let pid = Pid::from_child(&process);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(lines.recv_timeout(support::DEADLINE).unwrap(), "caught");
    assert_eq!(process.wait().unwrap().code(), Some(5));

    let stubborn = "trap '' TERM; echo ready; sleep 0.5; echo still here";
    let mut process =
        launched(&home, &monitor, "subprocess", "sh", &["-c", stubborn]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = support::lines_of(process.stdout.take().unwrap());
    assert_eq!(lines.recv_timeout(support::DEADLINE).unwrap(), "ready");
    rustix::process::kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
    assert_eq!(lines.recv_timeout(support::DEADLINE).unwrap(), "still here");
    assert!(process.wait().unwrap().success());
}

#[test]
fn claude_is_given_hooks_telemetry_and_todo_tools_for_this_run_and_what_the_user_set_stays() {
    let home = Home::new();
    let monitor = home.monitor();
    let claude = home.path().join("claude");
    std::fs::write(&claude, "#!/bin/sh\nprintf '%s\\n' \"$@\"; env\n").unwrap();
    std::fs::set_permissions(&claude, std::fs::Permissions::from_mode(0o755)).unwrap();
    let given = |more: &[(&str, &str)], arguments: &[&str]| -> Vec<String> {
        let mut command = launched(&home, &monitor, "subprocess", claude.to_str().unwrap(), arguments);
        let ran = command.envs(more.iter().copied()).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&ran.stdout).lines().map(str::to_owned).collect()
    };
    let said = given(&[], &["-p", "hello"]);
    assert_eq!((said[0].as_str(), said[2].as_str()), ("--settings", "--session-id"));
    let settings: Value = serde_json::from_str(&said[1]).unwrap();
    let handler = &settings["hooks"]["PreToolUse"][0]["hooks"][0];
    assert_eq!(handler["args"], serde_json::json!(["--port", monitor.port.to_string()]));
    assert_eq!(said[4..6], ["-p", "hello"]);
    let endpoint = format!("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{}", monitor.port);
    for variable in ["CLAUDE_CODE_ENABLE_TODO_TOOLS=1", "CLAUDE_CODE_ENABLE_TELEMETRY=1", &endpoint] {
        assert!(said.iter().any(|line| line == variable), "{variable} is not in {said:#?}");
    }

    let theirs = [("CLAUDE_CODE_ENABLE_TODO_TOOLS", "0"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://elsewhere:4318")];
    let said = given(&theirs, &["--resume", "x", "--settings", "{}"]);
    assert_eq!(said[..4], ["--resume", "x", "--settings", "{}"]);
    for (name, value) in theirs {
        assert!(said.contains(&format!("{name}={value}")), "{name}");
    }
    assert!(!said.iter().any(|line| line.starts_with("CLAUDE_CODE_ENABLE_TELEMETRY")));
}

#[test]
fn without_a_monitor_the_agent_just_runs_and_without_an_agent_it_says_so() {
    let home = Home::new();
    let ran = home
        .program(&["run", "--port", "1", "--launch-method", "subprocess", "--agent-command", "echo", "--", "hello"])
        .output()
        .unwrap();
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(0), &b"hello\n"[..]));
    let missing = home.program(&["run", "--port", "1", "--agent-command", "no-such-agent"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    let error = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(error.starts_with("Error: There is no agent to run: no-such-agent is not found\nReason: "), "{error}");
}

#[test]
fn run_monitor_starts_one_that_outlives_the_agent() {
    let home = Home::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = free.to_string();
    let run = ["run", "--monitor", "--port", &port, "--no-browser", "--agent-command", "echo", "--", "hello"];
    let ran = home.program(&run).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(0), &b"hello\n"[..]), "{said}");
    assert!(said.contains(&format!("Monitor: http://localhost:{port}")), "{said}");
    let events = || support::try_request(free, "GET", "/api/v1/events?q=hello", &[], "");
    eventually("what it printed is in the history", || {
        events().filter(|(status, body)| *status == 200 && body.contains("\"content\":\"hello"))
    });
    let stopped = home.program(&["monitor", "stop", "--port", &port]).output().unwrap();
    assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
}

/// An agent that has said that it is ready, and what it prints.
fn ready(home: &Home, monitor: &Monitor, script: &str) -> (Child, Receiver<String>) {
    let mut process = launched(home, monitor, "subprocess", "sh", &["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = support::lines_of(process.stdout.take().unwrap());
    assert_eq!(lines.recv_timeout(support::DEADLINE).unwrap(), "ready");
    (process, lines)
}

#[test]
fn an_agent_does_not_notice_that_its_monitor_dies() {
    let home = Home::new();
    let monitor = home.monitor();
    let script = "echo ready; read line; echo \"$line\"";
    let (mut process, lines) = ready(&home, &monitor, script);
    monitor.kill();
    process.stdin.take().unwrap().write_all(b"and on\n").unwrap();
    assert_eq!(lines.recv_timeout(support::DEADLINE).unwrap(), "and on");
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_monitor_that_hangs_does_not_hold_the_end_of_an_agent() {
    let home = Home::new();
    let monitor = home.monitor();
    let (mut process, _lines) = ready(&home, &monitor, "echo ready; read line; exit 3");
    eventually("it is listed", || monitor.get("/api/v1/runs")["runs"][0].is_object().then_some(()));
    let signal = |signal| rustix::process::kill_process(Pid::from_raw(monitor.pid() as i32).unwrap(), signal).unwrap();
    signal(Signal::STOP);
    process.stdin.take().unwrap().write_all(b"\n").unwrap();
    let ended = eventually("it ends", || process.try_wait().unwrap());
    assert_eq!(ended.code(), Some(3));
    signal(Signal::CONT);
    eventually("it is no longer listed", || {
        (monitor.get("/api/v1/runs")["runs"] == serde_json::json!([])).then_some(())
    });
}

/// A program that runs the client under the monitor: what the scripts of `tests/claude` take for the client.
pub(crate) fn watched(home: &Home, monitor: &Monitor, client: &Path, how: &[&str]) -> PathBuf {
    let wrapper = home.path().join("watched-claude");
    let text = format!(
        "#!/bin/sh\nexec '{}' run --port {} {} --agent-command '{}' -- \"$@\"\n",
        env!("CARGO_BIN_EXE_claude-mpm"),
        monitor.port,
        how.join(" "),
        client.display()
    );
    std::fs::write(&wrapper, text).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    wrapper
}

/// Runs a scenario of the real client through the launcher, with no hook installed.
fn real(home: &Home, monitor: &Monitor, method: &str, more: &[&str]) -> Option<Vec<Value>> {
    let client = support::tool("CLAUDE_MPM_TEST_CLAUDE")?;
    let wrapper = watched(home, monitor, &client, &["--launch-method", method]);
    let out = home.path().join("out");
    let ran = Command::new(support::repository().join("tests/claude/run.sh"))
        .args(["basic".as_ref(), out.as_os_str()])
        .args(more)
        .envs([
            ("CLAUDE_BIN", wrapper.as_os_str()),
            ("CLIENT_HOME", home.path().as_os_str()),
            ("ISOLATED", "0".as_ref()),
        ])
        .output()
        .unwrap();
    let code = std::fs::read_to_string(out.join("rc")).unwrap_or_default();
    assert_eq!(
        code.trim(),
        "0",
        "{}{}",
        String::from_utf8_lossy(&ran.stderr),
        std::fs::read_to_string(out.join("stderr")).unwrap_or_default()
    );
    let stream = std::fs::read_to_string(out.join("stream.jsonl")).unwrap();
    let said: Vec<Value> = stream.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.last().unwrap()["type"], "result");
    Some(said)
}

#[test]
fn the_real_client_is_watched_without_an_installed_hook_however_it_is_launched() {
    for (method, called) in [("subprocess", "headless"), ("exec", "exec")] {
        let home = Home::new();
        let monitor = home.monitor();
        let Some(said) = real(&home, &monitor, method, &[]) else { return };
        let session = said[0]["session_id"].as_str().unwrap().to_owned();
        let events = monitor.history_when(|events| events.iter().any(|event| event["kind"] == "session.ended"));
        let start = of(&events, "/session", "start")[0];
        assert_eq!(
            (start["session_id"].as_str(), &start["data"]["launch_method"]),
            (Some(session.as_str()), &called.into())
        );
        assert!(events.iter().any(|event| event["kind"] == "tool_call.finished" && event["sources"][0] == "hook"));
        let running = of(&events, "/claude", "status_changed");
        let running =
            running.iter().find(|event| event["data"]["launch_id"].is_string() && event["data"]["status"] == "running");
        assert!(running.unwrap()["data"]["pid"].is_u64());
        // Nothing was installed for it.
        let settings = std::fs::read_to_string(home.path().join(".claude/settings.json")).unwrap_or_default();
        assert!(!settings.contains("claude-mpm"), "{settings}");
        let of_telemetry = |events: &[Value]| {
            events.iter().any(|event| event["sources"].as_array().is_some_and(|doors| doors.contains(&"otlp".into())))
        };
        monitor.history_when(of_telemetry);
    }
}

#[test]
fn what_a_real_client_prints_as_json_is_understood_with_hooks_and_without() {
    for hooked in [true, false] {
        let home = Home::new();
        let monitor = home.monitor();
        // Settings of the user's own leave no room for the hooks of this run.
        let more: &[&str] = if hooked { &[] } else { &["--settings", "{}"] };
        let arguments = [&["--permission-mode", "bypassPermissions"], more].concat();
        let Some(said) = real(&home, &monitor, "subprocess", &arguments) else { return };
        let events = monitor
            .history_when(|events| is_over(events) && events.iter().any(|event| event["data"]["by"] == "stream-json"));
        let launch = events.iter().find_map(|event| event["launch_id"].as_str()).unwrap();
        let ofs: Vec<&Value> =
            events.iter().filter(|event| event["session_id"].is_string() && event["launch_id"] != launch).collect();
        assert!(ofs.is_empty(), "events of the session that do not name the run: {ofs:#?}");
        let result = events.iter().find(|event| event["data"]["by"] == "stream-json").unwrap();
        let printed = said.last().unwrap();
        assert_eq!((&result["kind"], &result["sources"][0]), (&"metrics.reported".into(), &"launcher".into()));
        assert_eq!(result["data"]["total_cost_usd"], printed["total_cost_usd"]);
        let text: Vec<&str> =
            of(&events, "/claude", "output").iter().filter_map(|event| event["data"]["content"].as_str()).collect();
        assert!(text.contains(&"All steps are done."), "{text:?}");
        let thinks = |event: &&Value| event["data"]["thinking"] == "I will go step by step.";
        assert!(of(&events, "/claude", "status_changed").iter().any(thinks));

        // Each call is told once, by whichever door.
        let blocks = said.iter().filter(|line| line["type"] == "assistant" && line["parent_tool_use_id"].is_null());
        let mut called: Vec<&str> = blocks
            .filter_map(|line| line["message"]["content"].as_array())
            .flatten()
            .filter(|block| block["type"] == "tool_use")
            .map(|block| block["id"].as_str().unwrap())
            .collect();
        let mut told: Vec<&str> = events
            .iter()
            .filter(|event| event["kind"] == "tool_call.started" && event["agent_id"].is_null())
            .map(|event| {
                assert_eq!(event["sources"][0], if hooked { "hook" } else { "launcher" });
                event["tool_use_id"].as_str().unwrap()
            })
            .collect();
        called.sort_unstable();
        told.sort_unstable();
        assert!(!called.is_empty());
        if hooked {
            // A tool that does not exist runs no hook before it.
            assert!(told.iter().all(|call| called.contains(call)), "{told:?} {called:?}");
        } else {
            assert_eq!(told, called);
        }
        let session = monitor.get("/api/v1/sessions")["sessions"][0].clone();
        assert_eq!((&session["state"], session["open_calls"].as_array().map(Vec::len)), (&"ended".into(), Some(0)));
        assert!(session["usage"]["cost_usd"].as_f64().unwrap() > 0.0, "{session}");
    }
}

#[test]
fn hooks_of_other_agents_are_printed_for_their_settings_and_tell_the_monitor_what_they_do() {
    let home = Home::new();
    let monitor = home.monitor();
    for (agent, event) in [("codex", "PreToolUse"), ("gemini", "BeforeTool"), ("cursor", "preToolUse")] {
        let printed = home.program(&["hooks", "print", agent, "--port", &monitor.port.to_string()]).output().unwrap();
        let hooks: Value = serde_json::from_slice(&printed.stdout).unwrap();
        let where_to = String::from_utf8_lossy(&printed.stderr).into_owned();
        assert!(where_to.contains(&format!("~/.{agent}/")), "{where_to}");
        let entry = &hooks["hooks"][event][0];
        let command = entry["command"].as_str().or(entry["hooks"][0]["command"].as_str()).unwrap();
        let recording = support::repository().join("fixtures/programs").join(agent).with_extension("jsonl");
        for line in std::fs::read_to_string(recording).unwrap().lines() {
            let mut hook = Command::new("sh");
            hook.args(["-c", command]).env_clear().env("HOME", home.path()).stdin(Stdio::piped());
            let mut hook = hook.stdout(Stdio::piped()).spawn().unwrap();
            hook.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
            let ended = hook.wait_with_output().unwrap();
            assert!(ended.status.success() && ended.stdout.is_empty());
        }
        let query = format!("/api/v1/events?q={}", if agent == "cursor" { "MCP" } else { "Bash" });
        let found = eventually("its calls are in the history", || {
            let found = monitor.get(&query)["events"].as_array().unwrap().clone();
            found.iter().any(|event| event["data"]["agent_program"] == agent).then_some(found)
        });
        assert!(found.iter().all(|event| event["sources"][0] != "http"));
        let sessions = monitor.get("/api/v1/sessions");
        let of_it = |session: &&Value| session["agent_program"] == agent;
        let session = sessions["sessions"].as_array().unwrap().iter().find(of_it).unwrap();
        assert_eq!((&session["project"], &session["last_prompt"]), (&"shop".into(), &"Make the tests pass".into()));
    }
}
