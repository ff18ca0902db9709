//! Every command and flag.

mod monitor;
mod setup;

use clap::{Args, Parser, Subcommand};

pub(crate) use monitor::{
    FindPortArgs, LauncherOptions, ListArgs, ListenOptions, LogsArgs, MonitorArgs, MonitorCommand, OpenArgs, PortArgs,
    RestartArgs, StartArgs, StatusArgs, StopArgs, TailArgs, TestConnectionArgs,
};

use crate::settings::Settings;

pub(crate) use setup::{
    CompletionsArgs, ConfigArgs, ConfigCommand, DashboardArgs, DoctorArgs, InitArgs, InstallServiceArgs, ManArgs,
    OverviewArgs,
};

/// Where the monitor listens if nobody says otherwise.
pub(crate) const PORT_DEFAULT: u16 = 8765;

/// Watch AI coding agents, live and afterwards.
#[derive(Parser)]
#[command(name = "claude-mpm", version, about, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) agent: AgentOptions,
}

/// Without a command: run the agent, watched by the monitor that runs.
#[derive(Args, Clone, Debug)]
pub(crate) struct AgentOptions {
    /// Watch the agent: start the monitor if none runs
    #[arg(long)]
    pub(crate) websocket: bool,
    /// The port of the monitor [default: 8765]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) websocket_port: Option<u16>,
    /// Watch the agent, and open the page
    #[arg(long)]
    pub(crate) manager: bool,
    #[command(flatten)]
    pub(crate) launch: LaunchOptions,
}

/// What is run, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct LaunchOptions {
    /// Do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Run the agent below this process, or in place of it [default: subprocess for run --monitor, else exec]
    #[arg(long, value_enum)]
    pub(crate) launch_method: Option<LaunchMethod>,
    /// Another program than `claude`
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) agent_command: Option<std::ffi::OsString>,
    /// Let authorised clients of the monitor type prompts into the agent's terminal
    #[arg(long)]
    pub(crate) allow_input: bool,
    /// What the agent is given
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) arguments: Vec<std::ffi::OsString>,
}

/// How an agent is run.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub(crate) enum LaunchMethod {
    /// Below this process, in a pseudo terminal: its output is seen, too
    Subprocess,
    /// In place of this process: its hooks and telemetry are seen
    Exec,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// Start the monitor if none runs, and open its page
    #[arg(long)]
    pub(crate) monitor: bool,
    /// The port of the monitor [default: 8765]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) launch: LaunchOptions,
}

