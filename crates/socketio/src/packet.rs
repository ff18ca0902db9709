//! Socket.IO 5 packets, both directions, for servers and clients.
//!
//! The text form is what follows the `4` of an Engine.IO message: `2/chat,7["hello",1]` is an event for namespace
//! `/chat` that wants the acknowledgement 7. Binary values stand as placeholders in the JSON and follow as binary
//! messages of their own.

mod decode;
mod encode;
mod surrogates;

pub(crate) use decode::decode_frames;
pub use decode::{DecodeError, Decoder, Limits};
pub(crate) use encode::{Kind, write_head, write_json, write_string};
pub use encode::{encode_answer, encode_event};

use bytes::Bytes;
use serde_json::{Value, json};

/// One Socket.IO packet.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    /// A client joins a namespace, with what it says about itself; or the server agrees, with the socket's id.
    Connect {
        /// `/` is the main one.
        namespace: String,
        /// An object, if any.
        data: Option<Value>,
    },
    /// Either side leaves a namespace.
    Disconnect {
        /// Which one.
        namespace: String,
    },
    /// An event; binary if it has attachments.
    Event {
        /// Where it happens.
        namespace: String,
        /// The acknowledgement it wants.
        id: Option<u64>,
        /// What happened.
        event: Event,
    },
    /// The answer to an event that wanted one.
    Ack {
        /// Where.
        namespace: String,
        /// The event's number.
        id: u64,
        /// The answer.
        answer: Answer,
    },
    /// The server refuses a `Connect`.
    ConnectError {
        /// Which namespace.
        namespace: String,
        /// `{"message":…,"data":…}`.
        data: Value,
    },
}

/// An event's name and arguments.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event {
    /// Its name; never one that the protocol reserves.
    pub name: String,
    /// Its arguments. Binary ones stand as placeholders: give them to [`Event::attachment`].
    pub args: Vec<Value>,
    /// The binary values, in the order of their numbers.
    pub attachments: Vec<Bytes>,
}

impl Event {
    /// The bytes that a placeholder among the arguments stands for; `None` if `value` is none.
    pub fn attachment(&self, value: &Value) -> Option<&Bytes> {
        self.attachments.get(placeholder_number(value)?)
    }
}

/// The answer to an event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// Its arguments. Binary ones stand as placeholders: give them to [`Answer::attachment`].
    pub args: Vec<Value>,
    /// The binary values, in the order of their numbers.
    pub attachments: Vec<Bytes>,
}

impl Answer {
    /// The bytes that a placeholder among the arguments stands for; `None` if `value` is none.
    pub fn attachment(&self, value: &Value) -> Option<&Bytes> {
        self.attachments.get(placeholder_number(value)?)
    }
}

/// What stands in the arguments for the attachment with this number (they count from 0).
pub fn placeholder(number: usize) -> Value {
    json!({ "_placeholder": true, "num": number })
}

fn placeholder_number(value: &Value) -> Option<usize> {
    if value.get("_placeholder")? != &Value::Bool(true) {
        return None;
    }
    usize::try_from(value.get("num")?.as_u64()?).ok()
}

/// Event names that mean something to the protocol's implementations and so cannot be sent.
pub const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
