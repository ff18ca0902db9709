//! Asks a port for its health.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

/// A monitor answers within milliseconds; another program may never.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The largest answer that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What identifies a monitor.
#[derive(Deserialize)]
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
}

/// The health of whatever listens on this port of this machine; `None` for nothing, or another kind of program.
pub(crate) fn health(port: u16) -> Option<Health> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let body = runtime.block_on(async { tokio::time::timeout(ANSWER_MAX, get(port)).await.ok()? })?;
    serde_json::from_slice(&body).ok()
}

async fn get(port: u16) -> Option<Bytes> {
    let stream = match TcpStream::connect(("127.0.0.1", port)).await {
        Ok(stream) => stream,
        Err(_) => TcpStream::connect(("::1", port)).await.ok()?,
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let serving = tokio::spawn(connection);
    let request =
        http::Request::get("/health").header("host", format!("localhost:{port}")).body(Empty::<Bytes>::new()).ok()?;
    let answer = sender.send_request(request).await.ok()?;
    let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await.ok()?.to_bytes();
    serving.abort();
    Some(body)
}
