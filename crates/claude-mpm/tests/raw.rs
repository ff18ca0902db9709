//! The raw WebSocket API: channels, queries, what was missed, and errors that say what to write instead.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, Monitor};

fn raw(monitor: &Monitor) -> Option<Follower> {
    let url = format!("ws://127.0.0.1:{}", monitor.port);
    support::node("raw.mjs", &["--url", &url]).map(Follower::start)
}

fn emit(monitor: &Monitor, event: &Value) -> u64 {
    let (status, body) = monitor.post("/emit", &event.to_string());
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["seq"].as_u64().unwrap()
}

fn note(monitor: &Monitor, text: &str) -> u64 {
    emit(monitor, &json!({ "namespace": "/log", "event": "message", "data": { "level": "INFO", "message": text } }))
}

fn acknowledged(client: &mut Follower, command: &str) -> Value {
    client.wait(command, |said| said["type"] == "ack" && said["data"]["command"] == command)
}

/// The numbers of the events that came so far, in the order in which they came.
fn numbers(client: &Follower) -> Vec<u64> {
    client
        .seen()
        .iter()
        .filter(|said| said["type"] == "log.message")
        .filter_map(|said| said["data"]["seq"].as_u64())
        .collect()
}

#[test]
fn who_says_since_when_gets_everything_it_missed_once_and_in_order_and_then_what_comes() {
    let home = Home::new();
    let monitor = home.monitor();
    let missed: Vec<u64> = (0..1_500).map(|number| note(&monitor, &format!("missed {number}"))).collect();
    let Some(mut client) = raw(&monitor) else { return };
    client.wait("hello", |said| said["type"] == "hello");
    client.tell(&json!({ "command": "subscribe", "channels": ["log.*"], "since": missed[99] }));
    let caught_up = client.wait("caught up", |said| said["type"] == "caught_up");
    assert!(caught_up["data"]["seq"].as_u64() >= missed.last().copied());
    let live = note(&monitor, "live");
    client.wait("the live one", |said| said["data"]["seq"] == live);
    let wanted: Vec<u64> = missed[100..].iter().copied().chain([live]).collect();
    assert_eq!(numbers(&client), wanted);

    // Also when the server was killed in between: numbers outlive it.
    let (port, last) = (monitor.port, live);
    monitor.kill();
    let monitor = home.monitor_on(port);
    let missed = note(&monitor, "after the restart");
    let mut client = raw(&monitor).unwrap();
    client.wait("hello", |said| said["type"] == "hello");
    client.tell(&json!({ "command": "subscribe", "channels": ["log.*"], "since": last.to_string() }));
    client.wait("caught up", |said| said["type"] == "caught_up");
    assert_eq!(numbers(&client), [missed]);
}

#[test]
fn a_query_narrows_what_comes_and_can_be_changed() {
    let home = Home::new();
    let monitor = home.monitor();
    let Some(mut client) = raw(&monitor) else { return };
    client.wait("hello", |said| said["type"] == "hello");
    client.tell(&json!({ "command": "subscribe", "channels": ["*"], "q": "apple -rotten" }));
    acknowledged(&mut client, "subscribe");
    note(&monitor, "a pear");
    note(&monitor, "a rotten apple");
    let apple = note(&monitor, "an apple");
    client.wait("the apple", |said| said["data"]["seq"] == apple);
    assert_eq!(numbers(&client), [apple]);
    client.tell(&json!({ "command": "subscribe", "channels": ["log.message"], "q": "pear" }));
    client.wait("both channels", |said| said["data"]["channels"] == json!(["*", "log.message"]));
    note(&monitor, "an apple");
    let pear = note(&monitor, "a pear");
    client.wait("the pear", |said| said["data"]["seq"] == pear);
    assert_eq!(numbers(&client), [apple, pear]);

    client.tell(&json!({ "command": "unsubscribe", "channels": ["*"] }));
    acknowledged(&mut client, "unsubscribe");
    note(&monitor, "a pear for nobody");
    client.tell(&json!({ "command": "ping" }));
    client.wait("pong", |said| said["type"] == "pong");
    assert_eq!(numbers(&client), [apple, pear]);
}

