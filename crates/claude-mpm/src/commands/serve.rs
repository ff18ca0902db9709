//! The server in this process, until a signal ends it: in a terminal, or as the process that `start` has begun.

mod logging;
mod spools;
mod surroundings;

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use event::prices::Prices;
use server::{Admin, AdminMode, Bound, Config, FileContents, Server, Spool, StartError, TlsFiles};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::hooks;
use crate::commands::start::FAILED;
use crate::daemon::control::{self, Activity, Client, Control, Inherited, Legacy, Request};
use crate::daemon::holder;
use crate::daemon::instance::{self, Instance, Registered};
use crate::daemon::plan::{DASHBOARD_DEFAULT, Dashboard, Mode, Plan};
use crate::daemon::policy;
use crate::daemon::spawn::{self, Report};
use crate::daemon::supervisor;
use crate::report::Failure;
use crate::settings::{self, Settings};
use logging::Log;
use surroundings::Surroundings;

/// Threads that serve: more do not make it faster, and each costs memory.
const THREADS_MAX: usize = 4;

/// The largest plan, in bytes.
const PLAN_BYTES_MAX: u64 = 1024 * 1024;

/// Why it did not start, or did not end well.
pub(crate) enum ServeFailure {
    /// Somebody else listens on the port.
    PortTaken,
    /// Anything else, for a person.
    Other(Failure),
}

impl From<Failure> for ServeFailure {
    fn from(failure: Failure) -> ServeFailure {
        ServeFailure::Other(failure)
    }
}

/// The whole life of a process in the background. What it has to say goes to whoever started it, as one line.
pub(crate) fn detached() -> Result<(), Failure> {
    let plan = leave_the_terminal()?;
    if plan.supervise {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let ended = runtime.and_then(|runtime| runtime.block_on(supervisor::run(&plan)));
        return ended.map_err(|error| {
            let failure = Failure::new(FAILED, error, "Close other programs and try again");
            spawn::report(&Report::Failed { text: failure.to_string(), code: failure.code });
            failure
        });
    }
    let served = Settings::load(&plan.home).map_err(ServeFailure::Other).and_then(|settings| {
        serve(&plan, &settings, |known| {
            spawn::report(&Report::Ready { port: known.port, dashboard: known.dashboard, pid: known.pid });
        })
    });
    // After it has served nobody reads this any more, and it does no harm.
    served.map_err(|failure| match failure {
        ServeFailure::PortTaken => {
            spawn::report(&Report::PortTaken);
            Failure::silent(1)
        }
        ServeFailure::Other(failure) => {
            spawn::report(&Report::Failed { text: failure.to_string(), code: failure.code });
            Failure::silent(1)
        }
    })
}

/// A session of its own, so that no terminal's hangup or Ctrl-C reaches it; then the plan.
fn leave_the_terminal() -> Result<Plan, Failure> {
    // It fails for who leads a group already, and then there is no terminal to leave.
    let _ = rustix::process::setsid();
    let mut text = String::new();
    let read = std::io::stdin().take(PLAN_BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string());
    let plan = read.and_then(|_| serde_json::from_str(&text).map_err(|error| error.to_string()));
    if let Ok(nothing) = std::fs::File::open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(nothing);
    }
    plan.map_err(|error| {
        Failure::new(FAILED, format!("the process was started by hand: {error}"), "Use 'claude-mpm monitor start'")
            .with_code(2)
    })
}

