//! Tokens and cost of a session: as its transcript tells them, else as its client reports them through OTLP.
//! Never twice, and never 0 for unknown.
//!
//! Transcripts tell each answer and its tokens. OTLP tells the same requests with their cost, as log records, and sums as
//! metrics; both can only miss some, so the one that says more is believed, and they are never added. Where OTLP tells
//! nothing, the sum that a run in print mode ends with takes its place. Where nobody reports what a request cost, its
//! estimate counts, and says so.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Session;
use super::context::Context;
use super::usage::{MODEL_BYTES_MAX, MODELS_MAX, Series, Spent, Tokens, Usage, add_points, micros, positive, whole};
use crate::event::{Fact, Source, Time};
use crate::transcript;

/// What a session was told of its spending.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Reported {
    logs: Usage,
    metrics: Usage,
    series: Series,
    /// What the result of a run in print mode tells.
    #[serde(default)]
    streamed: Usage,
    #[serde(default)]
    streamed_series: Series,
    /// What transcripts tell; its cost is the estimate of those requests whose cost nobody reported.
    #[serde(default)]
    transcript: Usage,
    /// Requests of transcripts whose cost is neither reported nor known by a price.
    #[serde(default)]
    unpriced: BTreeMap<String, u64>,
    /// What the client said that the session cost, and when.
    #[serde(default)]
    said: Option<Said>,
    #[serde(default)]
    pub(super) context: Option<Context>,
}

/// The client's own sum.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Said {
    at: Time,
    cost_micros: u64,
    models: BTreeMap<String, u64>,
    /// What transcripts tell of requests after it, reported or estimated.
    since_micros: u64,
    /// Whether any of that is an estimate.
    is_estimated: bool,
}

/// How the cost is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Costed {
    /// The client says so.
    Reported,
    /// Some of it follows from tokens and prices.
    Estimated,
    /// Nobody knows.
    Unpriced,
}

impl Costed {
    /// Its name, as in `cost_status`.
    pub const fn name(self) -> &'static str {
        match self {
            Costed::Reported => "reported",
            Costed::Estimated => "estimated",
            Costed::Unpriced => "unpriced",
        }
    }
}

/// Tokens and cost of a session, each from one source.
#[derive(Clone, Debug)]
pub struct Spending {
    /// All of it, and by model.
    pub usage: Usage,
    /// The door that tells the tokens.
    pub source: Source,
    /// How the cost is known.
    pub costed: Costed,
    /// The door that tells the cost; `None` when none of it is reported.
    pub cost_source: Option<Source>,
    /// The models of which some requests have no price.
    pub unpriced: BTreeSet<String>,
}

impl Session {
    /// Tokens and cost; `None` when nothing was told.
    pub fn spending(&self) -> Option<Spending> {
        let reported = &self.reported;
        let more = |usage: &Usage| (usage.tokens.total(), usage.cost_micros);
        let (logs, metrics, transcript) = (&reported.logs, &reported.metrics, &reported.transcript);
        let by_otlp = if more(metrics) > more(logs) { metrics } else { logs };
        let (by_otlp, metrics, door) = match by_otlp.is_empty() {
            true => (&reported.streamed, &reported.streamed, Source::Launcher),
            false => (by_otlp, metrics, Source::Otlp),
        };
        if transcript.is_empty() && reported.said.is_none() {
            let costed = if by_otlp.cost_micros.is_some() { Costed::Reported } else { Costed::Unpriced };
            let cost_source = by_otlp.cost_micros.map(|_| door);
            let unpriced = by_otlp.models.iter().filter(|(_, spent)| spent.cost_micros.is_none());
            let unpriced = unpriced.map(|(model, _)| model.clone()).collect();
            let usage = by_otlp.clone();
            return (!usage.is_empty()).then_some(Spending { usage, source: door, costed, cost_source, unpriced });
        }
        let mut usage = transcript.clone();
        // The client asks for titles and the like without writing it down.
        for (model, spent) in &by_otlp.models {
            if !usage.models.contains_key(model) && usage.models.len() < MODELS_MAX {
                usage.models.insert(model.clone(), Spent { cost_micros: None, ..*spent });
                usage.tokens.add(spent.tokens);
            }
        }
        let unpriced = reported.unpriced.iter().filter(|(_, requests)| **requests > 0);
        let mut unpriced: BTreeSet<String> = unpriced.map(|(model, _)| model.clone()).collect();
        let is_estimated = transcript.cost_micros.is_some_and(|cost| cost > 0) || !unpriced.is_empty();
        // Metrics are behind by their interval: believed as the cost of all once they tell nearly all of the tokens.
        let covers = metrics.tokens.total().saturating_mul(10) >= transcript.tokens.total().saturating_mul(9);
        let (costed, cost_source);
        if let Some(said) = &reported.said {
            usage.cost_micros = Some(said.cost_micros.saturating_add(said.since_micros));
            for (model, spent) in &mut usage.models {
                spent.cost_micros = said.models.get(model).copied();
            }
            if said.since_micros == 0 {
                unpriced.clear();
            }
            costed = if said.is_estimated { Costed::Estimated } else { Costed::Reported };
            cost_source = Some(Source::Transcript);
        } else if logs.cost_micros.is_none() && metrics.cost_micros.is_some() && covers {
            for (model, spent) in &mut usage.models {
                spent.cost_micros = metrics.models.get(model).and_then(|spent| spent.cost_micros);
            }
            usage.cost_micros = metrics.cost_micros;
            unpriced.clear();
            (costed, cost_source) = (Costed::Reported, Some(door));
        } else {
            // Each request has one cost: what was reported of it, else its estimate.
            for (model, spent) in &mut usage.models {
                let said = logs.models.get(model).and_then(|spent| spent.cost_micros);
                let estimated = transcript.models.get(model).and_then(|spent| spent.cost_micros);
                spent.cost_micros = sum(said, estimated);
            }
            usage.cost_micros = sum(logs.cost_micros, transcript.cost_micros);
            costed = match usage.cost_micros {
                None => Costed::Unpriced,
                Some(_) if is_estimated => Costed::Estimated,
                Some(_) => Costed::Reported,
            };
            cost_source = logs.cost_micros.map(|_| Source::Otlp);
        }
        Some(Spending { usage, source: Source::Transcript, costed, cost_source, unpriced })
    }

