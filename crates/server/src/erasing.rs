//! Erases sessions from the files of the store, one after the other, beside everything else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Eraser, Erasing as Erased, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::warn;

use crate::app::App;

/// Between two tries, when a file could not be replaced, or its log was read.
const AGAIN: Duration = Duration::from_millis(500);

/// Between two tries to empty a log that is read, and how many there are: ten seconds in all.
const LOG_AGAIN: Duration = Duration::from_millis(10);
const LOG_TRIES: u32 = 1_000;

/// What is being erased.
#[derive(Default)]
pub(crate) struct Erasing {
    sessions: Mutex<Vec<String>>,
    begun: Notify,
    done: Notify,
}

impl Erasing {
    fn sessions(&self) -> MutexGuard<'_, Vec<String>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session is about to be erased.
    pub(crate) fn begin(&self, session: &str) {
        self.sessions().push(session.to_owned());
    }

    /// It is not, after all.
    pub(crate) fn give_up(&self, session: &str) {
        self.sessions().retain(|waiting| waiting != session);
    }

    /// It stands in the store that a session is to be erased.
    pub(crate) fn wake(&self) {
        self.begun.notify_one();
    }

    /// Waits until nothing is left of a session; false when that takes longer.
    pub(crate) async fn finished(&self, session: &str, at_most: Duration) -> bool {
        let finished = async {
            loop {
                let done = self.done.notified();
                tokio::pin!(done);
                // Before looking, so that nothing is missed between the two.
                done.as_mut().enable();
                if !self.sessions().iter().any(|waiting| waiting == session) {
                    return;
                }
                done.await;
            }
        };
        tokio::time::timeout(at_most, finished).await.is_ok()
    }
}

/// Erases what waits, and what will, until the server stops.
pub(crate) fn start(app: &Arc<App>, eraser: Eraser, tasks: &mut JoinSet<()>) {
    let (app, eraser) = (Arc::clone(app), Arc::new(eraser));
    tasks.spawn(async move {
        eraser.remove_leftovers();
        while !app.stopped.is_cancelled() {
            let all_done = all(&app, &eraser).await.unwrap_or_else(|error| {
                warn!("erasing a session: {error}");
                false
            });
            tokio::select! {
                () = app.stopped.cancelled() => return,
                () = app.erasing.begun.notified() => {}
                () = tokio::time::sleep(AGAIN), if !all_done => {}
            }
        }
    });
}

/// Empties the log of what said that the session was to be erased, between those who read it.
async fn empty_log(app: &Arc<App>, eraser: &Arc<Eraser>) -> Result<(), StoreError> {
    for _ in 0..LOG_TRIES {
        let eraser = Arc::clone(eraser);
        match tokio::task::spawn_blocking(move || eraser.empty_log()).await {
            Ok(Ok(false)) if !app.stopped.is_cancelled() => tokio::time::sleep(LOG_AGAIN).await,
            Ok(emptied) => return emptied.map(drop),
            Err(_) => return Ok(()),
        }
    }
    warn!("the log of the newest day is read all the time; it names a deleted session until it is begun anew");
    Ok(())
}

/// Erases every session that waits; false when something is left to do.
async fn all(app: &Arc<App>, eraser: &Arc<Eraser>) -> Result<bool, StoreError> {
    for (session, below) in eraser.waiting()? {
        // What the catalog had before is not to be found in it, so it must have something else first.
        if app.recorder.save().await.is_err() {
            return Ok(false);
        }
        let (erasing, stopped, id) = (Arc::clone(eraser), app.stopped.clone(), session.clone());
        let erased = tokio::task::spawn_blocking(move || erasing.erase(&id, below, &|| stopped.is_cancelled())).await;
        let Ok(erased) = erased else { return Ok(true) };
        if erased? == Erased::Stopped || app.recorder.erased(session.clone()).await.is_err() {
            return Ok(false);
        }
        empty_log(app, eraser).await?;
        app.erasing.give_up(&session);
        app.erasing.done.notify_waiters();
    }
    Ok(true)
}
