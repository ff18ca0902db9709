//! Engine.IO 4 packets and polling payloads, both directions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::fmt;

/// What stands between the packets of a polling payload.
pub const SEPARATOR: u8 = 0x1E;

/// One Engine.IO packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// The server's first packet: its JSON text.
    Open(String),
    /// The sender ends the session.
    Close,
    /// The server asks for a sign of life; `probe` while upgrading. Only `2probe` comes from clients.
    Ping(String),
    /// The answer to a ping, with its text.
    Pong(String),
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// The client goes over to the transport on which it says so.
    Upgrade,
    /// Nothing; ends a poll.
    Noop,
}

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The first character is no packet type.
    UnknownType,
    /// What follows a `b` is not base64.
    NotBase64,
    /// The payload is not UTF-8.
    NotUtf8,
    /// The payload has more packets than allowed.
    TooManyPackets,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownType => "an Engine.IO packet has an unknown type",
            Self::NotBase64 => "a binary Engine.IO packet is not base64",
            Self::NotUtf8 => "an Engine.IO payload is not UTF-8",
            Self::TooManyPackets => "an Engine.IO payload has too many packets",
        })
    }
}

impl std::error::Error for DecodeError {}

impl Packet {
    /// Reads the text form: a WebSocket text message, or one part of a polling payload (where `b` is binary).
    ///
    /// # Errors
    /// Unknown type, or a `b` that is not base64.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        Self::decode_owned(text.to_owned())
    }

    /// As [`Packet::decode`], without copying a message.
    pub(crate) fn decode_owned(mut text: String) -> Result<Self, DecodeError> {
        let kind = text.as_bytes().first().copied().ok_or(DecodeError::UnknownType)?;
        if !kind.is_ascii() {
            return Err(DecodeError::UnknownType);
        }
        text.remove(0);
        match kind {
            b'0' => Ok(Self::Open(text)),
            b'1' => Ok(Self::Close),
            b'2' => Ok(Self::Ping(text)),
            b'3' => Ok(Self::Pong(text)),
            b'4' => Ok(Self::Text(text)),
            b'5' => Ok(Self::Upgrade),
            b'6' => Ok(Self::Noop),
            b'b' => STANDARD.decode(text).map(|bytes| Self::Binary(bytes.into())).map_err(|_| DecodeError::NotBase64),
            _ => Err(DecodeError::UnknownType),
        }
    }

    /// The text form, as in a polling payload: binary is `b` and base64. Over WebSocket send [`Packet::Binary`] as a
    /// binary message instead.
    pub fn encode(&self) -> String {
        match self {
            Self::Open(json) => format!("0{json}"),
            Self::Close => "1".to_owned(),
            Self::Ping(text) => format!("2{text}"),
            Self::Pong(text) => format!("3{text}"),
            Self::Text(text) => format!("4{text}"),
            Self::Binary(bytes) => base64_form(bytes),
            Self::Upgrade => "5".to_owned(),
            Self::Noop => "6".to_owned(),
        }
    }
}

/// A binary message inside a polling payload.
pub(crate) fn base64_form(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(1 + bytes.len().div_ceil(3) * 4);
    text.push('b');
    STANDARD.encode_string(bytes, &mut text);
    text
}

/// Reads a polling payload of at most `packets_max` packets.
///
/// # Errors
/// The first packet that is wrong decides; none is returned then.
pub fn decode_payload(body: &[u8], packets_max: usize) -> Result<Vec<Packet>, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::NotUtf8)?;
    if memchr::memchr_iter(SEPARATOR, body).count() >= packets_max {
        return Err(DecodeError::TooManyPackets);
    }
    text.split(SEPARATOR as char).map(Packet::decode).collect()
}

/// Writes a polling payload.
pub fn encode_payload(packets: &[Packet]) -> String {
    packets.iter().map(Packet::encode).collect::<Vec<_>>().join("\u{1e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_survives_the_round_trip() {
        let packets = vec![
            Packet::Text("héllo €".to_owned()),
            Packet::Binary(Bytes::from_static(&[1, 2, 3, 4])),
            Packet::Ping("probe".to_owned()),
            Packet::Close,
        ];
        let payload = encode_payload(&packets);
        assert_eq!(payload, "4héllo €\u{1e}bAQIDBA==\u{1e}2probe\u{1e}1");
        assert_eq!(decode_payload(payload.as_bytes(), 4), Ok(packets));
        assert_eq!(decode_payload(payload.as_bytes(), 3), Err(DecodeError::TooManyPackets));
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_panic() {
        for body in ["", "abc", "é", "4a\u{1e}", "b!!", "\u{1e}", "7"] {
            assert!(decode_payload(body.as_bytes(), 100).is_err(), "{body:?}");
        }
        assert_eq!(decode_payload(&[0xFF, 0xFE], 100), Err(DecodeError::NotUtf8));
    }
}
