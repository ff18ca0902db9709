//! The server: answers requests, knows the namespaces, and sends to many sockets at once.

use crate::config::Config;
use crate::connection::Acceptor;
use crate::encoded::Encoded;
use crate::engine::{self, ConnectionInfo};
use crate::handler::Handler;
use crate::id::SocketId;
use crate::namespace::Namespace;
use crate::observer::{Observation, Observer, Observers};
use crate::socket::Socket;
use crate::stats::Stats;
use crate::sync::{read, write};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, RwLock};
use tokio::time::Instant;

/// A Socket.IO server. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Server {
    core: Arc<Core>,
    engine: engine::Server,
}

/// What connections need of their server.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) observers: Arc<Observers>,
    /// Held for one look-up.
    namespaces: RwLock<HashMap<String, Arc<Namespace>>>,
}

impl Core {
    pub(crate) fn namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        read(&self.namespaces).get(name).cloned()
    }
}

impl Server {
    /// A server with the main namespace `/`. It has no tasks before the first connection.
    pub fn new(config: Config, handler: impl Handler) -> Self {
        let observers = Arc::default();
        let core =
            Core { config: config.clone(), handler: Box::new(handler), observers, namespaces: RwLock::default() };
        let core = Arc::new(core);
        let engine = engine::Server::new(config, Acceptor { core: Arc::clone(&core) });
        let server = Self { core, engine };
        server.declare_namespace("/");
        server
    }

    /// Lets clients join a namespace; `name` begins with `/` and has no comma. Others are told "Invalid namespace".
    pub fn declare_namespace(&self, name: &str) {
        let mut namespaces = write(&self.core.namespaces);
        let observers = || Arc::clone(&self.core.observers);
        namespaces.entry(name.to_owned()).or_insert_with(|| Arc::new(Namespace::new(name, observers())));
    }

    /// Answers one request; see [`engine::Server::handle`].
    pub async fn handle<B>(&self, request: Request<B>, info: ConnectionInfo) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
    {
        self.engine.handle(request, info).await
    }

    /// Addresses the sockets of a namespace; narrow it with [`Broadcast::room`] and [`Broadcast::except`].
    pub fn to(&self, namespace: &str) -> Broadcast {
        Broadcast { namespace: self.core.namespace(namespace), rooms: Vec::new(), except: Vec::new() }
    }

    /// The sockets in a namespace now.
    pub fn sockets(&self, namespace: &str) -> Vec<Socket> {
        self.to(namespace).sockets()
    }

    /// One socket.
    pub fn socket(&self, namespace: &str, id: &SocketId) -> Option<Socket> {
        self.core.namespace(namespace)?.get(id)
    }

    /// The declared namespaces, each with the number of its sockets, by name.
    pub fn namespaces(&self) -> Vec<(String, usize)> {
        let namespaces = read(&self.core.namespaces);
        let mut all: Vec<_> = namespaces.iter().map(|(name, namespace)| (name.clone(), namespace.len())).collect();
        all.sort_unstable();
        all
    }

    /// The rooms of a namespace that have sockets, each with their number; without the sockets' own.
    pub fn rooms(&self, namespace: &str) -> Vec<(String, usize)> {
        self.core.namespace(namespace).map(|namespace| namespace.rooms()).unwrap_or_default()
    }

    /// Lets an observer see everything from now on, until the returned value is dropped.
    pub fn observe(&self, observer: Arc<dyn Observer>) -> Observation {
        self.core.observers.add(observer)
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// The limits it was made with.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Ends every connection, see [`engine::Server::shutdown`]. Sockets end with
    /// [`engine::CloseReason::ServerShutdown`]; no DISCONNECT is sent, because clients do not reconnect after one.
    pub async fn shutdown(&self) {
        self.engine.shutdown().await;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Some of a namespace's sockets, on this server.
#[must_use = "a broadcast does nothing before it is emitted"]
pub struct Broadcast {
    namespace: Option<Arc<Namespace>>,
    rooms: Vec<String>,
    except: Vec<String>,
}

impl Broadcast {
    /// Only sockets in this room, or in another one named so; a socket's id is a room, too.
    pub fn room(mut self, room: impl Into<String>) -> Self {
        self.rooms.push(room.into());
        self
    }

    /// No sockets in this room.
    pub fn except(mut self, room: impl Into<String>) -> Self {
        self.except.push(room.into());
        self
    }

    /// Queues an encoded event for each socket and returns for how many. Never waits; a slow socket loses packets of
    /// its own ([`Handler::fell_behind`]). Nothing is sent if the event was encoded for another namespace.
    pub fn emit(&self, packet: &Encoded) -> usize {
        let mut reached = 0;
        let Some(namespace) = self.namespace.as_ref().filter(|namespace| *namespace.name == *packet.namespace()) else {
            return reached;
        };
        let now = Instant::now();
        let observed = namespace.observers.any();
        let mut sockets = Vec::new();
        namespace.visit(&self.rooms, &self.except, |socket| {
            if socket.send_at(packet, now).is_ok() {
                reached += 1;
                if observed {
                    sockets.push(socket.id());
                }
            }
        });
        namespace.observers.tell_sent(&namespace.name, &sockets, packet.frames());
        reached
    }

    /// These sockets now.
    pub fn sockets(&self) -> Vec<Socket> {
        let mut sockets = Vec::new();
        if let Some(namespace) = &self.namespace {
            namespace.visit(&self.rooms, &self.except, |socket| sockets.push(socket.clone()));
        }
        sockets
    }
}

/// Commands for all of these sockets; each returns how many there were.
impl Broadcast {
    /// Lets them join a room.
    pub fn join(&self, room: &str) -> usize {
        self.sockets().iter().filter(|socket| socket.join(room)).count()
    }

    /// Lets them leave a room.
    pub fn leave(&self, room: &str) -> usize {
        self.sockets().iter().filter(|socket| socket.leave(room)).count()
    }

    /// Ends them, as [`Socket::disconnect`] does.
    pub fn disconnect(&self, close_connection: bool) -> usize {
        let sockets = self.sockets();
        sockets.iter().for_each(|socket| socket.disconnect(close_connection));
        sockets.len()
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast").field("rooms", &self.rooms).field("except", &self.except).finish_non_exhaustive()
    }
}
