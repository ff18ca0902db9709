//! What comes from the server, message by message.

use crate::channel::Channel;
use crate::connection::In;
use crate::error::{ConnectionError, Error, Refusal};
use crate::inbox::Incoming;
use crate::shared::{Control, Shared};
use crate::socket::{Ack, Joined, Membership};
use serde_json::Value;
use socketio::packet::{Decoder, Limits, Packet};
use socketio::websocket::{self, Message};
use std::sync::Arc;
use std::time::Duration;

/// Deepest nesting in a packet: the JSON parser's own stack limit is 127.
const NESTING_MAX: usize = 100;

/// What an early event costs besides its bytes.
const EARLY_BYTES: usize = 256;

/// Reads until the connection ends; says why.
pub(crate) async fn read(shared: &Arc<Shared>, reader: &mut In, patience: Duration) -> ConnectionError {
    let limits = Limits {
        attachments_max: shared.config.attachments_max,
        attachments_bytes_max: shared.config.message_bytes_max,
        nesting_max: NESTING_MAX,
    };
    let mut reading =
        Reading { shared, decoder: Decoder::new(limits), last_refusal: None, early: Vec::new(), early_bytes: 0 };
    loop {
        let Ok(message) = tokio::time::timeout(patience, reader.next()).await else {
            return ConnectionError::PingTimeout { limit: patience };
        };
        let taken = match message {
            Ok(message) => reading.message(message).await,
            Err(websocket::Error::Ended) => Err(ConnectionError::ClosedByServer { code: None, reason: String::new() }),
            Err(error) => Err(ConnectionError::WebSocket(error)),
        };
        if let Err(ended) = taken {
            return ended;
        }
        // A flood from the server leaves room for writing, too.
        tokio::task::consume_budget().await;
    }
}

struct Reading<'a> {
    shared: &'a Arc<Shared>,
    decoder: Decoder,
    last_refusal: Option<Refusal>,
    /// Events that came before the answer to CONNECT, with their sizes: the reference server lets them overtake it.
    early: Vec<(Arc<Channel>, Incoming, usize)>,
    early_bytes: usize,
}

