//! Servers that go and come back: the client does the same, and gets what it missed.

use crate::support::{TestServer, event, next, quick, until, within};
use client::{Backoff, Client, Config, Error, Incoming, Link, Socket};
use serde_json::json;
use std::time::Duration;

fn recovering() -> Config {
    Config { recovery: true, ..quick() }
}

/// Expects exactly these events, and nothing else but comings and goings; whether it was recovered each time it came.
async fn gets(socket: &Socket, events: std::ops::RangeInclusive<u64>) -> Vec<bool> {
    let mut joined = Vec::new();
    for seq in events {
        loop {
            match next(socket).await {
                Incoming::Event { event, .. } => {
                    assert_eq!(event.args, [json!({"seq": seq}), json!(format!("{seq}.0"))]);
                    break;
                }
                Incoming::Joined(again) => joined.push(again.recovered),
                Incoming::Disconnected { .. } => {}
                other => panic!("{other:?} before {seq}"),
            }
        }
    }
    joined
}

#[tokio::test]
async fn after_a_restart_the_client_is_who_it_was_and_has_missed_nothing() {
    let mut server = TestServer::start().await;
    let client = Client::connect(&server.url(), recovering()).unwrap();
    let (hook, log) = (client.socket("/hook").unwrap(), client.socket("/log").unwrap());
    let first = within("the server to let it in", hook.joined()).await.unwrap();
    within("the server to let it in", log.joined()).await.unwrap();
    server.publish_many(3, "/hook");
    server.publish("/log");
    assert_eq!(gets(&hook, 1..=3).await, [false]);
    assert_eq!(gets(&log, 1..=1).await, [false]);
    for round in 0..3 {
        // Published to nobody, or to a connection that breaks before it is read.
        server.publish("/hook");
        let (port, kept) = server.stop().await;
        server = TestServer::start_at(port, socketio::Config::default(), kept);
        server.publish_many(300, "/hook");
        let (from, to) = (4 + round * 301, 304 + round * 301);
        let joined = gets(&hook, from..=to).await;
        assert!(joined.is_empty() || joined == [true], "{joined:?}");
        until("both to be back", || server.server.sockets("/log").len() == 1).await;
    }
    server.publish("/log");
    // Three comings that nobody read are one.
    assert_eq!(gets(&log, 2..=2).await, [true]);
    assert_eq!(hook.joined().await.unwrap().id, first.id);
    assert_eq!(client.stats().connections, 4);
}

#[tokio::test]
async fn much_that_was_missed_comes_at_the_readers_pace() {
    let server = TestServer::start().await;
    let config = Config { inbox_bytes_max: 16 * 1024, inbox_wait_max: Duration::from_secs(20), ..recovering() };
    let client = Client::connect(&server.url(), config).unwrap();
    let hook = client.socket("/hook").unwrap();
    server.only_socket("/hook").await;
    server.publish("/hook");
    gets(&hook, 1..=1).await;
    let server = server.restart().await;
    server.publish_many(20_000, "/hook");
    gets(&hook, 2..=20_001).await;
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_client_says_so() {
    let server = TestServer::start().await;
    let client = Client::connect(&server.url(), recovering()).unwrap();
    let hook = client.socket("/hook").unwrap();
    server.only_socket("/hook").await;
    server.publish("/hook");
    assert_eq!(gets(&hook, 1..=1).await, [false]);
    let (port, _) = server.stop().await;
    let server = TestServer::start_at(port, socketio::Config::default(), Default::default());
    server.only_socket("/hook").await;
    server.publish("/hook");
    assert_eq!(gets(&hook, 1..=1).await, [false]);
}

#[tokio::test]
async fn without_recovery_events_have_no_offset_and_what_was_missed_is_missed() {
    let server = TestServer::start().await;
    let client = server.client();
    let hook = client.socket("/hook").unwrap();
    server.only_socket("/hook").await;
    server.publish("/hook");
    assert_eq!(event(&hook).await, ("news".to_owned(), vec![json!({"seq": 1})]));
    let (port, kept) = server.stop().await;
    let server = TestServer::start_at(port, socketio::Config::default(), kept);
    server.publish("/hook");
    server.only_socket("/hook").await;
    server.publish("/hook");
    assert_eq!(event(&hook).await.1, [json!({"seq": 3})]);
}

#[tokio::test]
async fn pauses_grow_until_the_client_gives_up_and_says_why() {
    let backoff = Backoff {
        first: Duration::from_millis(4),
        max: Duration::from_millis(30),
        jitter: 0.0,
        attempts_max: Some(6),
        ..Backoff::default()
    };
    let client = Client::connect("http://127.0.0.1:1", Config { backoff, ..quick() }).unwrap();
    let hook = client.socket("/hook").unwrap();
    let mut link = client.link();
    let mut pauses = Vec::new();
    let why = within("the end", async {
        loop {
            let now = link.borrow_and_update().clone();
            match now {
                Link::Waiting { retry_in, .. } if pauses.last() != Some(&retry_in) => pauses.push(retry_in),
                Link::Closed { why } => break why.unwrap(),
                _ => {}
            }
            link.changed().await.unwrap();
        }
    })
    .await;
    assert_eq!(pauses.iter().map(Duration::as_millis).collect::<Vec<_>>(), [4, 8, 16, 30]);
    assert!(why.to_string().starts_with("127.0.0.1:1 cannot be reached: "), "{why}");
    assert_eq!(hook.joined().await, Err(Error::Closed));
}

#[tokio::test]
async fn a_thousand_clients_do_not_come_back_in_one_moment() {
    let mut pauses = std::collections::HashSet::new();
    for _ in 0..20 {
        let client = Client::connect("http://127.0.0.1:1", Config::default()).unwrap();
        let _hook = client.socket("/hook").unwrap();
        let mut link = client.link();
        let waiting = link.wait_for(|link| matches!(link, Link::Waiting { .. }));
        if let Link::Waiting { retry_in, .. } = &*within("a failure", waiting).await.unwrap() {
            assert!((Duration::from_millis(250)..=Duration::from_millis(750)).contains(retry_in));
            pauses.insert(*retry_in);
        }
    }
    assert!(pauses.len() > 10);
}

#[tokio::test]
async fn nobody_connects_for_a_namespace_that_nobody_wants() {
    let server = TestServer::start().await;
    let client = server.client();
    let hook = client.socket("/hook").unwrap();
    within("the server to let it in", hook.joined()).await.unwrap();
    assert!(matches!(*client.link().borrow(), Link::Open));
    hook.leave();
    until("the server to know", || server.server.sockets("/hook").is_empty()).await;
    let server = server.restart().await;
    until("the end of the connection", || !client.stats().is_connected).await;
    client.close().await;
    assert_eq!(server.server.stats().opened, 0);
}
