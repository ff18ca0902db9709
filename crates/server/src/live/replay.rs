//! Events from a number on: first what is stored, then what comes, without a hole and without a double (I5).
//!
//! Every way out that lets clients say since when uses this. A [`Follower`] is asked for its next step for as long as
//! its client wants:
//!
//! ```text
//! let mut follower = Follower::new(&app, since, Arc::new(filter));
//! loop {
//!     match follower.next().await {
//!         Step::Events(events) => …         // in order; each number once
//!         Step::Gap { from, to, reason } => …   // tell it to the client: the store does not have these (any more)
//!         Step::Live => …                   // all that is stored was told
//!         Step::Closed => return,           // the server stops
//!     }
//! }
//! ```
//!
//! * `since` is exclusive: 0 is everything, `app.hub.state().seq` is nothing but what comes.
//! * [`Follower::next`] may be dropped in the middle (`select!`) without losing anything. While it reads the store it does
//!   not look at the server's end: select on `app.stopped` besides, as long as [`Follower::is_live`] is false.
//! * It is asked at the client's pace. One that is too slow for the outbox is not given a gap but sent back to the store;
//!   [`Step::Live`] comes again when it has caught up. While a client takes nothing, [`Follower::wait_in_store`] lets the
//!   outbox go, so that nothing is kept for it.
//! * What is not kept (no `seq`) is told while live, and never again.
//! * Events from the store come without what was withheld, as history shows them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::filter::Filter;
use event::wire::history;
use store::{Direction, PageQuery, Reader, StoreError};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::api::events;
use crate::app::App;
use crate::hub::outbox::{Cursor, Next};
use crate::hub::{Hub, Published};

/// Events read from the store at a time.
const PAGE_EVENTS_MAX: usize = 512;

/// Bytes of events read from the store at a time: what waits in memory for one client that catches up.
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// How long a filter may look for wanted events before others get their turn.
const PAGE_TIME_MAX: Duration = Duration::from_millis(200);

/// Events read from the outbox at a time.
const LIVE_EVENTS_MAX: usize = 64;

/// Followers that read the store at a time: after a restart all come back at once, and requests want to read, too.
static READERS: Semaphore = Semaphore::const_new(3);

/// One client's way through the events.
pub(crate) struct Follower {
    hub: Arc<Hub>,
    reader: Reader,
    filter: Arc<Filter>,
    /// Events up to this number were told, or are not wanted, or cannot be had.
    seq: u64,
    place: Place,
}

/// Where a follower reads.
enum Place {
    /// In the store, far from its end as far as it knows.
    Stored,
    /// Near the end: the outbox keeps what comes, and the store still has to be read up to a number.
    Joined { cursor: Cursor, stored_to: u64 },
    /// From the outbox alone.
    Live(Cursor),
}

/// What a follower comes to next.
pub(crate) enum Step {
    /// Wanted events, at least one, in order.
    Events(Vec<Arc<Published>>),
    /// Events that are not to be had; both numbers are inclusive.
    Gap { from: u64, to: u64, reason: String },
    /// Everything stored was told; what follows has just happened.
    Live,
    /// The server stops.
    Closed,
}

/// What a look into the store found.
enum Found {
    /// The events before this number are gone.
    RemovedBefore(u64),
    /// Some events; everything up to `seq` was looked at, and `at_end` says that there was no more.
    Page { events: Vec<Arc<Published>>, seq: u64, at_end: bool },
}

impl Follower {
    /// Follows what comes after number `since`.
    pub(crate) fn new(app: &App, since: u64, filter: Arc<Filter>) -> Follower {
        Follower::of(Arc::clone(&app.hub), app.reader.clone(), since, filter)
    }

    fn of(hub: Arc<Hub>, reader: Reader, since: u64, filter: Arc<Filter>) -> Follower {
        Follower { hub, reader, filter, seq: since, place: Place::Stored }
    }

