//! What can go wrong, said so that a person knows what was tried, and on what.

use serde_json::Value;
use socketio::packet::DecodeError;
use socketio::websocket;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why something could not be begun, or will not be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// The address of the server is none.
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A setting cannot work.
    Config {
        /// What is wrong.
        problem: String,
    },
    /// A namespace or event cannot be named so.
    Name {
        /// As given.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The packet is larger than the server takes, or than the queue holds.
    TooBig {
        /// The packet's size.
        bytes: usize,
        /// What is possible.
        bytes_max: usize,
    },
    /// The server did not let the client into the namespace.
    Refused(Refusal),
    /// The client is not in the namespace: it left, or the server sent it away. [`crate::Socket::join`] asks again.
    NotJoined {
        /// Which.
        namespace: String,
    },
    /// The event that is to be answered came over a connection that is gone.
    ConnectionGone,
    /// The client is closed, or has given up.
    Closed,
    /// There is no tokio runtime here; [`crate::Client::connect_in_thread`] brings one.
    NoRuntime,
    /// The system gave no thread.
    NoThread(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, problem } => write!(f, "{url:?} is no address of a Socket.IO server: {problem}"),
            Self::Config { problem } => write!(f, "the client cannot be configured so: {problem}"),
            Self::Name { name, problem } => write!(f, "{name:?} is no name for a namespace or an event: {problem}"),
            Self::TooBig { bytes, bytes_max } => {
                write!(f, "a packet of {bytes} bytes cannot be sent: at most {bytes_max} are possible")
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NotJoined { namespace } => write!(f, "the client is not in the namespace {namespace}"),
            Self::ConnectionGone => f.write_str("the connection over which the event came is gone"),
            Self::Closed => f.write_str("the client is closed"),
            Self::NoRuntime => f.write_str("there is no tokio runtime here to run the client"),
            Self::NoThread(problem) => write!(f, "the client's thread could not be started: {problem}"),
        }
    }
}

impl std::error::Error for Error {}

/// The server's answer to a client that it does not let into a namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The namespace.
    pub namespace: String,
    /// The server's words, for instance `Invalid authentication token`.
    pub message: String,
    /// What it said besides.
    pub data: Option<Value>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refuses the namespace {}: {}", self.namespace, self.message)
    }
}

impl std::error::Error for Refusal {}

/// Why an answer did not come.
#[derive(Debug, Clone, PartialEq)]
pub enum AckError {
    /// The server took too long.
    Timeout,
    /// The event was sent, and the connection ended before the answer: it may have arrived or not.
    Disconnected,
    /// The event never left: the queue was full of younger ones.
    Dropped,
    /// The event never left, for this reason.
    NotSent(Error),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("the server did not acknowledge the event in time"),
            Self::Disconnected => f.write_str("the connection ended before the server acknowledged the event"),
            Self::Dropped => f.write_str("the event was dropped from a full queue before it was sent"),
            Self::NotSent(error) => write!(f, "the event was not sent: {error}"),
        }
    }
}

impl std::error::Error for AckError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::NotSent(error) = self { Some(error) } else { None }
    }
}

/// Why a connection could not be made, or ended.
#[derive(Debug)]
pub enum ConnectionError {
    /// No byte stream to the server.
    Unreachable {
        /// Host and port.
        server: String,
        /// What the system said.
        error: io::Error,
    },
    /// The attempt took too long.
    TimedOut {
        /// Host and port.
        server: String,
        /// How long it may take.
        limit: Duration,
    },
    /// The WebSocket failed, or never was one.
    WebSocket(websocket::Error),
    /// The server broke the Socket.IO protocol.
    Packet(DecodeError),
    /// The server broke the Engine.IO protocol.
    Protocol(&'static str),
    /// The server did not ping in time.
    PingTimeout {
        /// How long it was waited for.
        limit: Duration,
    },
    /// The server took no byte for too long.
    WriteStalled,
    /// The server closed the connection.
    ClosedByServer {
        /// Its close code, if it gave one.
        code: Option<u16>,
        /// Its words; mostly none.
        reason: String,
    },
    /// No namespace let the client in; the last refusal.
    Refused(Refusal),
    /// There is no namespace left to be in.
    NotNeeded,
    /// The program closed the client.
    ClosedByUs,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { server, error } => write!(f, "{server} cannot be reached: {error}"),
            Self::TimedOut { server, limit } => {
                write!(f, "{server} did not open a Socket.IO session within {} ms", limit.as_millis())
            }
            Self::WebSocket(error) => error.fmt(f),
            Self::Packet(error) => error.fmt(f),
            Self::Protocol(what) => write!(f, "the server broke the Engine.IO protocol: {what}"),
            Self::PingTimeout { limit } => write!(f, "the server sent nothing for {} ms", limit.as_millis()),
            Self::WriteStalled => f.write_str("the server took no byte for too long"),
            Self::ClosedByServer { code: None, .. } => f.write_str("the server closed the connection"),
            Self::ClosedByServer { code: Some(code), reason } => {
                write!(f, "the server closed the connection with code {code}")?;
                if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::NotNeeded => f.write_str("no namespace is joined"),
            Self::ClosedByUs => f.write_str("the client is closed"),
        }
    }
}

impl std::error::Error for ConnectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { error, .. } => Some(error),
            Self::WebSocket(error) => Some(error),
            Self::Packet(error) => Some(error),
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}
