//! A restart keeps clients: no connection is refused, and who comes back has missed nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, eventually, try_request};

fn restart(home: &Home, arguments: &[&str]) -> Value {
    let output = home.program(&[&["monitor", "restart", "--json"], arguments].concat()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

struct Swept<'a>(&'a Home);

impl Drop for Swept<'_> {
    fn drop(&mut self) {
        let _ = self.0.program(&["monitor", "stop", "--force"]).output();
    }
}

fn start(home: &Home, arguments: &[&str], token: Option<&str>) -> u16 {
    let mut command =
        home.program(&[&["monitor", "start", "--port", "0", "--no-dashboard", "--json"], arguments].concat());
    if let Some(token) = token {
        command.env("CLAUDE_MPM_SOCKETIO_TOKEN", token);
    }
    let said: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    u16::try_from(said["port"].as_u64().unwrap()).unwrap()
}

/// Emits one event; its number once it is stored. A connection that was cut before an answer is tried again.
fn emit(port: u16, text: &str) -> Result<u64, ()> {
    let event = json!({ "namespace": "/log", "event": "message", "data": { "level": "INFO", "message": text } });
    // Nobody refuses: the socket is always somebody's.
    drop(std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection is never refused"));
    let (status, body) = try_request(port, "POST", "/emit", &[], &event.to_string()).ok_or(())?;
    if status != 200 {
        return Err(());
    }
    Ok(serde_json::from_str::<Value>(&body).unwrap()["seq"].as_u64().unwrap())
}

#[test]
fn javascript_clients_come_back_and_miss_nothing_at_500_events_a_second() {
    let home = Home::new();
    let _swept = Swept(&home);
    let port = start(&home, &[], None);
    let url = format!("http://127.0.0.1:{port}");
    let arguments = ["--url", &url, "--namespace", "/log", "--auth", r#"{"recovery":true}"#];
    let Some(client) = support::node("recover.mjs", &arguments) else { return };
    let (client, seen) = misses_nothing(&home, port, Follower::start(client));
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "in order, and each once");
    let mut connects = client.seen().iter().filter(|said| said["event"] == "connect");
    assert!(connects.by_ref().skip(1).all(|said| said["data"]["recovered"] == true));
}

#[test]
fn python_clients_come_back_and_miss_nothing_at_500_events_a_second() {
    let home = Home::new();
    let _swept = Swept(&home);
    let port = start(&home, &[], None);
    let url = format!("http://127.0.0.1:{port}");
    let Some(client) = support::python("follow.py", &["--url", &url, "--namespaces", "/log", "--resume"]) else {
        return;
    };
    misses_nothing(&home, port, Follower::start(client));
}

/// Restarts the monitor three times while 500 events a second are emitted, and looks that the client gets each of them.
/// Gives their numbers as they came. (python-socketio handles each in a thread of its own, so that its order means nothing.)
fn misses_nothing(home: &Home, port: u16, mut client: Follower) -> (Follower, Vec<u64>) {
    client.wait("connected", |said| said["event"] == "connect");
    let first = emit(port, "the first").unwrap();
    client.wait("the first", |said| said["data"]["seq"] == first);
    let done = AtomicBool::new(false);
    let numbers = std::thread::scope(|scope| {
        let emitting = scope.spawn(|| {
            let (began, mut numbers) = (Instant::now(), Vec::new());
            while !done.load(Ordering::Relaxed) {
                let due = began + Duration::from_millis(2) * u32::try_from(numbers.len()).unwrap();
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if let Ok(number) = emit(port, "one of many") {
                    numbers.push(number);
                }
            }
            numbers
        });
        for round in 1..=3 {
            let before = client.seen().len();
            restart(home, &[]);
            eventually("it is back, and hears more", || {
                client.poll();
                let connects = client.seen().iter().filter(|said| said["event"] == "connect").count();
                (connects > round && client.seen().len() > before + 200).then_some(())
            });
        }
        done.store(true, Ordering::Relaxed);
        emitting.join().unwrap()
    });

    let last = *numbers.last().unwrap();
    client.wait("the last", |said| said["data"]["seq"] == last);
    let seen: Vec<u64> = client
        .seen()
        .iter()
        .filter(|said| said["event"] == "message")
        .map(|said| said["data"]["seq"].as_u64().unwrap())
        .collect();
    let known: std::collections::HashSet<&u64> = seen.iter().collect();
    let missed: Vec<&u64> = numbers.iter().filter(|number| !known.contains(number)).collect();
    assert!(missed.is_empty(), "{missed:?} of {}", numbers.len());
    (client, seen)
}

#[test]
fn a_restart_keeps_ports_name_and_token_without_being_told_them() {
    let home = Home::new();
    let _swept = Swept(&home);
    let port = start(&home, &["--name", "kept"], Some("secret"));
    // The shell of the restart knows nothing of the token.
    let said = restart(&home, &[]);
    let restarted = &said["restarted"][0];
    assert_eq!((&restarted["port"], &restarted["name"]), (&port.into(), &"kept".into()));
    assert_ne!(restarted["pid"], restarted["pid_before"]);
    let refused = try_request(port, "GET", "/api/v1/sessions", &[], "").unwrap();
    assert_eq!(refused.0, 401);
    let granted = try_request(port, "GET", "/api/v1/sessions", &[("authorization", "Bearer secret")], "").unwrap();
    assert_eq!(granted.0, 200);
    for entry in std::fs::read_dir(home.path().join(".claude-mpm/monitor/kept")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap_or_default();
        assert!(!text.windows(6).any(|window| window == b"secret"), "{} holds the token", path.display());
    }
}

#[test]
fn a_restart_says_what_it_did_and_starts_one_where_none_runs() {
    let home = Home::new();
    let _swept = Swept(&home);
    let port = start(&home, &[], None);
    let before: Value = serde_json::from_str(&try_request(port, "GET", "/health", &[], "").unwrap().1).unwrap();
    let number = port.to_string();
    let output = home.program(&["monitor", "port", &number, "--no-dashboard"]).output().unwrap();
    let after: Value = serde_json::from_str(&try_request(port, "GET", "/health", &[], "").unwrap().1).unwrap();
    let url = format!("http://localhost:{port}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!(
            "Restarting monitoring server...\n\n✓ Server on port {port} restarted successfully\n  - Server URL: {url}\n  - Dashboard URL: {url}\n  - Process ID: {} (was {})\n  - Mode: background\n\nMonitoring server is ready for connections.\n",
            after["pid"], before["pid"]
        )
    );
    home.program(&["monitor", "stop"]).output().unwrap();
    let output = home.program(&["monitor", "restart", "--port", &number, "--no-dashboard"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.starts_with(&format!(
            "No monitoring server is running on port {port}; starting one.\nStarting Socket.IO monitoring server...\n"
        )),
        "{said}"
    );
}

#[test]
fn a_restart_may_change_the_host_and_the_dashboard_port() {
    let home = Home::new();
    let _swept = Swept(&home);
    let port = start(&home, &[], None);
    let number = port.to_string();
    let dashboard = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said = restart(&home, &["--port", &number, "--host", "127.0.0.1", "--dashboard-port", &dashboard.to_string()]);
    assert_eq!(said["restarted"][0]["dashboard"], format!("http://127.0.0.1:{dashboard}"));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(std::net::TcpStream::connect(("::1", port)).is_err(), "localhost was both, 127.0.0.1 is one");
    let kept = restart(&home, &[]);
    assert_eq!(kept["restarted"][0]["dashboard"], format!("http://127.0.0.1:{dashboard}"));
}

#[test]
fn one_in_a_terminal_hands_over_to_one_in_the_background() {
    let home = Home::new();
    let _swept = Swept(&home);
    let monitor = home.monitor();
    let said = restart(&home, &[]);
    assert_eq!(said["restarted"][0]["pid_before"], monitor.pid());
    assert_eq!(monitor.get("/health")["pid"], said["restarted"][0]["pid"]);
}

#[test]
fn a_token_that_cannot_be_handed_over_is_asked_for_and_not_forgotten() {
    let home = Home::new();
    let _swept = Swept(&home);
    let port = start(&home, &[], Some("secret"));
    std::fs::remove_file(home.path().join(format!(".claude-mpm/monitor/{port}/control.sock"))).unwrap();
    let refused = home.program(&["monitor", "restart"]).output().unwrap();
    assert_eq!(
        (refused.status.code(), String::from_utf8(refused.stderr).unwrap().lines().last().map(str::to_owned)),
        (
            Some(1),
            Some("Suggestion: Set CLAUDE_MPM_SOCKETIO_TOKEN, or stop it and start one without a token".to_owned())
        )
    );
    let health = try_request(port, "GET", "/api/v1/sessions", &[("authorization", "Bearer secret")], "");
    assert_eq!(health.unwrap().0, 200, "the one that runs goes on");
}

/// A process that stands in for a client, and the file in which it says what it runs. Its session asks for permission,
/// and the client says that it has been answered: once that is told, the client is known.
fn client(home: &Home, port: u16, session: &str) -> (Client, std::path::PathBuf) {
    let config = home.path().join(".claude");
    let process = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let client = Client(process);
    std::fs::create_dir_all(config.join("sessions")).unwrap();
    let file = config.join("sessions").join(format!("{}.json", client.0.id()));
    let later = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap() + Duration::from_secs(60);
    let says = json!({ "pid": client.0.id(), "sessionId": session, "status": "busy",
        "statusUpdatedAt": u64::try_from(later.as_millis()).unwrap() });
    std::fs::write(&file, says.to_string()).unwrap();
    let transcript = config.join("projects/-w-app").join(format!("{session}.jsonl"));
    let asked = json!({ "session_id": session, "hook_event_name": "PermissionRequest", "tool_name": "Write",
        "tool_use_id": session, "tool_input": { "file_path": "/w/app/a", "content": "" }, "cwd": "/w/app",
        "transcript_path": transcript });
    home.hook(port, asked.to_string().as_bytes());
    (client, file)
}

struct Client(std::process::Child);

impl Client {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_client_that_is_killed_has_ended_also_when_no_monitor_ran() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port;
    let (mut first, _) = client(&home, port, "s1");
    let (mut second, its_file) = client(&home, port, "s2");
    let ended = |monitor: &support::Monitor, session: &str| {
        eventually(&format!("{session} has ended"), || {
            let sessions = monitor.get("/api/v1/sessions");
            let mut of = sessions["sessions"].as_array().unwrap().iter().filter(|of| of["session_id"] == session);
            let found = of.next().cloned().filter(|session| session["state"] == "ended");
            found.map(|session| assert_eq!(session["reason"]["summary"], "client_gone", "{session:#}"))
        });
    };
    monitor.history_when(|events| events.iter().filter(|event| event["kind"] == "tool_call.decided").count() == 2);
    first.kill();
    ended(&monitor, "s1");

    monitor.kill();
    second.kill();
    // The next client tidies up after it.
    std::fs::remove_file(its_file).unwrap();
    let monitor = home.monitor_on(port);
    ended(&monitor, "s2");
    assert_eq!(monitor.history().iter().filter(|event| event["kind"] == "session.ended").count(), 2);
}
