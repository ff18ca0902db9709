//! The program's end of a client: opens it, looks at it, closes it.

use crate::config::Config;
use crate::error::{ConnectionError, Error};
use crate::life;
use crate::own_work::marked;
use crate::shared::Shared;
use crate::socket::Socket;
use crate::target::Target;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A client of one server: one connection for all its namespaces, which makes itself again when it breaks.
///
/// Clones share it. It ends when [`Client::close`] is called, or when the last clone and the last [`Socket`] are dropped,
/// and sends what waits by then ([`Config::close_max`]).
#[derive(Clone)]
pub struct Client {
    guard: Arc<Guard>,
}

/// Ends the client when nobody has it any more.
pub(crate) struct Guard {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.close(self.shared.config.close_max);
    }
}

/// The state of the connection.
#[derive(Debug, Clone)]
pub enum Link {
    /// An attempt is made, or will be when a namespace is wanted.
    Connecting,
    /// It is open.
    Open,
    /// It is gone, or an attempt has failed.
    Waiting {
        /// Why.
        why: Arc<ConnectionError>,
        /// The pause until the next attempt.
        retry_in: Duration,
    },
    /// The client has ended.
    Closed {
        /// What made it give up; `None` if the program closed it.
        why: Option<Arc<ConnectionError>>,
    },
}

/// What a client has done so far, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Whether there is a connection now.
    pub is_connected: bool,
    /// Connections ever opened.
    pub connections: u64,
    /// Packets written.
    pub sent_packets: u64,
    /// Packets received.
    pub received_packets: u64,
    /// Packets that wait to be sent.
    pub waiting_packets: u64,
    /// Their bytes, with what keeping them costs.
    pub waiting_bytes: u64,
    /// Packets dropped before they were sent: the queue was full, or their namespace gone.
    pub dropped_packets: u64,
    /// Bytes of those packets.
    pub dropped_bytes: u64,
}

impl Client {
    /// A client of the server at `url` (`http://host:port`), run by this tokio runtime. It connects as soon as a
    /// namespace is wanted, and goes on trying: an unreachable server is no error here.
    ///
    /// # Errors
    /// The address or the configuration is wrong, or there is no runtime.
    pub fn connect(url: &str, config: Config) -> Result<Self, Error> {
        let shared = shared(url, config)?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        runtime.spawn(marked(life::live(Arc::clone(&shared))));
        Ok(Self { guard: Arc::new(Guard { shared }) })
    }

    /// As [`Client::connect`], run by a thread of its own, for programs without a runtime.
    ///
    /// # Errors
    /// The address or the configuration is wrong, or the system gives no thread.
    pub fn connect_in_thread(url: &str, config: Config) -> Result<Self, Error> {
        let shared = shared(url, config)?;
        let no_thread = |error: std::io::Error| Error::NoThread(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let life = marked(life::live(Arc::clone(&shared)));
        let thread = std::thread::Builder::new().name("socketio-client".to_owned());
        thread.spawn(move || runtime.block_on(life)).map_err(no_thread)?;
        Ok(Self { guard: Arc::new(Guard { shared }) })
    }

    /// The client in a namespace (`/hook`; `hook` is the same), with [`Config::auth`]. It asks to be let in at once.
    ///
    /// # Errors
    /// The name is none for a namespace.
    pub fn socket(&self, namespace: &str) -> Result<Socket, Error> {
        let auth = self.guard.shared.config.auth.clone();
        self.socket_with(namespace, auth)
    }

    /// As [`Client::socket`], saying this about itself.
    ///
    /// # Errors
    /// The name is none for a namespace.
    pub fn socket_with(&self, namespace: &str, auth: Value) -> Result<Socket, Error> {
        let socket = self.unread_socket(namespace, auth)?;
        socket.channel.inbox.read();
        Ok(socket)
    }

    /// A socket of which nobody will read what comes, so that nothing is kept.
    pub(crate) fn unread_socket(&self, namespace: &str, auth: Value) -> Result<Socket, Error> {
        let namespace = with_slash(namespace)?;
        if !auth.is_object() {
            return Err(Error::Config { problem: "what a client says about itself must be an object".to_owned() });
        }
        let channel = self.guard.shared.channel_or_new(&namespace, &auth);
        Ok(Socket { channel, guard: Arc::clone(&self.guard) })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.guard.shared.config
    }

    /// The state of the connection now, and from now on.
    pub fn link(&self) -> watch::Receiver<Link> {
        self.guard.shared.link.subscribe()
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        let state = self.guard.shared.state();
        Stats {
            waiting_packets: state.outbox.packets() as u64,
            waiting_bytes: state.outbox.bytes() as u64,
            dropped_packets: state.outbox.dropped.packets,
            dropped_bytes: state.outbox.dropped.bytes,
            ..state.stats
        }
    }

    /// Waits until everything that was emitted has been handed to the network. `false` if that takes longer.
    pub async fn flush(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.guard.shared.is_drained()).await.is_ok()
    }

    /// Sends what waits, for [`Config::close_max`] at most, and ends the client.
    pub async fn close(&self) {
        self.guard.shared.close(self.guard.shared.config.close_max);
        // The client's task holds the sender's other end; if that is gone, so is the client.
        let _ = self.link().wait_for(|link| matches!(link, Link::Closed { .. })).await;
    }

    /// As [`Client::close`], for threads outside of any runtime.
    pub fn close_and_wait(&self) {
        self.guard.shared.close(self.guard.shared.config.close_max);
        self.guard.shared.wait_finished();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = &self.guard.shared.target.authority;
        f.debug_struct("Client").field("server", server).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

fn shared(url: &str, config: Config) -> Result<Arc<Shared>, Error> {
    let target = Target::parse(url, &config)?;
    Ok(Arc::new(Shared::new(config, target)))
}

pub(crate) fn with_slash(name: &str) -> Result<String, Error> {
    if name.contains(',') {
        return Err(Error::Name { name: name.to_owned(), problem: "a comma ends a namespace" });
    }
    Ok(if name.starts_with('/') { name.to_owned() } else { format!("/{name}") })
}
