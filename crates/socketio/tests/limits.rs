//! What a client may not send, whichever way it tries.

use crate::peers::TestServer;
use socketio::Config;
use socketio::engine::CloseReason;

async fn ends_after(config: Config, messages: &[&str], binary: Option<&[u8]>) -> (Option<u16>, CloseReason) {
    let mut server = TestServer::with(config).await;
    let (mut client, _) = server.join("/", None).await;
    messages.iter().for_each(|message| client.writer.text(message));
    binary.iter().for_each(|message| client.writer.binary(message));
    // The server may close before it has read everything.
    let _ = client.writer.flush().await;
    (client.closed().await, server.disconnected().await)
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
async fn attachments_are_counted_and_weighed() {
    let ended = ends_after(Config::default(), &["4511-[\"x\"]"], None).await;
    assert_eq!(ended.1, CloseReason::ParseError);
    let config = Config { attachments_bytes_max: 100, ..Config::default() };
    let ended = ends_after(config, &["452-[\"x\"]"], Some(&[0; 101])).await;
    assert_eq!(ended.1, CloseReason::ParseError);
    let ended = ends_after(Config::default(), &[], Some(&[0; 4])).await;
    assert_eq!(ended.1, CloseReason::ParseError);
}

#[tokio::test]
async fn nesting_and_packets_are_counted() {
    let deep = format!("42[\"x\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ends_after(Config::default(), &[&deep], None).await.1, CloseReason::ParseError);

    let mut server = TestServer::with(Config { payload_packets_max: 3, ..Config::default() }).await;
    let sid = server.polling().await;
    assert_eq!(server.post(&sid, "40\u{1e}3\u{1e}3").await.0, 200);
    assert_eq!(server.post(&sid, "3\u{1e}3\u{1e}3\u{1e}3").await.0, 400);
    assert_eq!(server.disconnected().await, CloseReason::ParseError);
}

#[tokio::test]
async fn namespaces_of_one_connection_are_counted() {
    let server = TestServer::with(Config { namespaces_max: 1, ..Config::default() }).await;
    let (mut client, _) = server.join("/", None).await;
    client.send("40/hook,").await;
    assert_eq!(client.text().await, r#"44/hook,{"message":"too many namespaces"}"#);
}
