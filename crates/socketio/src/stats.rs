//! What a server has done so far, in numbers.

use crate::engine::{CloseReason, Transport};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One look at a server's counters; all but the `…_now` only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Open connections that poll.
    pub polling_now: u64,
    /// Open connections over WebSocket.
    pub websocket_now: u64,
    /// Connections ever opened.
    pub opened: u64,
    /// Connections that have ended; [`Stats::closed_for`] tells why.
    pub closed: u64,
    pub(crate) closed_for: [u64; CloseReason::ALL.len()],
    /// Requests answered with an error instead of a connection.
    pub refused: u64,
    /// Engine.IO packets received.
    pub packets_in: u64,
    /// Engine.IO packets handed to the network.
    pub packets_out: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload and frame header bytes handed to the network.
    pub bytes_out: u64,
    /// Packets dropped because a client was too slow.
    pub dropped_packets: u64,
    /// Bytes of those packets.
    pub dropped_bytes: u64,
    /// Clients let go because they took no byte for too long, or because what may not be dropped filled their queue.
    pub stuck: u64,
}

impl Stats {
    /// How many connections have ended for this reason.
    pub fn closed_for(&self, reason: CloseReason) -> u64 {
        self.closed_for[reason as usize]
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) polling_now: AtomicU64,
    pub(crate) websocket_now: AtomicU64,
    pub(crate) opened: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
    pub(crate) refused: AtomicU64,
    pub(crate) packets_in: AtomicU64,
    pub(crate) packets_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) dropped_packets: AtomicU64,
    pub(crate) dropped_bytes: AtomicU64,
    pub(crate) stuck: AtomicU64,
}

impl Counters {
    pub(crate) fn received(&self, bytes: usize) {
        self.packets_in.fetch_add(1, Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn sent(&self, packets: usize, bytes: usize) {
        self.packets_out.fetch_add(packets as u64, Relaxed);
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        self.closed[reason as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let closed_for = std::array::from_fn(|reason| self.closed[reason].load(Relaxed));
        Stats {
            closed: closed_for.iter().sum(),
            closed_for,
            polling_now: self.polling_now.load(Relaxed),
            websocket_now: self.websocket_now.load(Relaxed),
            opened: self.opened.load(Relaxed),
            refused: self.refused.load(Relaxed),
            packets_in: self.packets_in.load(Relaxed),
            packets_out: self.packets_out.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            dropped_packets: self.dropped_packets.load(Relaxed),
            dropped_bytes: self.dropped_bytes.load(Relaxed),
            stuck: self.stuck.load(Relaxed),
        }
    }
}

impl Counters {
    fn now(&self, transport: Transport) -> &AtomicU64 {
        match transport {
            Transport::Polling => &self.polling_now,
            Transport::Websocket => &self.websocket_now,
        }
    }

    pub(crate) fn joined(&self, transport: Transport) {
        self.now(transport).fetch_add(1, Relaxed);
    }

    pub(crate) fn left(&self, transport: Transport) {
        self.now(transport).fetch_sub(1, Relaxed);
    }
}
