//! `claude-mpm monitor stop`: ends monitors of this user, and nobody else's processes.

use serde_json::json;

use crate::cli::StopArgs;
use crate::daemon::instance::{self, Instance};
use crate::daemon::probe;
use crate::paths::Home;
use crate::report::{self, Failure};

/// Runs it.
pub(crate) fn run(options: &StopArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let chosen = chosen(instance::all(&home), options.port, options.name.as_deref());
    let Some(chosen) = chosen else { return Err(not_running(options.port, options.name.as_deref())) };
    if !options.json {
        report::line("Stopping monitoring server...");
    }
    let mut stopped = Vec::new();
    for known in &chosen {
        let clients = probe::health_at(&known.plan.host, known.port).map_or(0, |health| health.connections);
        known.end(options.force).map_err(|reason| {
            let suggestion = format!("Try 'claude-mpm monitor stop --port {} --force'", known.port);
            Failure::new(format!("Failed to stop the server on port {}", known.port), reason, suggestion)
        })?;
        if !options.json {
            let goodbye = if options.force { "at once" } else { "gracefully" };
            report::line(format_args!(
                "\n✓ Server on port {} stopped successfully\n  - Disconnected {} {goodbye}\n  - Process {} terminated",
                known.port,
                report::count(clients, "client"),
                known.pid
            ));
        }
        stopped.push(json!({ "port": known.port, "pid": known.pid, "name": known.plan.name, "clients": clients }));
    }
    report::line(if options.json {
        json!({ "stopped": stopped }).to_string()
    } else {
        "\nMonitoring server stopped.".to_owned()
    });
    Ok(())
}

/// Those that are meant, whose process runs; `None` for none. One that does not answer is meant, too.
pub(crate) fn chosen(all: Vec<Instance>, port: Option<u16>, name: Option<&str>) -> Option<Vec<Instance>> {
    let is_meant = |known: &Instance| {
        port.is_none_or(|port| known.port == port) && name.is_none_or(|name| known.plan.name.as_deref() == Some(name))
    };
    let chosen: Vec<Instance> = all.into_iter().filter(|known| is_meant(known) && known.process().is_alive()).collect();
    (!chosen.is_empty()).then_some(chosen)
}

fn not_running(port: Option<u16>, name: Option<&str>) -> Failure {
    let failure = match (port, name) {
        (Some(port), _) => Failure::printed(format!(
            "Error: Server on port {port} is not running\nSuggestion: Use '/mpm-monitor start' to start the server"
        )),
        (None, Some(name)) => Failure::new(
            format!("Server {name} is not running"),
            "no monitor of yours has that name",
            format!("Use 'claude-mpm monitor start --name {name}' to start it"),
        ),
        (None, None) => Failure::new(
            "No monitoring server is running",
            "no monitor of yours answers on any port",
            "Start one with 'claude-mpm monitor start'",
        ),
    };
    failure.with_code(3)
}
