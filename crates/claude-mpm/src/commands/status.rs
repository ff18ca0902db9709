//! `claude-mpm monitor status`: which monitors of this user run, and who has the ports. Exits with 3 when none runs.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::StatusArgs;
use crate::daemon::control::{self, Activity, Request};
use crate::daemon::holder::{self, Holder};
use crate::daemon::instance::{self, Instance, Running};
use crate::daemon::policy::RANGE;
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// Runs it.
pub(crate) fn run(options: &StatusArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let (mut running, mut hung) = instance::all_alive(&home);
    if let Some(name) = &options.name {
        running.retain(|server| server.known.plan.name.as_ref() == Some(name));
        hung.retain(|known| known.plan.name.as_ref() == Some(name));
    }
    let text = if options.json {
        let mut said = in_json(&running, &hung, options.verbose);
        if options.show_ports {
            said["ports"] = holders(&home)?.iter().map(|(port, holder)| port_in_json(*port, holder)).collect();
        }
        said.to_string()
    } else {
        let holders = if options.show_ports { holders(&home)? } else { Vec::new() };
        in_words(&running, &hung, options.verbose, &holders)
    };
    report::line(text.trim_end());
    // What there is to say has been said; the code alone tells scripts that nothing runs.
    if running.is_empty() { Err(Failure::silent(3)) } else { Ok(()) }
}

/// All of it, for programs.
pub(crate) fn in_json(running: &[Running], hung: &[Instance], verbose: bool) -> Value {
    let servers: Vec<_> = running
        .iter()
        .map(|Running { known, health }| {
            let mut said = json!({ "port": known.port, "host": known.plan.host, "name": known.plan.name, "pid": known.pid,
                "url": known.url(), "dashboard": known.dashboard_url(), "dashboard_port": known.dashboard,
                "started": Timestamp::from_millisecond(known.started_at).map(|time| time.to_string()).unwrap_or_default(),
                "uptime": health.uptime, "connections": health.connections, "status": health.status,
                "health": health.health, "reasons": health.reasons, "version": health.version, "instance": known.instance,
                "mode": known.plan.mode.word(), "log": known.log, "supervised": known.plan.once.supervisor.is_some(),
                "restarts": known.plan.once.restarts });
            if verbose {
                said["activity"] = json!(activity(known));
            }
            said
        })
        .collect();
    let hung: Vec<_> = hung
        .iter()
        .map(|known| json!({ "port": known.port, "name": known.plan.name, "pid": known.pid, "fix": known.silence().1 }))
        .collect();
    json!({ "servers": servers, "not_answering": hung })
}

/// Monitors whose process is there, and does not answer.
pub(crate) fn silent(hung: &[Instance]) -> String {
    let mut text = String::new();
    for known in hung {
        let (said, fix) = known.silence();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "✗ Monitor: {said}\n    Fix: {fix}");
    }
    text
}

fn in_words(running: &[Running], hung: &[Instance], verbose: bool, holders: &[(u16, Holder)]) -> String {
    let (title, rule) = if verbose {
        ("Monitoring Server Status (Detailed)", "====================================")
    } else {
        ("Monitoring Server Status", "========================")
    };
    let mut text = format!("{title}\n{rule}\n\nActive Servers: {}\n", running.len());
    if !holders.is_empty() {
        text.push_str(&ports(holders));
    }
    if holders.is_empty() || verbose {
        let mut clients = String::new();
        for (number, server) in running.iter().enumerate() {
            text.push_str(&if verbose {
                detailed(number + 1, server, &mut clients)
            } else {
                brief(number + 1, server)
            });
        }
        text.push_str(&clients);
    }
    if !hung.is_empty() {
        text.push('\n');
        text.push_str(&silent(hung));
    }
    if let Some(first) = running.first() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nDashboard accessible at: {}\n", first.known.dashboard_url());
    }
    text
}

fn brief(number: usize, Running { known, health }: &Running) -> String {
    let name = known.plan.name.as_ref().map(|name| format!("  - Name: {name}\n")).unwrap_or_default();
    format!(
        "\nServer {number}:\n  - Port: {}\n{name}  - Dashboard: {}\n  - Process ID: {}\n  - Uptime: {}\n  - Connected Clients: {}\n{}  - Status: {}\n",
        known.port,
        known.dashboard_url(),
        known.pid,
        uptime(health.uptime),
        health.connections,
        supervised(known),
        capitalised(&health.status)
    )
}

