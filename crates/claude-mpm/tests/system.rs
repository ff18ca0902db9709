//! What a person looks at when something seems wrong: clients, the store, the log, the doctor, other monitors; exports;
//! and what was said in a session.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Home, Monitor, eventually};

/// A monitor that asks for a token, so that a request without it is nobody's.
fn guarded(home: &Home) -> Monitor {
    let mut command = home.program(&["monitor", "start", "--foreground", "--no-dashboard", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "open-sesame");
    Monitor::start(command)
}

/// A stream of events: its connection, and its first line.
fn stream(monitor: &Monitor) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", monitor.port)).unwrap();
    stream.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
    write!(stream, "GET /api/v1/stream HTTP/1.1\r\nhost: localhost:{}\r\nuser-agent: a listener\r\n\r\n", monitor.port)
        .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("200"), "{line}");
    reader
}

#[test]
fn clients_are_listed_and_one_is_sent_away() {
    let home = Home::new();
    let monitor = home.monitor();
    let mut listener = stream(&monitor);
    let clients = eventually("the listener is listed", || {
        let clients = monitor.get("/api/v1/clients")["clients"].as_array().unwrap().clone();
        (clients.len() == 1).then_some(clients)
    });
    assert_eq!((&clients[0]["transport"], &clients[0]["user_agent"]), (&json!("stream"), &json!("a listener")));
    let id = clients[0]["id"].as_str().unwrap();
    let (status, body) = monitor.post(&format!("/api/v1/clients/{id}/disconnect"), "");
    assert_eq!(status, 200, "{body}");
    // Reading comes to an end.
    let mut rest = String::new();
    while listener.read_line(&mut rest).unwrap() > 0 {}
    eventually("nobody is listed", || {
        monitor.get("/api/v1/clients")["clients"].as_array().unwrap().is_empty().then_some(())
    });
    assert_eq!(monitor.post(&format!("/api/v1/clients/{id}/disconnect"), "").0, 404);
}

#[test]
fn a_socketio_client_is_listed_under_a_name_that_is_not_its_key_and_is_sent_away() {
    let Some(mut client) = crate::support::node("follow.mjs", &[]) else { return };
    let home = Home::new();
    let monitor = home.monitor();
    client.args(["--url", &monitor.url(""), "--namespaces", "/hook"]);
    let mut client = crate::support::Follower::start(client);
    client.event("/hook", "connect");
    let clients = monitor.get("/api/v1/clients")["clients"].as_array().unwrap().clone();
    assert_eq!((clients.len(), &clients[0]["namespaces"]), (1, &json!(["/hook"])), "{clients:#?}");
    assert!(clients[0]["behind_ms"].is_u64() && clients[0]["dropped_packets"] == 0, "{clients:#?}");
    assert_eq!((&clients[0]["subscriptions"], clients[0].get("round_trip_ms")), (&json!(1), None), "{clients:#?}");
    let sent = clients[0]["sent_packets"].as_u64().unwrap();
    assert!(clients[0]["received_packets"].as_u64().unwrap() > 0, "it joined a namespace: {clients:#?}");
    let hook = json!({ "session_id": "s1", "hook_event_name": "UserPromptSubmit", "prompt": "Go", "prompt_id": "p" });
    assert_eq!(monitor.post("/api/events", &hook.to_string()).0, 204);
    eventually("what it was sent is counted", || {
        let now = monitor.get("/api/v1/clients")["clients"][0].clone();
        (now["sent_packets"].as_u64() > Some(sent) && now["waiting_packets"] == 0).then_some(())
    });
    let id = clients[0]["id"].as_str().unwrap();
    assert_eq!(monitor.post(&format!("/api/v1/clients/{id}/disconnect"), "").0, 200);
    client.event("/hook", "disconnect");
}

