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

/// How long a stranger may take to say that it is a monitor, too.
const STRANGER_MAX: Duration = Duration::from_millis(300);

/// The largest answer that is read, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

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
    /// Why it is not healthy.
    #[serde(default)]
    pub(crate) reasons: Vec<String>,
    #[serde(default)]
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) timestamp: String,
}

/// The health of a stranger on this port of this machine, to give it a name: many programs never answer, and a person
/// waits.
pub(crate) fn stranger(port: u16) -> Option<Health> {
    health_within("localhost", port, STRANGER_MAX)
}

/// The health of whatever listens on this port; `None` for nothing, or another kind of program.
pub(crate) fn health_at(host: &str, port: u16) -> Option<Health> {
    health_within(host, port, ANSWER_MAX)
}

fn health_within(host: &str, port: u16, answer_max: Duration) -> Option<Health> {
    let request = Request::get("/health").header("host", format!("localhost:{port}")).body(Full::default()).ok()?;
    let (_, body) = ask_at(host, port, request, answer_max)?;
    serde_json::from_slice(&body).ok()
}

/// The status and the body of an answer; `None` if there is none in time.
pub(crate) fn ask(port: u16, request: Request<Full<Bytes>>, answer_max: Duration) -> Option<(u16, Bytes)> {
    ask_at("localhost", port, request, answer_max)
}

/// The same, of a server that was told to listen on `host`.
pub(crate) fn ask_at(
    host: &str,
    port: u16,
    request: Request<Full<Bytes>>,
    answer_max: Duration,
) -> Option<(u16, Bytes)> {
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
    let (answer, serving) = begin(host, port, request).await.ok()?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await.ok()?.to_bytes();
    serving.abort();
    Some((status, body))
}

/// Sends a request, and gives the answer whose body is still to be read, with the task that brings it.
pub(crate) async fn begin(
    host: &str,
    port: u16,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(http::Response<hyper::body::Incoming>, tokio::task::JoinHandle<hyper::Result<()>>)> {
    let stream = connect(host, port).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let serving = tokio::spawn(connection);
    Ok((sender.send_request(request).await?, serving))
}

/// A request with what this user's programs bring: a name that the monitor knows them by, and the token.
pub(crate) fn get(port: u16, path_and_query: &str) -> http::request::Builder {
    with_token(Request::get(path_and_query), port)
}

/// The same, with something to be taken.
pub(crate) fn post(port: u16, path: &str, said: &serde_json::Value) -> Result<Request<Full<Bytes>>, http::Error> {
    post_text(port, path, said.to_string())
}

/// The same, written as JSON already.
pub(crate) fn post_text(port: u16, path: &str, json: String) -> Result<Request<Full<Bytes>>, http::Error> {
    let request = with_token(Request::post(path), port).header("content-type", "application/json");
    request.body(Full::from(json))
}

/// Events to be told.
pub(crate) fn emit(port: u16, events: &serde_json::Value) -> Result<Request<Full<Bytes>>, http::Error> {
    post(port, "/emit", events)
}

fn with_token(request: http::request::Builder, port: u16) -> http::request::Builder {
    let request = request.header("host", format!("localhost:{port}")).header("user-agent", AGENT);
    match token() {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

/// How this program calls itself.
pub(crate) const AGENT: &str = concat!("claude-mpm/", env!("CARGO_PKG_VERSION"));

/// The token of the environment.
pub(crate) fn token() -> Option<String> {
    std::env::var("CLAUDE_MPM_SOCKETIO_TOKEN").ok().filter(|token| !token.is_empty())
}
