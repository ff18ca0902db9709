//! The critical path: the chain of spans that delayed the end of each turn.

use std::collections::{HashMap, HashSet};

use crate::event::Time;
use crate::wire::spans::{Agent, Prompt, Span};

/// Agents within agents that are looked into.
const DEPTH_MAX: usize = 16;

/// Clocks of doors differ by some milliseconds: a call may begin just before the answer that asked for it has "ended".
const OVERLAP_MS: i64 = 250;

/// The ids of the spans on it, in the order of time. `end` is where what is open ends for now.
pub(super) fn path(spans: &[Span], prompts: &[Prompt], agents: &[Agent], end: Time) -> Vec<String> {
    let mut by_agent: HashMap<&str, Vec<(Time, usize)>> = HashMap::new();
    for (place, span) in spans.iter().enumerate() {
        by_agent.entry(&span.agent).or_default().push((span.ended.unwrap_or(end), place));
    }
    for of_agent in by_agent.values_mut() {
        of_agent.sort_unstable_by_key(|(ended, place)| (*ended, *place));
    }
    let asked_by = agents.iter().filter_map(|agent| Some((agent.tool_use_id.as_deref()?, agent.id.as_str()))).collect();
    let walk = Walk { spans, by_agent, asked_by, end };
    let mut found = HashSet::new();
    for prompt in prompts {
        walk.back(super::MAIN, prompt.ended.unwrap_or(end), prompt.began, 0, &mut found);
    }
    let mut places: Vec<usize> = found.into_iter().collect();
    places.sort_unstable();
    places.into_iter().map(|place| spans[place].id.clone()).collect()
}

struct Walk<'a> {
    spans: &'a [Span],
    by_agent: HashMap<&'a str, Vec<(Time, usize)>>,
    asked_by: HashMap<&'a str, &'a str>,
    end: Time,
}

impl Walk<'_> {
    /// From `until` back to `from`: whatever ended last delayed what came after it.
    fn back(&self, agent: &str, until: Time, from: Time, depth: usize, found: &mut HashSet<usize>) {
        let Some(of_agent) = self.by_agent.get(agent) else { return };
        let mut cursor = until;
        let mut place = of_agent.partition_point(|(ended, _)| ended.ms() <= cursor.ms() + OVERLAP_MS);
        while place > 0 {
            place -= 1;
            let (ended, at) = of_agent[place];
            let span = &self.spans[at];
            if ended < from {
                return;
            }
            // Something later that ran beside it delayed more.
            if ended.ms() > cursor.ms() + OVERLAP_MS || span.began >= cursor {
                continue;
            }
            found.insert(at);
            if depth < DEPTH_MAX
                && let Some(agent) = self.asked_by.get(&*span.id)
            {
                self.back(agent, span.ended.unwrap_or(self.end), span.began, depth + 1, found);
            }
            cursor = span.began;
        }
    }
}