#[test]
fn who_brings_no_token_learns_and_does_nothing() {
    let home = Home::new();
    let monitor = guarded(&home);
    for path in [
        "doctor",
        "monitors",
        "log",
        "store",
        "clients",
        "events/export",
        "sessions/s1/transcript",
        "sessions/s1/spans",
    ] {
        assert_eq!(monitor.request("GET", &format!("/api/v1/{path}"), &[], "").0, 401, "{path}");
    }
    assert_eq!(monitor.request("POST", "/api/v1/clients/guest-1/disconnect", &[], "").0, 401);
    // Another page of this machine may connect, and looks at the live events alone.
    let open = home.monitor();
    let origin = [("origin", "http://localhost:1")];
    for path in ["doctor", "monitors", "log", "store", "files/diff?path=/w", "sessions/s1/transcript"] {
        let (status, body) = open.request("GET", &format!("/api/v1/{path}"), &origin, "");
        assert!(status == 403 && !body.contains("origin_not_allowed"), "{path}: {status} {body}");
    }
    let token = [("authorization", "Bearer open-sesame")];
    for path in ["doctor", "monitors", "log", "store", "clients", "events/export"] {
        let (status, body) = monitor.request("GET", &format!("/api/v1/{path}"), &token, "");
        assert_eq!(status, 200, "{path}: {body}");
    }
}

