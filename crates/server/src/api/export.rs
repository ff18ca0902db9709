//! Answers `GET /api/v1/events/export`: all events that a query wants, oldest first, as a stream of lines.
//!
//! It is read a page at a time, at the pace of whoever takes it, so it needs as much memory for a million events as for
//! one, and a thread only while a page is read. It is of the events stored when it began; its headers say what it is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use event::filter::Filter;
use event::wire::table;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use hyper::body::Frame;
use serde::Deserialize;
use store::{Direction, Page, PageQuery, Reader};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::events::{narrowed, needles};
use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// Events read at a time.
const PAGE_EVENTS: usize = 1_000;

/// Bytes of events read at a time.
const PAGE_BYTES: usize = 1 << 20;

/// Exports at a time: each has some megabytes in hand.
const EXPORTS_MAX: usize = 16;

/// How long whoever takes an export may take nothing of it.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// Stands after the last chunk.
const END: &[u8] = b"";

/// How long a rare event may be looked for before it is asked whether anybody still listens.
const PAGE_TIME_MAX: Duration = Duration::from_secs(1);

/// What may be asked for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    q: Option<String>,
    format: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Ndjson,
    Csv,
}

/// The events, one a line; after a failure the connection breaks rather than ends.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(wanted) = wanted.map_err(|error| Problem::query(&error))?;
    let now = clock::now();
    let query = wanted.q.unwrap_or_default();
    let filter = Filter::parse(&query, now).map_err(|error| Problem::bad_request(error.to_string()))?;
    if filter.asks_for_content() {
        let reason = "an export has no file bodies, and is not made by what is in them";
        return Err(
            Problem::bad_request(reason).suggest("Leave in:content out, or page through /api/v1/events with it")
        );
    }
    let (format, content_type, ending) = match wanted.format.as_deref() {
        None | Some("ndjson") => (Format::Ndjson, "application/x-ndjson", "ndjson"),
        Some("csv") => (Format::Csv, "text/csv; charset=utf-8", "csv"),
        Some(other) => return Err(Problem::bad_request(format!("format is ndjson or csv, and not {other:?}"))),
    };
    let Ok(place) = Arc::clone(&app.exports.0).try_acquire_owned() else {
        let message = format!("{EXPORTS_MAX} exports are being taken already");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_exports", message)
            .suggest("Try again when one of them is done"));
    };
    let reader = app.reader.clone();
    let seq_last = reader.seq_last();
    let (sender, body) = mpsc::channel(2);
    let stopped = app.stopped.clone();
    app.tasks.spawn(async move {
        let export = Export { reader, filter, format, seq_last };
        if let Err(error) = export.run(&sender, &stopped).await {
            warn!("an export ended early: {error}");
        }
        drop(place);
    });
    let mut response = Body::new(Chunks(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let day = now.to_string();
    let name = format!("attachment; filename=\"events-{}.{ending}\"", day.get(..10).unwrap_or_default());
    let said = [
        ("content-disposition", name),
        ("x-exported-at", day),
        ("x-version", app.config.version.clone()),
        ("x-epoch", app.hub.epoch.clone()),
        ("x-seq-last", seq_last.to_string()),
        ("x-query", query.escape_default().to_string()),
    ];
    for (name, value) in said {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

struct Export {
    reader: Reader,
    filter: Filter,
    format: Format,
    seq_last: u64,
}

/// Exports that are being taken.
pub(crate) struct Exports(Arc<Semaphore>);

impl Default for Exports {
    fn default() -> Exports {
        Exports(Arc::new(Semaphore::new(EXPORTS_MAX)))
    }
}

impl Export {
    /// Reads and sends until all is sent, nobody listens any more, or the server stops.
    async fn run(self, sender: &mpsc::Sender<Bytes>, stopped: &CancellationToken) -> io::Result<()> {
        let export = Arc::new(self);
        let mut after = 0;
        if export.format == Format::Csv {
            let mut head = Vec::new();
            table::write_head(&mut head, false)?;
            if !send(sender, head, stopped).await? {
                return Ok(());
            }
        }
        loop {
            let reading = Arc::clone(&export);
            let page = tokio::task::spawn_blocking(move || reading.page(after));
            let (chunk, next) = page.await.map_err(io::Error::other)??;
            let is_gone = !chunk.is_empty() && !send(sender, chunk, stopped).await?;
            if is_gone || sender.is_closed() {
                return Ok(());
            }
            let Some(next) = next else {
                send(sender, END.to_vec(), stopped).await?;
                return Ok(());
            };
            if stopped.is_cancelled() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            after = next;
        }
    }

    /// The lines of the next events, and after which to go on, if there are more.
    fn page(&self, after: u64) -> io::Result<(Vec<u8>, Option<u64>)> {
        let mut query = PageQuery::new(Direction::Oldest { after }, PAGE_EVENTS, Instant::now() + PAGE_TIME_MAX);
        query.bytes_max = PAGE_BYTES;
        query.needles = needles(&self.filter);
        let query = narrowed(query, &self.filter);
        let page = self.reader.page(&query, &mut |json| self.filter.wants_json(json));
        let Page { events, next, .. } = page.map_err(|error| io::Error::other(error.to_string()))?;
        let (chunk, is_over) = self.chunk(&events);
        Ok((chunk, next.filter(|next| !is_over && *next < self.seq_last)))
    }

    /// The lines of some events, and whether the rest came after the export began.
    fn chunk(&self, events: &[Bytes]) -> (Vec<u8>, bool) {
        let mut chunk = Vec::with_capacity(events.iter().map(|event| event.len() + 1).sum());
        for json in events {
            if seq_of(json).is_some_and(|seq| seq > self.seq_last) {
                return (chunk, true);
            }
            match self.format {
                Format::Ndjson => {
                    chunk.extend_from_slice(json);
                    chunk.push(b'\n');
                }
                // Writing into memory cannot fail.
                Format::Csv => drop(table::write_row(&mut chunk, json, None)),
            }
        }
        (chunk, false)
    }
}

/// Hands a chunk over; false when nobody takes it any more.
async fn send(sender: &mpsc::Sender<Bytes>, chunk: Vec<u8>, stopped: &CancellationToken) -> io::Result<bool> {
    let sent = tokio::select! {
        sent = sender.send_timeout(chunk.into(), TAKEN_WITHIN) => sent,
        () = stopped.cancelled() => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    match sent {
        Ok(()) => Ok(true),
        Err(SendTimeoutError::Closed(_)) => Ok(false),
        Err(SendTimeoutError::Timeout(_)) => Err(io::Error::new(io::ErrorKind::TimedOut, "nobody takes it")),
    }
}

fn seq_of(json: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: u64,
    }
    serde_json::from_slice::<Numbered>(json).ok().map(|numbered| numbered.seq)
}

/// A body of chunks as they come. Without the last one, [`END`], it breaks off: what is cut short must not look like all.
struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|next| match next {
            Some(chunk) if chunk == END => None,
            Some(chunk) => Some(Ok(Frame::data(chunk))),
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }
}
