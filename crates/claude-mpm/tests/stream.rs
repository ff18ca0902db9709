//! `GET /api/v1/stream`: from any number on, without a hole or a double, at the client's own pace.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{DEADLINE, Follower, Home, Monitor, eventually, node};

/// A client that reads the stream line by line.
struct Stream {
    lines: BufReader<TcpStream>,
}

/// One message of a stream.
#[derive(Debug)]
struct Message {
    id: Option<String>,
    event: String,
    data: Value,
}

impl Stream {
    fn open(monitor: &Monitor, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut socket = TcpStream::connect(("127.0.0.1", monitor.port)).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        // HTTP/1.0 gets its body as it is, without chunks.
        let mut head = format!("GET {path} HTTP/1.0\r\nhost: localhost:{}\r\n", monitor.port);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        socket.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n") && head.contains("cache-control: no-store\r\n"));
        Stream { lines }
    }

    /// The next message; `None` at the end.
    fn next(&mut self) -> Option<Message> {
        let mut message = Message { id: None, event: "message".to_owned(), data: Value::Null };
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("id", id)) => message.id = Some(id.to_owned()),
                Some(("event", event)) => message.event = event.to_owned(),
                Some(("data", data)) => message.data = serde_json::from_str(data).unwrap(),
                None if message.data.is_null() => {}
                None => return Some(message),
                Some(_) => {}
            }
        }
    }

    /// The next message of this name.
    fn named(&mut self, name: &str) -> Message {
        loop {
            let message = self.next().expect("the stream goes on");
            if message.event == name {
                return message;
            }
        }
    }

    /// The events up to this number.
    fn events_to(&mut self, last: u64) -> Vec<Message> {
        let mut events = Vec::new();
        loop {
            let message = self.next().expect("the stream goes on");
            assert!(!matches!(message.event.as_str(), "gap" | "reset"), "{message:?}");
            let Some(seq) = message.data["kind"].as_str().and(message.data["seq"].as_u64()) else { continue };
            events.push(message);
            if seq >= last {
                return events;
            }
        }
    }
}

fn numbers(events: &[Message]) -> Vec<u64> {
    events.iter().map(|event| event.data["seq"].as_u64().unwrap()).collect()
}

fn emit(monitor: &Monitor, events: &Value) -> u64 {
    let (status, body) = monitor.post("/emit", &events.to_string());
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    answer["seqs"].as_array().map_or(&answer["seq"], |seqs| seqs.last().unwrap()).as_u64().unwrap()
}

fn many(count: usize) -> Value {
    (0..count).map(|at| json!({ "namespace": "/hook", "event": "made", "data": { "at": at } })).collect()
}

#[test]
fn a_stream_says_where_it_begins_and_tells_each_event_as_history_shows_it() {
    let home = Home::new();
    let monitor = home.monitor();
    let before = emit(&monitor, &many(3));
    let mut stream = Stream::open(&monitor, "/api/v1/stream", &[]);

    let hello = stream.named("hello").data;
    assert_eq!((hello["seq_last"].as_u64(), hello["seq_first"].as_u64()), (Some(before), Some(1)));
    assert_eq!(stream.named("live").data, json!({ "seq": before }));
    let told = emit(&monitor, &json!({ "event": "note", "data": { "text": "two\nlines" } }));

    let event = stream.named("custom");
    assert_eq!(event.data, monitor.get(&format!("/api/v1/events/{told}")));
    assert_eq!(event.id.unwrap(), format!("{told}-{}", &hello["epoch"].as_str().unwrap()[..8]));
    assert_eq!(monitor.get("/health")["connections"], 1);
    drop(stream);
    eventually("the client is gone", || (monitor.get("/health")["connections"] == 0).then_some(()));
}

#[test]
fn a_browser_may_have_all_events_as_unnamed_messages() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut stream = Stream::open(&monitor, "/api/v1/stream?named=false&since=0", &[]);
    assert_eq!(stream.named("message").data["kind"], "system.started");
}

