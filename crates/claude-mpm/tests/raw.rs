//! The raw WebSocket API: channels, queries, what was missed, and errors that say what to write instead.

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
