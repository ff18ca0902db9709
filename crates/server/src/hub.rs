//! What is true now: the sessions, the totals, and the committed events on their way out.
//!
//! Everything in here follows from committed events alone (I3). The recorder is the only one who changes it.

pub(crate) mod outbox;
pub(crate) mod tally;
pub(crate) mod totals;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use event::event::{Event, Time};
use event::session::Session;
use event::wire::history::EventJson;

use outbox::Outbox;
use totals::Totals;

/// A committed (or volatile) event with its public JSON, encoded once.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) event: Event,
    pub(crate) json: Bytes,
    /// The frame of the raw WebSocket API, once somebody wants it.
    pub(crate) frame: OnceLock<Bytes>,
}

impl Published {
    /// Encodes an event. The words of the crate `event` always serialise; were that to fail, the event would go out
    /// as an empty object rather than stop the recorder.
    pub(crate) fn new(event: Event) -> Published {
        let json = serde_json::to_vec(&EventJson::from(&event)).unwrap_or_else(|_| b"{}".to_vec());
        Published { json: Bytes::from(json), event, frame: OnceLock::new() }
    }
}

/// The state that viewers see, and the way committed events take to them.
pub(crate) struct Hub {
    /// Short scopes only, never held across an await.
    state: Mutex<State>,
    /// Committed events, for whoever forwards them.
    pub(crate) outbox: Outbox,
    store_failing: AtomicBool,
    store_failures: AtomicU64,
    /// Random id of the data folder.
    pub(crate) epoch: String,
    /// Random id of this run.
    pub(crate) instance: String,
}

/// Sessions and totals as of one sequence number.
#[derive(Default)]
pub(crate) struct State {
    /// The last committed number.
    pub(crate) seq: u64,
    /// The sessions, by id.
    pub(crate) sessions: HashMap<String, Arc<Session>>,
    /// Counts over everything.
    pub(crate) totals: Totals,
    /// The ids of pinned sessions, also of those that are not in memory.
    pub(crate) pinned: BTreeSet<String>,
}

impl Hub {
    pub(crate) fn new(epoch: String, instance: String, state: State) -> Hub {
        let (store_failing, store_failures) = (AtomicBool::new(false), AtomicU64::new(0));
        Hub { state: Mutex::new(state), outbox: Outbox::new(), store_failing, store_failures, epoch, instance }
    }

    /// Tells whether the last commit failed.
    pub(crate) fn store_fails(&self, failing: bool) {
        self.store_failing.store(failing, Relaxed);
        self.store_failures.fetch_add(u64::from(failing), Relaxed);
    }

    /// Whether the disk takes no events now, and how many commits it has not taken.
    pub(crate) fn store_health(&self) -> (bool, u64) {
        (self.store_failing.load(Relaxed), self.store_failures.load(Relaxed))
    }

    /// The state; hold it shortly.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes committed events visible: state first, then the ways out, in the order of their numbers.
    pub(crate) fn committed(&self, seq: u64, events: Vec<Arc<Published>>, changed: Vec<Arc<Session>>) {
        {
            let mut state = self.state();
            state.seq = seq;
            for published in &events {
                state.totals.count(&published.event);
            }
            let State { sessions, totals, .. } = &mut *state;
            for session in changed {
                let before = sessions.insert(session.session_id.clone(), Arc::clone(&session));
                count_usage(totals, before.as_deref(), &session);
            }
        }
        if !events.is_empty() {
            self.outbox.push(events);
        }
    }

    /// Whether a session is pinned.
    pub(crate) fn is_pinned(&self, session: &str) -> bool {
        self.state().pinned.contains(session)
    }

    /// Sessions were pinned, or are not any more.
    pub(crate) fn pinned(&self, pins: &[(String, bool)], changed: Vec<Arc<Session>>) {
        let mut state = self.state();
        for (id, pinned) in pins {
            if *pinned {
                state.pinned.insert(id.clone());
            } else {
                state.pinned.remove(id);
            }
        }
        for session in changed {
            state.sessions.insert(session.session_id.clone(), session);
        }
    }

    /// Nobody sees these sessions any more.
    pub(crate) fn erased(&self, sessions: &[String]) {
        let mut state = self.state();
        for session in sessions {
            state.sessions.remove(session);
            state.pinned.remove(session);
        }
    }

    /// Makes events visible that are not kept: volatile ones, and those the disk did not take.
    pub(crate) fn unkept(&self, events: Vec<Arc<Published>>) {
        self.outbox.push(events);
    }

    /// The run that a session is in, if our launcher started it and it has not ended.
    pub(crate) fn launch_of_session(&self, session: &str) -> Option<String> {
        Some(self.state().sessions.get(session)?.launch.as_ref()?.launch_id.clone())
    }

    /// The session that a run is in: of several, the one that was heard of last.
    pub(crate) fn session_of_launch(&self, launch: &str) -> Option<String> {
        Some(self.in_launch(launch)?.session_id.clone())
    }

    /// The process of a run's agent, if its launcher or a hook told which it is.
    pub(crate) fn process_of_launch(&self, launch: &str) -> Option<u32> {
        self.in_launch(launch)?.launch.as_ref()?.pid
    }

    fn in_launch(&self, launch: &str) -> Option<Arc<Session>> {
        let state = self.state();
        let of_it = |session: &&Arc<Session>| session.launch.as_ref().is_some_and(|known| known.launch_id == launch);
        state.sessions.values().filter(of_it).max_by_key(|session| session.last_seq).cloned()
    }

    /// The session with the latest event, for the singular fields of `/health` and `/system status`.
    pub(crate) fn latest_session(&self) -> Option<Arc<Session>> {
        let state = self.state();
        let listed = state.sessions.values().filter(|session| session.listed);
        listed.max_by_key(|session| session.last_seq).cloned()
    }

    /// The sessions that viewers see, most urgent first.
    pub(crate) fn listed(&self, now: Time) -> (u64, Vec<Arc<Session>>) {
        let state = self.state();
        let mut listed: Vec<_> = state.sessions.values().filter(|session| session.listed).cloned().collect();
        let seq = state.seq;
        drop(state);
        listed.sort_by_cached_key(|session| {
            let (urgency, since, _) = session.state(now);
            (urgency, since, session.session_id.clone())
        });
        (seq, listed)
    }
}

/// Counts what a session spent since `before`.
pub(crate) fn count_usage(totals: &mut Totals, before: Option<&Session>, after: &Session) {
    if before.is_some_and(|before| after.spends_as(before)) {
        return;
    }
    let was = before.and_then(Session::usage_reported);
    totals.count_usage(was.as_ref(), after.usage_reported().as_ref());
}
