//! Pings, pongs and the time to join a namespace.

use crate::peers::{TestServer, within};
use socketio::Config;
use socketio::engine::CloseReason;
use socketio::websocket::Message;
use std::time::{Duration, Instant};

fn fast() -> Config {
    Config { ping_interval: Duration::from_millis(150), ping_timeout: Duration::from_millis(150), ..Config::default() }
}

#[tokio::test]
async fn the_first_ping_comes_only_after_the_interval_and_a_pong_brings_the_next() {
    let server = TestServer::with(fast()).await;
    let start = Instant::now();
    let mut client = server.engine().await;
    for round in 1..=3 {
        assert_eq!(client.text().await, "2");
        assert!(start.elapsed() >= Duration::from_millis(150) * round - Duration::from_millis(5));
        client.send("3").await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_let_go() {
    let mut server = TestServer::with(fast()).await;
    let (mut client, _) = server.join("/", None).await;
    assert_eq!(client.text().await, "2");
    assert_eq!(client.closed().await, Some(1000));
    assert_eq!(server.disconnected().await, CloseReason::PingTimeout);

    let sid = server.polling().await;
    assert_eq!(server.engine_closed().await, CloseReason::PingTimeout);
    assert_eq!(server.engine_closed().await, CloseReason::PingTimeout);
    assert_eq!(server.poll(&sid).await.0, 400);
}

#[tokio::test]
async fn a_client_may_not_ping() {
    let mut server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    client.send("2").await;
    client.closed().await;
    assert_eq!(server.disconnected().await, CloseReason::TransportError);
}

#[tokio::test]
async fn a_websocket_ping_gets_its_pong() {
    let server = TestServer::start().await;
    let mut client = server.engine().await;
    client.writer.ping(b"are you there");
    client.flush().await;
    let pong = within("the pong", client.reader.next()).await.unwrap();
    assert_eq!(pong, Message::Pong(b"are you there".to_vec().into()));
}
