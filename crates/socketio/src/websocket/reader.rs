//! The reading half: bytes in, whole messages out, every limit of RFC 6455 checked.

use super::frame::{self, Header, Opcode};
use super::{CloseFrame, Error, Message, Role};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What one read asks for at least, in bytes: most messages from clients fit, and a thousand idle clients cost 4 MiB.
const READ_BYTES: usize = 4 * 1024;

/// A buffer that grew beyond this for one large message is given back afterwards, in bytes.
const BUFFER_KEPT_BYTES_MAX: usize = 64 * 1024;

/// Reads messages from one side of a WebSocket connection.
#[derive(Debug)]
pub struct Reader<R> {
    io: R,
    role: Role,
    message_bytes_max: usize,
    buffer: BytesMut,
    /// Bytes that must be in the buffer before the next frame is whole.
    needed_bytes: usize,
    /// The parts so far of a fragmented message.
    fragments: Option<(Opcode, Vec<u8>)>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads from `io`, which first gives `already_read`; a longer message than `message_bytes_max` is an error.
    pub fn new(io: R, role: Role, message_bytes_max: usize, already_read: &[u8]) -> Self {
        let buffer = BytesMut::from(already_read);
        Self { io, role, message_bytes_max, buffer, needed_bytes: 0, fragments: None }
    }

    /// The next message. Safe to cancel: nothing read is lost.
    ///
    /// # Errors
    /// After an error or a [`Message::Close`] the connection is to be closed; do not read on.
    pub async fn next(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(message) = self.decode()? {
                return Ok(message);
            }
            self.make_room();
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Err(Error::Ended);
            }
        }
    }

    /// Grows with what really arrived, never with what a header announces.
    fn make_room(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEPT_BYTES_MAX {
            self.buffer = BytesMut::new();
        }
        let missing = self.needed_bytes.saturating_sub(self.buffer.len());
        let growth = self.buffer.len().max(READ_BYTES);
        self.buffer.reserve(missing.clamp(READ_BYTES.min(growth), growth));
    }

    /// Takes frames from the buffer until a message is whole.
    fn decode(&mut self) -> Result<Option<Message>, Error> {
        loop {
            let Some(header) = Header::decode(&self.buffer)? else {
                self.needed_bytes = 0;
                return Ok(None);
            };
            let length = self.check(&header)?;
            let end = header.size + length;
            if self.buffer.len() < end {
                self.needed_bytes = end;
                return Ok(None);
            }
            if let Some(key) = header.mask {
                frame::apply_mask(&mut self.buffer[header.size..end], key);
            }
            let message = self.frame(&header, end)?;
            self.buffer.advance(end);
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    /// Refuses what is wrong with a frame before its payload is waited for; the payload's length in bytes.
    fn check(&self, header: &Header) -> Result<usize, Error> {
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(Error::Protocol("a client's frame is not masked")),
            (Role::Client, Some(_)) => return Err(Error::Protocol("a server's frame is masked")),
            _ => {}
        }
        let before = match (&self.fragments, header.opcode) {
            (_, opcode) if opcode.is_control() => 0,
            (None, Opcode::Continuation) => return Err(Error::Protocol("a continuation without a beginning")),
            (Some(_), Opcode::Text | Opcode::Binary) => {
                return Err(Error::Protocol("a new message inside a fragmented one"));
            }
            (Some((_, parts)), _) => parts.len(),
            (None, _) => 0,
        };
        let too_big = Error::TooBig { bytes_max: self.message_bytes_max };
        let Ok(length) = usize::try_from(header.length) else { return Err(too_big) };
        if before.saturating_add(length) > self.message_bytes_max && !header.opcode.is_control() {
            return Err(too_big);
        }
        Ok(length)
    }

    /// One whole frame at the front of the buffer; its message, if it completes one.
    fn frame(&mut self, header: &Header, end: usize) -> Result<Option<Message>, Error> {
        let payload = &self.buffer[header.size..end];
        match header.opcode {
            Opcode::Ping => Ok(Some(Message::Ping(Bytes::copy_from_slice(payload)))),
            Opcode::Pong => Ok(Some(Message::Pong(Bytes::copy_from_slice(payload)))),
            Opcode::Close => close(payload).map(|close| Some(Message::Close(close))),
            Opcode::Text | Opcode::Binary if header.last => whole(header.opcode, payload.to_vec()).map(Some),
            Opcode::Text | Opcode::Binary => {
                self.fragments = Some((header.opcode, payload.to_vec()));
                Ok(None)
            }
            Opcode::Continuation => {
                let Some((opcode, mut parts)) = self.fragments.take() else { return Ok(None) };
                parts.extend_from_slice(payload);
                if header.last {
                    return whole(opcode, parts).map(Some);
                }
                self.fragments = Some((opcode, parts));
                Ok(None)
            }
        }
    }
}

fn whole(opcode: Opcode, payload: Vec<u8>) -> Result<Message, Error> {
    if opcode == Opcode::Text {
        return String::from_utf8(payload).map(Message::Text).map_err(|_| Error::NotUtf8);
    }
    Ok(Message::Binary(payload.into()))
}

fn close(payload: &[u8]) -> Result<Option<CloseFrame>, Error> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        if payload.is_empty() {
            return Ok(None);
        }
        return Err(Error::Protocol("a close frame of one byte"));
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Error::Protocol("a close code that may not be sent"));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Error::NotUtf8)?.to_owned();
    Ok(Some(CloseFrame { code, reason }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Longest message in these tests, in bytes.
    const MESSAGE_BYTES_MAX: usize = 100_000;

    proptest! {
        /// What a header announces costs nothing; what has arrived, at most four times itself: a buffer doubles.
        #[test]
        fn memory_grows_with_what_has_arrived_and_ends_at_the_limit(
            parts in proptest::collection::vec(0_usize..30_000, 0..6),
            announced in prop_oneof![0..2 * MESSAGE_BYTES_MAX as u64, any::<u64>()],
            arrived in prop_oneof![0_usize..100, 0..2 * MESSAGE_BYTES_MAX],
        ) {
            let part = |first: u8, announced: u64, arrived: usize| {
                [&[first, 0xFF][..], &announced.to_be_bytes(), &[0; 4], &vec![0; arrived]].concat()
            };
            let opcode = |index: usize| if index == 0 { 0x02 } else { 0x00 };
            let mut bytes = Vec::new();
            for (index, length) in parts.iter().enumerate() {
                bytes.extend(part(opcode(index), *length as u64, *length));
            }
            bytes.extend(part(0x80 | opcode(parts.len()), announced, arrived));
            let arrived = bytes.len();
            let mut reader = Reader::new(&bytes[..], Role::Server, MESSAGE_BYTES_MAX, &[]);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let most = runtime.block_on(async {
                let mut most = 0;
                while reader.next().await.is_ok() {
                    most = most.max(reader.held());
                }
                most.max(reader.held())
            });
            prop_assert!(most <= 4 * arrived + 4 * READ_BYTES, "{most} for {arrived}");
            prop_assert!(most <= 5 * MESSAGE_BYTES_MAX, "{most}");
        }
    }

    impl<R> Reader<R> {
        fn held(&self) -> usize {
            self.buffer.capacity() + self.fragments.as_ref().map_or(0, |(_, parts)| parts.len())
        }
    }
}
