//! Committed events on their way out: one bounded ring, read by each forwarder at its own pace (I4).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::Published;

/// The most bytes of events that wait for the slowest forwarder: several seconds of the heaviest load measured.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// A ring of events that every reader passes through at its own pace.
pub(crate) struct Outbox {
    ring: Mutex<Ring>,
    changed: Notify,
}

#[derive(Default)]
struct Ring {
    events: VecDeque<Arc<Published>>,
    bytes: usize,
    /// How many events were ever taken out at the front.
    gone: u64,
    closed: bool,
}

/// A reader's place.
pub(crate) struct Cursor {
    next: u64,
}

/// What a reader finds.
pub(crate) enum Next {
    /// Some events, in order, and how many were lost before them because the reader was too slow.
    Events { events: Vec<Arc<Published>>, lost: u64 },
    /// The server stops.
    Closed,
}

impl Outbox {
    pub(crate) fn new() -> Outbox {
        Outbox { ring: Mutex::new(Ring::default()), changed: Notify::new() }
    }

    /// A reader of all that comes from now on.
    pub(crate) fn subscribe(&self) -> Cursor {
        let ring = self.lock();
        Cursor { next: ring.gone + ring.events.len() as u64 }
    }

    /// Adds events; never waits, and drops the oldest beyond the bound.
    pub(crate) fn push(&self, events: Vec<Arc<Published>>) {
        if events.is_empty() {
            return;
        }
        let mut ring = self.lock();
        for event in events {
            ring.bytes += event.json.len();
            ring.events.push_back(event);
            while ring.bytes > BYTES_MAX && ring.events.len() > 1 {
                if let Some(oldest) = ring.events.pop_front() {
                    ring.bytes -= oldest.json.len();
                    ring.gone += 1;
                }
            }
        }
        drop(ring);
        self.changed.notify_waiters();
    }

    /// Ends all readers, after they have read what is there.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Waits for the next events, at most `limit`.
    pub(crate) async fn next(&self, cursor: &mut Cursor, limit: usize) -> Next {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(next) = self.read(cursor, limit) {
                return next;
            }
            changed.await;
        }
    }

    fn read(&self, cursor: &mut Cursor, limit: usize) -> Option<Next> {
        let ring = self.lock();
        let lost = ring.gone.saturating_sub(cursor.next);
        cursor.next += lost;
        let start = usize::try_from(cursor.next - ring.gone).unwrap_or(usize::MAX);
        let events: Vec<_> = ring.events.iter().skip(start).take(limit).cloned().collect();
        if events.is_empty() && lost == 0 {
            return ring.closed.then_some(Next::Closed);
        }
        cursor.next += events.len() as u64;
        Some(Next::Events { events, lost })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
