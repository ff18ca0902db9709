//! One client's session: everybody's handle to its state, and the only place where it changes.

use super::frame::{Frame, Frames};
use super::queue::Entry;
use super::server::Sessions;
use super::state::{Phase, PollEnd, State, Tick, UpgradeStep};
use super::{CloseReason, Handshake, Listener, Message, QueueState, SendError, Transport};
use crate::config::Config;
use crate::id::{NoRandomness, SessionId, SocketId};
use crate::stats::Counters;
use crate::sync::lock;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A client's connection, whatever its transport is. Cloning gives another handle to it.
#[derive(Clone)]
pub struct Session {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) id: SessionId,
    public_id: OnceLock<SocketId>,
    pub(super) handshake: Arc<Handshake>,
    pub(super) config: Arc<Config>,
    pub(super) counters: Arc<Counters>,
    sessions: Arc<Sessions>,
    /// Held for a few instructions, never across a callback, a wake-up of user code or an await.
    state: Mutex<State>,
    /// Gone once the session is over, so that listener and session do not keep each other alive.
    listener: Mutex<Option<Arc<dyn Listener>>>,
    /// Phase or transport changed, or the queue has room for somebody who waited for it.
    changed: Notify,
}

/// What the WebSocket task is to do next.
pub(super) enum Outgoing {
    /// The frames in the buffer.
    Frames(Taken),
    /// Nothing more will come: say goodbye.
    End,
}

/// About frames that were taken from the queue.
pub(super) struct Taken {
    /// More frames wait. If not, the task will be woken when some do.
    pub(super) more: bool,
    /// So many answers wait that the client should not be read.
    pub(super) much: bool,
    /// How long the first of them has waited.
    pub(super) since: Instant,
}

