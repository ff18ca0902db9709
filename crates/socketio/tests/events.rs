//! Events and acknowledgements, with and without attachments.

use crate::peers::{TestServer, bytes};
use serde_json::json;
use socketio::packet::{Answer, Event, Packet, placeholder};
use socketio::{AckError, SocketId};
use std::time::Duration;

#[tokio::test]
async fn arguments_come_back_as_they_were_sent() {
    let server = TestServer::start().await;
    let (mut client, _) = server.join("/hook", None).await;
    let args = vec![json!("ünï€😀\u{1e}\u{0}"), json!({"z": 1, "a": [null, true, 1.5]}), json!("x".repeat(900_000))];
    client.emit("/hook", "echo", &args).await;
    assert_eq!(client.event().await, ("echoed".to_owned(), args));
}

#[tokio::test]
async fn attachments_go_both_ways_in_events_and_acks() {
    let mut server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    let attachments = vec![bytes(3), bytes(700_000)];
    let args = vec![placeholder(0), json!({"deep": [placeholder(1)]})];
    let event = Event { name: "echo".to_owned(), args: args.clone(), attachments: attachments.clone() };
    client.send_packet(&Packet::Event { namespace: "/".to_owned(), id: None, event: event.clone() }).await;
    let Packet::Event { event: echoed, .. } = client.packet().await else { panic!("no event") };
    assert_eq!((&echoed.args, &echoed.attachments), (&args, &attachments));
    let heard = server.event().await;
    assert_eq!(heard.attachment(&heard.args[1]["deep"][0]), Some(&attachments[1]));

    client.send_packet(&Packet::Event { namespace: "/".to_owned(), id: Some(12), event }).await;
    let answer = Answer { args, attachments };
    assert_eq!(client.packet().await, Packet::Ack { namespace: "/".to_owned(), id: 12, answer });
}

#[tokio::test]
async fn the_server_can_ask_and_gets_the_answer() {
    let mut server = TestServer::start().await;
    let (mut client, _) = server.join("/", None).await;
    let socket = server.socket().await;
    let asked =
        tokio::spawn(async move { socket.emit_with_ack("question", &[json!(6)], Duration::from_secs(20)).await });
    let Packet::Event { id: Some(id), event, .. } = client.packet().await else { panic!("no question") };
    assert_eq!(event.args, [json!(6)]);
    let answer = Answer { args: vec![json!(42)], attachments: Vec::new() };
    client.send_packet(&Packet::Ack { namespace: "/".to_owned(), id: id + 1, answer: Answer::default() }).await;
    client.send_packet(&Packet::Ack { namespace: "/".to_owned(), id, answer: answer.clone() }).await;
    assert_eq!(asked.await.unwrap(), Ok(answer));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_an_error_in_time() {
    let mut server = TestServer::start().await;
    let (client, _) = server.join("/", None).await;
    let socket = server.socket().await;
    let asked = socket.emit_with_ack("question", &[], Duration::from_millis(10)).await;
    assert_eq!(asked, Err(AckError::Timeout));
    let waiting = socket.clone();
    let asked = tokio::spawn(async move { waiting.emit_with_ack("question", &[], Duration::from_secs(60)).await });
    drop(client);
    server.disconnected().await;
    assert!(matches!(asked.await.unwrap(), Err(AckError::Disconnected | AckError::NotSent(_))));
    assert!(socket.emit("x", &[]).is_err() && !socket.join("room") && !socket.is_connected());
}

#[tokio::test]
async fn a_socket_carries_the_programs_data() {
    let mut server = TestServer::start().await;
    let (_client, id) = server.join("/", None).await;
    let socket = server.socket().await;
    assert!(socket.set_data(7_u64) && !socket.set_data(8_u64));
    let found = server.server.socket("/", &SocketId::parse(&id).unwrap()).unwrap();
    assert_eq!((found.data::<u64>().as_deref(), found.data::<u32>()), (Some(&7), None));
}
