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
//! * `live/`: one file per way out; `api/`: one file per question; `page.rs`: the embedded dashboard

mod access;
mod api;
mod app;
mod clock;
mod config;
mod hub;
pub mod ingest;
mod listener;
mod live;
mod page;
mod peer;
mod recorder;
mod router;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{info, warn};

pub use api::health::SERVICE;
use app::App;
pub use config::{
    Admin, AdminMode, CONNECTIONS_MAX, Config, FileContents, METRICS_EVERY, Network, Spool, StartError, TlsFiles,
};
use hub::Hub;
use listener::Served;
pub use live::admin::hash_password;
use recorder::Recorder;

/// How long the recorder may take to commit what it was told before a shutdown goes on without it.
const RECORDER_STOP_MAX: Duration = Duration::from_secs(10);

/// A running monitor.
pub struct Server {
    addresses: Vec<SocketAddr>,
    app: Arc<App>,
    tasks: JoinSet<()>,
    recorder: std::thread::JoinHandle<()>,
}

/// A port that is taken, and not served yet: whoever starts a server may have asked for any free one, and needs to know
/// which it got before folders can be named.
pub struct Bound {
    listeners: Vec<TcpListener>,
    host: String,
    port: u16,
}

impl Bound {
    /// Takes a port on `host`; `localhost` takes it on both loopback addresses, 0 takes any free one.
    pub async fn new(host: &str, port: u16) -> Result<Bound, StartError> {
        let listeners = listener::bind(host, port).await?;
        let port = listeners.first().and_then(|first| first.local_addr().ok()).map_or(port, |address| address.port());
        Ok(Bound { listeners, host: host.to_owned(), port })
    }

    /// The port it took.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Server {
    /// Opens the store, reads back the live state, and starts to serve on the port taken.
    ///
    /// Must be called inside a tokio runtime. Nothing listens and nothing is locked after an error.
    pub async fn start(bound: Bound, config: Config) -> Result<Server, StartError> {
        let Bound { listeners, host, port } = bound;
        let config = config.checked(&host)?;
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect::<Vec<_>>();

        let tls = config.tls.as_ref().map(listener::Tls::load).transpose()?;
        let opening = config.clone();
        let opened = tokio::task::spawn_blocking(move || app::open_store(&opening)).await;
        let (store, state, returning) = opened.map_err(|_| StartError::Interrupted)??;
        let reader = store.reader();
        let hub = Arc::new(Hub::new(store.epoch().to_owned(), config::random_id()?, state));
        let positions = ingest::spool_door::positions(&store, &config.spools);
        let (recorder, thread) = Recorder::start(store, Arc::clone(&hub)).map_err(StartError::Thread)?;

        let app = App::new(config, host, port, hub, recorder, reader, returning);
        let mut tasks = JoinSet::new();
        live::start(&app, &mut tasks);
        ingest::spool_door::start(&app, positions, &mut tasks);
        let router = router::router(&app);
        for listener in listeners {
            let served = Served { router: router.clone(), app: Arc::clone(&app), tls: tls.clone() };
            tasks.spawn(listener::serve(listener, served));
        }
        app.tell_started().await;
        info!("listening on {}", addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        Ok(Server { addresses, app, tasks, recorder: thread })
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
