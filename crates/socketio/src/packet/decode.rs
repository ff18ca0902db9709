//! Text and attachments to Socket.IO packets, with every limit checked before memory is spent.

use super::{Answer, Event, Packet, RESERVED_EVENTS, placeholder_number, surrogates};
use crate::config::Config;
use crate::engine::{Frames, Message};
use bytes::Bytes;
use serde_json::Value;
use std::fmt;

/// What a packet may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Attachments of one packet.
    pub attachments_max: usize,
    /// Bytes of the attachments of one packet together.
    pub attachments_bytes_max: usize,
    /// Depth of arrays and objects in the JSON.
    pub nesting_max: usize,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            attachments_max: config.attachments_max,
            attachments_bytes_max: config.attachments_bytes_max,
            nesting_max: config.nesting_max,
        }
    }
}

/// Why messages are no packet. The reference closes the connection for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The first character is no packet type.
    UnknownType,
    /// The number of attachments is missing, zero or no number.
    IllegalAttachments,
    /// More attachments, or more bytes in them, than allowed.
    TooManyAttachments,
    /// The JSON is not what this type of packet carries, or no JSON.
    InvalidPayload,
    /// The JSON is nested deeper than allowed.
    TooDeep,
    /// Text came where an attachment was expected.
    TextInsteadOfAttachment,
    /// An attachment came that nobody expected.
    UnexpectedAttachment,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownType => "a Socket.IO packet has an unknown type",
            Self::IllegalAttachments => "a Socket.IO packet has an illegal number of attachments",
            Self::TooManyAttachments => "a Socket.IO packet has too many attachments, or too large ones",
            Self::InvalidPayload => "the payload does not fit the type of the Socket.IO packet",
            Self::TooDeep => "the payload of a Socket.IO packet is nested too deeply",
            Self::TextInsteadOfAttachment => "text came where a binary attachment was expected",
            Self::UnexpectedAttachment => "a binary attachment came that no packet announced",
        })
    }
}

impl std::error::Error for DecodeError {}

/// Puts packets together from the messages of one connection, in order.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    incomplete: Option<Incomplete>,
}

#[derive(Debug)]
struct Incomplete {
    packet: Packet,
    announced: usize,
    bytes: usize,
}

impl Decoder {
    /// A decoder for one connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, incomplete: None }
    }

    /// Takes a text message; its packet, unless attachments are still to come.
    ///
    /// # Errors
    /// The connection is to be closed.
    pub fn text(&mut self, text: &str) -> Result<Option<Packet>, DecodeError> {
        if self.incomplete.is_some() {
            return Err(DecodeError::TextInsteadOfAttachment);
        }
        let (packet, announced) = parse(text, &self.limits)?;
        if announced == 0 {
            return Ok(Some(packet));
        }
        self.incomplete = Some(Incomplete { packet, announced, bytes: 0 });
        Ok(None)
    }

    /// Takes a binary message; the packet, if it was its last attachment.
    ///
    /// # Errors
    /// The connection is to be closed.
    pub fn binary(&mut self, attachment: Bytes) -> Result<Option<Packet>, DecodeError> {
        let Some(mut incomplete) = self.incomplete.take() else { return Err(DecodeError::UnexpectedAttachment) };
        incomplete.bytes = incomplete.bytes.saturating_add(attachment.len());
        if incomplete.bytes > self.limits.attachments_bytes_max {
            return Err(DecodeError::TooManyAttachments);
        }
        let attachments = match &mut incomplete.packet {
            Packet::Event { event, .. } => &mut event.attachments,
            Packet::Ack { answer, .. } => &mut answer.attachments,
            _ => return Err(DecodeError::UnexpectedAttachment),
        };
        attachments.push(attachment);
        if attachments.len() == incomplete.announced {
            return Ok(Some(incomplete.packet));
        }
        self.incomplete = Some(incomplete);
        Ok(None)
    }
}

/// The packet that these frames are, however large: we made them ourselves.
pub(crate) fn decode_frames(frames: &Frames) -> Option<Packet> {
    let limits = Limits {
        attachments_max: usize::MAX,
        attachments_bytes_max: usize::MAX,
        nesting_max: Config::default().nesting_max,
    };
    let mut decoder = Decoder::new(limits);
    let mut packet = None;
    for frame in frames.as_slice() {
        packet = match frame.message() {
            Message::Text(text) => decoder.text(&text).ok()?,
            Message::Binary(bytes) => decoder.binary(bytes).ok()?,
        };
    }
    packet
}