#[test]
fn what_it_does_not_understand_is_answered_with_what_to_write() {
    let home = Home::new();
    let monitor = home.monitor();
    let Some(mut client) = raw(&monitor) else { return };
    client.wait("hello", |said| said["type"] == "hello");
    let many: Vec<String> = (0..300).map(|number| format!("channel.{number}")).collect();
    for (sent, answer) in [
        (json!([1, 2]), "send a JSON object"),
        (json!({ "command": "explode" }), "\"explode\" is no command"),
        (json!({ "nothing": true }), "needs a \"command\""),
        (json!({ "command": "subscribe" }), "\"channels\" must be a list"),
        (json!({ "command": "subscribe", "channels": [1] }), "\"channels\" must be a list"),
        (json!({ "command": "subscribe", "channels": many }), "at most 256 channels"),
        (json!({ "command": "subscribe", "channels": ["*"], "q": "is:nonsense" }), "is:error"),
        (json!({ "command": "subscribe", "channels": ["*"], "q": 5 }), "must be a query"),
        (json!({ "command": "subscribe", "channels": ["*"], "since": "yesterday" }), "number of an event"),
        (json!({ "command": "subscribe", "channels": ["*"], "since": 1_000_000 }), "no event 1000000 yet"),
        (json!({ "event": "subscribe", "data": { "events": ["nosuch"] } }), "must be a list of agent_activity"),
        (json!({ "event": "subscribe", "data": { "events": 5 } }), "must be a list of agent_activity"),
        (json!({ "command": "emit", "event": "x", "room": 5 }), "\"room\" must be a string"),
        (json!({ "command": "get_status", "port": 1 }), "connect to port 1"),
        (json!({ "command": "emit", "event": "" }), "event"),
    ] {
        client.tell(&sent);
        client.wait(&sent.to_string(), |said| {
            said["type"] == "error" && said["data"]["message"].as_str().is_some_and(|message| message.contains(answer))
        });
    }
    client.tell(&json!({ "command": "get_status", "port": monitor.port }));
    client.wait("the connection goes on", |said| said["type"] == "system.status");
}

#[test]
fn what_no_row_knows_is_heard_under_its_own_name_and_as_custom() {
    let home = Home::new();
    let monitor = home.monitor();
    let Some(mut client) = raw(&monitor) else { return };
    client.wait("hello", |said| said["type"] == "hello");
    client.tell(&json!({ "command": "subscribe", "channels": ["custom"] }));
    acknowledged(&mut client, "subscribe");
    note(&monitor, "of a row");
    emit(&monitor, &json!({ "namespace": "/mine", "event": "made_up", "data": { "n": 1 } }));
    let heard = client.wait("the custom event", |said| said["data"]["n"] == 1);
    assert_eq!(heard["type"], "mine.made_up");
    assert_eq!(numbers(&client), [] as [u64; 0]);
}

/// A masked frame, as a client sends it, with a mask of zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(payload.len()) {
        Ok(short @ ..126) => frame.push(0x80 | short as u8),
        Ok(long) => {
            frame.push(0x80 | 126);
            frame.extend(long.to_be_bytes());
        }
        Err(_) => panic!("longer than a test needs"),
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_client_that_asks_and_does_not_read_costs_no_memory_and_nobody_else_notices() {
    let home = Home::new();
    let monitor = home.monitor();
    note(&monitor, "something to answer with");
    let before = resident_kb(monitor.pid());
    let ping = frame(0x9, &[b'x'; 125]);
    let ask = frame(0x1, br#"{"command":"get_state"}"#);
    for message in [&ping, &ask] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", monitor.port)).unwrap();
        write!(
            stream,
            "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 101");
        // Until it is not listened to any more: a write that would have to wait says so.
        stream.set_nonblocking(true).unwrap();
        let many = message.repeat(1_000);
        let mut sent = 0;
        let mut refused = 0;
        while sent < 200_000_000 && refused < 50 {
            match stream.write(&many) {
                Ok(bytes) => (sent, refused) = (sent + bytes, 0),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    refused += 1;
                    assert_eq!(monitor.get("/health")["status"], "running");
                }
                Err(_) => break,
            }
        }
        assert!(sent < 200_000_000, "it is listened to for ever");
    }
    let grown = resident_kb(monitor.pid()).saturating_sub(before);
    assert!(grown < 40_000, "{grown} kB more");
}
