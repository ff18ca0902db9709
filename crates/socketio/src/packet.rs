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

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
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

    /// Its arguments as JSON alone: where bytes stand, at any depth, stands `{"base64": …}`.
    pub fn into_json(self) -> Vec<Value> {
        let Event { mut args, attachments, .. } = self;
        if !attachments.is_empty() {
            args.iter_mut().for_each(|value| tell_bytes(value, &attachments));
        }
        args
    }
}

fn tell_bytes(value: &mut Value, attachments: &[Bytes]) {
    if let Some(bytes) = placeholder_number(value).and_then(|number| attachments.get(number)) {
        *value = json!({ "base64": BASE64.encode(bytes) });
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| tell_bytes(item, attachments)),
        Value::Object(fields) => fields.values_mut().for_each(|field| tell_bytes(field, attachments)),
        _ => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_at_any_depth_are_told_in_json() {
        let event = Event {
            name: "x".to_owned(),
            args: vec![placeholder(1), json!({ "deep": [placeholder(0), 5] }), placeholder(9)],
            attachments: vec![Bytes::from_static(&[1, 2, 3]), Bytes::new()],
        };
        let told = [json!({ "base64": "" }), json!({ "deep": [{ "base64": "AQID" }, 5] }), placeholder(9)];
        assert_eq!(event.into_json(), told);
    }
}
