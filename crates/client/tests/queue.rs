//! What waits to be sent: in order, bounded, counted, and never in the way of who emits.

use crate::by_hand;
use crate::support::{TestServer, event, next, quick, until, within};
use client::{AckError, Client, Config, Error, Incoming, Link};
use serde_json::json;
use socketio::engine::CloseReason;
use std::sync::Arc;
use std::time::Duration;

/// A port on which nobody listens now.
async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

fn start(port: u16) -> TestServer {
    TestServer::start_at(port, socketio::Config::default(), Arc::default())
}

#[tokio::test]
async fn what_is_emitted_before_there_is_a_server_arrives_in_order() {
    let port = free_port().await;
    let client = Client::connect(&format!("http://127.0.0.1:{port}"), quick()).unwrap();
    let sockets = [client.socket("/hook").unwrap(), client.socket("/log").unwrap()];
    for n in 0..100 {
        sockets[n % 2].emit("told", &[json!(n)]).unwrap();
    }
    assert_eq!(client.stats().waiting_packets, 100);
    assert!(!client.flush(Duration::from_millis(20)).await);
    let mut server = start(port);
    let (mut hook, mut log) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let heard = server.hears().await;
        let of = if heard.namespace == "/hook" { &mut hook } else { &mut log };
        of.push(heard.event.args[0].as_u64().unwrap());
    }
    assert!(hook.iter().copied().eq((0..100).step_by(2)) && log.iter().copied().eq((1..100).step_by(2)));
    assert!(client.flush(Duration::from_secs(20)).await);
    let stats = client.stats();
    assert_eq!((stats.waiting_packets, stats.waiting_bytes, stats.dropped_packets), (0, 0, 0));
    assert_eq!(stats.sent_packets, 100);
}

#[tokio::test]
async fn a_full_queue_loses_its_oldest_and_counts_them() {
    let port = free_port().await;
    let config = Config { queue_bytes_max: 64 * 1024, ..quick() };
    let client = Client::connect(&format!("http://127.0.0.1:{port}"), config).unwrap();
    let hook = client.socket("/hook").unwrap();
    let oldest = tokio::spawn({
        let hook = hook.clone();
        async move { hook.emit_with_ack("told", &[json!(0)], Duration::from_secs(20)).await }
    });
    until("the first to wait", || client.stats().waiting_packets == 1).await;
    for n in 1..10_000 {
        hook.emit("told", &[json!(n)]).unwrap();
        assert!(client.stats().waiting_bytes <= 64 * 1024);
    }
    assert_eq!(within("the oldest", oldest).await.unwrap(), Err(AckError::Dropped));
    let stats = client.stats();
    assert_eq!(stats.dropped_packets + stats.waiting_packets, 10_000);
    let mut server = start(port);
    for n in stats.dropped_packets..10_000 {
        assert_eq!(server.hears().await.event.args, [json!(n)]);
    }
}

#[tokio::test]
async fn a_server_that_takes_nothing_holds_nobody_up_and_is_given_up() {
    let config = Config { queue_bytes_max: 64 * 1024, write_stall_max: Duration::from_millis(100), ..quick() };
    let (client, mut connections) = by_hand::client(config, 4 * 1024);
    let hook = client.socket("/hook").unwrap();
    let stuck = connections.joined().await;
    within("the server to let it in", hook.joined()).await.unwrap();
    let text = json!("x".repeat(600));
    for _ in 0..20_000 {
        // Not one of these waits: there is no `await` in here.
        hook.emit("told", std::slice::from_ref(&text)).unwrap();
    }
    assert!(client.stats().waiting_bytes <= 64 * 1024 && client.stats().dropped_packets > 19_000);
    let mut link = client.link();
    let gone = link.wait_for(|link| matches!(link, Link::Waiting { .. }));
    let Link::Waiting { why, .. } = within("the end of the connection", gone).await.unwrap().clone() else { return };
    assert_eq!(why.to_string(), "the server took no byte for too long");
    drop(stuck);
    let mut again = connections.joined().await;
    assert!(again.text().await.starts_with(r#"42/hook,["told","xxx"#));
}

#[tokio::test]
async fn closing_sends_what_waits_and_leaves_for_good() {
    let mut server = TestServer::start().await;
    let client = server.client();
    let hook = client.socket("/hook").unwrap();
    for n in 0..1_000 {
        hook.emit("told", &[json!(n), json!("x".repeat(1_000))]).unwrap();
    }
    within("the client to close", client.close()).await;
    for n in 0..1_000 {
        assert_eq!(server.hears().await.event.args[0], json!(n));
    }
    assert_eq!(server.loses().await, CloseReason::ClientDisconnect);
    assert_eq!(hook.emit("late", &[]), Err(Error::Closed));
    assert_eq!(hook.joined().await, Err(Error::Closed));
    assert_eq!(client.socket("/new").unwrap().joined().await, Err(Error::Closed));
    while let Some(incoming) = within("the rest", hook.next()).await {
        assert!(matches!(incoming, Incoming::Joined(_) | Incoming::Disconnected { .. }), "{incoming:?}");
    }
}

#[tokio::test]
async fn dropping_the_last_handle_closes_too() {
    let mut server = TestServer::start().await;
    let client = server.client();
    let hook = client.socket("/hook").unwrap();
    drop(client);
    hook.emit("told", &[]).unwrap();
    drop(hook);
    assert_eq!(server.hears().await.event.name, "told");
    assert_eq!(server.loses().await, CloseReason::ClientDisconnect);
}

#[tokio::test]
async fn closing_waits_for_no_server_longer_than_it_was_told() {
    let config = Config { close_max: Duration::from_millis(50), ..quick() };
    let client = Client::connect("http://127.0.0.1:1", config).unwrap();
    client.socket("/hook").unwrap().emit("told", &[]).unwrap();
    within("the client to close", client.close()).await;
    assert!(matches!(*client.link().borrow(), Link::Closed { why: None }));
}

#[tokio::test]
async fn who_reads_slowly_is_waited_for_and_who_does_not_read_loses_the_oldest_and_is_told() {
    let server = TestServer::start().await;
    let config = Config { inbox_bytes_max: 8 * 1024, inbox_wait_max: Duration::from_secs(20), ..quick() };
    let client = Client::connect(&server.url(), config.clone()).unwrap();
    let slow = client.socket("/hook").unwrap();
    within("the server to let it in", slow.joined()).await.unwrap();
    server.publish_many(1_000, "/hook");
    for seq in 1..=1_000 {
        assert_eq!(event(&slow).await.1, [json!({"seq": seq})]);
        tokio::task::yield_now().await;
    }
    drop((client, slow));

    let impatient = Config { inbox_wait_max: Duration::from_millis(10), ..config };
    let client = Client::connect(&server.url(), impatient).unwrap();
    let (asleep, awake) = (client.socket("/hook").unwrap(), client.socket("/log").unwrap());
    within("the server to let it in", asleep.joined()).await.unwrap();
    server.publish_many(1_000, "/hook");
    // The sleeper's neighbour on the same connection is served.
    awake.emit_with_ack("heard", &[], Duration::from_secs(20)).await.unwrap();
    until("everything to arrive", || client.stats().received_packets >= 1_000).await;
    assert!(matches!(next(&asleep).await, Incoming::Joined(_)));
    let Incoming::Lost { events } = next(&asleep).await else { panic!("not told") };
    for seq in events + 1..=1_000 {
        assert_eq!(event(&asleep).await.1, [json!({"seq": seq + 1_000})]);
    }
}
