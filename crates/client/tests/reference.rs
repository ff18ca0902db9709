//! The client against the reference server, Node's socket.io, with its connection state recovery.

use crate::support::{bytes, next, quick, within};
use client::{AckError, Backoff, Client, Config, Error, Incoming, Socket};
use serde_json::{Value, json};
use socketio::packet::placeholder;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const SOON: Duration = Duration::from_secs(20);

struct Reference {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stdin: ChildStdin,
    url: String,
}

impl Reference {
    /// `tests/clients/serve.mjs`. Without what `cargo xtask test` installs the test is skipped, and says so; where `CI` is
    /// set, that is a failure.
    async fn start() -> Option<Self> {
        let Some(folder) = std::env::var_os("CLAUDE_MPM_TEST_NODE_CLIENTS").filter(|path| !path.is_empty()) else {
            assert!(std::env::var_os("CI").is_none(), "a skip is a failure in CI");
            eprintln!("skipped: CLAUDE_MPM_TEST_NODE_CLIENTS is not set; run `cargo xtask test`");
            return None;
        };
        let script = std::path::Path::new(&folder).join("serve.mjs");
        let mut command = Command::new("node");
        let command = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stdin = child.stdin.take().unwrap();
        let mut reference = Self { _child: child, lines, stdin, url: String::new() };
        reference.url = format!("http://127.0.0.1:{}", reference.line().await["port"]);
        Some(reference)
    }

    async fn line(&mut self) -> Value {
        let line = within("a line from the reference server", self.lines.next_line()).await.unwrap();
        serde_json::from_str(&line.unwrap()).unwrap()
    }

    async fn tell(&mut self, line: Value) {
        within("the reference server to read", self.stdin.write_all(format!("{line}\n").as_bytes())).await.unwrap();
    }

    async fn client(&mut self, config: Config) -> (Client, Socket) {
        let client = Client::connect(&self.url, config).unwrap();
        let hook = client.socket("/hook").unwrap();
        assert_eq!(self.line().await["namespace"], "/hook");
        assert!(matches!(next(&hook).await, Incoming::Joined(_)));
        (client, hook)
    }
}

#[tokio::test]
async fn events_and_answers_go_both_ways_with_bytes_in_them() {
    let Some(mut reference) = Reference::start().await else { return };
    let (client, hook) = reference.client(quick()).await;
    let args = [json!({"é": ["🥊", null]}), placeholder(0), json!("x".repeat(100_000)), placeholder(1)];
    let attachments = [bytes(1_000), bytes(70_000)];
    let answer = hook.emit_binary_with_ack("ask", &args, &attachments, SOON).await.unwrap();
    assert_eq!((&answer.args[..], &answer.attachments[..]), (&args[..], &attachments[..]));
    let expected = json!([args[0], {"bytes": 1_000}, args[2], {"bytes": 70_000}]);
    assert_eq!(reference.line().await["args"], expected);
    let unanswered = hook.emit_with_ack("never answered", &[], Duration::from_millis(50)).await;
    assert_eq!(unanswered, Err(AckError::Timeout));
    reference.line().await;

    reference.tell(json!({"ask": "question", "args": [{"bytes": 300}, 2]})).await;
    let (event, ack) = within("a question", hook.next_event()).await.unwrap();
    assert_eq!((event.attachment(&event.args[0]), &event.args[1]), (Some(&bytes(300)), &json!(2)));
    ack.unwrap().send_binary(&[placeholder(0)], &[bytes(300)]).unwrap();
    assert_eq!(reference.line().await, json!({"answer": [{"bytes": 300}]}));
    reference.tell(json!({"ask": "question"})).await;
    drop(within("a question", hook.next_event()).await.unwrap());
    assert!(reference.line().await["error"].is_string());

    let main = client.socket("/").unwrap();
    assert_eq!(main.emit_with_ack("ask", &[json!(1)], SOON).await.unwrap().args, [json!(1)]);
    assert_eq!(client.stats().connections, 1);
}

#[tokio::test]
async fn a_refusal_has_the_reference_servers_words() {
    let Some(reference) = Reference::start().await else { return };
    let config = Config { auth: json!({"token": "wrong"}), ..quick() };
    let client = Client::connect(&reference.url, config).unwrap();
    let (hook, nowhere) = (client.socket("/hook").unwrap(), client.socket("/nowhere").unwrap());
    let Err(Error::Refused(refusal)) = within("an answer", hook.joined()).await else { panic!("not refused") };
    assert_eq!((refusal.message.as_str(), refusal.data), ("Invalid authentication token", Some(json!({"hint": 7}))));
    let Err(Error::Refused(refusal)) = within("an answer", nowhere.joined()).await else { panic!("not refused") };
    assert_eq!(refusal.message, "Invalid namespace");
}

#[tokio::test]
async fn what_the_reference_server_kept_comes_after_the_connection_broke() {
    let Some(mut reference) = Reference::start().await else { return };
    // Late enough to miss all: who comes back while the reference server publishes may get new events before older ones.
    let backoff = Backoff { first: Duration::from_millis(200), jitter: 0.0, factor: 1.0, ..Backoff::default() };
    let (_client, hook) = reference.client(Config { recovery: true, backoff, ..Config::default() }).await;
    let first = hook.joined().await.unwrap();
    let mut number = 0;
    for _ in 0..5 {
        reference.tell(json!({"emit": "news", "args": [number]})).await;
        let (event, _) = within("news", hook.next_event()).await.unwrap();
        assert_eq!((&event.args[0], event.args.len()), (&json!(number), 2));
        // Broken, and then something happens before the client can be back.
        reference.tell(json!({"cut": true})).await;
        for missed in 1..=20 {
            reference.tell(json!({"emit": "news", "args": [number + missed]})).await;
        }
        assert!(matches!(next(&hook).await, Incoming::Disconnected { .. }));
        let came = next(&hook).await;
        let Incoming::Joined(joined) = came else { panic!("{came:?} before it is back") };
        assert_eq!((joined.id.as_str(), joined.recovered), (first.id.as_str(), true));
        for missed in 1..=20 {
            let (event, _) = within("missed news", hook.next_event()).await.unwrap();
            assert_eq!(event.args[0], json!(number + missed));
        }
        number += 21;
    }
}
