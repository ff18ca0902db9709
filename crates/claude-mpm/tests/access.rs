//! Nobody gets in who should not: foreign names, foreign pages, missing tokens.

use crate::support::{Home, Monitor};

fn status(monitor: &Monitor, path: &str, headers: &[(&str, &str)]) -> u16 {
    monitor.request("GET", path, headers, "").0
}

#[test]
fn only_names_of_this_machine_are_answered() {
    let home = Home::new();
    let monitor = home.monitor();
    for host in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:1"] {
        assert_eq!(status(&monitor, "/health", &[("host", host)]), 200, "{host}");
    }
    for host in
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8765", "192.168.1.7", "[::1].evil.example"]
    {
        assert_eq!(status(&monitor, "/health", &[("host", host)]), 403, "{host}");
    }
}

#[test]
fn an_address_in_the_request_line_counts_as_much_as_the_host() {
    let home = Home::new();
    let monitor = home.monitor();
    assert_eq!(status(&monitor, &monitor.url("/api/v1/events"), &[]), 200);
    assert_eq!(status(&monitor, "http://evil.example/api/v1/events", &[]), 403);
}

#[test]
fn web_pages_of_other_sites_may_neither_read_nor_write() {
    let home = Home::new();
    let monitor = home.monitor();
    let own = format!("http://localhost:{}", monitor.port);
    for origin in [own.as_str(), "http://localhost:3000", "http://127.0.0.1:5173"] {
        assert_eq!(status(&monitor, "/api/v1/state", &[("origin", origin)]), 200, "{origin}");
    }
    for origin in ["https://evil.example", "http://127.0.0.2", "null", "http://localhost.evil.example", "file://"] {
        assert_eq!(status(&monitor, "/api/v1/state", &[("origin", origin)]), 403, "{origin}");
        let (status, _) = monitor.request("POST", "/emit", &[("origin", origin)], r#"{"event":"x"}"#);
        assert_eq!(status, 403, "{origin}");
        let upgrade = [
            ("origin", origin),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert_eq!(monitor.request("GET", "/ws", &upgrade, "").0, 403, "{origin}");
        assert_eq!(monitor.request("GET", "/socket.io/?EIO=4&transport=websocket", &upgrade, "").0, 403, "{origin}");
    }
    assert_eq!(
        status(&monitor, "/api/v1/events", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]),
        403
    );
    assert_eq!(status(&monitor, "/", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), 200);
}

#[test]
fn withheld_bodies_are_for_the_own_page_and_not_for_other_pages_of_this_machine() {
    let home = Home::new();
    let monitor = home.monitor();
    monitor.post("/emit", r#"{"event":"x","data":{}}"#);
    let own = format!("http://localhost:{}", monitor.port);
    assert_eq!(status(&monitor, "/api/v1/events/1/content", &[]), 200);
    assert_eq!(status(&monitor, "/api/v1/events/1/content", &[("origin", own.as_str())]), 200);
    assert_eq!(status(&monitor, "/api/v1/events/1/content", &[("origin", "http://localhost:3000")]), 403);
}

#[test]
fn with_a_token_everybody_has_to_bring_it() {
    let home = Home::new();
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "open-sesame");
    let monitor = Monitor::start(command);

    for path in ["/api/v1/state", "/api/v1/events", "/status", "/agents"] {
        let (status, body) = monitor.request("GET", path, &[], "");
        assert_eq!(status, 401, "{path}");
        assert!(body.contains("Invalid authentication token"), "{body}");
        assert_eq!(monitor.request("GET", path, &[("authorization", "Bearer wrong")], "").0, 401);
        assert_eq!(monitor.request("GET", path, &[("authorization", "Bearer open-sesame")], "").0, 200);
        assert_eq!(monitor.request("GET", &format!("{path}?token=open-sesame"), &[], "").0, 401, "never in a URL");
    }
    assert_eq!(monitor.post("/emit", r#"{"event":"x"}"#).0, 401);
    assert_eq!(monitor.request("GET", "/", &[], "").0, 200, "the page asks for the token itself");
    let health = monitor.get("/health");
    assert!(health.get("session_id").is_none() && health["status"] == "running");
}

#[test]
fn a_monitor_that_others_can_reach_needs_a_token() {
    let home = Home::new();
    let refused =
        home.program(&["monitor", "start", "--foreground", "--port", "0", "--host", "0.0.0.0"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        said.lines().map(|line| line.split(':').next().unwrap()).collect::<Vec<_>>(),
        ["Error", "Reason", "Suggestion"],
        "{said}"
    );
    assert!(said.contains("CLAUDE_MPM_SOCKETIO_TOKEN"), "{said}");
}

#[test]
fn who_comes_through_a_proxy_that_nobody_trusts_is_not_of_this_machine() {
    let home = Home::new();
    let monitor = home.monitor();
    for header in ["x-forwarded-for", "x-real-ip", "forwarded", "via"] {
        let (status, body) = monitor.request("GET", "/api/v1/events", &[(header, "203.0.113.9")], "");
        assert_eq!(status, 403, "{header}");
        assert!(body.contains("monitoring.trusted_proxies"), "{body}");
    }
}

#[test]
fn nobody_speaks_in_the_monitors_name() {
    let home = Home::new();
    let monitor = home.monitor();
    for (namespace, event) in [("/monitor", "hello"), ("/admin", "x"), ("/log", "gap"), ("system", "status")] {
        let (status, body) = monitor.post("/emit", &format!(r#"{{"namespace":"{namespace}","event":"{event}"}}"#));
        assert_eq!(status, 400, "{body}");
        assert!(body.contains("for the monitor alone to say"), "{body}");
    }
}
