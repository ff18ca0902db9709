//! Rooms that mean something: `session:<id>` and `agent:<name>` narrow a socket to what it has joined.

use event::event::Fact;
use socketio::Socket;

/// Sockets that have joined sessions or agents, and want nothing else. No client can name it.
pub(super) const NARROWED: &str = "\u{1}narrowed";

const SESSION: &str = "session:";
const AGENT: &str = "agent:";

/// Whether a room is the server's own business.
pub(super) fn is_ours(room: &str) -> bool {
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
