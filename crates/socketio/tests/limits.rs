//! What a client may not do, whichever way it tries: it is told so as the protocol says, and nobody else notices.

use crate::peers::{Client, TestServer, assert_refused};
use serde_json::json;
use socketio::Config;
use socketio::engine::CloseReason;
use std::time::Duration;

/// A well-behaved client, there before an abuser comes and after it has gone.
struct Bystander {
    client: Client,
    said: u64,
}

impl Bystander {
    async fn at(server: &mut TestServer) -> Self {
        let (client, _) = server.join("/", None).await;
        server.socket().await;
        Self { client, said: 0 }
    }

    /// It gets what it asks for, and nothing else came before it.
    async fn noticed_nothing(&mut self) {
        self.said += 1;
        self.client.emit("/", "echo", &[json!(self.said)]).await;
        assert_eq!(self.client.event().await, ("echoed".to_owned(), vec![json!(self.said)]));
    }
}

/// How the connection of an abuser ends: the code of the close frame, and the reason for the handler.
async fn ends_after(config: Config, messages: &[&str], binary: Option<&[u8]>) -> (Option<u16>, CloseReason) {
    let mut server = TestServer::with(config).await;
    let mut bystander = Bystander::at(&mut server).await;
    let (mut client, _) = server.join("/", None).await;
    messages.iter().for_each(|message| client.writer.text(message));
    binary.iter().for_each(|message| client.writer.binary(message));
    // The server may close before it has read everything.
    let _ = client.writer.flush().await;
    let ended = (client.closed().await, server.disconnected().await);
    bystander.noticed_nothing().await;
    ended
}

/// The status that a polling abuser gets for this body, and whether its session goes on.
async fn posts(config: Config, body: &str) -> (u16, bool) {
    let mut server = TestServer::with(config).await;
    let mut bystander = Bystander::at(&mut server).await;
    let sid = server.polling().await;
    assert_eq!(server.post(&sid, "40").await.0, 200);
    let status = server.post(&sid, body).await.0;
    // What waited is delivered first; a session that is over ends with a close packet.
    let (polled, packets) = server.poll(&sid).await;
    let goes_on = polled == 200 && packets.rsplit('\u{1e}').next() != Some("1");
    bystander.noticed_nothing().await;
    (status, goes_on)
}

#[tokio::test]
async fn a_message_beyond_max_payload_is_1009() {
    let config = Config { payload_bytes_max: 1000, ..Config::default() };
    let text = format!("42[\"x\",\"{}\"]", "x".repeat(1000));
    let ended = ends_after(config.clone(), &[&text], None).await;
    assert_eq!(ended, (Some(1009), CloseReason::TransportError));
    let ended = ends_after(config, &[], Some(&[0; 1001])).await;
    assert_eq!(ended, (Some(1009), CloseReason::TransportError));
}

#[tokio::test]
async fn a_polling_body_beyond_max_payload_is_413_and_forgiven() {
    let config = Config { payload_bytes_max: 1000, ..Config::default() };
    let body = format!("42[\"x\",\"{}\"]", "x".repeat(1000));
    assert_eq!(posts(config, &body).await, (413, true));
}

#[tokio::test]
async fn attachments_are_counted_and_weighed() {
    let ended = ends_after(Config::default(), &["4511-[\"x\"]"], None).await;
    assert_eq!(ended.1, CloseReason::ParseError);
    let config = Config { attachments_bytes_max: 100, ..Config::default() };
    let ended = ends_after(config, &["452-[\"x\"]"], Some(&[0; 101])).await;
    assert_eq!(ended.1, CloseReason::ParseError);
    let ended = ends_after(Config::default(), &[], Some(&[0; 4])).await;
    assert_eq!(ended.1, CloseReason::ParseError);
    assert_eq!(posts(Config::default(), "4511-[\"x\"]").await, (200, false));
    assert_eq!(posts(Config::default(), "bAAAA").await, (200, false));
}

