//! By how much a session's spending grew with what it was told, for sums over time.

use std::collections::BTreeMap;

use super::usage::{Spent, Tokens};

/// What a session spent as it is believed now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Believed {
    /// In all.
    pub all: Part,
    /// By model.
    pub models: BTreeMap<String, Part>,
    /// By kind of agent. A client's own sum of costs names no agents, so that these may add up to another cost.
    pub agents: BTreeMap<String, Part>,
}

/// What is spent under one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Tokens and cost.
    pub spent: Spent,
    /// How much of the cost follows from tokens and prices, and was not reported; in millionths of a US dollar.
    pub estimated_micros: u64,
}

impl Part {
    pub(super) fn add(&mut self, tokens: Tokens, cost_micros: Option<u64>, estimated_micros: Option<u64>) {
        self.spent.add(tokens, cost_micros);
        self.spent.add(Tokens::default(), estimated_micros);
        self.estimated_micros = self.estimated_micros.saturating_add(estimated_micros.unwrap_or(0));
    }
}

/// What it grew by. Where another door is believed now, some of it may have shrunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// In all.
    pub all: Change,
    /// By model, those that changed.
    pub models: Vec<(String, Change)>,
    /// By agent, those that changed.
    pub agents: Vec<(String, Change)>,
}

impl Growth {
    /// From one belief to another.
    pub fn between(before: &Believed, after: &Believed) -> Growth {
        Growth {
            all: Change::between(before.all, after.all),
            models: changes(&before.models, &after.models),
            agents: changes(&before.agents, &after.agents),
        }
    }

    /// Whether nothing changed.
    pub fn is_none(&self) -> bool {
        self.all.is_none() && self.models.is_empty() && self.agents.is_empty()
    }
}

/// The difference between two [`Part`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Of [`Tokens::input`].
    pub input: i64,
    /// Of [`Tokens::output`].
    pub output: i64,
    /// Of [`Tokens::cache_read`].
    pub cache_read: i64,
    /// Of [`Tokens::cache_creation`].
    pub cache_creation: i64,
    /// Of the cost, estimates included; `None` while none is known.
    pub cost_micros: Option<i64>,
    /// Of what is estimated of it.
    pub estimated_micros: i64,
}

impl Change {
    fn between(before: Part, after: Part) -> Change {
        let less = |after: u64, before: u64| (after as i64).wrapping_sub(before as i64);
        let cost = |part: Part| part.spent.cost_micros.unwrap_or(0);
        let is_priced = before.spent.cost_micros.or(after.spent.cost_micros).is_some();
        let (was, is) = (before.spent.tokens, after.spent.tokens);
        Change {
            input: less(is.input, was.input),
            output: less(is.output, was.output),
            cache_read: less(is.cache_read, was.cache_read),
            cache_creation: less(is.cache_creation, was.cache_creation),
            cost_micros: is_priced.then(|| less(cost(after), cost(before))),
            estimated_micros: less(after.estimated_micros, before.estimated_micros),
        }
    }

    /// Whether tokens were told, and no cost ever was.
    pub fn is_unpriced(&self) -> bool {
        self.cost_micros.is_none() && self.input + self.output + self.cache_read + self.cache_creation > 0
    }

    fn is_none(&self) -> bool {
        let tokens = [self.input, self.output, self.cache_read, self.cache_creation];
        tokens == [0; 4] && self.cost_micros.unwrap_or(0) == 0 && self.estimated_micros == 0
    }
}

fn changes(before: &BTreeMap<String, Part>, after: &BTreeMap<String, Part>) -> Vec<(String, Change)> {
    let part = |map: &BTreeMap<String, Part>, name: &str| map.get(name).copied().unwrap_or_default();
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let names = after.keys().chain(gone).filter(|name| before.get(*name) != after.get(*name));
    names.map(|name| (name.clone(), Change::between(part(before, name), part(after, name)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_adds_up_to_what_is_believed_also_when_another_door_is_believed_now() {
        let part = |input, output, cost, estimated| {
            let mut part = Part::default();
            part.add(Tokens { input, output, ..Tokens::default() }, cost, estimated);
            part
        };
        let believed = |name: &str, part: Part| Believed {
            all: part,
            models: BTreeMap::from([("m".to_owned(), part)]),
            agents: BTreeMap::from([(name.to_owned(), part)]),
        };
        let logs = believed("main", part(100, 50, Some(7), None));
        let transcript = believed("Explore", part(90, 70, None, Some(5)));
        let first = Growth::between(&Believed::default(), &logs);
        let second = Growth::between(&logs, &transcript);
        assert_eq!((first.all.input + second.all.input, first.all.output + second.all.output), (90, 70));
        assert_eq!(first.all.cost_micros.zip(second.all.cost_micros), Some((7, -2)));
        assert_eq!((first.all.estimated_micros, second.all.estimated_micros), (0, 5));
        let agents: Vec<_> = second.agents.iter().map(|(name, change)| (name.as_str(), change.input)).collect();
        assert_eq!(agents, [("Explore", 90), ("main", -100)]);
        let unpriced = believed("main", part(1, 0, None, None));
        assert!(Growth::between(&Believed::default(), &unpriced).all.is_unpriced());
        assert!(Growth::between(&logs, &logs).is_none());
    }
}
