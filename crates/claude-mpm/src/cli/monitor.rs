//! The commands and flags of `claude-mpm monitor`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::InstallServiceArgs;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct MonitorArgs {
    #[command(subcommand)]
    pub(crate) command: Option<MonitorCommand>,
    #[command(flatten)]
    pub(crate) options: LauncherOptions,
}

#[derive(Subcommand)]
pub(crate) enum MonitorCommand {
    /// Start the monitor in the background
    #[command(after_help = "Examples:
  claude-mpm monitor start
  claude-mpm monitor start --port 8770 --dashboard --dashboard-port 8771
  claude-mpm monitor start --name project1
  claude-mpm monitor start --foreground --verbose
  claude-mpm monitor start --force --port 8765")]
    Start(StartArgs),
    /// Stop a running monitor, or all of yours
    #[command(after_help = "Examples:
  claude-mpm monitor stop
  claude-mpm monitor stop --port 8765
  claude-mpm monitor stop --force

Exits with 3 if none is running.")]
    Stop(StopArgs),
    /// Restart a running monitor, or all of yours; clients come back by themselves and miss nothing
    #[command(after_help = "Host, ports, name, TLS and token stay as they are, unless they are named here.

Examples:
  claude-mpm monitor restart
  claude-mpm monitor restart --port 8770
  claude-mpm monitor restart --port 8765 --host 0.0.0.0
  claude-mpm monitor restart --dashboard-port 8766")]
    Restart(RestartArgs),
    /// Say which monitors of yours run
    #[command(after_help = "Examples:
  claude-mpm monitor status
  claude-mpm monitor status --verbose
  claude-mpm monitor status --show-ports
  claude-mpm monitor status --json

Exits with 3 if none is running.")]
    Status(StatusArgs),
    /// Start the monitor on a port, or restart the one that has it
    #[command(after_help = "Examples:
  claude-mpm monitor port 8765
  claude-mpm monitor port 8770 --host 0.0.0.0
  claude-mpm monitor port 8765 --force")]
    Port(PortArgs),
    /// List all running monitors of yours, one a line
    List(ListArgs),
    /// Open the dashboard of the running monitor in a browser
    Open(OpenArgs),
    /// Print events: the latest, and with --follow those that come
    #[command(after_help = "Examples:
  claude-mpm monitor tail
  claude-mpm monitor tail -f is:error
  claude-mpm monitor tail -n 50 'tool:Bash \"exit code 1\"'
  claude-mpm monitor tail -f --json ns:/hook | jq .summary

The query is the page's own language; docs/monitor.md lists its terms.")]
    Tail(TailArgs),
    /// Print the log of a monitor
    Logs(LogsArgs),
    /// Find a free port, or say who has one
    #[command(after_help = "Examples:
  claude-mpm monitor find-port
  claude-mpm monitor find-port 8766

Exits with 1 if that port, or every port up to 8785, is taken.")]
    FindPort(FindPortArgs),
    /// Try every way to connect to a monitor, and say how long each takes
    #[command(after_help = "Examples:
  claude-mpm monitor test-connection
  claude-mpm monitor test-connection 8766

Exits with 1 if a way fails, with 3 if nothing answers.")]
    TestConnection(TestConnectionArgs),
    /// Write a systemd user unit or launchd agent that starts the monitor when you log in
    #[command(after_help = "Examples:
  claude-mpm monitor install-service --dry-run
  claude-mpm monitor install-service --port 8770
  claude-mpm monitor install-service --uninstall")]
    InstallService(InstallServiceArgs),
    /// Make the hash of a password on stdin, for monitoring.admin.password_hash
    HashPassword,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LauncherOptions {
    /// The port to use, exactly [default: 8765]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Do not stay in this terminal
    #[arg(long)]
    pub(crate) background: bool,
    /// The monitor of that name, which has a port and a history of its own
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) listen: ListenOptions,
}

