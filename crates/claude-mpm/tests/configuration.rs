//! `configuration.yaml`: every key does what it says, and one that is wrong is named with its place.

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, Monitor, eventually};

fn write(home: &Home, text: &str) {
    let folder = home.path().join(".claude-mpm");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("configuration.yaml"), text).unwrap();
}

fn with(text: &str) -> (Home, Monitor) {
    let home = Home::new();
    write(&home, text);
    let monitor = home.monitor();
    (home, monitor)
}

fn upgrade(monitor: &Monitor, path: &str) -> (u16, String) {
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    monitor.request("GET", path, &headers, "")
}

#[test]
fn a_wrong_file_stops_the_start_and_says_where_it_is_wrong() {
    for (text, said) in [
        ("monitoring:\n  port: many\n", "line 2"),
        ("monitoring:\n  cors:\n    origins: [example.com]\n", "line 3"),
        ("monitoring:\n  logging:\n    level: LOUD\n", "line 3"),
        ("monitoring: {\n", "line"),
    ] {
        let home = Home::new();
        write(&home, text);
        let ended = home.program(&["monitor", "start", "--foreground", "--port", "0"]).output().unwrap();
        let error = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{error}");
        assert!(error.contains("configuration.yaml cannot be used") && error.contains(said), "{text}: {error}");
    }
}

#[test]
fn keys_that_mean_nothing_are_reported_and_the_monitor_starts() {
    let home = Home::new();
    write(&home, "monitoring:\n  prot: 1\nother:\n  anything: [1]\n");
    let log = home.path().join("stderr");
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.stderr(std::fs::File::create(&log).unwrap());
    let _monitor = Monitor::start(command);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("monitoring.prot is no key of the monitor"), "{log}");
}

#[test]
fn the_port_is_the_flags_then_the_environments_then_the_files() {
    let home = Home::new();
    // A port that is free now: the kernel gives one to somebody who lets it go.
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (in_file, in_environment) = (free(), free());
    write(&home, &format!("monitoring:\n  port: {in_file}\n"));
    let monitor = Monitor::start(home.program(&["monitor", "start", "--foreground", "--no-dashboard"]));
    assert_eq!(monitor.port, in_file);
    let mut command = home.program(&["monitor", "start", "--foreground", "--no-dashboard"]);
    command.env("CLAUDE_MPM_SOCKETIO_PORT", in_environment.to_string());
    assert_eq!(Monitor::start(command).port, in_environment);
}

