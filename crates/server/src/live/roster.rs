//! Who is connected: for the status that a person asks for.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::HeaderMap;
use http::header::USER_AGENT;
use socketio::SessionId;
use socketio::engine::Transport;

use crate::app::App;

/// A client that is connected now.
#[derive(Clone, Debug)]
pub struct Connected {
    /// Where it connects from.
    pub peer: Option<SocketAddr>,
    /// Since when.
    pub since: SystemTime,
    /// `Browser`, `CLI Monitor` or `External Tool`.
    pub name: &'static str,
    /// `websocket`, `polling`, `raw websocket` or `stream`.
    pub transport: &'static str,
}

/// The clients that Socket.IO does not know of, each with a number of its own.
#[derive(Default)]
pub(crate) struct Roster {
    /// Short scopes only.
    guests: Mutex<(u64, BTreeMap<u64, Connected>)>,
}

/// Takes a client off the roster when it is dropped.
pub(crate) struct Guest {
    app: Arc<App>,
    number: u64,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.app.roster.guests.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.number);
    }
}

/// Puts a client on the roster.
pub(crate) fn enter(app: &Arc<App>, peer: SocketAddr, headers: &HeaderMap, transport: &'static str) -> Guest {
    let name = named(None, user_agent(headers));
    let connected = Connected { peer: Some(peer), since: SystemTime::now(), name, transport };
    let mut guests = app.roster.guests.lock().unwrap_or_else(PoisonError::into_inner);
    guests.0 += 1;
    let number = guests.0;
    guests.1.insert(number, connected);
    drop(guests);
    Guest { app: Arc::clone(app), number }
}

/// Everybody, longest connected first. One connection is one client, however many namespaces it has joined.
pub(crate) fn connected(app: &App) -> Vec<Connected> {
    let mut sessions: HashMap<SessionId, Connected> = HashMap::new();
    for (namespace, _) in app.io.namespaces() {
        for socket in app.io.sockets(&namespace) {
            let (handshake, said) = (socket.handshake(), app.registered.name_of(socket.id()));
            let is_polling = socket.transport() == Transport::Polling;
            let found = Connected {
                peer: handshake.remote,
                since: handshake.issued,
                name: named(said.as_deref(), user_agent(&handshake.headers)),
                transport: if is_polling { "polling" } else { "websocket" },
            };
            // The name is given in one namespace alone.
            if said.is_some() {
                sessions.insert(socket.session().id(), found);
            } else {
                sessions.entry(socket.session().id()).or_insert(found);
            }
        }
    }
    let mut all: Vec<Connected> = sessions.into_values().collect();
    all.extend(app.roster.guests.lock().unwrap_or_else(PoisonError::into_inner).1.values().cloned());
    all.sort_by_key(|client| client.since);
    all
}

fn user_agent(headers: &HeaderMap) -> &str {
    headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default()
}

/// One of the document's three names: from what a client calls itself, else from its User-Agent.
fn named(said: Option<&str>, user_agent: &str) -> &'static str {
    let text = said.unwrap_or(user_agent).to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["mozilla", "browser", "dashboard"]) {
        "Browser"
    } else if has(&["claude-mpm", "cli", "monitor"]) && !has(&["client"]) {
        "CLI Monitor"
    } else {
        "External Tool"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_called_by_the_name_it_gives_else_by_its_user_agent() {
        for (said, agent, name) in [
            (None, "Mozilla/5.0 (X11; Linux x86_64) Chrome/141", "Browser"),
            (None, "claude-mpm/0.1.0", "CLI Monitor"),
            (None, "node-XMLHttpRequest", "External Tool"),
            (None, "", "External Tool"),
            (Some("dashboard"), "python/3.12 aiohttp", "Browser"),
            (Some("CLI"), "Mozilla/5.0", "CLI Monitor"),
            (Some("my tool"), "Mozilla/5.0", "External Tool"),
        ] {
            assert_eq!(named(said, agent), name, "{said:?} {agent:?}");
        }
    }
}