/// Open the monitor of Claude Code sessions: reuse the one that runs, or start one.
#[derive(Parser)]
#[command(name = "claude-mpm-monitor", version, about)]
pub(crate) struct LauncherCli {
    #[command(flatten)]
    pub(crate) options: LauncherOptions,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Open the monitor, or control it
    Monitor(MonitorArgs),
    /// Run the agent, watched by the monitor
    Run(RunArgs),
    /// Say which agents run under a monitor, and tell one to stop what it does, to end, or a prompt
    #[command(after_help = "Examples:
  claude-mpm runs
  claude-mpm runs interrupt 3f2a
  claude-mpm runs stop 3f2a --force
  claude-mpm runs prompt 3f2a 'Now run the tests'   # needs a run with --allow-input")]
    Runs(RunsArgs),
    /// Install, remove or check the hooks that feed the monitor
    Hooks {
        #[command(subcommand)]
        command: HooksCommand,
    },
    /// Say how everything is: monitors, hooks, sessions, configuration
    Status(OverviewArgs),
    /// Look for what keeps events from being seen, and say how to mend it
    #[command(after_help = "Examples:
  claude-mpm doctor
  claude-mpm doctor --fix
  claude-mpm doctor --json

Exits with 1 if something is broken.")]
    Doctor(DoctorArgs),
    /// Show every value of the configuration and where it comes from, or change one
    #[command(after_help = "Examples:
  claude-mpm config
  claude-mpm config get monitoring.port
  claude-mpm config set monitoring.port 8770
  claude-mpm config set monitoring.cors.origins '[https://dash.example.com]'")]
    Config(ConfigArgs),
    /// Set up hooks, slash commands and configuration, for this project or for you
    #[command(after_help = "Examples:
  claude-mpm init --dry-run
  claude-mpm init
  claude-mpm init --user --port 8770")]
    Init(InitArgs),
    /// Open the dashboard, and start the monitor in this terminal if none runs
    #[command(after_help = "Examples:
  claude-mpm dashboard
  claude-mpm dashboard --port 3000 --no-browser
  claude-mpm dashboard --admin-only
  claude-mpm dashboard --setup-only")]
    Dashboard(DashboardArgs),
    /// Print the completions for a shell
    #[command(after_help = "Examples:
  claude-mpm completions bash > ~/.local/share/bash-completion/completions/claude-mpm
  claude-mpm completions zsh > ~/.zfunc/_claude-mpm
  claude-mpm completions fish > ~/.config/fish/completions/claude-mpm.fish")]
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    #[command(after_help = "Example:
  claude-mpm man ~/.local/share/man/man1")]
    Man(ManArgs),
    /// Play a recorded day of eight sessions into the monitor, to see it alive without Claude Code
    Demo(DemoArgs),
    /// Tell the monitor of an event of your own
    Emit(EmitArgs),
    /// Look after what is stored: copies, checks, exports, the key
    Store(StoreArgs),
    /// Record one hook from stdin (Claude Code runs this)
    #[command(disable_help_flag = true)]
    Hook {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunsArgs {
    /// The port of the monitor [default: all of yours]
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum RunsCommand {
    /// Make it leave off what it does: Escape in Claude Code's terminal, Ctrl-C elsewhere
    Interrupt {
        /// The beginning of the id of a run or its session
        run: String,
    },
    /// End it
    Stop {
        /// The beginning of the id of a run or its session
        run: String,
        /// Without a chance to clean up
        #[arg(long)]
        force: bool,
    },
    /// Type a prompt into its terminal, if it was started with --allow-input
    Prompt {
        /// The beginning of the id of a run or its session
        run: String,
        /// What to type; `-` reads it from stdin
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// The port of the monitor to play into [default: 8765]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// How much faster than recorded, from 0.1 to 1000; the recording takes about 90 seconds
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,
    /// Stay as the client of the sessions afterwards, until Ctrl C: what waits for a person goes on waiting
    #[arg(long)]
    pub(crate) stay: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EmitArgs {
    /// A namespace, such as system or /log
    pub(crate) namespace: String,
    /// The event's name
    pub(crate) event: String,
    /// Its data as JSON; `-` reads it from stdin [default: {}]
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// Only the clients of this room get it live
    #[arg(long)]
    pub(crate) room: Option<String>,
    /// The port of the monitor [default: 8765]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StoreArgs {
    /// The port of the monitor whose store it is [default: 8765]
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// The name of the monitor, if it was started with one
    #[arg(long, global = true, value_parser = monitor::name)]
    pub(crate) name: Option<String>,
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum StoreCommand {
    /// Say what is stored, day by day
    Info {
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Read every byte, and name the files that are damaged
    Verify {
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Copy the store into a new folder, also while the monitor runs
    Backup { dir: std::path::PathBuf },
    /// Put a backup in place of an empty store
    Restore { dir: std::path::PathBuf },
    /// Write events to stdout, oldest first
    Export(ExportArgs),
    /// Read an export (NDJSON) into an empty store; `-` reads stdin
    Import { file: std::path::PathBuf },
    /// Keep a session when its days are removed
    Pin { session: String },
    /// Keep a session no longer than others
    Unpin { session: String },
    /// Delete a session: nothing of it is left in any file
    Delete {
        session: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// The key that opens the store
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ExportArgs {
    /// Only the events that this query finds
    #[arg(long, value_name = "Q")]
    pub(crate) query: Option<String>,
    /// How they are written
    #[arg(long, value_enum, default_value_t = ExportFormat::Ndjson)]
    pub(crate) format: ExportFormat,
    /// With the bodies of files, which are left out otherwise
    #[arg(long)]
    pub(crate) content: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// One JSON object a line
    Ndjson,
    /// A table for spreadsheets
    Csv,
}

#[derive(Subcommand, Clone, Copy, Debug)]
pub(crate) enum KeyCommand {
    /// Print the key: whoever has it can read everything
    Export,
    /// Make a new key for all stores of this user
    Rotate,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum HooksCommand {
    /// Add the monitor's hooks to Claude Code's settings
    Install(HooksArgs),
    /// Remove them, and nothing else
    Uninstall(HooksArgs),
    /// Say what is installed, where, and for which port
    Status {
        #[command(flatten)]
        args: HooksArgs,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the hooks for another agent, to be put into its settings
    Print {
        /// Whose they are
        #[arg(value_enum)]
        program: Program,
        /// The port of the monitor that gets the events [default: 8765]
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
        /// Largest size of the spool, in bytes, while no monitor runs
        #[arg(long, value_name = "BYTES")]
        cap_bytes: Option<u64>,
    },
}

/// An agent that has hooks, and is not Claude Code.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Program {
    /// OpenAI's Codex CLI
    Codex,
    /// Google's Gemini CLI
    Gemini,
    /// Cursor
    Cursor,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct HooksArgs {
    /// The settings of this project, shared with others (.claude/settings.json)
    #[arg(long, conflicts_with = "local")]
    pub(crate) project: bool,
    /// The settings of this project on this machine (.claude/settings.local.json)
    #[arg(long)]
    pub(crate) local: bool,
    /// The port of the monitor that gets the events [default: 8765]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The Claude Code program, to learn which hooks it knows [default: `claude` on the PATH]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) client: Option<std::path::PathBuf>,
    /// Also take the assistant's text as it is displayed (costs a hook per batch of lines)
    #[arg(long)]
    pub(crate) live_text: bool,
    /// Also watch these files of a project for changes, by name
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) watch_files: Vec<String>,
    /// Largest size of the spool, in bytes, while no monitor runs
    #[arg(long, value_name = "BYTES")]
    pub(crate) cap_bytes: Option<u64>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.1..=1000.0).contains(&speed) { Ok(speed) } else { Err("it must be from 0.1 to 1000".to_owned()) }
}

/// The port of a command: its flag, `CLAUDE_MPM_SOCKETIO_PORT`, `SOCKETIO_PORT`, `monitoring.port` of the configuration,
/// 8765. What is no port in the environment counts as not said, as for the hook: both have to come to the same one.
pub(crate) fn port(said: Option<u16>, settings: &Settings) -> u16 {
    let environment = |name: &str| std::env::var(name).ok()?.trim().parse().ok().filter(|port| *port != 0);
    said.or_else(|| environment("CLAUDE_MPM_SOCKETIO_PORT"))
        .or_else(|| environment("SOCKETIO_PORT"))
        .or(settings.monitoring.port)
        .unwrap_or(PORT_DEFAULT)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        LauncherCli::command().debug_assert();
    }
}
