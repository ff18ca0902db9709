//! Which event of a hook or a transcript a record of OTLP tells again, and the other way round, where they share no
//! words but ids (I2).
//!
//! The end of a call is found by the call. A prompt, an agent's end and a compaction have no id of their own in OTLP:
//! the n-th record is the n-th event with the same prompt, and the same kind of agent.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::{Fact, Identity, Source, Time};
use crate::vocabulary::Kind;

/// What a session remembers. OTLP is some seconds behind hooks, a minute at most: not two hundred calls and requests.
const REMEMBERED_MAX: usize = 256;

/// How far apart two doors may say the same thing happened, in milliseconds: an exporter sends once more for so long.
const APART_MAX_MS: u64 = 120_000;

/// The tellings of one thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    key: u64,
    /// The events that other doors told, in order.
    events: Vec<u64>,
    /// The records of OTLP, in order.
    records: Vec<Record>,
}

/// One record of OTLP.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    /// Its key; `None` when it is known from its event alone, read back after a restart.
    identity: Option<u64>,
    /// The event that it became or repeated.
    seq: u64,
    time: Time,
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
            let seq = told.records.get(told.events.len())?.seq;
            told.events.push(seq);
            return Some(seq);
        }
        let identity = fact.identity.key();
        if let Some(record) = told.records.iter_mut().find(|record| record.is(fact)) {
            record.identity = Some(identity);
            return Some(record.seq);
        }
        let place = if once { 0 } else { told.records.len() };
        let seq = told.events.get(place).copied()?;
        told.records.push(Record { identity: Some(identity), seq, time: fact.time });
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
        if fact.sources.contains(&Source::Otlp) && !told.records.iter().any(|record| record.seq == seq) {
            // The store knows the key of what OTLP alone told, and recognises it first.
            let identity = Some(fact.identity.key()).filter(|key| *key != 0 || is_by_otlp(fact));
            told.records.push(Record { identity, seq, time: fact.time });
        }
        if fact.sources.iter().any(|source| *source != Source::Otlp) && !told.events.contains(&seq) {
            told.events.push(seq);
        }
    }
}

impl Record {
    /// Whether the record that `fact` tells is this one, as far as is known.
    fn is(&self, fact: &Fact) -> bool {
        let apart_ms = self.time.since(fact.time).max(fact.time.since(self.time));
        // The key of a compaction is the whole session's; time alone tells one from the next.
        let may_be = fact.kind != Kind::CompactionFinished || apart_ms < APART_MAX_MS;
        self.identity.map_or(may_be, |identity| identity == fact.identity.key())
    }
}

/// Whether OTLP alone tells this.
pub(super) fn is_by_otlp(fact: &Fact) -> bool {
    fact.sources.iter().all(|source| *source == Source::Otlp)
}

/// Whether transcripts alone tell this.
pub(super) fn is_by_transcript(fact: &Fact) -> bool {
    fact.sources.iter().all(|source| *source == Source::Transcript)
}

/// Whether only doors that are behind tell this.
pub(super) fn is_told_late(fact: &Fact) -> bool {
    is_by_otlp(fact) || is_by_transcript(fact)
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
        Kind::ToolCallDecided if fact.tool_use_id.is_some() => Some((key("decision", &[&fact.tool_use_id]), true)),
        Kind::ApiRequestFinished => {
            let request_id = fact.text("request_id")?.to_owned();
            Some((key("request", &[&Some(request_id)]), true))
        }
        _ => None,
    }
}
