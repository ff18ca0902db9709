//! For programs that watch everything: who joins, what is received and sent, which rooms change.

use crate::engine::{CloseReason, Frames};
use crate::id::SocketId;
use crate::packet::{Event, Packet, decode_frames};
use crate::socket::Socket;
use crate::sync::{read, write};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock, Weak};

/// Sees what happens in a server, without a part in it; [`crate::Server::observe`] starts it. While nobody observes,
/// all of this costs one atomic load.
///
/// Calls are synchronous, in the thread where it happens, and hold no lock of ours. What an observer sends is observed,
/// too: [`Observer::watches`] keeps it from hearing itself.
pub trait Observer: Send + Sync + 'static {
    /// Whether it wants to hear of this namespace; asked before anything else is made.
    fn watches(&self, namespace: &str) -> bool {
        let _ = namespace;
        true
    }

    /// A client sent an event; the handler hears of it next.
    fn received(&self, socket: &Socket, event: &Event) {
        let _ = (socket, event);
    }

    /// An event was queued for one socket, or for many at once.
    fn sent(&self, sent: &Sent<'_>) {
        let _ = sent;
    }

    /// A socket is in its namespace. What it joined by then, the room of its own id first, was told before.
    fn connected(&self, socket: &Socket) {
        let _ = socket;
    }

    /// A socket is gone; that it left its rooms was told before.
    fn disconnected(&self, socket: &Socket, reason: CloseReason) {
        let _ = (socket, reason);
    }

    /// A socket joined a room.
    fn joined(&self, socket: &Socket, room: &str) {
        let _ = (socket, room);
    }

    /// A socket left a room.
    fn left(&self, socket: &Socket, room: &str) {
        let _ = (socket, room);
    }

    /// A socket's connection went from polling to WebSocket.
    fn upgraded(&self, socket: &Socket) {
        let _ = socket;
    }
}

/// An event on its way out.
#[derive(Debug)]
pub struct Sent<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Whom it was queued for; one call for a whole broadcast.
    pub sockets: &'a [SocketId],
    pub(crate) frames: &'a Frames,
}

impl Sent<'_> {
    /// Name and arguments, read back from the bytes that go out: work, so only when it is needed. `None` if the program
    /// sent JSON that is none.
    pub fn event(&self) -> Option<Event> {
        match decode_frames(self.frames)? {
            Packet::Event { event, .. } => Some(event),
            _ => None,
        }
    }
}

/// Observing ends when this is dropped.
#[must_use = "observing ends when this is dropped"]
pub struct Observation {
    observers: Weak<Observers>,
    id: u64,
}

impl Drop for Observation {
    fn drop(&mut self) {
        if let Some(observers) = self.observers.upgrade() {
            observers.remove(self.id);
        }
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation").field("id", &self.id).finish_non_exhaustive()
    }
}

type Listed = (u64, Arc<dyn Observer>);

/// A server's observers.
#[derive(Default)]
pub(crate) struct Observers {
    any: AtomicBool,
    ids: AtomicU64,
    /// Held to read or replace the list, never during a call.
    list: RwLock<Arc<[Listed]>>,
}

impl Observers {
    pub(crate) fn add(self: &Arc<Self>, observer: Arc<dyn Observer>) -> Observation {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut list = write(&self.list);
        *list = list.iter().cloned().chain([(id, observer)]).collect();
        self.any.store(true, Ordering::Release);
        Observation { observers: Arc::downgrade(self), id }
    }

    fn remove(&self, id: u64) {
        let mut list = write(&self.list);
        let left: Arc<[Listed]> = list.iter().filter(|(listed, _)| *listed != id).cloned().collect();
        self.any.store(!left.is_empty(), Ordering::Release);
        let before = std::mem::replace(&mut *list, left);
        drop(list);
        // Its last handle may be this one; it is dropped without the lock.
        drop(before);
    }

    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Calls `tell` for each observer that watches the namespace.
    pub(crate) fn tell(&self, namespace: &str, tell: impl Fn(&dyn Observer)) {
        if !self.any() {
            return;
        }
        let list = Arc::clone(&read(&self.list));
        for (_, observer) in list.iter().filter(|(_, observer)| observer.watches(namespace)) {
            tell(&**observer);
        }
    }

    pub(crate) fn tell_sent(&self, namespace: &str, sockets: &[SocketId], frames: &Frames) {
        if !sockets.is_empty() {
            self.tell(namespace, |observer| observer.sent(&Sent { namespace, sockets, frames }));
        }
    }
}
