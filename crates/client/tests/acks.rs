//! Acknowledgements in both directions, with their ends: an answer, too late, never.

use crate::support::{TestServer, bytes, quick, within};
use client::{AckError, Client, Config, Error};
use serde_json::json;
use socketio::packet::placeholder;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn answers_find_the_event_that_asked_whatever_is_in_them() {
    let server = TestServer::start().await;
    let hook = server.client().socket("/hook").unwrap();
    let unicode = json!("zwölf Boxkämpfer 🥊 \u{202e} \u{0} \u{1e} \u{2028}");
    let (text, file, attachment) = ([json!(1), unicode], [json!({"file": placeholder(0)})], [bytes(70_000)]);
    let (one, two, three) = tokio::join!(
        hook.emit_with_ack("ask", &text, SOON),
        hook.emit_with_ack("ask", &[], SOON),
        hook.emit_binary_with_ack("ask", &file, &attachment, SOON),
    );
    assert_eq!(one.unwrap().args, text);
    assert_eq!(two.unwrap().args, Vec::<serde_json::Value>::new());
    let answer = three.unwrap();
    assert_eq!(answer.attachment(&answer.args[0]["file"]), Some(&bytes(70_000)));
}

#[tokio::test]
async fn nine_hundred_kilobytes_go_both_ways_as_text_and_as_bytes() {
    let mut server = TestServer::start().await;
    let hook = server.client().socket("/hook").unwrap();
    let text = json!("é".repeat(450_000));
    hook.emit("echo", std::slice::from_ref(&text)).unwrap();
    hook.emit_binary("echo", &[placeholder(0)], &[bytes(900_000)]).unwrap();
    assert_eq!(server.hears().await.event.args[0], text);
    assert_eq!(server.hears().await.event.attachments[0], bytes(900_000));
    let (first, _) = within("the text", hook.next_event()).await.unwrap();
    assert_eq!(first.args[0], text);
    let (second, _) = within("the bytes", hook.next_event()).await.unwrap();
    assert_eq!(second.attachment(&second.args[0]), Some(&bytes(900_000)));
}

#[tokio::test]
async fn the_server_gets_its_answer_or_its_timeout() {
    let server = TestServer::start().await;
    let hook = server.client().socket("/hook").unwrap();
    within("the server to let it in", hook.joined()).await.unwrap();
    let socket = server.only_socket("/hook").await;
    let answering = async {
        let (event, ack) = hook.next_event().await.unwrap();
        ack.unwrap().send_binary(&[event.args[0].clone(), placeholder(0)], &[bytes(10)]).unwrap();
        let (_, dropped) = hook.next_event().await.unwrap();
        drop(dropped);
    };
    let asking = async {
        let answer = socket.emit_with_ack("ask", &[json!(7)], SOON).await.unwrap();
        assert_eq!((&answer.args[0], answer.attachment(&answer.args[1])), (&json!(7), Some(&bytes(10))));
        let unanswered = socket.emit_with_ack("ask", &[], Duration::from_millis(20)).await;
        assert_eq!(unanswered, Err(socketio::AckError::Timeout));
    };
    within("both sides", async { tokio::join!(answering, asking) }).await;
}

#[tokio::test]
async fn who_gets_no_answer_is_told_in_time() {
    let server = TestServer::start().await;
    let hook = server.client().socket("/hook").unwrap();
    let short = Duration::from_millis(20);
    assert_eq!(hook.emit_with_ack("never answered", &[], short).await, Err(AckError::Timeout));
    let nobody = Client::connect("http://127.0.0.1:1", quick()).unwrap();
    assert_eq!(nobody.socket("/hook").unwrap().emit_with_ack("ask", &[], short).await, Err(AckError::Timeout));
}

#[tokio::test]
async fn with_the_connection_goes_the_hope_for_an_answer_but_not_what_still_waits() {
    let mut server = TestServer::start().await;
    let client = server.client();
    let hook = client.socket("/hook").unwrap();
    within("the server to let it in", hook.joined()).await.unwrap();
    let asked = tokio::spawn({
        let hook = hook.clone();
        async move { hook.emit_with_ack("never answered", &[], SOON).await }
    });
    server.hears().await;
    let socket = server.only_socket("/hook").await;
    let asking = tokio::spawn(async move { socket.emit_with_ack("ask", &[], SOON).await });
    let (_, late) = within("the question", hook.next_event()).await.unwrap();
    let (port, kept) = server.stop().await;
    assert_eq!(within("the end", asked).await.unwrap(), Err(AckError::Disconnected));
    assert_eq!(within("the end", asking).await.unwrap(), Err(socketio::AckError::Disconnected));
    crate::support::until("the end of the connection", || !client.stats().is_connected).await;
    assert_eq!(late.unwrap().send(&[]), Err(Error::ConnectionGone));
    let waits = tokio::spawn(async move { hook.emit_with_ack("ask", &[json!("after")], SOON).await });
    let _again = TestServer::start_at(port, socketio::Config::default(), kept);
    assert_eq!(within("the answer", waits).await.unwrap().unwrap().args, [json!("after")]);
}

#[tokio::test]
async fn what_is_too_big_for_server_or_queue_is_refused_before_it_is_queued() {
    let server = TestServer::start().await;
    let hook = server.client().socket("/hook").unwrap();
    let Err(Error::TooBig { bytes, bytes_max }) = hook.emit("big", &[json!("x".repeat(1_000_000))]) else {
        panic!("not refused")
    };
    assert!(bytes > 1_000_000 && bytes_max == 1_000_000);
    let small = Client::connect(&server.url(), Config { queue_bytes_max: 1_000, ..quick() }).unwrap();
    let socket = small.socket("/hook").unwrap();
    assert!(matches!(socket.emit("big", &[json!("x".repeat(1_000))]), Err(Error::TooBig { .. })));
    socket.emit_with_ack("small", &[], SOON).await.unwrap();
}
