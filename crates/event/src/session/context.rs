//! How full the context of a session's main thread is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Session;
use crate::event::{Fact, Time};

/// How full the context of the main thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// What its last request sent.
    pub tokens: u64,
    /// How much fits, as far as is known.
    pub window: u64,
    at: Time,
}

/// From this part of the window on, in percent, a context is high.
const CONTEXT_HIGH: u64 = 80;

/// From this part on it is as good as full.
const CONTEXT_FULL: u64 = 95;

impl Context {
    /// `ok`, `high` or `full`.
    pub fn status(&self) -> &'static str {
        match self.tokens.saturating_mul(100) / self.window.max(1) {
            CONTEXT_FULL.. => "full",
            CONTEXT_HIGH.. => "high",
            _ => "ok",
        }
    }
}

impl Session {
    /// How full the main thread's context is; `None` when nothing tells, and after a compaction until it speaks again.
    pub fn context(&self) -> Option<Context> {
        self.reported.context
    }

    /// What an answer of the main thread says of the session.
    pub(super) fn answered(&mut self, fact: &Fact, model: Option<&str>) {
        if let Some(branch) = fact.text("git_branch") {
            self.git_branch = Some(branch.to_owned());
        }
        let is_newer = self.reported.context.is_none_or(|context| context.at <= fact.time);
        let compacted = self.compacted_at.is_some_and(|at| at > fact.time);
        let Some(tokens) = fact.data.get("context_tokens").and_then(Value::as_u64) else { return };
        if !is_newer || compacted {
            return;
        }
        // The name that was asked for may say more of the window than the one that answers.
        let asked = self.model.as_deref().filter(|asked| model.is_some_and(|model| asked.starts_with(model)));
        let window = window_of(asked.or(model).unwrap_or_default(), tokens);
        if asked.is_none() {
            self.model = model.map(str::to_owned);
        }
        self.reported.context = Some(Context { tokens, window, at: fact.time });
    }

    /// After a compaction nothing tells how full the context is, until the model answers.
    pub(super) fn compacted(&mut self, fact: &Fact) {
        if fact.agent_id.is_none() {
            self.compacted_at = self.compacted_at.max(Some(fact.time));
            if self.reported.context.is_some_and(|context| context.at <= fact.time) {
                self.reported.context = None;
            }
        }
    }
}

/// What fits into the context of a model, unless more than that was seen in it.
///
/// The client grants a million only to the newest families and to names that ask for it; a name that answers does not
/// repeat the asking.
fn window_of(model: &str, seen: u64) -> u64 {
    const SMALL: u64 = 200_000;
    const LARGE: u64 = 1_000_000;
    let large = ["claude-fable-5", "claude-mythos-5", "claude-opus-5", "claude-sonnet-5", "claude-haiku-5"];
    if model.ends_with("[1m]") || large.iter().any(|prefix| model.starts_with(prefix)) || seen > SMALL {
        return LARGE.max(seen);
    }
    SMALL
}
