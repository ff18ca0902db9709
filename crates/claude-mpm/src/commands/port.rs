//! `claude-mpm monitor port PORT`: a monitor on that port; the one that has it is restarted.

use crate::cli::{PortArgs, RestartArgs, StartArgs};
use crate::commands::{restart, start};
use crate::daemon::instance;
use crate::paths::Home;
use crate::report::Failure;

/// Runs it.
pub(crate) fn run(options: &PortArgs) -> Result<(), Failure> {
    let runs = instance::running(&Home::find()?, options.port).is_some();
    if runs {
        return restart::run(&RestartArgs {
            port: Some(options.port),
            dashboard: options.dashboard.clone(),
            json: options.json,
            listen: options.listen.clone(),
            ..RestartArgs::default()
        });
    }
    start::run(&StartArgs {
        port: Some(options.port),
        dashboard: options.dashboard.clone(),
        json: options.json,
        reclaim: options.reclaim,
        listen: options.listen.clone(),
        ..StartArgs::default()
    })
}
