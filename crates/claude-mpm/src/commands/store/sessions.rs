//! What is done with one session: by its monitor while that runs, and in the store itself while it does not.

use std::time::Duration;

use ::store::{Batch, Erasing, Options, Store, StoreError};
use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use serde_json::Value;

use super::transfer::now_ms;
use super::{Place, failed};
use crate::daemon::answer::{self, Words, encoded};
use crate::daemon::{instance, probe};
use crate::report::{self, Failure};

/// A monitor answers when it is done.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Pins a session, or no longer.
pub(super) fn pin(place: &Place, session: &str, pinned: bool) -> Result<(), Failure> {
    let what = if pinned { "The session was not pinned" } else { "The session is still pinned" };
    let done = match open(place, what, session)? {
        Some(mut store) => {
            let mut batch = Batch::default();
            batch.pin(session, pinned);
            store.write(&batch, now_ms()).and_then(|()| store.close()).map_err(|error| failed(what, &error))
        }
        None => {
            let method = if pinned { Method::PUT } else { Method::DELETE };
            ask(place, what, method, &format!("/api/v1/sessions/{}/pin", encoded(session))).map(drop)
        }
    };
    done?;
    let said = if pinned { "is kept when its days are removed" } else { "is kept no longer than others" };
    report::line(format_args!("Session {session} {said}."));
    Ok(())
}

/// Deletes a session, for ever.
pub(super) fn delete(place: &Place, session: &str, yes: bool) -> Result<(), Failure> {
    const FAILED: &str = "The session was not deleted";
    place.must_exist(FAILED)?;
    if !yes && !agreed(session) {
        return Err(Failure::new(FAILED, "it was not agreed to", "Say yes, or give --yes where nobody can be asked"));
    }
    let left = match open(place, FAILED, session)? {
        Some(store) => erase(store, session).map_err(|error| failed(FAILED, &error))?,
        None => {
            let path = format!("/api/v1/sessions/{}", encoded(session));
            ask(place, FAILED, Method::DELETE, &path)?["deleted"] == false
        }
    };
    if left {
        report::line(format_args!(
            "Session {session} is being deleted; a running monitor goes on with it in the background."
        ));
    } else {
        report::line(format_args!("Session {session} is deleted. Backups and exports made before still have it."));
    }
    Ok(())
}

fn agreed(session: &str) -> bool {
    report::aside(&format!("Delete every event of session {session}, for ever? [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// What a monitor does in the background, at once. True when something is left to do.
fn erase(mut store: Store, session: &str) -> Result<bool, StoreError> {
    let mut batch = Batch::default();
    batch.erase(session, store.next_seq());
    store.write(&batch, now_ms())?;
    store.begin_file()?;
    let eraser = store.eraser();
    let mut left = false;
    for (session, below) in eraser.waiting()? {
        if let Some((seq, state)) = store.load_checkpoint() {
            store.begin_sums(false)?;
            store.save_checkpoint(seq, &server::checkpoint_without(&state, &session))?;
        }
        if !matches!(eraser.erase(&session, below, &|| false)?, Erasing::Done(_)) {
            left = true;
            continue;
        }
        let mut batch = Batch::default();
        batch.erased(&session);
        store.write(&batch, now_ms())?;
    }
    eraser.empty_log()?;
    store.close()?;
    Ok(left)
}

/// The store, with this session in it; `None` while a monitor has it.
fn open(place: &Place, what: &str, session: &str) -> Result<Option<Store>, Failure> {
    place.must_exist(what)?;
    let options = Options { encrypted: place.settings.monitoring.store.encrypted, ..Options::default() };
    let store = match Store::open(&place.dir, place.key.as_ref(), options, now_ms()) {
        Ok(store) => store,
        Err(StoreError::Locked { .. }) => return Ok(None),
        Err(error) => return Err(failed(what, &error)),
    };
    if store.reader().has_session(session).map_err(|error| failed(what, &error))? {
        return Ok(Some(store));
    }
    Err(Failure::new(
        what,
        format!("nothing is stored of a session {session:?}"),
        "Take its id from the page, or from claude-mpm store export",
    ))
}

/// Asks the monitor to do it; its answer.
fn ask(place: &Place, what: &str, method: Method, path: &str) -> Result<Value, Failure> {
    let silent = || {
        Failure::new(
            what,
            format!("another process has the store {}, and no monitor answers for it", place.dir.display()),
            "Run this again when that process has ended, or when its monitor has started",
        )
    };
    // Who holds the folder, and not who has some port: there, another monitor may have a session of the same id.
    let known = instance::in_folder(&place.dir).ok_or_else(silent)?.known;
    let request = probe::get(known.port, path).method(method).body(Full::<Bytes>::default());
    let request = request.map_err(|error| answer::unsendable(what, error))?;
    let (status, body) = probe::ask_at(&known.plan.host, known.port, request, ANSWER_MAX).ok_or_else(silent)?;
    let words = Words { failed: what, nobody: "", help: "Take its id from the page, or from claude-mpm store export" };
    answer::read(known.port, status, &body, words)
}
