//! Whatever arrives, decoders give packets or errors, within their limits and without a panic; and what is encoded comes
//! back as it was. `PROPTEST_CASES=100000 cargo test --release -p socketio decoders` looks longer.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use socketio::engine::packet as engine;
use socketio::packet::{Answer, Decoder, Event, Limits, Packet, RESERVED_EVENTS, placeholder};
use socketio::websocket::{self, Message, Reader, Role, Writer};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

const LIMITS: Limits = Limits { attachments_max: 3, attachments_bytes_max: 200, nesting_max: 20 };

/// Longest message in these tests, in bytes.
const MESSAGE_BYTES_MAX: usize = 2_000;

// What arrives

/// A line of a corpus, changed here and there; now and then anything.
fn mutated(corpus: &'static str, read: fn(&str) -> Vec<u8>) -> BoxedStrategy<Vec<u8>> {
    let seeds: Vec<Vec<u8>> = corpus.lines().map(read).collect();
    let changed = (select(seeds.clone()), select(seeds), vec(change(), 0..6))
        .prop_map(|(seed, other, changes)| changes.into_iter().fold(seed, |bytes, change| change.apply(bytes, &other)));
    prop_oneof![9 => changed, 1 => vec(any::<u8>(), 0..300)].boxed()
}

#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Remove(Index, Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
    /// The other seed's rest from somewhere on.
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (at(), at()).prop_map(|(from, to)| Change::Remove(from, to)),
        (at(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), at()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (at(), at()).prop_map(|(at, from)| Change::Splice(at, from)),
    ]
}

impl Change {
    fn apply(self, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
        let place = |at: &Index, length: usize| at.index(length + 1);
        let range = |from: &Index, to: &Index, length: usize| {
            let (from, to) = (place(from, length), place(to, length));
            from.min(to)..from.max(to)
        };
        match self {
            Self::Flip(at, bits) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Self::Flip(..) => {}
            Self::Remove(from, to) => drop(bytes.drain(range(&from, &to, bytes.len()))),
            Self::Insert(at, inserted) => {
                let at = place(&at, bytes.len());
                bytes.splice(at..at, inserted);
            }
            Self::Repeat(from, to) => {
                let range = range(&from, &to, bytes.len());
                bytes.extend_from_within(range);
            }
            Self::Splice(at, from) => {
                bytes.truncate(place(&at, bytes.len()));
                bytes.extend_from_slice(&other[place(&from, other.len())..]);
            }
        }
        bytes
    }
}

fn as_text(line: &str) -> Vec<u8> {
    line.replace("\\x1e", "\u{1e}").into_bytes()
}

fn as_hex(line: &str) -> Vec<u8> {
    let digits: Vec<u8> = line.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Half of them are packets but for a limit.
fn arriving_packet() -> BoxedStrategy<String> {
    let changed = mutated(include_str!("corpus/packets.txt"), as_text)
        .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let deep = (0_usize..40, any::<bool>()).prop_map(|(depth, objects)| {
        let (open, close) = if objects { ("{\"]\":", "}") } else { ("[", "]") };
        format!("2[\"x\",{}7{}]", open.repeat(depth), close.repeat(depth))
    });
    let numbered = "[1-9][0-9]{0,19}".prop_map(|id| format!("2{id}[\"x\"]"));
    let binary = (0_usize..6, 0_usize..6)
        .prop_map(|(announced, number)| format!("5{announced}-[\"x\",{}]", placeholder(number)));
    prop_oneof![3 => changed, 1 => deep, 1 => numbered, 1 => binary].boxed()
}

// What is sent

/// JSON that every implementation reads as it was; floats are those with few digits.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-4096_i32..4096).prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[^_].{0,5}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn namespace() -> impl Strategy<Value = String> {
    prop_oneof![Just("/".to_owned()), "/[^,]{1,12}"]
}

/// Arguments and the attachments that their placeholders stand for.
fn arguments() -> impl Strategy<Value = (Vec<Value>, Vec<Bytes>)> {
    let attachments = vec(vec(any::<u8>(), 0..60).prop_map(Bytes::from), 0..=LIMITS.attachments_max);
    (vec(json_value(), 0..4), attachments).prop_map(|(mut args, attachments)| {
        args.extend((0..attachments.len()).map(|number| json!({"nested": [placeholder(number)]})));
        (args, attachments)
    })
}

