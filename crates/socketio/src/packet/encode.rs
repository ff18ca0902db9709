//! Socket.IO packets to text and attachments.

use super::Packet;
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
        let mut attachments = Vec::new();
        let text = written(|out| match self {
            Self::Connect { namespace, data } => {
                write_head(out, Kind::Connect, 0, namespace, None);
                if let Some(data) = data {
                    write_json(out, data);
                }
            }
            Self::Disconnect { namespace } => write_head(out, Kind::Disconnect, 0, namespace, None),
            Self::Event { namespace, id, event } => {
                write_event(out, namespace, *id, &event.name, &event.args, event.attachments.len());
                attachments.clone_from(&event.attachments);
            }
            Self::Ack { namespace, id, answer } => {
                write_answer(out, namespace, *id, &answer.args, answer.attachments.len());
                attachments.clone_from(&answer.attachments);
            }
            Self::ConnectError { namespace, data } => {
                write_head(out, Kind::ConnectError, 0, namespace, None);
                write_json(out, data);
            }
        });
        (text, attachments)
    }
}

/// The text form of an event with so many attachments, which must follow it, without taking its parts.
pub fn encode_event(namespace: &str, id: Option<u64>, name: &str, args: &[Value], attachments: usize) -> String {
    written(|out| write_event(out, namespace, id, name, args, attachments))
}

/// The text form of an acknowledgement with so many attachments, which must follow it, without taking its parts.
pub fn encode_answer(namespace: &str, id: u64, args: &[Value], attachments: usize) -> String {
    written(|out| write_answer(out, namespace, id, args, attachments))
}

fn written(write: impl FnOnce(&mut BytesMut)) -> String {
    let mut out = BytesMut::new();
    write(&mut out);
    // Only text and JSON were written, so nothing is replaced.
    String::from_utf8(out.into()).unwrap_or_default()
}

fn write_event(out: &mut BytesMut, namespace: &str, id: Option<u64>, name: &str, args: &[Value], attachments: usize) {
    write_head(out, Kind::Event, attachments, namespace, id);
    out.put_u8(b'[');
    write_string(out, name);
    for arg in args {
        out.put_u8(b',');
        write_json(out, arg);
    }
    out.put_u8(b']');
}

fn write_answer(out: &mut BytesMut, namespace: &str, id: u64, args: &[Value], attachments: usize) {
    write_head(out, Kind::Ack, attachments, namespace, Some(id));
    out.put_u8(b'[');
    for (index, arg) in args.iter().enumerate() {
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
