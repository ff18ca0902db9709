//! What waits in one namespace for the program to read it: bounded in bytes; the connection waits a while, then the
//! oldest go, and the program is told.

use crate::error::Refusal;
use crate::socket::{Ack, Joined};
use socketio::packet::Event;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a waiting message costs besides its bytes.
const MESSAGE_BYTES: usize = 256;

/// What happens in a namespace, in order.
#[derive(Debug)]
pub enum Incoming {
    /// The server let the client in, the first time or again.
    Joined(Joined),
    /// The server sent an event.
    Event {
        /// Which. With [`crate::Config::recovery`] its last argument is its offset.
        event: Event,
        /// The right to answer, if the server wants an answer.
        ack: Option<Ack>,
    },
    /// The program read too slowly, and so many events that came before the next one are lost.
    Lost {
        /// How many.
        events: u64,
    },
    /// The connection is gone. It makes itself again, unless the client is closed or the server sent it away.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// The server does not let the client in. It is asked again over the next connection.
    Refused(Refusal),
}

/// The mutex is held for one message, and never across an await.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    readable: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Incoming, usize)>,
    bytes: usize,
    lost: u64,
    /// The program reads what comes here; else nothing is kept.
    is_read: bool,
    /// The program has made the connection wait in vain and has read nothing since: nobody waits for it any more.
    is_slow: bool,
    is_closed: bool,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), readable: Notify::new(), room: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody will read what comes.
    pub(crate) fn read(&self) {
        self.lock().is_read = true;
    }

    /// Adds an event of so many bytes; waits for room, at most so long.
    pub(crate) async fn push_event(&self, event: Incoming, bytes: usize, bytes_max: usize, wait_max: Duration) {
        let cost = bytes + MESSAGE_BYTES;
        let deadline = Instant::now() + wait_max;
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if self.lock().has_room(cost, bytes_max) {
                break;
            }
            if tokio::time::timeout_at(deadline, room).await.is_err() {
                self.lock().is_slow = true;
                break;
            }
        }
        let mut state = self.lock();
        if state.is_closed || !state.is_read {
            return;
        }
        state.make_room(cost, bytes_max);
        state.bytes += cost;
        state.waiting.push_back((event, cost));
        drop(state);
        self.readable.notify_one();
    }

    /// Adds a message about the namespace itself. They are small; so that a program that never reads does not collect
    /// them, one that follows another of its kind takes its place.
    pub(crate) fn push(&self, mut message: Incoming) {
        let mut state = self.lock();
        if state.is_closed || !state.is_read {
            return;
        }
        state.forget_older(&mut message);
        state.bytes += MESSAGE_BYTES;
        state.waiting.push_back((message, MESSAGE_BYTES));
        drop(state);
        self.readable.notify_one();
    }

    /// The next message; `None` when the client is closed and everything has been read. Safe to cancel.
    pub(crate) async fn next(&self) -> Option<Incoming> {
        loop {
            let mut readable = std::pin::pin!(self.readable.notified());
            readable.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(message) = state.next() {
                    drop(state);
                    self.room.notify_waiters();
                    // Another reader may wait for what is still there.
                    self.readable.notify_one();
                    return Some(message);
                }
                if state.is_closed {
                    drop(state);
                    self.readable.notify_one();
                    return None;
                }
            }
            readable.await;
        }
    }

    /// Nothing will come any more; what is there can be read.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.room.notify_waiters();
        self.readable.notify_one();
    }
}

impl State {
    fn has_room(&self, cost: usize, bytes_max: usize) -> bool {
        let fits = self.waiting.is_empty() || self.bytes + cost <= bytes_max;
        fits || self.is_slow || self.is_closed || !self.is_read
    }

    /// Takes a message of the same kind away if it is among the last two: nothing came between them that matters.
    fn forget_older(&mut self, message: &mut Incoming) {
        let kind = std::mem::discriminant(message);
        let last_two = self.waiting.len().saturating_sub(2)..self.waiting.len();
        let older = last_two.rev().find(|index| std::mem::discriminant(&self.waiting[*index].0) == kind);
        let Some((older, cost)) = older.and_then(|older| self.waiting.remove(older)) else { return };
        self.bytes = self.bytes.saturating_sub(cost);
        if let (Incoming::Joined(older), Incoming::Joined(joined)) = (older, message) {
            // Who was somebody else in between has missed something.
            joined.recovered &= older.recovered;
        }
    }

    /// Drops the oldest events until a message of this cost fits.
    fn make_room(&mut self, cost: usize, bytes_max: usize) {
        while self.bytes + cost > bytes_max {
            let oldest = self.waiting.iter().position(|(message, _)| matches!(message, Incoming::Event { .. }));
            let Some((_, cost)) = oldest.and_then(|oldest| self.waiting.remove(oldest)) else { return };
            self.bytes = self.bytes.saturating_sub(cost);
            self.lost += 1;
        }
    }

    fn next(&mut self) -> Option<Incoming> {
        self.is_slow = false;
        let next_is_event = self.waiting.front().is_some_and(|(next, _)| matches!(next, Incoming::Event { .. }));
        if self.lost > 0 && next_is_event {
            return Some(Incoming::Lost { events: std::mem::take(&mut self.lost) });
        }
        let (message, cost) = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(cost);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: usize) -> Incoming {
        Incoming::Event { event: Event { name: name.to_string(), ..Event::default() }, ack: None }
    }

    async fn push(inbox: &Inbox, name: usize) {
        inbox.push_event(event(name), 0, 3 * MESSAGE_BYTES, Duration::from_secs(5)).await;
    }

    async fn next_name(inbox: &Inbox) -> String {
        match inbox.next().await {
            Some(Incoming::Event { event, .. }) => event.name,
            other => format!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_is_waited_for_and_then_loses_the_oldest_and_is_told() {
        let inbox = Inbox::new();
        inbox.read();
        let began = Instant::now();
        for name in 0..10 {
            push(&inbox, name).await;
        }
        assert_eq!(began.elapsed(), Duration::from_secs(5), "waited for once, not for each");
        assert_eq!(next_name(&inbox).await, "Some(Lost { events: 7 })");
        for name in 7..10 {
            assert_eq!(next_name(&inbox).await, name.to_string());
        }
        for name in 10..13 {
            push(&inbox, name).await;
        }
        let (_, first) = tokio::join!(push(&inbox, 13), next_name(&inbox));
        assert_eq!(first, "10");
        for name in 11..=13 {
            assert_eq!(next_name(&inbox).await, name.to_string(), "nothing is lost by who reads");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_for_who_does_not_read() {
        let inbox = Inbox::new();
        for name in 0..10 {
            push(&inbox, name).await;
        }
        inbox.read();
        push(&inbox, 10).await;
        inbox.close();
        assert_eq!(next_name(&inbox).await, "10");
        assert!(inbox.next().await.is_none() && inbox.next().await.is_none());
    }

    #[tokio::test]
    async fn comings_and_goings_do_not_pile_up() {
        let inbox = Inbox::new();
        inbox.read();
        for round in 0..1_000 {
            inbox.push(Incoming::Disconnected { reason: "gone".to_owned() });
            inbox.push(Incoming::Joined(Joined { id: "a".to_owned(), recovered: round != 500 }));
        }
        assert_eq!(inbox.lock().waiting.len(), 2);
        assert!(matches!(inbox.next().await, Some(Incoming::Disconnected { .. })));
        assert!(matches!(inbox.next().await, Some(Incoming::Joined(joined)) if !joined.recovered));
    }
}
