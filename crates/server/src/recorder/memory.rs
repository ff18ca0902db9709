//! The recorder's working copy of the sessions: one step ahead of what is committed, and taken back if a commit fails.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use event::event::{Fact, Source, Time};
use event::session::Session;
use event::session::growth::Growth;
use event::vocabulary::Kind;
use event::wire::history;
use serde::{Deserialize, Serialize};
use store::sums::{Sums, Tallies};
use store::{Direction, PageQuery, Reader, Store};
use tracing::warn;

use super::recount::Day;
use crate::hub::tally::{self, Context};
use crate::hub::totals::Totals;
use crate::hub::{self, Hub, State};

/// Sessions kept in memory; beyond it the one silent for longest is left to history.
const SESSIONS_MAX: usize = 2_000;

/// Silence after which a session that ended is left to history, in milliseconds: two days.
const ENDED_KEPT_MS: u64 = 2 * 24 * 3_600_000;

/// Facts that are read back to recognise a second telling after a restart.
const TOLD_READ_BACK: usize = 2_048;

/// Events replayed at the start when there is no checkpoint: a good day of one person.
const REPLAY_EVENTS_MAX: u64 = 50_000;

/// Sessions as they will be when the current group is committed.
pub(super) struct Memory {
    hub: Arc<Hub>,
    working: HashMap<String, Arc<Session>>,
}

impl Memory {
    pub(super) fn new(hub: Arc<Hub>) -> Memory {
        Memory { hub, working: HashMap::new() }
    }

    /// The event that tells this fact already, if one does.
    pub(super) fn known(&mut self, fact: &Fact, reader: &Reader) -> Option<u64> {
        let session = self.session(fact)?;
        if session.has_forgotten_told() {
            remember_told(session, reader);
        }
        session.knows(fact)
    }

    /// The fact completed, and what it implies; and what its session knows of it.
    pub(super) fn take(&mut self, fact: Fact, seq: u64) -> (Vec<Fact>, Context) {
        match self.session(&fact) {
            Some(session) => take(session, fact, seq),
            None => (vec![fact], Context::default()),
        }
    }

    /// A fuller telling of event `seq`, and what it implies besides.
    pub(super) fn take_fuller(&mut self, fact: Fact, seq: u64, next: u64) -> (Vec<Fact>, Context) {
        match self.session(&fact) {
            Some(session) => grow(session, tells_usage(fact.kind), |session| session.take_fuller(fact, seq, next)),
            None => (vec![fact], Context::default()),
        }
    }

    /// Another telling of the event `known`; `None` when its session learnt nothing of it.
    pub(super) fn take_again(&mut self, known: &Fact, again: &Fact) -> Option<Context> {
        let tells = tells_usage(known.kind);
        let (has_learnt, context) = grow(self.session(again)?, tells, |session| session.take_again(known, again));
        has_learnt.then_some(context)
    }

    /// Pins a session that is in memory, or no longer; one that is not learns it when it is heard of.
    pub(super) fn pin(&mut self, id: &str, pinned: bool) {
        let known = self.working.get(id).cloned().or_else(|| self.hub.state().sessions.get(id).cloned());
        if let Some(mut session) = known {
            Arc::make_mut(&mut session).pinned = pinned;
            self.working.insert(id.to_owned(), session);
        }
    }

    /// Hands the working copies over, to become the committed ones.
    pub(super) fn commit(&mut self) -> Vec<Arc<Session>> {
        self.working.drain().map(|(_, session)| session).collect()
    }

    /// Forgets what could not be committed.
    pub(super) fn roll_back(&mut self) {
        self.working.clear();
    }

    fn session(&mut self, fact: &Fact) -> Option<&mut Session> {
        let id = fact.session_id.as_deref()?;
        if !self.working.contains_key(id) {
            let committed = self.hub.state().sessions.get(id).cloned();
            let session = committed.unwrap_or_else(|| {
                let mut session = unknown(id, fact.time);
                session.pinned = self.hub.is_pinned(id);
                Arc::new(session)
            });
            self.working.insert(id.to_owned(), session);
        }
        self.working.get_mut(id).map(Arc::make_mut)
    }
}

fn take(session: &mut Session, fact: Fact, seq: u64) -> (Vec<Fact>, Context) {
    grow(session, tells_usage(fact.kind), |session| session.take(fact, seq))
}

/// Tells a session something, and what its spending grew by with that if it `tells` of spending.
pub(super) fn grow<T>(session: &mut Session, tells: bool, tell: impl FnOnce(&mut Session) -> T) -> (T, Context) {
    let before = tells.then(|| session.believed());
    let told = tell(session);
    let growth = before.map(|before| Growth::between(&before, &session.believed()));
    (told, Context { project: session.project.clone(), growth: growth.filter(|growth| !growth.is_none()) })
}

fn remember_told(session: &mut Session, reader: &Reader) {
    let known = reader.identities(&session.session_id, TOLD_READ_BACK).unwrap_or_else(|error| {
        warn!("reading what was told of session {}: {error}", session.session_id);
        Vec::new()
    });
    session
        .remember_told(known.into_iter().rev().map(|known| (known.identity, Source::named(&known.source), known.seq)));
}

/// The checkpoint's form.
#[derive(Default, Serialize, Deserialize)]
struct Checkpoint {
    sessions: Vec<Arc<Session>>,
    totals: Totals,
}

