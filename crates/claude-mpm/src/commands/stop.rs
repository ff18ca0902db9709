//! `claude-mpm monitor stop`: ends monitors of this user, and nobody else's processes.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::cli::StopArgs;
use crate::daemon::instance::{self, Running};
use crate::paths::Home;
use crate::report::{self, Failure};

/// A monitor says goodbye to its clients, and writes down what it was told, within this.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Between two looks whether it is gone.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Runs it.
pub(crate) fn run(options: &StopArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let running = match options.port {
        Some(port) => vec![instance::running(&home, port).ok_or_else(|| not_running(port))?],
        None => instance::all_running(&home),
    };
    if running.is_empty() {
        let reason = "no monitor of yours answers on any port";
        return Err(
            Failure::new("No monitoring server is running", reason, "Start one with 'claude-mpm-monitor'").with_code(3)
        );
    }
    report::line("Stopping monitoring server...");
    for monitor in &running {
        stop(monitor, options.force)?;
        let goodbye = if options.force { "at once" } else { "gracefully" };
        report::line(format_args!(
            "\n✓ Server on port {} stopped successfully\n  - Disconnected {} {goodbye}\n  - Process {} terminated",
            monitor.port,
            clients(monitor.connections),
            monitor.pid
        ));
    }
    report::line("\nMonitoring server stopped.");
    Ok(())
}

fn clients(count: u64) -> String {
    if count == 1 { "1 client".to_owned() } else { format!("{count} clients") }
}

fn not_running(port: u16) -> Failure {
    Failure::printed(format!(
        "Error: Server on port {port} is not running\nSuggestion: Use '/mpm-monitor start' to start the server"
    ))
    .with_code(3)
}

/// Signals a process that has just proved to be our monitor, and waits for its end.
fn stop(monitor: &Running, force: bool) -> Result<(), Failure> {
    let failed = |reason: String| {
        let suggestion = format!("Try 'claude-mpm monitor stop --port {} --force'", monitor.port);
        Failure::new(format!("Failed to stop the server on port {}", monitor.port), reason, suggestion)
    };
    let pid = i32::try_from(monitor.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| failed(format!("it says that its process id is {}", monitor.pid)))?;
    let signal = if force { Signal::KILL } else { Signal::TERM };
    kill_process(pid, signal).map_err(|error| failed(format!("signalling process {}: {error}", monitor.pid)))?;
    let began = Instant::now();
    while test_kill_process(pid).is_ok() && !instance::is_zombie(monitor.pid) {
        if began.elapsed() > STOP_MAX {
            return Err(failed(format!("process {} did not end within {} s", monitor.pid, STOP_MAX.as_secs())));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
