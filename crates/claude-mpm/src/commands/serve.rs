//! `claude-mpm monitor start --foreground`: the server in this process, until a signal ends it.

use std::io::IsTerminal;

use server::{Bound, Config, FileContents, Server, Spool, StartError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::cli::{self, StartArgs};
use crate::commands::hooks;
use crate::daemon::instance;
use crate::paths::Home;
use crate::report::{self, Failure};

/// Threads that serve: more do not make it faster, and each costs memory.
const THREADS_MAX: usize = 4;

/// What a server is started with.
pub(crate) struct Start {
    pub(crate) home: Home,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) insecure: bool,
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
    let start = Start {
        home: Home::find()?,
        host: options.host.clone(),
        port: cli::port(options.port),
        insecure: options.insecure,
    };
    let port = start.port;
    report::line("Starting Socket.IO monitoring server...");
    serve(&start, |server| {
        let url = format!("http://localhost:{}", server.port());
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
    log_to_stderr();
    // Hooks of an earlier release go on working; a newer program is only better.
    if let Err(failure) = hooks::refresh_program(&start.home) {
        tracing::warn!("the installed hook program is not refreshed: {failure}");
    }
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
    Ok(Config {
        data_dir: start.home.monitor(port),
        key: Some(key),
        spools: vec![Spool { port, dir: start.home.spool(port) }],
        token: std::env::var("CLAUDE_MPM_SOCKETIO_TOKEN").ok().filter(|token| !token.is_empty()),
        insecure: start.insecure,
        origins: Vec::new(),
        localhost_origins: true,
        hosts: Vec::new(),
        file_contents: FileContents::OnRequest,
        version: env!("CARGO_PKG_VERSION").to_owned(),
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
        StartError::Store(_) => Failure::new(FAILED, &error, "See the path in the reason; nothing was changed"),
        StartError::Thread(_) | StartError::Random(_) | StartError::Interrupted => {
            Failure::new(FAILED, &error, "Close other programs and try again")
        }
    };
    ServeFailure::Other(failure)
}

/// Logs go to stderr: warnings, or what `CLAUDE_MPM_LOG` asks for; everything with `CLAUDE_MPM_HOOK_DEBUG`.
fn log_to_stderr() {
    let debug = std::env::var("CLAUDE_MPM_HOOK_DEBUG").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    let default = if debug { "info,server=debug,socketio=debug,store=debug" } else { "warn" };
    let filter = EnvFilter::try_from_env("CLAUDE_MPM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // A second server in one process keeps the first one's log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
