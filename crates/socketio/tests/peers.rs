//! A server that records what its handler hears, and clients that speak the protocol by hand.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use socketio::engine::{CloseReason, ConnectionInfo, Lost};
use socketio::packet::{Decoder, Event, Limits, Packet};
use socketio::websocket::{self, Message, Reader, Writer};
use socketio::{Ack, Config, ConnectRefusal, Handler, Server, Socket};
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Longer than anything takes on a busy machine; only a broken promise waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `what` gives, or a failure that names it.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// What the handler heard.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    Connected(Socket),
    Event(Event),
    FellBehind(Lost),
    Upgraded,
    Disconnected(CloseReason),
    EngineClosed(CloseReason),
    ConnectRefused(String),
    EngineRefused(u8),
}

/// Echoes `echo`, acknowledges what wants it but `never answered`, refuses the token "wrong", and tells the test everything.
struct Recorder(UnboundedSender<Heard>);

impl Recorder {
    fn tell(&self, heard: Heard) {
        // A test that has ended listens no more.
        let _ = self.0.send(heard);
    }
}

impl Handler for Recorder {
    fn connect(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectRefusal> {
        assert!(socket.emit("too early", &[]).is_err());
        if auth["token"] == "wrong" {
            return Err(ConnectRefusal { message: "Invalid authentication token".to_owned(), data: Some(json!(7)) });
        }
        if auth["token"] == "leave at once" {
            socket.disconnect(false);
        }
        if let Some(room) = auth["room"].as_str() {
            socket.join(room);
        }
        Ok(())
    }

    fn connected(&self, socket: &Socket) {
        self.tell(Heard::Connected(socket.clone()));
        let welcomed = socket.emit("welcome", &[json!(socket.namespace())]);
        assert_eq!(welcomed.is_ok(), socket.is_connected());
    }

    fn event(&self, socket: &Socket, event: Event, ack: Option<Ack>) {
        match (event.name.as_str(), ack) {
            ("never answered", _) => {}
            (_, Some(ack)) => ack.send_binary(&event.args, &event.attachments).unwrap(),
            ("echo", None) => socket.emit_binary("echoed", &event.args, &event.attachments).unwrap(),
            ("leave me", None) => socket.disconnect(false),
            ("close all", None) => socket.disconnect(true),
            _ => {}
        }
        self.tell(Heard::Event(event));
    }

    fn fell_behind(&self, socket: &Socket, lost: Lost) {
        let _ = socket.emit("gap", &[json!(lost.from), json!(lost.to)]);
        self.tell(Heard::FellBehind(lost));
    }

    fn upgraded(&self, _: &Socket) {
        self.tell(Heard::Upgraded);
    }

    fn disconnected(&self, _: &Socket, reason: CloseReason) {
        self.tell(Heard::Disconnected(reason));
    }

    fn engine_closed(&self, _: &socketio::engine::Handshake, reason: CloseReason) {
        self.tell(Heard::EngineClosed(reason));
    }

    fn connect_refused(&self, _: &str, _: &socketio::engine::Handshake, refusal: &ConnectRefusal) {
        self.tell(Heard::ConnectRefused(refusal.message.clone()));
    }

    fn engine_refused(&self, refusal: socketio::engine::Refusal, _: &socketio::engine::Handshake) {
        self.tell(Heard::EngineRefused(refusal.code_and_message().0));
    }
}

pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) port: u16,
    heard: UnboundedReceiver<Heard>,
    listening: tokio::task::AbortHandle,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    /// Serves `/` and `/hook` with these limits.
    pub(crate) async fn with(config: Config) -> Self {
        Self::at(0, config)
    }

    /// The same on a given port.
    pub(crate) fn at(port: u16, config: Config) -> Self {
        let (sender, heard) = mpsc::unbounded_channel();
        let server = Server::new(config, Recorder(sender));
        server.declare_namespace("/hook");
        let (port, listening) = serve(&server, port);
        Self { server, port, heard, listening }
    }

    /// Ends the server; its port.
    pub(crate) async fn stop(self) -> u16 {
        self.listening.abort();
        within("the end of a server", self.server.shutdown()).await;
        self.port
    }

    /// The next thing that the handler hears for which `pick` has an answer.
    pub(crate) async fn hears<T>(&mut self, what: &str, pick: impl Fn(Heard) -> Option<T>) -> T {
        within(what, async {
            loop {
                if let Some(picked) = pick(self.heard.recv().await.unwrap()) {
                    return picked;
                }
            }
        })
        .await
    }

    pub(crate) async fn socket(&mut self) -> Socket {
        self.hears("a connected socket", |heard| if let Heard::Connected(socket) = heard { Some(socket) } else { None })
            .await
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.hears("an event", |heard| if let Heard::Event(event) = heard { Some(event) } else { None }).await
    }

    pub(crate) async fn disconnected(&mut self) -> CloseReason {
        self.hears("a disconnect", |heard| if let Heard::Disconnected(reason) = heard { Some(reason) } else { None })
            .await
    }

    pub(crate) async fn engine_closed(&mut self) -> CloseReason {
        self.hears(
            "a closed connection",
            |heard| {
                if let Heard::EngineClosed(reason) = heard { Some(reason) } else { None }
            },
        )
        .await
    }

    /// A WebSocket connection that has had its open packet.
    pub(crate) async fn engine(&self) -> Client {
        engine(self.port).await
    }

    pub(crate) async fn websocket(&self, path: &str) -> Client {
        websocket_at(self.port, path).await
    }

    /// A client that will hold little when it does not read.
    pub(crate) async fn small_client(&self) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        let stream = socket.connect(([127, 0, 0, 1], self.port).into()).await.unwrap();
        let mut client = websocket_over(stream, "/socket.io/?EIO=4&transport=websocket").await;
        client.text().await;
        client
    }

    /// A socket in a namespace, with the id that its CONNECT answer gave, after its welcome.
    pub(crate) async fn join(&self, namespace: &str, auth: Option<Value>) -> (Client, String) {
        let mut client = self.engine().await;
        let id = client.join(namespace, auth).await;
        (client, id)
    }

    /// One HTTP request on a connection of its own: status and body.
    pub(crate) async fn http(&self, method: &str, query: &str, body: &[u8]) -> (u16, String) {
        http(self.port, method, &format!("/socket.io/{query}"), body).await
    }

    /// A new polling session's secret id.
    pub(crate) async fn polling(&self) -> String {
        let (status, body) = self.http("GET", "?EIO=4&transport=polling", b"").await;
        assert_eq!(status, 200);
        let open: Value = serde_json::from_str(&body[1..]).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn poll(&self, sid: &str) -> (u16, String) {
        self.http("GET", &format!("?EIO=4&transport=polling&sid={sid}"), b"").await
    }

    pub(crate) async fn post(&self, sid: &str, body: &str) -> (u16, String) {
        self.http("POST", &format!("?EIO=4&transport=polling&sid={sid}"), body.as_bytes()).await
    }
}

