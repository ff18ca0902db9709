//! Events encoded once, for any number of sockets and both transports.

use crate::engine::{Frame, Frames};
use crate::packet::{Kind, write_head, write_json, write_string};
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// An argument of an event: a value, or JSON text that is written as it is.
#[derive(Debug, Clone, Copy)]
pub enum Json<'a> {
    /// Is serialized.
    Value(&'a Value),
    /// Must be one valid JSON value; nothing checks it.
    Raw(&'a str),
}

impl<'a> From<&'a Value> for Json<'a> {
    fn from(value: &'a Value) -> Self {
        Self::Value(value)
    }
}

impl Json<'_> {
    fn write(self, out: &mut BytesMut) {
        match self {
            Self::Value(value) => write_json(out, value),
            Self::Raw(text) => out.put_slice(text.as_bytes()),
        }
    }

    /// About how long it will be, in bytes; a guess for a value.
    fn bytes(self) -> usize {
        match self {
            Self::Value(_) => 256,
            Self::Raw(text) => text.len(),
        }
    }
}

/// An event as the bytes that go to every socket of one namespace. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Encoded {
    pub(crate) namespace: Arc<str>,
    pub(crate) frames: Frames,
    pub(crate) tag: u64,
    pub(crate) keep: bool,
    offset: Option<Arc<Offset>>,
}

/// An event's place for recovery, and its second form, made when the first socket wants it.
#[derive(Debug)]
struct Offset {
    text: String,
    frames: OnceLock<Frames>,
}

impl Encoded {
    /// Encodes an event without attachments. A slow client may lose it, see [`Encoded::kept`].
    ///
    /// `namespace` begins with `/` and has no comma; `name` is not one of [`crate::packet::RESERVED_EVENTS`].
    pub fn event(namespace: &str, name: &str, args: &[Json<'_>]) -> Self {
        Self::binary_event(namespace, name, args, &[])
    }

    /// Encodes an event whose arguments have placeholders ([`crate::packet::placeholder`]) for these attachments.
    pub fn binary_event(namespace: &str, name: &str, args: &[Json<'_>], attachments: &[Bytes]) -> Self {
        let frames = encode(Kind::Event, namespace, None, Some(name), args, attachments);
        Self { namespace: namespace.into(), frames, tag: 0, keep: false, offset: None }
    }

    /// Numbers the event, so that a client that loses it can be told what it lost ([`crate::Handler::fell_behind`]).
    pub fn tagged(mut self, tag: u64) -> Self {
        self.tag = tag;
        self
    }

    /// Never drops the event for a slow client; one that cannot take it is disconnected instead.
    pub fn kept(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Makes the event recoverable: sockets with a private id ([`crate::Socket::offer_recovery`]) get this text as one
    /// more argument, the last, and bring it back when they come back. All others get the event as it is.
    pub fn offset(mut self, offset: impl Into<String>) -> Self {
        self.offset = Some(Arc::new(Offset { text: offset.into(), frames: OnceLock::new() }));
        self
    }

    /// The namespace it is for.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its number, 0 for none.
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// The bytes for a socket that can be recovered: encoded once, too.
    pub(crate) fn recoverable_frames(&self) -> &Frames {
        let Some(offset) = &self.offset else { return &self.frames };
        offset.frames.get_or_init(|| with_last_argument(&self.frames, &offset.text))
    }

    /// The bytes for the network.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }
}

/// An event (with a name) or an acknowledgement (without) and its attachments as frames.
pub(crate) fn encode(
    kind: Kind,
    namespace: &str,
    id: Option<u64>,
    name: Option<&str>,
    args: &[Json<'_>],
    attachments: &[Bytes],
) -> Frames {
    let guess = 32 + namespace.len() + name.map_or(0, str::len) + args.iter().map(|arg| arg.bytes() + 1).sum::<usize>();
    let text = Frame::text(guess, |out| {
        out.put_u8(b'4');
        write_head(out, kind, attachments.len(), namespace, id);
        out.put_u8(b'[');
        if let Some(name) = name {
            write_string(out, name);
        }
        for (index, arg) in args.iter().enumerate() {
            if index > 0 || name.is_some() {
                out.put_u8(b',');
            }
            arg.write(out);
        }
        out.put_u8(b']');
    });
    if attachments.is_empty() {
        return Frames::One(text);
    }
    let binary = attachments.iter().map(|bytes| Frame::from_binary(bytes));
    Frames::Many(std::iter::once(text).chain(binary).collect())
}

/// The same packet with one more argument, a string. Its text ends with the bracket of the arguments.
fn with_last_argument(frames: &Frames, argument: &str) -> Frames {
    let Some((first, attachments)) = frames.as_slice().split_first() else { return frames.clone() };
    let packet = first.polling();
    let text = Frame::text(packet.len() + argument.len() + 3, |out| {
        out.put_slice(packet.strip_suffix(b"]").unwrap_or(&packet));
        out.put_u8(b',');
        write_string(out, argument);
        out.put_u8(b']');
    });
    if attachments.is_empty() {
        return Frames::One(text);
    }
    Frames::Many(std::iter::once(text).chain(attachments.iter().cloned()).collect())
}

/// A packet of the protocol itself (CONNECT, DISCONNECT, CONNECT_ERROR) as a frame.
pub(crate) fn encode_protocol(kind: Kind, namespace: &str, data: Option<&Value>) -> Frames {
    Frames::One(Frame::text(128, |out| {
        out.put_u8(b'4');
        write_head(out, kind, 0, namespace, None);
        if let Some(data) = data {
            write_json(out, data);
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_encoded_once_however_many_sockets_get_it() {
        let event = Encoded::event("/hook", "news", &[Json::Raw("1")]).offset("7.0");
        let place = |frames: &Frames| frames.as_slice()[0].websocket().as_ptr();
        assert_eq!(place(&event.frames().clone()), place(event.clone().frames()));
        // The form with an offset is made when it is first wanted, and then shared by all clones.
        let clone = event.clone();
        assert_eq!(place(&clone.recoverable_frames().clone()), place(event.recoverable_frames()));
        assert_eq!(&*event.recoverable_frames().as_slice()[0].polling(), br#"42/hook,["news",1,"7.0"]"#);
        assert_eq!(&*event.frames().as_slice()[0].polling(), br#"42/hook,["news",1]"#);
    }
}
