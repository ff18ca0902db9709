//! What one session is doing right now: its transport, its heartbeat, its end. Pure: no I/O, no clock, no lock.

use super::CloseReason;
use super::frame::Frame;
use super::queue::{Entry, Queue};
use crate::config::Config;
use std::fmt;
use std::task::Waker;
use std::time::Duration;
use tokio::time::Instant;

/// How a client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    Websocket,
}

impl Transport {
    /// The protocol's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Websocket => "websocket",
        }
    }
}

/// Why something was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// The connection, or the socket's part of it, is over.
    Closed,
    /// There is no room, and nothing was dropped to make any.
    QueueFull,
    /// The packet was encoded for another namespace than the socket's.
    WrongNamespace,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the socket is closed",
            Self::QueueFull => "the socket's queue is full",
            Self::WrongNamespace => "the packet belongs to another namespace",
        })
    }
}

impl std::error::Error for SendError {}

/// What waits for one connection, what became of the rest, and how it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueState {
    /// Bytes that wait, with a small charge per packet.
    pub bytes: usize,
    /// Packets that wait.
    pub packets: usize,
    /// How long the oldest has waited.
    pub oldest: Option<Duration>,
    /// Packets handed to the network since the connection opened.
    pub sent_packets: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Packets dropped since then.
    pub dropped_packets: u64,
    /// Their bytes.
    pub dropped_bytes: u64,
    /// Packets of the client since then, without its answers to pings.
    pub received_packets: u64,
    /// How long its last answer to a ping took, from when that was due; it may have waited behind other packets.
    pub round_trip: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The listener knows the end already; what waits is still delivered, then the transport says goodbye.
    Closing {
        until: Instant,
    },
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpgradeStep {
    None,
    Begun,
    Probed,
    Done,
}

/// How a waiting poll ends without packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PollEnd {
    Noop,
    Close,
    /// The server goes down: 503. A client that is told to close may take it for its last word (python-socketio does);
    /// one whose poll fails comes back.
    Unavailable,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) transport: Transport,
    pub(super) upgrade: UpgradeStep,
    pub(super) queue: Queue,
    /// Frames that the WebSocket writer holds: (bytes, frames, since).
    pub(super) in_flight: Option<(usize, usize, Instant)>,
    /// Who waits for the queue: the WebSocket task or the pending poll.
    pub(super) consumer: Option<Waker>,
    pub(super) polling: bool,
    pub(super) poll_end: Option<PollEnd>,
    /// How the client is told of the end when all that waited is delivered.
    pub(super) last_poll_end: PollEnd,
    pub(super) posting: bool,
    /// The queue overflowed with what may not be dropped; the next look at the clock ends the session.
    pub(super) overflowed: bool,
    /// Somebody waits until the queue is half empty.
    pub(super) room_wanted: bool,
    sent_packets: u64,
    sent_bytes: u64,
    received_packets: u64,
    pinged_at: Option<Instant>,
    round_trip: Option<Duration>,
    ping_at: Instant,
    pong_due: Option<Instant>,
    pong_extended: bool,
    /// The session ends at this time unless somebody takes the deadline away.
    pub(super) expires: Option<Instant>,
}

/// What the clock says about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tick {
    /// Look again then.
    At(Instant),
    /// A ping was queued; look again then.
    Pinged(Instant),
    /// The session must end now.
    End(CloseReason),
    /// It is over, or has taken too long to close.
    Over,
}

impl State {
    pub(super) fn new(transport: Transport, config: &Config, now: Instant) -> Self {
        Self {
            phase: Phase::Open,
            transport,
            upgrade: if transport == Transport::Websocket { UpgradeStep::Done } else { UpgradeStep::None },
            queue: Queue::new(config.queue_bytes_max),
            in_flight: None,
            consumer: None,
            polling: false,
            poll_end: None,
            last_poll_end: PollEnd::Close,
            posting: false,
            overflowed: false,
            room_wanted: false,
            sent_packets: 0,
            sent_bytes: 0,
            received_packets: 0,
            pinged_at: None,
            round_trip: None,
            ping_at: now + config.ping_interval,
            pong_due: None,
            pong_extended: false,
            expires: None,
        }
    }

