//! One encoded event for many sockets: namespaces, rooms, exceptions, both transports.

use crate::peers::{Client, TestServer, bytes};
use serde_json::{Value, json};
use socketio::engine::SendError;
use socketio::packet::{Packet, placeholder};
use socketio::{Encoded, Json};

fn news(n: u64) -> Encoded {
    Encoded::event("/hook", "news", &[Json::Raw(&format!(r#"{{"n":{n}}}"#)), Json::Value(&json!("é"))]).tagged(n)
}

async fn gets(client: &mut Client, n: u64) {
    assert_eq!(client.event().await, ("news".to_owned(), vec![json!({"n": n}), json!("é")]));
}

fn room(name: &str) -> Option<Value> {
    Some(json!({"room": name}))
}

#[tokio::test]
async fn a_broadcast_reaches_the_namespace_and_nobody_else() {
    let server = TestServer::start().await;
    let (mut here, _) = server.join("/hook", None).await;
    let (mut also, _) = server.join("/hook", None).await;
    let (mut elsewhere, _) = server.join("/", None).await;
    assert_eq!(server.server.to("/hook").emit(&news(1)), 2);
    gets(&mut here, 1).await;
    gets(&mut also, 1).await;
    elsewhere.emit("/", "echo", &[]).await;
    assert_eq!(elsewhere.event().await.0, "echoed");
    assert_eq!(server.server.to("/").emit(&news(2)), 0);
    assert_eq!(server.server.to("/nowhere").emit(&news(2)), 0);
    assert_eq!(server.server.sockets("/")[0].send(&news(2)), Err(SendError::WrongNamespace));
}

#[tokio::test]
async fn rooms_and_exceptions_choose_each_socket_once() {
    let mut server = TestServer::start().await;
    let (mut red, _) = server.join("/hook", room("red")).await;
    let (mut blue, blue_id) = server.join("/hook", room("blue")).await;
    let (mut none, none_id) = server.join("/hook", None).await;
    let first = server.socket().await;
    let hook = || server.server.to("/hook");
    assert!(first.join("blue") && !first.join("blue"));
    assert_eq!(hook().room("red").room("blue").emit(&news(1)), 2);
    assert_eq!(hook().except("blue").emit(&news(2)), 1);
    assert_eq!(hook().room(&none_id).room("red").except(&blue_id).emit(&news(3)), 2);
    assert_eq!(hook().room("empty").emit(&news(4)), 0);
    assert!(first.leave("red") && !first.leave("red"));
    assert_eq!(hook().room("red").emit(&news(5)), 0);
    assert_eq!(first.rooms().len(), 2);
    for n in [1, 3] {
        gets(&mut red, n).await;
    }
    gets(&mut blue, 1).await;
    for n in [2, 3] {
        gets(&mut none, n).await;
    }
    drop(red);
    server.disconnected().await;
    assert_eq!(server.server.rooms("/hook"), [("blue".to_owned(), 1)]);
}

#[tokio::test]
async fn attachments_are_shared_too() {
    let server = TestServer::start().await;
    let (mut client, _) = server.join("/hook", None).await;
    let packet =
        Encoded::binary_event("/hook", "file", &[Json::Value(&placeholder(0)), Json::Raw("1")], &[bytes(100_000)]);
    assert_eq!(server.server.to("/hook").emit(&packet), 1);
    let Packet::Event { event, .. } = client.packet().await else { panic!("no event") };
    assert_eq!((event.args.len(), &event.attachments[..]), (2, &[bytes(100_000)][..]));
}

#[tokio::test]
async fn polling_clients_get_the_same_bytes() {
    let server = TestServer::start().await;
    let sid = server.polling().await;
    server.post(&sid, "40/hook,").await;
    server.poll(&sid).await;
    server.server.to("/hook").emit(&news(7));
    let packet = Encoded::binary_event("/hook", "b", &[Json::Value(&placeholder(0))], &[bytes(4)]);
    server.server.to("/hook").emit(&packet);
    let answer =
        "42/hook,[\"news\",{\"n\":7},\"é\"]\u{1e}451-/hook,[\"b\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAAECAw==";
    assert_eq!(server.poll(&sid).await, (200, answer.to_owned()));
}

#[tokio::test]
async fn many_broadcasts_arrive_whole_and_in_order() {
    let server = TestServer::start().await;
    let (mut client, _) = server.join("/hook", None).await;
    let emitting = server.server.clone();
    let emitted = tokio::task::spawn_blocking(move || {
        (1..=5_000).for_each(|n| {
            emitting.to("/hook").emit(&news(n));
        });
    });
    for n in 1..=5_000 {
        gets(&mut client, n).await;
    }
    emitted.await.unwrap();
    let stats = server.server.stats();
    assert!(stats.packets_out >= 5_000 && stats.dropped_packets == 0, "{stats:?}");
}
