//! The bytes of one WebSocket frame: its header, its mask, and whole frames encoded once for many connections.

use super::Error;
use bytes::{BufMut, Bytes, BytesMut};

/// What a frame is (RFC 6455 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A further part of a fragmented message.
    Continuation,
    /// A text message, or its first part.
    Text,
    /// A binary message, or its first part.
    Binary,
    /// The end of the connection.
    Close,
    /// A request for a pong.
    Ping,
    /// The answer to a ping.
    Pong,
}

impl Opcode {
    /// The four bits on the wire.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// Whether the frame must be short and may come between the parts of a message.
    pub(crate) fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

/// The longest payload of a close, ping or pong frame, in bytes (RFC 6455 section 5.5).
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

/// The longest header of an unmasked frame, in bytes; a mask adds four.
pub(crate) const HEADER_BYTES_MAX: usize = 10;

/// The header of a frame that has arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) last: bool,
    pub(crate) opcode: Opcode,
    pub(crate) mask: Option<[u8; 4]>,
    /// Payload, in bytes.
    pub(crate) length: u64,
    /// The header itself, in bytes.
    pub(crate) size: usize,
}

impl Header {
    /// Reads a header from the front of `bytes`; `None` when more bytes are needed.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let (Some(&first), Some(&second)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Error::Protocol("a reserved bit is set"));
        }
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(Error::Protocol("unknown opcode"))?;
        let last = first & 0x80 != 0;
        if opcode.is_control() && (!last || usize::from(second & 0x7F) > CONTROL_BYTES_MAX) {
            return Err(Error::Protocol("a control frame is fragmented or longer than 125 bytes"));
        }
        let mut size = 2;
        let length = match second & 0x7F {
            126 => {
                let Some(field) = bytes.get(2..4).and_then(|field| <[u8; 2]>::try_from(field).ok()) else {
                    return Ok(None);
                };
                size += 2;
                u64::from(u16::from_be_bytes(field))
            }
            127 => {
                let Some(field) = bytes.get(2..10).and_then(|field| <[u8; 8]>::try_from(field).ok()) else {
                    return Ok(None);
                };
                size += 8;
                u64::from_be_bytes(field)
            }
            short => u64::from(short),
        };
        if length > i64::MAX as u64 {
            return Err(Error::Protocol("the highest bit of a length is set"));
        }
        let mask = if second & 0x80 != 0 {
            let Some(key) = bytes.get(size..size + 4).and_then(|key| <[u8; 4]>::try_from(key).ok()) else {
                return Ok(None);
            };
            size += 4;
            Some(key)
        } else {
            None
        };
        Ok(Some(Self { last, opcode, mask, length, size }))
    }
}

/// The header of an unmasked last frame, at the end of the array; the second value is where it starts.
fn header(opcode: Opcode, length: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let mut header = [0; HEADER_BYTES_MAX];
    let start = match length {
        0..=125 => {
            header[9] = length as u8;
            8
        }
        126..=0xFFFF => {
            header[7] = 126;
            header[8..].copy_from_slice(&(length as u16).to_be_bytes());
            6
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(length as u64).to_be_bytes());
            0
        }
    };
    header[start] = 0x80 | opcode.bits();
    (header, start)
}

/// Encodes a whole frame as a server sends it: unmasked and unfragmented, so the same bytes serve every connection.
pub fn server_frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER_BYTES_MAX + payload.len());
    let (header, start) = header(opcode, payload.len());
    frame.put_slice(&header[start..]);
    frame.put_slice(payload);
    frame.freeze()
}

/// Encodes a whole frame as a client sends it: masked with `key`.
pub(crate) fn client_frame(opcode: Opcode, payload: &[u8], key: [u8; 4]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER_BYTES_MAX + 4 + payload.len());
    let (mut header, start) = header(opcode, payload.len());
    header[start + 1] |= 0x80;
    frame.put_slice(&header[start..]);
    frame.put_slice(&key);
    let body = frame.len();
    frame.put_slice(payload);
    apply_mask(&mut frame[body..], key);
    frame.freeze()
}

/// Masks or unmasks in place.
pub(crate) fn apply_mask(payload: &mut [u8], key: [u8; 4]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        // Proof: `chunks_exact_mut(8)` gives slices of eight bytes.
        let Ok(bytes) = <[u8; 8]>::try_from(&*word) else { continue };
        word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Builds a server frame in place: the payload is written once, and the header is put directly before it.
pub(crate) struct FrameBuilder {
    buffer: BytesMut,
}

impl FrameBuilder {
    /// Starts a frame with room for `payload_bytes`.
    pub(crate) fn new(payload_bytes: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(HEADER_BYTES_MAX + payload_bytes);
        buffer.put_slice(&[0; HEADER_BYTES_MAX]);
        Self { buffer }
    }

    /// Where the payload is appended.
    pub(crate) fn payload(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The whole frame, and the length of its header in bytes.
    pub(crate) fn finish(mut self, opcode: Opcode) -> (Bytes, usize) {
        let (header, start) = header(opcode, self.buffer.len() - HEADER_BYTES_MAX);
        self.buffer[..HEADER_BYTES_MAX].copy_from_slice(&header);
        (self.buffer.freeze().slice(start..), HEADER_BYTES_MAX - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_every_length_class() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let frame = client_frame(Opcode::Binary, &vec![7; length], [1, 2, 3, 4]);
            let header = Header::decode(&frame).unwrap().unwrap();
            assert_eq!((header.length as usize, header.mask, header.last), (length, Some([1, 2, 3, 4]), true));
            let mut payload = frame[header.size..].to_vec();
            apply_mask(&mut payload, [1, 2, 3, 4]);
            assert_eq!(payload, vec![7; length]);
        }
    }

    #[test]
    fn a_header_cut_anywhere_asks_for_more_and_never_panics() {
        let frame = client_frame(Opcode::Text, &vec![7; 70_000], [9, 9, 9, 9]);
        for end in 0..14 {
            assert!(Header::decode(&frame[..end]).unwrap().is_none());
        }
    }

    #[test]
    fn a_built_frame_is_the_same_as_an_encoded_one() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut builder = FrameBuilder::new(length);
            builder.payload().put_slice(&payload);
            let (frame, header) = builder.finish(Opcode::Text);
            assert_eq!(frame, server_frame(Opcode::Text, &payload));
            assert_eq!(&frame[header..], &payload[..]);
        }
    }
}
