//! Answers `GET /api/v1/sessions/{id}/spans`: one session in full, as spans of time.
//!
//! What was read of a session is kept for a while, so that a page that follows it costs the new events alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use event::event::Time;
use event::spans::{Asked, KINDS, Story};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use store::{Direction, PageQuery, Reader, StoreError};
use tokio::task::JoinSet;

use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// Events read at a time.
const PAGE_EVENTS: usize = 5_000;

/// Bytes of events read at a time.
const PAGE_BYTES: usize = 8 << 20;

/// Pages that are read before the ones before them are taken.
const PAGES_AHEAD: usize = 2;

/// How long reading may take before the answer is of what was read so far; the next goes on from there.
const READ_MAX: Duration = Duration::from_secs(2);

/// Sessions that are kept read.
const STORIES_MAX: usize = 4;

/// Spans that are kept in all of them together: about 250 bytes each.
const SPANS_KEPT_MAX: usize = 250_000;

/// What nobody asks for is let go of.
const KEPT_FOR: Duration = Duration::from_secs(120);

/// The stories of sessions that somebody looks at.
#[derive(Default)]
pub(crate) struct Stories {
    /// Short scopes only.
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    session_id: String,
    /// How often second tellings had changed the session when it was read.
    corrections: u64,
    asked_at: Instant,
    story: Arc<Mutex<Story>>,
    spans: usize,
}

/// What may be asked for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    from: Option<String>,
    to: Option<String>,
    since: Option<u64>,
}

