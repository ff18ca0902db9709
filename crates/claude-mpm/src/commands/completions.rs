//! `claude-mpm completions SHELL` and `claude-mpm man FOLDER`: made from the commands themselves.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs, LauncherCli, ManArgs};
use crate::report::{self, Failure};

/// Prints the completions of both programs.
pub(crate) fn run(options: &CompletionsArgs) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "claude-mpm", &mut text);
    clap_complete::generate(options.shell, &mut LauncherCli::command(), "claude-mpm-monitor", &mut text);
    report::line(String::from_utf8_lossy(&text).trim_end());
    Ok(())
}

/// Writes a page for each command.
pub(crate) fn man(options: &ManArgs) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&options.folder)?;
        clap_mangen::generate_to(Cli::command(), &options.folder)?;
        clap_mangen::generate_to(LauncherCli::command(), &options.folder)
    };
    write().map_err(|error| {
        Failure::new(format!("{} cannot be written", options.folder.display()), error, "Name a folder of yours")
    })?;
    report::line(format_args!(
        "The manual is in {}: man {}/claude-mpm.1",
        options.folder.display(),
        options.folder.display()
    ));
    Ok(())
}
