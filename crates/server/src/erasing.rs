//! Erases sessions from the files of the store, one after the other, beside everything else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Eraser, Erasing as Erased, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::warn;

use crate::app::App;
use crate::recorder::NotStored;

/// Between two tries, when a file could not be replaced, or its log was read.
const AGAIN: Duration = Duration::from_millis(500);

/// Between two tries to empty a log that is read, and how many there are: ten seconds in all.
const LOG_AGAIN: Duration = Duration::from_millis(10);
const LOG_TRIES: u32 = 1_000;

/// What is being erased: that it is stands in the store, and here is who waits for it.
#[derive(Default)]
pub(crate) struct Erasing {
    /// The sessions asked for since each of those who asked began to wait. One may be asked for twice, when events came
    /// after the first time.
    asked: Mutex<Vec<Arc<Asked>>>,
    begun: Notify,
    done: Notify,
}

/// One request to erase a session, as far as it has come.
struct Asked {
    session: String,
    /// Nothing is left of it.
    done: AtomicBool,
}

impl Erasing {
    fn asked(&self) -> MutexGuard<'_, Vec<Arc<Asked>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who asked before this, if nothing is to be erased any more of what they asked for.
    fn finish(&self, asked: &[Arc<Asked>], waiting: &[(String, u64)]) {
        for one in asked.iter().filter(|one| waiting.iter().all(|(session, _)| *session != one.session)) {
            one.done.store(true, Ordering::Release);
        }
        self.asked().retain(|one| !one.done.load(Ordering::Acquire));
        self.done.notify_waiters();
    }

    async fn finished(&self, asked: &Asked) {
        loop {
            let done = self.done.notified();
            tokio::pin!(done);
            // Before looking, so that nothing is missed between the two.
            done.as_mut().enable();
            if asked.done.load(Ordering::Acquire) {
                return;
            }
            done.await;
        }
    }
}

/// Erases a session, and waits a while for it: true when nothing is left. What has begun goes on when nobody waits.
pub(crate) async fn erase(app: &Arc<App>, session: String, at_most: Duration) -> Result<bool, NotStored> {
    let doing = Arc::clone(app);
    let begun = app.tasks.spawn(async move {
        doing.recorder.erase(session.clone()).await?;
        doing.show_deleted(&session);
        // Only now: what is waited for stands in the store.
        let asked = Arc::new(Asked { session, done: AtomicBool::new(false) });
        doing.erasing.asked().push(Arc::clone(&asked));
        doing.erasing.begun.notify_one();
        Ok(asked)
    });
    let asked = begun.await.map_err(|_| NotStored("the server is stopping".to_owned()))??;
    Ok(tokio::time::timeout(at_most, app.erasing.finished(&asked)).await.is_ok())
}

/// What comes after a round.
enum Next {
    /// Nothing is to be erased.
    Rest,
    /// Something was erased, and something else may have been asked for since.
    Look,
    /// Something could not be erased.
    TryAgain,
}

/// Erases what waits, and what will, until the server stops.
pub(crate) fn start(app: &Arc<App>, eraser: Eraser, tasks: &mut JoinSet<()>) {
    let (app, eraser) = (Arc::clone(app), Arc::new(eraser));
    tasks.spawn(async move {
        let tidying = Arc::clone(&eraser);
        let _ = tokio::task::spawn_blocking(move || tidying.remove_leftovers()).await;
        while !app.stopped.is_cancelled() {
            let next = round(&app, &eraser).await.unwrap_or_else(|error| {
                warn!("erasing sessions: {error}");
                Next::TryAgain
            });
            tokio::select! {
                () = app.stopped.cancelled() => return,
                () = std::future::ready(()), if matches!(next, Next::Look) => {}
                () = app.erasing.begun.notified() => {}
                () = tokio::time::sleep(AGAIN), if matches!(next, Next::TryAgain) => {}
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

/// Erases every session that waits; one that cannot be erased holds up no other.
async fn round(app: &Arc<App>, eraser: &Arc<Eraser>) -> Result<Next, StoreError> {
    // Before looking into the store: whoever asks later is not done by what is found there now.
    let asked = app.erasing.asked().clone();
    let looking = Arc::clone(eraser);
    let Ok(waiting) = tokio::task::spawn_blocking(move || looking.waiting()).await else { return Ok(Next::TryAgain) };
    let waiting = waiting?;
    app.erasing.finish(&asked, &waiting);
    let mut next = if waiting.is_empty() { Next::Rest } else { Next::Look };
    for (session, below) in waiting {
        match one(app, eraser, &session, below).await {
            Ok(true) => {}
            Ok(false) => next = Next::TryAgain,
            Err(error) => {
                warn!("erasing session {session}: {error}");
                next = Next::TryAgain;
            }
        }
    }
    Ok(next)
}

/// Erases one; false when something is left to do.
async fn one(app: &Arc<App>, eraser: &Arc<Eraser>, session: &str, below: u64) -> Result<bool, StoreError> {
    // What the catalog had before is not to be found in it, so it must have something else first. The file that is written
    // must have nothing of it either.
    if app.recorder.save().await.is_err() {
        return Ok(false);
    }
    let (erasing, stopped, id) = (Arc::clone(eraser), app.stopped.clone(), session.to_owned());
    let erased = tokio::task::spawn_blocking(move || erasing.erase(&id, below, &|| stopped.is_cancelled())).await;
    let Ok(erased) = erased else { return Ok(false) };
    if !matches!(erased?, Erased::Done(_)) || app.recorder.erased(session.to_owned(), below).await.is_err() {
        return Ok(false);
    }
    empty_log(app, eraser).await?;
    Ok(true)
}
