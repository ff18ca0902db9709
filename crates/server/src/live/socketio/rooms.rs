//! Rooms that mean something: `session:<id>` and `agent:<name>` narrow a socket to what it has joined, and one for each
//! query narrows it to what that wants. As rooms, they come back with a client that comes back.

use std::collections::HashMap;

use event::event::Fact;
use event::filter::{Filter, QueryError, Subject};
use socketio::{Server, Socket};

use crate::clock;

/// Sockets that have joined sessions or agents, and want nothing else. No client can name it.
pub(super) const NARROWED: &str = "\u{1}narrowed";

/// Sockets that have a query, and want nothing else.
pub(super) const FILTERED: &str = "\u{1}filtered";

/// What the room of a query begins with.
const QUERY: &str = "\u{1}q ";

const SESSION: &str = "session:";
const AGENT: &str = "agent:";

/// Whether a room is the server's own business.
pub(crate) fn is_ours(room: &str) -> bool {
    room.starts_with('\u{1}')
}

/// The rooms whose members want this fact.
pub(super) fn of(fact: &Fact) -> Vec<String> {
    let session = fact.session_id.iter().map(|id| format!("{SESSION}{id}"));
    let names = [fact.agent_id.as_deref(), fact.agent_type.as_deref(), fact.text("agent")];
    let mut rooms: Vec<String> =
        session.chain(names.into_iter().flatten().map(|name| format!("{AGENT}{name}"))).collect();
    rooms.dedup();
    rooms
}

/// Lets a socket get what it has joined, or everything when it has left the last.
pub(super) fn narrow(socket: &Socket) {
    if socket.rooms().iter().any(|room| room.starts_with(SESSION) || room.starts_with(AGENT)) {
        socket.join(NARROWED);
    } else {
        socket.leave(NARROWED);
    }
}

/// Lets a socket get what a query wants on its namespace; an empty one wants everything.
pub(super) fn filter(socket: &Socket, query: &str) -> Result<(), QueryError> {
    let filter = Filter::parse(query, clock::now())?;
    for room in socket.rooms().iter().filter(|room| room.starts_with(QUERY)) {
        socket.leave(room);
    }
    if filter.is_empty() {
        socket.leave(FILTERED);
    } else {
        socket.join(FILTERED);
        socket.join(&format!("{QUERY}{query}"));
    }
    Ok(())
}

/// The queries of the sockets of a namespace, each with its room; what was parsed before is not parsed again.
pub(super) fn filters(io: &Server, namespace: &str, known: &mut Filters) {
    let rooms: Vec<String> =
        io.rooms(namespace).into_iter().map(|(room, _)| room).filter(|room| room.starts_with(QUERY)).collect();
    known.retain(|room, _| rooms.contains(room));
    for room in rooms {
        if !known.contains_key(&room)
            && let Some(filter) = query_of(&room)
        {
            known.insert(room, filter);
        }
    }
}

/// Parsed queries by their room.
pub(super) type Filters = HashMap<String, Filter>;

/// What a socket's own query wants; everything without one.
pub(super) fn query(socket: &Socket) -> Filter {
    socket.rooms().iter().find_map(|room| query_of(room)).unwrap_or_default()
}

fn query_of(room: &str) -> Option<Filter> {
    Filter::parse(room.strip_prefix(QUERY)?, clock::now()).ok()
}

/// An event as queries see it.
pub(super) fn subject(json: &[u8]) -> Option<Subject> {
    serde_json::from_slice(json).ok()
}