#[tokio::test]
async fn nesting_is_counted() {
    let deep = format!("42[\"x\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ends_after(Config::default(), &[&deep], None).await.1, CloseReason::ParseError);
    assert_eq!(posts(Config::default(), &deep).await, (200, false));
    let objects = format!("42[\"x\",{}1{}]", "{\"a\":".repeat(200), "}".repeat(200));
    assert_eq!(ends_after(Config::default(), &[&objects], None).await.1, CloseReason::ParseError);
}

#[tokio::test]
async fn packets_of_one_body_are_counted() {
    let config = Config { payload_packets_max: 3, ..Config::default() };
    assert_eq!(posts(config.clone(), "3\u{1e}3\u{1e}3").await, (200, true));
    assert_eq!(posts(config, "3\u{1e}3\u{1e}3\u{1e}3").await, (400, false));
}

#[tokio::test]
async fn sessions_are_counted_and_a_place_is_free_again_when_one_ends() {
    let mut server = TestServer::with(Config { connections_max: 2, ..Config::default() }).await;
    let mut bystander = Bystander::at(&mut server).await;
    let (client, _) = server.join("/", None).await;
    for _ in 0..3 {
        assert_refused(server.http("GET", "?EIO=4&transport=polling", b"").await, 503, 4, "too many connections");
        bystander.noticed_nothing().await;
    }
    drop(client);
    server.disconnected().await;
    server.join("/", None).await;
}

#[tokio::test]
async fn who_joins_no_namespace_in_time_is_let_go() {
    let config = Config { connect_timeout: Duration::from_millis(100), ..Config::default() };
    let mut server = TestServer::with(config).await;
    let mut bystander = Bystander::at(&mut server).await;
    let mut idle = server.engine().await;
    idle.closed().await;
    assert_eq!(server.engine_closed().await, CloseReason::NotConnected);
    let sid = server.polling().await;
    assert_eq!(server.engine_closed().await, CloseReason::NotConnected);
    assert_eq!(server.poll(&sid).await.0, 400);
    let mut refused = server.engine().await;
    refused.send("40/nowhere,").await;
    assert_eq!(refused.text().await, r#"44/nowhere,{"message":"Invalid namespace"}"#);
    refused.closed().await;
    bystander.noticed_nothing().await;
}

#[tokio::test]
async fn an_address_that_begins_sessions_too_fast_is_429_until_it_slows_down() {
    let config = Config { handshakes_burst: 3, handshakes_per_s: 5, ..Config::default() };
    let mut server = TestServer::with(config).await;
    let mut bystander = Bystander::at(&mut server).await;
    let mut statuses = Vec::new();
    while !statuses.contains(&429) {
        let (status, body) = server.http("GET", "?EIO=4&transport=polling", b"").await;
        statuses.push(status);
        if status == 429 {
            assert_eq!(body, r#"{"code":4,"message":"too many connections from this address, try again later"}"#);
        }
    }
    assert!(statuses.len() >= 2);
    bystander.noticed_nothing().await;
    crate::peers::within("a new token", async {
        while server.http("GET", "?EIO=4&transport=polling", b"").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn namespaces_of_one_connection_are_counted() {
    let mut server = TestServer::with(Config { namespaces_max: 1, ..Config::default() }).await;
    let mut bystander = Bystander::at(&mut server).await;
    let (mut client, _) = server.join("/", None).await;
    client.send("40/hook,").await;
    assert_eq!(client.text().await, r#"44/hook,{"message":"too many namespaces"}"#);
    client.emit("/", "echo", &[]).await;
    assert_eq!(client.event().await.0, "echoed");
    bystander.noticed_nothing().await;
}

#[tokio::test]
async fn rooms_of_one_socket_are_counted() {
    let mut server = TestServer::with(Config { rooms_max: 2, ..Config::default() }).await;
    let mut bystander = Bystander::at(&mut server).await;
    let (_client, id) = server.join("/", None).await;
    let socket = server.socket().await;
    assert!(socket.join("one") && socket.join("two") && !socket.join("three"));
    assert_eq!(socket.rooms(), [id.as_str(), "one", "two"]);
    assert!(socket.leave("one") && socket.join("three") && !socket.join(&id));
    let other = server.server.to("/").except(&id).sockets().pop().unwrap();
    assert!(other.join("three"));
    bystander.noticed_nothing().await;
}
