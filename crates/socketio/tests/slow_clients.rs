//! Clients that do not read: bounded queues, gaps that are told, and the end of those that take nothing.

use crate::peers::{Heard, TestServer, until, within};
use serde_json::json;
use socketio::engine::{CloseReason, Lost, SendError};
use socketio::{Config, Encoded, Json};
use std::time::Duration;

const QUEUE_BYTES: usize = 64 * 1024;

fn small() -> Config {
    Config { queue_bytes_max: QUEUE_BYTES, ..Config::default() }
}

fn kilobyte(tag: u64) -> Encoded {
    let text = format!(r#"[{tag},"{}"]"#, "x".repeat(1000));
    Encoded::event("/hook", "news", &[Json::Raw(&text)]).tagged(tag)
}

#[tokio::test]
async fn a_slow_client_loses_the_oldest_and_is_told_which_while_others_lose_nothing() {
    let mut server = TestServer::with(small()).await;
    let mut slow = server.small_client().await;
    slow.join("/hook", None).await;
    let socket = server.socket().await;
    let (mut quick, _) = server.join("/hook", None).await;
    let mut last = 0;
    while socket.queue().dropped_packets < 100 {
        last += 1;
        server.server.to("/hook").emit(&kilobyte(last));
        let (_, args) = quick.event().await;
        assert_eq!(args[0][0], json!(last));
        assert!(socket.queue().bytes <= QUEUE_BYTES + 300 * 1024, "{:?}", socket.queue());
    }
    let mut got = Vec::new();
    let gap = loop {
        let (name, args) = slow.event().await;
        if name == "gap" {
            break (args[0].as_u64().unwrap(), args[1].as_u64().unwrap());
        }
        got.push(args[0][0].as_u64().unwrap());
    };
    let told = |heard| if let Heard::FellBehind(lost) = heard { Some(lost) } else { None };
    let lost: Lost = server.hears("what was lost", told).await;
    assert_eq!((lost.from, lost.to), gap);
    assert!(lost.packets >= 100 && server.server.stats().dropped_packets >= lost.packets);
    assert!(got.is_sorted());
    let missing = (1..=last).filter(|n| !got.contains(n)).filter(|n| !(gap.0..=gap.1).contains(n));
    let mut missing: Vec<_> = missing.collect();
    while let Some(n) = missing.pop() {
        // What came after the gap was told is still on its way.
        assert!(n > gap.1, "{n} is missing and outside of {gap:?}");
    }
}

#[tokio::test]
async fn a_program_may_choose_itself_what_a_slow_client_loses() {
    let mut server = TestServer::with(small()).await;
    let mut slow = server.small_client().await;
    slow.join("/hook", None).await;
    let socket = server.socket().await;
    let mut tag = 0;
    within("a full queue", async {
        while socket.try_send(&kilobyte(tag)).is_ok() {
            tag += 1;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(socket.try_send(&kilobyte(tag)), Err(SendError::QueueFull));
    assert_eq!(socket.queue().dropped_packets, 0);
    assert!(socket.queue().oldest.is_some());
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let config = Config { write_stall_max: Duration::from_millis(200), ..small() };
    let mut server = TestServer::with(config).await;
    let mut stuck = server.small_client().await;
    stuck.join("/hook", None).await;
    let socket = server.socket().await;
    while socket.queue().dropped_packets == 0 {
        server.server.to("/hook").emit(&kilobyte(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(server.disconnected().await, CloseReason::WriteStalled);
    until("the end of the connection", || server.server.stats().websocket_now == 0).await;
    assert_eq!(server.server.stats().stuck, 1);
}

#[tokio::test]
async fn what_may_not_be_dropped_ends_the_connection_when_it_fills_the_queue() {
    let mut server = TestServer::with(Config { close_max: Duration::from_millis(100), ..small() }).await;
    let mut slow = server.small_client().await;
    slow.join("/hook", None).await;
    let socket = server.socket().await;
    let text = json!("x".repeat(10_000));
    while socket.emit("kept", std::slice::from_ref(&text)).is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.disconnected().await, CloseReason::QueueFull);
}

#[tokio::test]
async fn a_flood_of_requests_slows_the_client_down_instead_of_filling_the_queue() {
    let mut server = TestServer::with(small()).await;
    let (mut client, _) = server.join("/hook", None).await;
    let text = "x".repeat(20_000);
    for n in 0..200 {
        client.writer.text(&format!("42/hook,{n}[\"ask\",\"{text}\"]"));
    }
    let mut answers = 0;
    within("all answers", async {
        while answers < 200 {
            tokio::select! {
                written = client.writer.flush(), if !client.writer.is_empty() => written.unwrap(),
                message = client.reader.next() => {
                    message.unwrap();
                    answers += 1;
                }
            }
        }
    })
    .await;
    assert!(server.socket().await.is_connected());
}

#[tokio::test]
async fn a_polling_client_that_stops_polling_costs_one_queue_and_learns_what_it_lost() {
    let mut server = TestServer::with(small()).await;
    let sid = server.polling().await;
    server.post(&sid, "40/hook,").await;
    server.poll(&sid).await;
    let socket = server.socket().await;
    (1..=200).for_each(|tag| {
        server.server.to("/hook").emit(&kilobyte(tag));
    });
    assert!(socket.queue().bytes <= QUEUE_BYTES);
    let lost = 200 - socket.queue().packets as u64;
    let mut answers = String::new();
    while !answers.contains("gap") {
        answers += &server.poll(&sid).await.1;
    }
    assert!(answers.contains(&format!("42/hook,[\"gap\",1,{lost}]")), "lost {lost}");
    assert!(answers.contains(&format!("[\"news\",[{},", lost + 1)));
}
