//! Who needs a person: a session's state, by evidence.
//!
//! `need` begins with the question and ends with the first sign of an answer. After an approval no hook comes until the
//! tool ends, so the signs are: the same call ending, its batch, the end of the turn, the next prompt, the session's end.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::{Fact, Time};
use crate::session::Session;
use crate::tool_call::{self, ToolCalls};
use crate::vocabulary::Kind;

/// A session that says nothing for this long, with nothing open, is idle: its Stop was missed.
const QUIET_MS: u64 = 30_000;

/// Silence of an open call or a running turn before it can count as stuck.
const STUCK_MS_MIN: u64 = 60_000;

/// Silence before a tool of which no duration is known yet counts as stuck: a cold build takes minutes.
const STUCK_MS_UNKNOWN: u64 = 600_000;

/// Failures alike within [`FAILING_WINDOW_MS`] that make a session failing.
const FAILING_COUNT: usize = 3;

/// How long a failure counts.
const FAILING_WINDOW_MS: u64 = 600_000;

/// Durations remembered to judge silence by.
const DURATIONS_MAX: usize = 64;

/// Failures remembered.
const FAILURES_MAX: usize = 32;

/// Questions remembered.
const NEEDS_MAX: usize = 64;

/// What a session is doing, as far as a person is concerned; most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for an answer.
    Need,
    /// The same thing fails again and again, or its last turn ended in an error.
    Failing,
    /// Something runs and has been silent for too long.
    Stuck,
    /// It works.
    Working,
    /// It has finished its turn.
    Idle,
    /// It is over.
    Ended,
}

/// Why a session is in its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The kind of event that says so, or what a need is.
    pub kind: String,
    /// One line for a person.
    pub summary: String,
    /// The event, 0 when no single one says so.
    pub seq: u64,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeedKind {
    /// May a tool run?
    Permission,
    /// A question of the agent's own.
    Question,
    /// Is the plan good?
    Plan,
    /// An MCP server asks.
    Elicitation,
}

/// One question that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// What is asked.
    pub kind: NeedKind,
    /// The subagent that asks; `None` is the main thread.
    pub agent_id: Option<String>,
    /// The tool and input it is about, to recognise its end.
    pub input_key: u64,
    /// Since when.
    pub since: Time,
    /// The event that asked.
    pub seq: u64,
    /// One line for a person.
    pub summary: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Failure {
    fingerprint: String,
    at: Time,
    seq: u64,
    summary: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
enum Turn {
    #[default]
    Unknown,
    Running {
        since: Time,
    },
    Finished {
        since: Time,
        seq: u64,
        summary: String,
    },
    Failed {
        since: Time,
        seq: u64,
        summary: String,
    },
}

/// What a session's state follows from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Attention {
    needs: Vec<Need>,
    failures: VecDeque<Failure>,
    durations: VecDeque<(String, u64)>,
    turn: Turn,
}

impl Attention {
    /// Takes a completed fact.
    pub(super) fn take(&mut self, fact: &Fact, seq: u64, calls: &ToolCalls) {
        self.answer(fact);
        self.ask(fact, seq);
        self.judge(fact, seq);
        self.follow_turn(fact, seq, calls);
    }

    /// Ends the questions that `fact` shows to be answered.
    fn answer(&mut self, fact: &Fact) {
        match fact.kind {
            Kind::SessionEnded => self.needs.clear(),
            Kind::TurnFinished | Kind::TurnFailed | Kind::PromptSubmitted if fact.agent_id.is_none() => {
                self.needs.retain(|need| need.agent_id.is_some());
            }
            Kind::AgentFinished | Kind::ToolBatchFinished => self.needs.retain(|need| need.agent_id != fact.agent_id),
            Kind::ToolCallFinished | Kind::ToolCallFailed | Kind::PermissionDenied => {
                let key = key_of(fact);
                self.needs.retain(|need| need.agent_id != fact.agent_id || need.input_key != key);
            }
            Kind::ElicitationAnswered => self.needs.retain(|need| need.kind != NeedKind::Elicitation),
            _ => {}
        }
    }

    fn ask(&mut self, fact: &Fact, seq: u64) {
        let kind = match (fact.kind, fact.tool_name.as_deref()) {
            (Kind::PermissionRequested, Some("AskUserQuestion")) => NeedKind::Question,
            (Kind::PermissionRequested, Some("ExitPlanMode")) => NeedKind::Plan,
            (Kind::PermissionRequested, _) => NeedKind::Permission,
            (Kind::ElicitationRequested, _) => NeedKind::Elicitation,
            // Six seconds late, and without the tool's name: only when the request itself was not told.
            (Kind::NotificationSent, _) if self.needs.is_empty() => match fact.text("notification_type") {
                Some("permission_prompt" | "agent_needs_input") => NeedKind::Permission,
                Some("elicitation_dialog" | "elicitation_url_dialog") => NeedKind::Elicitation,
                _ => return,
            },
            _ => return,
        };
        if self.needs.len() >= NEEDS_MAX {
            self.needs.remove(0);
        }
        self.needs.push(Need {
            kind,
            agent_id: fact.agent_id.clone(),
            input_key: key_of(fact),
            since: fact.time,
            seq,
            summary: match (kind, fact.tool_name.as_deref()) {
                (NeedKind::Permission, Some(tool)) => format!("{tool}: {}", fact.summary),
                _ => fact.summary.clone(),
            },
        });
    }

