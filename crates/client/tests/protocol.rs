//! What servers do on the wire, right and wrong, played by hand.

use crate::by_hand::{self, OPEN};
use crate::support::{next, quick, within};
use client::{Client, Config, Incoming, Link};
use serde_json::json;
use socketio::websocket::Message;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Why the client waits before its next attempt.
async fn trouble(client: &Client) -> String {
    let mut link = client.link();
    let waiting = link.wait_for(|link| matches!(link, Link::Waiting { .. }));
    let link = within("trouble", waiting).await.unwrap().clone();
    if let Link::Waiting { why, .. } = link { why.to_string() } else { String::new() }
}

#[tokio::test]
async fn the_request_is_what_servers_expect_and_has_the_programs_headers() {
    let headers = vec![("Authorization".to_owned(), "Bearer t".to_owned())];
    let (client, mut connections) = by_hand::client(Config { headers, path: "/a/socket.io/".into(), ..quick() }, 4096);
    let _hook = client.socket("/hook").unwrap();
    let (_, request) = connections.websocket().await;
    assert!(request.starts_with("GET /a/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: by.hand:1\r\n"));
    assert!(request.contains("\r\nAuthorization: Bearer t\r\n"));
    assert!(request.contains("\r\nUser-Agent: socketio-rust-client/"));
    let headers = vec![("user-agent".to_owned(), "mine/1".to_owned())];
    let (client, mut connections) = by_hand::client(Config { headers, ..quick() }, 4096);
    let _hook = client.socket("/hook").unwrap();
    let (_, request) = connections.websocket().await;
    assert!(request.contains("\r\nuser-agent: mine/1\r\n") && !request.contains("User-Agent"));
}

