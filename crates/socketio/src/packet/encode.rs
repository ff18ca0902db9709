//! Socket.IO packets to text and attachments.

use super::{Answer, Event, Packet};
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;
use std::fmt::Write as _;

/// The digit that a packet begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

impl Packet {
    /// The text form, and the attachments that must follow it as binary messages.
    pub fn encode(&self) -> (String, Vec<Bytes>) {
        let mut out = BytesMut::new();
        let mut attachments = Vec::new();
        match self {
            Self::Connect { namespace, data } => {
                write_head(&mut out, Kind::Connect, 0, namespace, None);
                if let Some(data) = data {
                    write_json(&mut out, data);
                }
            }
            Self::Disconnect { namespace } => write_head(&mut out, Kind::Disconnect, 0, namespace, None),
            Self::Event { namespace, id, event } => {
                write_head(&mut out, Kind::Event, event.attachments.len(), namespace, *id);
                write_event(&mut out, event);
                attachments.clone_from(&event.attachments);
            }
            Self::Ack { namespace, id, answer } => {
                write_head(&mut out, Kind::Ack, answer.attachments.len(), namespace, Some(*id));
                write_answer(&mut out, answer);
                attachments.clone_from(&answer.attachments);
            }
            Self::ConnectError { namespace, data } => {
                write_head(&mut out, Kind::ConnectError, 0, namespace, None);
                write_json(&mut out, data);
            }
        }
        // Only text and JSON were written, so nothing is replaced.
        let text = String::from_utf8(out.into()).unwrap_or_default();
        (text, attachments)
    }
}

fn write_event(out: &mut BytesMut, event: &Event) {
    out.put_u8(b'[');
    write_string(out, &event.name);
    for arg in &event.args {
        out.put_u8(b',');
        write_json(out, arg);
    }
    out.put_u8(b']');
}

fn write_answer(out: &mut BytesMut, answer: &Answer) {
    out.put_u8(b'[');
    for (index, arg) in answer.args.iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        write_json(out, arg);
    }
    out.put_u8(b']');
}

/// All before the JSON: the digit, the number of attachments, the namespace, the acknowledgement's number.
pub(crate) fn write_head(out: &mut BytesMut, kind: Kind, attachments: usize, namespace: &str, id: Option<u64>) {
    let digit = match (kind, attachments) {
        (Kind::Connect, _) => b'0',
        (Kind::Disconnect, _) => b'1',
        (Kind::Event, 0) => b'2',
        (Kind::Ack, 0) => b'3',
        (Kind::ConnectError, _) => b'4',
        (Kind::Event, _) => b'5',
        (Kind::Ack, _) => b'6',
    };
    out.put_u8(digit);
    // Writing numbers into a growing buffer cannot fail.
    if attachments > 0 {
        let _ = write!(out, "{attachments}-");
    }
    if namespace != "/" {
        out.put_slice(namespace.as_bytes());
        out.put_u8(b',');
    }
    if let Some(id) = id {
        let _ = write!(out, "{id}");
    }
}

/// Appends a value. Values have string keys only and the buffer grows, so this cannot fail.
pub(crate) fn write_json(out: &mut BytesMut, value: &Value) {
    let _ = serde_json::to_writer(out.writer(), value);
}

/// Appends a JSON string; cannot fail, as [`write_json`].
pub(crate) fn write_string(out: &mut BytesMut, text: &str) {
    let _ = serde_json::to_writer(out.writer(), text);
}
