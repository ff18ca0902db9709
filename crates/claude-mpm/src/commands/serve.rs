//! `claude-mpm monitor start --foreground`: the server in this process, until a signal ends it.

use std::io::IsTerminal;
use std::time::Duration;

use server::{Admin, AdminMode, Bound, Config, FileContents, Server, Spool, StartError, TlsFiles};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::cli::{self, ListenOptions, StartArgs};
use crate::commands::hooks;
use crate::daemon::instance;
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::{self, Level, Settings};

/// Threads that serve: more do not make it faster, and each costs memory.
const THREADS_MAX: usize = 4;

/// What a server is started with.
pub(crate) struct Start {
    pub(crate) home: Home,
    pub(crate) settings: Settings,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) insecure: bool,
    pub(crate) tls: Option<TlsFiles>,
}

impl Start {
    /// Reads the configuration, and what the command line says besides.
    pub(crate) fn new(home: Home, port: Option<u16>, listen: &ListenOptions) -> Result<Start, Failure> {
        let settings = Settings::load(&home)?;
        let host = listen.host.clone().or_else(|| settings.monitoring.host.clone());
        Ok(Start {
            host: host.unwrap_or_else(|| "localhost".to_owned()),
            port: cli::port(port, &settings),
            insecure: listen.insecure,
            tls: settings.tls(listen.tls_cert.as_ref(), listen.tls_key.as_ref())?,
            home,
            settings,
        })
    }

    /// The address for people.
    pub(crate) fn url(&self, host: &str, port: u16) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{host}:{port}")
    }
}

/// Why it did not start, or did not end well.
pub(crate) enum ServeFailure {
    /// Somebody else listens on the port.
    PortTaken,
    /// Anything else, for a person.
    Other(Failure),
}

/// Runs `monitor start --foreground`.
pub(crate) fn run(options: &StartArgs) -> Result<(), Failure> {
    let start = Start::new(Home::find()?, options.port, &options.listen)?;
    let port = start.port;
    report::line("Starting Socket.IO monitoring server...");
    serve(&start, |server| {
        let url = start.url("localhost", server.port());
        report::line(format_args!(
            "\n✓ Server started successfully\n  - Server URL: {url}\n  - Dashboard URL: {url}\n  - Process ID: {}\n  - Mode: foreground\n\n\
             Monitoring server is ready for connections.\nOpen {url} in your browser to view the dashboard.",
            std::process::id()
        ));
    })
    .map_err(|failure| match failure {
        ServeFailure::PortTaken => Failure::printed(format!(
            "Error: Port {port} is already in use by another process\n\
             Suggestion: Use --port to specify a different port or --force to reclaim"
        )),
        ServeFailure::Other(failure) => failure,
    })
}

/// Serves until SIGINT or SIGTERM. `ready` runs once it listens.
pub(crate) fn serve(start: &Start, ready: impl FnOnce(&Server)) -> Result<(), ServeFailure> {
    log_to_stderr(start.settings.monitoring.logging.level);
    for key in &start.settings.unknown {
        tracing::warn!("{}: {key} is no key of the monitor", start.settings.file.display());
    }
    // Hooks of an earlier release go on working; a newer program is only better.
    if let Err(failure) = hooks::refresh_program(&start.home) {
        tracing::warn!("the installed hook program is not refreshed: {failure}");
    }
    raise_open_files();
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| {
        ServeFailure::Other(Failure::new(
            "Failed to start monitoring server",
            error,
            "Close other programs and try again",
        ))
    })?;
    runtime.block_on(async {
        let mut signals = Signals::take_over().map_err(|error| {
            ServeFailure::Other(Failure::new(
                "Failed to start monitoring server",
                error,
                "Close other programs and try again",
            ))
        })?;
        let bound = Bound::new(&start.host, start.port).await.map_err(|error| explain(start, error))?;
        let config = config(start, bound.port()).map_err(ServeFailure::Other)?;
        let server = Server::start(bound, config).await.map_err(|error| explain(start, error))?;
        let _registered = instance::register(&start.home, &server).map_err(ServeFailure::Other)?;
        ready(&server);
        signals.any().await;
        server.shutdown().await;
        Ok(())
    })
}

fn config(start: &Start, port: u16) -> Result<Config, Failure> {
    let path = start.home.key();
    let key = store::key::load_or_create(&path).map_err(|error| {
        Failure::new(
            "Failed to start monitoring server",
            &error,
            "Put the key back, or move the folder of the store away to begin a new one",
        )
    })?;
    let said = &start.settings.monitoring;
    Ok(Config {
        data_dir: start.home.monitor(port),
        key: Some(key),
        spools: vec![Spool { port, dir: start.home.spool(port) }],
        token: std::env::var("CLAUDE_MPM_SOCKETIO_TOKEN").ok().filter(|token| !token.is_empty()),
        insecure: start.insecure,
        origins: said.cors.origins.iter().map(|origin| origin.0.clone()).collect(),
        localhost_origins: said.cors.localhost,
        hosts: said.allowed_hosts.clone(),
        trusted_proxies: said.trusted_proxies.iter().map(|proxy| proxy.0).collect(),
        path_prefix: said.path_prefix.clone(),
        tls: start.tls.clone(),
        connections_max: said.websocket.max_connections.0,
        websocket: said.websocket.enabled,
        metrics_every: said.metrics.enabled.then(|| Duration::from_secs_f64(said.metrics.interval.0)),
        debug: debugs(),
        file_contents: match said.privacy.file_contents {
            settings::FileContents::Never => FileContents::Never,
            settings::FileContents::OnRequest => FileContents::OnRequest,
            settings::FileContents::Always => FileContents::Always,
        },
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

fn explain(start: &Start, error: StartError) -> ServeFailure {
    const FAILED: &str = "Failed to start monitoring server";
    let port = start.port;
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

/// Whether `CLAUDE_MPM_HOOK_DEBUG` asks for everything.
fn debugs() -> bool {
    std::env::var("CLAUDE_MPM_HOOK_DEBUG").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Logs go to stderr: what `CLAUDE_MPM_LOG` asks for, else everything with `CLAUDE_MPM_HOOK_DEBUG`, else the level of the
/// configuration, else warnings.
fn log_to_stderr(level: Option<Level>) {
    let default = match level {
        _ if debugs() => "info,server=debug,socketio=debug,store=debug",
        Some(Level::Debug) => "info,server=debug,socketio=debug,store=debug",
        Some(Level::Info) => "info",
        Some(Level::Error) => "error",
        Some(Level::Warning) | None => "warn",
    };
    let filter = EnvFilter::try_from_env("CLAUDE_MPM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    if debugs() {
        std::panic::set_hook(Box::new(|panic| {
            tracing::error!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
        }));
    }
    // A second server in one process keeps the first one's log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
