//! From polling to WebSocket without losing or reordering a packet.

use crate::peers::{Heard, TestServer, until};
use serde_json::json;
use socketio::Config;
use socketio::engine::{CloseReason, Transport};
use std::time::Duration;

#[tokio::test]
async fn a_client_goes_over_with_everything_that_waits() {
    let mut server = TestServer::start().await;
    let sid = server.polling().await;
    server.post(&sid, "40").await;
    server.poll(&sid).await;
    let socket = server.socket().await;
    let mut client = server.websocket(&format!("/socket.io/?EIO=4&transport=websocket&sid={sid}")).await;
    client.send("2probe").await;
    assert_eq!(client.text().await, "3probe");
    assert_eq!(server.poll(&sid).await, (200, "6".to_owned()));
    socket.emit("waits", &[json!(1)]).unwrap();
    assert_eq!(server.server.stats().polling_now, 1);
    client.send("5").await;
    assert_eq!(client.text().await, "42[\"waits\",1]");
    server.hears("the upgrade", |heard| matches!(heard, Heard::Upgraded).then_some(())).await;
    assert_eq!(socket.transport(), Transport::Websocket);
    let stats = server.server.stats();
    assert_eq!((stats.polling_now, stats.websocket_now, stats.opened), (0, 1, 1));
    assert_eq!(server.poll(&sid).await.0, 400);
    assert_eq!(server.post(&sid, "42[\"echo\"]").await.0, 400);
    let mut late = server.websocket(&format!("/socket.io/?EIO=4&transport=websocket&sid={sid}")).await;
    late.closed().await;
    client.emit("/", "echo", &[json!(2)]).await;
    assert_eq!(client.event().await.0, "echoed");
}

#[tokio::test]
async fn a_waiting_poll_ends_as_soon_as_the_probe_works() {
    let server = TestServer::start().await;
    let sid = server.polling().await;
    let probe = async {
        let mut client = server.websocket(&format!("/socket.io/?EIO=4&transport=websocket&sid={sid}")).await;
        client.send("2probe").await;
        assert_eq!(client.text().await, "3probe");
        client
    };
    let (answer, mut client) = tokio::join!(server.poll(&sid), probe);
    assert_eq!(answer, (200, "6".to_owned()));
    client.send("5").await;
    client.join("/", None).await;
}

#[tokio::test]
async fn an_upgrade_that_comes_to_nothing_leaves_polling_as_it_was() {
    let config = Config { upgrade_timeout: Duration::from_millis(50), ..Config::default() };
    let mut server = TestServer::with(config).await;
    let sid = server.polling().await;
    server.post(&sid, "40").await;
    server.poll(&sid).await;
    let path = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
    let mut silent = server.websocket(&path).await;
    silent.closed().await;
    let mut wrong = server.websocket(&path).await;
    wrong.send("4hello").await;
    wrong.closed().await;
    server.socket().await.emit("still here", &[]).unwrap();
    assert_eq!(server.poll(&sid).await.1, "42[\"still here\"]");
}

#[tokio::test]
async fn a_session_that_ends_takes_its_probe_along() {
    let mut server = TestServer::start().await;
    let sid = server.polling().await;
    let mut client = server.websocket(&format!("/socket.io/?EIO=4&transport=websocket&sid={sid}")).await;
    client.send("2probe").await;
    assert_eq!(client.text().await, "3probe");
    server.post(&sid, "1").await;
    assert_eq!(server.engine_closed().await, CloseReason::TransportClose);
    client.closed().await;
    until("no connections", || server.server.stats().polling_now == 0).await;
}
