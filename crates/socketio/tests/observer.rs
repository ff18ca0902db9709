//! An observer sees everything that happens, and nothing of what it does not watch.

use crate::peers::{TestServer, within};
use serde_json::json;
use socketio::engine::CloseReason;
use socketio::packet::Event;
use socketio::{Encoded, Json, Observer, Sent, Socket};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Writes down what it sees, one line each.
struct Diary(UnboundedSender<String>);

impl Diary {
    fn note(&self, line: String) {
        let _ = self.0.send(line);
    }
}

impl Observer for Diary {
    fn watches(&self, namespace: &str) -> bool {
        namespace == "/hook"
    }

    fn received(&self, socket: &Socket, event: &Event) {
        self.note(format!("{} received {} {}", socket.id(), event.name, json!(event.args)));
    }

    fn sent(&self, sent: &Sent<'_>) {
        let event = sent.event().unwrap();
        self.note(format!("{} {:?} sent {} {}", sent.namespace, sent.sockets, event.name, json!(event.args)));
    }

    fn connected(&self, socket: &Socket) {
        self.note(format!("{} connected", socket.id()));
    }

    fn disconnected(&self, socket: &Socket, reason: CloseReason) {
        self.note(format!("{} disconnected: {reason}", socket.id()));
    }

    fn joined(&self, socket: &Socket, room: &str) {
        self.note(format!("{} joined {room}", socket.id()));
    }

    fn left(&self, socket: &Socket, room: &str) {
        self.note(format!("{} left {room}", socket.id()));
    }
}

async fn expect(diary: &mut UnboundedReceiver<String>, lines: &[String]) {
    for line in lines {
        assert_eq!(&within(line, diary.recv()).await.unwrap(), line);
    }
}

#[tokio::test]
async fn an_observer_sees_a_sockets_whole_life_in_order() {
    let server = TestServer::start().await;
    let (sender, mut diary) = unbounded_channel();
    let observation = server.server.observe(Arc::new(Diary(sender)));
    let (mut elsewhere, _) = server.join("/", None).await;
    let (mut client, id) = server.join("/hook", Some(json!({"room": "red"}))).await;
    let sockets = format!("[{id}]");
    client.emit("/hook", "echo", &[json!({"a": 1})]).await;
    client.event().await;
    let to = || server.server.to("/hook").room("red");
    assert_eq!(to().join("blue"), 1);
    assert_eq!(to().leave("blue"), 1);
    let packet = Encoded::event("/hook", "news", &[Json::Raw("7")]).tagged(7);
    assert_eq!(server.server.to("/hook").emit(&packet), 1);
    assert_eq!(to().disconnect(false), 1);
    let line = |text: &str| format!("{id} {text}");
    expect(
        &mut diary,
        &[
            format!("{id} joined {id}"),
            line("joined red"),
            line("connected"),
            format!("/hook {sockets} sent welcome [\"/hook\"]"),
            line("received echo [{\"a\":1}]"),
            format!("/hook {sockets} sent echoed [{{\"a\":1}}]"),
            line("joined blue"),
            line("left blue"),
            format!("/hook {sockets} sent news [7]"),
            format!("{id} left {id}"),
            line("left red"),
            line("disconnected: server namespace disconnect"),
        ],
    )
    .await;
    drop(observation);
    assert_eq!(client.event().await.0, "news");
    client.packet().await;
    client.join("/hook", None).await;
    elsewhere.emit("/", "echo", &[]).await;
    elsewhere.event().await;
    assert!(diary.recv().await.is_none(), "it saw more after its end");
}

#[tokio::test]
async fn one_broadcast_is_seen_once_with_all_it_reached() {
    let server = TestServer::start().await;
    let (_one, first) = server.join("/hook", None).await;
    let (_two, second) = server.join("/hook", None).await;
    let (sender, mut diary) = unbounded_channel();
    let _observation = server.server.observe(Arc::new(Diary(sender)));
    let bytes = [crate::peers::bytes(3)];
    let args = [Json::Value(&socketio::packet::placeholder(0))];
    server.server.to("/hook").emit(&Encoded::binary_event("/hook", "file", &args, &bytes));
    let line = within("the broadcast", diary.recv()).await.unwrap();
    assert!(line.contains(&first) && line.contains(&second) && line.contains("sent file"), "{line}");
}

#[tokio::test]
async fn connections_and_their_ends_are_counted_by_reason_and_shown_without_secrets() {
    let mut server = TestServer::start().await;
    let mut client = server.websocket("/socket.io/?EIO=4&transport=websocket").await;
    let open = client.text().await;
    client.join("/", None).await;
    let socket = server.socket().await;
    let shown = socket.session().public_id().unwrap();
    assert_eq!(socket.session().public_id().unwrap(), shown);
    assert!(shown != socket.id() && !open.contains(shown.as_str()));
    assert!(socket.handshake().has_origin() && !socket.handshake().secure);
    let sent = socket.queue();
    assert!(sent.sent_packets >= 2 && sent.sent_bytes > 50, "{sent:?}");
    client.writer.close(1000, "");
    client.flush().await;
    assert_eq!(server.engine_closed().await, CloseReason::TransportClose);
    let stats = server.server.stats();
    assert_eq!((stats.opened, stats.closed, stats.closed_for(CloseReason::TransportClose)), (1, 1, 1));
    assert_eq!(stats.closed_for(CloseReason::PingTimeout), 0);
}
