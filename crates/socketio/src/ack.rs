//! Acknowledgements: answers that we owe clients, and answers that clients owe us.

use crate::encoded::{Json, encode};
use crate::engine::SendError;
use crate::packet::{Answer, Kind};
use crate::socket::Socket;
use crate::sync::lock;
use bytes::Bytes;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use tokio::sync::oneshot;

/// The right to answer one event of a client. Dropping it answers nothing.
#[derive(Debug)]
pub struct Ack {
    pub(crate) socket: Socket,
    pub(crate) id: u64,
}

impl Ack {
    /// Answers with these arguments.
    ///
    /// # Errors
    /// As [`Socket::emit`].
    pub fn send(self, args: &[Value]) -> Result<(), SendError> {
        self.send_binary(args, &[])
    }

    /// Answers with arguments that have placeholders ([`crate::packet::placeholder`]) for these attachments.
    ///
    /// # Errors
    /// As [`Socket::emit`].
    pub fn send_binary(self, args: &[Value], attachments: &[Bytes]) -> Result<(), SendError> {
        let args: Vec<_> = args.iter().map(Json::from).collect();
        self.send_json(&args, attachments)
    }

    /// As [`Ack::send_binary`], with arguments that may be JSON text already.
    ///
    /// # Errors
    /// As [`Socket::emit`].
    pub fn send_json(self, args: &[Json<'_>], attachments: &[Bytes]) -> Result<(), SendError> {
        let frames = encode(Kind::Ack, self.socket.namespace(), Some(self.id), None, args, attachments);
        self.socket.push_kept(frames)
    }
}

/// Why an answer did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckError {
    /// The client took too long.
    Timeout,
    /// The socket ended first.
    Disconnected,
    /// The event could not be sent.
    NotSent(SendError),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("the client did not acknowledge the event in time"),
            Self::Disconnected => f.write_str("the socket ended before the client acknowledged the event"),
            Self::NotSent(error) => write!(f, "the event was not sent: {error}"),
        }
    }
}

impl std::error::Error for AckError {}

/// The answers that one socket's client owes. The mutex is held for one look-up.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    state: Mutex<OwedState>,
}

#[derive(Debug, Default)]
struct OwedState {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    over: bool,
}

impl Owed {
    /// A new number, and where its answer will come; at once an error if the socket is over.
    pub(crate) fn expect(&self) -> (u64, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        let mut state = lock(&self.state);
        let id = state.next;
        state.next += 1;
        if !state.over {
            state.waiting.insert(id, sender);
        }
        (id, receiver)
    }

    pub(crate) fn forget(&self, id: u64) {
        lock(&self.state).waiting.remove(&id);
    }

    /// An answer came; one that nobody waits for is ignored.
    pub(crate) fn answer(&self, id: u64, answer: Answer) {
        let waiting = lock(&self.state).waiting.remove(&id);
        if let Some(sender) = waiting {
            // Whoever asked may have stopped waiting.
            let _ = sender.send(answer);
        }
    }

    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.over = true;
        state.waiting.clear();
    }
}
