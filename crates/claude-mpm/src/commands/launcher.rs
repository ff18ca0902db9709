//! `claude-mpm-monitor`, and bare `claude-mpm monitor`: reuse our own monitor on that port, else start one, else fail.
//! Never another port.

use crate::cli::{self, LauncherOptions};
use crate::commands::hooks;
use crate::commands::serve::{self, ServeFailure};
use crate::commands::start::{self, Ready};
use crate::daemon::browser;
use crate::daemon::instance::Instance;
use crate::daemon::plan::{Mode, Plan};
use crate::daemon::policy::{Asked, Means};
use crate::daemon::spawn::Turn;
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// Runs it; returns when the monitor ends, or at once when one runs already or is to run in the background.
pub(crate) fn run(options: &LauncherOptions) -> Result<(), Failure> {
    open(options, "")
}

/// The same, with another page of the monitor's in the browser.
pub(crate) fn open(options: &LauncherOptions, page: &str) -> Result<(), Failure> {
    let home = Home::find()?;
    let settings = Settings::load(&home)?;
    let asked = match start::asked(&home, &settings, options.port, options.name.as_deref()) {
        // A stranger on the default port is an error here, and no reason to go elsewhere.
        Asked::Preferred(port) => Asked::Exactly(port),
        asked => asked,
    };
    let is_default = options.port.is_none() && asked == Asked::Exactly(cli::PORT_DEFAULT);
    let mode = if options.background { Mode::Background } else { Mode::Foreground };
    let plan = Plan { name: options.name.clone(), mode, ..start::listening(&home, &settings, &options.listen)? };

    let mut turn = Some(Turn::take(&home)?);
    // Nobody's script is ended here: this command has no flag to forbid it.
    let means = Means { force: false, no_reclaim: true };
    let plan = match start::ready(plan, &settings, asked, means).map_err(|failure| busy(asked, is_default, failure))? {
        Ready::Runs(known) => {
            report::line(format_args!("Monitor already running at {}", known.url()));
            let url = known.url() + page;
            if !options.no_browser && browser::open(&url) {
                report::line(format_args!("Opening browser to existing instance: {url}"));
            }
            return Ok(());
        }
        Ready::Start(plan, notes) => {
            for note in notes {
                report::line(note);
            }
            *plan
        }
    };
    report::line(format_args!("Starting Claude MPM monitor on {}:{}", plan.host, plan.port));
    if options.background {
        told(&start::spawned(&plan)?, options, page);
        return Ok(());
    }
    serve::serve(&plan, &settings, |known| {
        turn.take();
        told(known, options, page);
    })
    .map_err(|failure| match failure {
        ServeFailure::PortTaken => taken(plan.port, is_default),
        ServeFailure::Other(failure) => failure,
    })
}

fn told(known: &Instance, options: &LauncherOptions, page: &str) {
    report::line(format_args!("Monitor running on port {}", known.port));
    let url = known.url() + page;
    if !options.no_browser && browser::open(&url) {
        report::line(format_args!("Opening browser to {url}"));
    }
    hooks::note_unfed(known.port);
}

/// A port that is taken is told of in this document's words; everything else as it is.
fn busy(asked: Asked, is_default: bool, failure: Failure) -> Failure {
    match asked {
        Asked::Exactly(port) if failure.is_about_port() => taken(port, is_default),
        _ => failure,
    }
}

fn taken(port: u16, is_default: bool) -> Failure {
    if is_default {
        return Failure::printed(
            "Error: Default port 8765 is already in use by another service.\n\
             Please stop the existing service with 'claude-mpm monitor stop'\n\
             or specify a different port with --port.",
        );
    }
    Failure::printed(format!(
        "Error: Port {port} is already in use by another service.\n\
         Please stop the existing service or choose a different port."
    ))
}
