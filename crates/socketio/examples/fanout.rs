//! Measures what a broadcast costs: CPU seconds of the server process per million deliveries of a 600-byte event.
//! `cargo run --release -p socketio --example fanout -- CLIENTS IN_FLIGHT BROADCASTS`; the clients are a child process.

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use socketio::engine::ConnectionInfo;
use socketio::websocket::{self, Message};
use socketio::{Ack, Config, Encoded, Handler, Json, Server, Socket, packet::Event};
use std::convert::Infallible;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

static SERVER: OnceLock<Server> = OnceLock::new();
static DELIVERED: AtomicU64 = AtomicU64::new(0);

/// Broadcasts as many events as the `go` of the clients says.
struct Broadcaster;

impl Handler for Broadcaster {
    fn event(&self, _: &Socket, event: Event, _: Option<Ack>) {
        let Some(server) = SERVER.get() else { return };
        let padding = "x".repeat(580);
        for _ in 0..event.args.first().and_then(Value::as_u64).unwrap_or(0) {
            let packet = Encoded::event("/hook", "post_tool", &[Json::Raw(&format!("{{\"p\":\"{padding}\"}}"))]);
            DELIVERED.fetch_add(server.to("/hook").emit(&packet) as u64, SeqCst);
        }
    }
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, otherwise: u64| {
        arguments.get(index).and_then(|argument| argument.parse().ok()).unwrap_or(otherwise)
    };
    if arguments.first().is_some_and(|role| role == "clients") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(clients(number(1, 0) as u16, number(2, 0), number(3, 1), number(4, 0)));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(number(0, 200), number(1, 1), number(2, 5_000)))
}

async fn serve(count: u64, in_flight: u64, broadcasts: u64) -> std::io::Result<()> {
    let server = Server::new(Config::default(), Broadcaster);
    server.declare_namespace("/hook");
    let _ = SERVER.set(server.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let accepting = server.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let server = accepting.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let server = server.clone();
                    async move { Ok::<_, Infallible>(server.handle(request, ConnectionInfo::default()).await) }
                });
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            });
        }
    });
    let arguments = [port as u64, count, in_flight, broadcasts].map(|number| number.to_string());
    let mut child = std::process::Command::new(std::env::current_exe()?).arg("clients").args(arguments).spawn()?;
    while server.sockets("/hook").len() < count as usize {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let rss = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = rss.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
    let (cpu_before, start) = (cpu_seconds(), Instant::now());
    let finished = tokio::task::spawn_blocking(move || child.wait());
    let _ = finished.await;
    let (cpu_after, wall) = (cpu_seconds(), start.elapsed().as_secs_f64());
    let (user, system) = (cpu_after.0 - cpu_before.0, cpu_after.1 - cpu_before.1);
    let delivered = DELIVERED.load(SeqCst) as f64;
    let line = format!(
        "{count} clients, {in_flight} in flight: {delivered} deliveries, {:.2} CPU s per million (user {:.2}), {:.0} deliveries/s, {rss} when connected, {:?}\n",
        (user + system) / delivered * 1e6,
        user / delivered * 1e6,
        delivered / wall,
        server.stats()
    );
    use std::io::Write;
    std::io::stdout().write_all(line.as_bytes())
}

/// User and system time of this process so far.
fn cpu_seconds() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let mut seconds = fields.skip(11).filter_map(|ticks| ticks.parse::<f64>().ok()).map(|ticks| ticks / 100.0);
    (seconds.next().unwrap_or_default(), seconds.next().unwrap_or_default())
}

async fn clients(port: u16, count: u64, in_flight: u64, broadcasts: u64) -> std::io::Result<()> {
    let (sender, mut received) = mpsc::unbounded_channel();
    for _ in 0..count {
        let sender = sender.clone();
        let Some((mut reader, mut writer)) = connect(port, "/hook").await else { continue };
        tokio::spawn(async move {
            while let Ok(message) = reader.next().await {
                match message {
                    Message::Text(text) if text == "2" => {
                        writer.text("3");
                        let _ = writer.flush().await;
                    }
                    Message::Text(text) if text.starts_with("42/hook") => {
                        let _ = sender.send(());
                    }
                    _ => {}
                }
            }
        });
    }
    let Some((_reader, mut writer)) = connect(port, "/").await else { return Ok(()) };
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut left = broadcasts;
    while left > 0 {
        let now = left.min(in_flight);
        writer.text(&format!("42[\"go\",{now}]"));
        writer.flush().await?;
        for _ in 0..now * count {
            received.recv().await;
        }
        left -= now;
    }
    Ok(())
}

type Client = (websocket::Reader<tokio::io::ReadHalf<TcpStream>>, websocket::Writer<tokio::io::WriteHalf<TcpStream>>);

async fn connect(port: u16, namespace: &str) -> Option<Client> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let path = "/socket.io/?EIO=4&transport=websocket";
    let (reader, mut writer) = websocket::connect(stream, "localhost", path, &[], 1_000_000).await.ok()?;
    writer.text(&if namespace == "/" { "40".to_owned() } else { format!("40{namespace},") });
    writer.flush().await.ok()?;
    Some((reader, writer))
}
