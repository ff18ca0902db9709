//! What every door and every answer shares.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use event::event::{Event, Fact, Source, Time};
use event::filter;
use event::session::Session;
use event::vocabulary::Kind;
use event::wire::history::SessionJson;
use event::wire::websocket::Instance;
use serde_json::json;
use store::sums::Sums;
use store::{Options, Reader, Store, Words};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::api;
use crate::clock;
use crate::config::{Config, StartError};
use crate::erasing::Erasing;
use crate::hub::{Hub, Published, State};
use crate::live;
use crate::live::admin::Admin;
use crate::live::socketio::returning::Returning;
use crate::recorder::Recorder;
use crate::recorder::memory;
use crate::runs::Runs;

/// The server's shared parts; one for all tasks.
pub(crate) struct App {
    pub(crate) config: Config,
    /// The host name it was told to listen on.
    pub(crate) host: String,
    /// The port it really listens on.
    pub(crate) port: u16,
    pub(crate) access: Access,
    pub(crate) hub: Arc<Hub>,
    pub(crate) recorder: Recorder,
    pub(crate) reader: Reader,
    /// Which sessions are being erased.
    pub(crate) erasing: Erasing,
    /// What is counted by the minute.
    pub(crate) sums: Arc<Sums>,
    pub(crate) io: socketio::Server,
    /// Socket.IO clients that may come back as who they were.
    pub(crate) returning: Returning,
    /// What clients of the default namespace call themselves.
    pub(crate) registered: live::socketio::Registered,
    /// What serves the namespace `/admin`, if somebody may join it.
    pub(crate) admin: Option<Admin>,
    /// What was read of the sessions that somebody looks at.
    pub(crate) stories: api::spans::Stories,
    /// Exports that are being taken.
    pub(crate) exports: api::export::Exports,
    /// Questions of which nothing would show that they were answered, by the events that asked. Short scopes only.
    unsure: Mutex<HashSet<u64>>,
    pub(crate) started_at: Time,
    pub(crate) stopping: AtomicBool,
    /// HTTP requests and inbound socket requests since the start.
    pub(crate) requests: AtomicU64,
    /// Clients of the raw WebSocket API now.
    pub(crate) websocket_clients: AtomicU64,
    /// Clients of Server-Sent Events now.
    pub(crate) streams: AtomicU64,
    /// The clients of both.
    pub(crate) roster: live::roster::Roster,
    /// Agents that a launcher runs.
    pub(crate) runs: Runs,
    /// Bytes in each spool of the configuration that are not stored yet.
    pub(crate) spool_backlogs: Vec<AtomicU64>,
    /// How many of them cannot be read now.
    pub(crate) spools_unread: AtomicU64,
    /// Tasks that serve one client or one event, waited for at shutdown.
    pub(crate) tasks: TaskTracker,
    /// Tells those tasks to end.
    pub(crate) stopped: CancellationToken,
}

impl App {
    pub(crate) fn new(
        config: Config,
        host: String,
        port: u16,
        hub: Arc<Hub>,
        recorder: Recorder,
        (reader, sums): (Reader, Arc<Sums>),
        returning: Returning,
    ) -> Arc<App> {
        let access = Access::new(&config, &host);
        let admin = Admin::new(config.admin.as_ref(), !access.needs_token() && access.is_private());
        Arc::new_cyclic(|app| App {
            io: live::socketio::server(app.clone(), &config),
            access,
            spools_unread: AtomicU64::new(0),
            spool_backlogs: config.spools.iter().map(|_| AtomicU64::new(0)).collect(),
            admin,
            config,
            host,
            port,
            hub,
            recorder,
            reader,
            sums,
            erasing: Erasing::default(),
            returning,
            registered: live::socketio::Registered::default(),
            stories: api::spans::Stories::default(),
            exports: api::export::Exports::default(),
            unsure: Mutex::new(HashSet::new()),
            started_at: clock::now(),
            stopping: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            websocket_clients: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            roster: live::roster::Roster::default(),
            runs: Runs::default(),
            tasks: TaskTracker::new(),
            stopped: CancellationToken::new(),
        })
    }

    /// Which server this is, for clients that follow several.
    pub(crate) fn instance(&self) -> Instance {
        Instance { port: self.port, host: self.host.clone() }
    }

