//! Engine.IO 4: sessions over HTTP long-polling and WebSocket, with heartbeat, upgrade and bounded queues.
//!
//! The layer below Socket.IO, public because it is useful alone. A [`Server`] answers HTTP requests; an [`Accept`]
//! says who listens to each new [`Session`]; a [`Listener`] gets its messages in order.

mod frame;
mod handshake;
pub mod packet;
mod polling;
mod queue;
mod rate;
mod server;
mod session;
mod state;
mod wire;

pub use frame::{Frame, Frames};
pub use handshake::{ConnectionInfo, Handshake};
pub use queue::{Entry, Lost};
pub use server::{Refusal, Server};
pub use session::Session;
pub use state::{QueueState, SendError, Transport};

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Decides who listens to new sessions.
pub trait Accept: Send + Sync + 'static {
    /// A session is open; its open packet is queued already. Not called under any lock.
    fn open(&self, session: &Session) -> Arc<dyn Listener>;

    /// A request was answered with an error instead of a session.
    fn refused(&self, refusal: Refusal, handshake: &Handshake) {
        let _ = (refusal, handshake);
    }
}

/// Hears what happens in one session. Calls come without any lock held; `message` never runs twice at a time, while
/// `closed` may come from another thread during one.
pub trait Listener: Send + Sync + 'static {
    /// The client sent a message.
    fn message(&self, message: Message);

    /// The client was too slow, lost these packets, and has room again to be told.
    fn fell_behind(&self, owner: u32, lost: Lost) {
        let _ = (owner, lost);
    }

    /// The client went from polling to WebSocket.
    fn upgraded(&self) {}

    /// The session is over; called once. Nothing can be sent any more.
    fn closed(&self, reason: CloseReason);
}

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// Why a connection, or a socket on it, ended. [`CloseReason::as_str`] gives the reference's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed the connection.
    TransportClose,
    /// The connection broke, or the client broke the transport's rules.
    TransportError,
    /// The client did not answer a ping in time.
    PingTimeout,
    /// The client sent what is no packet.
    ParseError,
    /// We closed the connection on request of the program.
    ServerClose,
    /// The server is shutting down.
    ServerShutdown,
    /// The client left the namespace.
    ClientDisconnect,
    /// The program disconnected the socket from its namespace.
    ServerDisconnect,
    /// The client joined no namespace in time, or spoke to one it had not joined.
    NotConnected,
    /// The client took no byte for too long while bytes waited.
    WriteStalled,
    /// More waited than the queue may hold of what may not be dropped.
    QueueFull,
}

impl CloseReason {
    /// Every reason, in order.
    pub const ALL: [Self; 11] = [
        Self::TransportClose,
        Self::TransportError,
        Self::PingTimeout,
        Self::ParseError,
        Self::ServerClose,
        Self::ServerShutdown,
        Self::ClientDisconnect,
        Self::ServerDisconnect,
        Self::NotConnected,
        Self::WriteStalled,
        Self::QueueFull,
    ];

    /// The reason as the reference implementation names it, or in its style where it has none.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ServerClose | Self::NotConnected => "forced server close",
            Self::ServerShutdown => "server shutting down",
            Self::ClientDisconnect => "client namespace disconnect",
            Self::ServerDisconnect => "server namespace disconnect",
            Self::WriteStalled => "write stalled",
            Self::QueueFull => "queue full",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
