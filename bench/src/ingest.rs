//! Stored ingest over HTTP: one event a request with 1, 10 and 100 connections, and in batches. Every event is on disk
//! before its answer. The disk's own commit rate is measured in the same run.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use crate::http::Poster;
use crate::monitor::Server;
use crate::table::Table;

const RUN: Duration = Duration::from_secs(5);

/// Events in one body of the batch run.
const BATCH: usize = 1_000;

pub(crate) async fn run() -> Result<()> {
    let home = tempfile::tempdir()?;
    let commits = disk_commits_per_s(home.path())?;
    let server = Server::monitor(&home, 0)?;
    let mut table = Table::new(
        "ingest",
        &["connections", "events a request", "events/s", "of 10 × disk commits", "server CPU s per million", "PSS MiB"],
    );
    for (connections, batch) in [(1, 1), (10, 1), (100, 1), (4, BATCH)] {
        let cpu = server.cpu_s()?;
        let (events, took) = load(server.port, connections, batch).await?;
        let rate = events as f64 / took;
        table.row(&[
            connections.to_string(),
            batch.to_string(),
            format!("{rate:.0}"),
            format!("{:.0} %", rate / (10.0 * commits) * 100.0),
            format!("{:.1}", (server.cpu_s()? - cpu) / events as f64 * 1e6),
            format!("{:.1}", server.pss_mib()),
        ]);
    }
    table.row(&["disk alone".into(), "1".into(), format!("{commits:.0}"), String::new(), String::new(), String::new()]);
    table.print();
    Ok(())
}

/// Stores this many events.
pub(crate) async fn fill(port: u16, events: usize) -> Result<()> {
    let mut poster = Poster::connect(port).await?;
    let request = Poster::request(port, "/emit", &body(BATCH));
    for _ in 0..events / BATCH {
        poster.post(&request).await?;
    }
    Ok(())
}

/// Posts from so many connections for a while. Returns how many events were acknowledged, and in how many seconds.
async fn load(port: u16, connections: usize, batch: usize) -> Result<(u64, f64)> {
    let over = Arc::new(AtomicBool::new(false));
    let stored = Arc::new(AtomicU64::new(0));
    let request = Arc::new(Poster::request(port, "/emit", &body(batch)));
    let began = Instant::now();
    let mut posters = Vec::new();
    for _ in 0..connections {
        let mut poster = Poster::connect(port).await?;
        let (over, stored, request) = (Arc::clone(&over), Arc::clone(&stored), Arc::clone(&request));
        posters.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                poster.post(&request).await?;
                stored.fetch_add(batch as u64, Ordering::Relaxed);
            }
            anyhow::Ok(())
        }));
    }
    tokio::time::sleep(RUN).await;
    over.store(true, Ordering::Relaxed);
    for poster in posters {
        poster.await??;
    }
    Ok((stored.load(Ordering::Relaxed), began.elapsed().as_secs_f64()))
}

/// About 600 bytes an event, as a tool call's is.
fn body(batch: usize) -> String {
    let event = json!({ "namespace": "/hook", "event": "post_tool", "data": { "tool_name": "Bash", "session_id": "bench-session", "success": true,
        "tool_input": { "command": "cargo test --workspace --release", "description": "Run the tests" }, "output": "test result: ok. ".repeat(20) } });
    if batch == 1 { event.to_string() } else { json!(vec![event; batch]).to_string() }
}

/// How often a second the disk takes 4 KiB for good, one after the other.
fn disk_commits_per_s(folder: &std::path::Path) -> Result<f64> {
    let mut file = File::create(folder.join("commits"))?;
    let page = [7_u8; 4096];
    let began = Instant::now();
    let mut commits = 0;
    while began.elapsed() < Duration::from_secs(2) {
        file.write_all(&page)?;
        file.sync_data()?;
        commits += 1;
    }
    Ok(f64::from(commits) / began.elapsed().as_secs_f64())
}
