//! Asks whatever listens on a port of this machine: for its health, or anything else.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

/// A monitor answers within milliseconds; another program may never.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The largest answer that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What identifies a monitor.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Health {
    pub(crate) service: String,
    pub(crate) pid: u32,
    #[serde(default)]
    pub(crate) instance: String,
    #[serde(default)]
    pub(crate) connections: u64,
    #[serde(default)]
    pub(crate) uptime: u64,
    #[serde(default)]
    pub(crate) status: String,
    /// `healthy`, `degraded` or `unhealthy`.
    #[serde(default)]
    pub(crate) health: String,
    #[serde(default)]
    pub(crate) version: String,
}

/// The health of whatever listens on this port of this machine; `None` for nothing, or another kind of program.
pub(crate) fn health(port: u16) -> Option<Health> {
    health_at("localhost", port)
}

/// The same, of a server that was told to listen on `host`.
pub(crate) fn health_at(host: &str, port: u16) -> Option<Health> {
    let request = Request::get("/health").header("host", format!("localhost:{port}")).body(Full::default()).ok()?;
    let (_, body) = ask_at(host, port, request, ANSWER_MAX)?;
    serde_json::from_slice(&body).ok()
}

/// The status and the body of an answer; `None` if there is none in time.
pub(crate) fn ask(port: u16, request: Request<Full<Bytes>>, answer_max: Duration) -> Option<(u16, Bytes)> {
    ask_at("localhost", port, request, answer_max)
}

fn ask_at(host: &str, port: u16, request: Request<Full<Bytes>>, answer_max: Duration) -> Option<(u16, Bytes)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout(answer_max, send(host, port, request)).await.ok()? })
}

/// A connection to a server of this machine: over loopback, unless it listens on another address alone.
pub(crate) async fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare {
        "localhost" | "0.0.0.0" | "::" => match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(stream) => Ok(stream),
            Err(_) => TcpStream::connect(("::1", port)).await,
        },
        other => TcpStream::connect((other, port)).await,
    }
}

async fn send(host: &str, port: u16, request: Request<Full<Bytes>>) -> Option<(u16, Bytes)> {
    let stream = connect(host, port).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let serving = tokio::spawn(connection);
    let answer = sender.send_request(request).await.ok()?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await.ok()?.to_bytes();
    serving.abort();
    Some((status, body))
}
