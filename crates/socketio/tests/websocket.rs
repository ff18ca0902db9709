//! RFC 6455, byte by byte, against the Engine.IO endpoint.

use crate::peers::{Client, TestServer, within};
use serde_json::json;
use socketio::websocket::{Message, Opcode, Writer, server_frame};
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::net::TcpStream;

/// A masked frame with these first two bytes' flags; the mask is zero, so the payload reads as written.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// Writes raw bytes as if they were one encoded frame.
async fn raw(writer: &mut Writer<WriteHalf<TcpStream>>, bytes: &[u8]) {
    writer.push(bytes.to_vec().into());
    within("raw bytes", writer.flush()).await.unwrap();
}

#[tokio::test]
async fn a_fragmented_message_with_a_ping_inside_is_one_message() {
    let server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    for part in [frame(0x01, b"42[\"ec"), frame(0x89, b"hi"), frame(0x00, b"ho\",\""), frame(0x80, "é\"]".as_bytes())]
    {
        for byte in part {
            raw(&mut client.writer, &[byte]).await;
        }
    }
    assert_eq!(client.message().await.unwrap(), Message::Pong(b"hi".to_vec().into()));
    assert_eq!(client.event().await, ("echoed".to_owned(), vec![json!("é")]));
}

#[tokio::test]
async fn a_code_point_may_be_cut_by_fragments_and_nonsense_is_1007() {
    let server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    raw(&mut client.writer, &frame(0x01, b"42[\"echo\",\"\xC3")).await;
    raw(&mut client.writer, &frame(0x80, b"\xA9\"]")).await;
    assert_eq!(client.event().await.1, [json!("é")]);
    raw(&mut client.writer, &frame(0x81, b"42[\"\xFF\"]")).await;
    assert_eq!(client.closed().await, Some(1007));
}

#[tokio::test]
async fn broken_frames_are_1002() {
    let server = TestServer::start().await;
    let unmasked = server_frame(Opcode::Text, b"42[\"echo\"]").to_vec();
    let cases = [
        ("unmasked", unmasked),
        ("reserved bit", frame(0xC1, b"42[\"echo\"]")),
        ("unknown opcode", frame(0x83, b"")),
        ("unknown control opcode", frame(0x8B, b"")),
        ("fragmented ping", frame(0x09, b"")),
        ("continuation of nothing", frame(0x80, b"x")),
        ("text inside a fragmented text", [frame(0x01, b"4"), frame(0x81, b"2")].concat()),
        ("long ping", vec![0x89, 0xFE, 0, 126, 0, 0, 0, 0]),
        ("length with the highest bit", [&[0x82, 0xFF, 0x80][..], &[0; 11]].concat()),
        ("close of one byte", frame(0x88, &[3])),
        ("close code that may not be sent", frame(0x88, &1005_u16.to_be_bytes())),
    ];
    for (name, bytes) in cases {
        let (mut client, _) = server.join("/", None).await;
        raw(&mut client.writer, &bytes).await;
        assert_eq!(client.closed().await, Some(1002), "{name}");
    }
}

#[tokio::test]
async fn an_announced_length_costs_nothing_before_it_arrives() {
    let server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    let announced = (i64::MAX as u64).to_be_bytes();
    raw(&mut client.writer, &[&[0x82, 0xFF][..], &announced, &[0; 4]].concat()).await;
    assert_eq!(client.closed().await, Some(1009));
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    client.writer.close(3456, "bye €");
    client.flush().await;
    assert_eq!(client.closed().await, Some(3456));
}

#[tokio::test]
async fn random_bytes_never_harm_the_server() {
    let server = TestServer::start().await;
    let mut seed = 88172645463325252_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..50 {
        let mut client: Client = server.engine().await;
        let bytes: Vec<u8> = (0..200).map(|_| random() as u8).collect();
        client.writer.push(frame(0x81, b"40").into());
        client.writer.push(bytes.into());
        // The server may be gone before everything is written.
        let _ = client.writer.flush().await;
    }
    server.join("/", None).await;
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_gets_an_http_error() {
    let server = TestServer::start().await;
    for (header, status) in
        [("Sec-WebSocket-Version: 12", "400"), ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short", "400")]
    {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\n\
             Upgrade: websocket\r\n{header}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    assert_eq!(server.server.stats().websocket_now, 0);
}