fn packet() -> impl Strategy<Value = Packet> {
    let id = 0..1_000_000_000_000_000_u64;
    let object = || vec((".{0,8}", json_value()), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect()));
    let name = ".{0,12}".prop_filter("reserved", |name| !RESERVED_EVENTS.contains(&name.as_str()));
    prop_oneof![
        (namespace(), proptest::option::of(object())).prop_map(|(namespace, data)| Packet::Connect { namespace, data }),
        namespace().prop_map(|namespace| Packet::Disconnect { namespace }),
        (namespace(), proptest::option::of(id.clone()), name, arguments()).prop_map(
            |(namespace, id, name, (args, attachments))| {
                Packet::Event { namespace, id, event: Event { name, args, attachments } }
            }
        ),
        (namespace(), id, arguments()).prop_map(|(namespace, id, (args, attachments))| Packet::Ack {
            namespace,
            id,
            answer: Answer { args, attachments }
        }),
        (namespace(), object()).prop_map(|(namespace, data)| Packet::ConnectError { namespace, data }),
    ]
}

fn engine_packet() -> impl Strategy<Value = engine::Packet> {
    // The separator is the only character that a text cannot have; JSON escapes it.
    let text = || "[^\u{1e}]{0,20}";
    prop_oneof![
        text().prop_map(engine::Packet::Open),
        Just(engine::Packet::Close),
        text().prop_map(engine::Packet::Ping),
        text().prop_map(engine::Packet::Pong),
        text().prop_map(engine::Packet::Text),
        vec(any::<u8>(), 0..40).prop_map(|bytes| engine::Packet::Binary(bytes.into())),
        Just(engine::Packet::Upgrade),
        Just(engine::Packet::Noop),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let short = || vec(any::<u8>(), 0..=125).prop_map(Bytes::from);
    prop_oneof![
        ".{0,300}".prop_map(Message::Text),
        vec(any::<u8>(), 0..MESSAGE_BYTES_MAX).prop_map(|bytes| Message::Binary(bytes.into())),
        short().prop_map(Message::Ping),
        short().prop_map(Message::Pong),
    ]
}

// What is looked at

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn ack_id(packet: &Packet) -> Option<u64> {
    match packet {
        Packet::Event { id, .. } => *id,
        Packet::Ack { id, .. } => Some(*id),
        _ => None,
    }
}

/// Arguments and attachments of a packet that has them.
fn parts(packet: &Packet) -> (&[Value], &[Bytes]) {
    match packet {
        Packet::Event { event, .. } => (&event.args, &event.attachments),
        Packet::Ack { answer, .. } => (&answer.args, &answer.attachments),
        _ => (&[], &[]),
    }
}

fn decode(text: &str, attachments: Vec<Bytes>) -> Option<Packet> {
    let mut decoder = Decoder::new(LIMITS);
    let mut decoded = decoder.text(text).ok()?;
    for attachment in attachments {
        assert!(decoded.is_none(), "a packet before its last attachment");
        decoded = decoder.binary(attachment).ok()?;
    }
    decoded
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Gives its bytes in pieces of these sizes.
struct Pieces {
    bytes: Vec<u8>,
    sizes: Vec<usize>,
    given: usize,
    turn: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let size = self.sizes[self.turn % self.sizes.len()].min(self.bytes.len() - self.given).min(into.remaining());
        into.put_slice(&self.bytes[self.given..self.given + size]);
        self.given += size;
        self.turn += 1;
        Poll::Ready(Ok(()))
    }
}

/// All messages in these bytes, and how reading them ended.
fn read_all(bytes: Vec<u8>, sizes: Vec<usize>, role: Role) -> (Vec<Message>, websocket::Error) {
    let mut reader = Reader::new(Pieces { bytes, sizes, given: 0, turn: 0 }, role, MESSAGE_BYTES_MAX, &[]);
    run(async {
        let mut messages = Vec::new();
        loop {
            match reader.next().await {
                Ok(message) => messages.push(message),
                Err(error) => return (messages, error),
            }
        }
    })
}

/// These messages as bytes, as one side writes them.
fn write_all(messages: &[Message], role: Role) -> Vec<u8> {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let mut writer = Writer::new(ours, role);
    for message in messages {
        match message {
            Message::Text(text) => writer.text(text),
            Message::Binary(bytes) => writer.binary(bytes),
            Message::Ping(payload) => writer.ping(payload),
            Message::Pong(payload) => writer.pong(payload),
            Message::Close(_) => writer.close(1000, ""),
        }
    }
    run(async {
        writer.flush().await.unwrap();
        drop(writer);
        let mut bytes = Vec::new();
        let mut theirs = theirs;
        tokio::io::AsyncReadExt::read_to_end(&mut theirs, &mut bytes).await.unwrap();
        bytes
    })
}

/// A client's frame, whole or a part of one.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let head =
        if payload.len() < 126 { vec![first, 0x80 | length[1]] } else { vec![first, 0xFE, length[0], length[1]] };
    [&head[..], &[0; 4], payload].concat()
}