/// One HTTP request on a connection of its own: status and body.
pub(crate) async fn http(port: u16, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    within("an HTTP answer", stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// Serves on this port, or a free one for 0; the port, and what stops it from listening.
pub(crate) fn serve(server: &Server, port: u16) -> (u16, tokio::task::AbortHandle) {
    let server = server.clone();
    listen(port, move |request, info| {
        let server = server.clone();
        async move { server.handle(request, info).await }
    })
}

/// Serves Engine.IO alone on a free port.
pub(crate) fn serve_engine(server: socketio::engine::Server) -> u16 {
    let (port, _) = listen(0, move |request, info| {
        let server = server.clone();
        async move { server.handle(request, info).await }
    });
    port
}

fn listen<F>(
    port: u16,
    handle: impl Fn(http::Request<Incoming>, ConnectionInfo) -> F + Clone + Send + Sync + 'static,
) -> (u16, tokio::task::AbortHandle)
where
    F: Future<Output = http::Response<http_body_util::Full<Bytes>>> + Send + 'static,
{
    let socket = TcpSocket::new_v4().unwrap();
    // A test that starts its server again takes the port again.
    socket.set_reuseaddr(true).unwrap();
    // Small, so that a client that does not read is felt soon; accepted connections inherit it.
    socket.set_send_buffer_size(16 * 1024).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    let listener = socket.listen(128).unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, remote)) = listener.accept().await {
            let handle = handle.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let info = ConnectionInfo { remote: Some(remote), ..ConnectionInfo::default() };
                    let answer = handle(request, info);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            });
        }
    });
    (port, accepting.abort_handle())
}

