//! A client that stops reading while 100,000 events go out, in a process of its own: its memory is measured.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "the other test binary uses the rest")]
mod peers;

use peers::{Client, TestServer, until, within};
use socketio::engine::CloseReason;
use socketio::{Config, Encoded, Json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const EVENTS: u64 = 100_000;

/// Events that are sent before the reading clients are waited for: less than a queue holds.
const BURST: u64 = 1_000;

/// What the sockets' writer has in hand besides the queue, and some more.
const IN_FLIGHT_BYTES: usize = 512 * 1024;

/// What memory may vary by: an allocator keeps some of what was freed.
const NOISE_BYTES: u64 = 4 * 1024 * 1024;

/// Memory of this process that is in RAM, in bytes; `None` where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

fn news(seq: u64) -> Encoded {
    let text = format!(r#"{{"seq":{seq},"text":"{}"}}"#, "x".repeat(560));
    Encoded::event("/hook", "news", &[Json::Raw(&text)]).tagged(seq)
}

/// Reads every event, in order, and counts.
async fn read_all(mut client: Client, read: Arc<AtomicU64>) {
    for seq in 1..=EVENTS {
        let (_, args) = client.event().await;
        assert_eq!(args[0]["seq"], seq);
        read.store(seq, Ordering::Release);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_costs_one_queue_and_then_nothing_while_the_others_miss_nothing() {
    let config = Config { write_stall_max: Duration::from_secs(6), ..Config::default() };
    let mut server = TestServer::with(config.clone()).await;
    let mut stuck = server.small_client().await;
    stuck.join("/hook", None).await;
    let socket = server.socket().await;
    let alive = Arc::new(());
    assert!(socket.set_data(Arc::clone(&alive)));
    let mut readers = Vec::new();
    for _ in 0..4 {
        let (client, _) = server.join("/hook", None).await;
        let read = Arc::new(AtomicU64::new(0));
        readers.push((tokio::spawn(read_all(client, Arc::clone(&read))), read));
    }

    let began = Instant::now();
    let (mut warm, mut most) = (None, 0);
    for seq in 1..=EVENTS {
        server.server.to("/hook").emit(&news(seq));
        if seq % BURST != 0 {
            continue;
        }
        let all_read = || readers.iter().all(|(_, read)| read.load(Ordering::Acquire) == seq);
        until("the others to read", all_read).await;
        assert!(socket.queue().bytes <= config.queue_bytes_max + IN_FLIGHT_BYTES, "{:?}", socket.queue());
        if let Some(resident) = resident_bytes() {
            // By then the stuck client's queue is full.
            if seq == 15 * BURST {
                warm = Some(resident);
            }
            most = most.max(resident);
        }
    }
    let took = began.elapsed();
    let dropped = server.server.stats().dropped_packets;
    if took < config.write_stall_max {
        assert!(socket.is_connected() && socket.queue().bytes > config.queue_bytes_max / 2);
        assert!(dropped > EVENTS - 10_000, "{dropped}");
    }
    for (reader, _) in readers {
        within("a reader to end", reader).await.unwrap();
    }
    if let Some(warm) = warm {
        assert!(most <= warm + NOISE_BYTES, "grew from {warm} to {most} bytes");
    }

    until("the stuck client to be let go", || server.server.stats().closed_for(CloseReason::WriteStalled) == 1).await;
    assert_eq!((socket.is_connected(), socket.queue().bytes), (false, 0));
    drop(socket);
    until("the socket's memory to be freed", || Arc::strong_count(&alive) == 1).await;
    // It reads what the kernel still has for it, and then the end.
    stuck.closed().await;
    let resident = resident_bytes();
    if let (Some(resident), Some(warm)) = (resident, warm) {
        assert!(resident <= warm + NOISE_BYTES, "{resident} bytes are held, and {warm} were");
    }
}
