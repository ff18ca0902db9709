//! The documents' own example clients work against the real program, as printed.

use serde_json::{Value, json};

use crate::support::{self, Follower, Home, Monitor};

fn session_start(session: &str) -> String {
    json!({ "session_id": session, "hook_event_name": "SessionStart", "source": "startup", "cwd": "/w/app" })
        .to_string()
}

/// Runs an example until it has printed `wanted`, while `meanwhile` is repeated: it prints no line when it is ready.
fn prints(mut command: std::process::Command, wanted: &str, meanwhile: impl Fn(usize)) {
    let mut process =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::inherit()).spawn().unwrap();
    let lines = support::lines_of(process.stdout.take().unwrap());
    let mut seen = Vec::new();
    let mut round = 0;
    support::eventually(wanted, || {
        round += 1;
        if round % 20 == 1 {
            meanwhile(round);
        }
        seen.extend(lines.try_iter());
        assert!(
            process.try_wait().unwrap().is_none() || seen.iter().any(|line| line.contains(wanted)),
            "it ended after {seen:#?}"
        );
        seen.iter().any(|line| line.contains(wanted)).then_some(())
    });
    let _ = process.kill();
    let _ = process.wait();
}

fn with_port(mut command: std::process::Command, monitor: &Monitor) -> std::process::Command {
    command.env("PORT", monitor.port.to_string());
    command
}

#[test]
fn the_socketio_guides_javascript_client_sees_sessions_start_and_logs_come() {
    let Some(client) = support::node("document-5-basic.js", &[]) else { return };
    let home = Home::new();
    let monitor = home.monitor();
    prints(with_port(client, &monitor), "Session started: js-", |round| {
        home.hook(monitor.port, session_start(&format!("js-{round}")).as_bytes());
    });
    let client = support::node("document-5-basic.js", &[]).unwrap();
    prints(with_port(client, &monitor), "[INFO] hello from the log", |_| {
        monitor.post(
            "/emit",
            r#"{"namespace":"/log","event":"message","data":{"level":"INFO","message":"hello from the log"}}"#,
        );
    });
}

#[test]
fn the_socketio_guides_python_client_prints_the_status() {
    let Some(client) = support::python("document-5-python.py", &[]) else { return };
    let home = Home::new();
    let monitor = home.monitor();
    prints(with_port(client, &monitor), "System status: ", |_| {});
}

#[test]
fn the_websocket_documents_python_client_prints_every_event() {
    let Some(client) = support::python("document-4-python.py", &[]) else { return };
    let home = Home::new();
    let monitor = home.monitor();
    prints(with_port(client, &monitor), "session.start: ", |round| {
        home.hook(monitor.port, session_start(&format!("py-{round}")).as_bytes());
    });
}

#[test]
fn the_websocket_documents_javascript_client_prints_every_event() {
    let Some(folder) = support::tool("CLAUDE_MPM_TEST_NODE_CLIENTS") else { return };
    let home = Home::new();
    let monitor = home.monitor();
    let mut client = std::process::Command::new("node");
    client.arg("--require").arg(folder.join("websocket-global.cjs")).arg(folder.join("document-4-javascript.js"));
    prints(with_port(client, &monitor), "session.start", |round| {
        home.hook(monitor.port, session_start(&format!("ws-{round}")).as_bytes());
    });
}