#[test]
fn the_doctor_the_log_and_the_store_answer_as_the_commands_do() {
    let home = Home::new();
    let monitor = home.monitor();
    monitor.post("/emit", r#"{"event":"x"}"#);
    let doctor = monitor.get("/api/v1/doctor");
    let by_command = home.program(&["doctor", "--json"]).output().unwrap();
    let by_command: Value = serde_json::from_slice(&by_command.stdout).unwrap();
    let names = |checks: &Value| -> Vec<Value> {
        checks["checks"].as_array().unwrap().iter().map(|check| check["check"].clone()).collect()
    };
    assert!(!names(&doctor).is_empty());
    assert_eq!(names(&doctor), names(&by_command));

    let log = monitor.get("/api/v1/log?tail=50");
    let lines = log["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line.as_str().unwrap().contains("listening on")), "{log:#}");
    assert!(lines.len() <= 50);
    assert_eq!(monitor.request("GET", "/api/v1/log?tail=0", &[], "").0, 400);

    let store = monitor.get("/api/v1/store");
    let day = &store["days"][0];
    assert_eq!((&store["events"], &store["encrypted"]), (&day["events"], &json!(true)));
    assert_eq!(day["seq_first"], 1);
    assert!(day["bytes"].as_u64().unwrap() > 0 && store.get("next_to_go").is_none(), "{store:#}");
}

#[test]
fn an_export_has_every_event_once_in_order_and_says_what_it_is() {
    let home = Home::new();
    let monitor = home.monitor();
    let many: Vec<Value> = (0..5_000)
        .map(|number| json!({ "event": "counted", "data": { "number": number, "text": "=1+1, \"quoted\"" } }))
        .collect();
    for _ in 0..2 {
        assert_eq!(monitor.post("/emit", &json!(many).to_string()).0, 200);
    }
    let (status, body) = monitor.request("GET", "/api/v1/events/export", &[], "");
    assert_eq!(status, 200);
    let exported: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported, monitor.history());
    assert!(exported.len() > 10_000);

    let (_, body) = monitor.request("GET", "/api/v1/events/export?q=counted&format=csv", &[], "");
    let mut rows = body.split("\r\n");
    assert!(rows.next().unwrap().starts_with("seq,time,"), "{body:.200}");
    let rows: Vec<&str> = rows.filter(|row| !row.is_empty()).collect();
    assert_eq!(rows.len(), 10_000);
    assert!(rows[0].contains(r#"=1+1, \""quoted\"""#), "{}", rows[0]);
    assert_eq!(monitor.request("GET", "/api/v1/events/export?format=xml", &[], "").0, 400);
    assert_eq!(monitor.request("GET", "/api/v1/events/export?q=took:%3Ex", &[], "").0, 400);
}

/// More than waits in any socket.
fn store_large(monitor: &Monitor) {
    let many: Vec<Value> = (0..2_000)
        .map(|number| json!({ "event": "large", "data": { "number": number, "text": "x".repeat(4_000) } }))
        .collect();
    assert_eq!(monitor.post("/emit", &json!(many).to_string()).0, 200);
}

/// Whether an export begins, and the connection on which it would come.
fn take(monitor: &Monitor) -> (bool, TcpStream) {
    let mut taker = TcpStream::connect(("127.0.0.1", monitor.port)).unwrap();
    write!(taker, "GET /api/v1/events/export HTTP/1.1\r\nhost: localhost:{}\r\n\r\n", monitor.port).unwrap();
    let mut line = String::new();
    BufReader::new(taker.try_clone().unwrap()).read_line(&mut line).unwrap();
    (line.contains(" 200 "), taker)
}

#[test]
fn an_export_nobody_takes_any_more_keeps_nothing_from_stopping() {
    let home = Home::new();
    let monitor = home.monitor();
    store_large(&monitor);
    let (begun, _taker) = take(&monitor);
    assert!(begun);
    // It reads no further, and the monitor stops all the same.
    monitor.stop();
}

#[test]
fn so_many_exports_are_taken_at_a_time_and_no_more() {
    let home = Home::new();
    let monitor = home.monitor();
    store_large(&monitor);
    let mut takers: Vec<TcpStream> = Vec::new();
    // One after another, none of which is taken to its end.
    let refused = loop {
        match take(&monitor) {
            (true, taker) => takers.push(taker),
            (false, _) => break takers.len(),
        }
        assert!(takers.len() <= 16, "they are bounded");
    };
    assert_eq!(refused, 16);
    let (status, body) = monitor.request("GET", "/api/v1/events/export", &[], "");
    assert!(status == 503 && body.contains("too_many_exports"), "{status} {body}");
    drop(takers);
    eventually("there is room again", || take(&monitor).0.then_some(()));
}

#[test]
fn what_was_said_is_told_by_turns_from_the_end_and_joined_with_its_calls() {
    let home = Home::new();
    let monitor = home.monitor();
    let folder = home.path().join(".claude/projects/-w-app");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("s1.jsonl");
    let mut lines = String::new();
    for turn in 0..12 {
        let prompt = json!({ "type": "user", "uuid": format!("p{turn}"), "timestamp": "2026-11-20T10:00:00.000Z", "message": { "role": "user", "content": format!("prompt {turn} with sk-ant-api03-{}", "a".repeat(90)) } });
        let answer = json!({ "type": "assistant", "uuid": format!("a{turn}"), "timestamp": "2026-11-20T10:00:01.000Z", "message": { "id": format!("m{turn}"), "model": "x",
            "content": [{ "type": "text", "text": "x".repeat(20_000) }, { "type": "tool_use", "id": format!("t{turn}"), "name": "Bash", "input": { "command": "make" } }] } });
        let result = json!({ "type": "user", "uuid": format!("r{turn}"), "message": { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": format!("t{turn}"), "content": "made", "is_error": false }] } });
        lines.push_str(&format!("{prompt}\n{answer}\n{result}\nnot json\n"));
    }
    fs::write(&path, &lines).unwrap();
    for name in ["PreToolUse", "PostToolUse"] {
        let hook = json!({ "session_id": "s1", "hook_event_name": name, "tool_name": "Bash", "tool_use_id": "t11", "cwd": "/w/app", "prompt_id": "p",
            "transcript_path": path, "tool_input": { "command": "make" }, "tool_response": { "stdout": "made" } });
        assert_eq!(monitor.post("/api/events", &hook.to_string()).0, 204);
    }
    let last = monitor.get("/api/v1/sessions/s1/transcript?limit=2");
    let prompts = |window: &Value| -> Vec<String> {
        let entries = window["entries"].as_array().unwrap().iter();
        entries
            .filter(|entry| entry["is_prompt"] == true)
            .map(|entry| entry["uuid"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(prompts(&last), ["p10", "p11"]);
    assert!(!last.to_string().contains("sk-ant-api03"), "credentials are replaced");
    let said = &last["entries"][1]["blocks"];
    assert_eq!(said[0]["cut_bytes"], 20_000 - (16 << 10));
    let joined: Vec<&Value> = last["entries"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|entry| entry["blocks"].as_array().unwrap())
        .filter(|block| block["tool_use_id"] == "t11")
        .collect();
    assert_eq!(
        (&joined[0]["status"], joined[0]["seq"].is_u64(), joined[1]["seq"].is_u64()),
        (&json!("ok"), true, true)
    );
    assert!(joined[0]["seq"].as_u64() < joined[1]["seq"].as_u64());

    let mut all = prompts(&last);
    let mut next = last["next"].as_u64();
    while let Some(before) = next {
        let window = monitor.get(&format!("/api/v1/sessions/s1/transcript?limit=3&before={before}"));
        let mut earlier = prompts(&window);
        earlier.append(&mut all);
        all = earlier;
        next = window["next"].as_u64();
    }
    assert_eq!(all, (0..12).map(|turn| format!("p{turn}")).collect::<Vec<_>>(), "every turn once");

    // A credential that lies where a long text is cut.
    let long = format!("{} sk-ant-api03-{}", "x".repeat((16 << 10) - 30), "a".repeat(90));
    let said = json!({ "type": "user", "uuid": "long", "message": { "role": "user", "content": long } });
    fs::write(&path, format!("{said}\n")).unwrap();
    let window = monitor.get("/api/v1/sessions/s1/transcript");
    let shown = window["entries"][0]["blocks"][0]["text"].as_str().unwrap();
    assert!(shown.starts_with("xxx") && !shown.contains("sk-ant"), "{}", &shown[shown.len() - 60..]);

    fs::remove_file(&path).unwrap();
    let (status, body) = monitor.request("GET", "/api/v1/sessions/s1/transcript", &[], "");
    assert!(status == 404 && body.contains("no_transcript") && body.contains("removed"), "{body}");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert_eq!(monitor.request("GET", "/api/v1/sessions/s1/transcript", &[], "").0, 404, "a pipe holds nobody");
}

#[test]
fn a_file_of_a_session_is_compared_with_git_and_nothing_of_the_repository_is_run() {
    if crate::support::program_on_path("git").is_none() || crate::support::program_on_path("diff").is_none() {
        return;
    }
    let home = Home::new();
    let monitor = home.monitor();
    let app = fs::canonicalize(home.path()).unwrap().join("app");
    fs::create_dir_all(app.join("src")).unwrap();
    let git = |arguments: &[&str]| {
        let mut command =
            home.command("git", &["-C", app.to_str().unwrap(), "-c", "user.name=a", "-c", "user.email=a@b"]);
        assert!(command.args(arguments).output().unwrap().status.success(), "{arguments:?}");
    };
    fs::write(app.join("src/a.txt"), "one\ntwo\n").unwrap();
    fs::write(app.join("src/gone.txt"), "was\n").unwrap();
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "first"]);
    // What an agent may have written: programs that `git diff` would run.
    let trap = app.join("trap.sh");
    fs::write(&trap, format!("#!/bin/sh\ntouch {}/sprung\ncat\n", app.display())).unwrap();
    fs::set_permissions(&trap, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for key in ["filter.x.clean", "diff.x.textconv", "diff.external", "core.fsmonitor"] {
        git(&["config", key, trap.to_str().unwrap()]);
    }
    fs::write(app.join(".gitattributes"), "* filter=x diff=x\n").unwrap();
    fs::write(app.join("src/a.txt"), "one\n2\n").unwrap();
    fs::write(app.join("src/new.txt"), "new\n").unwrap();
    fs::remove_file(app.join("src/gone.txt")).unwrap();
    fs::write(home.path().join("secret.txt"), "not of the session\n").unwrap();
    let start = json!({ "session_id": "s1", "hook_event_name": "SessionStart", "source": "startup", "cwd": app });
    assert_eq!(monitor.post("/api/events", &start.to_string()).0, 204);

    let ask = |path: &str| {
        let (status, body) = monitor.request("GET", &format!("/api/v1/files/diff?against=git&path={path}"), &[], "");
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let below = |name: &str| ask(&format!("{}/{name}", app.display()));
    let (status, changed) = below("src/a.txt");
    assert_eq!(status, 200, "{changed:#}");
    assert!(changed["diff"].as_str().unwrap().ends_with("@@ -1,2 +1,2 @@\n one\n-two\n+2\n"), "{changed:#}");
    assert_eq!(below("src/new.txt").1["is_new"], true);
    assert_eq!(below("src/gone.txt").1["is_deleted"], true);
    assert_eq!(below("src/never.txt").0, 404);
    assert_eq!(ask(&format!("{}/secret.txt", home.path().display())).0, 404, "outside of every session's folder");
    assert_eq!(below("../secret.txt").0, 404);
    std::os::unix::fs::symlink(home.path().join("secret.txt"), app.join("link.txt")).unwrap();
    assert_eq!(below("link.txt").0, 404, "a link out of it");
    let pipe = app.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (status, refused) = below("pipe");
    assert!(status == 404 && refused["error"]["code"] == "not_compared", "a pipe holds nobody: {refused:#}");
    assert!(!app.join("sprung").exists(), "nothing that the repository names was run");
}
