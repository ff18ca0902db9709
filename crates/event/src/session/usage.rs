//! Counts of tokens and cost, and the points of metrics that tell them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Identity;
use crate::otlp::Attributes;

/// Models that are counted one by one; further ones count as `other`. Real sessions have three.
pub(super) const MODELS_MAX: usize = 32;

/// Agents that are counted one by one; further ones count as `other`.
const AGENTS_MAX: usize = 64;

/// The longest name of a model or an agent, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 128;

/// What requests of the main thread count for.
pub const MAIN: &str = "main";

/// What requests of a side thread that nobody named count for.
pub const SIDE: &str = "subagent";

/// What requests count for that name no model, or one of too long a name.
const UNKNOWN: &str = "unknown";

/// Series of cumulative counters whose last value is remembered: models by kinds of tokens by agents.
const SERIES_MAX: usize = 512;

/// How many tokens of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Sent, and in no cache.
    pub input: u64,
    /// Answered.
    pub output: u64,
    /// Read from the cache.
    pub cache_read: u64,
    /// Written to the cache.
    pub cache_creation: u64,
}

impl Tokens {
    /// What an `api_request.finished` tells, whichever door told it.
    pub fn of(data: &Value) -> Tokens {
        let count = |key: &str| data.get(key).and_then(whole).unwrap_or(0);
        Tokens {
            input: count("input_tokens"),
            output: count("output_tokens"),
            cache_read: count("cache_read_tokens"),
            cache_creation: count("cache_creation_tokens"),
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        [self.input, self.output, self.cache_read, self.cache_creation].into_iter().fold(0, u64::saturating_add)
    }

    pub(super) fn add(&mut self, other: Tokens) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_creation = self.cache_creation.saturating_add(other.cache_creation);
    }
}

/// What one model took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Its tokens.
    pub tokens: Tokens,
    /// Its cost in millionths of a US dollar, if that was reported.
    pub cost_micros: Option<u64>,
}

impl Spent {
    pub(super) fn add(&mut self, tokens: Tokens, cost_micros: Option<u64>) {
        self.tokens.add(tokens);
        self.cost_micros = sum(self.cost_micros, cost_micros);
    }

    fn take(&mut self, other: Spent) {
        let Tokens { input, output, cache_read, cache_creation } = &mut self.tokens;
        let taken = other.tokens;
        let all = [
            (input, taken.input),
            (output, taken.output),
            (cache_read, taken.cache_read),
            (cache_creation, taken.cache_creation),
        ];
        all.into_iter().for_each(|(own, other)| *own = own.saturating_sub(other));
        let micros = other.cost_micros.unwrap_or(0);
        self.cost_micros = self.cost_micros.map(|cost| cost.saturating_sub(micros)).filter(|cost| *cost > 0);
    }
}

/// The sum of what is known.
pub(super) fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

/// A model without the size of its window, which makes no other model of it: metrics say `claude-opus-4-8[1m]` where
/// transcripts and log records say `claude-opus-4-8`.
pub(crate) fn plain_model(name: &str) -> &str {
    name.split_once('[').map_or(name, |(plain, _)| plain)
}

/// Under what a model counts.
pub fn model_of(name: Option<&str>) -> &str {
    name.map(plain_model).filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX).unwrap_or(UNKNOWN)
}

/// Under what a kind of agent counts.
fn named_agent(name: &str) -> &str {
    if name.len() <= NAME_BYTES_MAX { name } else { SIDE }
}

/// The key of a name; what is too many counts under another one.
fn key_of<'a, T>(map: &BTreeMap<String, T>, name: &'a str, most: usize) -> &'a str {
    if map.len() >= most && !map.contains_key(name) { "other" } else { name }
}

/// The entry of a name.
pub(super) fn entry<'a, T: Default>(map: &'a mut BTreeMap<String, T>, name: &str, most: usize) -> &'a mut T {
    let key = key_of(map, name, most).to_owned();
    map.entry(key).or_default()
}