#[test]
fn a_token_is_brought_in_auth_and_a_wrong_one_is_refused_by_its_printed_name() {
    let Some(mut right) = support::node("follow.mjs", &[]) else { return };
    let home = Home::new();
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "your-auth-token");
    let monitor = Monitor::start(command);

    right.args(["--url", &monitor.url(""), "--namespaces", "/system", "--auth", r#"{"token":"your-auth-token"}"#]);
    Follower::start(right).event("/system", "status");

    let mut wrong = support::node("follow.mjs", &[]).unwrap();
    wrong.args(["--url", &monitor.url(""), "--namespaces", "/system", "--auth", r#"{"token":"wrong"}"#]);
    let refused = Follower::start(wrong).event("/system", "connect_error");
    assert!(refused.to_string().contains("Invalid authentication token"), "{refused}");
}

#[test]
fn eight_namespaces_get_their_events_over_websocket_and_polling_from_javascript_and_python() {
    let all = "/,/system,/session,/claude,/agent,/hook,/todo,/memory,/log";
    for transport in ["websocket", "polling"] {
        for client in [support::node("follow.mjs", &[]), support::python("follow.py", &[])] {
            let Some(mut client) = client else { return };
            let home = Home::new();
            let monitor = home.monitor();
            client.args(["--url", &monitor.url(""), "--namespaces", all, "--transport", transport]);
            let mut follower = Follower::start(client);
            for namespace in all.split(',') {
                follower.event(namespace, "connect");
            }

            for hook in recorded("basic").iter().chain(&recorded("todos")) {
                home.hook(monitor.port, hook.to_string().as_bytes());
            }

            for (namespace, event) in [
                ("/session", "start"),
                ("/hook", "user_prompt"),
                ("/hook", "pre_tool"),
                ("/hook", "post_tool"),
                ("/agent", "task_delegated"),
                ("/agent", "task_completed"),
                ("/agent", "agent_switched"),
                ("/claude", "status_changed"),
                ("/claude", "thinking"),
                ("/todo", "updated"),
                ("/todo", "task_added"),
                ("/todo", "task_completed"),
                ("/memory", "loaded"),
                ("/session", "end"),
                ("/", "agent_activity"),
                ("/", "file_operation"),
                ("/", "session_update"),
                ("/system", "status"),
            ] {
                follower.event(namespace, event);
            }
            let updated = follower.event("/todo", "updated");
            assert!(updated["data"]["stats"]["total"].is_u64() && updated["data"]["todos"].is_array(), "{updated}");
        }
    }
}

#[test]
fn an_event_that_a_client_emits_is_acknowledged_when_it_is_stored_and_reaches_the_others() {
    let Some(mut client) = support::node("follow.mjs", &[]) else { return };
    let home = Home::new();
    let monitor = home.monitor();
    client.args(["--url", &monitor.url(""), "--namespaces", "/hook"]);
    let mut follower = Follower::start(client);
    follower.event("/hook", "connect");

    follower.tell(&json!({ "namespace": "/hook", "event": "post_tool", "data": { "tool_name": "Edit", "success": true, "session_id": "s9" } }));

    let acknowledged = follower.wait("an acknowledgement", |said| said["ack"] == true);
    let answer = acknowledged["data"].as_array().map_or(&acknowledged["data"], |all| &all[0]);
    let event = monitor.get(&format!("/api/v1/events/{}", answer["seq"]));
    assert_eq!((&event["kind"], &event["session_id"]), (&json!("tool_call.finished"), &json!("s9")));
    let seen = follower.wait("the event itself", |said| said["event"] == "post_tool" && said["ack"] != true);
    assert_eq!(seen["data"]["tool_name"], "Edit");
}

#[test]
fn a_client_that_was_there_all_along_sees_every_recorded_hook_in_order() {
    let Some(mut client) = support::node("follow.mjs", &[]) else { return };
    let home = Home::new();
    let monitor = home.monitor();
    client.args(["--url", &monitor.url(""), "--namespaces", "/hook,/session,/agent,/todo,/memory,/claude,/system"]);
    let mut follower = Follower::start(client);
    follower.event("/system", "connect");
    follower.event("/hook", "connect");

    let hooks = recorded("parallel");
    for hook in &hooks {
        home.hook(monitor.port, hook.to_string().as_bytes());
    }

    let stored = monitor.history_when(|events| events.iter().any(|event| event["kind"] == "session.ended"));
    let last = stored.iter().rev().find(|event| event["kind"] == "session.ended").unwrap()["seq"].clone();
    follower.wait("the last event", |said| said["data"]["seq"] == last && said["namespace"] == "/session");
    for namespace in ["/hook", "/agent"] {
        let seen: Vec<u64> = follower
            .seen()
            .iter()
            .filter(|said| said["namespace"] == namespace && said["event"] != "agent_switched")
            .filter_map(|said| said["data"]["seq"].as_u64())
            .collect();
        let expected: Vec<u64> = stored
            .iter()
            .filter(|event| event["namespace"] == namespace && event["seq"].as_u64() <= last.as_u64())
            .map(|event| event["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seen, expected, "{namespace}");
    }
}

/// The hooks of a recorded run.
pub(crate) fn recorded(scenario: &str) -> Vec<Value> {
    let path = support::repository().join("fixtures/claude").join(scenario).join("hooks.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["payload"].clone()).collect()
}

#[test]
fn half_an_emoji_is_taken_as_javascript_writes_it() {
    let home = Home::new();
    let monitor = home.monitor();
    let url = format!("http://127.0.0.1:{}", monitor.port);
    let Some(client) = support::node("follow.mjs", &["--url", &url, "--namespaces", "/log"]) else { return };
    let mut client = Follower::start(client);
    client.event("/log", "connect");
    // The client parses and writes it again: as an escape, for JSON has no other way.
    client.tell_raw(r#"{"namespace":"/log","event":"message","data":{"level":"INFO","message":"cut \ud83d"}}"#);
    let heard = client.wait("the line", |said| said["event"] == "message" && said["ack"].is_null());
    assert_eq!(heard["data"]["message"], "cut \u{fffd}");
    assert!(client.seen().iter().all(|said| said["event"] != "disconnect"));
}
