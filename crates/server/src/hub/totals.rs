//! Counts over everything the store has seen: per namespace, per kind, and per minute of the last day.

use std::collections::{BTreeMap, VecDeque};

use event::event::{Event, Time};
use event::session::usage::{Spent, Tokens, Usage};
use event::vocabulary::Kind;
use serde::{Deserialize, Serialize};

/// Minutes kept: one day.
const MINUTES_MAX: usize = 24 * 60;

/// Models kept; further ones count as `other`.
const MODELS_MAX: usize = 200;

/// Agents kept; beyond it the least busy is forgotten.
const AGENTS_MAX: usize = 500;

/// Counts that outlive a restart through the checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) events: u64,
    pub(crate) errors: u64,
    pub(crate) tool_calls: u64,
    pub(crate) by_namespace: BTreeMap<String, u64>,
    pub(crate) by_kind: BTreeMap<String, u64>,
    /// How often each kind of agent was asked to do something.
    pub(crate) agents: BTreeMap<String, u64>,
    /// Tokens and cost by model, as sessions reported them.
    #[serde(default)]
    pub(crate) spent: BTreeMap<String, Spent>,
    minutes: VecDeque<Minute>,
}

/// One minute, by the clock of the server.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Minute {
    pub(crate) minute: Time,
    pub(crate) events: u64,
    pub(crate) errors: u64,
}

impl Totals {
    /// Counts one committed event.
    pub(crate) fn count(&mut self, event: &Event) {
        let fact = &event.fact;
        let error = u64::from(fact.is_error());
        self.events += 1;
        self.errors += error;
        self.tool_calls += u64::from(fact.kind == Kind::ToolCallStarted);
        add(&mut self.by_namespace, fact.namespace());
        add(&mut self.by_kind, fact.kind.name());
        if fact.kind == Kind::AgentDelegated
            && let Some(agent) = fact.text("agent")
            && (self.agents.len() < AGENTS_MAX || self.agents.contains_key(agent))
        {
            add(&mut self.agents, agent);
        }
        self.count_minute(event.recorded_at, error);
    }

    /// Counts what a session's usage grew by. What one signal told less than another did before is not taken back.
    pub(crate) fn count_usage(&mut self, before: Option<&Usage>, after: Option<&Usage>) {
        let Some(after) = after else { return };
        for (model, spent) in &after.models {
            let counted = before.and_then(|before| before.models.get(model)).copied().unwrap_or_default();
            if counted == *spent {
                continue;
            }
            let full = self.spent.len() >= MODELS_MAX && !self.spent.contains_key(model);
            let sum = self.spent.entry(if full { "other" } else { model }.to_owned()).or_default();
            let (was, is) = (counted.tokens, spent.tokens);
            let grown = |sum: u64, is: u64, was: u64| sum.saturating_add(is.saturating_sub(was));
            sum.tokens = Tokens {
                input: grown(sum.tokens.input, is.input, was.input),
                output: grown(sum.tokens.output, is.output, was.output),
                cache_read: grown(sum.tokens.cache_read, is.cache_read, was.cache_read),
                cache_creation: grown(sum.tokens.cache_creation, is.cache_creation, was.cache_creation),
            };
            if let Some(cost) = spent.cost_micros {
                let sum_before = sum.cost_micros.unwrap_or(0);
                sum.cost_micros = Some(grown(sum_before, cost, counted.cost_micros.unwrap_or(0)));
            }
        }
    }

    /// The last `minutes` minutes before `now` in which anything happened, oldest first.
    pub(crate) fn minutes(&self, now: Time, minutes: u64) -> Vec<Minute> {
        let first = now.ms() - i64::try_from(minutes.saturating_mul(60_000)).unwrap_or(i64::MAX);
        self.minutes.iter().filter(|minute| minute.minute.ms() > first).copied().collect()
    }

    fn count_minute(&mut self, at: Time, error: u64) {
        let minute = Time::from_ms(at.ms() - at.ms().rem_euclid(60_000));
        match self.minutes.back_mut() {
            // A clock that was set back counts into the newest minute.
            Some(last) if last.minute >= minute => {
                last.events += 1;
                last.errors += error;
            }
            _ => {
                if self.minutes.len() >= MINUTES_MAX {
                    self.minutes.pop_front();
                }
                self.minutes.push_back(Minute { minute, events: 1, errors: error });
            }
        }
    }
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}
