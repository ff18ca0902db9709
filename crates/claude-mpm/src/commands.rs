//! The commands: one verb, one file.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod dashboard;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod emit;
pub(crate) mod find_port;
pub(crate) mod hash_password;
pub(crate) mod hooks;
pub(crate) mod init;
pub(crate) mod install_service;
pub(crate) mod launcher;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod open;
pub(crate) mod overview;
pub(crate) mod port;
pub(crate) mod restart;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod store;
pub(crate) mod tail;
pub(crate) mod test_connection;

use crate::cli::{Command, MonitorCommand};
use crate::report::Failure;

/// Runs a command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Monitor(monitor) => match monitor.command {
            None => launcher::run(&monitor.options),
            Some(MonitorCommand::Start(options)) => start::run(&options),
            Some(MonitorCommand::Restart(options)) => restart::run(&options),
            Some(MonitorCommand::Port(options)) => port::run(&options),
            Some(MonitorCommand::List(options)) => list::run(&options),
            Some(MonitorCommand::Stop(options)) => stop::run(&options),
            Some(MonitorCommand::Status(options)) => status::run(&options),
            Some(MonitorCommand::Open(options)) => open::run(&options),
            Some(MonitorCommand::Tail(options)) => tail::run(&options),
            Some(MonitorCommand::Logs(options)) => logs::run(&options),
            Some(MonitorCommand::FindPort(options)) => find_port::run(&options),
            Some(MonitorCommand::TestConnection(options)) => test_connection::run(&options),
            Some(MonitorCommand::InstallService(options)) => install_service::run(&options),
            Some(MonitorCommand::HashPassword) => hash_password::run(),
        },
        Command::Status(options) => overview::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Config(options) => config::run(&options),
        Command::Init(options) => init::run(&options),
        Command::Dashboard(options) => dashboard::run(&options),
        Command::Completions(options) => completions::run(&options),
        Command::Man(options) => completions::man(&options),
        Command::Hooks { command } => hooks::run(&command),
        Command::Demo(options) => demo::run(&options),
        Command::Emit(options) => emit::run(&options),
        Command::Runs(options) => runs::run(&options),
        Command::Store(options) => store::run(&options),
        // `main` has run the one already, and whoever asked for the other takes its exit code.
        Command::Hook { .. } | Command::Run(_) => Ok(()),
    }
}
