//! What a model's tokens cost, where its client reports no cost: a dated table, which the user's own comes before.
//!
//! A model that no row names has no price: whoever asks says "unpriced", and never 0.

use serde::{Deserialize, Serialize};

use crate::event::Time;
use crate::session::usage::Tokens;

/// US dollars for a million tokens. A million of one is a millionth of the other, so tokens times this are micros.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Sent, and in no cache.
    pub input: f64,
    /// Answered.
    pub output: f64,
    /// Written to the cache for five minutes.
    pub cache_write_5m: f64,
    /// Written to the cache for an hour.
    pub cache_write_1h: f64,
    /// Read from the cache.
    pub cache_read: f64,
}

impl Price {
    const fn new(input: f64, output: f64, cache_write_5m: f64, cache_write_1h: f64, cache_read: f64) -> Price {
        Price { input, output, cache_write_5m, cache_write_1h, cache_read }
    }

    /// What one request costs, in millionths of a US dollar. `hour` of the tokens written to the cache stay for an
    /// hour.
    pub fn micros(&self, tokens: Tokens, hour: u64) -> u64 {
        let hour = hour.min(tokens.cache_creation);
        let sum = tokens.input as f64 * self.input
            + tokens.output as f64 * self.output
            + (tokens.cache_creation - hour) as f64 * self.cache_write_5m
            + hour as f64 * self.cache_write_1h
            + tokens.cache_read as f64 * self.cache_read;
        sum.round().max(0.0) as u64
    }

    fn times(self, factor: f64) -> Price {
        Price::new(
            self.input * factor,
            self.output * factor,
            self.cache_write_5m * factor,
            self.cache_write_1h * factor,
            self.cache_read * factor,
        )
    }
}

/// 2026-09-01: what Sonnet 5 cost until then was an introduction.
const SONNET_5_SINCE_MS: i64 = 1_788_220_800_000;

/// As of 2026-11-20: beginnings of model names, longer ones first; since when, in milliseconds; the price. Where the
/// vendor names no price for the cache, a model is not in here.
const TABLE: &[(&str, i64, Price)] = &[
    ("claude-fable-5-1", 0, Price::new(10.0, 50.0, 12.5, 20.0, 0.25)),
    ("claude-fable-5", 0, Price::new(10.0, 50.0, 12.5, 20.0, 1.0)),
    ("claude-mythos-5", 0, Price::new(10.0, 50.0, 12.5, 20.0, 1.0)),
    ("claude-opus-5-5", 0, Price::new(4.0, 20.0, 5.0, 8.0, 0.2)),
    ("claude-opus-5", 0, Price::new(5.0, 25.0, 6.25, 10.0, 0.5)),
    ("claude-opus-4-8", 0, Price::new(5.0, 25.0, 6.25, 10.0, 0.5)),
    ("claude-opus-4-7", 0, Price::new(5.0, 25.0, 6.25, 10.0, 0.5)),
    ("claude-opus-4-6", 0, Price::new(5.0, 25.0, 6.25, 10.0, 0.5)),
    ("claude-opus-4-5", 0, Price::new(5.0, 25.0, 6.25, 10.0, 0.5)),
    ("claude-opus-4", 0, Price::new(15.0, 75.0, 18.75, 30.0, 1.5)),
    ("claude-sonnet-5-5", 0, Price::new(2.0, 10.0, 2.5, 4.0, 0.2)),
    ("claude-sonnet-5", SONNET_5_SINCE_MS, Price::new(3.0, 15.0, 3.75, 6.0, 0.3)),
    ("claude-sonnet-5", 0, Price::new(2.0, 10.0, 2.5, 4.0, 0.2)),
    ("claude-sonnet-4", 0, Price::new(3.0, 15.0, 3.75, 6.0, 0.3)),
    ("claude-haiku-4-5", 0, Price::new(1.0, 5.0, 1.25, 2.0, 0.1)),
    ("claude-3-5-haiku", 0, Price::new(0.8, 4.0, 1.0, 1.6, 0.08)),
    ("claude-3-haiku", 0, Price::new(0.25, 1.25, 0.3, 0.5, 0.03)),
];

/// Above so many tokens in a request, Sonnet 4 and 4.5 cost more.
const SONNET_4_LONG: u64 = 200_000;

/// The table, and what the user put before it.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    /// Beginnings of model names, the longest first.
    own: Vec<(String, Price)>,
}

impl Prices {
    /// The table with the user's own rows before it; each begins the names of the models that it is for.
    pub fn with(own: impl IntoIterator<Item = (String, Price)>) -> Prices {
        let mut own: Vec<_> = own.into_iter().collect();
        own.sort_by_key(|(model, _)| std::cmp::Reverse(model.len()));
        Prices { own }
    }

