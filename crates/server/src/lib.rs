//! All that lives while the monitor lives: the doors in, the one order of events, the ways out. No commands, no pid
//! files, no printing.
//!
//! A wall, because a server must be startable from a test, a launcher or another program alike.
//!
//! # Layout
//!
//! * [`Server`]: its life, on one screen
//! * `router.rs`: every route on one page; `access.rs`: the one gate before them; `listener.rs`: connections
//! * `ingest/`: one file per door; `recorder.rs`: order, commit, acknowledge; `hub.rs`: what is true now
//! * `runs.rs`: agents that a launcher runs, and what they are told
//! * `live/`: one file per way out; `api/`: one file per question; `page.rs`: the embedded dashboard

mod access;
mod api;
mod app;
mod clock;
mod config;
mod erasing;
mod files;
mod hub;
pub mod ingest;
mod listener;
mod live;
mod page;
mod peer;
mod recorder;
mod retention;
mod router;
mod runs;
mod surroundings;

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use api::health::SERVICE;
use app::{App, Opened};
pub use config::{
    Admin, AdminMode, CONNECTIONS_MAX, Config, FileContents, Keep, METRICS_EVERY, Network, Spool, StartError, TlsFiles,
};
use hub::Hub;
use listener::Served;
pub use live::admin::{check_hash, hash_password};
pub use live::roster::Connected;
use recorder::Recorder;
pub use recorder::memory::checkpoint_without;
pub use recorder::stored_record;
pub use surroundings::Surroundings;

/// How long the recorder may take to commit what it was told before a shutdown goes on without it.
const RECORDER_STOP_MAX: Duration = Duration::from_secs(10);

/// A running monitor.
pub struct Server {
    addresses: Vec<SocketAddr>,
    app: Arc<App>,
    tasks: JoinSet<()>,
    recorder: std::thread::JoinHandle<()>,
    /// Ends the second port alone.
    second: CancellationToken,
}

/// A port that is taken, and not served yet: whoever starts a server may have asked for any free one, and needs to know
/// which it got before folders can be named.
pub struct Bound {
    listeners: Vec<TcpListener>,
    /// Those of a second port, if there is one.
    second: Vec<TcpListener>,
    host: String,
    port: u16,
}

impl Bound {
    /// Takes a port on `host`; `localhost` takes it on both loopback addresses, 0 takes any free one.
    pub async fn new(host: &str, port: u16) -> Result<Bound, StartError> {
        let listeners = listener::bind(host, port).await?;
        let port = listener::port(&listeners).unwrap_or(port);
        Ok(Bound { listeners, second: Vec::new(), host: host.to_owned(), port })
    }

    /// Goes on with sockets that another process listened on: connections that wait in them are served, none is refused.
    pub fn taken_over(host: &str, sockets: Vec<OwnedFd>) -> std::io::Result<Bound> {
        let listeners = listener::adopt(sockets)?;
        let port = listener::port(&listeners).ok_or(std::io::ErrorKind::NotConnected)?;
        Ok(Bound { listeners, second: Vec::new(), host: host.to_owned(), port })
    }

    /// Takes a second port, on which the same is served; returns which.
    pub async fn take_second(&mut self, port: u16) -> Result<u16, StartError> {
        self.second = listener::bind(&self.host, port).await?;
        Ok(listener::port(&self.second).unwrap_or(port))
    }

    /// Goes on with another process's sockets as the second port; returns which that is.
    pub fn take_over_second(&mut self, sockets: Vec<OwnedFd>) -> std::io::Result<u16> {
        self.second = listener::adopt(sockets)?;
        listener::port(&self.second).ok_or_else(|| std::io::ErrorKind::NotConnected.into())
    }

    /// The port it took.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The sockets themselves, the first port's and the second's, for a process that will go on with them.
    pub fn sockets(&self) -> std::io::Result<(Vec<OwnedFd>, Vec<OwnedFd>)> {
        let shared = |listeners: &[TcpListener]| {
            listeners.iter().map(|listener| listener.as_fd().try_clone_to_owned()).collect::<std::io::Result<Vec<_>>>()
        };
        Ok((shared(&self.listeners)?, shared(&self.second)?))
    }
}

