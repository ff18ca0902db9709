//! Connection state recovery: a client that comes back gets its id, its rooms, and what it missed before anything newer.

use crate::encoded::Encoded;
use crate::engine::{CloseReason, Entry, Lost, SendError};
use crate::id::{NoRandomness, SocketId, random_text};
use crate::socket::Socket;
use crate::sync::lock;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Random bytes of a private id: nobody guesses 192 bits.
const PID_BYTES: usize = 24;

/// A private id (`pid`): who knows it can take a socket over, so its `Debug` form shows only a part.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryId(String);

impl RecoveryId {
    /// A new one.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn random() -> Result<Self, NoRandomness> {
        random_text::<PID_BYTES>().map(Self)
    }

    /// One that a client brought and the program knows.
    pub fn known(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole secret.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RecoveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.0.get(..4).unwrap_or_default())
    }
}

/// What the program remembers of a socket that comes back; see [`Socket::restore`].
#[derive(Debug, Clone)]
pub struct Restored {
    /// The id it had.
    pub id: SocketId,
    /// The private id that it brought, and keeps.
    pub pid: RecoveryId,
    /// The rooms it was in.
    pub rooms: Vec<String>,
}

/// The right, and the duty, to send a socket what it missed. Until [`CatchUp::finish`], tagged broadcasts wait behind it.
///
/// ```no_run
/// # use socketio::{CatchUp, Encoded};
/// # async fn read(_: u64) -> Option<Vec<(u64, Encoded)>> { None }
/// # async fn replay(mut catch_up: CatchUp, mut after: u64) -> Option<()> {
/// loop {
///     // `None`, an error of the store, drops `catch_up`: the connection ends, and the client tries again.
///     for (seq, packet) in read(after).await? {
///         catch_up.send(&packet).await.ok()?;
///         after = seq;
///     }
///     match catch_up.finish(after) {
///         Ok(()) => return Some(()),
///         // More was published meanwhile than could wait here: it is read, too.
///         Err(behind) => catch_up = behind.catch_up,
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it unfinished ends the connection"]
pub struct CatchUp {
    socket: Socket,
    over: bool,
}

/// More than what waits was broadcast meanwhile: what lies up to `to` is to be sent first.
#[derive(Debug)]
pub struct Behind {
    /// To go on with.
    pub catch_up: CatchUp,
    /// The largest tag that is to be sent before the next [`CatchUp::finish`].
    pub to: u64,
}

impl CatchUp {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, over: false }
    }

    /// Whom it is for.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sends a missed event, once the socket has its CONNECT answer and its connection room; so a client that reads
    /// slowly costs half a queue, however much it missed.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub async fn send(&mut self, packet: &Encoded) -> Result<(), SendError> {
        self.socket.opened().await?;
        self.socket.session().room().await?;
        self.socket.send_missed(packet)
    }

    /// Everything up to and with the tag `up_to` was sent, or is none of the socket's business. What was broadcast
    /// meanwhile and has a larger tag follows, in order and once, and the socket is like any other from now on. Nothing
    /// with a tag up to this reaches it any more, so a number that a client named is to be checked first.
    ///
    /// # Errors
    /// So much was broadcast meanwhile that some had to be forgotten. Nothing is lost: send on.
    pub fn finish(mut self, up_to: u64) -> Result<(), Behind> {
        if let Err(to) = self.socket.release(up_to) {
            return Err(Behind { catch_up: self, to });
        }
        self.over = true;
        Ok(())
    }

    /// Gives up: the socket goes on with what was broadcast meanwhile. What of that had to be forgotten is returned for
    /// a message to the client.
    pub fn give_up(mut self) -> Lost {
        self.over = true;
        self.socket.release_anyway()
    }
}

impl Drop for CatchUp {
    fn drop(&mut self) {
        if !self.over {
            // With a hole the socket would not be what its client takes it for. The client comes back and asks again.
            self.socket.release_anyway();
            self.socket.session().close(CloseReason::ServerClose);
        }
    }
}

/// Keeps tagged broadcasts back while a socket catches up.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// Broadcasts with tags up to this do not go to the queue: 0 for a common socket, the largest number while it catches
    /// up, afterwards what it got by that.
    up_to: AtomicU64,
    /// Held for one packet, or to let all go; the session's state is locked inside.
    held: Mutex<Option<Held>>,
    /// The socket has opened, or never will.
    opened: Notify,
}

#[derive(Debug)]
struct Held {
    waiting: VecDeque<Entry>,
    bytes: usize,
    bytes_max: usize,
    forgotten: Lost,
}

impl Hold {
    /// Tagged broadcasts wait from now on, as many as fit into so many bytes.
    pub(crate) fn begin(&self, bytes_max: usize) -> bool {
        let mut held = lock(&self.held);
        let begins = held.is_none() && self.up_to.load(Ordering::Acquire) == 0;
        if begins {
            *held = Some(Held { waiting: VecDeque::new(), bytes: 0, bytes_max, forgotten: Lost::default() });
            self.up_to.store(u64::MAX, Ordering::Release);
        }
        begins
    }

    /// The entry, if it is to be queued now.
    pub(crate) fn pass(&self, entry: Entry) -> Option<Entry> {
        if entry.tag == 0 || entry.tag > self.up_to.load(Ordering::Acquire) {
            return Some(entry);
        }
        let mut held = lock(&self.held);
        if let Some(held) = &mut *held {
            held.add(entry);
            return None;
        }
        (entry.tag > self.up_to.load(Ordering::Acquire)).then_some(entry)
    }

    /// Lets what waits go to `push` in order, without what has a tag up to `up_to`.
    ///
    /// # Errors
    /// Something with a larger tag was forgotten; the largest of those tags.
    pub(crate) fn release(&self, up_to: u64, push: impl FnMut(Entry)) -> Result<(), u64> {
        let mut state = lock(&self.held);
        if let Some(held) = state.as_ref().filter(|held| held.forgotten.to > up_to) {
            return Err(held.forgotten.to);
        }
        if let Some(held) = state.take() {
            held.waiting.into_iter().filter(|entry| entry.tag > up_to).for_each(push);
            self.up_to.store(up_to, Ordering::Release);
        }
        Ok(())
    }

    /// As [`Hold::release`], whatever was forgotten.
    pub(crate) fn release_anyway(&self, push: impl FnMut(Entry)) -> Lost {
        let mut state = lock(&self.held);
        let Some(held) = state.take() else { return Lost::default() };
        held.waiting.into_iter().for_each(push);
        self.up_to.store(held.forgotten.to, Ordering::Release);
        held.forgotten
    }

    pub(crate) fn opened(&self) -> &Notify {
        &self.opened
    }
}

impl Held {
    fn add(&mut self, entry: Entry) {
        self.bytes += entry.cost();
        self.waiting.push_back(entry);
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.waiting.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.cost());
            self.forgotten.add(&oldest);
        }
    }
}