    /// The price of one request to `model` at `at`, which sent `prompt` tokens; `None` when nothing names it.
    pub fn of(&self, model: &str, at: Time, prompt: u64, is_fast: bool) -> Option<Price> {
        if let Some((_, price)) = self.own.iter().find(|(prefix, _)| model.starts_with(&**prefix)) {
            return Some(*price);
        }
        let (prefix, _, price) = TABLE.iter().find(|(prefix, since, _)| begins(model, prefix) && at.ms() >= *since)?;
        if is_fast {
            // Fast answers cost twice as much, of the models that have them.
            return Some(price.times(2.0));
        }
        let is_long = *prefix == "claude-sonnet-4" && !model.starts_with("claude-sonnet-4-6") && prompt > SONNET_4_LONG;
        Some(if is_long { Price::new(6.0, 22.5, 7.5, 12.0, 0.6) } else { *price })
    }
}

/// Whether a name begins with a model's, and is no other model of the family: what follows is a date or a mark.
fn begins(model: &str, prefix: &str) -> bool {
    let Some(rest) = model.strip_prefix(prefix) else { return false };
    let version = rest.strip_prefix('-').unwrap_or_default();
    // `claude-opus-4-9` is not known by the price of `claude-opus-4`; `claude-opus-4-20250514` is.
    let next_number = version.bytes().take_while(u8::is_ascii_digit).count();
    prefix == "claude-sonnet-4" && matches!(version.as_bytes(), [b'5' | b'6', ..]) && next_number == 1
        || prefix == "claude-opus-4" && version.starts_with("1-")
        || rest.is_empty()
        || rest.starts_with('[')
        || rest.starts_with('@')
        || next_number >= 6
        || (version.starts_with("latest"))
        || (prefix == "claude-opus-4" && version == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Time = Time::from_ms(1_795_185_000_000);

    #[test]
    fn a_model_is_known_by_its_name_with_a_date_or_a_mark_and_its_successor_is_not() {
        let prices = Prices::default();
        let input = |model: &str| prices.of(model, TODAY, 0, false).map(|price| price.input);
        for (model, dollars) in [
            ("claude-opus-4-8", Some(5.0)),
            ("claude-opus-4-8[1m]", Some(5.0)),
            ("claude-opus-4-20250514", Some(15.0)),
            ("claude-opus-4-1-20250805", Some(15.0)),
            ("claude-opus-4-9", None),
            ("claude-opus-5-7", None),
            ("claude-sonnet-5", Some(3.0)),
            ("claude-sonnet-4-5-20250929", Some(3.0)),
            ("claude-sonnet-4-6", Some(3.0)),
            ("claude-sonnet-4-7", None),
            ("claude-haiku-4-5-20251001", Some(1.0)),
            ("claude-haiku-5-5", None),
            ("gpt-7", None),
        ] {
            assert_eq!(input(model), dollars, "{model}");
        }
    }

    #[test]
    fn a_price_holds_from_its_day_on_and_long_prompts_and_fast_answers_cost_more() {
        let prices = Prices::default();
        let input = |model: &str, at: i64, prompt, fast| {
            prices.of(model, Time::from_ms(at), prompt, fast).map(|price| price.input)
        };
        assert_eq!(input("claude-sonnet-5", SONNET_5_SINCE_MS - 1, 0, false), Some(2.0));
        assert_eq!(input("claude-sonnet-5", SONNET_5_SINCE_MS, 0, false), Some(3.0));
        assert_eq!(input("claude-sonnet-4-5", TODAY.ms(), 200_001, false), Some(6.0));
        assert_eq!(input("claude-sonnet-4-6", TODAY.ms(), 200_001, false), Some(3.0));
        assert_eq!(input("claude-opus-4-8", TODAY.ms(), 0, true), Some(10.0));
    }

    #[test]
    fn the_users_own_row_comes_first_and_a_request_is_summed_in_millionths() {
        let own = Price::new(1.0, 2.0, 3.0, 4.0, 5.0);
        let prices =
            Prices::with([("claude".to_owned(), Price::new(9.0, 9.0, 9.0, 9.0, 9.0)), ("claude-x".to_owned(), own)]);
        let price = prices.of("claude-x-1", TODAY, 0, false).unwrap();
        assert_eq!(price, own);
        let tokens = Tokens { input: 1, output: 10, cache_read: 1_000, cache_creation: 100 };
        // 1 + 20 + 5,000 + 90 for five minutes at 3 and 10 for an hour at 4.
        assert_eq!(price.micros(tokens, 10), 1 + 20 + 5_000 + 270 + 40);
    }
}
