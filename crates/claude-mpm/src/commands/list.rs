//! `claude-mpm monitor list`: all running monitors of this user, whatever the folder one is in.

use crate::cli::ListArgs;
use crate::commands::status;
use crate::daemon::instance;
use crate::paths::Home;
use crate::report::{self, Failure};

/// Runs it. None running is an answer, too, with the code that says so.
pub(crate) fn run(options: &ListArgs) -> Result<(), Failure> {
    let (running, hung) = instance::all_alive(&Home::find()?);
    if options.json {
        report::line(status::in_json(&running, &hung, false));
    } else {
        report::line(format_args!(
            "{:<6} {:<16} {:<8} {:<12} {:<8} DASHBOARD",
            "PORT", "NAME", "PID", "UPTIME", "CLIENTS"
        ));
        for server in &running {
            report::line(format_args!(
                "{:<6} {:<16} {:<8} {:<12} {:<8} {}",
                server.known.port,
                server.known.plan.name.as_deref().unwrap_or("-"),
                server.known.pid,
                status::uptime(server.health.uptime),
                server.health.connections,
                server.known.dashboard_url()
            ));
        }
        if !hung.is_empty() {
            report::line(status::silent(&hung).trim_end());
        }
    }
    if running.is_empty() { Err(Failure::silent(3)) } else { Ok(()) }
}
