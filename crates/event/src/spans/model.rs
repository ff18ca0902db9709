//! When answers of the model began: nobody tells, so it follows from what they waited for.

use std::collections::HashMap;

use super::Answered;
use crate::event::Time;
use crate::wire::spans::{Agent, Prompt, Span};

/// A span for each answer. It began with the end of what its agent did before: a prompt, the calls, an earlier answer.
/// `answers` are in the order of time.
pub(super) fn spans(calls: &[Span], prompts: &[Prompt], agents: &[Agent], answers: &[Answered]) -> Vec<Span> {
    let mut moments: HashMap<&str, Vec<Time>> = HashMap::new();
    if answers.is_empty() {
        return Vec::new();
    }
    for call in calls {
        moments.entry(&call.agent).or_default().extend(call.ended);
    }
    for prompt in prompts {
        moments.entry(super::MAIN).or_default().push(prompt.began);
    }
    for agent in agents.iter().filter(|agent| agent.id != super::MAIN) {
        moments.entry(&agent.id).or_default().push(agent.began);
    }
    for answer in answers {
        moments.entry(&answer.agent).or_default().push(answer.at);
    }
    for of_agent in moments.values_mut() {
        of_agent.sort_unstable();
    }
    let span = |answer: &Answered| {
        let began = match answer.took_ms {
            Some(took_ms) => Time::from_ms(answer.at.ms() - i64::try_from(took_ms).unwrap_or(0)),
            None => {
                let of_agent = moments.get(&*answer.agent).map_or(&[][..], Vec::as_slice);
                let before = of_agent.partition_point(|at| *at < answer.at);
                before.checked_sub(1).and_then(|place| of_agent.get(place)).copied().unwrap_or(answer.at)
            }
        };
        Span::of_answer(answer.seq, answer.agent.clone(), answer.model.clone(), (began, answer.at), answer.tokens)
    };
    answers.iter().map(span).collect()
}
