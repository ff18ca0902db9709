//! `claude-mpm monitor find-port`: a free port, or who has one.

use serde_json::json;

use crate::cli::FindPortArgs;
use crate::daemon::holder::{self, Holder};
use crate::daemon::policy::RANGE;
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// Runs it.
pub(crate) fn run(options: &FindPortArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let reclaimed = Settings::load(&home)?.reclaimed();
    let look = |port| holder::of(&home, port, &reclaimed);
    let Some(port) = options.port else {
        let free = RANGE.into_iter().find(|port| matches!(look(*port), Holder::Nobody));
        return match free {
            Some(port) if options.json => {
                report::line(json!({ "port": port }));
                Ok(())
            }
            Some(port) => {
                report::line(port);
                Ok(())
            }
            None => Err(Failure::new(
                "No port is free",
                format!("all ports from {} to {} are in use", RANGE.start(), RANGE.end()),
                "See who has them: claude-mpm monitor status --show-ports",
            )),
        };
    };
    let by = match look(port) {
        Holder::Nobody => None,
        Holder::Ours(running) => Some(format!("your monitor (PID {})", running.known.pid)),
        Holder::Hung(known) => Some(format!("your monitor (PID {}), which does not answer", known.pid)),
        Holder::Dashboard { of, .. } => Some(format!("the dashboard of your monitor on port {of}")),
        Holder::Script(stranger) | Holder::Stranger(stranger) => Some(stranger.to_string()),
    };
    match &by {
        _ if options.json => report::line(json!({ "port": port, "available": by.is_none(), "by": by })),
        None => report::line(format_args!("✓ Port {port} is available")),
        Some(by) => report::line(format_args!("✗ Port {port} is in use by {by}")),
    }
    if by.is_some() { Err(Failure::silent(1)) } else { Ok(()) }
}
