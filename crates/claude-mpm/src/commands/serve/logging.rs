//! What a monitor logs, and where: into its file always, in a terminal to stderr, too.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::daemon::log_file::LogFile;
use crate::daemon::plan::{Mode, Plan};
use crate::settings::Level;

/// The log of this process.
pub(super) struct Log {
    file: Option<LogFile>,
    path: PathBuf,
}

impl Log {
    /// Begins it. Without a file there is stderr alone: no reason not to watch.
    pub(super) fn begin(plan: &Plan, port: u16, level: Option<Level>) -> Log {
        let folder = plan.home.logs();
        let opened = LogFile::open(&folder, port);
        let failed = opened.as_ref().err().map(ToString::to_string);
        let file = opened.ok();
        let to_stderr = (plan.mode == Mode::Foreground).then(|| {
            fmt::layer()
                .with_ansi(std::io::stderr().is_terminal() && crate::report::may_colour())
                .with_writer(std::io::stderr)
                .with_filter(filter(level, if plan.verbose { "info" } else { "warn" }))
        });
        let to_file =
            file.clone().map(|file| fmt::layer().with_ansi(false).with_writer(file).with_filter(filter(level, "info")));
        if debugs() {
            std::panic::set_hook(Box::new(|panic| {
                tracing::error!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
            }));
        }
        // A second server in one process keeps the first one's log.
        let _ = tracing_subscriber::registry().with(to_stderr).with(to_file).try_init();
        if let Some(error) = failed {
            tracing::warn!("no log in {}: {error}", folder.display());
        }
        let path =
            file.as_ref().map_or_else(|| folder.join(format!("monitor-{port}.log")), |file| file.path().to_owned());
        Log { file, path }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets the last words of a process in the background, such as a panic, go into it.
    pub(super) fn become_output(&self) {
        if let Some(Err(error)) = self.file.as_ref().map(LogFile::become_output) {
            tracing::warn!("the output of this process goes nowhere: {error}");
        }
    }
}

/// Whether `CLAUDE_MPM_HOOK_DEBUG` asks for everything.
pub(super) fn debugs() -> bool {
    std::env::var("CLAUDE_MPM_HOOK_DEBUG").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// What `CLAUDE_MPM_LOG` asks for, else everything with `CLAUDE_MPM_HOOK_DEBUG`, else the level of the configuration,
/// else `otherwise`.
fn filter(level: Option<Level>, otherwise: &str) -> EnvFilter {
    let default = match level {
        _ if debugs() => "info,server=debug,socketio=debug,store=debug",
        Some(Level::Debug) => "info,server=debug,socketio=debug,store=debug",
        Some(Level::Info) => "info",
        Some(Level::Error) => "error",
        Some(Level::Warning) => "warn",
        None => otherwise,
    };
    EnvFilter::try_from_env("CLAUDE_MPM_LOG").unwrap_or_else(|_| EnvFilter::new(default))
}
