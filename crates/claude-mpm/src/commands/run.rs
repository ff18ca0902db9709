//! `claude-mpm run`, bare `claude-mpm`, `--websocket` and `--manager`: an agent under the monitor.

use crate::cli::{self, AgentOptions, LaunchMethod, LaunchOptions, ListenOptions, RunArgs};
use crate::commands::start;
use crate::daemon::plan::{Dashboard, Mode, Plan};
use crate::daemon::policy::{Asked, Means};
use crate::daemon::{browser, instance};
use crate::launch::{Launch, Method};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// What was asked for, by whichever way.
struct Wanted {
    /// Start a monitor if none runs.
    monitor: bool,
    port: Option<u16>,
    browser: bool,
    /// If no other is said.
    method: Method,
}

/// Runs `claude-mpm run`; the exit code is the agent's.
pub(crate) fn run(options: &RunArgs) -> Result<u8, Failure> {
    let method = if options.monitor { Method::Subprocess } else { Method::Exec };
    let wanted = Wanted { monitor: options.monitor, port: options.port, browser: options.monitor, method };
    launch(&wanted, &options.launch)
}

/// Runs bare `claude-mpm`, with or without `--websocket` or `--manager`.
pub(crate) fn bare(options: &AgentOptions) -> Result<u8, Failure> {
    let monitor = options.websocket || options.websocket_port.is_some() || options.manager;
    let wanted = Wanted { monitor, port: options.websocket_port, browser: options.manager, method: Method::Exec };
    launch(&wanted, &options.launch)
}

fn launch(wanted: &Wanted, options: &LaunchOptions) -> Result<u8, Failure> {
    let home = Home::find()?;
    let settings = Settings::load(&home)?;
    // First the agent: where there is none, no monitor is started for it.
    let launch = Launch::new(options.agent_command.as_deref(), options.arguments.clone())?;
    let port = cli::port(wanted.port, &settings);
    let mut watched = instance::running(&home, port).map(|_| port);
    if watched.is_none() && (wanted.monitor || settings.monitoring.enabled == Some(true)) {
        watched = Some(start_monitor(&home, &settings, port)?);
    }
    if let Some(port) = watched.filter(|_| wanted.browser && !options.no_browser) {
        browser::open(&format!("http://localhost:{port}"));
    }
    let method = match options.launch_method {
        Some(LaunchMethod::Subprocess) => Method::Subprocess,
        Some(LaunchMethod::Exec) => Method::Exec,
        None => wanted.method,
    };
    launch.watched_by(watched, options.allow_input)?.run(&home, method).map(|ended| ended.code())
}

/// Starts a monitor that outlives this run, as `monitor start` does; stdout is the agent's.
fn start_monitor(home: &Home, settings: &Settings, port: u16) -> Result<u16, Failure> {
    let listening = start::listening(home, settings, &ListenOptions::default())?;
    let plan = Plan { dashboard: Dashboard::Default, mode: Mode::Background, ..listening };
    let started =
        start::in_the_background(plan, settings, Asked::Exactly(port), Means { force: false, no_reclaim: false })?;
    report::note(format_args!("Monitor: http://localhost:{}", started.known.port));
    Ok(started.known.port)
}
