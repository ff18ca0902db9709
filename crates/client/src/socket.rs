//! The client in one namespace: what a program emits and gets there.

use crate::channel::Channel;
use crate::error::{AckError, Error, Refusal};
use crate::handle::Guard;
use crate::inbox::Incoming;
use crate::outbox::Outgoing;
use crate::shared::Shared;
use bytes::Bytes;
use serde_json::Value;
use socketio::packet::{self, Answer, RESERVED_EVENTS};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// What the server called the client when it let it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The socket's id, another one in every namespace.
    pub id: String,
    /// The client is who it was before, and gets what it missed next.
    pub recovered: bool,
}

/// How the client stands with a namespace.
#[derive(Debug, Clone, PartialEq)]
pub enum Membership {
    /// It waits for a connection, or for the server's answer. What is emitted waits, too.
    Waiting,
    /// It is in.
    Joined(Joined),
    /// The server does not let it in. It is asked again over the next connection, or by [`Socket::join`].
    Refused(Refusal),
    /// It left, or the server sent it away, or the client is closed. [`Socket::join`] asks again.
    Left,
}

/// The client in one namespace. Clones share it: each message goes to one of them.
#[derive(Clone)]
pub struct Socket {
    pub(crate) channel: Arc<Channel>,
    pub(crate) guard: Arc<Guard>,
}

impl Socket {
    fn shared(&self) -> &Arc<Shared> {
        &self.guard.shared
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.channel.namespace
    }

    /// How it stands with the namespace now, and from now on.
    pub fn membership(&self) -> watch::Receiver<Membership> {
        self.channel.membership.subscribe()
    }

    /// Waits until the server has let it in, or not.
    ///
    /// # Errors
    /// [`Error::Refused`] with the server's words, [`Error::NotJoined`], or [`Error::Closed`].
    pub async fn joined(&self) -> Result<Joined, Error> {
        let mut membership = self.membership();
        // The sender lives as long as `self`.
        let settled = membership.wait_for(|membership| *membership != Membership::Waiting).await;
        match settled.map(|membership| membership.clone()) {
            Ok(Membership::Joined(joined)) => Ok(joined),
            Ok(Membership::Refused(refusal)) => Err(Error::Refused(refusal)),
            _ if self.shared().state().is_over => Err(Error::Closed),
            _ => Err(Error::NotJoined { namespace: self.namespace().to_owned() }),
        }
    }

    /// Asks to be let in again, after a refusal or an end; with something else to say about itself, if given.
    pub fn join(&self, auth: Option<Value>) {
        if let Some(auth) = auth {
            self.channel.set_auth(auth);
        }
        if self.shared().state().is_over {
            return;
        }
        let asks = self.channel.membership.send_if_modified(|membership| {
            let asks = matches!(membership, Membership::Refused(_) | Membership::Left);
            if asks {
                *membership = Membership::Waiting;
            }
            asks
        });
        if asks {
            self.shared().ask_for(&self.channel);
        }
    }

    /// Leaves the namespace. What waits to be sent there is dropped; what has come can still be read.
    pub fn leave(&self) {
        self.shared().leave(&self.channel);
    }

    /// Queues an event; it is sent as soon as the client is in. Never waits.
    ///
    /// # Errors
    /// The name is reserved, the event too big, or the client not in the namespace and not about to be.
    pub fn emit(&self, event: &str, args: &[Value]) -> Result<(), Error> {
        self.emit_binary(event, args, &[])
    }

    /// As [`Socket::emit`], with arguments that have placeholders ([`socketio::packet::placeholder`]) for these
    /// attachments.
    ///
    /// # Errors
    /// As [`Socket::emit`].
    pub fn emit_binary(&self, event: &str, args: &[Value], attachments: &[Bytes]) -> Result<(), Error> {
        check_event(event)?;
        let text = packet::encode_event(self.namespace(), None, event, args, attachments.len());
        self.shared().send(&self.channel, outgoing(text, attachments, false), None)
    }

    /// Emits an event and waits for the server's answer, from now on at most so long, also while there is no connection.
    ///
    /// # Errors
    /// No answer came, and why.
    pub async fn emit_with_ack(&self, event: &str, args: &[Value], timeout: Duration) -> Result<Answer, AckError> {
        self.emit_binary_with_ack(event, args, &[], timeout).await
    }

    /// [`Socket::emit_binary`] and [`Socket::emit_with_ack`] in one.
    ///
    /// # Errors
    /// As [`Socket::emit_with_ack`].
    pub async fn emit_binary_with_ack(
        &self,
        event: &str,
        args: &[Value],
        attachments: &[Bytes],
        timeout: Duration,
    ) -> Result<Answer, AckError> {
        check_event(event).map_err(AckError::NotSent)?;
        let id = self.shared().state().outbox.next_ack(self.channel.lane);
        let text = packet::encode_event(self.namespace(), Some(id), event, args, attachments.len());
        let (asker, answer) = oneshot::channel();
        let _forget = Forget { socket: self, id };
        let packet = outgoing(text, attachments, false);
        self.shared().send(&self.channel, packet, Some((id, asker))).map_err(AckError::NotSent)?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(AckError::Disconnected),
            Err(_) => Err(AckError::Timeout),
        }
    }

    /// The next thing that happens in the namespace; `None` when the client is closed. Safe to cancel.
    ///
    /// Who never calls this is not bothered: after [`crate::Config::inbox_wait_max`] the oldest events are lost.
    pub async fn next(&self) -> Option<Incoming> {
        self.channel.inbox.next().await
    }

    /// The next event; everything else is skipped, gaps too.
    pub async fn next_event(&self) -> Option<(packet::Event, Option<Ack>)> {
        loop {
            if let Incoming::Event { event, ack } = self.next().await? {
                return Some((event, ack));
            }
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}

/// Forgets an answer that nobody waits for any more.
struct Forget<'a> {
    socket: &'a Socket,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.socket.shared().state().outbox.forget(self.socket.channel.lane, self.id);
    }
}

/// The right to answer one event of the server. Dropping it answers nothing.
pub struct Ack {
    pub(crate) channel: Arc<Channel>,
    pub(crate) shared: Weak<Shared>,
    pub(crate) id: u64,
    /// The number of the connection that wants the answer.
    pub(crate) connection: u64,
}

impl Ack {
    /// Answers with these arguments. Never waits.
    ///
    /// # Errors
    /// The connection is gone, or the answer too big.
    pub fn send(self, args: &[Value]) -> Result<(), Error> {
        self.send_binary(args, &[])
    }

    /// Answers with arguments that have placeholders ([`socketio::packet::placeholder`]) for these attachments.
    ///
    /// # Errors
    /// As [`Ack::send`].
    pub fn send_binary(self, args: &[Value], attachments: &[Bytes]) -> Result<(), Error> {
        let shared = self.shared.upgrade().ok_or(Error::Closed)?;
        if shared.state().connection != self.connection {
            return Err(Error::ConnectionGone);
        }
        let text = packet::encode_answer(&self.channel.namespace, self.id, args, attachments.len());
        shared.send(&self.channel, outgoing(text, attachments, true), None)
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack").field("id", &self.id).finish_non_exhaustive()
    }
}

fn outgoing(packet: String, attachments: &[Bytes], is_answer: bool) -> Outgoing {
    Outgoing { text: format!("4{packet}"), attachments: attachments.to_vec(), is_answer }
}

pub(crate) fn check_event(name: &str) -> Result<(), Error> {
    if RESERVED_EVENTS.contains(&name) {
        return Err(Error::Name { name: name.to_owned(), problem: "Socket.IO keeps it for itself" });
    }
    Ok(())
}