/// Serves until SIGINT or SIGTERM, or until another process takes over. `ready` runs once it answers.
pub(crate) fn serve(plan: &Plan, settings: &Settings, ready: impl FnOnce(&Instance)) -> Result<(), ServeFailure> {
    raise_open_files();
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(THREADS_MAX);
    let busy = |error| Failure::new(FAILED, error, "Close other programs and try again");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().map_err(busy)?;
    runtime.block_on(async {
        let mut signals = Signals::take_over().map_err(busy)?;
        let inherited = match &plan.once.take_over {
            Some(folder) => control::take_over(folder).ok(),
            None => None,
        };
        let Taken { bound, dashboard, token } = take_ports(plan, inherited).await?;
        let port = bound.port();
        let log = Log::begin(plan, port, settings.monitoring.logging.level);
        for key in &settings.unknown {
            tracing::warn!("{}: {key} is no key of the monitor", settings.file.display());
        }
        // Hooks of an earlier release go on working; a newer program is only better.
        if let Err(failure) = hooks::refresh_program(&plan.home) {
            tracing::warn!("the installed hook program is not refreshed: {failure}");
        }
        let mut sockets = bound.sockets().map_err(busy)?;
        let (spools, _readers) = spools::spools(plan, port);
        let mut config = config(plan, settings, port, token.clone(), spools)?;
        config.surroundings = Some(Arc::new(Surroundings {
            home: plan.home.clone(),
            log: log.path().to_owned(),
            reclaimed: settings.reclaimed(),
        }));
        let websocket = config.websocket;
        let server = Server::start(bound, config).await.map_err(|error| explain(plan, error))?;
        let mut registered = instance::register(plan, port, server.instance(), dashboard, token.is_some(), log.path())?;
        // A monitor without it serves all the same; it is stopped and started where it would be restarted.
        let control = Control::open(&plan.folder(port))
            .inspect_err(|error| tracing::warn!("no socket for commands in {}: {error}", plan.folder(port).display()))
            .ok();
        let transports = if websocket { "websocket and polling" } else { "polling alone" };
        tracing::info!(target: "socketio", "Socket.IO listens on port {port}: {transports}");
        let events_before = server.events();
        ready(&registered.known);
        if plan.mode == Mode::Background {
            log.become_output();
        }
        let successor = loop {
            let (request, stream) = tokio::select! {
                () = signals.any() => break None,
                asked = next(control.as_ref()) => asked,
            };
            match request {
                Request::Clients => {
                    let _ = control::answer(&stream, &activity(&server, events_before));
                }
                Request::YieldDashboard => {
                    yield_dashboard(&server, &mut sockets, &mut registered).await;
                    let _ = control::answer(&stream, &true);
                }
                Request::HandOver => {
                    let legacy = Legacy::new(token.clone(), &plan.host, port, registered.known.dashboard);
                    match control::hand_over(&stream, legacy, &sockets.0, &sockets.1) {
                        Ok(()) => break Some(stream),
                        Err(error) => tracing::warn!("handing over: {error}"),
                    }
                }
            }
        };
        // A successor on another host takes the port anew.
        drop(sockets);
        end(server, registered, control, successor).await;
        Ok(())
    })
}

/// Ends well. Whoever takes over waits for the far end of its stream, which closes when all is written and tidied up.
async fn end(server: Server, registered: Registered, control: Option<Control>, successor: Option<UnixStream>) {
    server.shutdown().await;
    drop((registered, control));
    tracing::info!(target: "socketio", "Socket.IO has stopped");
    drop(successor);
}

async fn next(control: Option<&Control>) -> (Request, UnixStream) {
    match control {
        Some(control) => control.next().await,
        None => std::future::pending().await,
    }
}

/// The ports, and what a predecessor left.
struct Taken {
    bound: Bound,
    dashboard: Option<u16>,
    token: Option<String>,
}

/// A monitor that wanted a token must not come back as one that lets everybody in.
pub(crate) fn token_lost() -> Failure {
    Failure::new(
        FAILED,
        "the monitor before it had a token, which could not be handed over",
        "Set CLAUDE_MPM_SOCKETIO_TOKEN, or stop it and start one without a token",
    )
}