    /// The highest number that was told or passed over: where to go on from later.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether it has caught up.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.place, Place::Live(_))
    }

    /// Lets the outbox go: what comes meanwhile is read from the store later.
    pub(crate) fn wait_in_store(&mut self) {
        self.place = Place::Stored;
    }

    /// Waits for the next step. Safe to drop in the middle.
    pub(crate) async fn next(&mut self) -> Step {
        loop {
            match &mut self.place {
                Place::Live(cursor) => match self.hub.outbox.next(cursor, LIVE_EVENTS_MAX).await {
                    Next::Closed => return Step::Closed,
                    Next::Events { lost, .. } if lost > 0 => self.place = Place::Stored,
                    Next::Events { events, .. } => {
                        let wanted = self.fresh(events);
                        if !wanted.is_empty() {
                            return Step::Events(wanted);
                        }
                        // Filtering is work; others on this thread get their turn.
                        tokio::task::yield_now().await;
                    }
                },
                Place::Joined { stored_to, .. } if self.seq >= *stored_to => {
                    if let Place::Joined { cursor, .. } = std::mem::replace(&mut self.place, Place::Stored) {
                        self.place = Place::Live(cursor);
                    }
                    return Step::Live;
                }
                Place::Stored | Place::Joined { .. } => {
                    if let Some(step) = self.read_on().await {
                        return step;
                    }
                }
            }
        }
    }

    /// Of live events those that were not read from the store before, and are wanted.
    fn fresh(&mut self, events: Vec<Arc<Published>>) -> Vec<Arc<Published>> {
        let mut wanted = Vec::with_capacity(events.len());
        for published in events {
            match published.event.seq {
                Some(seq) if seq <= self.seq => continue,
                Some(seq) => self.seq = seq,
                None => {}
            }
            if self.filter.wants_json(&published.json) {
                wanted.push(published);
            }
        }
        wanted
    }

    /// Reads one page of the store; `None` when nothing in it is wanted.
    async fn read_on(&mut self) -> Option<Step> {
        match self.look().await {
            Ok(Found::RemovedBefore(first)) => {
                let from = std::mem::replace(&mut self.seq, first - 1) + 1;
                let reason = "they have been removed from the store".to_owned();
                Some(Step::Gap { from, to: first - 1, reason })
            }
            Ok(Found::Page { events, seq, at_end }) => {
                self.seq = self.seq.max(seq);
                if at_end {
                    self.join();
                }
                (!events.is_empty()).then_some(Step::Events(events))
            }
            Err(reason) => {
                warn!("reading events after {} for a client: {reason}", self.seq);
                let (from, to) = (self.seq + 1, self.reader.seq_last());
                self.seq = self.seq.max(to);
                self.join();
                (from <= to).then_some(Step::Gap { from, to, reason })
            }
        }
    }

    /// Subscribes first, and looks then how far the store has to be read: what is stored later is published later.
    fn join(&mut self) {
        if let Place::Stored = self.place {
            let cursor = self.hub.outbox.subscribe();
            self.place = Place::Joined { cursor, stored_to: self.reader.seq_last() };
        }
    }

    async fn look(&self) -> Result<Found, String> {
        let _reading = READERS.acquire().await;
        let (reader, filter, after) = (self.reader.clone(), Arc::clone(&self.filter), self.seq);
        match tokio::task::spawn_blocking(move || look(&reader, &filter, after)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the server is stopping".to_owned()),
        }
    }
}

fn look(reader: &Reader, filter: &Filter, after: u64) -> Result<Found, StoreError> {
    let first = reader.seq_first();
    if after.saturating_add(1) < first {
        return Ok(Found::RemovedBefore(first));
    }
    // What is committed from here on may or may not be in the page; its own number tells.
    let last = reader.seq_last();
    let mut query = PageQuery::new(Direction::Oldest { after }, PAGE_EVENTS_MAX, Instant::now() + PAGE_TIME_MAX);
    query.bytes_max = PAGE_BYTES_MAX;
    query.needles = events::needles(filter);
    let page = reader.page(&query, &mut |json| filter.wants_json(json))?;
    let events: Vec<_> = page.events.into_iter().filter_map(published).collect();
    let told = events.last().and_then(|published| published.event.seq).unwrap_or(0);
    Ok(Found::Page { events, seq: page.next.unwrap_or(last.max(told)), at_end: page.next.is_none() })
}

