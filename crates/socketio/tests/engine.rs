//! The layer below Socket.IO alone: an Engine.IO server whose program sends every message back.

use crate::peers::{self, Client, engine_at, serve_engine, within};
use serde_json::Value;
use socketio::Config;
use socketio::engine::{self, CloseReason, Listener, Message, Session};
use socketio::websocket;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

struct Mirror(UnboundedSender<CloseReason>);

struct Mirrored {
    session: Session,
    closed: UnboundedSender<CloseReason>,
}

impl engine::Accept for Mirror {
    fn open(&self, session: &Session) -> Arc<dyn Listener> {
        Arc::new(Mirrored { session: session.clone(), closed: self.0.clone() })
    }
}

impl Listener for Mirrored {
    fn message(&self, message: Message) {
        // A session that closes needs no echo.
        let _ = match message {
            Message::Text(text) => self.session.send_text(&text),
            Message::Binary(bytes) => self.session.send_binary(&bytes),
        };
    }

    fn closed(&self, reason: CloseReason) {
        // A test that has ended listens no more.
        let _ = self.closed.send(reason);
    }
}

struct Echo {
    port: u16,
    closed: UnboundedReceiver<CloseReason>,
}

impl Echo {
    fn start(config: Config) -> Self {
        let (sender, closed) = mpsc::unbounded_channel();
        let port = serve_engine(engine::Server::new(config, Mirror(sender)));
        Self { port, closed }
    }

    async fn websocket(&self) -> Client {
        engine_at(self.port, "/engine.io/?EIO=4&transport=websocket").await
    }

    async fn http(&self, method: &str, query: &str, body: &str) -> (u16, String) {
        peers::http(self.port, method, &format!("/engine.io/?EIO=4&transport=polling{query}"), body.as_bytes()).await
    }

    async fn polling(&self) -> String {
        let (_, open) = self.http("GET", "", "").await;
        let open: Value = serde_json::from_str(&open[1..]).unwrap();
        format!("&sid={}", open["sid"].as_str().unwrap())
    }

    async fn closes(&mut self) -> CloseReason {
        within("the end of a session", self.closed.recv()).await.unwrap()
    }
}

#[tokio::test]
async fn polled_messages_come_back_one_by_one_together_and_as_bytes() {
    let echo = Echo::start(Config::default());
    let sid = echo.polling().await;
    for payload in ["4hello", "4test1\u{1e}4test2\u{1e}4test3", "4hello\u{1e}bAQIDBA=="] {
        assert_eq!(echo.http("POST", &sid, payload).await, (200, "ok".to_owned()));
        assert_eq!(echo.http("GET", &sid, "").await, (200, payload.to_owned()));
    }
}

#[tokio::test]
async fn websocket_messages_come_back_as_text_and_as_bytes() {
    let mut echo = Echo::start(Config::default());
    let mut client = echo.websocket().await;
    client.send("4hello").await;
    assert_eq!(client.text().await, "4hello");
    client.writer.binary(&[1, 2, 3, 4]);
    client.flush().await;
    assert_eq!(client.message().await.unwrap(), websocket::Message::Binary(vec![1, 2, 3, 4].into()));
    client.send("abc").await;
    client.closed().await;
    assert_eq!(echo.closes().await, CloseReason::ParseError);
}

#[tokio::test]
async fn a_polling_client_is_pinged_and_stays_as_long_as_it_answers() {
    let config = Config {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(5_000),
        ..Config::default()
    };
    let mut echo = Echo::start(config);
    let sid = echo.polling().await;
    for _ in 0..3 {
        assert_eq!(echo.http("GET", &sid, "").await, (200, "2".to_owned()));
        assert_eq!(echo.http("POST", &sid, "3").await, (200, "ok".to_owned()));
    }
    assert!(echo.closed.try_recv().is_err());
}

#[tokio::test]
async fn a_websocket_client_may_say_that_it_goes() {
    let mut echo = Echo::start(Config::default());
    let mut client = echo.websocket().await;
    client.send("1").await;
    client.closed().await;
    assert_eq!(echo.closes().await, CloseReason::TransportClose);
}

#[tokio::test]
async fn probe_and_upgrade_may_come_in_one_breath() {
    let echo = Echo::start(Config::default());
    let sid = echo.polling().await;
    let mut client = engine_websocket(&echo, &sid).await;
    client.writer.text("2probe");
    client.writer.text("5");
    client.writer.text("4hello");
    client.flush().await;
    assert_eq!(client.text().await, "3probe");
    assert_eq!(client.text().await, "4hello");
    assert_eq!(echo.http("GET", &sid, "").await.0, 400);
    assert_eq!(echo.http("POST", &sid, "4hello").await.0, 400);
}

async fn engine_websocket(echo: &Echo, sid: &str) -> Client {
    peers::websocket_at(echo.port, &format!("/engine.io/?EIO=4&transport=websocket{sid}")).await
}

#[tokio::test]
async fn a_session_or_version_that_cannot_be_is_refused_over_both_transports() {
    let echo = Echo::start(Config::default());
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_eq!(echo.http(method, "", "").await.0, 400, "{method}");
    }
    for query in [
        "transport=websocket",
        "EIO=abc&transport=websocket",
        "EIO=3&transport=websocket",
        "EIO=4",
        "EIO=4&transport=abc",
    ] {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", echo.port)).await.unwrap();
        let refused = websocket::connect(stream, "x", &format!("/engine.io/?{query}"), &[], 1_000).await;
        assert!(matches!(refused, Err(websocket::Error::Handshake(status)) if status.contains("400")), "{query}");
    }
    // Nobody has this id.
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", echo.port)).await.unwrap();
    let path = "/engine.io/?EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA";
    assert!(websocket::connect(stream, "x", path, &[], 1_000).await.is_err());
}
