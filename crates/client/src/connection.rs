//! One connection: the handshake, and then reading and writing side by side until one of them ends.

use crate::connector::Io;
use crate::error::ConnectionError;
use crate::reading;
use crate::shared::Shared;
use crate::writing;
use serde_json::Value;
use socketio::websocket::{self, Message, Reader, Writer};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{ReadHalf, WriteHalf};

pub(crate) type In = Reader<ReadHalf<Box<dyn Io>>>;
pub(crate) type Out = Writer<WriteHalf<Box<dyn Io>>>;

/// What servers show of a client whose program gives it no other name.
const USER_AGENT: &str = concat!("socketio-rust-client/", env!("CARGO_PKG_VERSION"));

/// An open Engine.IO session.
pub(crate) struct Connection {
    reader: In,
    writer: Out,
    /// A server that sends nothing for so long is gone.
    patience: Duration,
    /// Longest message that the server takes.
    pub(crate) payload_bytes_max: usize,
}

/// Connects and waits for the server's first packet.
pub(crate) async fn open(shared: &Shared) -> Result<Connection, ConnectionError> {
    let limit = shared.config.connect_timeout;
    let server = || shared.target.authority.clone();
    match tokio::time::timeout(limit, try_open(shared)).await {
        Ok(opened) => opened,
        Err(_) => Err(ConnectionError::TimedOut { server: server(), limit }),
    }
}

async fn try_open(shared: &Shared) -> Result<Connection, ConnectionError> {
    let (target, config) = (&shared.target, &shared.config);
    let opened = config.connector.open(&target.host, target.port).await;
    let stream = opened.map_err(|error| ConnectionError::Unreachable { server: target.authority.clone(), error })?;
    let mut headers: Vec<_> = config.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        headers.push(("User-Agent", USER_AGENT));
    }
    let (authority, path) = (&target.authority, &target.path_and_query);
    let upgraded = websocket::connect(stream, authority, path, &headers, config.message_bytes_max).await;
    let (mut reader, writer) = upgraded.map_err(ConnectionError::WebSocket)?;
    let Message::Text(text) = reader.next().await.map_err(ConnectionError::WebSocket)? else {
        return Err(ConnectionError::Protocol("the first message is no open packet"));
    };
    let (patience, payload_bytes_max) = read_open(&text).ok_or(ConnectionError::Protocol("no valid open packet"))?;
    Ok(Connection { reader, writer, patience, payload_bytes_max })
}

/// The server's patience with pings, and its limit for messages.
fn read_open(text: &str) -> Option<(Duration, usize)> {
    let open: Value = serde_json::from_str(text.strip_prefix('0')?).ok()?;
    let milliseconds = |key: &str| open.get(key)?.as_u64();
    let patience = milliseconds("pingInterval")?.checked_add(milliseconds("pingTimeout")?)?;
    let payload = open.get("maxPayload").and_then(Value::as_u64).and_then(|bytes| usize::try_from(bytes).ok());
    Some((Duration::from_millis(patience), payload.unwrap_or(usize::MAX)))
}

impl Connection {
    /// Reads and writes until the connection ends; says why.
    pub(crate) async fn serve(self, shared: &Arc<Shared>) -> ConnectionError {
        let Self { mut reader, mut writer, patience, .. } = self;
        tokio::select! {
            biased;
            ended = reading::read(shared, &mut reader, patience) => ended,
            ended = writing::write(shared, &mut writer) => ended,
            () = shared.is_overdue() => ConnectionError::ClosedByUs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_packet_is_read_or_refused() {
        let open = r#"0{"sid":"x","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;
        assert_eq!(read_open(open), Some((Duration::from_millis(500), 1_000_000)));
        assert_eq!(read_open(r#"0{"pingInterval":1,"pingTimeout":2}"#), Some((Duration::from_millis(3), usize::MAX)));
        for wrong in ["", "0", "4{}", "0{}", r#"0{"pingInterval":-1,"pingTimeout":2}"#, "0[1]"] {
            assert_eq!(read_open(wrong), None, "{wrong}");
        }
    }
}
