//! Events on their way to the sockets: which packets an event becomes, and who gets each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use event::event::Event;
use event::vocabulary::NAMESPACES;
use event::wire::{broadcast, claude_mpm, socketio as wire};
use serde_json::json;
use socketio::{Encoded, Json, Server, Socket};
use tracing::debug;

use super::rooms::{self, Filters};
use crate::app::App;
use crate::hub::Published;
use crate::hub::outbox::Next;

/// Events read from the outbox at a time.
const EVENTS_AT_ONCE: usize = 256;

/// One of the packets that an event is on a namespace.
pub(super) struct Packet {
    encoded: Encoded,
    to: Audience,
}

/// Who gets a packet.
enum Audience {
    /// Everybody on the namespace, but those who want other sessions or agents.
    Namespace { rooms: Vec<String> },
    /// The members of a room.
    Room(String),
}

/// Sends every event to the sockets of its namespace, encoded once.
pub(crate) async fn forward(app: Arc<App>) {
    let mut cursor = app.hub.outbox.subscribe();
    let mut last_seq = app.hub.state().seq;
    let mut filters: HashMap<String, Filters> = HashMap::new();
    loop {
        let (events, lost) = match app.hub.outbox.next(&mut cursor, EVENTS_AT_ONCE).await {
            Next::Events { events, lost } => (events, lost),
            Next::Closed => return,
        };
        let first = events.iter().find_map(|published| published.event.seq);
        if lost > 0 {
            let gap = json!({ "from": last_seq + 1, "to": first.map_or(last_seq + lost, |first| first - 1), "reason": "the server was too busy to send them" });
            for namespace in NAMESPACES {
                app.io.to(namespace).emit(&Encoded::event(namespace, "gap", &[Json::Value(&gap)]).kept());
            }
        }
        let listening: HashSet<String> =
            app.io.namespaces().into_iter().filter(|(_, sockets)| *sockets > 0).map(|(name, _)| name).collect();
        filters.retain(|namespace, _| listening.contains(namespace));
        for namespace in listening {
            rooms::filters(&app.io, &namespace, filters.entry(namespace.clone()).or_default());
        }
        for published in &events {
            send(&app, published, &filters);
        }
        last_seq = events.iter().rev().find_map(|published| published.event.seq).unwrap_or(last_seq);
        // Encoding is work; others on this thread get their turn.
        tokio::task::yield_now().await;
    }
}

/// Sends an event to those of its namespace, and to those of the default one.
fn send(app: &App, published: &Published, filters: &HashMap<String, Filters>) {
    let event = &published.event;
    let own = event.fact.namespace();
    for namespace in [own, "/"].into_iter().take(if own == "/" { 1 } else { 2 }) {
        let Some(filters) = filters.get(namespace) else { continue };
        let subject = if filters.is_empty() { None } else { rooms::subject(&published.json) };
        let wanting: Vec<&str> = subject
            .map(|subject| {
                filters.iter().filter(|(_, filter)| filter.wants(&subject)).map(|(room, _)| room.as_str()).collect()
            })
            .unwrap_or_default();
        // The older pages' form is the last, and nearly always nobody's.
        let has_old = namespace == "/" && !app.io.to("/").room(super::claude_mpm::OLD).sockets().is_empty();
        for packet in packets(event, namespace, has_old) {
            let began = Instant::now();
            let reached = packet.emit(&app.io, &wanting);
            if app.config.debug {
                let (bytes, took) = (packet.encoded.frames().bytes(), began.elapsed());
                debug!(
                    "{namespace} {} #{} to {reached} clients, {bytes} bytes, in {took:?}",
                    event.fact.event_name(),
                    event.seq.unwrap_or(0)
                );
            }
        }
    }
}

/// What an event is on a namespace, always in the same order: a client's offset counts them. The last may be left out.
fn packets(event: &Event, namespace: &str, has_old: bool) -> Vec<Packet> {
    let fact = &event.fact;
    let mut packets = Vec::new();
    let mut add = |name: &str, payload: Json<'_>, to: Audience| {
        let mut encoded = Encoded::event(namespace, name, &[payload]);
        if let Some(seq) = event.seq {
            encoded = encoded.tagged(seq).offset(format!("{seq}.{}", packets.len()));
        }
        packets.push(Packet { encoded, to });
    };
    if fact.namespace() == namespace {
        let payload = wire::payload(event).to_string();
        for name in std::iter::once(fact.event_name()).chain(fact.narrower_events()) {
            let to = match &fact.room {
                Some(room) => Audience::Room(room.clone()),
                None => Audience::Namespace { rooms: rooms::of(fact) },
            };
            add(name, Json::Raw(&payload), to);
        }
    }
    if namespace == "/"
        && let Some((name, payload)) = broadcast::message(event)
    {
        add(name, Json::Value(&payload), Audience::Room(name.to_owned()));
    }
    if namespace == "/" && fact.room.is_none() {
        if let Some((name, payload)) = claude_mpm::message(event) {
            add(name, Json::Value(&payload), Audience::Room(name.to_owned()));
        }
        if has_old && let Some(payload) = claude_mpm::old_message(event) {
            add(claude_mpm::OLD_NAME, Json::Value(&payload), Audience::Room(super::claude_mpm::OLD.to_owned()));
        }
    }
    packets
}

impl Packet {
    /// Queues it for everybody it is for; `wanting` are the rooms of the queries that want its event. Returns for how many.
    fn emit(&self, io: &Server, wanting: &[&str]) -> usize {
        let namespace = || io.to(self.encoded.namespace());
        let to =
            |rooms: &mut dyn Iterator<Item = &str>| rooms.fold(namespace(), |namespace, room| namespace.room(room));
        match &self.to {
            Audience::Room(room) => namespace().room(room.clone()).emit(&self.encoded),
            Audience::Namespace { rooms } => {
                let mut reached = namespace().except(rooms::NARROWED).except(rooms::FILTERED).emit(&self.encoded);
                if !rooms.is_empty() {
                    reached += to(&mut rooms.iter().map(String::as_str)).except(rooms::FILTERED).emit(&self.encoded);
                }
                if !wanting.is_empty() {
                    reached += to(&mut wanting.iter().copied()).emit(&self.encoded);
                }
                reached
            }
        }
    }

    /// Whether a socket in these rooms gets it.
    fn is_for(&self, joined: &[String]) -> bool {
        let in_room = |room: &str| joined.iter().any(|joined| joined == room);
        match &self.to {
            Audience::Room(room) => in_room(room),
            // Whoever has a query is only asked about what it wants.
            Audience::Namespace { rooms } => {
                in_room(rooms::FILTERED) || !in_room(rooms::NARROWED) || rooms.iter().any(|room| in_room(room))
            }
        }
    }
}

/// The packets of an event that a socket has not seen, having seen the first `seen` of them.
pub(super) fn missed(published: &Published, seen: usize, socket: &Socket) -> Vec<Encoded> {
    let joined = socket.rooms();
    packets(&published.event, socket.namespace(), true)
        .into_iter()
        .skip(seen)
        .filter(|packet| packet.is_for(&joined))
        .map(|packet| packet.encoded)
        .collect()
}
