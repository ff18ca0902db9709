//! `claude-mpm-monitor`, and bare `claude-mpm monitor`: reuse our own monitor on that port, else start one, else fail.
//! Never another port.

use crate::cli::{self, LauncherOptions};
use crate::commands::serve;
use crate::daemon::{browser, instance};
use crate::paths::Home;
use crate::report::{self, Failure};

/// Runs it; returns when the monitor ends, or at once when one runs already.
pub(crate) fn run(options: &LauncherOptions) -> Result<(), Failure> {
    let start = serve::Start::new(Home::find()?, options.port, &options.listen)?;
    let port = start.port;
    let url = start.url(&shown_host(&start.host), port);
    if instance::running(&start.home, port).is_some() {
        report::line(format_args!("Monitor already running at {url}"));
        if !options.no_browser && browser::open(&url) {
            report::line(format_args!("Opening browser to existing instance: {url}"));
        }
        return Ok(());
    }
    report::line(format_args!("Starting Claude MPM monitor on {}:{port}", start.host));
    serve::serve(&start, |_| {
        report::line(format_args!("Monitor running on port {port}"));
        if !options.no_browser && browser::open(&url) {
            report::line(format_args!("Opening browser to {url}"));
        }
    })
    .map_err(|failure| match failure {
        serve::ServeFailure::PortTaken if port == cli::PORT_DEFAULT && options.port.is_none() => Failure::printed(
            "Error: Default port 8765 is already in use by another service.\n\
             Please stop the existing service with 'claude-mpm monitor stop'\n\
             or specify a different port with --port.",
        ),
        serve::ServeFailure::PortTaken => Failure::printed(format!(
            "Error: Port {port} is already in use by another service.\n\
             Please stop the existing service or choose a different port."
        )),
        serve::ServeFailure::Other(failure) => failure,
    })
}

/// The name under which a browser on this machine finds it.
fn shown_host(host: &str) -> String {
    match host {
        "0.0.0.0" | "::" | "[::]" => "localhost".to_owned(),
        v6 if v6.contains(':') && !v6.starts_with('[') => format!("[{v6}]"),
        other => other.to_owned(),
    }
}
