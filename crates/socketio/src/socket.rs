//! A client in a namespace: what the program holds on to and talks to.

use crate::ack::{AckError, Owed};
use crate::connection::Connection;
use crate::encoded::{Encoded, Json, encode, encode_protocol};
use crate::engine::{CloseReason, Entry, Frames, Handshake, Lost, QueueState, SendError, Session, Transport};
use crate::id::{NoRandomness, SocketId};
use crate::namespace::Namespace;
use crate::packet::{Answer, Kind};
use crate::recovery::{CatchUp, Hold, RecoveryId, Restored};
use crate::sync::lock;
use bytes::Bytes;
use serde_json::Value;
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// A client in a namespace. Cloning gives another handle to it; after it is gone, sending fails and all else is
/// harmless.
#[derive(Clone)]
pub struct Socket {
    inner: Arc<Inner>,
}

struct Inner {
    id: SocketId,
    /// The id that the client knows and its private one, if the socket can be recovered.
    recovery: OnceLock<(SocketId, RecoveryId)>,
    hold: Hold,
    namespace: Arc<Namespace>,
    session: Session,
    /// Tells this socket's packets from those of the connection's other sockets.
    owner: u32,
    connection: Weak<Connection>,
    /// Sending works: from the CONNECT answer on, until the socket is gone.
    live: AtomicBool,
    /// Held for one look, never across a callback.
    life: Mutex<Life>,
    /// Without the room of the socket's own id. Held for one change.
    rooms: Mutex<BTreeSet<Arc<str>>>,
    owed: Owed,
    data: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// How far a socket has come. While it is greeted its end waits, so that `disconnected` follows `connected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Greeted,
    Open,
    EndedWhileGreeted(CloseReason),
    Over,
}

