//! What the program that uses this crate is asked and told.

use crate::ack::Ack;
use crate::engine::{CloseReason, Handshake, Lost, Refusal};
use crate::packet::Event;
use crate::socket::Socket;
use serde_json::Value;
use std::fmt;

/// The program behind a server. Calls are synchronous, made in the connection's own task, and hold no lock of ours:
/// everything may be called back. Work that waits is spawned by the implementor.
///
/// For one socket the order is `connect`, `connected`, any number of `event`s, `disconnected`. `disconnected` may run
/// in another thread while an `event` still does.
pub trait Handler: Send + Sync + 'static {
    /// A client asks to join the socket's namespace; `auth` is its CONNECT payload, `{}` if it sent none.
    ///
    /// Nothing can be sent to the socket yet; rooms may be joined and data set.
    ///
    /// # Errors
    /// The refusal goes to the client as CONNECT_ERROR.
    fn connect(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectRefusal> {
        let _ = (socket, auth);
        Ok(())
    }

    /// The client has its CONNECT answer, and broadcasts reach the socket from now on. Greetings go here.
    fn connected(&self, socket: &Socket) {
        let _ = socket;
    }

    /// The client sent an event; `ack` is there if it wants an answer.
    fn event(&self, socket: &Socket, event: Event, ack: Option<Ack>) {
        let _ = (socket, event, ack);
    }

    /// The socket was too slow, lost these packets, and has room again to be told.
    fn fell_behind(&self, socket: &Socket, lost: Lost) {
        let _ = (socket, lost);
    }

    /// The socket's connection went from polling to WebSocket.
    fn upgraded(&self, socket: &Socket) {
        let _ = socket;
    }

    /// The socket is gone; told once for each that `connect` let in.
    fn disconnected(&self, socket: &Socket, reason: CloseReason) {
        let _ = (socket, reason);
    }

    /// A namespace was refused, by `connect` or because nobody declared it.
    fn connect_refused(&self, namespace: &str, handshake: &Handshake, refusal: &ConnectRefusal) {
        let _ = (namespace, handshake, refusal);
    }

    /// A connection opened, before any namespace is joined.
    fn engine_opened(&self, handshake: &Handshake) {
        let _ = handshake;
    }

    /// A connection ended, after its sockets did.
    fn engine_closed(&self, handshake: &Handshake, reason: CloseReason) {
        let _ = (handshake, reason);
    }

    /// A request got an error instead of a connection.
    fn engine_refused(&self, refusal: Refusal, handshake: &Handshake) {
        let _ = (refusal, handshake);
    }
}

/// Why a client may not join; becomes `{"message":…,"data":…}`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectRefusal {
    /// What the client's `connect_error` says.
    pub message: String,
    /// More about it, for programs.
    pub data: Option<Value>,
}

impl ConnectRefusal {
    /// A refusal with a message only.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut json = serde_json::Map::new();
        json.insert("message".to_owned(), Value::String(self.message.clone()));
        if let Some(data) = &self.data {
            json.insert("data".to_owned(), data.clone());
        }
        Value::Object(json)
    }
}

impl fmt::Display for ConnectRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectRefusal {}
