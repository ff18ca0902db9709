//! Events, logs and connections in a terminal: in order, each once, and harmless whatever is in them.

use std::process::{Child, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use crate::support::{DEADLINE, Home, Monitor, eventually, lines_of, try_request};

fn note(port: u16, text: &str) -> u64 {
    let event = json!({ "namespace": "/log", "event": "message", "data": { "level": "ERROR", "message": text } });
    let (status, body) = try_request(port, "POST", "/emit", &[], &event.to_string()).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["seq"].as_u64().unwrap()
}

fn output(home: &Home, arguments: &[&str]) -> (String, String, i32) {
    let output = home.program(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

struct Tail {
    process: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn start(home: &Home, arguments: &[&str]) -> Tail {
        let mut process = home.program(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = lines_of(process.stdout.take().unwrap());
        Tail { process, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("a line comes")
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_latest_events_come_oldest_first_and_a_query_narrows_them() {
    let home = Home::new();
    let monitor = home.monitor();
    for text in ["one apple", "two pears", "three apples"] {
        note(monitor.port, text);
    }
    let (out, _, code) = output(&home, &["monitor", "tail", "-n", "2", "kind:log.message"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((lines.len(), code), (2, 0), "{out}");
    assert!(lines[0].contains("two pears") && lines[1].contains("three apples"), "{out}");
    let (out, ..) = output(&home, &["monitor", "tail", "--json", "kind:log.message", "apple"]);
    let messages: Vec<Value> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["data"]["message"].clone()).collect();
    assert_eq!(messages, ["one apple", "three apples"]);
}

#[test]
fn a_query_that_means_nothing_is_refused_in_three_lines() {
    let home = Home::new();
    let _monitor = home.monitor();
    let (out, err, code) = output(&home, &["monitor", "tail", "-f", "/unclosed(/"]);
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.starts_with("Error: No events can be shown\nReason: ") && err.lines().count() == 3, "{err}");
}

#[test]
fn nothing_in_an_event_or_a_log_steers_the_terminal() {
    let home = Home::new();
    let monitor = home.monitor();
    note(monitor.port, "a\u{1b}[2Jb\u{9b}31m\u{202e}c\r\nd");
    for json in [&["monitor", "tail", "kind:log.message"][..], &["monitor", "tail", "--json", "kind:log.message"][..]] {
        let (out, ..) = output(&home, json);
        assert_eq!(out.lines().count(), 1, "{out:?}");
        let harmful = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
        assert!(!out.contains(harmful), "{out:?}");
    }
    let log = home.path().join(".claude-mpm/logs/latest.log");
    let mut text = std::fs::read(&log).unwrap();
    text.extend_from_slice("evil \u{1b}]0;title\u{7} line\n".as_bytes());
    std::fs::write(&log, text).unwrap();
    let (out, ..) = output(&home, &["monitor", "logs", "-n", "1"]);
    assert_eq!(out, "evil \\u{1b}]0;title\\u{7} line\n");
}

#[test]
fn following_goes_on_through_a_crash_and_misses_nothing() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port;
    let mut expected: Vec<u64> = (0..3).map(|number| note(port, &format!("before {number}"))).collect();
    let number = port.to_string();
    let tail =
        Tail::start(&home, &["monitor", "tail", "-f", "-n", "5000", "--json", "--port", &number, "kind:log.message"]);
    let mut seen: Vec<u64> = Vec::new();
    let until = |last: u64, seen: &mut Vec<u64>| {
        while seen.last() != Some(&last) {
            seen.push(serde_json::from_str::<Value>(&tail.next()).unwrap()["seq"].as_u64().unwrap());
        }
    };
    until(*expected.last().unwrap(), &mut seen);
    expected.extend((0..50).map(|number| note(port, &format!("live {number}"))));
    monitor.kill();
    let monitor = home.monitor_on(port);
    expected.extend((0..50).map(|number| note(monitor.port, &format!("after {number}"))));
    until(*expected.last().unwrap(), &mut seen);
    assert_eq!(seen, expected);
}

#[test]
fn logs_can_be_followed() {
    let home = Home::new();
    let monitor = home.monitor();
    let tail = Tail::start(&home, &["monitor", "logs", "-f", "--port", &monitor.port.to_string()]);
    while !tail.next().contains("Socket.IO listens") {}
    monitor.stop();
    while !tail.next().contains("Socket.IO has stopped") {}
}

#[test]
fn every_way_to_connect_is_tried_and_timed() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port.to_string();
    let (out, err, code) = output(&home, &["monitor", "test-connection", &port]);
    assert_eq!((err.as_str(), code), ("", 0), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], format!("Testing the connection to localhost:{port}..."));
    for (line, begins) in lines[2..6].iter().zip([
        format!(
            "✓ Health: claude-mpm-monitor {}, PID {}, running (healthy) (",
            env!("CARGO_PKG_VERSION"),
            monitor.pid()
        ),
        "✓ Socket.IO over polling: connected, answered in ".to_owned(),
        "✓ Socket.IO over WebSocket: connected, answered in ".to_owned(),
        "✓ Raw WebSocket: hello, ping answered in ".to_owned(),
    ]) {
        assert!(line.starts_with(&begins) && line.ends_with(" ms in all)"), "{line}");
    }
    assert_eq!(lines[7], "All connections work; it is your monitor.");
    let (json, ..) = output(&home, &["monitor", "test-connection", &port, "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["ok"] == true && json["ours"] == true && json["ways"].as_array().unwrap().len() == 4, "{json}");
    assert!(json["ways"].as_array().unwrap().iter().all(|way| way["ms"].as_f64().unwrap() > 0.0), "{json}");
}

#[test]
fn a_way_that_fails_is_named_and_a_token_is_brought() {
    let home = Home::new();
    let mut command = home.program(&["monitor", "start", "--foreground", "--no-dashboard", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "secret");
    let monitor = Monitor::start(command);
    let port = monitor.port.to_string();
    let (out, _, code) = output(&home, &["monitor", "test-connection", &port]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("✓ Health: "), "{out}");
    for way in ["Socket.IO over polling", "Socket.IO over WebSocket", "Raw WebSocket"] {
        assert!(
            out.lines()
                .any(|line| line.starts_with(&format!("✗ {way}: ")) && line.contains("Invalid authentication token")),
            "{out}"
        );
    }
    let mut command = home.program(&["monitor", "test-connection", &port]);
    let output = command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "secret").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn where_nobody_listens_the_code_says_so() {
    let home = Home::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let expected = format!(
        "Error: Server on port {free} is not running\nSuggestion: Use '/mpm-monitor start' to start the server\n"
    );
    for command in [
        &["monitor", "test-connection", free.as_str()][..],
        &["monitor", "tail", "--port", &free][..],
        &["monitor", "open", "--port", &free][..],
    ] {
        let (_, err, code) = output(&home, command);
        assert_eq!((err.trim_start(), code), (expected.as_str(), 3), "{command:?}");
    }
    let (out, _, code) = output(&home, &["monitor", "find-port", &free]);
    assert_eq!((out, code), (format!("✓ Port {free} is available\n"), 0));
}

#[test]
fn open_prints_the_address_where_there_is_no_display() {
    let home = Home::new();
    let monitor = home.monitor();
    let (out, _, code) = output(&home, &["monitor", "open"]);
    assert_eq!((out, code), (format!("http://localhost:{}\n", monitor.port), 0));
    let (out, _, code) = output(&home, &["monitor", "find-port", &monitor.port.to_string()]);
    assert_eq!(
        (out, code),
        (format!("✗ Port {} is in use by your monitor (PID {})\n", monitor.port, monitor.pid()), 1)
    );
}

#[test]
fn verbose_status_names_who_is_connected() {
    let home = Home::new();
    let monitor = home.monitor();
    let number = monitor.port.to_string();
    let _tail = Tail::start(&home, &["monitor", "tail", "-f", "-n", "0", "--port", &number]);
    let browser = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/141"), ("x-test", "1")];
    let open = monitor.request("GET", "/socket.io/?EIO=4&transport=polling", &browser, "");
    let sid = open.1.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    assert_eq!(monitor.request("POST", &path, &browser, "40").0, 200);
    let status = eventually("both are listed", || {
        let (out, ..) = output(&home, &["monitor", "status", "--verbose"]);
        (out.contains("CLI Monitor") && out.contains("Browser")).then_some(out)
    });
    let clients: Vec<&str> = status.lines().skip_while(|line| *line != "Client Connections:").skip(1).take(2).collect();
    for (number, line) in clients.iter().enumerate() {
        assert!(
            line.starts_with(&format!("  {}. ", number + 1)) && line.contains(" (127.0.0.1:") && line.ends_with(" ago"),
            "{status}"
        );
    }
}