/// Takes the ports, from a predecessor where it had the same ones.
async fn take_ports(plan: &Plan, inherited: Option<Inherited>) -> Result<Taken, ServeFailure> {
    let said = std::env::var("CLAUDE_MPM_SOCKETIO_TOKEN").ok().filter(|token| !token.is_empty());
    let (legacy, first, second) = match inherited {
        Some(Inherited { legacy, first, second }) => (Some(legacy), first, second),
        None => (None, Vec::new(), Vec::new()),
    };
    let is_same = legacy.as_ref().is_some_and(|legacy| legacy.host == plan.host && legacy.port == plan.port);
    // Sockets that are not kept have to go before others can be had in their place.
    let (first, second) = if is_same {
        (first, second)
    } else {
        drop((first, second));
        (Vec::new(), Vec::new())
    };
    let kept = if first.is_empty() { None } else { Bound::taken_over(&plan.host, first).ok() };
    let mut bound = match kept {
        Some(bound) => bound,
        None => Bound::new(&plan.host, plan.port).await.map_err(|error| explain(plan, error))?,
    };
    let held = legacy.as_ref().and_then(|legacy| legacy.dashboard).filter(|_| is_same);
    let dashboard = take_dashboard(plan, &mut bound, held, second).await?;
    let token = said.or_else(|| legacy.and_then(|legacy| legacy.token));
    if plan.once.token && token.is_none() {
        return Err(token_lost().into());
    }
    Ok(Taken { bound, dashboard, token })
}

/// The second port: the one that was asked for, else the default or the next free one. Nobody is kept waiting for want of
/// a default: the page is at the server's own port, too.
async fn take_dashboard(
    plan: &Plan,
    bound: &mut Bound,
    held: Option<u16>,
    sockets: Vec<OwnedFd>,
) -> Result<Option<u16>, ServeFailure> {
    let asked = match plan.dashboard {
        Dashboard::None => return Ok(None),
        Dashboard::Exactly(port) if port == bound.port() => return Ok(None),
        Dashboard::Exactly(port) => Some(port),
        Dashboard::Default => None,
    };
    if held.is_some_and(|held| asked.is_none_or(|asked| asked == held))
        && let Ok(port) = bound.take_over_second(sockets)
    {
        return Ok(Some(port));
    }
    if let Some(port) = asked {
        let failed = |error: StartError| match error {
            StartError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => Failure::new(
                format!("Port {port} is already in use by another process"),
                "it was asked for with --dashboard-port",
                "Use --dashboard-port to specify a different port, or --no-dashboard",
            ),
            error => Failure::new(FAILED, error, "Use --dashboard-port to specify a different port, or --no-dashboard"),
        };
        return Ok(Some(bound.take_second(port).await.map_err(failed)?));
    }
    // Whoever takes any port takes any dashboard port.
    if plan.port == 0 {
        return Ok(bound.take_second(0).await.ok());
    }
    let mut tried = Vec::new();
    loop {
        let free = |port: u16| !tried.contains(&port) && holder::is_free(port);
        let Some(port) = policy::dashboard(DASHBOARD_DEFAULT, bound.port(), free) else { return Ok(None) };
        if let Ok(port) = bound.take_second(port).await {
            return Ok(Some(port));
        }
        tried.push(port);
    }
}

fn activity(server: &Server, events_before: u64) -> Activity {
    let now = SystemTime::now();
    let clients = server.connected().into_iter().map(|client| Client {
        name: client.name.to_owned(),
        address: client.peer.map(|peer| peer.to_string()),
        transport: client.transport.to_owned(),
        connected: now.duration_since(client.since).unwrap_or_default().as_secs(),
    });
    Activity { events: server.events().saturating_sub(events_before), clients: clients.collect() }
}

