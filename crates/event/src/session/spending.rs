//! Tokens and cost of a session: as its transcript tells them, else as its client reports them through OTLP.
//! Never twice, and never 0 for unknown.
//!
//! Transcripts tell each answer and its tokens. OTLP tells the same requests with their cost, as log records, and sums
//! as metrics; both can only miss some, so the one that says more is believed, and they are never added. Where OTLP
//! tells nothing, the sum that a run in print mode ends with takes its place. Where nobody reports what a request cost,
//! its estimate counts, and says so.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Session;
use super::context::Context;
use super::growth::{Believed, Part};
use super::usage::{
    MODELS_MAX, Series, Spent, Tokens, Usage, add_points, agent_of, counted, entry, micros, model_of, positive, sum,
};
use crate::event::{Fact, Source, Time};
use crate::vocabulary::Kind;

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
    /// Requests of transcripts whose cost is neither reported nor known by a price, nor in the client's own sum.
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
    /// How much of that is an estimate.
    #[serde(default)]
    estimated_micros: u64,
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

/// Which of those that told are believed.
struct Weighed<'a> {
    by_otlp: &'a Usage,
    metrics: &'a Usage,
    /// The door of these two.
    door: Source,
    cost: CostBy<'a>,
}

/// Who is believed of what it cost.
#[derive(Clone, Copy)]
enum CostBy<'a> {
    /// Transcripts told nothing: OTLP, or the result of a run, of tokens and cost.
    Otlp,
    /// The client's own sum.
    Said(&'a Said),
    /// The sum of metrics.
    Metrics,
    /// Each request by itself.
    Requests,
}

impl Session {
    /// Tokens and cost; `None` when nothing was told.
    pub fn spending(&self) -> Option<Spending> {
        let reported = &self.reported;
        let (logs, transcript) = (&reported.logs, &reported.transcript);
        let Weighed { by_otlp, metrics, door, cost } = self.weigh();
        if let CostBy::Otlp = cost {
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
        let (costed, cost_source);
        if let CostBy::Said(said) = cost {
            usage.cost_micros = Some(said.cost_micros.saturating_add(said.since_micros));
            for (model, spent) in &mut usage.models {
                spent.cost_micros = said.models.get(model).copied();
            }
            let is_estimated = said.estimated_micros > 0 || !unpriced.is_empty();
            costed = if is_estimated { Costed::Estimated } else { Costed::Reported };
            cost_source = Some(Source::Transcript);
        } else if let CostBy::Metrics = cost {
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
            let is_estimated = transcript.cost_micros.is_some_and(|cost| cost > 0) || !unpriced.is_empty();
            costed = match usage.cost_micros {
                None => Costed::Unpriced,
                Some(_) if is_estimated => Costed::Estimated,
                Some(_) => Costed::Reported,
            };
            cost_source = logs.cost_micros.map(|_| Source::Otlp);
        }
        Some(Spending { usage, source: Source::Transcript, costed, cost_source, unpriced })
    }

    fn weigh(&self) -> Weighed<'_> {
        let Reported { logs, metrics, streamed, transcript, said, .. } = &self.reported;
        let by_otlp = if metrics.says_more_than(logs) { metrics } else { logs };
        let (by_otlp, metrics, door) = match by_otlp.is_empty() {
            true => (streamed, streamed, Source::Launcher),
            false => (by_otlp, metrics, Source::Otlp),
        };
        // Metrics are behind by their interval: believed as the cost of all once they tell nearly all of the tokens.
        let covers = metrics.tokens.total().saturating_mul(10) >= transcript.tokens.total().saturating_mul(9);
        let cost = match said {
            Some(said) => CostBy::Said(said),
            None if transcript.is_empty() => CostBy::Otlp,
            None if logs.cost_micros.is_none() && metrics.cost_micros.is_some() && covers => CostBy::Metrics,
            None => CostBy::Requests,
        };
        Weighed { by_otlp, metrics, door, cost }
    }