/// Where a monitor listens, and how.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ListenOptions {
    /// The host to listen on [default: localhost]
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Listen beyond this machine without a token
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Speak TLS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// The second port, which serves the page, too.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DashboardOptions {
    /// Serve the dashboard on a port of its own, too (this is the default)
    #[arg(long, conflicts_with = "no_dashboard")]
    pub(crate) dashboard: bool,
    /// That port, exactly [default: 8766, or the next free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "no_dashboard")]
    pub(crate) dashboard_port: Option<u16>,
    /// Open no second port; the dashboard is at the server's in any case
    #[arg(long)]
    pub(crate) no_dashboard: bool,
}

/// What may be done to get a port.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct ReclaimOptions {
    /// End monitors of yours that have the port and do not answer; never anybody else's program
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave debug scripts alone that have the port
    #[arg(long)]
    pub(crate) no_reclaim: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StartArgs {
    /// The port to use, exactly; 0 for any free one [default: 8765, or a free one up to 8785]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// The monitor of that name, which has a port and a history of its own
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) dashboard: DashboardOptions,
    /// Stay in this terminal
    #[arg(long, conflicts_with = "background")]
    pub(crate) foreground: bool,
    /// Do not stay in this terminal (this is the default)
    #[arg(long)]
    pub(crate) background: bool,
    /// Start it again whenever it crashes
    #[arg(long)]
    pub(crate) supervise: bool,
    /// Say more about what is done; in the foreground, log more
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reclaim: ReclaimOptions,
    #[command(flatten)]
    pub(crate) listen: ListenOptions,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StopArgs {
    /// The port of the monitor to stop [default: all of yours]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// The name of the monitor to stop
    #[arg(long, value_parser = name, conflicts_with = "port")]
    pub(crate) name: Option<String>,
    /// End it at once, without waiting for its clients; what is acknowledged is on disk all the same
    #[arg(long)]
    pub(crate) force: bool,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RestartArgs {
    /// The port of the monitor to restart [default: all of yours]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// The name of the monitor to restart
    #[arg(long, value_parser = name, conflicts_with = "port")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) dashboard: DashboardOptions,
    /// Start it again when it crashes; one that was supervised stays so
    #[arg(long)]
    pub(crate) supervise: bool,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) listen: ListenOptions,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PortArgs {
    /// The port
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) dashboard: DashboardOptions,
    #[command(flatten)]
    pub(crate) reclaim: ReclaimOptions,
    #[command(flatten)]
    pub(crate) listen: ListenOptions,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StatusArgs {
    /// Only the monitor of that name
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
    /// Also say who is connected, and how many events there were
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Say who has each port from 8765 to 8785
    #[arg(long)]
    pub(crate) show_ports: bool,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct OpenArgs {
    /// The port of the monitor [default: 8765, or the only one that runs]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Print the address, and open nothing
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TailArgs {
    /// What the events have to match
    pub(crate) query: Vec<String>,
    /// Go on with what comes
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many of the latest events come first
    #[arg(long, short = 'n', default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=5000))]
    pub(crate) lines: u32,
    /// An event as JSON a line
    #[arg(long)]
    pub(crate) json: bool,
    /// The port of the monitor [default: 8765, or the only one that runs]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LogsArgs {
    /// Go on with what comes
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many of the last lines come first
    #[arg(long, short = 'n', default_value_t = 50)]
    pub(crate) lines: usize,
    /// The port of the monitor [default: the newest one's]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct FindPortArgs {
    /// Only this port
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TestConnectionArgs {
    /// The port of the monitor [default: 8765, or the only one that runs]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A name becomes a folder, and must not look like a port, which is one, too.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let begins = text.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if !begins || text.len() > 64 || !text.chars().all(is_word) {
        return Err(
            "a name has up to 64 letters, digits, \"-\", \"_\" and \".\", and begins with a letter or digit".to_owned()
        );
    }
    if text.chars().all(|letter| letter.is_ascii_digit()) {
        return Err("a name of digits alone is a port; use --port".to_owned());
    }
    Ok(text.to_owned())
}