/// The whole session, or what lies between `from` and `to`, or what changed `since` an event. 304 when nothing did.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    session_id: Result<Path<String>, PathRejection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(session_id) = session_id.map_err(|error| Problem::bad_request(error.body_text()))?;
    let Query(wanted) = wanted.map_err(|error| Problem::query(&error))?;
    let asked = Asked {
        from: wanted.from.as_deref().map(moment).transpose()?,
        to: wanted.to.as_deref().map(moment).transpose()?,
        since: wanted.since,
    };
    if let (Some(from), Some(to)) = (asked.from, asked.to)
        && from > to
    {
        return Err(Problem::bad_request("`from` must be before `to`"));
    }
    let (last_seq, corrections) = match app.hub.state().sessions.get(&session_id) {
        Some(session) => (session.last_seq, session.corrections),
        None => (0, 0),
    };
    let tag = format!("\"{}-{last_seq}-{corrections}\"", app.hub.epoch);
    if last_seq > 0 && super::has(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let (reader, kept) = (app.reader.clone(), app.stories.of(&session_id, corrections));
    let (id, app_then) = (session_id.clone(), Arc::clone(&app));
    let telling = tokio::task::spawn_blocking(move || -> Result<Option<(Vec<u8>, bool)>, StoreError> {
        let mut story = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_whole = read_on(&mut story, &id, &reader)?;
        app_then.stories.measured(&id, story.len());
        if story.is_empty() {
            return Ok(None);
        }
        let report = story.told(&id, asked, clock::now());
        drop(story);
        let mut json = serde_json::to_vec(&report).unwrap_or_default();
        if !is_whole && json.ends_with(b"}") {
            json.pop();
            json.extend_from_slice(b",\"partial\":true}");
        }
        Ok(Some((json, is_whole)))
    });
    let told = telling.await.map_err(Problem::store)?.map_err(Problem::store)?;
    let (json, is_whole) = told.ok_or_else(|| super::sessions::unknown(&session_id))?;
    let mut response = super::json(json);
    // Of a part it would say that nothing changed when the rest is there.
    if last_seq > 0
        && is_whole
        && let Ok(tag) = tag.parse()
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// A moment, in milliseconds since 1970 or as RFC 3339.
fn moment(text: &str) -> Result<Time, Problem> {
    let ms = text.parse::<i64>().ok().map(Time::from_ms);
    ms.or_else(|| Time::parse(text)).ok_or_else(|| Problem::bad_request(format!("{text:?} is no moment")))
}

/// Reads the events that came since. Returns whether that was all of them.
pub(super) fn read_on(story: &mut Story, session_id: &str, reader: &Reader) -> Result<bool, StoreError> {
    let deadline = Instant::now() + READ_MAX;
    let page_after = |after| {
        let mut query = PageQuery::new(Direction::Oldest { after }, PAGE_EVENTS, deadline);
        query.bytes_max = PAGE_BYTES;
        query.sessions = vec![session_id.to_owned()];
        query.kinds = KINDS.iter().map(|kind| (*kind).to_owned()).collect();
        reader.page(&query, &mut |_| true)
    };
    let first = page_after(story.seq())?;
    first.events.iter().for_each(|json| story.take(json));
    let Some(next) = first.next else { return Ok(true) };
    if first.partial {
        return Ok(false);
    }
    // A long session: one thread reads and decrypts while this one makes spans of it.
    std::thread::scope(|scope| {
        let (pages, read) = std::sync::mpsc::sync_channel(PAGES_AHEAD);
        let reading = scope.spawn(move || -> Result<bool, StoreError> {
            let mut after = next;
            loop {
                let page = page_after(after)?;
                // Whoever takes them is there until this ends.
                let _ = pages.send(page.events);
                match page.next {
                    Some(next) if !page.partial => after = next,
                    Some(_) => return Ok(false),
                    None => return Ok(true),
                }
            }
        });
        for json in read.into_iter().flatten() {
            story.take(&json);
        }
        reading.join().unwrap_or(Ok(false))
    })
}

/// Lets go, now and then, of what was read of sessions, until the server stops.
pub(crate) fn start(app: &Arc<App>, tasks: &mut JoinSet<()>) {
    let app = Arc::clone(app);
    tasks.spawn(async move {
        while tokio::time::timeout(KEPT_FOR, app.stopped.cancelled()).await.is_err() {
            app.stories.sweep();
        }
    });
}

impl Stories {
    /// The story of a session, as far as it was read; one that second tellings changed is read anew.
    pub(super) fn of(&self, session_id: &str, corrections: u64) -> Arc<Mutex<Story>> {
        self.sweep();
        let mut kept = self.kept();
        if let Some(place) = kept.iter().position(|kept| kept.session_id == session_id) {
            let mut story = kept.remove(place);
            story.asked_at = Instant::now();
            if story.corrections != corrections {
                story.corrections = corrections;
                story.story = Arc::default();
            }
            let found = Arc::clone(&story.story);
            kept.push(story);
            return found;
        }
        if kept.len() >= STORIES_MAX {
            kept.remove(0);
        }
        let story: Arc<Mutex<Story>> = Arc::default();
        kept.push(Kept {
            session_id: session_id.to_owned(),
            corrections,
            asked_at: Instant::now(),
            story: Arc::clone(&story),
            spans: 0,
        });
        story
    }

    /// Nobody is to see this session any more.
    pub(crate) fn forget(&self, session_id: &str) {
        self.kept().retain(|kept| kept.session_id != session_id);
    }

    /// Lets go of what nobody has asked for in a while.
    fn sweep(&self) {
        self.kept().retain(|kept| kept.asked_at.elapsed() < KEPT_FOR);
    }

    /// Takes note of how large a story is; the ones asked for longest ago make room.
    fn measured(&self, session_id: &str, spans: usize) {
        let mut kept = self.kept();
        if let Some(story) = kept.iter_mut().find(|kept| kept.session_id == session_id) {
            story.spans = spans;
        }
        while kept.len() > 1 && kept.iter().map(|kept| kept.spans).sum::<usize>() > SPANS_KEPT_MAX {
            kept.remove(0);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_deleted_or_that_nobody_asks_for_is_not_kept() {
        let stories = Stories::default();
        let first = stories.of("s1", 0);
        assert!(Arc::ptr_eq(&first, &stories.of("s1", 0)));
        assert!(!Arc::ptr_eq(&first, &stories.of("s1", 1)), "second tellings changed it");
        stories.forget("s1");
        assert!(stories.kept().is_empty());
        stories.of("s2", 0);
        stories.of("s3", 0);
        let long_ago = Instant::now().checked_sub(KEPT_FOR).unwrap();
        stories.kept()[0].asked_at = long_ago;
        stories.sweep();
        let left: Vec<_> = stories.kept().iter().map(|kept| kept.session_id.clone()).collect();
        assert_eq!(left, ["s3"]);
    }
}