    /// What is believed now, name by name: what sums over time grow by is the difference of two of these.
    pub fn believed(&self) -> Believed {
        let Some(Spending { usage, .. }) = self.spending() else { return Believed::default() };
        let Weighed { by_otlp, metrics, cost, .. } = self.weigh();
        let Reported { logs, transcript, .. } = &self.reported;
        let estimated = match cost {
            CostBy::Otlp | CostBy::Metrics => 0,
            CostBy::Said(said) => said.estimated_micros,
            CostBy::Requests => transcript.cost_micros.unwrap_or(0),
        };
        let estimate = |model: &str| match cost {
            CostBy::Requests => transcript.models.get(model).and_then(|spent| spent.cost_micros).unwrap_or(0),
            _ => 0,
        };
        let mut agents: BTreeMap<String, Part> = BTreeMap::new();
        let mut add = |of: &Usage, count: &dyn Fn(&str, Spent, &mut Part)| {
            for (agent, models) in &of.agents {
                let part = agents.entry(agent.clone()).or_default();
                models.iter().for_each(|(model, spent)| count(model, *spent, part));
            }
        };
        if let CostBy::Otlp = cost {
            add(by_otlp, &|_, spent, part| part.add(spent.tokens, spent.cost_micros, None));
        } else {
            let by_metrics = matches!(cost, CostBy::Metrics);
            let (costs, none) = (if by_metrics { metrics } else { logs }, Tokens::default());
            add(transcript, &|_, spent, part| part.add(spent.tokens, None, spent.cost_micros.filter(|_| !by_metrics)));
            add(by_otlp, &|model, spent, part| {
                if usage.models.contains_key(model) && !transcript.models.contains_key(model) {
                    part.add(spent.tokens, None, None);
                }
            });
            add(costs, &|_, spent, part| part.add(none, spent.cost_micros, None));
        }
        agents.retain(|_, part| *part != Part::default());
        let all = Spent { tokens: usage.tokens, cost_micros: usage.cost_micros };
        let part = |spent: Spent, estimated_micros| Part { spent, estimated_micros };
        Believed {
            all: part(all, estimated),
            models: usage.models.iter().map(|(model, spent)| (model.clone(), part(*spent, estimate(model)))).collect(),
            agents,
        }
    }

