//! Who has a port: nobody, a monitor of ours, one of the scripts that may be ended, or a stranger.

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use super::instance::{self, Instance, Running};
use super::probe;
use super::process::Identity;
use crate::paths::Home;

/// The documents' scripts, and claude-mpm's own monitor: what `start` and `port` end to get a port, unless
/// `monitoring.reclaim` of the configuration says otherwise. A name matches an argument's last part, a name with a blank
/// the beginning of the arguments.
pub(crate) const RECLAIMED: [&str; 8] = [
    "launch_socketio_dashboard.py",
    "launch_monitor.py",
    "socketio_server.js",
    "socketio_server.py",
    "socketio_daemon.py",
    "test_websocket.py",
    "test_websocket_quick.py",
    "claude_mpm.services.monitor",
];

/// Who has it.
pub(crate) enum Holder {
    Nobody,
    /// A monitor of this user that answers.
    Ours(Box<Running>),
    /// One that does not.
    Hung(Box<Instance>),
    /// The dashboard port of a monitor of ours.
    Dashboard {
        of: u16,
        /// Whether it was asked for by number.
        asked: bool,
    },
    /// One of the scripts that may be ended.
    Script(Stranger),
    Stranger(Stranger),
}

/// A program that is none of our monitors.
#[derive(Clone, Debug)]
pub(crate) struct Stranger {
    /// What to call it.
    pub(crate) name: String,
    /// Its process, where the system tells: that of another user it does not.
    pub(crate) process: Option<Identity>,
}

impl std::fmt::Display for Stranger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.process {
            Some(process) => write!(f, "{} (PID {})", self.name, process.pid),
            None => f.write_str(&self.name),
        }
    }
}

/// Looks who has a port.
pub(crate) fn of(home: &Home, port: u16, reclaimed: &[String]) -> Holder {
    if let Some(running) = instance::running(home, port) {
        return Holder::Ours(Box::new(running));
    }
    let all = instance::all(home);
    if let Some(hung) = all.iter().find(|known| known.port == port && known.process().is_alive()) {
        return Holder::Hung(Box::new(hung.clone()));
    }
    if is_free(port) {
        return Holder::Nobody;
    }
    let dashboard = all.iter().find(|known| known.dashboard == Some(port) && known.process().is_alive());
    if let Some(dashboard) = dashboard {
        return Holder::Dashboard { of: dashboard.port, asked: dashboard.dashboard_asked };
    }
    let found = listener(port);
    let arguments = found.map(|process| arguments(process.pid)).unwrap_or_default();
    let stranger = Stranger { name: name(port, &arguments), process: found };
    if found.is_some() && is_script(&arguments, reclaimed) {
        Holder::Script(stranger)
    } else {
        Holder::Stranger(stranger)
    }
}

/// Whether a port can be taken on both loopback addresses, as far as there are two.
pub(crate) fn is_free(port: u16) -> bool {
    let taken =
        |bound: std::io::Result<TcpListener>| bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
    !taken(TcpListener::bind((Ipv4Addr::LOCALHOST, port))) && !taken(TcpListener::bind((Ipv6Addr::LOCALHOST, port)))
}

/// What a stranger is, for people.
fn name(port: u16, arguments: &[String]) -> String {
    if probe::stranger(port).is_some_and(|health| health.service == server::SERVICE) {
        return match arguments.first() {
            Some(program) if last_part(program).starts_with("python") => "the Python claude-mpm's monitor".to_owned(),
            Some(_) => "a monitor that this home knows nothing of".to_owned(),
            None => "another user's monitor".to_owned(),
        };
    }
    let Some(program) = arguments.first() else { return "a program of another user".to_owned() };
    let script = arguments.get(1).filter(|argument| !argument.starts_with('-'));
    let is_interpreter =
        ["python", "node", "bash", "sh", "ruby", "perl"].iter().any(|name| last_part(program).starts_with(name));
    match script {
        Some(script) if is_interpreter => format!("{} {}", last_part(program), last_part(script)),
        _ => last_part(program).to_owned(),
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a process runs one of the named scripts, or claude-mpm's monitor under Python.
fn is_script(arguments: &[String], reclaimed: &[String]) -> bool {
    let named =
        arguments.iter().any(|argument| reclaimed.iter().any(|name| last_part(argument) == name || argument == name));
    let is_python = arguments.first().is_some_and(|program| last_part(program).starts_with("python"));
    let is_monitor = arguments.iter().any(|argument| matches!(last_part(argument), "claude-mpm" | "claude_mpm"))
        && arguments.iter().any(|argument| argument == "monitor");
    named
        || (is_python && is_monitor)
        || arguments.iter().any(|argument| is_python && last_part(argument) == "claude-mpm-monitor")
}

fn arguments(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    bytes
        .split(|byte| *byte == 0)
        .filter(|part| !part.is_empty())
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect()
}

/// The process that listens on a port, if it is this user's.
fn listener(port: u16) -> Option<Identity> {
    let sockets = listening(port);
    if sockets.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let holds = |pid: u32| {
        fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|link| sockets.contains(link.to_string_lossy().as_ref()))
        })
    };
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid| holds(*pid))
        .and_then(Identity::of)
}

/// The listening sockets of a port, as `/proc/PID/fd` names them.
fn listening(port: u16) -> HashSet<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|path| fs::read_to_string(path).ok());
    let suffix = format!(":{port:04X}");
    let inode = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_listening = words.get(1)?.ends_with(&suffix) && *words.get(3)? == "0A";
        is_listening.then(|| format!("socket:[{}]", words.get(9).copied().unwrap_or_default()))
    };
    tables.flat_map(|table| table.lines().filter_map(inode).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_listens_is_found_by_its_port() {
        let listener_here = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener_here.local_addr().unwrap().port();
        assert_eq!(listener(port), Some(Identity::own()));
        assert!(!is_free(port));
        drop(listener_here);
        assert_eq!(listener(port), None);
    }

    #[test]
    fn only_the_named_scripts_and_the_python_monitor_may_be_ended() {
        let list: Vec<String> = RECLAIMED.iter().map(|name| (*name).to_owned()).collect();
        for (line, may) in [
            ("python3 scripts/launch_socketio_dashboard.py --port 3000", true),
            ("node /opt/mpm/scripts/socketio_server.js", true),
            ("/usr/bin/python3 -m claude_mpm.services.monitor", true),
            ("/usr/bin/python3 /usr/local/bin/claude-mpm monitor start", true),
            ("/usr/bin/python3 /usr/local/bin/claude-mpm run", false),
            ("python3 -m http.server 8765", false),
            ("node server.js", false),
            ("vim socketio_server.js.bak", false),
            ("", false),
        ] {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(is_script(&arguments, &list), may, "{line}");
        }
    }
}