proptest! {
    #[test]
    fn a_packet_comes_back_as_it_was(packet in packet()) {
        let (text, attachments) = packet.encode();
        prop_assert_eq!(decode(&text, attachments), Some(packet), "{}", text);
    }

    #[test]
    fn any_text_is_a_packet_within_its_limits_or_an_error(
        text in arriving_packet(),
        attachments in vec(vec(any::<u8>(), 0..150).prop_map(Bytes::from), 0..7),
    ) {
        let mut decoder = Decoder::new(LIMITS);
        let mut decoded = decoder.text(&text);
        let mut left = attachments.into_iter();
        while matches!(decoded, Ok(None)) && let Some(attachment) = left.next() {
            decoded = decoder.binary(attachment);
        }
        if let Ok(Some(packet)) = &decoded {
            let (args, attachments) = parts(packet);
            prop_assert!(attachments.len() <= LIMITS.attachments_max);
            prop_assert!(attachments.iter().map(Bytes::len).sum::<usize>() <= LIMITS.attachments_bytes_max);
            prop_assert!(ack_id(packet).is_none_or(|id| id < 1_000_000_000_000_000));
            let arguments_depth = args.iter().map(depth).max().unwrap_or(0);
            prop_assert!(arguments_depth < LIMITS.nesting_max, "the list of arguments is a level, too");
            // What was understood is said again so that it is understood alike.
            let (again, attachments) = packet.encode();
            let understood = decode(&again, attachments);
            let (first, second) = (packet.encode().0, understood.map(|packet| packet.encode().0));
            prop_assert_eq!(Some(first), second);
        }
        if matches!(decoded, Ok(Some(_)) | Err(_)) && let Some(attachment) = left.next() {
            prop_assert!(decoder.binary(attachment).is_err(), "an attachment that nobody announced");
        }
    }

    #[test]
    fn any_order_of_texts_and_attachments_is_bounded(
        steps in vec(prop_oneof![
            arriving_packet().prop_map(Ok),
            vec(any::<u8>(), 0..100).prop_map(|bytes| Err(Bytes::from(bytes))),
        ], 0..20),
    ) {
        let mut decoder = Decoder::new(LIMITS);
        for step in steps {
            let decoded = match step {
                Ok(text) => decoder.text(&text),
                Err(bytes) => decoder.binary(bytes),
            };
            match decoded {
                Ok(Some(packet)) => prop_assert!(parts(&packet).1.len() <= LIMITS.attachments_max),
                Ok(None) => {}
                // The connection would end here.
                Err(_) => break,
            }
        }
    }

    #[test]
    fn a_polling_payload_comes_back_as_it_was(packets in vec(engine_packet(), 1..20)) {
        let payload = engine::encode_payload(&packets);
        prop_assert_eq!(engine::decode_payload(payload.as_bytes(), 19), Ok(packets));
    }

    #[test]
    fn any_polling_payload_is_packets_within_their_limit_or_an_error(
        body in mutated(include_str!("corpus/payloads.txt"), as_text),
    ) {
        let Ok(packets) = engine::decode_payload(&body, 4) else { return Ok(()) };
        prop_assert!(packets.len() <= 4);
        let bytes = packets.iter().map(|packet| match packet {
            engine::Packet::Open(text) | engine::Packet::Ping(text) | engine::Packet::Pong(text) => text.len(),
            engine::Packet::Text(text) => text.len(),
            engine::Packet::Binary(bytes) => bytes.len(),
            engine::Packet::Close | engine::Packet::Upgrade | engine::Packet::Noop => 0,
        });
        prop_assert!(bytes.sum::<usize>() <= body.len(), "decoding makes nothing larger");
        prop_assert_eq!(engine::decode_payload(engine::encode_payload(&packets).as_bytes(), 4), Ok(packets));
    }

    #[test]
    fn messages_come_back_as_they_were_however_they_are_cut(
        messages in vec(message(), 0..8),
        sizes in vec(1_usize..200, 1..5),
        server in any::<bool>(),
    ) {
        let (writer, reader) = if server { (Role::Server, Role::Client) } else { (Role::Client, Role::Server) };
        let (read, ended) = read_all(write_all(&messages, writer), sizes, reader);
        prop_assert_eq!(read, messages);
        prop_assert!(matches!(ended, websocket::Error::Ended), "{}", ended);
    }

    #[test]
    fn fragments_are_joined_and_control_frames_pass_between_them(
        parts in vec(vec(any::<u8>(), 0..600), 2..8),
        sizes in vec(1_usize..50, 1..3),
    ) {
        let last = parts.len() - 1;
        let mut bytes = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let opcode = if index == 0 { 2 } else { 0 };
            bytes.extend(frame(if index == last { 0x80 | opcode } else { opcode }, part));
            if index < last {
                bytes.extend(frame(0x89, b"ping"));
            }
        }
        let (mut read, ended) = read_all(bytes, sizes, Role::Server);
        let whole = parts.concat();
        if whole.len() > MESSAGE_BYTES_MAX {
            prop_assert!(matches!(ended, websocket::Error::TooBig { .. }), "{}", ended);
            return Ok(());
        }
        prop_assert_eq!(read.pop(), Some(Message::Binary(whole.into())));
        prop_assert_eq!(read, vec![Message::Ping("ping".into()); last]);
    }

    #[test]
    fn any_bytes_are_messages_within_their_limit_or_an_error(
        frames in vec(mutated(include_str!("corpus/frames.txt"), as_hex), 1..4),
        sizes in vec(1_usize..40, 1..3),
        server in any::<bool>(),
    ) {
        let bytes = frames.concat();
        let arrived = bytes.len();
        let (read, _) = read_all(bytes, sizes, if server { Role::Server } else { Role::Client });
        let lengths = read.iter().map(|message| match message {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
            Message::Close(close) => close.as_ref().map_or(0, |close| close.reason.len()),
        });
        let lengths: Vec<_> = lengths.collect();
        prop_assert!(lengths.iter().all(|length| *length <= MESSAGE_BYTES_MAX));
        prop_assert!(lengths.iter().sum::<usize>() <= arrived);
    }

    #[test]
    fn any_answer_to_an_upgrade_is_an_error_in_bounded_time(answer in vec(any::<u8>(), 0..2_000), prefix in any::<bool>()) {
        let answer = if prefix { [b"HTTP/1.1 101 Switching Protocols\r\n", &answer[..]].concat() } else { answer };
        let connected = run(async {
            let (ours, mut theirs) = tokio::io::duplex(1 << 16);
            theirs.write_all(&answer).await.unwrap();
            theirs.shutdown().await.unwrap();
            websocket::connect(ours, "x", "/", &[], 1_000).await.map(drop)
        });
        prop_assert!(connected.is_err());
    }
}

#[test]
fn every_line_of_the_corpora_is_read_without_a_panic() {
    for line in include_str!("corpus/packets.txt").lines() {
        let _ = Decoder::new(LIMITS).text(line);
    }
    for line in include_str!("corpus/payloads.txt").lines() {
        let _ = engine::decode_payload(&as_text(line), 256);
    }
    let mut whole = 0;
    for line in include_str!("corpus/frames.txt").lines() {
        whole += read_all(as_hex(line), vec![1], Role::Server).0.len();
    }
    assert_eq!(whole, 14, "the valid lines of the corpus give so many messages");
}
