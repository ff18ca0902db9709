//! Agents that are told something: interrupted, stopped, given a prompt, over every wire, by those who may.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::launch::{launched, watched};
use crate::support::{self, DEADLINE, Follower, Home, Monitor, eventually};
use crate::terminal::Terminal;

/// Says when it is interrupted, and goes on.
const PATIENT: &str = "trap 'echo interrupted' INT; echo ready; while :; do sleep 0.05; done";

/// A launcher; when the test fails before it has ended, it is asked to, and takes its agent with it.
struct Launcher(Child);

impl Drop for Launcher {
    fn drop(&mut self) {
        let until = Instant::now() + Duration::from_secs(2);
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Launcher {
    fn ended(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

/// An agent behind pipes, and what it prints.
fn agent(home: &Home, monitor: &Monitor, method: &str, script: &str) -> (Launcher, Receiver<String>) {
    let mut command = match method {
        // Where the tests run in the background of a shell, SIGINT is ignored; what takes our place inherits that, and a shell
        // cannot trap what it finds ignored.
        "exec" => launched(home, monitor, method, "env", &["--default-signal=INT", "sh", "-c", script]),
        _ => launched(home, monitor, method, "sh", &["-c", script]),
    };
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = support::lines_of(process.stdout.take().unwrap());
    assert_eq!(lines.recv_timeout(DEADLINE).unwrap(), "ready");
    (Launcher(process), lines)
}

/// The runs that a monitor lists, once it lists as many.
fn runs(monitor: &Monitor, count: usize) -> Vec<Value> {
    eventually("the runs are listed", || {
        let listed = monitor.get("/api/v1/runs")["runs"].as_array().unwrap().clone();
        (listed.len() == count).then_some(listed)
    })
}

fn told(monitor: &Monitor, asked: &Value) -> (u16, Value) {
    let (status, body) = monitor.post("/api/v1/commands", &asked.to_string());
    (status, serde_json::from_str(&body).unwrap())
}

/// Interrupts an agent until it says so: a shell that is just starting a command of its own may pass over a signal.
fn interrupted(lines: &Receiver<String>, mut interrupt: impl FnMut()) {
    eventually("it is interrupted", || {
        interrupt();
        lines.recv_timeout(Duration::from_secs(1)).ok().filter(|line| line == "interrupted")
    });
    // What was asked twice may be answered twice.
    while lines.recv_timeout(Duration::from_millis(200)).is_ok() {}
}

#[test]
fn an_agent_is_interrupted_and_stopped_over_http_the_raw_api_and_socketio() {
    let home = Home::new();
    let monitor = home.monitor();
    let (mut process, lines) = agent(&home, &monitor, "subprocess", PATIENT);
    let run = runs(&monitor, 1).remove(0);
    assert_eq!((&run["launch_method"], &run["commands"]), (&"headless".into(), &json!(["interrupt", "stop"])));
    assert_eq!(run["agent_command"], "sh");
    let (launch, session) = (run["launch_id"].clone(), run["session_id"].clone());
    eventually("its status is known", || (monitor.get("/health")["claude_status"] == "running").then_some(()));

    interrupted(&lines, || {
        let (status, answer) = told(&monitor, &json!({ "command": "interrupt", "session_id": session }));
        assert_eq!((status, &answer["status"], &answer["launch_id"]), (200, &"ok".into(), &launch), "{answer}");
    });

    if let Some(raw) = support::node("raw.mjs", &["--url", &format!("ws://127.0.0.1:{}", monitor.port)]) {
        let mut raw = Follower::start(raw);
        raw.wait("hello", |said| said["type"] == "hello");
        interrupted(&lines, || {
            raw.tell(&json!({ "command": "interrupt", "launch_id": launch, "port": monitor.port }));
            let is_answer = |said: &Value| said["type"] == "ack" && said["data"]["command"] == "interrupt";
            assert_eq!(raw.wait("acknowledged", is_answer)["data"]["session_id"], session);
        });
        // One that is meant for the monitor of another port does nothing here.
        raw.tell(&json!({ "command": "stop", "launch_id": launch, "websocket_port": monitor.port - 1 }));
        let refused = raw.wait("refused", |said| said["type"] == "error");
        assert!(refused["data"]["message"].as_str().unwrap().contains("connect to port"), "{refused}");
    }
    if let Some(client) = support::node("follow.mjs", &["--url", &monitor.url(""), "--namespaces", "/claude"]) {
        let mut client = Follower::start(client);
        client.event("/claude", "connect");
        client.tell(
            &json!({ "namespace": "/claude", "event": "prompt", "data": { "launch_id": launch, "text": "Go on" } }),
        );
        let refused = client.wait("refused", |said| said["ack"] == true);
        assert!(refused["data"]["message"].as_str().unwrap().contains("no terminal of ours"), "{refused}");
        client.tell(&json!({ "namespace": "/claude", "event": "stop", "data": { "launch_id": launch } }));
        client.wait("acknowledged", |said| said["ack"] == true && said["data"]["command"] == "stop");
        let status = client.wait("its end", |said| said["data"]["status"] == "error");
        assert_eq!(status["data"]["pid"], Value::Null);
        let event = client.event("/claude", "command");
        assert_eq!((&event["data"]["launch_id"], &event["data"]["session_id"]), (&launch, &session));
    } else {
        assert_eq!(told(&monitor, &json!({ "command": "stop", "launch_id": launch })).0, 200);
    }
    assert_eq!(process.ended(), Some(128 + 15));
    runs(&monitor, 0);
    let commanded = monitor.get("/api/v1/events?q=kind:agent.commanded");
    assert!(commanded["events"].as_array().unwrap().iter().all(|event| event["launch_id"] == launch), "{commanded}");
    let (status, answer) = told(&monitor, &json!({ "command": "stop", "session_id": session }));
    assert_eq!((status, &answer["error"]["code"]), (404, &"no_such_run".into()), "{answer}");
}

#[test]
fn who_ignores_being_asked_is_stopped_by_force() {
    let home = Home::new();
    let monitor = home.monitor();
    let script = "trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done";
    let (mut process, lines) = agent(&home, &monitor, "subprocess", script);
    let run = runs(&monitor, 1).remove(0)["launch_id"].as_str().unwrap().to_owned();
    let port = monitor.port.to_string();
    let stopped = home.program(&["runs", "stop", &run[..6], "--port", &port]).output().unwrap();
    assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    assert_eq!(lines.recv_timeout(DEADLINE).unwrap(), "no");
    let stopped = home.program(&["runs", "stop", &run, "--force"]).output().unwrap();
    assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    assert_eq!(process.ended(), Some(128 + 9));
    let stopped = home.program(&["runs", "stop", &run]).output().unwrap();
    assert_eq!(stopped.status.code(), Some(3), "{}", String::from_utf8_lossy(&stopped.stderr));
}

#[test]
fn a_run_in_place_of_its_launcher_is_told_by_the_monitor_itself() {
    let home = Home::new();
    let monitor = home.monitor();
    let (mut process, lines) = agent(&home, &monitor, "exec", PATIENT);
    let events = monitor.history_when(|events| events.iter().any(|event| event["data"]["status"] == "running"));
    let launch = events.iter().find_map(|event| event["launch_id"].as_str()).unwrap().to_owned();
    interrupted(&lines, || {
        let (status, answer) = told(&monitor, &json!({ "command": "interrupt", "launch_id": launch }));
        assert_eq!(status, 200, "{answer}");
    });
    assert_eq!(told(&monitor, &json!({ "command": "stop", "launch_id": launch })).0, 200);
    assert_eq!(process.ended(), None, "a signal ended it");
    let (status, answer) = told(&monitor, &json!({ "command": "stop", "launch_id": launch }));
    assert_eq!((status, &answer["error"]["code"]), (404, &"no_such_run".into()), "{answer}");
}

#[test]
fn a_prompt_is_typed_only_where_the_person_at_the_terminal_allows_it() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port.to_string();
    for allowed in [false, true] {
        let mut arguments = vec!["run", "--port", &port, "--launch-method", "subprocess"];
        arguments.extend(allowed.then_some("--allow-input"));
        arguments.extend(["--agent-command", "bash", "--", "--norc", "-i"]);
        let mut terminal = Terminal::open(&home.program(&arguments), 30, 100);
        terminal.press("PS1='rea''dy> '\r");
        terminal.shows("ready> ");
        let run = runs(&monitor, 1).remove(0)["launch_id"].as_str().unwrap().to_owned();
        // What would end a paste or move a cursor is taken out.
        let prompted = home.program(&["runs", "prompt", &run, "echo to''ld\u{1b}[201~\u{7}"]).output().unwrap();
        let said = String::from_utf8_lossy(&prompted.stderr).into_owned();
        if allowed {
            assert!(prompted.status.success(), "{said}");
            terminal.shows("told[201~");
            terminal.press("echo be''gun; sleep 60; echo not seen\r");
            terminal.shows("begun");
            // A shell that has not yet put the command in front takes the key for itself, and goes on.
            eventually("the prompt is back", || {
                let (status, answer) = told(&monitor, &json!({ "command": "interrupt", "launch_id": run }));
                assert_eq!(status, 200, "{answer}");
                terminal.has("ready> ", Duration::from_secs(1)).then_some(())
            });
        } else {
            assert_eq!(prompted.status.code(), Some(1));
            assert!(
                said.contains("Reason: this run takes no input from elsewhere; start it with --allow-input"),
                "{said}"
            );
        }
        assert_eq!(told(&monitor, &json!({ "command": "stop", "launch_id": run, "force": true })).0, 200);
        assert_eq!(terminal.exit_code(), 128 + 9);
        runs(&monitor, 0);
    }
}

#[test]
fn a_monitor_that_was_killed_knows_the_run_again_when_it_is_back() {
    let home = Home::new();
    let monitor = home.monitor();
    let (mut process, lines) = agent(&home, &monitor, "subprocess", PATIENT);
    let run = runs(&monitor, 1).remove(0);
    let port = monitor.port;
    monitor.kill();
    let monitor = home.monitor_on(port);
    assert_eq!(runs(&monitor, 1).remove(0)["launch_id"], run["launch_id"]);
    interrupted(&lines, || {
        let (status, answer) = told(&monitor, &json!({ "command": "interrupt", "session_id": run["session_id"] }));
        assert_eq!(status, 200, "{answer}");
    });
    // Its launcher goes without a word.
    process.0.kill().unwrap();
    runs(&monitor, 0);
    let (_, answer) = told(&monitor, &json!({ "command": "stop", "launch_id": run["launch_id"], "force": true }));
    assert_eq!(answer["status"], "ok", "what it ran is still there, and is found: {answer}");
}

#[test]
fn who_may_only_read_tells_nothing() {
    let home = Home::new();
    let mut command = home.program(&["monitor", "start", "--foreground", "--no-dashboard", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "s3cret");
    let monitor = Monitor::start(command);
    let asked = json!({ "command": "stop", "launch_id": "x" }).to_string();
    assert_eq!(monitor.request("POST", "/api/v1/commands", &[], &asked).0, 401);
    let (status, body) = monitor.request("POST", "/api/v1/commands", &[("authorization", "Bearer s3cret")], &asked);
    assert_eq!(status, 404, "{body}");
    if let Some(client) = support::node(
        "follow.mjs",
        &["--url", &monitor.url(""), "--namespaces", "/claude", "--auth", r#"{"token":"s3cret"}"#],
    ) {
        let mut client = Follower::start(client);
        client.event("/claude", "connect");
        client.tell(&json!({ "namespace": "/claude", "event": "stop", "data": { "launch_id": "x" } }));
        let answer = client.wait("answered", |said| said["ack"] == true);
        assert!(answer["data"]["message"].as_str().unwrap().contains("nothing runs any more as x"), "{answer}");
    }

    // A page of this machine may read without a token; it may not act.
    let other = Home::new();
    let monitor = other.monitor();
    let origin = [("origin", "http://localhost:3000")];
    assert_eq!(monitor.request("GET", "/api/v1/runs", &origin, "").0, 200);
    let (status, body) = monitor.request("POST", "/api/v1/commands", &origin, &asked);
    assert_eq!(status, 403, "{body}");
    for (asked, reason) in [
        (json!({ "command": "dance", "launch_id": "x" }), "none of interrupt, stop and prompt"),
        (json!({ "command": "stop" }), "say which agent"),
        (json!({ "command": "prompt", "launch_id": "x" }), "a prompt needs"),
        (json!({ "command": "stop", "launch_id": "x", "port": 1 }), "connect to port 1"),
        (json!([1]), "\"command\" is missing"),
    ] {
        let (status, answer) = told(&monitor, &asked);
        assert!((400..500).contains(&status), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(reason), "{answer}");
    }
}

#[test]
fn two_runs_on_two_ports_are_told_apart_by_whoever_follows_both() {
    let home = Home::new();
    let (first, second) = (home.monitor(), Home::new());
    let monitors = [first, second.monitor()];
    let homes = [&home, &second];
    let mut agents = Vec::new();
    for (monitor, home) in monitors.iter().zip(homes) {
        agents.push(agent(home, monitor, "subprocess", PATIENT));
        let events = monitor.history_when(|events| {
            events.iter().any(|event| event["data"]["status"] == "running" && event["launch_id"].is_string())
        });
        let sessions: Vec<&Value> = events.iter().filter(|event| event["namespace"] == "/session").collect();
        assert_eq!(sessions.len(), 1);
    }
    let clients: Vec<Option<Command>> = monitors
        .iter()
        .map(|monitor| support::node("raw.mjs", &["--url", &format!("ws://127.0.0.1:{}", monitor.port)]))
        .collect();
    for ((monitor, client), (process, lines)) in monitors.iter().zip(clients).zip(&mut agents) {
        let run = runs(monitor, 1).remove(0);
        if let Some(client) = client {
            let mut client = Follower::start(client);
            client.wait("hello", |said| said["type"] == "hello");
            client.tell(&json!({ "command": "subscribe", "channels": ["claude.*"], "since": 0 }));
            let running = client.wait("running", |said| said["data"]["pid"].is_u64());
            assert_eq!(running["data"]["websocket_port"], monitor.port);
            assert_eq!(running["data"]["launch_id"], run["launch_id"]);
            assert_eq!(running["data"]["instance_info"]["port"], monitor.port);
        }
        assert_eq!(told(monitor, &json!({ "command": "stop", "launch_id": run["launch_id"] })).0, 200);
        assert_eq!(process.ended(), Some(128 + 15));
        assert!(lines.recv_timeout(DEADLINE).is_err(), "it was not told anything else");
    }
}

#[test]
fn the_real_client_takes_a_prompt_an_interrupt_and_its_end_from_the_monitor() {
    let Some(client) = support::tool("CLAUDE_MPM_TEST_CLAUDE") else { return };
    if support::program_on_path("tmux").is_none() {
        return;
    }
    let home = Home::new();
    let monitor = home.monitor();
    let wrapper = watched(&home, &monitor, &client, &["--launch-method", "subprocess", "--allow-input"]);
    let out = home.path().join("out");
    let ran = Command::new(support::repository().join("tests/claude/run.sh"))
        .args(["told".as_ref(), out.as_os_str()])
        .args(["--permission-mode", "bypassPermissions"])
        .envs([
            ("CLAUDE_BIN", wrapper.as_os_str()),
            ("CLIENT_HOME", home.path().as_os_str()),
            ("MONITOR", env!("CARGO_BIN_EXE_claude-mpm").as_ref()),
            ("MODE", "tui".as_ref()),
            ("ISOLATED", "0".as_ref()),
        ])
        .output()
        .unwrap();
    let said = || {
        let of = |name: &str| std::fs::read_to_string(out.join(name)).unwrap_or_default();
        let screens = std::fs::read_dir(out.join("screens")).into_iter().flatten().flatten();
        let screens: String = screens.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
        format!("{}{}{}{screens}", String::from_utf8_lossy(&ran.stderr), of("stderr"), of("told"))
    };
    assert_eq!(std::fs::read_to_string(out.join("rc")).unwrap_or_default().trim(), "143", "{}", said());
    let events = monitor.history_when(|events| {
        events.iter().any(|event| event["data"]["exit_code"] == 143 || event["data"]["signal"] == 15)
    });
    let prompts: Vec<&str> = events
        .iter()
        .filter(|event| event["kind"] == "prompt.submitted")
        .filter_map(|event| event["data"]["prompt"].as_str())
        .collect();
    assert_eq!(prompts, ["Do the\nscripted steps", "And now?"]);
    let launch = events.iter().find_map(|event| event["launch_id"].as_str()).unwrap();
    let hooks = events.iter().filter(|event| event["sources"][0] == "hook");
    assert!(hooks.clone().count() > 0 && hooks.clone().all(|event| event["launch_id"] == launch), "{events:#?}");
}