impl Reading<'_> {
    async fn message(&mut self, message: Message) -> Result<(), ConnectionError> {
        let (bytes, decoded) = match message {
            Message::Text(text) => match text.split_at_checked(1) {
                Some(("4", packet)) => (text.len(), self.decoder.text(packet)),
                Some(("2", _)) => return self.answer(|control| control.pong = true),
                Some(("3" | "6", _)) => return Ok(()),
                Some(("1", _)) => {
                    return Err(ConnectionError::ClosedByServer { code: None, reason: String::new() });
                }
                _ => return Err(ConnectionError::Protocol("a packet of unknown type")),
            },
            Message::Binary(attachment) => (attachment.len(), self.decoder.binary(attachment)),
            // One pong is enough for many pings (RFC 6455, 5.5.3).
            Message::Ping(payload) => return self.answer(|control| control.websocket_pong = Some(payload)),
            Message::Pong(_) => return Ok(()),
            Message::Close(close) => {
                let (code, reason) = close.map_or((None, String::new()), |close| (Some(close.code), close.reason));
                return Err(ConnectionError::ClosedByServer { code, reason });
            }
        };
        match decoded.map_err(ConnectionError::Packet)? {
            Some(packet) => self.packet(packet, bytes).await,
            None => Ok(()),
        }
    }

    fn answer(&self, answer: impl FnOnce(&mut Control)) -> Result<(), ConnectionError> {
        answer(&mut self.shared.state().control);
        self.shared.work.notify_one();
        Ok(())
    }

    async fn packet(&mut self, packet: Packet, bytes: usize) -> Result<(), ConnectionError> {
        self.shared.state().stats.received_packets += 1;
        let channel = |namespace: &str| self.shared.channel(namespace);
        match packet {
            Packet::Connect { namespace, data } => {
                let Some(channel) = channel(&namespace) else { return Ok(()) };
                self.joined(&channel, data.unwrap_or_default())?;
                self.deliver_early(&channel).await;
                Ok(())
            }
            Packet::ConnectError { namespace, data } => {
                let Some(channel) = channel(&namespace) else { return Ok(()) };
                self.refused(&channel, &data)
            }
            Packet::Disconnect { namespace } => {
                let Some(channel) = channel(&namespace) else { return Ok(()) };
                self.sent_away(&channel)
            }
            Packet::Event { namespace, id, event } => {
                let Some(channel) = channel(&namespace) else { return Ok(()) };
                let bytes = bytes + event.attachments.iter().map(bytes::Bytes::len).sum::<usize>();
                let ack = id.map(|id| self.ack(&channel, id));
                self.event(channel, Incoming::Event { event, ack }, bytes).await
            }
            Packet::Ack { namespace, id, answer } => {
                if let Some(channel) = channel(&namespace) {
                    self.shared.state().outbox.answered(channel.lane, id, answer);
                }
                Ok(())
            }
        }
    }

    async fn event(&mut self, channel: Arc<Channel>, event: Incoming, bytes: usize) -> Result<(), ConnectionError> {
        let is_in = matches!(*channel.membership.borrow(), Membership::Joined(_));
        if is_in {
            self.deliver(&channel, event, bytes).await;
            return Ok(());
        }
        self.early_bytes += bytes + EARLY_BYTES;
        if self.early_bytes > self.shared.config.inbox_bytes_max {
            return Err(ConnectionError::Protocol("too many events before the answer to CONNECT"));
        }
        self.early.push((channel, event, bytes));
        Ok(())
    }

    async fn deliver(&self, channel: &Channel, event: Incoming, bytes: usize) {
        if let Incoming::Event { event, .. } = &event {
            channel.note_offset(event.args.last());
        }
        let config = &self.shared.config;
        channel.inbox.push_event(event, bytes, config.inbox_bytes_max, config.inbox_wait_max).await;
    }

    /// The client is in: what came before it knew comes now.
    async fn deliver_early(&mut self, channel: &Channel) {
        let is_its = |entry: &mut (Arc<Channel>, Incoming, usize)| entry.0.lane == channel.lane;
        let early: Vec<_> = self.early.extract_if(.., is_its).collect();
        for (_, event, bytes) in early {
            self.early_bytes = self.early_bytes.saturating_sub(bytes + EARLY_BYTES);
            self.deliver(channel, event, bytes).await;
        }
    }

    fn ack(&self, channel: &Arc<Channel>, id: u64) -> Ack {
        let connection = self.shared.state().connection;
        Ack { channel: Arc::clone(channel), shared: Arc::downgrade(self.shared), id, connection }
    }

    fn joined(&mut self, channel: &Channel, data: Value) -> Result<(), ConnectionError> {
        // It may have left before the answer came.
        if !channel.is_wanted() {
            return Ok(());
        }
        let Some(id) = data.get("sid").and_then(Value::as_str) else {
            return Err(ConnectionError::Protocol("a CONNECT answer without a sid; is it Socket.IO 2?"));
        };
        let recovered = channel.let_in(data.get("pid").and_then(Value::as_str));
        let joined = Joined { id: id.to_owned(), recovered };
        channel.inbox.push(Incoming::Joined(joined.clone()));
        let is_in = channel.membership.send_if_modified(|membership| {
            let is_in = *membership != Membership::Left;
            if is_in {
                *membership = Membership::Joined(joined);
            }
            is_in
        });
        if is_in {
            self.shared.state().outbox.open(channel.lane);
            self.shared.work.notify_one();
        }
        Ok(())
    }

    fn refused(&mut self, channel: &Channel, data: &Value) -> Result<(), ConnectionError> {
        if !channel.is_wanted() {
            return Ok(());
        }
        let message = data.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        let refusal = Refusal { namespace: channel.namespace.clone(), message, data: data.get("data").cloned() };
        self.shared.state().control.forget(channel.lane);
        channel.inbox.push(Incoming::Refused(refusal.clone()));
        self.shared.out_of(channel, Membership::Refused(refusal.clone()), &Error::Refused(refusal.clone()));
        self.last_refusal = Some(refusal);
        self.is_needed()
    }

    fn sent_away(&mut self, channel: &Channel) -> Result<(), ConnectionError> {
        if !channel.is_wanted() {
            return Ok(());
        }
        self.shared.state().control.forget(channel.lane);
        channel.inbox.push(Incoming::Disconnected { reason: "the server disconnected the client".to_owned() });
        let why = Error::NotJoined { namespace: channel.namespace.clone() };
        self.shared.out_of(channel, Membership::Left, &why);
        self.is_needed()
    }

    /// A connection of which no namespace is left is of no use. The server would end it, too.
    fn is_needed(&self) -> Result<(), ConnectionError> {
        let channels = self.shared.channels();
        let in_use = |channel: &Arc<Channel>| {
            matches!(*channel.membership.borrow(), Membership::Waiting | Membership::Joined(_))
        };
        if channels.iter().any(in_use) {
            return Ok(());
        }
        let refused = channels.iter().any(|channel| channel.is_wanted());
        Err(match &self.last_refusal {
            Some(refusal) if refused => ConnectionError::Refused(refusal.clone()),
            _ => ConnectionError::NotNeeded,
        })
    }
}
