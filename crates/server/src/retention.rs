//! Removes from the store what is not to be kept, now and then, beside everything else.

use std::sync::Arc;
use std::time::Duration;

use store::Keeper;
use tokio::task::JoinSet;
use tracing::warn;

use crate::app::App;
use crate::clock;

/// Days grow old slowly, and a store by no more than a few megabytes in this time.
const EVERY: Duration = Duration::from_secs(20);

/// Sweeps until the server stops.
pub(crate) fn start(app: &Arc<App>, keeper: Keeper, tasks: &mut JoinSet<()>) {
    let (stopped, keeper) = (app.stopped.clone(), Arc::new(keeper));
    tasks.spawn(async move {
        while !stopped.is_cancelled() {
            let keeper = Arc::clone(&keeper);
            let swept = tokio::task::spawn_blocking(move || keeper.sweep(clock::now().ms())).await;
            if let Err(error) = swept {
                warn!("removing what is not to be kept: {error}");
            }
            tokio::select! {
                () = stopped.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    });
}
