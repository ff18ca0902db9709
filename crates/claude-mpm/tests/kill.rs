//! A monitor that is killed at any moment has lost nothing that it acknowledged, and doubled nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Home, try_request};

const KILLS: usize = 50;

#[test]
fn fifty_kills_under_load_lose_nothing_acknowledged_and_double_nothing() {
    let home = Home::new();
    let mut monitor = home.monitor();
    let port = monitor.port;
    let over = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            std::thread::spawn({
                let over = Arc::clone(&over);
                move || acknowledged(port, sender, &over)
            })
        })
        .collect();
    let hooks = std::thread::spawn({
        let over = Arc::clone(&over);
        let spool = home.path().join(".claude-mpm/spool").join(port.to_string());
        move || spooled(&spool, &over)
    });

    for kill in 0..KILLS {
        // Moments that differ from one kill to the next: in a start, in a commit, between two.
        std::thread::sleep(Duration::from_millis(10 + (kill as u64 * 37) % 150));
        monitor.kill();
        monitor = home.monitor_on(port);
    }
    over.store(true, Ordering::Relaxed);
    let acknowledged: Vec<(u64, String)> = senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
    let spooled = hooks.join().unwrap();

    let events = monitor
        .history_when(|events| spooled <= events.iter().filter(|event| event["kind"] == "prompt.submitted").count());
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "numbers go on without a hole");
    let by_seq = |seq: u64| &events[seq as usize - 1];
    for (seq, name) in &acknowledged {
        assert_eq!(by_seq(*seq)["data"]["name"], name.as_str(), "event {seq} is what was acknowledged");
    }
    assert!(acknowledged.len() > KILLS, "only {} were acknowledged", acknowledged.len());
    let sent: Vec<&str> = events.iter().filter_map(|event| event["data"]["name"].as_str()).collect();
    assert_eq!(sent.iter().collect::<HashSet<_>>().len(), sent.len(), "no request is there twice");
    let prompts: Vec<Value> = events
        .iter()
        .filter(|event| event["kind"] == "prompt.submitted")
        .map(|event| event["summary"].clone())
        .collect();
    let expected: Vec<Value> = (0..spooled).map(|number| json!(format!("prompt {number}"))).collect();
    assert_eq!(prompts, expected, "every spooled hook is there once, in order");
}

/// Sends events until told to stop; returns what was acknowledged, by number.
fn acknowledged(port: u16, sender: usize, over: &AtomicBool) -> Vec<(u64, String)> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{sender}/{number}");
        let body = json!({ "namespace": "/system", "event": "load", "data": { "name": name } }).to_string();
        if let Some((200, answer)) = try_request(port, "POST", "/emit", &[], &body) {
            let answer: Value = serde_json::from_str(&answer).unwrap();
            acknowledged.push((answer["seq"].as_u64().unwrap(), name));
        }
    }
    acknowledged
}

/// Writes hooks into the spool until told to stop; returns how many.
fn spooled(spool: &std::path::Path, over: &AtomicBool) -> usize {
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let payload =
            json!({ "session_id": "s1", "hook_event_name": "UserPromptSubmit", "prompt": format!("prompt {count}") });
        let mut frame = vec![0; event::frame::HEAD_BYTES];
        frame.extend_from_slice(payload.to_string().as_bytes());
        event::frame::seal(&mut frame, event::frame::Stamp::default());
        hook::spool::append(spool, 64 << 20, &frame).unwrap();
        count += 1;
        std::thread::sleep(Duration::from_micros(300));
    }
    count
}
