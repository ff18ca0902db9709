//! A server that a test plays by hand, packet by packet, over a pipe in memory.

use crate::support::within;
use client::{Client, Config, Connector};
use socketio::websocket::{Message, Reader, Role, Writer, accept_key};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// What a server says first: patient with pings, so that a test decides.
pub(crate) const OPEN: &str =
    r#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// The other end of every connection that a client makes.
pub(crate) struct Connections(UnboundedReceiver<DuplexStream>);

/// A client whose connections come out here; each holds so many bytes that nobody has read.
pub(crate) fn client(config: Config, pipe_bytes: usize) -> (Client, Connections) {
    let (sender, connections) = mpsc::unbounded_channel();
    let sender = Arc::new(Mutex::new(sender));
    let connector = Connector::plain(move |_, _| {
        let (ours, theirs) = tokio::io::duplex(pipe_bytes);
        let sent = sender.lock().unwrap().send(theirs);
        async move { sent.map(|()| ours).map_err(std::io::Error::other) }
    });
    let client = Client::connect("http://by.hand:1", Config { connector, ..config }).unwrap();
    (client, Connections(connections))
}

impl Connections {
    /// The next connection, before anything is said.
    pub(crate) async fn raw(&mut self) -> DuplexStream {
        within("a connection", self.0.recv()).await.unwrap()
    }

    /// The next connection, as a WebSocket, and the request that made it.
    pub(crate) async fn websocket(&mut self) -> (ByHand, String) {
        let mut stream = self.raw().await;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(within("a request", stream.read_u8()).await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            accept_key(key.as_bytes())
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (read, write) = tokio::io::split(stream);
        let by_hand = ByHand {
            reader: Reader::new(read, Role::Server, 64_000_000, &[]),
            writer: Writer::new(write, Role::Server),
        };
        (by_hand, request)
    }

    /// The next connection, after this open packet.
    pub(crate) async fn open(&mut self, open: &str) -> ByHand {
        let (mut server, _) = self.websocket().await;
        server.send(open).await;
        server
    }

    /// The next connection, in whose only namespace the client is.
    pub(crate) async fn joined(&mut self) -> ByHand {
        let mut server = self.open(OPEN).await;
        let connect = server.text().await;
        let namespace = connect.strip_prefix("40").unwrap().split(['{', ',']).next().unwrap().to_owned();
        let namespace = if namespace.is_empty() { namespace } else { format!("{namespace},") };
        server.send(&format!(r#"40{namespace}{{"sid":"s"}}"#)).await;
        server
    }
}

pub(crate) struct ByHand {
    reader: Reader<ReadHalf<DuplexStream>>,
    pub(crate) writer: Writer<WriteHalf<DuplexStream>>,
}

impl ByHand {
    pub(crate) async fn send(&mut self, text: &str) {
        self.writer.text(text);
        self.flush().await;
    }

    pub(crate) async fn flush(&mut self) {
        within("the client to read", self.writer.flush()).await.unwrap();
    }

    pub(crate) async fn message(&mut self) -> Option<Message> {
        within("a message from the client", self.reader.next()).await.ok()
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.message().await {
            Some(Message::Text(text)) => text,
            other => panic!("not a text message: {other:?}"),
        }
    }
}