/// The live state as bytes, and the number it is as of. Sessions that ended long ago are left out, and forgotten.
pub(super) fn checkpoint(hub: &Hub, now: Time) -> (u64, Vec<u8>) {
    let mut state = hub.state();
    state.sessions.retain(|_, session| session.ended.is_none() || now.since(session.last_event_at) < ENDED_KEPT_MS);
    while state.sessions.len() > SESSIONS_MAX {
        let silent =
            state.sessions.values().min_by_key(|session| session.last_seq).map(|session| session.session_id.clone());
        let Some(silent) = silent else { break };
        state.sessions.remove(&silent);
    }
    let checkpoint = Checkpoint { sessions: state.sessions.values().cloned().collect(), totals: state.totals.clone() };
    let seq = state.seq;
    drop(state);
    (seq, serde_json::to_vec(&checkpoint).unwrap_or_default())
}

/// A checkpoint without a session, for whoever erases one while no server runs.
pub fn checkpoint_without(state: &[u8], session: &str) -> Vec<u8> {
    let Ok(mut checkpoint) = serde_json::from_slice::<Checkpoint>(state) else { return Vec::new() };
    checkpoint.sessions.retain(|known| known.session_id != session);
    serde_json::to_vec(&checkpoint).unwrap_or_default()
}

/// The live state of an opened store: its checkpoint, and the events since then. Also the number up to which all events
/// are to be counted again, because the sums over time are not there or not whole; 0 when they are.
pub(crate) fn restore(store: &mut Store) -> (State, u64) {
    let mut state = State::default();
    let last = store.seq_last();
    let checkpoint = store.load_checkpoint().and_then(|(seq, bytes)| {
        let checkpoint: Checkpoint = serde_json::from_slice(&bytes).ok()?;
        Some((seq, checkpoint))
    });
    let is_counted = store.begin_sums(checkpoint.is_none()).unwrap_or_else(|error| {
        warn!("counting by the minute: {error}");
        false
    });
    state.seq = last.saturating_sub(REPLAY_EVENTS_MAX);
    if let Some((seq, checkpoint)) = checkpoint {
        state.seq = seq;
        state.totals = checkpoint.totals;
        state.sessions = checkpoint.sessions.into_iter().map(|session| (session.session_id.clone(), session)).collect();
    }
    let sums = store.sums();
    state.pinned = store.pinned();
    replay(&mut state, &store.reader(), last, is_counted.then_some(&*sums));
    for (session, below) in store.eraser().waiting().unwrap_or_default() {
        if state.sessions.get(&session).is_some_and(|known| known.last_seq < below) {
            state.sessions.remove(&session);
        }
    }
    let State { sessions, pinned, .. } = &mut state;
    for (id, session) in sessions {
        if session.pinned != pinned.contains(id) {
            Arc::make_mut(session).pinned = pinned.contains(id);
        }
    }
    if !is_counted && last == 0 {
        sums.completed();
    }
    (state, if is_counted { 0 } else { last })
}

/// Takes the committed events after `state.seq` again. What a fact implied is stored behind it, and skipped.
fn replay(state: &mut State, reader: &Reader, last: u64, sums: Option<&Sums>) {
    const PAGE: usize = 2_000;
    let mut implied = BTreeMap::new();
    while state.seq < last {
        let deadline = Instant::now() + Duration::from_secs(5);
        let query = PageQuery::new(Direction::Oldest { after: state.seq }, PAGE, deadline);
        let page = match reader.page(&query, &mut |_| true) {
            Ok(page) if !page.events.is_empty() => page,
            Ok(_) => break,
            Err(error) => {
                warn!("replaying events after {}: {error}", state.seq);
                break;
            }
        };
        let mut tallies = sums.map(Sums::pending);
        let mut day = Day::default();
        for json in &page.events {
            let Ok(event) = history::read(json) else { continue };
            let Some(seq) = event.seq else { continue };
            state.seq = seq;
            state.totals.count(&event);
            // By its kind, too: a release that concludes otherwise must not skip what somebody told.
            let is_implied = implied.remove(&seq) == Some(event.fact.kind);
            let Some(id) = event.fact.session_id.clone() else {
                count(&mut tallies, &mut day, reader, (seq, &event.fact), &Context::default());
                continue;
            };
            let session = state.sessions.entry(id).or_insert_with_key(|id| Arc::new(unknown(id, event.fact.time)));
            if is_implied {
                let context = Context { project: session.project.clone(), growth: None };
                count(&mut tallies, &mut day, reader, (seq, &event.fact), &context);
                continue;
            }
            let before = tells_usage(event.fact.kind).then(|| Arc::clone(session));
            // As it is stored, which is as it was counted.
            let stored = tallies.is_some().then(|| event.fact.clone());
            let (taken, context) = take(Arc::make_mut(session), event.fact, seq);
            if let Some(before) = before {
                hub::count_usage(&mut state.totals, Some(&before), session);
            }
            implied.extend((seq + 1..).zip(taken.iter().skip(1).map(|fact| fact.kind)));
            if let Some(stored) = stored {
                count(&mut tallies, &mut day, reader, (seq, &stored), &context);
            }
        }
    }
    state.seq = last;
}

fn count(
    tallies: &mut Option<MutexGuard<'_, Tallies>>,
    day: &mut Day,
    reader: &Reader,
    (seq, fact): (u64, &Fact),
    context: &Context,
) {
    if let (Some(tallies), Some(part)) = (tallies, day.of(reader, seq)) {
        tally::count(tallies, part, fact, context);
    }
}

pub(super) fn tells_usage(kind: Kind) -> bool {
    matches!(kind, Kind::ApiRequestFinished | Kind::MetricsReported)
}

/// A session that memory does not know: the store may, so what it was told is asked of it.
fn unknown(id: &str, first_heard: Time) -> Session {
    let mut session = Session::new(id, first_heard);
    session.forget_told();
    session
}
