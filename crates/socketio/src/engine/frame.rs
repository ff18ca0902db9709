//! Engine.IO packets encoded once for every connection and both transports.

use super::Message;
use super::packet::base64_form;
use crate::websocket::Opcode;
use crate::websocket::frame::FrameBuilder;
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::sync::Arc;

/// One packet: a whole server WebSocket frame, whose payload is also the packet's text in a polling answer.
#[derive(Debug, Clone)]
pub struct Frame {
    bytes: Bytes,
    header_bytes: u8,
    binary: bool,
}

impl Frame {
    /// A packet whose text `write` appends (with its type digit first); `bytes` is how long it will be, roughly.
    pub(crate) fn text(bytes: usize, write: impl FnOnce(&mut BytesMut)) -> Self {
        let mut builder = FrameBuilder::new(bytes);
        write(builder.payload());
        let (bytes, header) = builder.finish(Opcode::Text);
        Self { bytes, header_bytes: header as u8, binary: false }
    }

    /// A packet from its whole text, for instance `2` or `4hello`.
    pub fn from_text(text: &str) -> Self {
        Self::text(text.len(), |payload| payload.extend_from_slice(text.as_bytes()))
    }

    /// A binary message.
    pub fn from_binary(message: &[u8]) -> Self {
        let mut builder = FrameBuilder::new(message.len());
        builder.payload().extend_from_slice(message);
        let (bytes, header) = builder.finish(Opcode::Binary);
        Self { bytes, header_bytes: header as u8, binary: true }
    }

    /// The whole unmasked WebSocket frame.
    pub fn websocket(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn into_websocket(self) -> Bytes {
        self.bytes
    }

    /// The packet as a part of a polling answer.
    pub fn polling(&self) -> Cow<'_, [u8]> {
        let payload = &self.bytes[usize::from(self.header_bytes)..];
        if self.binary { Cow::Owned(base64_form(payload).into_bytes()) } else { Cow::Borrowed(payload) }
    }

    /// The message in it, as the other side hears it; empty if it is no message.
    pub(crate) fn message(&self) -> Message {
        let payload = self.bytes.slice(usize::from(self.header_bytes)..);
        if self.binary {
            return Message::Binary(payload);
        }
        let text = payload.strip_prefix(b"4").unwrap_or_default();
        Message::Text(String::from_utf8_lossy(text).into_owned())
    }

    /// Length of the WebSocket frame, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// The frames that must follow one another: an event and its attachments. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub enum Frames {
    /// The common case: no attachments.
    One(Frame),
    /// A packet and its attachments.
    Many(Arc<[Frame]>),
}

impl Frames {
    /// All frames, in order.
    pub fn as_slice(&self) -> &[Frame] {
        match self {
            Self::One(frame) => std::slice::from_ref(frame),
            Self::Many(frames) => frames,
        }
    }

    /// Length of all frames, in bytes.
    pub fn bytes(&self) -> usize {
        self.as_slice().iter().map(Frame::len).sum()
    }
}

impl From<Frame> for Frames {
    fn from(frame: Frame) -> Self {
        Self::One(frame)
    }
}