#[test]
fn without_websocket_there_is_polling() {
    let (_home, monitor) = with("monitoring:\n  websocket:\n    enabled: false\n");
    let (status, body) = upgrade(&monitor, "/ws");
    assert_eq!(status, 404);
    assert!(body.contains("websocket_disabled") && body.contains("monitoring.websocket.enabled"), "{body}");
    assert_eq!(upgrade(&monitor, "/socket.io/?EIO=4&transport=websocket").0, 400);
    let url = format!("http://127.0.0.1:{}", monitor.port);
    let Some(client) = support::node("follow.mjs", &["--url", &url, "--namespaces", "/log"]) else { return };
    let mut client = Follower::start(client);
    client.event("/log", "connect");
    monitor.post("/emit", r#"{"namespace":"/log","event":"message","data":{"level":"INFO","message":"polled"}}"#);
    assert_eq!(client.event("/log", "message")["data"]["message"], "polled");
}

#[test]
fn one_client_too_many_is_told_so_and_the_others_stay() {
    let (_home, monitor) = with("monitoring:\n  websocket:\n    max_connections: 2\n");
    let url = format!("http://127.0.0.1:{}", monitor.port);
    let follow = || support::node("follow.mjs", &["--url", &url, "--namespaces", "/log", "--transport", "websocket"]);
    let Some(first) = follow() else { return };
    let (mut first, mut second) = (Follower::start(first), Follower::start(follow().unwrap()));
    first.event("/log", "connect");
    second.event("/log", "connect");
    let mut third = Follower::start(follow().unwrap());
    assert_eq!(third.event("/log", "connect_error")["data"]["message"], "too many connections");
    let (status, body) = upgrade(&monitor, "/ws");
    assert_eq!(status, 503, "{body}");
    monitor.post("/emit", r#"{"namespace":"/log","event":"message","data":{"level":"INFO","message":"still here"}}"#);
    assert_eq!(first.event("/log", "message")["data"]["message"], "still here");
    drop(second);
    drop(third);
    let mut fourth = eventually("a place is free again", || {
        let mut client = Follower::start(follow().unwrap());
        let said = client.wait("an answer", |said| matches!(said["event"].as_str(), Some("connect" | "connect_error")));
        (said["event"] == "connect").then_some(client)
    });
    monitor
        .post("/emit", r#"{"namespace":"/log","event":"message","data":{"level":"INFO","message":"for the fourth"}}"#);
    fourth.wait("its event", |said| said["data"]["message"] == "for the fourth");
}

#[test]
fn status_comes_at_the_interval_and_not_without_metrics() {
    let heartbeats = |text: &str| {
        let (home, monitor) = with(text);
        let url = format!("http://127.0.0.1:{}", monitor.port);
        let client = support::node("follow.mjs", &["--url", &url, "--namespaces", "/system"]).map(Follower::start);
        (home, monitor, client)
    };
    let (_home, _monitor, client) = heartbeats("monitoring:\n  metrics:\n    interval: 0.5\n");
    let Some(mut often) = client else { return };
    let (_quiet_home, quiet_monitor, quiet) = heartbeats("monitoring:\n  metrics:\n    enabled: false\n");
    let mut quiet = quiet.unwrap();
    quiet.event("/system", "connect");
    often.wait("a heartbeat", |said| said["event"] == "heartbeat");
    for _ in 0..3 {
        let seen = often.seen().iter().filter(|said| said["event"] == "heartbeat").count();
        eventually("another heartbeat", || {
            often.poll();
            (often.seen().iter().filter(|said| said["event"] == "heartbeat").count() > seen).then_some(())
        });
    }
    // What the quiet one gets is in order: a heartbeat would have come before this answer.
    quiet.tell(&json!({ "namespace": "/system", "event": "get_status" }));
    quiet.wait("an answer", |said| said["ack"] == true);
    assert!(quiet.seen().iter().all(|said| said["event"] != "heartbeat"), "{:#?}", quiet.seen());
    drop(quiet_monitor);
}

#[test]
fn pages_of_other_origins_are_allowed_by_name_and_those_of_this_machine_can_be_refused() {
    let (_home, monitor) = with(
        "monitoring:\n  cors:\n    localhost: false\n    origins: [\"https://team.example\"]\n  allowed_hosts: [monitor.example]\n",
    );
    let status = |headers: &[(&str, &str)]| monitor.request("GET", "/api/v1/state", headers, "").0;
    assert_eq!(status(&[("origin", "https://team.example")]), 200);
    assert_eq!(status(&[("origin", "https://other.example")]), 403);
    assert_eq!(status(&[("origin", "http://localhost:3000")]), 403);
    assert_eq!(status(&[("origin", &format!("http://localhost:{}", monitor.port))]), 200, "its own page");
    assert_eq!(status(&[("host", "monitor.example")]), 200);
    assert_eq!(status(&[("host", "other.example")]), 403);
}

#[test]
fn file_contents_are_kept_and_sent_as_asked() {
    let write = json!({ "session_id": "s1", "hook_event_name": "PreToolUse", "tool_name": "Write", "cwd": "/w", "tool_use_id": "t1",
        "tool_input": { "file_path": "/w/a.txt", "content": "the body of a file" } });
    for (wanted, on_wire, on_request) in [("never", false, false), ("on_request", false, true), ("always", true, true)]
    {
        let (_home, monitor) = with(&format!("monitoring:\n  privacy:\n    file_contents: {wanted}\n"));
        assert_eq!(monitor.post("/api/events", &write.to_string()).0, 204);
        let events = monitor.history();
        let event = events.iter().find(|event| event["kind"] == "tool_call.started").unwrap();
        assert_eq!(event.to_string().contains("the body of a file"), on_wire, "{wanted}: {event}");
        let content = monitor.get(&format!("/api/v1/events/{}/content", event["seq"]));
        assert_eq!(content.to_string().contains("the body of a file"), on_request, "{wanted}: {content}");
    }
}

#[test]
fn a_proxy_that_is_trusted_says_who_the_client_is_and_may_serve_it_below_a_path() {
    let home = Home::new();
    write(
        &home,
        "monitoring:\n  trusted_proxies: [127.0.0.1]\n  path_prefix: /monitor\n  allowed_hosts: [team.example]\n",
    );
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "open-sesame");
    let monitor = Monitor::start(command);
    let forwarded =
        [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-host", "team.example"), ("x-forwarded-proto", "https")];
    let ask = |path: &str, more: &[(&str, &str)]| monitor.request("GET", path, &[&forwarded[..], more].concat(), "");
    let token = [("authorization", "Bearer open-sesame")];
    assert_eq!(ask("/monitor/api/v1/state", &token).0, 200);
    assert_eq!(ask("/api/v1/state", &token).0, 200, "also where the proxy takes the prefix off");
    assert_eq!(ask("/monitor/", &[]).0, 200);
    assert_eq!(ask("/monitor", &[]).0, 308);
    assert_eq!(ask("/monitors", &token).0, 404);
    let other = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-host", "evil.example"), token[0]];
    assert_eq!(monitor.request("GET", "/api/v1/state", &other, "").0, 403);

    // Who guesses has to wait; others, and the same address with patience, do not.
    let wrong = [("authorization", "Bearer guess")];
    let refused =
        eventually("guessing is slowed down", || Some(ask("/api/v1/state", &wrong)).filter(|said| said.0 == 429));
    assert!(refused.1.contains("too_many_attempts"), "{}", refused.1);
    assert_eq!(ask("/api/v1/state", &token).0, 429, "even the right one, or a guesser would learn it");
    let neighbour = [("x-forwarded-for", "203.0.113.10"), ("x-forwarded-host", "team.example"), token[0]];
    assert_eq!(monitor.request("GET", "/api/v1/state", &neighbour, "").0, 200);
    assert_eq!(monitor.request("GET", "/api/v1/state", &token, "").0, 200, "a program of this user");
    eventually("patience is enough", || Some(ask("/api/v1/state", &token)).filter(|said| said.0 == 200));
}

#[test]
fn the_documents_section_starts_a_monitor() {
    let section = "monitoring:\n  enabled: true\n  port: 5000\n  host: \"localhost\"\n  websocket:\n    enabled: true\n    \
                   max_connections: 10\n  metrics:\n    enabled: true\n    interval: 5\n  logging:\n    level: INFO\n";
    let (_home, monitor) = with(section);
    let health: Value = monitor.get("/health");
    assert_eq!(health["status"], "running");
}

#[test]
fn debug_mode_logs_connections_and_emissions_with_their_times_and_no_payload() {
    let home = Home::new();
    let log = home.path().join("stderr");
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_HOOK_DEBUG", "true").stderr(std::fs::File::create(&log).unwrap());
    let monitor = Monitor::start(command);
    let url = format!("http://127.0.0.1:{}", monitor.port);
    let Some(client) = support::node("follow.mjs", &["--url", &url, "--namespaces", "/log"]) else { return };
    let mut client = Follower::start(client);
    client.event("/log", "connect");
    monitor
        .post("/emit", r#"{"namespace":"/log","event":"message","data":{"level":"INFO","message":"a private word"}}"#);
    client.event("/log", "message");
    drop(client);
    let said = eventually("all is logged", || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.contains("client disconnected after").then_some(log)
    });
    assert!(said.contains("a Socket.IO client connected") && said.contains("/log message #"), "{said}");
    assert!(said.contains("to 1 clients") && !said.contains("a private word"), "{said}");
}