    /// A session as viewers see it now.
    pub(crate) fn shown<'a>(&self, session: &'a Session, now: Time) -> SessionJson<'a> {
        let unsure = self.unsure.lock().unwrap_or_else(PoisonError::into_inner);
        SessionJson::at(session, now).with_unsure(|seq| unsure.contains(&seq))
    }

    /// Whether it is unsure that the question of this event still waits.
    pub(crate) fn is_unsure(&self, seq: u64) -> bool {
        self.unsure.lock().unwrap_or_else(PoisonError::into_inner).contains(&seq)
    }

    /// Replaces the questions of which nothing would show that they were answered.
    pub(crate) fn set_unsure(&self, seqs: HashSet<u64>) {
        *self.unsure.lock().unwrap_or_else(PoisonError::into_inner) = seqs;
    }

    /// Live clients now.
    pub(crate) fn clients(&self) -> u64 {
        let io = self.io.stats();
        io.polling_now + io.websocket_now + self.websocket_clients.load(Relaxed) + self.streams.load(Relaxed)
    }

    /// Records that the server is there.
    pub(crate) async fn tell_started(&self) {
        let data = json!({ "version": self.config.version, "port": self.port, "host": self.host,
            "pid": std::process::id(), "instance": self.hub.instance });
        self.tell(Kind::SystemStarted, data, &format!("Monitor {} started on port {}", self.config.version, self.port))
            .await;
    }

    /// Records that it goes, while it still can.
    pub(crate) async fn tell_stopping(&self) {
        self.stopping.store(true, Relaxed);
        let data = json!({ "version": self.config.version, "port": self.port, "pid": std::process::id(),
            "uptime": clock::now().since(self.started_at) / 1000 });
        self.tell(Kind::SystemStopped, data, &format!("Monitor on port {} stopped", self.port)).await;
    }

    /// Tells whoever looks now that a session is gone. Not kept: nothing is to say that it was there.
    pub(crate) fn show_deleted(&self, session: &str) {
        self.stories.forget(session);
        let now = clock::now();
        let data = json!({ "session_id": session });
        let mut fact = Fact::new(Kind::SessionDeleted, now, Source::Server, data);
        fact.session_id = Some(session.to_owned());
        fact.summary = "Deleted".to_owned();
        self.hub.unkept(vec![Arc::new(Published::new(Event { seq: None, recorded_at: now, fact }))]);
    }

    /// Shows something that is not kept to whoever looks now.
    pub(crate) fn show(&self, kind: Kind, data: serde_json::Value, summary: &str) {
        let now = clock::now();
        let mut fact = Fact::new(kind, now, Source::Server, data);
        fact.summary = summary.to_owned();
        self.hub.unkept(vec![Arc::new(Published::new(Event { seq: None, recorded_at: now, fact }))]);
    }

    /// Records something that the server itself knows.
    pub(crate) async fn tell(&self, kind: Kind, data: serde_json::Value, summary: &str) {
        let mut fact = Fact::new(kind, clock::now(), Source::Server, data);
        fact.summary = summary.to_owned();
        if let Err(error) = self.recorder.record(vec![fact]).await {
            tracing::warn!("{summary}: {error}");
        }
    }
}

/// Opens the store and reads the live state back, and the clients that may come back. Blocking.
pub(crate) fn open_store(config: &Config) -> Result<Opened, StartError> {
    let words = Words { version: filter::TOKENS_VERSION, tell: filter::tokens_of };
    let options = Options { encrypted: config.key.is_some(), words: Some(words), ..Options::default() };
    let mut store = Store::open(&config.data_dir, config.key.as_ref(), options, clock::now().ms())?;
    // Cut short before it went on in another file: what is to be erased must not be in the one that is written.
    if !store.eraser().waiting()?.is_empty() {
        store.begin_file()?;
    }
    let (state, count_to) = memory::restore(&mut store);
    let returning = Returning::restore(&mut store, clock::now());
    Ok(Opened { store, state, count_to, returning })
}

/// What [`open_store`] opened.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) state: State,
    /// Events up to this number are to be counted again; 0 for none.
    pub(crate) count_to: u64,
    pub(crate) returning: Returning,
}
