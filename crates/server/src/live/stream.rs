//! Server-Sent Events: the rows of history and then of what happens, for any program that can read lines.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use event::filter::Filter;
use http::header::{self, HeaderName};
use http::{HeaderMap, StatusCode};
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::page;
use super::replay::{Follower, Step};
use crate::access::Visitor;
use crate::api::problem::Problem;
use crate::app::App;
use crate::clock;
use crate::hub::Published;
use crate::live::roster;

/// Streams at a time: each looks at every event with a filter of its own.
const STREAMS_MAX: u64 = 1_000;

/// Bytes handed to the connection at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A proxy that hears nothing for a minute ends the connection; so does a laptop's firewall.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// A client that takes nothing for so long gets the rest from the store, and nothing is kept for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A client that takes nothing for so long is let go; it comes back with the number of the last event it has.
const STALL_MAX: Duration = Duration::from_secs(30);

/// How long a client gets to take the last events at shutdown.
const LAST_MAX: Duration = Duration::from_secs(1);

/// How long a browser waits before it comes back, in milliseconds: a restart takes less.
const RETRY_MS: u64 = 1_000;

/// As many digits of the epoch as tell two stores apart.
const EPOCH_DIGITS: usize = 8;

/// What may be asked.
#[derive(Deserialize)]
pub(crate) struct Asked {
    q: Option<String>,
    since: Option<String>,
    named: Option<bool>,
}

/// The number of an event, and the store that gave it, as far as it was said.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    seq: u64,
    epoch: Option<&'a str>,
}

impl Place<'_> {
    /// Reads `943` or `943-e62f0a1b`.
    fn parse(text: &str) -> Option<Place<'_>> {
        let (seq, epoch) = text.split_once('-').map_or((text, None), |(seq, epoch)| (seq, Some(epoch)));
        let is_number = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
        Some(Place { seq: seq.parse().ok().filter(|_| is_number)?, epoch })
    }
}

/// Answers `GET /api/v1/stream`: events as they happen, from `Last-Event-ID` or `since` on if one of them is there.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    asked: Result<Query<Asked>, QueryRejection>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::query(&error))?;
    let filter = Filter::parse(asked.q.as_deref().unwrap_or_default(), clock::now())
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    // A browser that comes back asks for the same address as the first time, and says in the header how far it got.
    let last_id = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()));
    let since = last_id.as_deref().filter(|id| !id.is_empty()).or(asked.since.as_deref());
    let place = match since {
        Some(text) => Some(Place::parse(text).ok_or_else(|| {
            Problem::bad_request(format!("{text:?} is no event's number")).suggest("Say since=943, or since=0 for all")
        })?),
        None => None,
    };
    if app.streams.load(Relaxed) >= STREAMS_MAX {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", "too many streams"));
    }
    let (sender, body) = mpsc::channel(1);
    let client = Client::new(&app, sender, place.as_ref(), filter, asked.named.unwrap_or(true));
    let guest = roster::enter(&app, visitor.peer, &headers, "stream");
    app.tasks.spawn(async move {
        tokio::select! {
            () = client.serve() => {}
            () = guest.sent_away() => {}
        }
        drop(guest);
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx would hold events back otherwise.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::new(Chunks(body))).into_response())
}

/// One stream.
struct Client {
    app: Arc<App>,
    follower: Follower,
    sender: mpsc::Sender<Bytes>,
    /// Whether events have names of their own; unnamed ones are what `onmessage` hears in a browser.
    named: bool,
    /// What is told first.
    greeting: Bytes,
}