/// A WebSocket connection that has had its open packet.
pub(crate) async fn engine(port: u16) -> Client {
    engine_at(port, "/socket.io/?EIO=4&transport=websocket").await
}

pub(crate) async fn engine_at(port: u16, path: &str) -> Client {
    let mut client = websocket_at(port, path).await;
    let open = client.text().await;
    assert!(open.starts_with("0{"), "{open}");
    client
}

pub(crate) async fn websocket_at(port: u16, path: &str) -> Client {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    websocket_over(stream, path).await
}

async fn websocket_over(stream: TcpStream, path: &str) -> Client {
    let headers = [("User-Agent", "tests/1"), ("Origin", "http://localhost:1")];
    let connecting = websocket::connect(stream, "localhost", path, &headers, 64_000_000);
    let (reader, writer) = within("the 101", connecting).await.unwrap();
    let limits = Limits { attachments_max: 100, attachments_bytes_max: 64_000_000, nesting_max: 100 };
    Client { reader, writer, decoder: Decoder::new(limits) }
}

/// A client over WebSocket.
pub(crate) struct Client {
    pub(crate) reader: Reader<ReadHalf<TcpStream>>,
    pub(crate) writer: Writer<WriteHalf<TcpStream>>,
    decoder: Decoder,
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.writer.text(text);
        self.flush().await;
    }

    pub(crate) async fn send_packet(&mut self, packet: &Packet) {
        let (text, attachments) = packet.encode();
        self.writer.text(&format!("4{text}"));
        for attachment in attachments {
            self.writer.binary(&attachment);
        }
        self.flush().await;
    }

    pub(crate) async fn flush(&mut self) {
        within("the client's writing", self.writer.flush()).await.unwrap();
    }

    /// The next message, whatever it is.
    pub(crate) async fn message(&mut self) -> Result<Message, websocket::Error> {
        within("a message from the server", self.reader.next()).await
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.message().await {
            Ok(Message::Text(text)) => text,
            other => panic!("not a text message: {other:?}"),
        }
    }

    /// The next Socket.IO packet; pings are answered.
    pub(crate) async fn packet(&mut self) -> Packet {
        loop {
            let decoded = match self.message().await {
                Ok(Message::Text(text)) if text == "2" => {
                    self.send("3").await;
                    continue;
                }
                Ok(Message::Text(text)) => self.decoder.text(text.strip_prefix('4').unwrap()).unwrap(),
                Ok(Message::Binary(bytes)) => self.decoder.binary(bytes).unwrap(),
                other => panic!("not a packet: {other:?}"),
            };
            if let Some(packet) = decoded {
                return packet;
            }
        }
    }

    /// The next event, with its name and arguments.
    pub(crate) async fn event(&mut self) -> (String, Vec<Value>) {
        match self.packet().await {
            Packet::Event { event, .. } => (event.name, event.args),
            other => panic!("not an event: {other:?}"),
        }
    }

    pub(crate) async fn emit(&mut self, namespace: &str, name: &str, args: &[Value]) {
        let event = Event { name: name.to_owned(), args: args.to_vec(), attachments: Vec::new() };
        self.send_packet(&Packet::Event { namespace: namespace.to_owned(), id: None, event }).await;
    }

    pub(crate) async fn join(&mut self, namespace: &str, auth: Option<Value>) -> String {
        self.send_packet(&Packet::Connect { namespace: namespace.to_owned(), data: auth }).await;
        let Packet::Connect { namespace: joined, data: Some(data) } = self.packet().await else {
            panic!("not let in");
        };
        assert_eq!(joined, namespace);
        assert_eq!(self.event().await, ("welcome".to_owned(), vec![json!(namespace)]));
        data["sid"].as_str().unwrap().to_owned()
    }

    /// Reads until the server ends the connection; the code of its close frame, if there was one.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.message().await {
                Ok(Message::Close(close)) => return close.map(|close| close.code),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

pub(crate) fn bytes(length: usize) -> Bytes {
    Bytes::from((0..length).map(|n| n as u8).collect::<Vec<_>>())
}

pub(crate) fn assert_refused(answer: (u16, String), status: u16, code: u8, message: impl Debug) {
    assert_eq!(answer, (status, format!(r#"{{"code":{code},"message":{message:?}}}"#)));
}
