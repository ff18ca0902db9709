//! Every limit of a client, with the reason for its default.

use crate::backoff::Backoff;
use crate::connector::Connector;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// How a client behaves.
#[derive(Clone)]
pub struct Config {
    /// What it says about itself when it joins a namespace, for instance `{"token": "…"}`; must be an object. `{}`.
    /// [`crate::Client::socket_with`] says something else in one namespace.
    pub auth: Value,
    /// Asks servers that offer connection state recovery for what was missed (`auth.recovery`). The server then adds an
    /// argument to its events, the last: their offset. `false`.
    pub recovery: bool,
    /// The path of the server's door. `/socket.io/`, the reference's.
    pub path: String,
    /// Headers for the handshake, besides the protocol's own; no line breaks. A `User-Agent` takes the place of ours.
    pub headers: Vec<(String, String)>,
    /// Time for one attempt to connect, handshake included. 10 s.
    pub connect_timeout: Duration,
    /// Bytes that may wait to be sent, over all namespaces. 4 MiB: some 5,000 events of 600 bytes, which is minutes of a
    /// busy program.
    pub queue_bytes_max: usize,
    /// Bytes that may wait in one namespace to be read by the program. 4 MiB, as the server's queue for us.
    pub inbox_bytes_max: usize,
    /// Time that the connection waits for a program that reads too slowly, before it loses the oldest. 5 s: the server
    /// gets no pongs meanwhile and allows 20 s for one.
    pub inbox_wait_max: Duration,
    /// Longest message that is accepted, in bytes. 16 MiB: a server's answer may be larger than what it takes itself.
    pub message_bytes_max: usize,
    /// Most attachments of one event. 64.
    pub attachments_max: usize,
    /// A server that takes no byte for so long while bytes wait is given up. 15 s.
    pub write_stall_max: Duration,
    /// Time for what waits to be sent when the client is closed. 2 s.
    pub close_max: Duration,
    /// The pauses between attempts to connect.
    pub backoff: Backoff,
    /// The way to the server: TCP, unless set.
    pub connector: Connector,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            auth: json!({}),
            recovery: false,
            path: "/socket.io/".to_owned(),
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            queue_bytes_max: 4 * 1024 * 1024,
            inbox_bytes_max: 4 * 1024 * 1024,
            inbox_wait_max: Duration::from_secs(5),
            message_bytes_max: 16 * 1024 * 1024,
            attachments_max: 64,
            write_stall_max: Duration::from_secs(15),
            close_max: Duration::from_secs(2),
            backoff: Backoff::default(),
            connector: Connector::tcp(),
        }
    }
}

/// Without `auth` and `headers`, which hold secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("recovery", &self.recovery)
            .field("path", &self.path)
            .field("queue_bytes_max", &self.queue_bytes_max)
            .field("inbox_bytes_max", &self.inbox_bytes_max)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}