#[test]
fn while_events_pour_in_every_client_gets_each_number_once_from_where_it_asked() {
    const BATCHES: usize = 120;
    let home = Home::new();
    let monitor = home.monitor();
    emit(&monitor, &many(2_000));

    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..BATCHES).fold(0, |_, _| emit(&monitor, &many(50))));
        let mut clients = Vec::new();
        // They come one after another, so that each changes from stored to live at another moment.
        for since in [0_u64, 1, 700, 1_999, 2_000, 0, 0, 1_500] {
            let mut stream = Stream::open(&monitor, &format!("/api/v1/stream?since={since}"), &[]);
            stream.named("hello");
            clients.push((since, scope.spawn(move || stream.events_to(2_001 + 50 * BATCHES as u64))));
        }
        let last = writer.join().unwrap();
        assert_eq!(last, 2_001 + 50 * BATCHES as u64);
        for (since, client) in clients {
            let wanted: Vec<u64> = (since + 1..=last).collect();
            assert_eq!(numbers(&client.join().unwrap()), wanted, "since {since}");
        }
    });
}

#[test]
fn a_filter_lets_through_what_history_finds_with_it_stored_and_live() {
    let home = Home::new();
    let monitor = home.monitor();
    let one = |tool: &str, at: u64| {
        let hook = json!({ "session_id": "s", "hook_event_name": "PreToolUse", "tool_name": tool,
            "tool_input": { "command": format!("step {at}") }, "tool_use_id": format!("t{at}"), "cwd": "/w" });
        assert_eq!(monitor.post("/api/events", &hook.to_string()).0, 204);
    };
    (0..20).for_each(|at| one(if at % 3 == 0 { "Bash" } else { "Read" }, at));
    let mut stream = Stream::open(&monitor, "/api/v1/stream?since=0&q=tool:Bash%20-%22step%203%22", &[]);
    stream.named("live");
    (20..40).for_each(|at| one(if at % 3 == 0 { "Bash" } else { "Read" }, at));

    let mut stream = Stream::open(&monitor, "/api/v1/stream?since=0&q=tool:Bash%20-%22step%203%22", &[]);
    let page = monitor.get("/api/v1/events?after=0&limit=5000&q=tool:Bash%20-%22step%203%22");
    let wanted: Vec<u64> =
        page["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    // Of 0, 3 … 39 without 3 and the thirties.
    assert_eq!(wanted.len(), 14 - 1 - 4);
    assert_eq!(numbers(&stream.events_to(*wanted.last().unwrap())), wanted);
}

#[test]
fn a_client_that_comes_back_with_its_last_id_has_missed_nothing_also_across_kill_9() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port;
    // The address that a browser opened first has a `since`, too, and asks for it again.
    let path = "/api/v1/stream?since=0";
    let last = emit(&monitor, &many(40));
    let mut seen = Stream::open(&monitor, path, &[]).events_to(last);
    monitor.kill();
    let monitor = home.monitor_on(port);
    let last = emit(&monitor, &many(40));

    let id = seen.last().unwrap().id.clone().unwrap();
    let mut stream = Stream::open(&monitor, path, &[("last-event-id", &id)]);
    seen.extend(stream.events_to(last));

    assert_eq!(numbers(&seen), (1..=last).collect::<Vec<_>>());
}

#[test]
fn a_number_of_another_store_is_called_that_and_all_of_this_one_follows() {
    let (home, elsewhere) = (Home::new(), Home::new());
    let (monitor, other) = (home.monitor(), elsewhere.monitor());
    let last = emit(&other, &many(5));
    let id = Stream::open(&other, "/api/v1/stream?since=0", &[]).events_to(last).pop().unwrap().id.unwrap();
    let last = emit(&monitor, &many(50));

    // Here is an event of that number, too, and it is another one.
    for (headers, path) in
        [(vec![("last-event-id", id.as_str())], "/api/v1/stream"), (vec![], "/api/v1/stream?since=999")]
    {
        let mut stream = Stream::open(&monitor, path, &headers);
        let hello = stream.named("hello").data;
        let reset = stream.named("reset").data;
        assert_eq!((&reset["epoch"], reset["seq_last"].as_u64()), (&hello["epoch"], Some(last)));
        assert!(reset["reason"].as_str().unwrap().contains("this"), "{reset}");
        assert_eq!(numbers(&stream.events_to(last)), (1..=last).collect::<Vec<_>>());
    }
}

