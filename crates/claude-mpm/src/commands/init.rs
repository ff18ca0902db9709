//! `claude-mpm init`: hooks, slash commands and a configuration to start from.

use crate::cli::{HooksArgs, HooksCommand, InitArgs};
use crate::commands::{config, hooks};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::{self, keys};

/// Runs it. Doing it again changes nothing.
pub(crate) fn run(options: &InitArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    configuration(&home, options.dry_run)?;
    hooks::run(&HooksCommand::Install(HooksArgs {
        project: false,
        // The hook command names this machine's paths, which are nobody else's.
        local: !options.user,
        port: options.port,
        dry_run: options.dry_run,
        client: None,
        live_text: false,
        watch_files: Vec::new(),
        cap_bytes: None,
    }))?;
    if !options.user {
        hooks::install_commands(options.dry_run)?;
    }
    if !options.dry_run {
        report::line(
            "\nNext: claude-mpm monitor start, then claude. 'claude-mpm doctor' says if something is missing.",
        );
    }
    Ok(())
}

/// Writes the commented file, unless there is one.
pub(crate) fn configuration(home: &Home, dry_run: bool) -> Result<(), Failure> {
    let file = home.path().join(settings::FILE);
    if file.exists() {
        report::line(format_args!("{} is there already", file.display()));
        return Ok(());
    }
    if dry_run {
        report::line(format_args!("Would write {}:\n{}", file.display(), keys::commented().trim_end()));
        return Ok(());
    }
    config::write(&file, &keys::commented()).map_err(|error| {
        Failure::new(format!("{} cannot be written", file.display()), error, "Check who owns the folder")
    })?;
    report::line(format_args!("Wrote {}, in which everything is commented out", file.display()));
    Ok(())
}
