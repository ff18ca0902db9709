//! `claude-mpm monitor open`: the dashboard of the running monitor, in a browser.

use crate::cli::{self, OpenArgs};
use crate::daemon::{browser, instance};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// Runs it. Where there is no browser, the address is what a person needs.
pub(crate) fn run(options: &OpenArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let running = instance::meant(&home, options.port, cli::port(None, &Settings::load(&home)?))?;
    let url = running.known.dashboard_url();
    if options.print || !browser::open(&url) {
        report::line(url);
    } else {
        report::line(format_args!("Opening browser to {url}"));
    }
    Ok(())
}
