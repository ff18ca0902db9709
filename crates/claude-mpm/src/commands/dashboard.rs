//! `claude-mpm dashboard`: the launcher of the Socket.IO guide, with its options.

use crate::cli::{DashboardArgs, LauncherOptions, ListenOptions};
use crate::commands::{init, launcher};
use crate::paths::Home;
use crate::report::{self, Failure};

/// The Admin UI, below the server's address.
const ADMIN: &str = "/admin/";

/// Runs it.
pub(crate) fn run(options: &DashboardArgs) -> Result<(), Failure> {
    if options.setup_only {
        return set_up();
    }
    let launcher = LauncherOptions {
        port: options.port,
        no_browser: options.no_browser,
        background: false,
        name: None,
        listen: ListenOptions::default(),
    };
    launcher::open(&launcher, if options.admin_only { ADMIN } else { "" })
}

/// The page and its libraries are inside the program: what is left is the configuration and the key.
fn set_up() -> Result<(), Failure> {
    let home = Home::find()?;
    init::configuration(&home, false)?;
    store::key::load_or_create(&home.key()).map_err(|error| {
        Failure::new("Nothing was set up", error, "Check who owns the folder, and that the disk has room")
    })?;
    report::line(format_args!("The key is in {}", home.key().display()));
    report::line("Nothing else is needed: the dashboard and the Admin UI are inside the program.");
    Ok(())
}