fn published(json: Bytes) -> Option<Arc<Published>> {
    match history::read(&json) {
        Ok(event) => Some(Arc::new(Published { event, json, frame: OnceLock::new() })),
        Err(error) => {
            warn!("an event in the store cannot be read: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use event::event::{Event, Fact, Source, Time};
    use event::vocabulary::Kind;
    use serde_json::json;
    use store::{Batch, Options, Record, Store};

    use super::*;
    use crate::hub::State;

    const DAY_MS: i64 = 86_400_000;
    const NOW_MS: i64 = 1_795_000_000_000;

    fn open(dir: &Path) -> Store {
        Store::open(dir, None, Options { encrypted: false, ..Options::default() }, NOW_MS).unwrap()
    }

    fn made(seq: Option<u64>, bytes: usize) -> Arc<Published> {
        let fact =
            Fact::new(Kind::LogMessage, Time::from_ms(NOW_MS), Source::Emit, json!({ "fill": "x".repeat(bytes) }));
        Arc::new(Published::new(Event { seq, recorded_at: Time::from_ms(NOW_MS), fact }))
    }

    /// Stores `count` events of a day.
    fn store_some(store: &mut Store, day: i64, count: u64, bytes: usize) -> Vec<Arc<Published>> {
        let events: Vec<_> = (store.next_seq()..).take(count as usize).map(|seq| made(Some(seq), bytes)).collect();
        let records = events.iter().map(|published| Record {
            seq: published.event.seq.unwrap(),
            kind: "log.message".into(),
            json: published.json.clone(),
            ..Record::default()
        });
        store.write(&Batch { records: records.collect(), ..Batch::default() }, NOW_MS + day * DAY_MS).unwrap();
        events
    }

    fn follower(store: &Store, since: u64) -> Follower {
        let hub = Arc::new(Hub::new("epoch".to_owned(), "instance".to_owned(), State::default()));
        Follower::of(hub, store.reader(), since, Arc::new(Filter::default()))
    }

    /// Steps until it is live or has more to wait for: numbers, and gaps as the negative of their ends.
    async fn told(follower: &mut Follower) -> Vec<i64> {
        let mut told = Vec::new();
        loop {
            match follower.next().await {
                Step::Events(events) => {
                    told.extend(events.iter().map(|event| event.event.seq.map_or(0, |seq| seq as i64)))
                }
                Step::Gap { from, to, .. } => told.extend([-(from as i64), -(to as i64)]),
                Step::Live | Step::Closed => return told,
            }
        }
    }

    #[tokio::test]
    async fn what_has_been_removed_from_the_store_is_a_gap_and_the_rest_follows() {
        let temp = tempfile::tempdir().unwrap();
        let mut store = open(temp.path());
        store_some(&mut store, 0, 10, 10);
        store_some(&mut store, 1, 10, 10);
        store.close().unwrap();
        let mut days: Vec<_> = std::fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        days.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("events-"));
        days.sort();
        std::fs::remove_file(&days[0]).unwrap();
        let store = open(temp.path());

        assert_eq!(told(&mut follower(&store, 3)).await, [vec![-4, -10], (11..=20).collect()].concat());
        assert_eq!(told(&mut follower(&store, 10)).await, (11..=20).collect::<Vec<_>>());
        assert_eq!(told(&mut follower(&store, 20)).await, [0; 0]);
    }

    #[tokio::test]
    async fn what_is_published_between_subscribing_and_reading_is_told_once() {
        let temp = tempfile::tempdir().unwrap();
        let mut store = open(temp.path());
        store_some(&mut store, 0, 5, 10);
        let mut follower = follower(&store, 0);
        assert_eq!(told(&mut follower).await, [1, 2, 3, 4, 5]);
        follower.wait_in_store();
        // Subscribes at the end of the store, and more is stored and published before it reads on.
        assert!(follower.read_on().await.is_none());
        assert!(matches!(follower.place, Place::Joined { stored_to: 5, .. }));
        let events = store_some(&mut store, 0, 3, 10);
        follower.hub.committed(8, events, Vec::new());
        follower.place = match std::mem::replace(&mut follower.place, Place::Stored) {
            Place::Joined { cursor, .. } => Place::Joined { cursor, stored_to: 8 },
            other => other,
        };
        assert_eq!(told(&mut follower).await, [6, 7, 8]);
        follower.hub.unkept(vec![made(None, 1)]);
        follower.hub.outbox.close();
        assert_eq!(told(&mut follower).await, [0]);
    }

    #[tokio::test]
    async fn whoever_falls_behind_the_outbox_reads_on_in_the_store() {
        let temp = tempfile::tempdir().unwrap();
        let mut store = open(temp.path());
        let mut follower = follower(&store, 0);
        assert_eq!(told(&mut follower).await, [0; 0]);
        assert!(follower.is_live());
        // More than the outbox holds.
        for _ in 0..50 {
            let events = store_some(&mut store, 0, 10, 100_000);
            follower.hub.committed(store.seq_last(), events, Vec::new());
        }

        assert_eq!(told(&mut follower).await, (1..=500).collect::<Vec<_>>());
        assert!(follower.is_live() && follower.seq() == 500);
    }
}
