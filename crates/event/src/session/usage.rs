//! Counts of tokens and cost, and the points of metrics that tell them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Identity;
use crate::otlp::Attributes;

/// Models that are counted one by one; further ones count as `other`. Real sessions have three.
pub(super) const MODELS_MAX: usize = 32;

/// The longest name of a model, in bytes.
pub(super) const MODEL_BYTES_MAX: usize = 128;

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
}

impl Usage {
    pub(super) fn add(&mut self, model: Option<&str>, tokens: Tokens, cost_micros: Option<u64>) {
        let model = model.filter(|model| model.len() <= MODEL_BYTES_MAX).unwrap_or("unknown");
        let full = self.models.len() >= MODELS_MAX && !self.models.contains_key(model);
        let spent = self.models.entry(if full { "other" } else { model }.to_owned()).or_default();
        spent.tokens.add(tokens);
        self.tokens.add(tokens);
        if let Some(cost) = cost_micros {
            spent.cost_micros = Some(spent.cost_micros.unwrap_or(0).saturating_add(cost));
            self.cost_micros = Some(self.cost_micros.unwrap_or(0).saturating_add(cost));
        }
    }

    /// Takes back what was counted of a model's cost.
    pub(super) fn take_cost(&mut self, model: Option<&str>, micros: u64) {
        if let Some(spent) = model.and_then(|model| self.models.get_mut(model)) {
            spent.cost_micros = spent.cost_micros.map(|cost| cost.saturating_sub(micros)).filter(|cost| *cost > 0);
        }
        self.cost_micros = self.cost_micros.map(|cost| cost.saturating_sub(micros)).filter(|cost| *cost > 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.models.is_empty()
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
        let model = attribute("model");
        if name == "claude_code.cost.usage" {
            usage.add(model, Tokens::default(), Some(micros(value)));
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
        usage.add(model, tokens, None);
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
