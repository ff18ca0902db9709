//! Who is connected: for the status that a person asks for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::HeaderMap;
use http::header::USER_AGENT;
use socketio::engine::{QueueState, Transport};
use tokio_util::sync::CancellationToken;

use super::socketio::rooms;
use crate::app::App;

/// Letters of a User-Agent that are shown.
const USER_AGENT_LETTERS: usize = 200;

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
    guests: Mutex<(u64, BTreeMap<u64, Known>)>,
}

/// A guest, and how it is told to go.
struct Known {
    connected: Connected,
    user_agent: String,
    go: CancellationToken,
}

/// A client as those see it who may send it away.
pub(crate) struct Client {
    /// What it is called here: of a Socket.IO session not its own id, which is its key.
    pub(crate) id: String,
    pub(crate) connected: Connected,
    pub(crate) user_agent: String,
    /// The namespaces of Socket.IO that it joined.
    pub(crate) namespaces: Vec<String>,
    /// The rooms that it has joined there.
    pub(crate) rooms: Vec<String>,
    /// What waits for it, where that is known.
    pub(crate) queue: Option<QueueState>,
}

/// Takes a client off the roster when it is dropped.
pub(crate) struct Guest {
    app: Arc<App>,
    number: u64,
    go: CancellationToken,
}

impl Guest {
    /// Comes when somebody sends it away.
    pub(crate) async fn sent_away(&self) {
        self.go.cancelled().await;
    }
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
    let go = CancellationToken::new();
    let user_agent = user_agent(headers).chars().take(USER_AGENT_LETTERS).collect();
    guests.1.insert(number, Known { connected, user_agent, go: go.clone() });
    drop(guests);
    Guest { app: Arc::clone(app), number, go }
}

/// Everybody, longest connected first.
pub(crate) fn connected(app: &App) -> Vec<Connected> {
    let mut all: Vec<Connected> = clients(app).into_iter().map(|client| client.connected).collect();
    all.sort_by_key(|client| client.since);
    all
}

/// Everybody, with what is needed to send one away. One connection is one client, however many namespaces it has joined.
pub(crate) fn clients(app: &App) -> Vec<Client> {
    let mut sessions: BTreeMap<String, Client> = BTreeMap::new();
    for (namespace, _) in app.io.namespaces() {
        for socket in app.io.sockets(&namespace) {
            let (handshake, said) = (socket.handshake(), app.registered.name_of(socket.id()));
            let id = public_id(&socket);
            let client = sessions.entry(id.clone()).or_insert_with(|| Client {
                id,
                connected: Connected {
                    peer: handshake.remote,
                    since: handshake.issued,
                    name: named(None, user_agent(&handshake.headers)),
                    transport: if socket.transport() == Transport::Polling { "polling" } else { "websocket" },
                },
                user_agent: user_agent(&handshake.headers).chars().take(USER_AGENT_LETTERS).collect(),
                namespaces: Vec::new(),
                rooms: Vec::new(),
                queue: Some(socket.queue()),
            });
            client.namespaces.push(namespace.clone());
            // The first room is a socket's own: whoever knows its name could speak to it.
            client.rooms.extend(socket.rooms().into_iter().skip(1).filter(|room| !rooms::is_ours(room)));
            if said.is_some() {
                client.connected.name = named(said.as_deref(), &client.user_agent);
            }
        }
    }
    let mut all: Vec<Client> = sessions.into_values().collect();
    let guests = app.roster.guests.lock().unwrap_or_else(PoisonError::into_inner);
    all.extend(guests.1.iter().map(|(number, guest)| Client {
        id: format!("guest-{number}"),
        connected: guest.connected.clone(),
        user_agent: guest.user_agent.clone(),
        namespaces: Vec::new(),
        rooms: Vec::new(),
        queue: None,
    }));
    all
}

/// Ends a client's connection; `false` when there is none of that name.
pub(crate) fn send_away(app: &App, id: &str) -> bool {
    if let Some(number) = id.strip_prefix("guest-").and_then(|number| number.parse::<u64>().ok()) {
        let guests = app.roster.guests.lock().unwrap_or_else(PoisonError::into_inner);
        return guests.1.get(&number).is_some_and(|guest| {
            guest.go.cancel();
            true
        });
    }
    for (namespace, _) in app.io.namespaces().into_iter().filter(|_| !id.is_empty()) {
        if let Some(socket) = app.io.sockets(&namespace).into_iter().find(|socket| public_id(socket) == id) {
            socket.disconnect(true);
            return true;
        }
    }
    false
}

/// A name for a Socket.IO session that lets nobody speak for it; empty when the system gives no random numbers.
pub(crate) fn public_id(socket: &socketio::Socket) -> String {
    socket.session().public_id().map(|id| id.to_string()).unwrap_or_default()
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
