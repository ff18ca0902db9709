//! A Socket.IO client that comes back misses nothing: neither after a broken connection nor after the server's crash.

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, Monitor};

fn recovering(monitor: &Monitor, namespace: &str, auth: &Value) -> Option<Follower> {
    let url = format!("http://127.0.0.1:{}", monitor.port);
    let auth = auth.to_string();
    support::node("recover.mjs", &["--url", &url, "--namespace", namespace, "--auth", &auth]).map(Follower::start)
}

fn note(monitor: &Monitor, text: &str) -> u64 {
    let event = json!({ "namespace": "/log", "event": "message", "data": { "level": "ERROR", "message": text } });
    let (status, body) = monitor.post("/emit", &event.to_string());
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["seq"].as_u64().unwrap()
}

fn connected(client: &mut Follower, times: usize) -> Value {
    support::eventually("connected again", || {
        client.poll();
        client.seen().iter().filter(|said| said["event"] == "connect").nth(times - 1).cloned()
    })
}

/// Every packet with a number: the event's name and the number, in the order in which they came.
fn packets(client: &Follower) -> Vec<(String, u64)> {
    let numbered = client.seen().iter().filter(|said| said["data"]["seq"].is_u64());
    numbered.map(|said| (said["event"].as_str().unwrap().to_owned(), said["data"]["seq"].as_u64().unwrap())).collect()
}

/// An error on `/log` is told by two packets.
fn both(numbers: &[u64]) -> Vec<(String, u64)> {
    numbers.iter().flat_map(|number| [("message".to_owned(), *number), ("error".to_owned(), *number)]).collect()
}

#[test]
fn an_unmodified_client_gets_exactly_what_it_missed_and_knows_it() {
    let home = Home::new();
    let monitor = home.monitor();
    let Some(mut client) = recovering(&monitor, "/log", &json!({ "recovery": true })) else { return };
    let first = connected(&mut client, 1)["data"].clone();
    assert_eq!(first["recovered"], false);
    client.tell(&json!({ "event": "join", "data": "a room" }));
    client.wait("joined", |said| said["event"] == "ack");
    let mut numbers = vec![note(&monitor, "before")];
    client.wait("the first", |said| said["data"]["seq"] == numbers[0] && said["event"] == "error");
    client.tell(&json!({ "drop": true }));
    numbers.extend((0..50).map(|number| note(&monitor, &format!("missed {number}"))));
    let to_room = json!({ "namespace": "/log", "event": "message", "room": "a room", "data": { "level": "ERROR", "message": "for the room" } });
    let body = monitor.post("/emit", &to_room.to_string()).1;
    numbers.push(serde_json::from_str::<Value>(&body).unwrap()["seq"].as_u64().unwrap());
    let elsewhere = json!({ "namespace": "/log", "event": "message", "room": "another room", "data": { "level": "ERROR", "message": "not for it" } });
    monitor.post("/emit", &elsewhere.to_string());
    let second = connected(&mut client, 2)["data"].clone();
    assert_eq!(second, json!({ "id": first["id"], "recovered": true }));
    numbers.push(note(&monitor, "after"));
    client.wait("the last", |said| said["data"]["seq"] == *numbers.last().unwrap() && said["event"] == "error");
    assert_eq!(packets(&client), both(&numbers));
}

#[test]
fn it_is_the_same_when_the_server_was_killed_and_came_back() {
    let home = Home::new();
    let monitor = home.monitor();
    let Some(mut client) = recovering(&monitor, "/log", &json!({ "recovery": true })) else { return };
    let first = connected(&mut client, 1)["data"].clone();
    let mut numbers: Vec<u64> = (0..20).map(|number| note(&monitor, &format!("before {number}"))).collect();
    client.wait("one of them", |said| said["data"]["seq"] == numbers[3] && said["event"] == "error");
    let port = monitor.port;
    let mut running = monitor;
    for round in 2..5 {
        running.kill();
        let monitor = home.monitor_on(port);
        numbers.extend((0..20).map(|number| note(&monitor, &format!("round {round}, {number}"))));
        let again = connected(&mut client, round)["data"].clone();
        assert_eq!(again, json!({ "id": first["id"], "recovered": true }), "round {round}");
        client.wait("the last", |said| said["data"]["seq"] == *numbers.last().unwrap() && said["event"] == "error");
        running = monitor;
    }
    assert_eq!(packets(&client), both(&numbers));
}

#[test]
fn a_wrong_or_used_private_id_gives_a_fresh_connection() {
    let home = Home::new();
    let monitor = home.monitor();
    note(&monitor, "something");
    for auth in [
        json!({ "recovery": true, "pid": "guessed", "offset": "1.0" }),
        json!({ "recovery": true, "pid": 7, "offset": {} }),
        json!({ "recovery": true, "pid": "guessed", "offset": "99999999999999999999.0" }),
    ] {
        let Some(mut client) = recovering(&monitor, "/log", &auth) else { return };
        assert_eq!(connected(&mut client, 1)["data"]["recovered"], false, "{auth}");
        let live = note(&monitor, "live");
        client.wait("it is served all the same", |said| said["data"]["seq"] == live);
        assert_eq!(packets(&client)[0].1, live);
    }
}

