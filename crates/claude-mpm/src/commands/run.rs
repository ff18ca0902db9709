//! `claude-mpm run`, bare `claude-mpm`, `--websocket` and `--manager`: an agent under the monitor.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::cli::{self, AgentOptions, LaunchMethod, RunArgs};
use crate::daemon::{browser, instance};
use crate::launch::{Launch, Method};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// How long a monitor may take to answer before the agent is started without waiting for it.
const START_MAX: Duration = Duration::from_secs(10);

/// What was asked for, by whichever way.
struct Wanted {
    /// Start a monitor if none runs.
    monitor: bool,
    port: u16,
    browser: bool,
    method: Method,
}

/// Runs `claude-mpm run`; the exit code is the agent's.
pub(crate) fn run(options: &RunArgs) -> Result<u8, Failure> {
    let home = Home::find()?;
    let settings = Settings::load(&home)?;
    let monitor = options.monitor || settings.monitoring.enabled == Some(true);
    let usual = if options.monitor { Method::Subprocess } else { Method::Exec };
    let wanted = Wanted {
        monitor,
        port: cli::port(options.port, &settings),
        browser: options.monitor && !options.no_browser,
        method: method(options.launch_method, usual),
    };
    launch(&home, &wanted, options.agent_command.as_deref(), options.arguments.clone())
}

/// Runs bare `claude-mpm`, with or without `--websocket` or `--manager`.
pub(crate) fn bare(options: &AgentOptions) -> Result<u8, Failure> {
    let home = Home::find()?;
    let settings = Settings::load(&home)?;
    let watched = options.websocket || options.websocket_port.is_some() || options.manager;
    let wanted = Wanted {
        monitor: watched || settings.monitoring.enabled == Some(true),
        port: cli::port(options.websocket_port, &settings),
        browser: options.manager && !options.no_browser,
        method: method(options.launch_method, Method::Exec),
    };
    launch(&home, &wanted, options.agent_command.as_deref(), options.arguments.clone())
}

fn method(said: Option<LaunchMethod>, usual: Method) -> Method {
    match said {
        Some(LaunchMethod::Subprocess) => Method::Subprocess,
        Some(LaunchMethod::Exec) => Method::Exec,
        None => usual,
    }
}

fn launch(
    home: &Home,
    wanted: &Wanted,
    command: Option<&std::ffi::OsStr>,
    arguments: Vec<std::ffi::OsString>,
) -> Result<u8, Failure> {
    let mut runs = instance::running(home, wanted.port).is_some();
    // First the agent: where there is none, no monitor is started for it.
    let found = Launch::new(command, arguments.clone(), Some(wanted.port))?;
    if !runs && wanted.monitor {
        start_monitor(home, wanted.port)?;
        runs = true;
    }
    let found = if runs { found } else { Launch::new(command, arguments, None)? };
    if runs && wanted.browser {
        browser::open(&format!("http://localhost:{}", wanted.port));
    }
    found.run(home, wanted.method).map(|ended| ended.code())
}

/// Starts a monitor that outlives this run, and waits until it answers.
fn start_monitor(home: &Home, port: u16) -> Result<(), Failure> {
    let failed = |reason: &dyn std::fmt::Display| {
        Failure::new(
            "The monitor was not started, and so the agent was not",
            reason,
            "Use --port to specify a different port, or run the agent without --monitor",
        )
    };
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let port_text = port.to_string();
    let mut child = std::process::Command::new(program)
        .args(["monitor", "start", "--port", &port_text])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    let deadline = Instant::now() + START_MAX;
    while instance::running(home, port).is_none() {
        if let Ok(Some(status)) = child.try_wait()
            && !status.success()
        {
            let mut reason = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                let _ = std::io::Read::read_to_string(&mut stderr, &mut reason);
            }
            let first = reason.lines().next().unwrap_or_default().trim_start_matches("Error: ").to_owned();
            return Err(failed(&if first.is_empty() { "it ended at once".to_owned() } else { first }));
        }
        if Instant::now() > deadline {
            return Err(failed(&format!("it does not answer on port {port}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    report::note(format_args!("Monitor: http://localhost:{port}"));
    Ok(())
}
