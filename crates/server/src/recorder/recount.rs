//! Counts all that is stored again, beside everything else, when the sums over time are not there: after `catalog.db` was
//! deleted or damaged, after a restore or an import, or because this release counts in another way.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use event::session::Session;
use event::wire::history;
use store::sums::Tallies;
use store::{Direction, PageQuery, Reader};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Recorder;
use super::memory::{grow, tells_usage};
use crate::hub::tally::{self, Context};

/// Events read at a time, and counted before others get their turn.
const PAGE: usize = 2_000;

/// Events between two hand-overs: some thousand sums.
const HAND_OVER: usize = 20_000;

/// Sessions whose spending is remembered; of those beyond it, the ones heard of least lately are forgotten.
const SESSIONS_MAX: usize = 2_000;

/// The day whose file an event is in, asked once a file.
#[derive(Default)]
pub(super) struct Day {
    /// The day, and the numbers known to be in its file.
    known: Option<(Option<i64>, u64, u64)>,
}

impl Day {
    /// Of a number; numbers are asked for in ascending order. `None` is no day: it is pinned, and was counted with its day.
    pub(super) fn of(&mut self, reader: &Reader, seq: u64) -> Option<i64> {
        if let Some((day, first, last)) = self.known
            && (first..=last).contains(&seq)
        {
            return day;
        }
        let ask = |seq: u64| reader.day_of(seq).ok().flatten();
        let day = ask(seq);
        // A whole page is usually of one day.
        let last = if ask(seq + PAGE as u64) == day { seq + PAGE as u64 } else { seq };
        self.known = Some((day, seq, last));
        day
    }
}

/// Counts the events up to `last` and hands the sums to the recorder. Blocking.
pub(super) fn run(recorder: &Recorder, reader: &Reader, last: u64, stopped: &CancellationToken) {
    let started = Instant::now();
    let mut counting = Counting::default();
    let mut after = 0;
    while after < last {
        if stopped.is_cancelled() {
            return;
        }
        let query = PageQuery::new(Direction::Oldest { after }, PAGE, Instant::now() + Duration::from_secs(60));
        let page = match reader.page(&query, &mut |_| true) {
            Ok(page) => page,
            Err(error) => {
                warn!("counting events again after {after}: {error}");
                return;
            }
        };
        for json in &page.events {
            let Ok(event) = history::read(json) else { continue };
            let Some(seq) = event.seq.filter(|seq| *seq <= last) else { continue };
            let part = counting.day.of(reader, seq);
            let context = counting.context(&event.fact);
            if let Some(part) = part {
                tally::count(&mut counting.tallies, part, &event.fact, &context);
            }
        }
        counting.events += page.events.len();
        counting.since += page.events.len();
        after = page.next.unwrap_or(last);
        if counting.since >= HAND_OVER && after < last {
            counting.since = 0;
            if !recorder.counted_again(std::mem::take(&mut counting.tallies), false) {
                return;
            }
        }
    }
    if recorder.counted_again(counting.tallies, true) {
        info!("{} events were counted again in {} ms", counting.events, started.elapsed().as_millis());
    }
}

#[derive(Default)]
struct Counting {
    tallies: Tallies,
    sessions: HashMap<String, (Session, usize)>,
    day: Day,
    events: usize,
    since: usize,
}

impl Counting {
    fn context(&mut self, fact: &event::event::Fact) -> Context {
        let Some(id) = &fact.session_id else { return Context::default() };
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(id) {
            let mut heard: Vec<usize> = self.sessions.values().map(|(_, heard)| *heard).collect();
            heard.sort_unstable();
            let middle = heard[heard.len() / 2];
            self.sessions.retain(|_, (_, heard)| *heard > middle);
        }
        let session = self.sessions.entry(id.clone()).or_insert_with(|| (Session::new(id, fact.time), 0));
        session.1 = self.events;
        grow(&mut session.0, tells_usage(fact.kind), |session| session.take_spending(fact)).1
    }
}
