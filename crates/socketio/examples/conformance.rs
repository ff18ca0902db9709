//! Serves the handlers that the official Engine.IO and Socket.IO protocol suites expect, for running them by hand:
//! `cargo run --release -p socketio --example conformance -- --port 3000`.

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use socketio::engine::{self, ConnectionInfo, Listener, Message, Session};
use socketio::{Ack, Config, Handler, Server, Socket, packet::Event};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Sends every message back, for the Engine.IO suite.
struct Mirror;

struct MirrorSession(Session);

impl engine::Accept for Mirror {
    fn open(&self, session: &Session) -> Arc<dyn Listener> {
        Arc::new(MirrorSession(session.clone()))
    }
}

impl Listener for MirrorSession {
    fn message(&self, message: Message) {
        // A closed session needs no echo.
        let _ = match message {
            Message::Text(text) => self.0.send_text(&text),
            Message::Binary(bytes) => self.0.send_binary(&bytes),
        };
    }

    fn closed(&self, _: engine::CloseReason) {}
}

/// The events of the Socket.IO suite.
struct Suite;

/// What a client said about itself, kept until it can be sent back.
struct Auth(Value);

impl Handler for Suite {
    fn connect(&self, socket: &Socket, auth: &Value) -> Result<(), socketio::ConnectRefusal> {
        socket.set_data(Auth(auth.clone()));
        Ok(())
    }

    fn connected(&self, socket: &Socket) {
        let Some(auth) = socket.data::<Auth>() else { return };
        let socket = socket.clone();
        // The suite listens for one message at a time and misses the second of two that arrive in one segment, as
        // the CONNECT answer and an event right after it do here. So the second waits a moment.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            let _ = socket.emit("auth", std::slice::from_ref(&auth.0));
        });
    }

    fn event(&self, socket: &Socket, event: Event, ack: Option<Ack>) {
        // A closed socket needs no echo.
        let _ = match (event.name.as_str(), ack) {
            ("message-with-ack", Some(ack)) => ack.send_binary(&event.args, &event.attachments),
            ("message", _) => socket.emit_binary("message-back", &event.args, &event.attachments),
            _ => Ok(()),
        };
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
    let port = value("--port").and_then(|port| port.parse().ok()).unwrap_or(3000);
    let fast = Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(1000),
        ..Config::default()
    };
    // Real clients on a busy machine need the real timings: `--relaxed`.
    let config = if arguments.iter().any(|argument| argument == "--relaxed") { Config::default() } else { fast };
    let engine = engine::Server::new(config.clone(), Mirror);
    let socketio = Server::new(config, Suite);
    socketio.declare_namespace("/custom");

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, remote) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (engine, socketio) = (engine.clone(), socketio.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: http::Request<Incoming>| {
                let (engine, socketio) = (engine.clone(), socketio.clone());
                async move {
                    let info = ConnectionInfo { remote: Some(remote), ..ConnectionInfo::default() };
                    Ok::<_, Infallible>(match request.uri().path() {
                        "/engine.io/" => engine.handle(request, info).await,
                        _ => socketio.handle(request, info).await,
                    })
                }
            });
            let server = hyper::server::conn::http1::Builder::new();
            // An error here is a client that went away.
            let _ = server.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}