fn detailed(number: usize, Running { known, health }: &Running, clients: &mut String) -> String {
    let activity = activity(known);
    let name = known.plan.name.as_ref().map(|name| format!("  - Name: {name}\n")).unwrap_or_default();
    let dashboard = known.dashboard.map(|port| format!("  - Dashboard Port: {port}\n")).unwrap_or_default();
    let started = Timestamp::from_millisecond(known.started_at).map_or_else(
        |_| "unknown".to_owned(),
        |time| time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    );
    let rate = activity.events as f64 / (health.uptime.max(1) as f64);
    if !activity.clients.is_empty() {
        let _ = write!(
            clients,
            "\nClient Connections{}:\n",
            if number > 1 { format!(" of Server {number}") } else { String::new() }
        );
        for (place, client) in activity.clients.iter().enumerate() {
            let address = client.address.as_deref().unwrap_or("unknown address");
            let _ = writeln!(
                clients,
                "  {}. {} ({address}) - Connected {} ago",
                place + 1,
                client.name,
                roughly(client.connected)
            );
        }
    }
    format!(
        "\nServer {number}:\n  - Port: {}\n{name}  - Host: {}\n  - Dashboard: {}\n{dashboard}  - Process ID: {}\n  - Started: {started}\n  - Uptime: {}\n  - Connected Clients: {}\n  - Events Processed: {}\n  - Average Event Rate: {rate:.2}/sec\n{}  - Status: {} ({})\n",
        known.port,
        known.plan.host,
        known.dashboard_url(),
        known.pid,
        uptime(health.uptime),
        health.connections,
        grouped(activity.events),
        supervised(known),
        capitalised(&health.status),
        std::iter::once(capitalised(&health.health))
            .chain(health.reasons.iter().map(|reason| report::harmless(reason)))
            .collect::<Vec<_>>()
            .join(": ")
    )
}

/// Said only where it is so: the document's lines are for a monitor that nobody watches over.
fn supervised(known: &instance::Instance) -> String {
    match (known.plan.once.supervisor, known.plan.once.restarts) {
        (None, _) => String::new(),
        (Some(_), 0) => "  - Supervised: yes, it has not crashed\n".to_owned(),
        (Some(_), times) => {
            format!("  - Supervised: started again {} after a crash\n", report::count(u64::from(times), "time"))
        }
    }
}

/// What only the monitor itself knows; one without an ear for commands counts as idle.
fn activity(known: &instance::Instance) -> Activity {
    let said = control::ask(&known.folder(), Request::Clients).ok();
    said.and_then(|said| serde_json::from_value(said).ok()).unwrap_or_default()
}

fn holders(home: &Home) -> Result<Vec<(u16, Holder)>, Failure> {
    let reclaimed = Settings::load(home)?.reclaimed();
    Ok(RANGE.map(|port| (port, holder::of(home, port, &reclaimed))).collect())
}

fn ports(holders: &[(u16, Holder)]) -> String {
    let free = holders.iter().filter(|(_, holder)| matches!(holder, Holder::Nobody)).count();
    let mut text = format!("Available Ports: {free}\n\nPort Status ({}-{}):\n", RANGE.start(), RANGE.end());
    for (port, holder) in holders {
        let _ = match holder {
            Holder::Ours(server) => writeln!(
                text,
                "  {port}: ✓ RUNNING (PID {}, {})",
                server.known.pid,
                report::count(server.health.connections, "client")
            ),
            Holder::Hung(known) => {
                writeln!(text, "  {port}: • IN USE (your monitor, PID {}, does not answer)", known.pid)
            }
            Holder::Dashboard { of, .. } => writeln!(text, "  {port}: • IN USE (Dashboard for {of})"),
            Holder::Script(stranger) | Holder::Stranger(stranger) => writeln!(text, "  {port}: • IN USE ({stranger})"),
            Holder::Nobody => writeln!(text, "  {port}: ○ AVAILABLE"),
        };
    }
    text.push_str(
        "\nLegend:\n  ✓ RUNNING - Monitor server active\n  • IN USE - Used by another process\n  ○ AVAILABLE - Ready for use\n",
    );
    text
}

fn port_in_json(port: u16, holder: &Holder) -> Value {
    match holder {
        Holder::Ours(server) => json!({ "port": port, "state": "running", "pid": server.known.pid }),
        Holder::Hung(known) => json!({ "port": port, "state": "in_use", "by": "hung monitor", "pid": known.pid }),
        Holder::Dashboard { of, .. } => json!({ "port": port, "state": "in_use", "by": "dashboard", "of": of }),
        Holder::Script(by) | Holder::Stranger(by) => {
            json!({ "port": port, "state": "in_use", "by": by.name, "pid": by.process.map(|process| process.pid) })
        }
        Holder::Nobody => json!({ "port": port, "state": "available" }),
    }
}

/// `2h 15m 30s`, without the units that are not needed.
pub(crate) fn uptime(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h {minutes}m {seconds}s"),
    }
}

/// `2h 10m`, as the document tells how long a client has been there; seconds only in the first minute.
fn roughly(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h {minutes}m"),
    }
}

/// `1,247`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_documents() {
        assert_eq!(uptime(8130), "2h 15m 30s");
        assert_eq!((uptime(59), uptime(61)), ("59s".to_owned(), "1m 1s".to_owned()));
        assert_eq!(
            (roughly(7_800), roughly(6_300), roughly(1_800), roughly(9)),
            ("2h 10m".to_owned(), "1h 45m".to_owned(), "30m".to_owned(), "9s".to_owned())
        );
        assert_eq!(
            (grouped(1_247), grouped(12), grouped(1_000_000)),
            ("1,247".to_owned(), "12".to_owned(), "1,000,000".to_owned())
        );
    }
}
