//! The commands and flags around the monitor: status of everything, doctor, configuration, set-up.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::monitor::name;

#[derive(Args, Clone, Debug)]
pub(crate) struct OverviewArgs {
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DoctorArgs {
    /// Mend what can be mended without risk
    #[arg(long)]
    pub(crate) fix: bool,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ConfigCommand>,
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum ConfigCommand {
    /// Print one value
    Get {
        /// Its key, such as monitoring.port
        key: String,
    },
    /// Change values in your configuration.yaml, and leave the rest of the file as it is
    Set {
        /// A key, such as monitoring.port, and its value, as YAML; several that need each other at once
        #[arg(required = true, num_args = 2.., value_names = ["KEY", "VALUE"], allow_hyphen_values = true)]
        pairs: Vec<String>,
    },
    /// Take values out of your configuration.yaml, so that their defaults count
    Unset {
        /// Their keys, such as monitoring.port
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Print where your configuration.yaml lies
    Path,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct InitArgs {
    /// For you, in all projects, instead of this project on this machine
    #[arg(long)]
    pub(crate) user: bool,
    /// The port of the monitor that gets the events [default: 8765]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DashboardArgs {
    /// The port to use, exactly [default: 8765]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Open the Admin UI instead of the dashboard
    #[arg(long, conflicts_with = "setup_only")]
    pub(crate) admin_only: bool,
    /// Write the files that are needed, and start nothing
    #[arg(long)]
    pub(crate) setup_only: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ManArgs {
    /// The folder
    pub(crate) folder: PathBuf,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct InstallServiceArgs {
    /// The port to use, exactly [default: 8765]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// The monitor of that name
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
    /// Print the file, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove the file
    #[arg(long)]
    pub(crate) uninstall: bool,
}