/// The packet without its attachments, and how many it announces.
fn parse(text: &str, limits: &Limits) -> Result<(Packet, usize), DecodeError> {
    let (&kind, _) = text.as_bytes().split_first().ok_or(DecodeError::UnknownType)?;
    if !(b'0'..=b'6').contains(&kind) {
        return Err(DecodeError::UnknownType);
    }
    let mut rest = &text[1..];
    let mut announced = 0;
    if kind >= b'5' {
        let (number, after) = rest.split_once('-').ok_or(DecodeError::IllegalAttachments)?;
        announced = digits(number).ok_or(DecodeError::IllegalAttachments)?;
        if announced == 0 {
            return Err(DecodeError::IllegalAttachments);
        }
        if announced > limits.attachments_max as u64 {
            return Err(DecodeError::TooManyAttachments);
        }
        rest = after;
    }
    let namespace = if rest.starts_with('/') {
        let (namespace, after) = rest.split_once(',').unwrap_or((rest, ""));
        rest = after;
        namespace.to_owned()
    } else {
        "/".to_owned()
    };
    let number_end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (number, json) = rest.split_at(number_end);
    let id = if number.is_empty() { None } else { Some(digits(number).ok_or(DecodeError::InvalidPayload)?) };
    let data = if json.is_empty() { None } else { Some(parse_json(json, limits)?) };
    let announced = announced as usize;
    Ok((build(kind, namespace, id, data, announced)?, announced))
}