/// What was counted for a name already.
pub(super) fn counted<'a, T>(map: &'a mut BTreeMap<String, T>, name: &str, most: usize) -> Option<&'a mut T> {
    let key = key_of(map, name, most);
    map.get_mut(key)
}

/// The kind of agent that a request was for, by its attributes: telemetry knows no agent ids.
pub fn agent_of<'a>(agent_type: Option<&'a str>, attribute: impl Fn(&str) -> Option<&'a str>) -> &'a str {
    let named = agent_type.or_else(|| attribute("agent.name")).or_else(|| attribute("agent_type"));
    if let Some(name) = named.filter(|name| !name.is_empty()) {
        return name;
    }
    let thread = attribute("query_source").unwrap_or_default();
    let named = thread.strip_prefix("agent:").and_then(|rest| rest.split_once(':')).map(|(_, name)| name);
    let is_side = ["agent", "subagent", "auxiliary"].iter().any(|side| thread.starts_with(side));
    named.filter(|name| !name.is_empty()).unwrap_or(if is_side { SIDE } else { MAIN })
}

/// Tokens and cost, as one signal reports them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// All tokens.
    pub tokens: Tokens,
    /// All cost in millionths of a US dollar, if any was reported.
    pub cost_micros: Option<u64>,
    /// Answered requests, which log records alone tell.
    pub requests: u64,
    /// The same by model.
    pub models: BTreeMap<String, Spent>,
    /// The same by kind of agent, as far as it is named, and then by model; [`MAIN`] is the main thread.
    #[serde(default)]
    pub agents: BTreeMap<String, BTreeMap<String, Spent>>,
}

impl Usage {
    pub(super) fn add(&mut self, model: Option<&str>, agent: &str, tokens: Tokens, cost_micros: Option<u64>) {
        let model = model_of(model);
        entry(&mut self.models, model, MODELS_MAX).add(tokens, cost_micros);
        let models = entry(&mut self.agents, named_agent(agent), AGENTS_MAX);
        entry(models, model, MODELS_MAX).add(tokens, cost_micros);
        self.tokens.add(tokens);
        self.cost_micros = sum(self.cost_micros, cost_micros);
    }

    /// Takes back what was counted of a model's cost.
    pub(super) fn take_cost(&mut self, model: Option<&str>, agent: &str, micros: u64) {
        let (model, taken) = (model_of(model), Spent { tokens: Tokens::default(), cost_micros: Some(micros) });
        let models = counted(&mut self.agents, named_agent(agent), AGENTS_MAX);
        let of_agent = models.and_then(|models| counted(models, model, MODELS_MAX));
        let of_all = counted(&mut self.models, model, MODELS_MAX);
        of_agent.into_iter().chain(of_all).for_each(|spent| spent.take(taken));
        self.cost_micros = self.cost_micros.map(|cost| cost.saturating_sub(micros)).filter(|cost| *cost > 0);
    }

