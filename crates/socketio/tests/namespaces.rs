//! Joining, leaving and being refused.

use crate::peers::{Heard, TestServer};
use serde_json::json;
use socketio::Config;
use socketio::engine::CloseReason;
use socketio::packet::Packet;
use std::time::Duration;

#[tokio::test]
async fn ids_differ_in_every_namespace_and_are_not_the_secret_one() {
    let mut server = TestServer::start().await;
    let mut client = server.websocket("/socket.io/?EIO=4&transport=websocket").await;
    let open = client.text().await;
    let main = client.join("/", None).await;
    let hook = client.join("/hook", None).await;
    assert_ne!(main, hook);
    assert!(!open.contains(&main) && !open.contains(&hook));
    assert_eq!(server.socket().await.id().as_str(), main);
    assert_eq!(server.server.namespaces(), [("/".to_owned(), 1), ("/hook".to_owned(), 1)]);
}

#[tokio::test]
async fn an_unknown_namespace_is_refused_and_the_connection_stays() {
    let mut server = TestServer::start().await;
    let mut client = server.engine().await;
    client.send("40/nope,").await;
    assert_eq!(client.text().await, r#"44/nope,{"message":"Invalid namespace"}"#);
    let told = |heard| if let Heard::ConnectRefused(message) = heard { Some(message) } else { None };
    assert_eq!(server.hears("the refusal", told).await, "Invalid namespace");
    client.join("/", None).await;
}

#[tokio::test]
async fn a_handler_can_refuse_with_a_message_and_data() {
    let server = TestServer::start().await;
    let mut client = server.engine().await;
    client.send(r#"40/hook,{"token":"wrong"}"#).await;
    assert_eq!(client.text().await, r#"44/hook,{"message":"Invalid authentication token","data":7}"#);
    assert!(server.server.sockets("/hook").is_empty());
}

#[tokio::test]
async fn leaving_one_namespace_keeps_the_others() {
    let mut server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    client.join("/hook", None).await;
    client.send("41/hook,").await;
    assert_eq!(server.disconnected().await, CloseReason::ClientDisconnect);
    client.emit("/", "echo", &[json!(1)]).await;
    assert_eq!(client.event().await.0, "echoed");
    client.join("/hook", None).await;
}

#[tokio::test]
async fn a_server_side_disconnect_is_said_and_forgives_what_is_under_way() {
    let mut server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    client.join("/hook", None).await;
    client.emit("/hook", "leave me", &[]).await;
    client.emit("/hook", "echo", &[json!("under way")]).await;
    assert_eq!(client.packet().await, Packet::Disconnect { namespace: "/hook".to_owned() });
    assert_eq!(server.disconnected().await, CloseReason::ServerDisconnect);
    client.emit("/", "echo", &[json!(1)]).await;
    assert_eq!(client.event().await.0, "echoed");
}

#[tokio::test]
async fn speaking_to_a_namespace_before_joining_ends_the_connection() {
    let mut server = TestServer::start().await;
    for packet in
        ["42/hook,[\"x\"]", "41/hook,", "43/hook,1[]", "40", "4abc", "42{}", "42abc[\"x\"]", "44{}", "451-[\"x\"]\u{0}"]
    {
        let (mut client, _) = server.join("/", None).await;
        client.send(packet).await;
        client.closed().await;
        let reason = server.disconnected().await;
        assert!(matches!(reason, CloseReason::NotConnected | CloseReason::ParseError), "{packet}: {reason}");
    }
}

#[tokio::test]
async fn a_socket_that_is_disconnected_while_it_is_let_in_is_gone_and_may_come_back() {
    let mut server = TestServer::start().await;
    let mut client = server.engine().await;
    client.send(r#"40{"token":"leave at once"}"#).await;
    assert!(client.text().await.starts_with("40{"));
    assert_eq!(server.disconnected().await, CloseReason::ServerDisconnect);
    assert!(server.server.sockets("/").is_empty());
    client.join("/", None).await;
    client.emit("/", "echo", &[json!(1)]).await;
    assert_eq!(client.event().await.0, "echoed");
}

#[tokio::test]
async fn who_leaves_the_main_namespace_keeps_its_connection() {
    let config = Config { ping_interval: Duration::from_millis(50), ..Config::default() };
    let mut server = TestServer::with(config).await;
    let (mut client, _) = server.join("/", None).await;
    client.send("41").await;
    assert_eq!(server.disconnected().await, CloseReason::ClientDisconnect);
    assert_eq!(client.text().await, "2");
    client.send("3").await;
    client.join("/", None).await;
}

#[tokio::test]
async fn nonsense_instead_of_the_first_join_ends_the_connection() {
    let mut server = TestServer::start().await;
    for packet in ["4abc", "4", "42[\"x\"]", "abc"] {
        let mut client = server.engine().await;
        client.send(packet).await;
        client.closed().await;
        let reason = server.engine_closed().await;
        assert!(matches!(reason, CloseReason::NotConnected | CloseReason::ParseError), "{packet}: {reason}");
    }
}
