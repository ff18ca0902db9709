//! What a client's handles and its task share. Two locks: the channels' list, and the outbox with what belongs to it.

use crate::channel::Channel;
use crate::config::Config;
use crate::error::{AckError, ConnectionError, Error};
use crate::handle::{Link, Stats};
use crate::inbox::Incoming;
use crate::outbox::{Asker, Outbox, Outgoing};
use crate::socket::Membership;
use crate::target::Target;
use bytes::Bytes;
use serde_json::Value;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Most bytes of a message until the server has said its own limit; the reference's.
const PAYLOAD_BYTES_MAX: usize = 1_000_000;

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) target: Target,
    channels: RwLock<Vec<Arc<Channel>>>,
    /// Held for one packet, never across an await.
    state: Mutex<State>,
    /// There is something to write.
    pub(crate) work: Notify,
    /// Something changed that the life of the client depends on: what is wanted, what waits, whether it shall end.
    changed: Notify,
    pub(crate) link: watch::Sender<Link>,
    finished: Mutex<bool>,
    on_finished: Condvar,
}

pub(crate) struct State {
    pub(crate) outbox: Outbox,
    pub(crate) control: Control,
    /// Packets that were taken to be written and are not written yet.
    pub(crate) in_flight: usize,
    /// The number of the connection; answers are for one alone.
    pub(crate) connection: u64,
    /// Longest message that the server takes.
    pub(crate) payload_bytes_max: usize,
    /// The client shall end when nothing waits, and at this time at the latest.
    pub(crate) closing: Option<Instant>,
    pub(crate) is_over: bool,
    pub(crate) stats: Stats,
}

/// What the connection itself has to say, before anything that waits; one of each, so it needs no bound.
#[derive(Debug, Default)]
pub(crate) struct Control {
    pub(crate) pong: bool,
    pub(crate) websocket_pong: Option<Bytes>,
    /// Lanes of the namespaces to join.
    pub(crate) connect: Vec<usize>,
    /// Lanes of all that were asked for over this connection: who asks twice is thrown out.
    asked: Vec<usize>,
    /// Namespaces to leave; they go first.
    pub(crate) disconnect: Vec<String>,
}

impl Control {
    /// What is to be said; who was asked for stays known.
    pub(crate) fn take(&mut self) -> Self {
        let asked = self.asked.clone();
        std::mem::replace(self, Self { asked, ..Self::default() })
    }

    fn ask(&mut self, lane: usize) {
        if !self.asked.contains(&lane) {
            self.asked.push(lane);
            self.connect.push(lane);
        }
    }

    /// The client is out of this namespace, or about to be, and may ask again.
    pub(crate) fn forget(&mut self, lane: usize) {
        self.asked.retain(|asked| *asked != lane);
        self.connect.retain(|asked| *asked != lane);
    }

    fn leave(&mut self, channel: &Channel) {
        let was_sent = self.asked.contains(&channel.lane) && !self.connect.contains(&channel.lane);
        self.forget(channel.lane);
        if was_sent && !self.disconnect.contains(&channel.namespace) {
            self.disconnect.push(channel.namespace.clone());
        }
    }
}

