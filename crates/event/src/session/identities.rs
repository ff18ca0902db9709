//! Which facts a session has been told already, so that a second telling adds no second event (I2).

use std::collections::{HashMap, VecDeque};

use crate::event::{Fact, Identity, Source};

/// How many facts a session remembers. Two doors tell the same fact within seconds, not thousands of facts apart.
const REMEMBERED_MAX: usize = 2_048;

/// The tellings of one key.
#[derive(Clone, Debug, Default)]
struct Tellings {
    /// The events this key became, in order.
    seqs: Vec<u64>,
    /// How often each door told it.
    by_source: Vec<(Source, usize)>,
}

/// The facts a session was told lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Identities {
    known: HashMap<u64, Tellings>,
    order: VecDeque<u64>,
}

impl Identities {
    /// Counts this telling; returns the event it repeats, if it repeats one.
    pub(super) fn known(&mut self, fact: &Fact) -> Option<u64> {
        let source = *fact.sources.first()?;
        let tellings = self.known.get_mut(&fact.identity.key())?;
        match fact.identity {
            Identity::Unique => None,
            Identity::Once(_) => tellings.seqs.first().copied(),
            Identity::Repeatable(_) => {
                let told = tellings.by_source.iter().find(|(door, _)| *door == source).map_or(0, |(_, times)| *times);
                let seq = tellings.seqs.get(told).copied()?;
                tellings.told_by(source);
                Some(seq)
            }
        }
    }

    /// Remembers that a fact became event number `seq`.
    pub(super) fn remember(&mut self, fact: &Fact, seq: u64) {
        if fact.identity != Identity::Unique {
            self.insert(fact.identity.key(), fact.sources.first().copied(), seq);
        }
    }

    /// Remembers that what has this key became event number `seq`.
    pub(super) fn insert(&mut self, key: u64, source: Option<Source>, seq: u64) {
        if !self.known.contains_key(&key) {
            if self.order.len() >= REMEMBERED_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
            self.order.push_back(key);
        }
        let tellings = self.known.entry(key).or_default();
        tellings.seqs.push(seq);
        if let Some(source) = source {
            tellings.told_by(source);
        }
    }
}

impl Tellings {
    fn told_by(&mut self, source: Source) {
        match self.by_source.iter_mut().find(|(door, _)| *door == source) {
            Some((_, times)) => *times += 1,
            None => self.by_source.push((source, 1)),
        }
    }
}
