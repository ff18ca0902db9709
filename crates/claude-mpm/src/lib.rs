//! The program: commands, configuration, and the processes of the monitor.
//!
//! A library only so that `claude-mpm` and `claude-mpm-monitor` are the same program under two names.
//!
//! # Layout
//!
//! * `cli.rs`: every command and flag; `commands/`: one verb, one file
//! * `daemon/`: which monitors run, and whether one is ours; `launch/`: an agent under the monitor
//! * `paths.rs`: where things lie; `settings.rs`: the configuration file; `report.rs`: what people read

mod cli;
mod commands;
mod daemon;
mod launch;
mod paths;
mod report;
mod settings;

use std::process::ExitCode;

use clap::Parser;

/// Events are trees of small pieces that one thread makes and another frees; the system's allocator spends a fifth of
/// the server's time on them, and gives memory back late.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs `claude-mpm`.
pub fn run() -> ExitCode {
    if is_background() {
        return finish(commands::serve::detached());
    }
    match cli::Cli::try_parse() {
        Ok(cli) => match cli.command {
            Some(cli::Command::Run(options)) => agents(commands::run::run(&options)),
            Some(command) => finish(commands::run(command)),
            None => agents(commands::run::bare(&cli.agent)),
        },
        Err(error) => usage(&error),
    }
}

/// Runs `claude-mpm-monitor`.
pub fn run_launcher() -> ExitCode {
    if is_background() {
        return finish(commands::serve::detached());
    }
    match cli::LauncherCli::try_parse() {
        Ok(cli) => finish(commands::launcher::run(&cli.options)),
        Err(error) => usage(&error),
    }
}

/// Whether this process was started by another of this program, to run in the background.
fn is_background() -> bool {
    std::env::args_os().nth(1).is_some_and(|first| first == daemon::spawn::WORD)
}

/// The exit code of an agent is ours.
fn agents(ended: Result<u8, report::Failure>) -> ExitCode {
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) => finish(Err(failure)),
    }
}

fn finish(done: Result<(), report::Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// Help goes to stdout with code 0, a wrong command line to stderr with code 2.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell if the terminal is gone.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