    /// Counts for `to` what was counted for `from`, which is known better now.
    pub(super) fn rename(&mut self, model: Option<&str>, (from, to): (&str, &str), spent: Spent) {
        let (model, from, to) = (model_of(model), named_agent(from), named_agent(to));
        let from = key_of(&self.agents, from, AGENTS_MAX).to_owned();
        let Some(models) = self.agents.get_mut(&from).filter(|_| from != to) else { return };
        let key = key_of(models, model, MODELS_MAX).to_owned();
        let Some(counted) = models.get_mut(&key) else { return };
        counted.take(spent);
        if *counted == Spent::default() {
            models.remove(&key);
            if models.is_empty() {
                self.agents.remove(&from);
            }
        }
        entry(entry(&mut self.agents, to, AGENTS_MAX), model, MODELS_MAX).add(spent.tokens, spent.cost_micros);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// By a fiftieth at least: two that tell the same differ by roundings, and taking turns they would move what was
    /// spent from minute to minute, and from one name of a model to another. Equal tokens with a cost are more, too.
    pub(super) fn says_more_than(&self, other: &Usage) -> bool {
        let (own, others) = (self.tokens.total(), other.tokens.total());
        let is_priced = self.cost_micros.is_some() && other.cost_micros.is_none();
        own > others.saturating_add(others / 50) || (is_priced && own >= others)
    }
}

/// The last value of each cumulative counter, and since when it counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Series(BTreeMap<u64, (String, f64)>);

impl Series {
    /// How much a counter grew since it was last told.
    fn growth(&mut self, key: u64, start: &str, value: f64) -> f64 {
        if self.0.len() >= SERIES_MAX && !self.0.contains_key(&key) {
            return 0.0;
        }
        match self.0.insert(key, (start.to_owned(), value)) {
            // A counter that began again, or fell, counts from 0.
            Some((since, before)) if since == start && before <= value => value - before,
            _ => value,
        }
    }
}

/// Adds the token and cost points of one export.
pub fn add_points(usage: &mut Usage, series: &mut Series, data: &Attributes) {
    let points = data.get("points").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for point in points {
        let text = |key: &str| point.get(key).and_then(Value::as_str);
        let attribute = |key: &str| point.get("attributes").and_then(|all| all.get(key)).and_then(Value::as_str);
        let name = text("name").unwrap_or_default();
        let Some(mut value) = point.get("value").and_then(positive) else { continue };
        if !matches!(name, "claude_code.token.usage" | "claude_code.cost.usage") {
            continue;
        }
        if text("temporality") == Some("cumulative") {
            let attributes = point.get("attributes").map(Value::to_string).unwrap_or_default();
            let key = Identity::key_of(&[name.as_bytes(), attributes.as_bytes()]);
            value = series.growth(key, text("start").unwrap_or_default(), value);
        }
        let (model, agent) = (attribute("model"), agent_of(None, attribute));
        if name == "claude_code.cost.usage" {
            usage.add(model, agent, Tokens::default(), Some(micros(value)));
            continue;
        }
        let count = value.round() as u64;
        let tokens = match attribute("type") {
            Some("input") => Tokens { input: count, ..Tokens::default() },
            Some("output") => Tokens { output: count, ..Tokens::default() },
            Some("cacheRead") => Tokens { cache_read: count, ..Tokens::default() },
            Some("cacheCreation") => Tokens { cache_creation: count, ..Tokens::default() },
            _ => continue,
        };
        usage.add(model, agent, tokens, None);
    }
}

/// Sums of fractions drift; sums of whole millionths do not.
pub(super) fn micros(dollars: f64) -> u64 {
    (dollars * 1e6).round() as u64
}

/// A number that can be a count or a cost, whether written as a number or as text.
pub(super) fn positive(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (0.0..9e15).contains(&number).then_some(number)
}

pub(super) fn whole(value: &Value) -> Option<u64> {
    positive(value).map(|number| number.round() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(points: Value) -> Attributes {
        Attributes::from_iter([("points".to_owned(), points)])
    }

    #[test]
    fn a_cumulative_counter_counts_its_growth_and_begins_again_with_its_client() {
        let (mut usage, mut series) = (Usage::default(), Series::default());
        let point = |start: &str, value: f64| {
            told(
                json!([{ "name": "claude_code.token.usage", "value": value, "temporality": "cumulative", "start": start,
                "attributes": { "type": "input", "model": "m" } }]),
            )
        };
        for (start, value, sum) in [("a", 10.0, 10), ("a", 10.0, 10), ("a", 25.0, 25), ("b", 5.0, 30), ("b", 6.0, 31)] {
            add_points(&mut usage, &mut series, &point(start, value));
            assert_eq!(usage.tokens.input, sum, "{start} {value}");
        }
        assert_eq!(usage.cost_micros, None);
    }

    #[test]
    fn numbers_that_cannot_be_a_cost_are_passed_over() {
        let mut usage = Usage::default();
        for value in [json!(-1), json!("x"), json!(1e300), Value::Null] {
            let point = told(json!([{ "name": "claude_code.cost.usage", "value": value, "attributes": {} }]));
            add_points(&mut usage, &mut Series::default(), &point);
        }
        assert_eq!(usage, Usage::default());
    }
}