impl Session {
    pub(super) fn new(
        id: SessionId,
        handshake: Arc<Handshake>,
        transport: Transport,
        config: Arc<Config>,
        counters: Arc<Counters>,
        sessions: Arc<Sessions>,
    ) -> Self {
        let state = Mutex::new(State::new(transport, &config, Instant::now()));
        let inner = Inner {
            id,
            public_id: OnceLock::new(),
            handshake,
            config,
            counters,
            sessions,
            state,
            listener: Mutex::new(None),
            changed: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The session's secret id. Its `Debug` form shows only a part.
    pub fn id(&self) -> SessionId {
        self.inner.id
    }

    /// An id for the connection that may be shown: random, and of no use for speaking in the client's name.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn public_id(&self) -> Result<SocketId, NoRandomness> {
        if let Some(id) = self.inner.public_id.get() {
            return Ok(*id);
        }
        let id = SocketId::random()?;
        Ok(*self.inner.public_id.get_or_init(|| id))
    }

    /// The client's first request.
    pub fn handshake(&self) -> &Arc<Handshake> {
        &self.inner.handshake
    }

    /// How the client is connected now.
    pub fn transport(&self) -> Transport {
        lock(&self.inner.state).transport
    }

    /// What waits for the client.
    pub fn queue(&self) -> QueueState {
        lock(&self.inner.state).queue_state(Instant::now())
    }

    /// Whether the session is neither closed nor closing.
    pub fn is_open(&self) -> bool {
        lock(&self.inner.state).phase == Phase::Open
    }

    /// Whether the session is over, or will be at the next look at the clock.
    pub(super) fn is_ending(&self) -> bool {
        let state = lock(&self.inner.state);
        state.phase != Phase::Open || state.overflowed
    }

    /// Sends a text message that is never dropped.
    ///
    /// # Errors
    /// [`SendError::Closed`], or [`SendError::QueueFull`], which also ends the session.
    pub fn send_text(&self, text: &str) -> Result<(), SendError> {
        self.send_kept(Frame::text(text.len() + 1, |payload| {
            payload.extend_from_slice(b"4");
            payload.extend_from_slice(text.as_bytes());
        }))
    }

    /// Sends a binary message that is never dropped.
    ///
    /// # Errors
    /// As [`Session::send_text`].
    pub fn send_binary(&self, message: &[u8]) -> Result<(), SendError> {
        self.send_kept(Frame::from_binary(message))
    }

    fn send_kept(&self, frame: Frame) -> Result<(), SendError> {
        self.push(Entry { frames: Frames::One(frame), tag: 0, owner: 0, keep: true, at: Instant::now() })
    }

    /// Queues a packet. If there is no room, the oldest that may be dropped are, or this one.
    ///
    /// # Errors
    /// [`SendError::Closed`]; [`SendError::QueueFull`] when the entry is to be kept and there is no room even so,
    /// which ends the session.
    pub fn push(&self, entry: Entry) -> Result<(), SendError> {
        self.queue_entry(entry, true)
    }

    /// Queues a packet if there is room for it without dropping any.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::QueueFull`]; nothing is changed then.
    pub fn try_push(&self, entry: Entry) -> Result<(), SendError> {
        self.queue_entry(entry, false)
    }

    fn queue_entry(&self, entry: Entry, may_drop: bool) -> Result<(), SendError> {
        let mut state = lock(&self.inner.state);
        if state.phase != Phase::Open {
            return Err(SendError::Closed);
        }
        if !may_drop && !state.queue.has_room(&entry) {
            return Err(SendError::QueueFull);
        }
        let before = (state.queue.dropped_packets, state.queue.dropped_bytes);
        let pushed = state.queue.push(entry);
        let dropped = (state.queue.dropped_packets - before.0, state.queue.dropped_bytes - before.1);
        state.overflowed |= pushed.is_err();
        let consumer = state.consumer.take();
        drop(state);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
        if dropped.0 != 0 {
            self.inner.counters.dropped_packets.fetch_add(dropped.0, Relaxed);
            self.inner.counters.dropped_bytes.fetch_add(dropped.1, Relaxed);
        }
        if pushed.is_err() {
            self.inner.changed.notify_waiters();
            return Err(SendError::QueueFull);
        }
        Ok(())
    }

    /// Completes when no more than half of the queue's bytes wait.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub async fn room(&self) -> Result<(), SendError> {
        loop {
            let mut changed = std::pin::pin!(self.changed());
            changed.as_mut().enable();
            {
                let mut state = lock(&self.inner.state);
                if state.phase != Phase::Open {
                    return Err(SendError::Closed);
                }
                if state.queue.is_half_empty() {
                    return Ok(());
                }
                state.room_wanted = true;
            }
            changed.await;
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Somebody waits for room and there is some: tells it. Called after packets were taken from the queue.
    pub(super) fn tell_room(&self, room: bool) {
        if room {
            self.inner.changed.notify_waiters();
        }
    }

    /// Ends the session at `at` unless the deadline is moved or taken away before.
    pub fn expire_at(&self, at: Option<Instant>) {
        lock(&self.inner.state).expires = at;
        self.inner.changed.notify_waiters();
    }

    /// Ends the session: no more messages in either direction, but what waits is still delivered (within
    /// [`Config::close_max`]). The listener is told before this returns.
    pub fn close(&self, reason: CloseReason) {
        let until = Instant::now() + self.inner.config.close_max;
        let shuts_down = reason == CloseReason::ServerShutdown;
        let poll_end = if shuts_down { PollEnd::Unavailable } else { PollEnd::Close };
        self.end(Phase::Closing { until }, poll_end, reason);
    }

    /// Ends the session at once; what waits is lost. A pending poll ends as said.
    pub(super) fn abort(&self, reason: CloseReason, poll_end: PollEnd) {
        self.end(Phase::Closed, poll_end, reason);
    }

    /// The client says by POST that it leaves. Its last poll gets a noop, also if the POST has overtaken it.
    pub(super) fn leave(&self) {
        let polling = self.with_state(|state| {
            if !state.polling {
                state.queue.clear();
                state.poll_end = Some(PollEnd::Noop);
            }
            state.polling
        });
        if polling {
            self.abort(CloseReason::TransportClose, PollEnd::Noop);
        } else {
            self.close(CloseReason::TransportClose);
        }
    }

    fn end(&self, phase: Phase, poll_end: PollEnd, reason: CloseReason) {
        let mut state = lock(&self.inner.state);
        let was = state.phase;
        if was == Phase::Closed || (was != Phase::Open && phase != Phase::Closed) {
            return;
        }
        state.phase = phase;
        if was == Phase::Open {
            state.last_poll_end = poll_end;
        }
        if phase == Phase::Closed {
            state.queue.clear();
            // The writer goes with its task, which ends next.
            state.in_flight = None;
            if state.polling {
                state.poll_end = Some(poll_end);
            }
        }
        let consumer = state.consumer.take();
        let transport = state.transport;
        drop(state);
        if phase == Phase::Closed {
            self.inner.sessions.remove(&self.inner.id);
        }
        if let Some(consumer) = consumer {
            consumer.wake();
        }
        self.inner.changed.notify_waiters();
        if was == Phase::Open {
            self.inner.counters.left(transport);
            self.inner.counters.closed(reason);
            if matches!(reason, CloseReason::WriteStalled | CloseReason::QueueFull) {
                self.inner.counters.stuck.fetch_add(1, Relaxed);
            }
            let listener = lock(&self.inner.listener).take();
            tracing::debug!(session.id = ?self.inner.id, reason = reason.as_str(), "session {:?} ended: {reason}", self.inner.id);
            if let Some(listener) = listener {
                listener.closed(reason);
            }
        }
    }

    pub(super) fn listen(&self, listener: Arc<dyn Listener>) {
        *lock(&self.inner.listener) = Some(Arc::clone(&listener));
        // Whoever ended the session before the listener was known could not tell it.
        if !self.is_open() && lock(&self.inner.listener).take().is_some() {
            listener.closed(CloseReason::TransportClose);
        }
    }

    fn listener(&self) -> Option<Arc<dyn Listener>> {
        lock(&self.inner.listener).clone()
    }

    /// Does what the clock demands; the next time to look, or `None` when the session is over.
    pub(super) fn tick(&self, excused: bool) -> Option<Instant> {
        let mut state = lock(&self.inner.state);
        let tick = state.tick(&self.inner.config, Instant::now(), excused);
        let consumer = if matches!(tick, Tick::Pinged(_)) { state.consumer.take() } else { None };
        let closing = state.phase != Phase::Open;
        drop(state);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
        match tick {
            Tick::At(next) | Tick::Pinged(next) => return Some(next),
            Tick::End(reason) => self.abort(reason, PollEnd::Close),
            Tick::Over if closing => self.abort(CloseReason::ServerClose, PollEnd::Close),
            Tick::Over => {}
        }
        None
    }

    /// As [`Session::tick`] for the task that watches a polling session; `None` also once WebSocket has taken over.
    pub(super) fn tick_polling(&self) -> Option<Instant> {
        if lock(&self.inner.state).transport == Transport::Websocket {
            return None;
        }
        self.tick(false)
    }

    /// Completes when phase or transport change after this call.
    pub(super) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.inner.changed.notified()
    }

    /// A sign of life came.
    pub(super) fn heard(&self, pong: bool) {
        lock(&self.inner.state).heard(&self.inner.config, pong, Instant::now());
    }

    /// Hands a message to the listener, in the caller's thread.
    pub(super) fn deliver(&self, message: Message) {
        if self.is_open()
            && let Some(listener) = self.listener()
        {
            listener.message(message);
        }
    }

    /// Takes what is to be sent into `batch`, or sees to it that the task is woken. Only for the WebSocket task.
    pub(super) fn poll_outgoing(&self, cx: &mut Context<'_>, batch: &mut Vec<Frame>) -> Poll<Outgoing> {
        let mut state = lock(&self.inner.state);
        state.in_flight = None;
        if state.overflowed && state.phase == Phase::Open {
            drop(state);
            self.abort(CloseReason::QueueFull, PollEnd::Close);
            return Poll::Ready(Outgoing::End);
        }
        if state.queue.is_empty() {
            if state.phase != Phase::Open {
                return Poll::Ready(Outgoing::End);
            }
            state.wake_on_push(cx.waker());
            return Poll::Pending;
        }
        let since = state.queue.oldest().unwrap_or_else(Instant::now);
        let bytes = state.queue.take(super::wire::BATCH_FRAMES_MAX, super::wire::BATCH_BYTES_MAX, batch);
        let more = !state.queue.is_empty() || state.phase != Phase::Open;
        if !more {
            state.wake_on_push(cx.waker());
        }
        let much = self.much_kept(&state);
        let lost = state.queue.take_lost();
        let room = state.taken(batch.len(), bytes);
        drop(state);
        self.tell_room(room);
        self.inner.counters.sent(batch.len(), bytes);
        self.tell_lost(lost);
        Poll::Ready(Outgoing::Frames(Taken { more, much, since }))
    }

    /// The stream does not take at once what was taken from the queue, so it counts as waiting.
    pub(super) fn blocked(&self, bytes: usize, packets: usize, since: Instant) {
        let mut state = lock(&self.inner.state);
        if state.phase != Phase::Closed {
            state.in_flight = Some((bytes, packets, since));
        }
    }

    /// Whether so many answers wait that the client should not be read: it would only ask for more.
    pub(super) fn much_waits(&self) -> bool {
        self.much_kept(&lock(&self.inner.state))
    }

    fn much_kept(&self, state: &State) -> bool {
        state.queue.kept_bytes() > self.inner.config.queue_bytes_max / 2
    }

    pub(super) fn tell_lost(&self, lost: Vec<(u32, super::Lost)>) {
        if lost.is_empty() {
            return;
        }
        if let Some(listener) = self.listener() {
            for (owner, lost) in lost {
                listener.fell_behind(owner, lost);
            }
        }
    }

    /// A WebSocket wants to take over; `false` if it may not.
    pub(super) fn begin_upgrade(&self) -> bool {
        let mut state = lock(&self.inner.state);
        let may = state.phase == Phase::Open && state.upgrade == UpgradeStep::None;
        if may {
            state.upgrade = UpgradeStep::Begun;
        }
        may
    }

    /// The WebSocket works: a waiting poll ends, so that the client can stop polling.
    pub(super) fn probed(&self) {
        let mut state = lock(&self.inner.state);
        state.upgrade = UpgradeStep::Probed;
        if state.polling && state.queue.is_empty() {
            state.poll_end = Some(PollEnd::Noop);
        }
        let consumer = state.consumer.take();
        drop(state);
        if let Some(consumer) = consumer {
            consumer.wake();
        }
    }

    /// The upgrade came to nothing; polling goes on.
    pub(super) fn cancel_upgrade(&self) {
        let mut state = lock(&self.inner.state);
        if state.upgrade != UpgradeStep::Done {
            state.upgrade = UpgradeStep::None;
        }
    }

    /// The client goes over to WebSocket; `false` if the session has ended.
    pub(super) fn finish_upgrade(&self) -> bool {
        let mut state = lock(&self.inner.state);
        if state.phase == Phase::Closed {
            return false;
        }
        state.upgrade = UpgradeStep::Done;
        state.transport = Transport::Websocket;
        state.restart_heartbeat(&self.inner.config, Instant::now());
        if state.polling {
            state.poll_end = Some(PollEnd::Noop);
        }
        let open = state.phase == Phase::Open;
        let consumer = state.consumer.take();
        drop(state);
        if open {
            self.inner.counters.left(Transport::Polling);
            self.inner.counters.joined(Transport::Websocket);
        }
        if let Some(consumer) = consumer {
            consumer.wake();
        }
        self.inner.changed.notify_waiters();
        if let Some(listener) = self.listener() {
            listener.upgraded();
        }
        true
    }

    pub(super) fn with_state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut lock(&self.inner.state))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.inner.id).finish_non_exhaustive()
    }
}
