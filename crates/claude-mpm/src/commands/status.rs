//! `claude-mpm monitor status`: which monitors of this user run, and who has the ports. Exits with 3 when none runs.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use serde_json::json;

use crate::cli::StatusArgs;
use crate::daemon::instance::{self, Running};
use crate::paths::Home;
use crate::report::{self, Failure};

/// The ports that the documents speak of.
const PORTS: RangeInclusive<u16> = 8765..=8785;

/// Who has a port.
enum Holder<'a> {
    Ours(&'a Running),
    Another,
    Nobody,
}

/// Runs it.
pub(crate) fn run(options: &StatusArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let running = instance::all_running(&home);
    let text = if options.json { in_json(&running) } else { in_words(&running, options.show_ports) };
    report::line(text.trim_end());
    // What there is to say has been said; the code alone tells scripts that nothing runs.
    if running.is_empty() { Err(Failure::silent(3)) } else { Ok(()) }
}

fn in_json(running: &[Running]) -> String {
    let servers: Vec<_> = running
        .iter()
        .map(|server| {
            json!({ "port": server.port, "pid": server.pid, "uptime": server.uptime_s, "connections": server.connections,
                "dashboard": url(server.port), "status": server.status })
        })
        .collect();
    json!({ "servers": servers }).to_string()
}

fn in_words(running: &[Running], show_ports: bool) -> String {
    let mut text = format!("Monitoring Server Status\n========================\n\nActive Servers: {}\n", running.len());
    // Writing to a String cannot fail.
    if show_ports {
        let _ = write!(text, "{}", ports(running, is_free));
    } else {
        for (number, server) in running.iter().enumerate() {
            let _ = write!(
                text,
                "\nServer {}:\n  - Port: {}\n  - Dashboard: {}\n  - Process ID: {}\n  - Uptime: {}\n  - Connected Clients: {}\n  - Status: {}\n",
                number + 1,
                server.port,
                url(server.port),
                server.pid,
                uptime(server.uptime_s),
                server.connections,
                capitalised(&server.status)
            );
        }
    }
    if let Some(first) = running.first() {
        let _ = write!(text, "\nDashboard accessible at: {}\n", url(first.port));
    }
    text
}

fn ports(running: &[Running], is_free: impl Fn(u16) -> bool) -> String {
    let holders: Vec<_> = PORTS.map(|port| (port, holder(port, running, &is_free))).collect();
    let free = holders.iter().filter(|(_, holder)| matches!(holder, Holder::Nobody)).count();
    let mut text = format!("Available Ports: {free}\n\nPort Status ({}-{}):\n", PORTS.start(), PORTS.end());
    for (port, holder) in holders {
        let _ = match holder {
            Holder::Ours(server) => {
                writeln!(text, "  {port}: ✓ RUNNING (PID {}, {} clients)", server.pid, server.connections)
            }
            Holder::Another => writeln!(text, "  {port}: • IN USE"),
            Holder::Nobody => writeln!(text, "  {port}: ○ AVAILABLE"),
        };
    }
    text.push_str(
        "\nLegend:\n  ✓ RUNNING - Monitor server active\n  • IN USE - Used by another process\n  ○ AVAILABLE - Ready for use\n",
    );
    text
}

fn holder(port: u16, running: &[Running], is_free: impl Fn(u16) -> bool) -> Holder<'_> {
    match running.iter().find(|server| server.port == port) {
        Some(server) => Holder::Ours(server),
        None if is_free(port) => Holder::Nobody,
        None => Holder::Another,
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn url(port: u16) -> String {
    format!("http://localhost:{port}")
}

/// `2h 15m 30s`, without the units that are not needed.
fn uptime(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h {minutes}m {seconds}s"),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_of_the_range_has_its_line() {
        let server = Running { pid: 7, port: 8765, connections: 3, uptime_s: 0, status: "running".to_owned() };
        let text = ports(&[server], |port| port != 8766);
        let expected = "Available Ports: 19\n\nPort Status (8765-8785):\n  8765: ✓ RUNNING (PID 7, 3 clients)\n  8766: • IN USE\n  8767: ○ AVAILABLE\n";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("  87")).count(), 21);
    }

    #[test]
    fn uptime_is_told_in_the_documents_units() {
        assert_eq!(uptime(8130), "2h 15m 30s");
        assert_eq!((uptime(59), uptime(61)), ("59s".to_owned(), "1m 1s".to_owned()));
    }
}