    /// Takes of a fact only what spending and project are known by: for counting again what is stored.
    pub fn take_spending(&mut self, fact: &Fact) {
        self.hear_of_itself(fact);
        match fact.kind {
            Kind::ApiRequestFinished => self.request_told(fact),
            Kind::MetricsReported => self.metrics_told(fact),
            _ => {}
        }
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

    /// An answer of a model, as transcripts and OTLP tell it. Told by both, the transcript's fields are its own, and
    /// OTLP's are in `otlp`.
    pub(super) fn request_told(&mut self, fact: &Fact) {
        if !fact.sources.contains(&Source::Transcript) {
            let agent = agent_of(fact.agent_type.as_deref(), |key| fact.text(key));
            self.request_reported(fact.text("model"), agent, &fact.data);
            if self.model.is_none() && fact.agent_type.is_none() {
                self.model = fact.text("model").map(str::to_owned);
            }
            return;
        }
        let tokens = Tokens::of(&fact.data);
        let (model, agent) = (fact.text("model"), agent_of(fact.agent_type.as_deref(), |key| fact.text(key)));
        self.reported.transcript.requests += 1;
        let by_otlp = fact.data.get(Source::Otlp.name());
        let known = self.count_cost(model, fact, &fact.data);
        self.reported.transcript.add(model, agent, tokens, None);
        if let Some(by_otlp) = by_otlp {
            // Read back from the store, it is told by both; else OTLP's record was counted when it came.
            if fact.sources.contains(&Source::Otlp) {
                self.request_reported(model, agent, by_otlp);
            } else {
                let counted = agent_of(None, |key| by_otlp.get(key)?.as_str());
                self.reported.logs.rename(model, (counted, agent), reported_of(by_otlp));
            }
        }
        if let Some(estimate) = known {
            self.reported.transcript.add(model, agent, Tokens::default(), Some(estimate));
        }
        if fact.agent_id.is_none() {
            self.answered(fact, model);
        }
    }

    /// Counts what a request of a transcript cost towards what came after the client's own sum, and as unpriced;
    /// returns its estimate, unless its cost is reported.
    fn count_cost(&mut self, model: Option<&str>, fact: &Fact, data: &Value) -> Option<u64> {
        let said = data.get(Source::Otlp.name()).and_then(cost_of);
        let estimate = data.get("cost_estimated_usd").and_then(positive).map(micros).filter(|_| said.is_none());
        let Reported { said: own_sum, unpriced, .. } = &mut self.reported;
        if own_sum.as_ref().is_some_and(|sum| fact.time <= sum.at) {
            return estimate;
        }
        if said.is_none() && estimate.is_none() {
            *entry(unpriced, model_of(model), MODELS_MAX) += 1;
        }
        if let Some(sum) = own_sum {
            sum.since_micros = sum.since_micros.saturating_add(said.or(estimate).unwrap_or(0));
            sum.estimated_micros = sum.estimated_micros.saturating_add(estimate.unwrap_or(0));
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
        let (model, agent) = (known.text("model"), agent_of(known.agent_type.as_deref(), |key| known.text(key)));
        self.request_reported(model, agent, &again.data);
        let said = cost_of(&again.data);
        let estimate = known.data.get("cost_estimated_usd").and_then(positive).map(micros);
        if let Some(cost) = said {
            if let Some(sum) = self.reported.said.as_mut().filter(|sum| known.time > sum.at) {
                let taken = estimate.unwrap_or(0);
                sum.since_micros = sum.since_micros.saturating_sub(taken).saturating_add(cost);
                sum.estimated_micros = sum.estimated_micros.saturating_sub(taken);
            }
            match estimate {
                Some(estimate) => self.reported.transcript.take_cost(model, agent, estimate),
                // In the client's own sum it is not counted as unpriced.
                None if self.reported.said.as_ref().is_some_and(|sum| known.time <= sum.at) => {}
                None => {
                    if let Some(requests) = counted(&mut self.reported.unpriced, model_of(model), MODELS_MAX) {
                        *requests = requests.saturating_sub(1);
                    }
                }
            }
        }
        true
    }

    /// A later line of the transcript has more of an answer that was told already.
    fn request_corrected(&mut self, known: &Fact, again: &Fact) -> bool {
        let (was, is) = (Tokens::of(&known.data), Tokens::of(&again.data));
        if is.output <= was.output || !known.sources.contains(&Source::Transcript) {
            return false;
        }
        let (model, agent) = (known.text("model"), agent_of(known.agent_type.as_deref(), |key| known.text(key)));
        let more = Tokens { output: is.output - was.output, ..Tokens::default() };
        self.reported.transcript.add(model, agent, more, None);
        if known.data.get(Source::Otlp.name()).and_then(cost_of).is_none() {
            let cost = |fact: &Fact| fact.data.get("cost_estimated_usd").and_then(positive).map_or(0, micros);
            let more = cost(again).saturating_sub(cost(known));
            if more > 0 {
                self.reported.transcript.add(model, agent, Tokens::default(), Some(more));
                if let Some(sum) = self.reported.said.as_mut().filter(|sum| known.time > sum.at) {
                    sum.since_micros = sum.since_micros.saturating_add(more);
                    sum.estimated_micros = sum.estimated_micros.saturating_add(more);
                }
            }
        }
        true
    }

    fn request_reported(&mut self, model: Option<&str>, agent: &str, data: &Value) {
        let Spent { tokens, cost_micros } = reported_of(data);
        self.reported.logs.requests += 1;
        self.reported.logs.add(model, agent, tokens, cost_micros);
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
        let mut models = BTreeMap::<String, u64>::new();
        for (model, told) in fact.data.get("models").and_then(Value::as_object).into_iter().flatten() {
            if let Some(cost) = told.get("cost_usd").and_then(positive).map(micros) {
                let of_model = entry(&mut models, model_of(Some(model)), MODELS_MAX);
                *of_model = of_model.saturating_add(cost);
            }
        }
        // Whatever it was that had no price, the client has counted it.
        self.reported.unpriced.clear();
        self.reported.said =
            Some(Said { at: fact.time, cost_micros: total, models, since_micros: 0, estimated_micros: 0 });
    }
}

/// Tokens and cost of one request as OTLP tells them.
fn reported_of(data: &Value) -> Spent {
    Spent { tokens: Tokens::of(data), cost_micros: cost_of(data) }
}

/// What one request cost as OTLP tells it.
fn cost_of(data: &Value) -> Option<u64> {
    data.get("cost_usd").and_then(positive).map(micros)
}
