//! One monitor a port: the first run starts it, the second reuses it, a stranger on the port is named.

use std::net::TcpListener;

use crate::support::{Home, Monitor, eventually, lines_of, try_request};

#[test]
fn a_second_launch_reuses_the_running_monitor_and_says_so() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port.to_string();

    let second = home.launcher(&["--no-browser", "--port", &port]).output().unwrap();

    assert_eq!(second.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(second.stdout).unwrap(),
        format!("Monitor already running at http://localhost:{port}\n")
    );
}

#[test]
fn the_launcher_says_what_document_3_prints_and_ends_gracefully() {
    let home = Home::new();
    let port = free_port();
    let mut launched = home
        .launcher(&["--no-browser", "--port", &port.to_string()])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(launched.stdout.take().unwrap());
    let mut said = Vec::new();
    eventually("the monitor answers", || {
        said.extend(lines.try_iter());
        try_request(port, "GET", "/health", &[], "").filter(|_| said.len() == 2)
    });
    assert_eq!(
        said,
        [format!("Starting Claude MPM monitor on localhost:{port}"), format!("Monitor running on port {port}")]
    );

    rustix::process::kill_process(rustix::process::Pid::from_child(&launched), rustix::process::Signal::INT).unwrap();
    assert!(launched.wait().unwrap().success());
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "the port is free again");
}

#[test]
fn a_stranger_on_the_port_is_left_alone_and_the_error_is_the_printed_one() {
    let home = Home::new();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();

    let refused = home.launcher(&["--no-browser", "--port", &port.to_string()]).output().unwrap();

    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap(),
        format!(
            "Error: Port {port} is already in use by another service.\nPlease stop the existing service or choose a different port.\n"
        )
    );
}

#[test]
fn another_users_home_does_not_take_this_monitor_for_its_own() {
    let home = Home::new();
    let monitor: Monitor = home.monitor();
    let other = Home::new();

    let refused = other.launcher(&["--no-browser", "--port", &monitor.port.to_string()]).output().unwrap();

    assert_eq!(refused.status.code(), Some(1));
    assert!(monitor.get("/health")["pid"] == monitor.pid());
}

#[test]
fn the_health_answer_has_every_field_of_the_documents() {
    let home = Home::new();
    let monitor = home.monitor();
    let health = monitor.get("/health");
    for field in [
        "status",
        "service",
        "server",
        "version",
        "port",
        "pid",
        "uptime",
        "connections",
        "timestamp",
        "session_id",
        "claude_status",
        "health",
    ] {
        assert!(health.get(field).is_some(), "{field}");
    }
    assert_eq!(
        (&health["status"], &health["service"], &health["server"]),
        (&"running".into(), &"claude-mpm-monitor".into(), &"claude-mpm-socketio".into())
    );
    assert_eq!(health["port"], monitor.port);
}

#[test]
fn stop_ends_all_monitors_of_this_home_and_says_what_document_1_prints() {
    let home = Home::new();
    let (one, other) = (home.monitor(), home.monitor());
    let stranger = Home::new();
    let kept = stranger.monitor();

    let stopped = home.program(&["monitor", "stop"]).output().unwrap();

    let mut both = [(one.port, one.pid()), (other.port, other.pid())];
    both.sort_unstable();
    let parts: Vec<String> = both
        .iter()
        .map(|(port, pid)| {
            format!("\n✓ Server on port {port} stopped successfully\n  - Disconnected 0 clients gracefully\n  - Process {pid} terminated\n")
        })
        .collect();
    let expected = format!("Stopping monitoring server...\n{}\nMonitoring server stopped.\n", parts.concat());
    assert_eq!(String::from_utf8(stopped.stdout).unwrap(), expected);
    assert_eq!(stopped.status.code(), Some(0));
    assert!(try_request(one.port, "GET", "/health", &[], "").is_none());
    assert!(kept.get("/health")["pid"] == kept.pid(), "another home's monitor goes on");

    let again = home.program(&["monitor", "stop", "--port", &one.port.to_string()]).output().unwrap();
    assert_eq!(again.status.code(), Some(3));
    assert_eq!(
        String::from_utf8(again.stderr).unwrap(),
        format!(
            "Error: Server on port {} is not running\nSuggestion: Use '/mpm-monitor start' to start the server\n",
            one.port
        )
    );
}

#[test]
fn status_names_every_monitor_of_this_home() {
    let home = Home::new();
    let none = home.program(&["monitor", "status"]).output().unwrap();
    assert_eq!(none.status.code(), Some(3));
    assert_eq!(
        String::from_utf8(none.stdout).unwrap(),
        "Monitoring Server Status\n========================\n\nActive Servers: 0\n"
    );

    let monitor = home.monitor();
    let status = home.program(&["monitor", "status"]).output().unwrap();
    let said = String::from_utf8(status.stdout).unwrap();
    let lines: Vec<&str> = said.lines().filter(|line| !line.contains("Uptime")).collect();
    let (port, pid) = (monitor.port, monitor.pid());
    assert_eq!(
        lines.join("\n"),
        format!(
            "Monitoring Server Status\n========================\n\nActive Servers: 1\n\nServer 1:\n  - Port: {port}\n  - Dashboard: http://localhost:{port}\n  - Process ID: {pid}\n  - Connected Clients: 0\n  - Status: Running\n\nDashboard accessible at: http://localhost:{port}"
        )
    );
    let json = home.program(&["monitor", "status", "--json"]).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["servers"][0]["port"], &json["servers"][0]["pid"]), (&port.into(), &pid.into()));
}

/// A port that was free a moment ago; the launcher takes exactly the one it is told.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