/// At most 15 digits, so that every number is exact in JavaScript, too.
fn digits(text: &str) -> Option<u64> {
    let plain = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn build(
    kind: u8,
    namespace: String,
    id: Option<u64>,
    data: Option<Value>,
    announced: usize,
) -> Result<Packet, DecodeError> {
    match (kind, data) {
        (b'0', data) if data.as_ref().is_none_or(Value::is_object) => Ok(Packet::Connect { namespace, data }),
        (b'1', None) => Ok(Packet::Disconnect { namespace }),
        (b'2' | b'5', Some(Value::Array(args))) => {
            let mut args = args.into_iter();
            let name = match args.next() {
                Some(Value::String(name)) if !RESERVED_EVENTS.contains(&name.as_str()) => name,
                Some(Value::Number(name)) => name.to_string(),
                _ => return Err(DecodeError::InvalidPayload),
            };
            let args: Vec<_> = args.collect();
            check_placeholders(&args, announced)?;
            Ok(Packet::Event { namespace, id, event: Event { name, args, attachments: Vec::new() } })
        }
        (b'3' | b'6', Some(Value::Array(args))) => {
            let id = id.ok_or(DecodeError::InvalidPayload)?;
            check_placeholders(&args, announced)?;
            Ok(Packet::Ack { namespace, id, answer: Answer { args, attachments: Vec::new() } })
        }
        (b'4', Some(data @ (Value::Object(_) | Value::String(_)))) => Ok(Packet::ConnectError { namespace, data }),
        _ => Err(DecodeError::InvalidPayload),
    }
}

/// In a binary packet every placeholder must have its attachment; in others an object that looks like one is one.
fn check_placeholders(args: &[Value], announced: usize) -> Result<(), DecodeError> {
    if announced == 0 {
        return Ok(());
    }
    for value in args {
        match value {
            Value::Array(values) => check_placeholders(values, announced)?,
            Value::Object(object)
                if object.get("_placeholder") == Some(&Value::Bool(true))
                    && placeholder_number(value).is_none_or(|number| number >= announced) =>
            {
                return Err(DecodeError::IllegalAttachments);
            }
            Value::Object(object) => {
                for value in object.values() {
                    check_placeholders(std::slice::from_ref(value), announced)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn parse_json(json: &str, limits: &Limits) -> Result<Value, DecodeError> {
    if nesting(json.as_bytes()) > limits.nesting_max {
        return Err(DecodeError::TooDeep);
    }
    // JavaScript writes half of a pair as it is, when a string was cut in the middle of one.
    serde_json::from_str(json)
        .or_else(|error| surrogates::mend(json).map_or(Err(error), |mended| serde_json::from_str(&mended)))
        .map_err(|_| DecodeError::InvalidPayload)
}

/// The deepest nesting of brackets outside strings; for text that is no JSON, some number.
fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(found) = next_structure(&json[at..]) {
        at += found;
        match json[at] {
            b'"' => at += string_bytes(&json[at + 1..]),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            _ => depth = depth.saturating_sub(1),
        }
        at += 1;
        if at >= json.len() {
            break;
        }
    }
    deepest
}

fn next_structure(json: &[u8]) -> Option<usize> {
    json.iter().position(|byte| matches!(byte, b'"' | b'[' | b']' | b'{' | b'}'))
}

/// Bytes of a string's rest with its closing quote.
fn string_bytes(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &rest[at.min(rest.len())..]) {
        at += found;
        if rest[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decoder() -> Decoder {
        Decoder::new(Limits::from(&Config::default()))
    }

    #[test]
    fn every_kind_of_packet_survives_the_round_trip() {
        let event = |attachments: Vec<Bytes>| Event {
            name: "näme".to_owned(),
            args: vec![json!({"a": [1, "]", "\"{"]}), super::super::placeholder(0)],
            attachments,
        };
        let packets = [
            Packet::Connect { namespace: "/".to_owned(), data: None },
            Packet::Connect { namespace: "/x".to_owned(), data: Some(json!({"token": "t"})) },
            Packet::Disconnect { namespace: "/x".to_owned() },
            Packet::Event { namespace: "/x".to_owned(), id: Some(12), event: event(vec![]) },
            Packet::Event { namespace: "/".to_owned(), id: None, event: event(vec![Bytes::from_static(&[1])]) },
            Packet::Ack { namespace: "/".to_owned(), id: 0, answer: Answer::default() },
            Packet::ConnectError { namespace: "/".to_owned(), data: json!({"message": "no"}) },
        ];
        for packet in packets {
            let (text, attachments) = packet.encode();
            let mut decoder = decoder();
            let mut decoded = decoder.text(&text).unwrap();
            for attachment in attachments {
                decoded = decoder.binary(attachment).unwrap();
            }
            assert_eq!(decoded, Some(packet), "{text}");
        }
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_panic() {
        for text in [
            "",
            "abc",
            "7",
            "2",
            "2{}",
            "2[]",
            "2[null]",
            "2abc[\"x\"]",
            "2[\"connect\"]",
            "1{}",
            "0[]",
            "0null",
            "5[\"x\"]",
            "50-[\"x\"]",
            "51[\"x\"]",
            "511-[\"x\"]",
            "5-1-[\"x\"]",
            "3[]",
            "4",
            "41",
            "2[\"x\"",
            "é",
            "51-[\"x\",{\"_placeholder\":true,\"num\":1}]",
            "51-[\"x\",{\"_placeholder\":true}]",
            "2\"",
            "2\"\\",
            "29999999999999999999[\"x\"]",
            "2[\"x\\",
            "2/a",
            "2/a,",
            "3/a,1",
        ] {
            assert!(decoder().text(text).is_err(), "{text:?}");
        }
        let deep = format!("2[\"x\",{}{}]", "[".repeat(100), "]".repeat(100));
        assert_eq!(decoder().text(&deep), Err(DecodeError::TooDeep));
        for strings in ["\"{}\"", "\"\\\"{}\"", "\"\\\\\\\"{}\""] {
            let text = format!("2[\"x\",{}]", strings.replace("{}", &"[".repeat(1000)));
            assert!(decoder().text(&text).is_ok(), "{strings}");
        }
    }

    #[test]
    fn attachments_come_in_order_and_within_their_bounds() {
        let mut decoder = decoder();
        assert_eq!(decoder.binary(Bytes::new()), Err(DecodeError::UnexpectedAttachment));
        assert_eq!(decoder.text("52-[\"x\"]"), Ok(None));
        assert_eq!(decoder.text("2[\"y\"]"), Err(DecodeError::TextInsteadOfAttachment));
        assert_eq!(decoder.binary(Bytes::from(vec![0; 3_000_000])), Ok(None));
        assert_eq!(decoder.binary(Bytes::from(vec![0; 3_000_000])), Err(DecodeError::TooManyAttachments));
    }
}
