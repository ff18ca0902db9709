//! Fan-out: what one delivery costs the server, at 1, 50, 200 and 1,000 clients, beside its peers in the same run: the
//! Socket.IO crate alone, Node's socket.io, python-socketio, and the least that is possible, one write a delivery.
//!
//! A post makes one event, and every client gets it over Socket.IO on a WebSocket. Clients speak the protocol directly;
//! their own cost is not the server's. The monitor stores each event as well, which its peers do not.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use socketio::websocket::{self, Message};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::http::Poster;
use crate::monitor::Server;
use crate::table::{Table, number, percentile};

/// Deliveries in one measurement.
const DELIVERIES: u64 = 200_000;

/// Posts at most, so that one client does not take minutes.
const POSTS_MAX: u64 = 4_000;

/// How a server is started, in this home if it needs one.
type Start = fn(&TempDir) -> Result<Server>;

/// Every server.
const SERVERS: [(&str, Start); 5] = [
    ("monitor", |home| Server::monitor(home, 0)),
    ("crate socketio", |_| Server::peer(own_peer("peer-socketio")?)),
    ("node socket.io", |_| Server::peer(node_peer().context("not installed")?)),
    ("python-socketio", |_| Server::peer(python_peer().context("not installed")?)),
    ("one write a delivery", |_| Server::peer(own_peer("peer-raw")?)),
];

pub(crate) async fn run() -> Result<()> {
    let mut table = Table::new(
        "fanout",
        &[
            "server",
            "clients",
            "posts in flight",
            "events/s",
            "server CPU s per million deliveries",
            "post → last client p50 ms",
            "p99 ms",
        ],
    );
    for (clients, in_flight) in [(1, 1), (50, 1), (200, 1), (200, 32), (1_000, 1)] {
        for (name, start) in SERVERS {
            let home = tempfile::tempdir()?;
            match start(&home) {
                Ok(server) => measure(&mut table, name, server, clients, in_flight).await?,
                Err(error) => {
                    let mut row =
                        vec![name.to_owned(), clients.to_string(), in_flight.to_string(), format!("{error:#}")];
                    row.resize(7, String::new());
                    table.row(&row);
                }
            }
        }
    }
    table.print();
    Ok(())
}

async fn measure(table: &mut Table, name: &str, server: Server, clients: u64, in_flight: u64) -> Result<()> {
    let received = Arc::new(Received::default());
    let mut followers = Vec::new();
    for _ in 0..clients {
        followers.push(tokio::spawn(follow(server.port, Arc::clone(&received))));
    }
    while received.joined.load(Ordering::Relaxed) < clients {
        if let Some(ended) = followers.iter().position(tokio::task::JoinHandle::is_finished) {
            followers.swap_remove(ended).await??;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let posts = (DELIVERIES / clients).min(POSTS_MAX) / in_flight * in_flight;
    let cpu = server.cpu_s()?;
    let began = Instant::now();
    let mut latencies = Vec::new();
    if in_flight == 1 {
        let mut poster = Poster::connect(server.port).await?;
        let request = Poster::request(server.port, "/emit", &body());
        for post in 1..=posts {
            let sent = Instant::now();
            poster.post(&request).await?;
            received.until(post * clients).await?;
            latencies.push(sent.elapsed().as_secs_f64() * 1000.0);
        }
    } else {
        let request = Arc::new(Poster::request(server.port, "/emit", &body()));
        let mut posters = Vec::new();
        for _ in 0..in_flight {
            let mut poster = Poster::connect(server.port).await?;
            let request = Arc::clone(&request);
            posters.push(tokio::spawn(async move {
                for _ in 0..posts / in_flight {
                    poster.post(&request).await?;
                }
                anyhow::Ok(())
            }));
        }
        for poster in posters {
            poster.await??;
        }
        received.until(posts * clients).await?;
    }
    let took = began.elapsed().as_secs_f64();
    latencies.sort_by(f64::total_cmp);
    table.row(&[
        name.into(),
        clients.to_string(),
        in_flight.to_string(),
        format!("{:.0}", posts as f64 / took),
        format!("{:.2}", (server.cpu_s()? - cpu) / (posts * clients) as f64 * 1e6),
        number(percentile(&latencies, 0.5), 2),
        number(percentile(&latencies, 0.99), 2),
    ]);
    followers.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

/// What all clients together have got.
#[derive(Default)]
struct Received {
    joined: AtomicU64,
    events: AtomicU64,
    changed: Notify,
}

impl Received {
    async fn until(&self, events: u64) -> Result<()> {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let changed = self.changed.notified();
            if self.events.load(Ordering::Acquire) >= events {
                return Ok(());
            }
            if tokio::time::timeout_at(deadline.min(tokio::time::Instant::now() + Duration::from_millis(5)), changed)
                .await
                .is_err()
                && tokio::time::Instant::now() >= deadline
            {
                bail!("only {} of {events} deliveries came", self.events.load(Ordering::Acquire));
            }
        }
    }
}

/// One Socket.IO client on `/hook`: opens, joins, counts events, answers pings.
async fn follow(port: u16, received: Arc<Received>) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = websocket::connect(
        stream,
        &format!("localhost:{port}"),
        "/socket.io/?EIO=4&transport=websocket",
        &[],
        2_000_000,
    )
    .await
    .context("upgrading")?;
    writer.text("40/hook,");
    writer.flush().await?;
    loop {
        let Message::Text(text) = reader.next().await? else { continue };
        if text.starts_with("42/hook,[\"post_tool\"") {
            received.events.fetch_add(1, Ordering::Release);
            received.changed.notify_one();
        } else if text.starts_with("40/hook,") {
            received.joined.fetch_add(1, Ordering::Relaxed);
        } else if text == "2" {
            writer.text("3");
            writer.flush().await?;
        }
    }
}

/// About 600 bytes on the wire.
fn body() -> String {
    let data = json!({ "tool_name": "Bash", "success": true, "tool_input": { "command": "cargo test" }, "output": "x".repeat(400) });
    json!({ "namespace": "/hook", "event": "post_tool", "data": data }).to_string()
}

/// This program in another role.
fn own_peer(role: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("finding the benchmark's own path")?);
    command.arg(role);
    Ok(command)
}

/// python-socketio on aiohttp with the same door, when Python and the packages can be had.
fn python_peer() -> Option<Command> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = manifest.join("../target/bench-peers/python");
    let python = folder.join("bin/python3");
    let runs = |command: &mut Command| command.status().ok().filter(std::process::ExitStatus::success);
    if !folder.join("installed").is_file() {
        runs(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        runs(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(["python-socketio>=5,<6", "aiohttp>=3,<4"]),
        )?;
        std::fs::write(folder.join("installed"), "").ok()?;
    }
    let mut command = Command::new(python);
    command.arg(manifest.join("peers/python_socketio.py"));
    Some(command)
}

/// Node's socket.io with the same door, when Node and the package can be had; installed below the build folder.
fn node_peer() -> Option<Command> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = manifest.join("../target/bench-peers");
    std::fs::create_dir_all(&folder).ok()?;
    if !folder.join("node_modules/socket.io").is_dir() {
        let mut install = Command::new("npm");
        install
            .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .args(["socket.io@4", "ws@8"]);
        install.status().ok().filter(std::process::ExitStatus::success)?;
    }
    let script = folder.join("socketio.mjs");
    std::fs::copy(manifest.join("peers/socketio.mjs"), &script).ok()?;
    let mut command = Command::new("node");
    command.arg(script);
    Some(command)
}
