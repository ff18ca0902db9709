//! The log layer, as the whole process's subscriber; so it has a process of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "the other test binary uses the rest")]
mod support;

use client::{Client, ClientProxy, Config, Connector, Emitter, Link, LogLayer};
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use support::{TestServer, quick, within};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

/// Where the process's log goes; nowhere at first.
static TARGET: OnceLock<ClientProxy> = OnceLock::new();

struct Switch;

impl Emitter for Switch {
    fn emit_event(&self, namespace: &str, event: &str, data: &Value) -> Result<(), client::Error> {
        // Logged while the event is handed over, which must not lead back here.
        tracing::error!(target: "elsewhere", "handing over");
        TARGET.get().map_or(Ok(()), |proxy| proxy.emit_event(namespace, event, data))
    }
}

async fn message(server: &mut TestServer) -> Value {
    let mut heard = server.hears().await;
    assert_eq!((heard.namespace.as_str(), heard.event.name.as_str()), ("/log", "message"));
    heard.event.args.remove(0)
}

/// One test, because the subscriber is the process's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_streamed_as_documented_without_waiting_and_without_an_echo() {
    // Everything of every crate, at every level: the client's and the in-process server's own lines, too.
    let layer = LogLayer::new(Arc::new(Switch)).with_level(LevelFilter::TRACE).ignoring("noise");
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    let mut server = TestServer::start().await;
    let _ = TARGET.set(ClientProxy::connect(&server.url(), quick()).unwrap());
    has_the_printed_payload(&mut server).await;
    only_what_the_program_logs_is_sent(&mut server).await;
    never_waits(server).await;
}

async fn has_the_printed_payload(server: &mut TestServer) {
    let line = line!() + 3;
    {
        let _span = tracing::info_span!("start_session", id = 7).entered();
        tracing::info!(session.id = "s1", count = 2, "Claude session {} successfully", "started");
    }
    let mut payload = message(server).await;
    let object = payload.as_object_mut().unwrap();
    let keys: Vec<_> = object.keys().cloned().collect();
    let printed = ["timestamp", "level", "logger", "message", "module", "function", "line", "thread", "thread_name"];
    assert_eq!(keys, printed);
    let timestamp = object["timestamp"].as_str().unwrap();
    assert!(timestamp.len() == 24 && timestamp.ends_with('Z') && timestamp.as_bytes()[19] == b'.', "{timestamp}");
    let told = jiff::Timestamp::now().duration_since(timestamp.parse().unwrap());
    assert!(told.as_secs().abs() < 60, "{timestamp}");
    assert_eq!(object["level"], "INFO");
    assert_eq!(object["logger"], "log_stream");
    assert_eq!(object["message"], r#"Claude session started successfully session.id="s1" count=2"#);
    assert_eq!(object["module"], "log_stream");
    assert_eq!(object["function"], "start_session");
    assert_eq!(object["line"], line);
    assert!(object["thread"].as_u64().unwrap() > 0 && object["thread_name"].is_string());
    tracing::warn!(target: "claude_mpm::core", "{}", "é".repeat(20_000));
    let long = message(server).await;
    assert_eq!((&long["level"], &long["logger"]), (&"WARNING".into(), &"claude_mpm.core".into()));
    let text = long["message"].as_str().unwrap();
    assert!(text.ends_with("é…") && text.len() <= 16 * 1024 + 3);
}

/// Connections come and go meanwhile, of which client and server log lines of their own: none may be sent.
async fn only_what_the_program_logs_is_sent(server: &mut TestServer) {
    for n in 0..50 {
        let client = Client::connect(&server.url(), Config::default()).unwrap();
        within("the server to let it in", client.socket("/hook").unwrap().joined()).await.unwrap();
        tracing::debug!("line {n}");
        tracing::error!(target: "noise", "not wanted");
        tracing::error!(target: "noise::below", "not wanted");
        tracing::error!(target: "noisemaker", "wanted");
        client.close().await;
    }
    // Not even what a library of another name logs in the client's own task.
    let connector = Connector::plain(|_, _| async {
        tracing::error!(target: "resolver", "no such host");
        Err::<tokio::io::Empty, _>(std::io::Error::other("no such host"))
    });
    let unreachable = Client::connect("http://nowhere", Config { connector, ..quick() }).unwrap();
    let _hook = unreachable.socket("/hook").unwrap();
    let mut link = unreachable.link();
    let failed = link.wait_for(|link| matches!(link, Link::Waiting { .. }));
    within("an attempt to fail", failed).await.unwrap();
    tracing::trace!("the last line");
    for n in 0..50 {
        assert_eq!(message(server).await["message"], format!("line {n}"));
        assert_eq!(message(server).await["message"], "wanted");
    }
    assert_eq!(message(server).await["message"], "the last line");
}

/// With the server gone, a program that logs is not held up and its memory is bounded.
async fn never_waits(server: TestServer) {
    let (port, kept) = server.stop().await;
    let proxy = TARGET.get().unwrap().client();
    let began = Instant::now();
    let text = "x".repeat(1_000);
    for n in 0..20_000 {
        tracing::info!("{n} {text}");
    }
    // Twenty microseconds a line would be 0.4 s; a line that waits for anything takes far longer.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(proxy.stats().waiting_bytes <= 4 * 1024 * 1024 && proxy.stats().dropped_packets > 10_000);
    let mut server = TestServer::start_at(port, socketio::Config::default(), kept);
    let mut last = message(&mut server).await["message"].as_str().unwrap().to_owned();
    while !last.starts_with("19999 ") {
        last = message(&mut server).await["message"].as_str().unwrap().to_owned();
    }
}