impl Client {
    fn new(
        app: &Arc<App>,
        sender: mpsc::Sender<Bytes>,
        place: Option<&Place<'_>>,
        filter: Filter,
        named: bool,
    ) -> Client {
        let mut greeting = BytesMut::from(format!("retry: {RETRY_MS}\n\n").as_bytes());
        let hello = page::hello(app);
        message(&mut greeting, "hello", &hello);
        let last = app.hub.state().seq;
        let since = match place {
            None => last,
            Some(place) if place.seq <= last && place.epoch.is_none_or(|epoch| epoch == epoch_of(app)) => place.seq,
            Some(place) => {
                // Its number means nothing here: what this store has is all new to it.
                let reason = match place.epoch {
                    Some(epoch) if epoch != epoch_of(app) => "this is another store than the one that gave that number",
                    _ => "this store has not given that number",
                };
                let data = json!({ "reason": reason, "asked": place.seq, "epoch": app.hub.epoch,
                    "seq_first": hello["seq_first"], "seq_last": last });
                message(&mut greeting, "reset", &data);
                0
            }
        };
        let follower = Follower::new(app, since, Arc::new(filter));
        app.streams.fetch_add(1, Relaxed);
        Client { app: Arc::clone(app), follower, sender, named, greeting: greeting.freeze() }
    }

    /// Sends until the client is gone or the server stops.
    async fn serve(mut self) {
        let mut chunk = BytesMut::from(&self.greeting[..]);
        let mut sent_at = Instant::now();
        loop {
            if !chunk.is_empty() {
                if !self.send(chunk.split().freeze()).await {
                    return;
                }
                sent_at = Instant::now();
            }
            let (app, caught_up) = (Arc::clone(&self.app), self.follower.is_live());
            let step = tokio::select! {
                step = self.follower.next() => step,
                // A live follower hears of the end by itself, after the last event.
                () = app.stopped.cancelled(), if !caught_up => return,
                () = self.sender.closed() => return,
                () = tokio::time::sleep_until(sent_at + COMMENT_EVERY) => {
                    chunk.put_slice(b": still here\n\n");
                    continue;
                }
            };
            match step {
                Step::Closed => return,
                Step::Live => message(&mut chunk, "live", &json!({ "seq": self.follower.seq() })),
                Step::Gap { from, to, reason } => {
                    message(&mut chunk, "gap", &json!({ "from": from, "to": to, "reason": reason }));
                }
                Step::Events(events) => {
                    for published in &events {
                        self.write(&mut chunk, published);
                        if chunk.len() >= CHUNK_BYTES && !self.send(chunk.split().freeze()).await {
                            return;
                        }
                    }
                }
            }
        }
    }

    fn write(&self, chunk: &mut BytesMut, published: &Published) {
        if let Some(seq) = published.event.seq {
            chunk.put_slice(format!("id: {seq}-{}\n", epoch_of(&self.app)).as_bytes());
        }
        if self.named {
            chunk.put_slice(format!("event: {}\n", published.event.fact.kind.name()).as_bytes());
        }
        chunk.put_slice(b"data: ");
        // JSON of ours is one line.
        chunk.put_slice(&published.json);
        chunk.put_slice(b"\n\n");
    }

    /// Waits for room; false when the client is gone, or as good as gone.
    async fn send(&mut self, chunk: Bytes) -> bool {
        let reserved = match tokio::time::timeout(PATIENCE, self.sender.reserve()).await {
            Ok(reserved) => reserved,
            Err(_) => {
                self.follower.wait_in_store();
                let ending = async {
                    self.app.stopped.cancelled().await;
                    tokio::time::sleep(LAST_MAX).await;
                };
                tokio::select! {
                    reserved = self.sender.reserve() => reserved,
                    () = tokio::time::sleep(STALL_MAX) => return false,
                    () = ending => return false,
                }
            }
        };
        reserved.map(|room| room.send(chunk)).is_ok()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.app.streams.fetch_sub(1, Relaxed);
    }
}

fn epoch_of(app: &App) -> &str {
    app.hub.epoch.get(..EPOCH_DIGITS).unwrap_or(&app.hub.epoch)
}

/// Adds a message that is no event: it has no number.
fn message(chunk: &mut BytesMut, name: &str, data: &Value) {
    chunk.put_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}

/// A body that comes in pieces.
struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_number_and_perhaps_its_store() {
        assert_eq!(Place::parse("943"), Some(Place { seq: 943, epoch: None }));
        assert_eq!(Place::parse("943-e62f0a1b"), Some(Place { seq: 943, epoch: Some("e62f0a1b") }));
        for none in ["", "-", "-7", "+7", "7.5", " 7", "x", "99999999999999999999"] {
            assert_eq!(Place::parse(none), None, "{none}");
        }
    }
}