    /// Remembers failures and forgets them when the same thing succeeds.
    fn judge(&mut self, fact: &Fact, seq: u64) {
        if !matches!(fact.kind, Kind::ToolCallFinished | Kind::ToolCallFailed) {
            return;
        }
        let fingerprint = fingerprint(fact);
        if fact.is_error() {
            if self.failures.len() >= FAILURES_MAX {
                self.failures.pop_front();
            }
            self.failures.push_back(Failure { fingerprint, at: fact.time, seq, summary: fact.summary.clone() });
            return;
        }
        if fact.kind == Kind::ToolCallFinished {
            self.failures.retain(|failure| failure.fingerprint != fingerprint);
        }
        if let (Some(tool), Some(took)) = (&fact.tool_name, fact.duration_ms) {
            if self.durations.len() >= DURATIONS_MAX {
                self.durations.pop_front();
            }
            self.durations.push_back((tool.clone(), took));
        }
    }

    fn follow_turn(&mut self, fact: &Fact, seq: u64, calls: &ToolCalls) {
        let since = fact.time;
        match fact.kind {
            Kind::TurnFinished if fact.agent_id.is_none() => {
                self.turn = Turn::Finished { since, seq, summary: fact.summary.clone() };
            }
            Kind::TurnFailed => self.turn = Turn::Failed { since, seq, summary: fact.summary.clone() },
            Kind::SessionStarted => self.turn = Turn::Finished { since, seq, summary: fact.summary.clone() },
            Kind::PromptSubmitted | Kind::BackgroundTaskFinished => self.turn = Turn::Running { since },
            Kind::ToolCallStarted if !matches!(self.turn, Turn::Running { .. }) && !calls.open().is_empty() => {
                self.turn = Turn::Running { since };
            }
            _ => {}
        }
    }

    /// How long a tool may be silent before something is wrong with it.
    fn patience_ms(&self, tool: &str) -> u64 {
        let mut took: Vec<u64> = self.durations.iter().filter(|(name, _)| name == tool).map(|(_, took)| *took).collect();
        if took.len() < 5 {
            return STUCK_MS_UNKNOWN;
        }
        took.sort_unstable();
        let p95 = took[(took.len() * 95).div_ceil(100) - 1];
        p95.saturating_mul(4).max(STUCK_MS_MIN)
    }

    fn failing(&self, now: Time) -> Option<(&Failure, usize)> {
        let recent = || self.failures.iter().filter(|failure| now.since(failure.at) <= FAILING_WINDOW_MS);
        let last = recent().next_back()?;
        let alike = recent().filter(|failure| failure.fingerprint == last.fingerprint).count();
        (alike >= FAILING_COUNT).then_some((last, alike))
    }
}

/// The state of `session` at `now`.
pub(super) fn state(session: &Session, now: Time) -> (State, Time, Option<Reason>) {
    let because = |kind: &str, summary: &str, seq| Some(Reason { kind: kind.to_owned(), summary: summary.to_owned(), seq });
    if let Some((at, reason)) = &session.ended {
        return (State::Ended, *at, because("session.ended", reason, session.last_seq));
    }
    let attention = &session.attention;
    if let Some(need) = attention.needs.iter().min_by_key(|need| need.since) {
        let kind = serde_json::to_value(need.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
        return (State::Need, need.since, because(&kind.unwrap_or_default(), &need.summary, need.seq));
    }
    if let Turn::Failed { since, seq, summary } = &attention.turn {
        return (State::Failing, *since, because("turn.failed", summary, *seq));
    }
    let quiet_ms = now.since(session.last_event_at);
    if let Turn::Finished { since, seq, summary } = &attention.turn
        && !session.calls.open().iter().any(|call| call.agent_id.is_some())
    {
        return (State::Idle, *since, because("turn.finished", summary, *seq));
    }
    if let Some((failure, times)) = attention.failing(now) {
        return (State::Failing, failure.at, because("tool_call.failed", &format!("{times}× {}", failure.summary), failure.seq));
    }
    if let Some(call) = session.calls.open().iter().min_by_key(|call| call.started_at) {
        if quiet_ms > attention.patience_ms(&call.tool_name) {
            let summary = format!("{} {}", call.tool_name, call.summary);
            return (State::Stuck, session.last_event_at, because("tool_call.started", &summary, call.seq));
        }
        return (State::Working, call.started_at, because("tool_call.started", &call.summary, call.seq));
    }
    match &attention.turn {
        Turn::Running { since } if quiet_ms <= STUCK_MS_UNKNOWN => (State::Working, *since, None),
        Turn::Running { .. } => (State::Stuck, session.last_event_at, because("silence", "The model has not answered", 0)),
        _ if quiet_ms <= QUIET_MS => (State::Working, session.last_event_at, None),
        _ => (State::Idle, session.last_event_at, None),
    }
}

fn key_of(fact: &Fact) -> u64 {
    tool_call::input_key(fact.tool_name.as_deref().unwrap_or_default(), fact.data.get("tool_input"))
}

/// Failures are alike when tool and command are, whatever the numbers in it.
fn fingerprint(fact: &Fact) -> String {
    let about = crate::summary::call(fact);
    let mut fingerprint = fact.tool_name.clone().unwrap_or_default();
    fingerprint.push(' ');
    let mut digits = false;
    for letter in about.chars() {
        if letter.is_ascii_digit() {
            if !std::mem::replace(&mut digits, true) {
                fingerprint.push('#');
            }
        } else {
            digits = false;
            fingerprint.push(letter);
        }
    }
    fingerprint
}