#[test]
fn a_client_that_does_not_read_costs_no_memory_and_gets_every_event_when_it_does() {
    const EVENTS_AT_ONCE: usize = 100;
    const ROUNDS: usize = 100;
    let home = Home::new();
    let monitor = home.monitor();
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", monitor.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    // 12 KiB an event, 117 MiB in each round; no string so long that it would be shortened.
    let event = json!({ "event": "big", "data": { "a": "x".repeat(12 * 1024) } });
    let batch = Value::from(vec![event; EVENTS_AT_ONCE]);
    // What as many events cost with a client that reads them all.
    let round = |from: u64| {
        let mut reads = Stream::open(&monitor, &format!("/api/v1/stream?since={from}"), &[]);
        std::thread::scope(|scope| {
            let last = from + (EVENTS_AT_ONCE * ROUNDS) as u64;
            let reader = scope.spawn(move || numbers(&reads.events_to(last)));
            for _ in 0..ROUNDS {
                emit(&monitor, &batch);
            }
            assert_eq!(reader.join().unwrap(), (from + 1..=last).collect::<Vec<_>>());
            last
        })
    };
    let between = round(1);
    let before = resident();
    let mut stuck: Vec<Stream> = ["since=0", &format!("since={between}")]
        .map(|since| Stream::open(&monitor, &format!("/api/v1/stream?{since}"), &[]))
        .into();
    let last = round(between);
    let after = resident();
    eprintln!("{before} MiB before, {after} MiB after");
    // The outbox holds 32 MiB at most, which the first round may have needed or not.
    assert!(after < before + 40, "{before} MiB before, {after} MiB after");

    assert_eq!(numbers(&stuck[0].events_to(last)), (1..=last).collect::<Vec<_>>());
    assert_eq!(numbers(&stuck[1].events_to(last)), (between + 1..=last).collect::<Vec<_>>());
}

#[test]
fn a_stream_ends_with_the_monitor_after_its_last_event() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut stream = Stream::open(&monitor, "/api/v1/stream", &[]);
    // Another one reads nothing, and holds nothing up.
    let _stuck = Stream::open(&monitor, "/api/v1/stream?since=0", &[]);
    stream.named("live");

    monitor.stop();

    assert_eq!(stream.named("system.stopped").data["kind"], "system.stopped");
    while let Some(message) = stream.next() {
        assert!(message.id.is_none(), "after the last event: {message:?}");
    }
}

#[test]
fn what_a_stream_cannot_be_asked_is_refused_with_a_reason() {
    let home = Home::new();
    let token = "a-token-for-streams";
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", token);
    let monitor = Monitor::start(command);
    let bearer = format!("Bearer {token}");
    let ask = |path: &str| monitor.request("GET", path, &[("authorization", &bearer)], "");

    for (path, reason) in [
        ("/api/v1/stream?since=yesterday", "yesterday"),
        ("/api/v1/stream?since=-1", "no event's number"),
        ("/api/v1/stream?q=is:blue", "is:blue"),
        ("/api/v1/stream?q=/(/", "regular expression"),
        ("/api/v1/stream?named=perhaps", "named must be true or false"),
    ] {
        let (status, body) = ask(path);
        assert_eq!(status, 400, "{path}");
        assert!(body.contains(reason), "{path}: {body}");
    }
    assert_eq!(monitor.request("GET", "/api/v1/stream", &[], "").0, 401);
    assert_eq!(monitor.request("POST", "/api/v1/stream", &[("authorization", &bearer)], "").0, 405);
    Stream::open(&monitor, "/api/v1/stream", &[("authorization", &bearer)]).named("hello");
}

#[test]
fn the_client_from_npm_comes_back_by_itself_after_kill_9_and_has_missed_nothing() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port;
    let address = monitor.url("/api/v1/stream?since=0&named=false");
    let Some(client) = node("eventsource.mjs", &[&address, "hello", "live", "gap", "reset"]) else { return };
    let mut client = Follower::start(client);
    let last = emit(&monitor, &many(30));
    client.wait("the events before", |said| said["data"]["seq"] == last);
    monitor.kill();
    client.wait("the connection broke", |said| said["event"] == "error");

    let monitor = home.monitor_on(port);
    let last = emit(&monitor, &many(30));
    client.wait("the events after", |said| said["data"]["seq"] == last);

    let told: Vec<u64> = client
        .seen()
        .iter()
        .filter(|said| said["event"] == "message")
        .filter_map(|said| said["data"]["seq"].as_u64())
        .collect();
    assert_eq!(told, (1..=last).collect::<Vec<_>>());
    assert!(!client.seen().iter().any(|said| said["event"] == "gap" || said["event"] == "reset"));
}
