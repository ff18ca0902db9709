//! The spool's door: reads what hooks have written, in order, exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use event::event::{Fact, Source};
use event::frame::Frame;
use event::hook_input;
use event::vocabulary::Kind;
use serde_json::json;
use store::Store;
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::spool::SpoolReader;
use super::{enrich, http};
use crate::app::App;
use crate::config::Spool;

/// Bytes read before they are handed over: one commit's worth.
const READ_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The watch may miss a change, on a network file system for instance; nothing waits longer than this.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Wait before a failed commit or read is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The name under which a spool's position is stored.
fn door(spool: &Spool) -> String {
    format!("spool:{}", spool.port)
}

/// How far each spool was read when the store was last written.
pub(crate) fn positions(store: &Store, spools: &[Spool]) -> Vec<Option<Vec<u8>>> {
    spools.iter().map(|spool| store.position(&door(spool))).collect()
}

/// Starts a reader for each spool.
pub(crate) fn start(app: &Arc<App>, positions: Vec<Option<Vec<u8>>>, tasks: &mut JoinSet<()>) {
    for (place, position) in positions.into_iter().enumerate() {
        tasks.spawn(drain(Arc::clone(app), place, position));
    }
}

async fn drain(app: Arc<App>, place: usize, position: Option<Vec<u8>>) {
    let (Some(spool), Some(backlog)) = (app.config.spools.get(place), app.spool_backlogs.get(place)) else { return };
    let mut position = position;
    let mut complained = false;
    while !app.stopped.is_cancelled() {
        match SpoolReader::open(&spool.dir, position.as_deref()) {
            Ok(reader) => {
                if std::mem::take(&mut complained) {
                    app.spools_unread.fetch_sub(1, Relaxed);
                }
                position = follow(&app, spool, backlog, reader).await.or(position);
            }
            Err(error) if !complained => {
                complained = true;
                app.spools_unread.fetch_add(1, Relaxed);
                error!("reading the spool {}: {error}", spool.dir.display());
            }
            Err(_) => {}
        }
        let _ = tokio::time::timeout(RETRY_AFTER, app.stopped.cancelled()).await;
    }
}

/// Reads until the server stops or reading fails. Returns the last committed position.
async fn follow(app: &Arc<App>, spool: &Spool, backlog: &AtomicU64, mut reader: SpoolReader) -> Option<Vec<u8>> {
    let changed = reader.changed();
    let mut committed = None;
    loop {
        let notified = changed.notified();
        let frames = match reader.read(READ_BYTES_MAX) {
            Ok(frames) => frames,
            Err(error) => {
                warn!("reading the spool {}: {error}", spool.dir.display());
                return committed;
            }
        };
        let in_hand: usize = frames.iter().map(|frame| frame.payload.len()).sum();
        backlog.store(reader.unread_bytes() + in_hand as u64, Relaxed);
        if frames.is_empty() {
            tell_given_up(app, &mut reader).await;
            tidy(spool, &mut reader);
            tokio::select! {
                () = app.stopped.cancelled() => return committed,
                () = notified => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            continue;
        }
        let position = reader.position();
        commit(app, spool, &frames, &position).await?;
        if let Err(error) = reader.committed(&position) {
            warn!("removing what is read of the spool {}: {error}", spool.dir.display());
        }
        committed = Some(position);
    }
}

/// Everything that was read is stored: leaves nothing of it behind in plaintext.
fn tidy(spool: &Spool, reader: &mut SpoolReader) {
    let stored = reader.position();
    let tidied = reader.retire(false).and_then(|_| reader.committed(&stored)).and_then(|()| reader.wipe());
    if let Err(error) = tidied {
        warn!("removing what is read of the spool {}: {error}", spool.dir.display());
    }
}

/// Stores frames and position together, trying until it works; `None` when the server stops first.
async fn commit(app: &App, spool: &Spool, frames: &[Frame], position: &[u8]) -> Option<()> {
    let facts: Vec<Fact> = frames
        .iter()
        .map(|frame| {
            let mut fact = hook_input::read_frame(frame);
            http::prepare(app, &mut fact);
            enrich::launch(&mut fact, frame.parent_pid);
            fact
        })
        .collect();
    let mut again = false;
    loop {
        match app.recorder.record_from(facts.clone(), (door(spool), Some(position.to_vec())), again).await {
            Ok(_) => return Some(()),
            Err(_) if app.stopped.is_cancelled() => return None,
            Err(_) => {
                again = true;
                let _ = tokio::time::timeout(RETRY_AFTER, app.stopped.cancelled()).await;
            }
        }
    }
}

/// Hooks that found the spool full left a mark each; it is told once.
async fn tell_given_up(app: &App, reader: &mut SpoolReader) {
    let given_up = reader.given_up();
    if given_up == 0 {
        return;
    }
    let mut fact = Fact::new(Kind::SpoolGivenUp, crate::clock::now(), Source::Server, json!({ "events": given_up }));
    fact.summary = format!("{given_up} hook events were given up because the spool was full");
    if app.recorder.record(vec![fact]).await.is_ok() {
        reader.reset_given_up(given_up);
    }
}
