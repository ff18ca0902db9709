//! Every limit of a server, with the reason for its default.

use std::time::Duration;

/// How a server behaves. `Config::default()` is the reference implementation's behaviour, with bounds added.
#[derive(Debug, Clone)]
pub struct Config {
    /// Time between a client's pong and the next ping. 25 s, the reference's: shorter than proxies' idle limits.
    pub ping_interval: Duration,
    /// Time a client has to answer a ping. 20 s, the reference's.
    pub ping_timeout: Duration,
    /// Time a connection has to join its first namespace. 45 s, the reference's.
    pub connect_timeout: Duration,
    /// Time a client has to finish the step from polling to websocket. 10 s, the reference's.
    pub upgrade_timeout: Duration,
    /// Longest message or polling body that a client may send, in bytes; told to it as `maxPayload`. 1,000,000, the
    /// reference's.
    pub payload_bytes_max: usize,
    /// Most packets in one polling body. 256: the body is bounded in bytes already, this bounds the work per byte.
    pub payload_packets_max: usize,
    /// Most packets in one polling answer. 16, because python-engineio refuses more.
    pub poll_packets_max: usize,
    /// Most binary attachments of one event or ack. 10, the reference's.
    pub attachments_max: usize,
    /// Most bytes of the attachments of one event or ack together. 4,000,000: four full messages.
    pub attachments_bytes_max: usize,
    /// Deepest nesting of arrays and objects in a packet. 100: the JSON parser's own stack limit is 127.
    pub nesting_max: usize,
    /// Most connections at a time; the next gets 503. 10,000: a connection costs about 10 KB.
    pub connections_max: usize,
    /// Sessions that one address (of IPv6: one /64) may begin at once; the next gets 429. 2,000: a browser with a hundred
    /// tabs, or a load test on the same machine, never feels it.
    pub handshakes_burst: u32,
    /// Sessions that one address may begin a second beyond the burst; 0 for no limit. 100: a script that does nothing else
    /// reaches more.
    pub handshakes_per_s: u32,
    /// Most namespaces that one connection may join. 32: the program that this was written for has eleven.
    pub namespaces_max: usize,
    /// Most rooms that one socket may be in, besides its own. 1,000: one per session that a client watches, with room.
    pub rooms_max: usize,
    /// Bytes that may wait for one connection. 4 MiB: some 5,000 events of 600 bytes (100 s at 50 a second), or four
    /// full messages. Broadcast bytes are shared, so a thousand slow clients do not cost a thousand times this.
    pub queue_bytes_max: usize,
    /// A websocket client that takes no byte for so long while bytes wait is let go. 15 s: longer than a Wi-Fi hiccup,
    /// shorter than a ping and its timeout.
    pub write_stall_max: Duration,
    /// Time a closing connection has to take what waits for it and to answer the close. 2 s.
    pub close_max: Duration,
    /// Time that `shutdown` waits for all connections before it ends them. 3 s.
    pub shutdown_max: Duration,
    /// Whether clients may use HTTP long-polling.
    pub polling: bool,
    /// Whether clients may use WebSocket.
    pub websocket: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(45),
            upgrade_timeout: Duration::from_secs(10),
            payload_bytes_max: 1_000_000,
            payload_packets_max: 256,
            poll_packets_max: 16,
            attachments_max: 10,
            attachments_bytes_max: 4_000_000,
            nesting_max: 100,
            connections_max: 10_000,
            handshakes_burst: 2_000,
            handshakes_per_s: 100,
            namespaces_max: 32,
            rooms_max: 1_000,
            queue_bytes_max: 4 * 1024 * 1024,
            write_stall_max: Duration::from_secs(15),
            close_max: Duration::from_secs(2),
            shutdown_max: Duration::from_secs(3),
            polling: true,
            websocket: true,
        }
    }
}
