//! `claude-mpm status`: how everything is, at a glance. Exits with 3 when no monitor runs.

use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};
use std::time::Duration;

use crate::cli::OverviewArgs;
use crate::commands::{doctor, status};
use crate::daemon::instance::{self, Running};
use crate::daemon::probe;
use crate::paths::Home;
use crate::report::{self, Failure};

/// How long the monitor may take to list its sessions.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Runs it.
pub(crate) fn run(options: &OverviewArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let (running, hung) = instance::all_alive(&home);
    let checks = doctor::all(&home);
    if options.json {
        let mut said = status::in_json(&running, &hung, false);
        for (place, server) in running.iter().enumerate() {
            said["servers"][place]["sessions"] = json!(sessions(server));
        }
        said["checks"] = checks.iter().map(doctor::Check::in_json).collect();
        report::line(said);
    } else {
        report::line("Claude MPM Status\n=================\n");
        if !hung.is_empty() {
            report::line(status::silent(&hung).trim_end());
        } else if running.is_empty() {
            report::line("✗ Monitor: none is running\n    Fix: claude-mpm monitor start");
        }
        for server in &running {
            let name = server.known.plan.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
            report::line(format_args!(
                "✓ Monitor{name}: {} (PID {}, up {}, {})",
                server.known.dashboard_url(),
                server.known.pid,
                status::uptime(server.health.uptime),
                report::count(server.health.connections, "client")
            ));
            report::line(format_args!("  Sessions: {}", told(&sessions(server))));
        }
        // The monitors are above.
        for check in
            checks.iter().filter(|check| !matches!(check.name, "Monitor" | "Stale files" | "Clock" | "Transcripts"))
        {
            report::line(check.in_words());
        }
    }
    if running.is_empty() { Err(Failure::silent(3)) } else { Ok(()) }
}

/// How many sessions are in which state, the most urgent first.
fn sessions(server: &Running) -> Option<Vec<(String, u64)>> {
    let request = probe::get(server.known.port, "/api/v1/sessions").body(Full::<Bytes>::default()).ok()?;
    let (code, body) = probe::ask_at(&server.known.plan.host, server.known.port, request, ANSWER_MAX)?;
    let said: Value = serde_json::from_slice(&body).ok().filter(|_| code == 200)?;
    let mut counts: Vec<(String, u64)> = Vec::new();
    for session in said["sessions"].as_array()? {
        let state = session["state"].as_str().unwrap_or("unknown");
        match counts.iter_mut().find(|(known, _)| known == state) {
            Some((_, count)) => *count += 1,
            None => counts.push((state.to_owned(), 1)),
        }
    }
    Some(counts)
}

fn told(counts: &Option<Vec<(String, u64)>>) -> String {
    match counts {
        None => "not told (the token is needed)".to_owned(),
        Some(counts) if counts.is_empty() => "none yet".to_owned(),
        Some(counts) => {
            let words: Vec<String> =
                counts.iter().map(|(state, count)| format!("{count} {}", report::harmless(state))).collect();
            words.join(", ")
        }
    }
}
