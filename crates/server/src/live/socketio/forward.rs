//! Events on their way to the sockets: which packets an event becomes, and who gets each.

use std::collections::HashSet;
use std::sync::Arc;

use event::event::Event;
use event::vocabulary::NAMESPACES;
use event::wire::{broadcast, claude_mpm, socketio as wire};
use serde_json::json;
use socketio::{Encoded, Json, Server, Socket};

use super::rooms;
use crate::app::App;
use crate::hub::outbox::Next;

/// Events read from the outbox at a time.
const EVENTS_AT_ONCE: usize = 256;

/// One of the packets that an event is on a namespace.
pub(super) struct Packet {
    pub(super) encoded: Encoded,
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
        for published in &events {
            let event = &published.event;
            let own = event.fact.namespace();
            for namespace in [own, "/"].into_iter().take(if own == "/" { 1 } else { 2 }) {
                if listening.contains(namespace) {
                    packets(event, namespace).iter().for_each(|packet| packet.emit(&app.io));
                }
            }
        }
        last_seq = events.iter().rev().find_map(|published| published.event.seq).unwrap_or(last_seq);
        // Encoding is work; others on this thread get their turn.
        tokio::task::yield_now().await;
    }
}

/// What an event is on a namespace, always in the same order: a client's offset counts them.
pub(super) fn packets(event: &Event, namespace: &str) -> Vec<Packet> {
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
        if let Some(payload) = claude_mpm::old_message(event) {
            add(claude_mpm::OLD_NAME, Json::Value(&payload), Audience::Room(super::claude_mpm::OLD.to_owned()));
        }
    }
    packets
}

impl Packet {
    fn emit(&self, io: &Server) {
        let namespace = io.to(self.encoded.namespace());
        match &self.to {
            Audience::Room(room) => {
                namespace.room(room.clone()).emit(&self.encoded);
            }
            Audience::Namespace { rooms } => {
                namespace.except(rooms::NARROWED).emit(&self.encoded);
                if !rooms.is_empty() {
                    let wanting = io.to(self.encoded.namespace());
                    rooms.iter().fold(wanting, |wanting, room| wanting.room(room.clone())).emit(&self.encoded);
                }
            }
        }
    }

    /// Whether a socket in these rooms gets it.
    pub(super) fn is_for(&self, joined: &[String]) -> bool {
        let in_room = |room: &str| joined.iter().any(|joined| joined == room);
        match &self.to {
            Audience::Room(room) => in_room(room),
            Audience::Namespace { rooms } => !in_room(rooms::NARROWED) || rooms.iter().any(|room| in_room(room)),
        }
    }
}

/// The packets of an event that a socket has not seen, having seen those up to and with `seen` of them.
pub(super) fn missed<'a>(packets: &'a [Packet], seen: usize, socket: &Socket) -> impl Iterator<Item = &'a Encoded> {
    let joined = socket.rooms();
    packets.iter().skip(seen).filter(move |packet| packet.is_for(&joined)).map(|packet| &packet.encoded)
}
