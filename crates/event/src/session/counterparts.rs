//! Which event of a hook a record of OTLP tells again, and the other way round, where they share no words but ids (I2).
//!
//! The end of a call is found by the call. A prompt, an agent's end and a compaction have no id of their own in OTLP: the
//! n-th record is the n-th event with the same prompt, and the same kind of agent.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::{Fact, Identity, Source};
use crate::vocabulary::Kind;

/// What a session remembers. OTLP is some seconds behind hooks, a minute at most: not a hundred calls.
const REMEMBERED_MAX: usize = 128;

/// The tellings of one thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    key: u64,
    /// The events that other doors told, in order.
    events: Vec<u64>,
    /// The records of OTLP: their identity, and the event they became or repeated.
    records: Vec<(u64, u64)>,
}

/// What OTLP and other doors told lately.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counterparts(VecDeque<Told>);

impl Counterparts {
    /// The event that this telling repeats from the other side, if it repeats one; counts the telling.
    pub(super) fn known(&mut self, fact: &Fact) -> Option<u64> {
        let (key, once) = key_of(fact)?;
        let told = self.0.iter_mut().find(|told| told.key == key)?;
        if !is_by_otlp(fact) {
            let seq = told.records.get(told.events.len()).map(|(_, seq)| *seq)?;
            told.events.push(seq);
            return Some(seq);
        }
        let identity = fact.identity.key();
        if let Some((_, seq)) = told.records.iter().find(|(known, _)| *known == identity) {
            return Some(*seq);
        }
        let place = if once { 0 } else { told.records.len() };
        let seq = told.events.get(place).copied()?;
        told.records.push((identity, seq));
        Some(seq)
    }

    /// Remembers what became event number `seq`.
    pub(super) fn remember(&mut self, fact: &Fact, seq: u64) {
        let Some((key, _)) = key_of(fact) else { return };
        let place = self.0.iter().position(|told| told.key == key).unwrap_or_else(|| {
            if self.0.len() >= REMEMBERED_MAX {
                self.0.pop_front();
            }
            self.0.push_back(Told { key, events: Vec::new(), records: Vec::new() });
            self.0.len() - 1
        });
        let told = &mut self.0[place];
        // An event read back may have been told by both.
        if fact.sources.contains(&Source::Otlp) && !told.records.iter().any(|(_, known)| *known == seq) {
            told.records.push((fact.identity.key(), seq));
        }
        if fact.sources.iter().any(|source| *source != Source::Otlp) && !told.events.contains(&seq) {
            told.events.push(seq);
        }
    }
}

/// Whether OTLP alone tells this.
pub(super) fn is_by_otlp(fact: &Fact) -> bool {
    fact.sources.iter().all(|source| *source == Source::Otlp)
}

/// What both sides know of a thing, and whether it happens once.
fn key_of(fact: &Fact) -> Option<(u64, bool)> {
    let key = |what: &str, ids: &[&Option<String>]| {
        let mut parts = vec![what.as_bytes()];
        parts.extend(ids.iter().map(|id| id.as_deref().unwrap_or_default().as_bytes()));
        Identity::key_of(&parts)
    };
    match fact.kind {
        Kind::ToolCallFinished | Kind::ToolCallFailed if fact.tool_use_id.is_some() => {
            Some((key("call", &[&fact.tool_use_id]), true))
        }
        Kind::PromptSubmitted | Kind::BackgroundTaskFinished if fact.prompt_id.is_some() => {
            Some((key("prompt", &[&fact.prompt_id]), false))
        }
        Kind::AgentFinished if fact.prompt_id.is_some() => {
            Some((key("agent", &[&fact.prompt_id, &fact.agent_type]), false))
        }
        Kind::CompactionFinished => Some((key("compaction", &[]), false)),
        _ => None,
    }
}