#[tokio::test]
async fn pings_of_both_layers_are_answered() {
    let (client, mut connections) = by_hand::client(quick(), 4096);
    let _main = client.socket("/").unwrap();
    let mut server = connections.open(OPEN).await;
    assert_eq!(server.text().await, "40{}");
    server.send("2").await;
    assert_eq!(server.text().await, "3");
    server.writer.ping(b"hello");
    server.flush().await;
    assert_eq!(server.message().await, Some(Message::Pong("hello".into())));
    server.send("6").await;
    server.send(r#"40{"sid":"s"}"#).await;
    server.send(r#"42["x"]"#).await;
    let main = client.socket("/").unwrap();
    assert!(matches!(next(&main).await, Incoming::Joined(_)));
    assert!(matches!(next(&main).await, Incoming::Event { .. }));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left() {
    let (client, mut connections) = by_hand::client(quick(), 4096);
    let _hook = client.socket("/hook").unwrap();
    let _silent = connections.open(r#"0{"sid":"x","pingInterval":30,"pingTimeout":20}"#).await;
    assert_eq!(trouble(&client).await, "the server sent nothing for 50 ms");
    connections.joined().await;
}

#[tokio::test]
async fn a_server_that_never_opens_is_given_up() {
    let (client, mut connections) =
        by_hand::client(Config { connect_timeout: Duration::from_millis(50), ..quick() }, 4096);
    let _hook = client.socket("/hook").unwrap();
    let _mute = connections.raw().await;
    assert_eq!(trouble(&client).await, "by.hand:1 did not open a Socket.IO session within 50 ms");
    let (_also_mute, _) = connections.websocket().await;
    connections.joined().await;
}

#[tokio::test]
async fn an_answer_that_is_no_websocket_is_told_as_it_is() {
    let (client, mut connections) = by_hand::client(quick(), 4096);
    let _hook = client.socket("/hook").unwrap();
    let mut server = connections.raw().await;
    server.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(trouble(&client).await, "the server did not switch to WebSocket: HTTP/1.1 404 Not Found");
}

#[tokio::test]
async fn nonsense_ends_the_connection_and_never_the_client() {
    let (client, mut connections) = by_hand::client(quick(), 64 * 1024);
    let hook = client.socket("/hook").unwrap();
    let deep = format!("42/hook,[\"x\",{}{}]", "[".repeat(200), "]".repeat(200));
    let announced = "4599999-/hook,[\"x\"]";
    let nonsense =
        ["", "9", "é", "4", "49", "42/hook,", "42/hook,{}", "42/hook,[1", &deep, announced, "40/hook,{}", "1"];
    for text in nonsense {
        let mut server = connections.joined().await;
        server.send(text).await;
        while server.message().await.is_some() {}
    }
    let mut server = connections.joined().await;
    server.writer.binary(b"not announced");
    server.flush().await;
    let mut server = connections.joined().await;
    server.send(r#"42/hook,["still here"]"#).await;
    let (event, _) = within("an event", hook.next_event()).await.unwrap();
    assert_eq!(event.name, "still here");
}

#[tokio::test]
async fn what_belongs_to_no_namespace_of_ours_is_ignored() {
    let (client, mut connections) = by_hand::client(quick(), 4096);
    let hook = client.socket("/hook").unwrap();
    let mut server = connections.joined().await;
    for text in [
        r#"40/other,{"sid":"x"}"#,
        r#"44/other,{"message":"no"}"#,
        "41/other,",
        r#"42/other,["x"]"#,
        "43/other,7[]",
        "43/hook,99[]",
        r#"42/hook,["ours"]"#,
    ] {
        server.send(text).await;
    }
    let (event, _) = within("an event", hook.next_event()).await.unwrap();
    assert_eq!(event.name, "ours");
    assert_eq!(client.stats().connections, 1);
}

#[tokio::test]
async fn events_that_overtake_the_answer_to_connect_come_after_it() {
    let (client, mut connections) = by_hand::client(Config { inbox_bytes_max: 10_000, ..quick() }, 64 * 1024);
    let hook = client.socket("/hook").unwrap();
    let mut server = connections.open(OPEN).await;
    server.send(r#"42/hook,["early",1]"#).await;
    server.send(r#"42/hook,["early",2]"#).await;
    server.send(r#"40/hook,{"sid":"s"}"#).await;
    server.send(r#"42/hook,["early",3]"#).await;
    assert!(matches!(next(&hook).await, Incoming::Joined(_)));
    for number in 1..=3 {
        let Incoming::Event { event, .. } = next(&hook).await else { panic!("no event") };
        assert_eq!(event.args, [json!(number)]);
    }
    drop(server);
    let mut flooding = connections.open(OPEN).await;
    for _ in 0..100 {
        flooding.writer.text(r#"42/hook,["early"]"#);
    }
    flooding.flush().await;
    assert!(trouble(&client).await.ends_with("too many events before the answer to CONNECT"));
}

#[tokio::test]
async fn a_message_longer_than_the_limit_is_not_collected() {
    let (client, mut connections) = by_hand::client(Config { message_bytes_max: 10_000, ..quick() }, 64 * 1024);
    let _hook = client.socket("/hook").unwrap();
    let mut server = connections.joined().await;
    server.send(&format!("42/hook,[\"{}\"]", "x".repeat(10_000))).await;
    assert_eq!(trouble(&client).await, "a WebSocket message is longer than 10000 bytes");
}

#[tokio::test]
async fn the_limit_that_a_server_names_holds_for_what_waited_before() {
    let (client, mut connections) = by_hand::client(quick(), 64 * 1024);
    let hook = client.socket("/hook").unwrap();
    hook.emit("long", &[json!("x".repeat(5_000))]).unwrap();
    hook.emit("short", &[]).unwrap();
    let mut server =
        connections.open(r#"0{"sid":"x","pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}"#).await;
    assert_eq!(server.text().await, "40/hook,{}");
    server.send(r#"40/hook,{"sid":"s"}"#).await;
    assert_eq!(server.text().await, r#"42/hook,["short"]"#);
    assert_eq!(client.stats().dropped_packets, 1);
    assert!(hook.emit("long", &[json!("x".repeat(5_000))]).is_err());
}

#[tokio::test]
async fn a_flood_of_pings_costs_one_pong_at_a_time() {
    let (client, mut connections) = by_hand::client(quick(), 4096);
    let hook = client.socket("/hook").unwrap();
    let mut server = connections.joined().await;
    for _ in 0..10_000 {
        server.writer.text("2");
        server.writer.ping(&[7; 100]);
        if server.writer.waiting_bytes() > 100_000 {
            server.flush().await;
        }
    }
    server.send(r#"42/hook,["done"]"#).await;
    let (event, _) = within("an event", hook.next_event()).await.unwrap();
    assert_eq!(event.name, "done");
}
