//! Turns of the main thread: a prompt begins one, Stop or StopFailure ends it, and Escape ends it without a word.

use serde::{Deserialize, Serialize};

use super::Session;
use super::counterparts::{is_by_otlp, is_by_transcript};
use crate::event::{Fact, Outcome, Time};
use crate::summary;
use crate::tool_call::OpenCall;
use crate::vocabulary::Kind;

/// Where the main thread's turn is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) enum Turn {
    /// Nothing tells.
    #[default]
    Unknown,
    /// The model or its tools are at work.
    Running {
        since: Time,
        /// The prompt it answers. One that is queued while it runs comes with the same id.
        prompt_id: Option<String>,
    },
    /// It waits for a prompt.
    Finished(Last),
    /// An API error ended it.
    Failed(Last),
}

/// The event that ended a turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) since: Time,
    pub(super) seq: u64,
    pub(super) kind: Kind,
    pub(super) summary: String,
}

impl Turn {
    /// Whether `fact` brings a prompt into the turn that runs already.
    pub(super) fn is_queued(&self, fact: &Fact) -> bool {
        matches!(self, Turn::Running { prompt_id: Some(running), .. } if fact.prompt_id.as_ref() == Some(running))
    }

    pub(super) fn follow(&mut self, fact: &Fact, seq: u64) {
        if fact.agent_id.is_some() {
            return;
        }
        if is_by_otlp(fact) || (is_by_transcript(fact) && fact.kind != Kind::TurnInterrupted) {
            // OTLP tells how turns begin and never how they end: what it alone tells must not keep one running.
            return;
        }
        let last = || Last { since: fact.time, seq, kind: fact.kind, summary: fact.summary.clone() };
        match fact.kind {
            Kind::PromptSubmitted | Kind::BackgroundTaskFinished if self.is_queued(fact) => {}
            Kind::PromptSubmitted | Kind::BackgroundTaskFinished => self.run(fact),
            Kind::ToolCallStarted if !matches!(self, Turn::Running { .. }) => self.run(fact),
            Kind::SessionStarted => *self = Turn::Finished(last()),
            // An end that was told late ends an earlier turn.
            Kind::TurnFinished | Kind::TurnFailed | Kind::TurnInterrupted if matches!(self, Turn::Running { since, .. } if *since > fact.time) =>
                {}
            // Nothing runs that could be interrupted: the turn ended first.
            Kind::TurnInterrupted if matches!(self, Turn::Finished(_) | Turn::Failed(_)) => {}
            Kind::TurnFinished | Kind::TurnInterrupted => *self = Turn::Finished(last()),
            Kind::TurnFailed => *self = Turn::Failed(last()),
            _ => {}
        }
    }

    fn run(&mut self, fact: &Fact) {
        *self = Turn::Running { since: fact.time, prompt_id: fact.prompt_id.clone() };
    }
}

impl Session {
    /// A prompt that a person or program sent.
    pub(super) fn prompted(&mut self, fact: &Fact, implied: &mut Vec<Fact>) {
        self.last_prompt = Some(fact.summary.clone());
        // After Escape no hook tells that a call is over; the next prompt does. Observed of 2.1.329: a prompt that is
        // queued while a tool runs comes at once, with the prompt id of the running turn. (2.1.197 tells none.) A
        // prompt with an id of its own begins a new turn, and whatever the main thread had open belongs to an old one.
        let waiting = self.claude_status == "waiting";
        let is_over = |call: &OpenCall| match (&call.prompt_id, &fact.prompt_id) {
            (Some(of_call), Some(new)) => of_call != new,
            _ => waiting,
        };
        let own = |call: &OpenCall| call.agent_id.is_none() && call.started_at <= fact.time && is_over(call);
        self.close_calls(fact, own, (Outcome::Interrupted, "a new prompt came"), implied);
    }

    /// Escape: whatever the main thread had open is over, and no hook will say so.
    pub(super) fn interrupted(&mut self, fact: &Fact, implied: &mut Vec<Fact>) {
        let own = |call: &OpenCall| call.agent_id.is_none() && call.started_at <= fact.time;
        self.close_calls(fact, own, (Outcome::Interrupted, "the user interrupted it"), implied);
    }

    pub(super) fn turn_ended(&mut self, fact: &Fact, implied: &mut Vec<Fact>) {
        if let Some(message) = fact.text("last_assistant_message") {
            self.last_message = Some(summary::line(message));
        }
        let own = |call: &OpenCall| call.agent_id.is_none() && call.started_at <= fact.time;
        self.close_calls(fact, own, (Outcome::Unknown, "the turn ended"), implied);
        self.agents_not_listed(fact, implied);
    }
}
