//! Committed events on their way out: one bounded ring, read by each forwarder at its own pace (I4).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use super::Published;

/// The most bytes of events that wait for the slowest forwarder: several seconds of the heaviest load measured.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// A ring of events that every reader passes through at its own pace. What all have read is let go.
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
    /// Where each reader is; readers that have ended leave a dead one.
    readers: Vec<Weak<AtomicU64>>,
    closed: bool,
}

/// A reader's place: the number of the next event, counted from the first that was ever pushed.
pub(crate) struct Cursor {
    next: Arc<AtomicU64>,
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
        let mut ring = self.lock();
        let next = Arc::new(AtomicU64::new(ring.gone + ring.events.len() as u64));
        ring.readers.push(Arc::downgrade(&next));
        Cursor { next }
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
        }
        let read_by_all = ring.read_by_all();
        let mut let_go = Vec::new();
        while ring.gone < read_by_all || (ring.bytes > BYTES_MAX && ring.events.len() > 1) {
            let Some(oldest) = ring.events.pop_front() else { break };
            ring.bytes -= oldest.json.len();
            ring.gone += 1;
            let_go.push(oldest);
        }
        drop(ring);
        // Freed outside the lock.
        drop(let_go);
        self.changed.notify_waiters();
    }

    /// How many events wait, and their bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let ring = self.lock();
        (ring.events.len(), ring.bytes)
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
        let next = cursor.next.load(Relaxed);
        let lost = ring.gone.saturating_sub(next);
        let start = usize::try_from(next + lost - ring.gone).unwrap_or(usize::MAX);
        let events: Vec<_> = ring.events.range(start.min(ring.events.len())..).take(limit).cloned().collect();
        if events.is_empty() && lost == 0 {
            return ring.closed.then_some(Next::Closed);
        }
        cursor.next.store(next + lost + events.len() as u64, Relaxed);
        Some(Next::Events { events, lost })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Up to which event every reader has read. Without readers nothing has to be kept.
    fn read_by_all(&mut self) -> u64 {
        self.readers.retain(|reader| reader.strong_count() > 0);
        let slowest = self.readers.iter().filter_map(Weak::upgrade).map(|next| next.load(Relaxed)).min();
        slowest.unwrap_or(self.gone + self.events.len() as u64)
    }
}