#[test]
fn every_other_client_says_since_when() {
    let home = Home::new();
    let monitor = home.monitor();
    let numbers: Vec<u64> = (0..1_200).map(|number| note(&monitor, &format!("{number}"))).collect();
    for since in [json!(numbers[9]), json!(numbers[9].to_string())] {
        let Some(mut client) = recovering(&monitor, "/log", &json!({ "since": since })) else { return };
        let live = note(&monitor, "live");
        client.wait("the live one", |said| said["data"]["seq"] == live && said["event"] == "error");
        let seen = packets(&client);
        let missed = both(&numbers[10..]);
        assert_eq!(seen[..missed.len()], missed);
        assert_eq!(seen.last().unwrap().1, live);
    }
    let mut client = recovering(&monitor, "/log", &json!({ "since": 5_000_000 })).unwrap();
    let gap = client.wait("a gap", |said| said["event"] == "gap");
    assert!(gap["data"]["reason"].as_str().unwrap().contains("there is no event 5000000 yet"), "{gap}");
    let live = note(&monitor, "live");
    client.wait("it goes on", |said| said["data"]["seq"] == live);
}

#[test]
fn who_joins_a_session_or_an_agent_gets_nothing_else_until_it_leaves() {
    let home = Home::new();
    let monitor = home.monitor();
    let Some(mut client) = recovering(&monitor, "/hook", &json!({})) else { return };
    connected(&mut client, 1);
    let tell = |client: &mut Follower, event: &str, data: Value| {
        let acks = client.seen().iter().filter(|said| said["event"] == "ack").count();
        client.tell(&json!({ "event": event, "data": data }));
        support::eventually("acknowledged", || {
            client.poll();
            client.seen().iter().filter(|said| said["event"] == "ack").nth(acks).cloned()
        })
    };
    let prompt = |session: &str, text: &str| {
        let hook = json!({ "session_id": session, "hook_event_name": "UserPromptSubmit", "prompt": text, "cwd": "/w" });
        assert_eq!(monitor.post("/api/events", &hook.to_string()).0, 204);
    };
    let joined = tell(&mut client, "join", json!("session:one"));
    assert_eq!(joined["data"], json!({ "status": "ok", "room": "session:one", "changed": true }));
    prompt("two", "not this");
    prompt("one", "but this");
    client.wait("its own", |said| said["data"]["session_id"] == "one");
    assert!(client.seen().iter().all(|said| said["data"]["session_id"] != "two"));
    tell(&mut client, "join", json!({ "room": "agent:Explore" }));
    let call = json!({ "session_id": "two", "hook_event_name": "PreToolUse", "tool_name": "Read", "tool_use_id": "t1",
        "tool_input": { "file_path": "/w/a" }, "agent_id": "a1", "agent_type": "Explore", "cwd": "/w" });
    assert_eq!(monitor.post("/api/events", &call.to_string()).0, 204);
    client.wait("that agent, of whatever session", |said| said["data"]["session_id"] == "two");
    for room in ["session:one", "agent:Explore"] {
        tell(&mut client, "leave", json!(room));
    }
    prompt("three", "everything again");
    client.wait("everything", |said| said["data"]["session_id"] == "three");
    assert_eq!(tell(&mut client, "join", json!("\u{1}narrowed"))["data"]["status"], "error");
    assert_eq!(tell(&mut client, "join", json!(7))["data"]["status"], "error");
}

#[test]
fn a_query_narrows_what_comes_live_and_what_was_missed_and_comes_back_with_the_client() {
    let home = Home::new();
    let monitor = home.monitor();
    let line = |level: &str, message: &str| {
        let event = json!({ "namespace": "/log", "event": "message", "data": { "level": level, "message": message } });
        monitor.post("/emit", &event.to_string());
    };
    line("ERROR", "early");
    line("DEBUG", "early noise");
    let auth = json!({ "recovery": true, "level": "WARNING", "since": 0 });
    let Some(mut client) = recovering(&monitor, "/log", &auth) else { return };
    connected(&mut client, 1);
    line("INFO", "noise");
    line("WARNING", "first");
    client.wait("the first", |said| said["data"]["message"] == "first");
    client.tell(&json!({ "drop": true }));
    line("INFO", "missed noise");
    line("CRITICAL", "missed");
    assert_eq!(connected(&mut client, 2)["data"]["recovered"], true);
    client.wait("what it missed", |said| said["data"]["message"] == "missed");
    client.tell(&json!({ "event": "subscribe", "data": { "q": "apple" } }));
    client.wait("narrowed", |said| said["event"] == "ack" && said["data"]["q"] == "apple");
    line("ERROR", "a pear");
    line("DEBUG", "an apple");
    client.wait("the apple", |said| said["data"]["message"] == "an apple");
    client.tell(&json!({ "event": "subscribe", "data": { "level": "LOUD" } }));
    let refused = client.wait("refused", |said| said["event"] == "ack" && said["data"]["status"] == "error");
    assert!(refused["data"]["message"].as_str().unwrap().contains("level:debug"), "{refused}");
    client.tell(&json!({ "event": "subscribe", "data": {} }));
    client.wait("everything", |said| said["event"] == "ack" && said["data"]["q"] == "");
    line("DEBUG", "everything again");
    client.wait("everything again", |said| said["data"]["message"] == "everything again");
    let messages: Vec<&str> = client
        .seen()
        .iter()
        .filter(|said| said["event"] == "message")
        .filter_map(|said| said["data"]["message"].as_str())
        .collect();
    assert_eq!(messages, ["first", "missed", "an apple", "everything again"]);
}
