//! What the answers of a session sum up to: by agent, and from one to the next.

use std::collections::BTreeMap;

use super::{Answered, MAIN, MARKS_MAX};
use crate::wire::spans::{Agent, Sample, Span, Status};

/// The agents with what their calls and answers sum up to.
pub(super) fn agents(known: &[Agent], spans: &[Span], answers: &[Answered]) -> Vec<Agent> {
    let mut agents = known.to_vec();
    let mut of: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for span in spans {
        let (calls, failed) = of.entry(&span.agent).or_default();
        *calls += 1;
        *failed += u64::from(span.status == Status::Failed);
    }
    let mut spent: BTreeMap<&str, (u64, Option<f64>, &str)> = BTreeMap::new();
    for answer in answers {
        let (tokens, cost, model) = spent.entry(&answer.agent).or_default();
        *tokens = tokens.saturating_add(answer.tokens);
        *cost = match (*cost, answer.cost_usd) {
            (Some(cost), Some(more)) => Some(cost + more),
            (cost, more) => cost.or(more),
        };
        *model = &answer.model;
    }
    for agent in &mut agents {
        (agent.calls, agent.failed) = of.get(&*agent.id).copied().unwrap_or_default();
        if let Some((tokens, cost, model)) = spent.get(&*agent.id) {
            agent.tokens = Some(*tokens);
            agent.cost_usd = cost.map(rounded);
            agent.model = Some((*model).to_owned());
        }
    }
    agents
}

/// Context and cost as they were after each answer.
pub(super) fn samples(answers: &[Answered]) -> Vec<Sample> {
    let (mut cost, mut tokens) = (None::<f64>, 0_u64);
    let mut samples: Vec<Sample> = answers
        .iter()
        .map(|answer| {
            tokens = tokens.saturating_add(answer.tokens);
            cost = match (cost, answer.cost_usd) {
                (Some(sum), Some(more)) => Some(sum + more),
                (sum, more) => sum.or(more),
            };
            let context = answer.context.filter(|_| answer.agent == MAIN);
            Sample { time: answer.at, seq: answer.seq, context_tokens: context, tokens, cost_usd: cost.map(rounded) }
        })
        .collect();
    let leave_out = samples.len().saturating_sub(MARKS_MAX);
    samples.drain(..leave_out);
    samples
}

/// Sums of fractions drift; millionths of a dollar are what is known.
fn rounded(dollars: f64) -> f64 {
    (dollars * 1e6).round() / 1e6
}
