//! A monitor in a test: sessions by their ids, as the server's recorder keeps them, without a store.

use std::collections::BTreeMap;

use event::event::{Event, Fact, Source, Time};
use event::hook_input;
use event::session::Session;
use serde_json::Value;

/// Sessions, and every event that became of what was told.
pub(crate) struct Monitor {
    /// The number of the first event.
    pub(crate) first_seq: u64,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) events: Vec<Event>,
    /// For each telling that was no repetition, where its events begin.
    pub(crate) primaries: Vec<usize>,
}

impl Default for Monitor {
    fn default() -> Monitor {
        Monitor { first_seq: 1, sessions: BTreeMap::new(), events: Vec::new(), primaries: Vec::new() }
    }
}

impl Monitor {
    /// Takes a hook's JSON. Returns how many events it became, 0 for a fact that was known.
    pub(crate) fn tell(&mut self, payload: &Value, at: Time, source: Source) -> usize {
        self.take(hook_input::read(payload.to_string().as_bytes(), at, source))
    }

    pub(crate) fn take(&mut self, fact: Fact) -> usize {
        let seq = self.first_seq + self.events.len() as u64;
        let recorded_at = fact.time;
        let facts = match fact.session_id.clone() {
            Some(id) => {
                let session = self.sessions.entry(id).or_insert_with_key(|id| Session::new(id, recorded_at));
                if session.knows(&fact).is_some() {
                    return 0;
                }
                session.take(fact, seq)
            }
            None => vec![fact],
        };
        self.primaries.push(self.events.len());
        let count = facts.len();
        self.events.extend((seq..).zip(facts).map(|(seq, fact)| Event { seq: Some(seq), recorded_at, fact }));
        count
    }

    pub(crate) fn facts(&self) -> impl DoubleEndedIterator<Item = &Fact> {
        self.events.iter().map(|event| &event.fact)
    }
}