impl Shared {
    pub(crate) fn new(config: Config, target: Target) -> Self {
        let state = State {
            outbox: Outbox::new(config.queue_bytes_max),
            control: Control::default(),
            in_flight: 0,
            connection: 0,
            payload_bytes_max: PAYLOAD_BYTES_MAX,
            closing: None,
            is_over: false,
            stats: Stats::default(),
        };
        Self {
            config,
            target,
            channels: RwLock::default(),
            state: Mutex::new(state),
            work: Notify::new(),
            changed: Notify::new(),
            link: watch::Sender::new(Link::Connecting),
            finished: Mutex::new(false),
            on_finished: Condvar::new(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn channels(&self) -> Vec<Arc<Channel>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn channel(&self, namespace: &str) -> Option<Arc<Channel>> {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        channels.iter().find(|channel| channel.namespace == namespace).cloned()
    }

    /// The namespace's channel, a new one if need be, which is then asked for.
    pub(crate) fn channel_or_new(&self, namespace: &str, auth: &Value) -> Arc<Channel> {
        if let Some(known) = self.channel(namespace) {
            return known;
        }
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = channels.iter().find(|channel| channel.namespace == namespace) {
            return Arc::clone(known);
        }
        let mut state = self.state();
        let lane = state.outbox.add_lane();
        let channel = Arc::new(Channel::new(namespace, lane, auth.clone(), self.config.recovery));
        channels.push(Arc::clone(&channel));
        if state.is_over {
            channel.membership.send_replace(Membership::Left);
            channel.inbox.close();
        }
        drop(state);
        drop(channels);
        self.ask_for(&channel);
        channel
    }

    /// Asks the server to let the client into a namespace: now, if there is a connection.
    pub(crate) fn ask_for(&self, channel: &Channel) {
        let mut state = self.state();
        if state.stats.is_connected {
            state.control.ask(channel.lane);
        }
        drop(state);
        self.work.notify_one();
        self.changed.notify_waiters();
    }

    /// Tells the server that the client leaves a namespace.
    pub(crate) fn leave(&self, channel: &Channel) {
        self.state().control.leave(channel);
        let why = Error::NotJoined { namespace: channel.namespace.clone() };
        self.out_of(channel, Membership::Left, &why);
        self.work.notify_one();
    }

    /// Queues a packet for a namespace.
    pub(crate) fn send(&self, channel: &Channel, packet: Outgoing, ack: Option<(u64, Asker)>) -> Result<(), Error> {
        match &*channel.membership.borrow() {
            Membership::Waiting | Membership::Joined(_) => {}
            Membership::Refused(refusal) => return Err(Error::Refused(refusal.clone())),
            Membership::Left => return Err(self.left(channel)),
        }
        let mut state = self.state();
        if state.is_over || state.closing.is_some() {
            return Err(Error::Closed);
        }
        check_size(packet.longest_bytes(), state.payload_bytes_max)?;
        check_size(packet.bytes(), state.outbox.packet_bytes_max())?;
        state.outbox.push(channel.lane, packet, ack);
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    fn left(&self, channel: &Channel) -> Error {
        if self.state().is_over { Error::Closed } else { Error::NotJoined { namespace: channel.namespace.clone() } }
    }

    /// A connection is open: its number. The namespaces are asked for.
    pub(crate) fn connected(&self, payload_bytes_max: usize) {
        // The list is held so that a new channel is in it or finds the connection open.
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        state.connection += 1;
        state.payload_bytes_max = payload_bytes_max;
        state.stats.connections += 1;
        state.stats.is_connected = true;
        state.control = Control::default();
        for channel in channels.iter().filter(|channel| channel.is_wanted()) {
            state.control.ask(channel.lane);
        }
        drop(state);
        drop(channels);
        self.link.send_replace(Link::Open);
        self.work.notify_one();
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&self, why: &ConnectionError) {
        let channels = self.channels();
        let mut state = self.state();
        state.connection += 1;
        state.in_flight = 0;
        state.stats.is_connected = false;
        state.control = Control::default();
        for channel in &channels {
            state.outbox.close(channel.lane);
        }
        drop(state);
        for channel in &channels {
            let was_joined = channel.membership.send_if_modified(|now| {
                let was_joined = matches!(now, Membership::Joined(_));
                if was_joined {
                    *now = Membership::Waiting;
                }
                was_joined
            });
            if was_joined {
                channel.inbox.push(Incoming::Disconnected { reason: why.to_string() });
            }
        }
        self.changed.notify_waiters();
    }

    /// The client is out of a namespace, and what waits for it will not be sent.
    pub(crate) fn out_of(&self, channel: &Channel, membership: Membership, why: &Error) {
        channel.membership.send_replace(membership);
        let mut state = self.state();
        state.outbox.clear(channel.lane, &AckError::NotSent(why.clone()));
        drop(state);
        self.changed.notify_waiters();
    }

    /// Ends the client when nothing waits any more, and after so long at the latest.
    pub(crate) fn close(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let mut state = self.state();
        state.closing = Some(state.closing.map_or(until, |closing| closing.min(until)));
        drop(state);
        self.work.notify_one();
        self.changed.notify_waiters();
    }

    /// Completes when the client shall end and nothing waits, or it is past its time.
    pub(crate) async fn shall_end(&self) {
        self.ends(|state| state.is_drained()).await;
    }

    /// Completes when the client is past its time.
    pub(crate) async fn is_overdue(&self) {
        self.ends(|_| false).await;
    }

    async fn ends(&self, early: impl Fn(&State) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let until = {
                let state = self.state();
                if state.closing.is_some_and(|until| until <= Instant::now() || early(&state)) {
                    return;
                }
                state.closing
            };
            match until {
                Some(until) => drop(tokio::time::timeout_at(until, changed).await),
                None => changed.await,
            }
        }
    }

    /// Completes when a namespace is wanted.
    pub(crate) async fn is_wanted(&self) {
        self.until(|| self.channels().iter().any(|channel| channel.is_wanted())).await;
    }

    /// Completes when nothing waits to be sent, or nothing ever will be.
    pub(crate) async fn is_drained(&self) {
        self.until(|| {
            let state = self.state();
            state.is_drained() || state.is_over
        })
        .await;
    }

    async fn until(&self, condition: impl Fn() -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if condition() {
                return;
            }
            changed.await;
        }
    }

    /// What was taken to be written is written.
    pub(crate) fn written(&self) {
        let mut state = self.state();
        state.in_flight = 0;
        let drained = state.is_drained();
        drop(state);
        if drained {
            self.changed.notify_waiters();
        }
    }

    /// The client has ended.
    pub(crate) fn finish(&self, why: Option<Arc<ConnectionError>>) {
        let channels = self.channels();
        self.state().is_over = true;
        for channel in channels {
            channel.membership.send_replace(Membership::Left);
            self.state().outbox.clear(channel.lane, &AckError::NotSent(Error::Closed));
            channel.inbox.close();
        }
        self.link.send_replace(Link::Closed { why });
        self.changed.notify_waiters();
        *self.finished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.on_finished.notify_all();
    }

    /// Waits in this thread until the client has ended.
    pub(crate) fn wait_finished(&self) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        while !*finished {
            finished = self.on_finished.wait(finished).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    pub(crate) fn is_drained(&self) -> bool {
        self.in_flight == 0 && self.outbox.is_empty()
    }
}

fn check_size(bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes > bytes_max { Err(Error::TooBig { bytes, bytes_max }) } else { Ok(()) }
}
