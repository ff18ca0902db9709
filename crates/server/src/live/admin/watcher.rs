//! Sees what all clients do, and tells admins in development mode: up to a bound, because one broadcast is one message
//! for each of its receivers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use serde_json::{Value, json};
use socketio::engine::CloseReason;
use socketio::packet::Event;
use socketio::{Observer, Sent, Socket};

use super::{NAMESPACE, now, tell, tell_disconnected};
use crate::app::App;
use crate::clock;

/// Events a second that are shown one by one; further ones are in the figures alone. A person reads far fewer.
const EVENTS_A_SECOND: u64 = 200;

/// The longest arguments that are shown, in bytes of JSON.
const SHOWN_BYTES_MAX: usize = 16 * 1024;

pub(super) struct Watcher {
    app: Weak<App>,
    /// The second that is counted, and the events shown in it.
    second: AtomicU64,
    shown: AtomicU64,
}

impl Watcher {
    pub(super) fn new(app: &Arc<App>) -> Watcher {
        Watcher { app: Arc::downgrade(app), second: AtomicU64::new(0), shown: AtomicU64::new(0) }
    }

    fn tell(&self, name: &str, args: &[Value]) {
        if let Some(app) = self.app.upgrade() {
            tell(&app, name, args);
        }
    }

    /// How many of so many events may be shown. Two threads at the turn of a second may show a few more.
    fn places(&self, wanted: u64) -> u64 {
        let second = clock::now().ms().div_euclid(1000).unsigned_abs();
        if self.second.swap(second, Relaxed) != second {
            self.shown.store(0, Relaxed);
        }
        let shown = self.shown.fetch_add(wanted, Relaxed);
        EVENTS_A_SECOND.saturating_sub(shown).min(wanted)
    }

    fn room(&self, name: &str, socket: &Socket, room: &str) {
        self.tell(name, &[json!(socket.namespace()), json!(room), json!(socket.id().as_str()), now()]);
    }
}

impl Observer for Watcher {
    /// What admins get must not be told to admins.
    fn watches(&self, namespace: &str) -> bool {
        namespace != NAMESPACE
    }

    fn received(&self, socket: &Socket, event: &Event) {
        if self.places(1) > 0 {
            let id = json!(socket.id().as_str());
            self.tell("event_received", &[json!(socket.namespace()), id, arguments(event), now()]);
        }
    }

    fn sent(&self, sent: &Sent<'_>) {
        let places = self.places(sent.sockets.len() as u64);
        if places == 0 {
            return;
        }
        let Some(event) = sent.event() else { return };
        let (namespace, arguments, now) = (json!(sent.namespace), arguments(&event), now());
        for id in sent.sockets.iter().take(places as usize) {
            self.tell("event_sent", &[namespace.clone(), json!(id.as_str()), arguments.clone(), now.clone()]);
        }
    }

    fn connected(&self, socket: &Socket) {
        self.tell("socket_connected", &[super::shape::socket(socket), now()]);
    }

    fn disconnected(&self, socket: &Socket, reason: CloseReason) {
        if let Some(app) = self.app.upgrade() {
            tell_disconnected(&app, socket, reason);
        }
    }

    fn joined(&self, socket: &Socket, room: &str) {
        self.room("room_joined", socket, room);
    }

    fn left(&self, socket: &Socket, room: &str) {
        self.room("room_left", socket, room);
    }

    fn upgraded(&self, socket: &Socket) {
        self.tell("socket_updated", &[super::shape::upgraded(socket)]);
    }
}

/// `[name, …arguments]`, without arguments that are too long to read.
fn arguments(event: &Event) -> Value {
    let bytes: usize = event.args.iter().map(|argument| argument.to_string().len()).sum();
    let mut all = vec![json!(event.name)];
    if bytes > SHOWN_BYTES_MAX {
        all.push(json!(format!("[{bytes} bytes]")));
    } else {
        all.extend(event.args.iter().cloned());
    }
    Value::Array(all)
}