impl Socket {
    pub(crate) fn new(id: SocketId, namespace: Arc<Namespace>, connection: &Arc<Connection>, owner: u32) -> Self {
        let inner = Inner {
            id,
            recovery: OnceLock::new(),
            hold: Hold::default(),
            namespace,
            session: connection.session().clone(),
            owner,
            connection: Arc::downgrade(connection),
            live: AtomicBool::new(false),
            life: Mutex::new(Life::Greeted),
            rooms: Mutex::default(),
            owed: Owed::default(),
            data: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The id that the client knows, too.
    pub fn id(&self) -> SocketId {
        self.inner.recovery.get().map_or(self.inner.id, |(id, _)| *id)
    }

    /// Offers the client connection state recovery: it gets a private id with its CONNECT answer, and each event that has
    /// an [`Encoded::offset`] with it. Both come back in the auth of its next CONNECT, as `pid` and `offset`. Only inside
    /// [`crate::Handler::connect`], once; `None` otherwise. Remember the private id with the socket's id and rooms.
    ///
    /// The reference's client takes any string at the end of an event's arguments for an offset, so end with none that is
    /// no offset.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn offer_recovery(&self) -> Result<Option<RecoveryId>, NoRandomness> {
        let pid = RecoveryId::random()?;
        let set = !self.is_connected() && self.inner.recovery.set((self.inner.id, pid.clone())).is_ok();
        Ok(set.then_some(pid))
    }

    /// The private id, if the socket was offered recovery or is restored.
    pub fn recovery_id(&self) -> Option<&RecoveryId> {
        self.inner.recovery.get().map(|(_, pid)| pid)
    }

    /// Makes the socket an earlier one again: its id, its private id, its rooms. The client takes that for a promise to
    /// get what it missed: keep it with the returned [`CatchUp`], in a task of your own. Only inside
    /// [`crate::Handler::connect`], once; `None` otherwise. An older socket with the same id is disconnected.
    pub fn restore(&self, restored: Restored) -> Option<CatchUp> {
        if self.is_connected() || self.inner.recovery.set((restored.id, restored.pid)).is_err() {
            return None;
        }
        restored.rooms.iter().for_each(|room| {
            self.join(room);
        });
        self.catch_up()
    }

    /// Lets tagged broadcasts wait until the returned value is done: for clients that say themselves what they have seen
    /// last. Only inside [`crate::Handler::connect`], once; `None` otherwise.
    pub fn catch_up(&self) -> Option<CatchUp> {
        let begun = !self.is_connected() && self.inner.hold.begin(self.inner.session.config().queue_bytes_max / 2);
        begun.then(|| CatchUp::new(self.clone()))
    }

    /// The namespace's name, for instance `/`.
    pub fn namespace(&self) -> &str {
        &self.inner.namespace.name
    }

    /// The connection's first request: headers, query, remote address, what the caller attached.
    pub fn handshake(&self) -> &Handshake {
        self.inner.session.handshake()
    }

    /// The connection that carries this socket, and perhaps others.
    pub fn session(&self) -> &Session {
        &self.inner.session
    }

    /// How the client is connected now.
    pub fn transport(&self) -> Transport {
        self.inner.session.transport()
    }

    /// Whether something can be sent.
    pub fn is_connected(&self) -> bool {
        self.inner.live.load(Ordering::Acquire)
    }

    /// What waits for the client, of all namespaces of its connection together.
    pub fn queue(&self) -> QueueState {
        self.inner.session.queue()
    }

    /// Attaches one value of the program's; `false` if there is one already.
    pub fn set_data<T: Any + Send + Sync>(&self, data: T) -> bool {
        self.inner.data.set(Arc::new(data)).is_ok()
    }

    /// The attached value, if it has this type.
    pub fn data<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.inner.data.get()?).downcast().ok()
    }

    /// Sends an event that is never dropped.
    ///
    /// # Errors
    /// [`SendError::Closed`] before the CONNECT answer and after the end; [`SendError::QueueFull`] when more waits
    /// than the queue holds, which ends the connection.
    pub fn emit(&self, name: &str, args: &[Value]) -> Result<(), SendError> {
        self.emit_binary(name, args, &[])
    }

    /// Sends an event whose arguments have placeholders ([`crate::packet::placeholder`]) for these attachments.
    ///
    /// # Errors
    /// As [`Socket::emit`].
    pub fn emit_binary(&self, name: &str, args: &[Value], attachments: &[Bytes]) -> Result<(), SendError> {
        let args: Vec<_> = args.iter().map(Json::from).collect();
        self.emit_json(name, &args, attachments)
    }

    /// As [`Socket::emit_binary`], with arguments that may be JSON text already.
    ///
    /// # Errors
    /// As [`Socket::emit`].
    pub fn emit_json(&self, name: &str, args: &[Json<'_>], attachments: &[Bytes]) -> Result<(), SendError> {
        self.push_event(encode(Kind::Event, self.namespace(), None, Some(name), args, attachments))
    }

    /// Sends an event and waits for the client's answer.
    ///
    /// # Errors
    /// No answer within `timeout`, the socket ended, or the event could not be sent.
    pub async fn emit_with_ack(&self, name: &str, args: &[Value], timeout: Duration) -> Result<Answer, AckError> {
        let args: Vec<_> = args.iter().map(Json::from).collect();
        let (id, answer) = self.inner.owed.expect();
        let _forget = ForgetAck { socket: self, id };
        self.push_event(encode(Kind::Event, self.namespace(), Some(id), Some(name), &args, &[]))
            .map_err(AckError::NotSent)?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(AckError::Disconnected),
            Err(_) => Err(AckError::Timeout),
        }
    }

    /// Sends an encoded event. If the queue is full the oldest droppable packets are dropped and counted (see
    /// [`crate::Handler::fell_behind`]), this one last.
    ///
    /// # Errors
    /// As [`Socket::emit`] (full only for a [`Encoded::kept`] packet), and [`SendError::WrongNamespace`].
    pub fn send(&self, packet: &Encoded) -> Result<(), SendError> {
        self.send_at(packet, Instant::now())?;
        self.tell_sent(packet.frames());
        Ok(())
    }

    /// Sends an encoded event if there is room without dropping anything, for programs that choose themselves what
    /// a slow client loses.
    ///
    /// # Errors
    /// As [`Socket::send`]; [`SendError::QueueFull`] changes nothing.
    pub fn try_send(&self, packet: &Encoded) -> Result<(), SendError> {
        if let Some(entry) = self.inner.hold.pass(self.entry(packet, Instant::now())?) {
            self.inner.session.try_push(entry)?;
        }
        self.tell_sent(packet.frames());
        Ok(())
    }

    pub(crate) fn send_at(&self, packet: &Encoded, now: Instant) -> Result<(), SendError> {
        match self.inner.hold.pass(self.entry(packet, now)?) {
            Some(entry) => self.inner.session.push(entry),
            None => Ok(()),
        }
    }

    /// Sends what the socket missed, past what waits.
    pub(crate) fn send_missed(&self, packet: &Encoded) -> Result<(), SendError> {
        self.inner.session.push(self.entry(packet, Instant::now())?)?;
        self.tell_sent(packet.frames());
        Ok(())
    }

    fn entry(&self, packet: &Encoded, at: Instant) -> Result<Entry, SendError> {
        if packet.namespace() != self.namespace() {
            return Err(SendError::WrongNamespace);
        }
        if !self.is_connected() {
            return Err(SendError::Closed);
        }
        let recoverable = self.inner.recovery.get().is_some();
        let frames = if recoverable { packet.recoverable_frames() } else { &packet.frames }.clone();
        Ok(Entry { frames, tag: packet.tag, owner: self.inner.owner, keep: packet.keep, at })
    }

    fn push_event(&self, frames: Frames) -> Result<(), SendError> {
        if !self.inner.namespace.observers.any() {
            return self.push_kept(frames);
        }
        self.push_kept(frames.clone())?;
        self.tell_sent(&frames);
        Ok(())
    }

    fn tell_sent(&self, frames: &Frames) {
        let observers = &self.inner.namespace.observers;
        if observers.any() {
            observers.tell_sent(self.namespace(), &[self.id()], frames);
        }
    }

    pub(crate) fn push_kept(&self, frames: Frames) -> Result<(), SendError> {
        if !self.is_connected() {
            return Err(SendError::Closed);
        }
        let entry = Entry { frames, tag: 0, owner: self.inner.owner, keep: true, at: Instant::now() };
        self.inner.session.push(entry)
    }

    /// Joins a room; `false` if it is in it already, is gone, or is in as many as it may be
    /// ([`crate::Config::rooms_max`]).
    pub fn join(&self, room: &str) -> bool {
        if room == self.id().as_str() || matches!(*lock(&self.inner.life), Life::Over | Life::EndedWhileGreeted(_)) {
            return false;
        }
        let room: Arc<str> = room.into();
        let joined = {
            let mut rooms = lock(&self.inner.rooms);
            rooms.len() < self.inner.session.config().rooms_max && rooms.insert(Arc::clone(&room))
        };
        if joined && self.is_connected() {
            self.inner.namespace.join(self, Arc::clone(&room));
            self.inner.namespace.observers.tell(self.namespace(), |observer| observer.joined(self, &room));
        }
        joined
    }

    /// Leaves a room; `false` if it is not in it. The room of its own id cannot be left.
    pub fn leave(&self, room: &str) -> bool {
        let left = lock(&self.inner.rooms).remove(room);
        if left {
            self.inner.namespace.leave(&self.id(), room);
            if self.is_connected() {
                self.inner.namespace.observers.tell(self.namespace(), |observer| observer.left(self, room));
            }
        }
        left
    }

    /// The rooms it is in; the first is named by its own id.
    pub fn rooms(&self) -> Vec<String> {
        let joined = lock(&self.inner.rooms).iter().map(ToString::to_string).collect::<Vec<_>>();
        std::iter::once(self.id().to_string()).chain(joined).collect()
    }

    pub(crate) fn joined_rooms(&self) -> Vec<Arc<str>> {
        lock(&self.inner.rooms).iter().cloned().collect()
    }

    /// Ends the socket: the client gets a DISCONNECT and does not come back by itself. With `close_connection` the
    /// whole connection ends, with its other sockets.
    pub fn disconnect(&self, close_connection: bool) {
        if self.is_connected() {
            // If the connection is over already, so is the socket.
            let _ = self.push_kept(encode_protocol(Kind::Disconnect, self.namespace(), None));
        }
        if let Some(connection) = self.inner.connection.upgrade() {
            connection.dismiss(self);
        }
        if close_connection {
            self.inner.session.close(CloseReason::ServerClose);
        }
    }

    pub(crate) fn owner(&self) -> u32 {
        self.inner.owner
    }

    pub(crate) fn answer(&self, id: u64, answer: Answer) {
        self.inner.owed.answer(id, answer);
    }

    /// The CONNECT answer is queued: sending works, and broadcasts arrive. Gives back an older socket with its id.
    pub(crate) fn go_live(&self) -> Option<Self> {
        self.inner.live.store(true, Ordering::Release);
        let older = self.inner.namespace.insert(self);
        self.inner.hold.opened().notify_waiters();
        // Whoever ended the socket meanwhile could not take it out of the namespace.
        if *lock(&self.inner.life) != Life::Greeted {
            self.take_out();
        }
        older
    }

    /// The greeting is over; the reason to tell if the socket ended during it.
    pub(crate) fn greeted(&self) -> Option<CloseReason> {
        let mut life = lock(&self.inner.life);
        match *life {
            Life::EndedWhileGreeted(reason) => {
                *life = Life::Over;
                Some(reason)
            }
            _ => {
                *life = Life::Open;
                None
            }
        }
    }

    /// The socket is gone. `true` if the caller must tell the handler now; else somebody has, or will.
    pub(crate) fn end(&self, reason: CloseReason) -> bool {
        let mut life = lock(&self.inner.life);
        let tell = *life == Life::Open;
        match *life {
            Life::Greeted => *life = Life::EndedWhileGreeted(reason),
            Life::Open => *life = Life::Over,
            Life::EndedWhileGreeted(_) | Life::Over => return false,
        }
        drop(life);
        self.take_out();
        tell
    }

    fn take_out(&self) {
        self.inner.live.store(false, Ordering::Release);
        self.inner.namespace.remove(self);
        self.inner.owed.end();
        self.inner.hold.opened().notify_waiters();
    }

    /// The client was not let in.
    pub(crate) fn refused(&self) {
        *lock(&self.inner.life) = Life::Over;
        self.inner.hold.opened().notify_waiters();
    }

    /// Completes when the socket has its CONNECT answer.
    pub(crate) async fn opened(&self) -> Result<(), SendError> {
        loop {
            let mut opened = std::pin::pin!(self.inner.hold.opened().notified());
            opened.as_mut().enable();
            if self.is_connected() {
                return Ok(());
            }
            if *lock(&self.inner.life) != Life::Greeted {
                return Err(SendError::Closed);
            }
            opened.await;
        }
    }

    /// The socket has caught up to a tag: what waits may follow.
    pub(crate) fn release(&self, up_to: u64) -> Result<(), u64> {
        self.inner.hold.release(up_to, |entry| self.push_held(entry))
    }

    pub(crate) fn release_anyway(&self) -> Lost {
        self.inner.hold.release_anyway(|entry| self.push_held(entry))
    }

    fn push_held(&self, entry: Entry) {
        // An error means that the session is over or about to be.
        let _ = self.inner.session.push(entry);
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Eq for Socket {}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id()).field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}

/// Forgets an answer that nobody waits for any more.
struct ForgetAck<'a> {
    socket: &'a Socket,
    id: u64,
}

impl Drop for ForgetAck<'_> {
    fn drop(&mut self) {
        self.socket.inner.owed.forget(self.id);
    }
}