    /// The same with the cost that is reported alone: what is summed up over sessions never has to be taken back.
    pub fn usage_reported(&self) -> Option<Usage> {
        let Spending { mut usage, source, .. } = self.spending()?;
        if source == Source::Transcript {
            let Reported { logs, metrics, streamed, said, .. } = &self.reported;
            let by_otlp = if metrics.cost_micros > logs.cost_micros { metrics } else { logs };
            let by_otlp = if by_otlp.is_empty() { streamed } else { by_otlp };
            for (model, spent) in &mut usage.models {
                let by_said = said.as_ref().and_then(|said| said.models.get(model)).copied();
                spent.cost_micros = by_said.max(by_otlp.models.get(model).and_then(|spent| spent.cost_micros));
            }
        }
        Some(usage)
    }

    /// Whether nothing was told of tokens and cost since `before`, an earlier state of this session.
    pub fn spends_as(&self, before: &Session) -> bool {
        let of = |session: &Session| {
            let Reported { logs, metrics, streamed, transcript, said, .. } = &session.reported;
            let counts = |usage: &Usage| (usage.requests, usage.tokens, usage.cost_micros);
            let said = said.as_ref().map(|said| (said.at, said.cost_micros));
            (counts(logs), counts(metrics), counts(streamed), counts(transcript), said)
        };
        of(self) == of(before)
    }

    /// An answer of a model, as transcripts and OTLP tell it. Told by both, the transcript's fields are its own, and OTLP's
    /// are in `otlp`.
    pub(super) fn request_told(&mut self, fact: &Fact) {
        if !fact.sources.contains(&Source::Transcript) {
            self.request_reported(fact.text("model"), &fact.data);
            if self.model.is_none() && fact.agent_type.is_none() {
                self.model = fact.text("model").map(str::to_owned);
            }
            return;
        }
        let tokens = transcript::tokens_of(&fact.data);
        let model = fact.text("model");
        self.reported.transcript.requests += 1;
        let by_otlp = fact.data.get(Source::Otlp.name());
        let known = self.count_cost(model, fact, &fact.data);
        self.reported.transcript.add(model, tokens, None);
        if let Some(by_otlp) = by_otlp {
            // Read back from the store, it is told by both; else OTLP's record was counted when it came.
            if fact.sources.contains(&Source::Otlp) {
                self.request_reported(model, by_otlp);
            }
        } else if let Some(estimate) = known {
            self.reported.transcript.add(model, Tokens::default(), Some(estimate));
        }
        if fact.agent_id.is_none() {
            self.answered(fact, model);
        }
    }