async fn yield_dashboard(server: &Server, sockets: &mut (Vec<OwnedFd>, Vec<OwnedFd>), registered: &mut Registered) {
    server.close_second();
    sockets.1.clear();
    let Some(port) = registered.known.dashboard.take() else { return };
    registered.known.dashboard_asked = false;
    if let Err(error) = registered.write() {
        tracing::warn!("saying that port {port} is given up: {error}");
    }
    // The listener closes in a task of its own.
    for _ in 0..200 {
        if holder::is_free(port) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tracing::info!("the dashboard port {port} is given up for another monitor");
}

fn config(
    plan: &Plan,
    settings: &Settings,
    port: u16,
    token: Option<String>,
    spools: Vec<Spool>,
) -> Result<Config, Failure> {
    let said = &settings.monitoring;
    let load = || {
        let (path, dir) = (plan.home.key(), plan.folder(port));
        // A new key would open nothing of what is there, and stand in the place of the right one.
        if !path.exists() && store::inspect::is_encrypted(&dir) {
            return Err(Failure::new(
                FAILED,
                format!(
                    "{} is not there, and the events in {} cannot be read without it",
                    path.display(),
                    dir.display()
                ),
                "Put the key back, or move the folder of the store away to begin a new one",
            ));
        }
        store::key::load_or_create(&path).map_err(|error| {
            Failure::new(FAILED, &error, "Put the key back, or move the folder of the store away to begin a new one")
        })
    };
    let key = if said.store.encrypted { Some(load()?) } else { None };
    let tls = plan.tls.clone().map(|(certificate, key)| TlsFiles { certificate, key });
    Ok(Config {
        data_dir: plan.folder(port),
        key,
        keep: said.store.keep(),
        spools,
        token,
        insecure: plan.insecure,
        origins: said.cors.origins.iter().map(|origin| origin.0.clone()).collect(),
        localhost_origins: said.cors.localhost,
        hosts: said.allowed_hosts.clone(),
        trusted_proxies: said.trusted_proxies.iter().map(|proxy| proxy.0).collect(),
        path_prefix: said.path_prefix.clone(),
        tls,
        connections_max: said.websocket.max_connections.0,
        websocket: said.websocket.enabled,
        metrics_every: said.metrics.enabled.then(|| Duration::from_secs_f64(said.metrics.interval.0)),
        debug: logging::debugs(),
        file_contents: match said.privacy.file_contents {
            settings::FileContents::Never => FileContents::Never,
            settings::FileContents::OnRequest => FileContents::OnRequest,
            settings::FileContents::Always => FileContents::Always,
        },
        transcripts: said.transcripts.unwrap_or(true),
        surroundings: None,
        prices: Arc::new(Prices::with(said.prices.clone())),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        admin: said.admin.as_ref().map(|admin| Admin {
            user: admin.user.clone(),
            password_hash: admin.password_hash.clone(),
            mode: match admin.mode {
                settings::AdminMode::Development => AdminMode::Development,
                settings::AdminMode::Production => AdminMode::Production,
            },
            read_only: admin.read_only,
        }),
    })
}

/// The signals that end it. Taken over before anybody is told that it runs: who is told may stop it at once.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn take_over() -> std::io::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn explain(plan: &Plan, error: StartError) -> ServeFailure {
    let port = plan.port;
    let failure = match error {
        StartError::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
            return ServeFailure::PortTaken;
        }
        StartError::Listen { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Failure::new(
            FAILED,
            format!("Permission denied on port {port}"),
            "Try a port > 1024 or run with appropriate permissions",
        ),
        StartError::Listen { .. } | StartError::Host { .. } => {
            Failure::new(FAILED, &error, "Use --host with a name or address of this machine; localhost is the default")
        }
        StartError::Exposed { .. } => Failure::new(
            FAILED,
            &error,
            "Set CLAUDE_MPM_SOCKETIO_TOKEN, or use --insecure if everybody on that network may read everything",
        ),
        StartError::BadToken => Failure::new(
            FAILED,
            &error,
            "Set CLAUDE_MPM_SOCKETIO_TOKEN to letters, digits and punctuation without spaces",
        ),
        StartError::Tls { .. } => Failure::new(
            FAILED,
            &error,
            "Name a certificate chain and its private key in PEM: --tls-cert and --tls-key, or monitoring.tls",
        ),
        StartError::PathPrefix(_) => {
            Failure::new(FAILED, &error, "Set monitoring.path_prefix to a path such as /monitor")
        }
        StartError::AdminPassword(_) => Failure::new(FAILED, &error, "Make one with: claude-mpm monitor hash-password"),
        StartError::Store(ref store) if store.is_full() => {
            Failure::new(FAILED, &error, "That disk is full: free space there, then try again; nothing was changed")
        }
        StartError::Store(_) => Failure::new(FAILED, &error, "See the path in the reason; nothing was changed"),
        StartError::Thread(_) | StartError::Random(_) | StartError::Interrupted => {
            Failure::new(FAILED, &error, "Close other programs and try again")
        }
    };
    ServeFailure::Other(failure)
}

/// Lets the process have as many connections and files open as the system allows: 1,024 is a usual first limit, and each
/// client is one.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}
