//! The examples do what they say. `cargo test` builds them beside the tests.

use crate::support::{TestServer, within};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

fn example(name: &str, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let tests = std::env::current_exe().unwrap();
    let program: PathBuf = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is missing: `cargo build --examples -p client` builds it", program.display());
    let mut command = Command::new(program);
    let mut child = command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    within("a line", lines.next_line()).await.unwrap().unwrap()
}

#[tokio::test]
async fn emit_sends_one_event_and_prints_the_answer() {
    let mut server = TestServer::start().await;
    let (mut child, mut lines) = example("emit", &[&server.url(), "/hook", "post_tool", r#"{"tool_name":"Edit"}"#]);
    assert_eq!(line(&mut lines).await, r#"[{"tool_name":"Edit"}]"#);
    assert!(within("the end", child.wait()).await.unwrap().success());
    assert_eq!(server.hears().await.event.args, [json!({"tool_name": "Edit"})]);
    let (mut child, _) = example("emit", &["http://127.0.0.1:1", "/hook", "post_tool", "no JSON"]);
    assert!(!within("the end", child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn follow_prints_events_and_misses_none_while_the_server_restarts() {
    let server = TestServer::start().await;
    let (_child, mut lines) = example("follow", &[&server.url(), "/hook", "/log"]);
    for _ in 0..2 {
        assert!(line(&mut lines).await.contains("joined"));
    }
    server.publish("/hook");
    assert_eq!(line(&mut lines).await, r#"/hook news [{"seq":1},"1.0"]"#);
    let (port, kept) = server.stop().await;
    let server = TestServer::start_at(port, socketio::Config::default(), kept);
    server.publish("/hook");
    let mut news = Vec::new();
    while news.is_empty() {
        let line = line(&mut lines).await;
        if line.contains("news") {
            news.push(line);
        }
    }
    assert_eq!(news, [r#"/hook news [{"seq":2},"2.0"]"#]);
}

#[tokio::test]
async fn stream_logs_sends_what_the_program_logs() {
    let mut server = TestServer::start().await;
    let (mut child, _) = example("stream_logs", &[&server.url()]);
    let mut messages = Vec::new();
    for _ in 0..3 {
        let heard = server.hears().await;
        assert_eq!((heard.namespace.as_str(), heard.event.name.as_str()), ("/log", "message"));
        let payload: &Value = &heard.event.args[0];
        messages.push((payload["level"].clone(), payload["message"].clone(), payload["function"].clone()));
    }
    let expected = [
        ("INFO", "Claude session started successfully", "start_session"),
        ("WARNING", "the session has used 80 % of its context context.percent=80", "start_session"),
        ("ERROR", "the session ended with an error", "(unknown function)"),
    ];
    assert_eq!(messages, expected.map(|(level, message, function)| (json!(level), json!(message), json!(function))));
    assert!(within("the end", child.wait()).await.unwrap().success());
}