    /// Counts what a request of a transcript cost towards what came after the client's own sum, and as unpriced; returns
    /// its estimate.
    fn count_cost(&mut self, model: Option<&str>, fact: &Fact, data: &Value) -> Option<u64> {
        let said = data.get(Source::Otlp.name()).and_then(|data| data.get("cost_usd")).and_then(positive).map(micros);
        let estimate = data.get("cost_estimated_usd").and_then(positive).map(micros);
        if said.is_none() && estimate.is_none() {
            let model = model.filter(|model| model.len() <= MODEL_BYTES_MAX).unwrap_or("unknown");
            let full = self.reported.unpriced.len() >= MODELS_MAX && !self.reported.unpriced.contains_key(model);
            *self.reported.unpriced.entry(if full { "other" } else { model }.to_owned()).or_default() += 1;
        }
        if let Some(sum) = &mut self.reported.said
            && fact.time > sum.at
        {
            sum.since_micros = sum.since_micros.saturating_add(said.or(estimate).unwrap_or(0));
            sum.is_estimated |= said.is_none();
        }
        estimate
    }

    /// OTLP's record of a request that the event `known` tells already. Returns whether it changed anything.
    pub(super) fn request_told_again(&mut self, known: &Fact, again: &Fact) -> bool {
        if again.sources.contains(&Source::Transcript) {
            return self.request_corrected(known, again);
        }
        if known.data.get(Source::Otlp.name()).is_some() || !known.sources.contains(&Source::Transcript) {
            return false;
        }
        let model = known.text("model");
        self.request_reported(model, &again.data);
        let said = again.data.get("cost_usd").and_then(positive).map(micros);
        let estimate = known.data.get("cost_estimated_usd").and_then(positive).map(micros);
        if said.is_some() {
            match estimate {
                Some(estimate) => self.reported.transcript.take_cost(model, estimate),
                None => {
                    let model = model.unwrap_or("unknown");
                    if let Some(requests) = self.reported.unpriced.get_mut(model) {
                        *requests = requests.saturating_sub(1);
                    }
                }
            }
        }
        true
    }

    /// A later line of the transcript has more of an answer that was told already.
    fn request_corrected(&mut self, known: &Fact, again: &Fact) -> bool {
        let (was, is) = (transcript::tokens_of(&known.data), transcript::tokens_of(&again.data));
        if is.output <= was.output || !known.sources.contains(&Source::Transcript) {
            return false;
        }
        let model = again.text("model");
        let more = Tokens { output: is.output - was.output, ..Tokens::default() };
        self.reported.transcript.add(model, more, None);
        if known.data.get(Source::Otlp.name()).is_none() {
            let cost = |fact: &Fact| fact.data.get("cost_estimated_usd").and_then(positive).map_or(0, micros);
            let more = cost(again).saturating_sub(cost(known));
            if more > 0 {
                self.reported.transcript.add(model, Tokens::default(), Some(more));
            }
        }
        true
    }

    fn request_reported(&mut self, model: Option<&str>, data: &Value) {
        let cost = data.get("cost_usd").and_then(positive).map(micros);
        self.reported.logs.requests += 1;
        let tokens = data.as_object().map(|data| {
            let whole = |key: &str| data.get(key).and_then(whole).unwrap_or(0);
            Tokens {
                input: whole("input_tokens"),
                output: whole("output_tokens"),
                cache_read: whole("cache_read_tokens"),
                cache_creation: whole("cache_creation_tokens"),
            }
        });
        self.reported.logs.add(model, tokens.unwrap_or_default(), cost);
    }

    pub(super) fn metrics_told(&mut self, fact: &Fact) {
        if fact.sources.contains(&Source::Transcript) {
            return self.cost_said(fact);
        }
        let Some(data) = fact.data.as_object() else { return };
        let Reported { metrics, series, streamed, streamed_series, .. } = &mut self.reported;
        if fact.sources.contains(&Source::Launcher) {
            add_points(streamed, streamed_series, data);
        } else {
            add_points(metrics, series, data);
        }
    }

    fn cost_said(&mut self, fact: &Fact) {
        let Some(total) = fact.data.get("total_cost_usd").and_then(positive).map(micros) else { return };
        let models = fact.data.get("models").and_then(Value::as_object);
        let models = models.into_iter().flatten().take(MODELS_MAX).filter_map(|(model, told)| {
            let cost = told.get("cost_usd").and_then(positive).map(micros)?;
            Some((model.clone(), cost))
        });
        self.reported.said = Some(Said {
            at: fact.time,
            cost_micros: total,
            models: models.collect(),
            since_micros: 0,
            is_estimated: false,
        });
    }
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}