impl Server {
    /// Opens the store, reads back the live state, and starts to serve on the port taken.
    ///
    /// Must be called inside a tokio runtime. Nothing listens and nothing is locked after an error.
    pub async fn start(bound: Bound, config: Config) -> Result<Server, StartError> {
        let Bound { listeners, second: second_listeners, host, port } = bound;
        let config = config.checked(&host)?;
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect::<Vec<_>>();

        let tls = config.tls.as_ref().map(listener::Tls::load).transpose()?;
        let opening = config.clone();
        let opened = tokio::task::spawn_blocking(move || app::open_store(&opening)).await;
        let Opened { store, state, count_to, returning } = opened.map_err(|_| StartError::Interrupted)??;
        let (reader, sums) = (store.reader(), store.sums());
        let hub = Arc::new(Hub::new(store.epoch().to_owned(), config::random_id()?, state));
        let positions = ingest::spool_door::positions(&store, &config.spools);
        let transcripts = ingest::transcripts::positions(&store);
        let clients = ingest::clients::known(&store);
        let (keeper, eraser) = (store.keeper(config.keep, clock::now().ms()), store.eraser());
        let (recorder, thread) = Recorder::start(store, Arc::clone(&hub)).map_err(StartError::Thread)?;

        let app = App::new(config, host, port, hub, recorder, (reader, sums), returning);
        let mut tasks = JoinSet::new();
        if count_to > 0 {
            let (recorder, reader, stopped) = (app.recorder.clone(), app.reader.clone(), app.stopped.clone());
            tasks.spawn_blocking(move || recorder.count_again(&reader, count_to, &stopped));
        }
        live::start(&app, &mut tasks);
        retention::start(&app, keeper, &mut tasks);
        erasing::start(&app, eraser, &mut tasks);
        api::spans::start(&app, &mut tasks);
        ingest::spool_door::start(&app, positions, &mut tasks);
        ingest::clients::start(&app, clients, &mut tasks);
        ingest::transcripts::start(&app, transcripts, &mut tasks);
        let router = router::router(&app);
        let second = app.stopped.child_token();
        let first = listeners.into_iter().map(|listener| (listener, app.stopped.clone()));
        for (listener, until) in first.chain(second_listeners.into_iter().map(|listener| (listener, second.clone()))) {
            let served = Served { router: router.clone(), app: Arc::clone(&app), tls: tls.clone() };
            tasks.spawn(listener::serve(listener, served, until));
        }
        app.tell_started().await;
        info!("listening on {}", addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        Ok(Server { addresses, app, tasks, recorder: thread, second })
    }

    /// Where it listens: with host `localhost`, one address for each of IPv4 and IPv6 that the machine has.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.app.port
    }

    /// The random id of this run.
    pub fn instance(&self) -> &str {
        &self.app.hub.instance
    }

    /// How many live clients are connected: Socket.IO and raw WebSocket.
    pub fn clients(&self) -> u64 {
        self.app.clients()
    }

    /// Who they are.
    pub fn connected(&self) -> Vec<Connected> {
        live::roster::connected(&self.app)
    }

    /// How many events its store has taken since it began.
    pub fn events(&self) -> u64 {
        self.app.hub.state().totals.events
    }

    /// Gives its second port up, if it has one; the first goes on.
    pub fn close_second(&self) {
        self.second.cancel();
    }

    /// Ends it: clients are told, doors close, and when this returns the last event is on disk (I10).
    pub async fn shutdown(self) {
        let Server { app, mut tasks, recorder, .. } = self;
        app.tell_stopping().await;
        app.stopped.cancel();
        app.hub.outbox.close();
        app.io.shutdown().await;
        app.tasks.close();
        app.tasks.wait().await;
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                warn!("a task of the server ended badly: {error}");
            }
        }
        drop(app);
        let done = tokio::task::spawn_blocking(move || recorder.join());
        if tokio::time::timeout(RECORDER_STOP_MAX, done).await.is_err() {
            warn!("the recorder did not finish within {} s", RECORDER_STOP_MAX.as_secs());
        }
    }
}