    /// Does what is due. `excused`: a late pong is no reason to end, because we are not reading.
    pub(super) fn tick(&mut self, config: &Config, now: Instant, excused: bool) -> Tick {
        match self.phase {
            Phase::Closed => return Tick::Over,
            Phase::Closing { until } if now >= until => return Tick::Over,
            Phase::Closing { until } => return Tick::At(until),
            Phase::Open => {}
        }
        if self.overflowed {
            return Tick::End(CloseReason::QueueFull);
        }
        if self.expires.is_some_and(|at| now >= at) {
            return Tick::End(CloseReason::NotConnected);
        }
        let mut pinged = false;
        if let Some(due) = self.pong_due {
            if now >= due && !excused {
                return Tick::End(CloseReason::PingTimeout);
            }
            if now >= due {
                self.pong_due = Some(now + config.ping_timeout);
            }
        } else if now >= self.ping_at {
            // Counted from when it should have been sent, unless this process was late by more than a client may be.
            let late = now - self.ping_at > config.ping_timeout / 10;
            self.pong_due = Some(if late { now } else { self.ping_at } + config.ping_timeout);
            self.pong_extended = false;
            self.pinged_at = Some(now);
            let frames = Frame::from_text("2").into();
            // A ping that finds the queue full of answers is not needed: those are then the sign that is waited for.
            self.overflowed |= self.queue.push(Entry { frames, tag: 0, owner: 0, keep: true, at: now }).is_err();
            pinged = true;
        }
        let heartbeat = self.pong_due.unwrap_or(self.ping_at);
        let next = self.expires.map_or(heartbeat, |expires| expires.min(heartbeat));
        if pinged { Tick::Pinged(next) } else { Tick::At(next) }
    }

    /// A packet came. Any packet is a sign of life once per ping, as in the reference; a pong ends the waiting.
    pub(super) fn heard(&mut self, config: &Config, pong: bool, now: Instant) {
        self.received_packets += u64::from(!pong);
        if pong {
            if let Some(pinged_at) = self.pinged_at.take() {
                self.round_trip = Some(now.saturating_duration_since(pinged_at));
            }
            self.pong_due = None;
            self.ping_at = now + config.ping_interval;
        } else if self.pong_due.is_some() && !self.pong_extended {
            self.pong_extended = true;
            self.pong_due = Some(now + config.ping_timeout);
        }
    }

    /// The transport changed: a ping on the old one may be lost, so nobody waits for its pong.
    pub(super) fn restart_heartbeat(&mut self, config: &Config, now: Instant) {
        self.pinged_at = None;
        if self.pong_due.take().is_some() {
            self.ping_at = now + config.ping_interval;
        }
    }

    /// The next push, and the end, wake this task.
    pub(super) fn wake_on_push(&mut self, waker: &Waker) {
        if !self.consumer.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.consumer = Some(waker.clone());
        }
    }

    /// So much was taken from the queue to be sent. `true` if somebody waits for room, and has it now.
    pub(super) fn taken(&mut self, packets: usize, bytes: usize) -> bool {
        self.sent_packets += packets as u64;
        self.sent_bytes += bytes as u64;
        let room = self.room_wanted && self.queue.is_half_empty();
        self.room_wanted &= !room;
        room
    }

    pub(super) fn queue_state(&self, now: Instant) -> QueueState {
        let (bytes, packets, since) = match self.in_flight {
            Some((bytes, packets, since)) => (bytes, packets, Some(since)),
            None => (0, 0, None),
        };
        QueueState {
            bytes: bytes + self.queue.bytes(),
            packets: packets + self.queue.packets(),
            oldest: since.or(self.queue.oldest()).map(|at| now.saturating_duration_since(at)),
            sent_packets: self.sent_packets,
            sent_bytes: self.sent_bytes,
            dropped_packets: self.queue.dropped_packets,
            dropped_bytes: self.queue.dropped_bytes,
            received_packets: self.received_packets,
            round_trip: self.round_trip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ping_comes_after_the_interval_and_its_timeout_ends_the_session() {
        let config = Config::default();
        let start = Instant::now();
        let mut state = State::new(Transport::Polling, &config, start);
        let ping = start + config.ping_interval;
        assert_eq!(state.tick(&config, start, false), Tick::At(ping));
        assert!(state.queue.is_empty());
        assert_eq!(state.tick(&config, ping, false), Tick::Pinged(ping + config.ping_timeout));
        let due = ping + config.ping_timeout;
        assert_eq!(state.tick(&config, due, false), Tick::End(CloseReason::PingTimeout));
        state.heard(&config, true, due);
        assert_eq!(state.tick(&config, due, false), Tick::At(due + config.ping_interval));
    }

    #[test]
    fn the_answer_to_a_ping_says_how_long_it_took_and_one_nobody_asked_for_says_nothing() {
        let config = Config::default();
        let start = Instant::now();
        let mut state = State::new(Transport::Websocket, &config, start);
        state.heard(&config, true, start);
        assert_eq!(state.queue_state(start).round_trip, None);
        let ping = start + config.ping_interval;
        assert!(matches!(state.tick(&config, ping, false), Tick::Pinged(_)));
        state.heard(&config, false, ping);
        let took = Duration::from_millis(7);
        state.heard(&config, true, ping + took);
        state.heard(&config, true, ping + took * 2);
        let now = state.queue_state(ping + took * 2);
        assert_eq!((now.round_trip, now.received_packets), (Some(took), 1));
    }
}
