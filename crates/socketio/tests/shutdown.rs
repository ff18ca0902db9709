//! The end: clients are told, nobody is waited for too long, nothing is left.

use crate::peers::{TestServer, within};
use serde_json::json;
use socketio::engine::CloseReason;
use socketio::{Config, Encoded, Json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn clients_get_what_waits_and_a_normal_close_and_may_come_back() {
    let mut server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    let sid = server.polling().await;
    server.post(&sid, "40").await;
    server.poll(&sid).await;
    let socket = server.socket().await;
    socket.emit("last words", &[json!(1)]).unwrap();
    let (poll, closed, ()) = tokio::join!(
        server.poll(&sid),
        async {
            assert_eq!(client.event().await.0, "last words");
            client.closed().await
        },
        server.server.shutdown()
    );
    // It waited, or it came too late. No packet says `1`, which python-socketio would take for its own wish.
    assert!(poll.0 == 503 || poll.0 == 400, "{poll:?}");
    assert_eq!(closed, Some(1000));
    assert_eq!(server.disconnected().await, CloseReason::ServerShutdown);
    assert_eq!(server.disconnected().await, CloseReason::ServerShutdown);
    assert_eq!(server.http("GET", "?EIO=4&transport=polling", b"").await.0, 503);
    let stats = server.server.stats();
    assert_eq!((stats.polling_now, stats.websocket_now), (0, 0));
    assert!(server.server.sockets("/").is_empty());
}

#[tokio::test]
async fn a_stuck_client_does_not_hold_up_the_end() {
    let limits = Config {
        shutdown_max: Duration::from_millis(500),
        close_max: Duration::from_millis(200),
        queue_bytes_max: 64 * 1024,
        ..Config::default()
    };
    let mut server = TestServer::with(limits).await;
    let mut stuck = server.small_client().await;
    stuck.join("/hook", None).await;
    let socket = server.socket().await;
    let text = format!("\"{}\"", "x".repeat(1000));
    let packet = Encoded::event("/hook", "news", &[Json::Raw(&text)]);
    within("a full queue", async {
        while socket.queue().dropped_packets == 0 {
            server.server.to("/hook").emit(&packet);
            tokio::task::yield_now().await;
        }
    })
    .await;
    let start = Instant::now();
    server.server.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(server.disconnected().await, CloseReason::ServerShutdown);
    assert!(!socket.is_connected());
}

#[tokio::test]
async fn a_polling_client_gets_its_last_packets_and_then_an_error_that_lets_it_come_back() {
    let mut server = TestServer::start().await;
    let sid = server.polling().await;
    server.post(&sid, "40").await;
    server.poll(&sid).await;
    server.socket().await.emit("last words", &[]).unwrap();
    let (poll, ()) = tokio::join!(server.poll(&sid), server.server.shutdown());
    assert_eq!(poll, (200, r#"42["last words"]"#.to_owned()));
    assert_eq!(server.poll(&sid).await.0, 400);
}
