//! WebSocket (RFC 6455) over any byte stream, server and client side, without extensions.
//!
//! A connection is two independent halves, so that a slow writer never holds up reading: [`Reader::next`] gives one
//! message at a time, [`Writer`] holds frames that wait and sends them with as few vectored writes as possible. Both
//! are safe to cancel (`tokio::select!`). A server frame is not masked, so one encoded frame ([`server_frame`]) can be
//! given to every connection with [`Writer::push`].

mod client;
pub(crate) mod frame;
mod handshake;
mod reader;
mod writer;

pub use client::connect;
pub use frame::{Opcode, server_frame};
pub use handshake::{Refused, Stream, Upgrade, accept_key, accept_response, is_upgrade, upgrade};
pub use reader::Reader;
pub use writer::Writer;

use bytes::Bytes;
use std::{fmt, io};

/// Which end of the connection we are: clients mask what they send, servers do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Expects masked frames, sends unmasked ones.
    Server,
    /// Expects unmasked frames, sends masked ones.
    Client,
}

/// What the other side sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A whole text message, fragments joined, checked to be UTF-8.
    Text(String),
    /// A whole binary message, fragments joined.
    Binary(Bytes),
    /// The other side wants a pong with the same payload (at most 125 bytes).
    Ping(Bytes),
    /// An answer to a ping, or an unsolicited sign of life.
    Pong(Bytes),
    /// The other side closes; nothing follows. Answer with [`Writer::close`] unless we closed first.
    Close(Option<CloseFrame>),
}

/// Why a connection was closed, as said by the side that closed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// 1000 to 4999, see RFC 6455 section 7.4.
    pub code: u16,
    /// At most 123 bytes for people to read; may be empty.
    pub reason: String,
}

/// Close codes that this crate sends (RFC 6455 section 7.4.1).
pub mod code {
    /// The purpose is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The server is going down.
    pub const AWAY: u16 = 1001;
    /// The other side broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A text message was not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// The other side may not do this here.
    pub const POLICY: u16 = 1008;
    /// A message is longer than the limit.
    pub const TOO_BIG: u16 = 1009;
}

/// Why reading ended.
#[derive(Debug)]
pub enum Error {
    /// The other side broke RFC 6455; the text says how. Close with 1002.
    Protocol(&'static str),
    /// A text message or close reason is not UTF-8. Close with 1007.
    NotUtf8,
    /// A message would be longer than the limit, in bytes. Close with 1009.
    TooBig {
        /// The limit given to the reader.
        bytes_max: usize,
    },
    /// The stream ended without a close frame.
    Ended,
    /// The stream failed.
    Io(io::Error),
    /// The HTTP answer to our request is not an upgrade (client side only).
    Handshake(String),
}

impl Error {
    /// The close code to send to the other side, if it still listens.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Protocol(_) => Some(code::PROTOCOL),
            Self::NotUtf8 => Some(code::NOT_UTF8),
            Self::TooBig { .. } => Some(code::TOO_BIG),
            Self::Ended | Self::Io(_) | Self::Handshake(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(what) => write!(f, "the other side broke the WebSocket protocol: {what}"),
            Self::NotUtf8 => write!(f, "a WebSocket text message is not UTF-8"),
            Self::TooBig { bytes_max } => write!(f, "a WebSocket message is longer than {bytes_max} bytes"),
            Self::Ended => write!(f, "the WebSocket connection ended without a close frame"),
            Self::Io(error) => write!(f, "the WebSocket connection failed: {error}"),
            Self::Handshake(what) => write!(f, "the server did not switch to WebSocket: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
