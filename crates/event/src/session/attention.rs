//! Who needs a person: a session's state, by evidence.
//!
//! `need` begins with the question and ends with the first sign of an answer. After an approval no hook comes until the
//! tool ends, so the signs are: a decision that OTLP tells or the server sees, an interrupt, the same call ending, its
//! agent's batch or end, the end of the turn, the next prompt, the session's end. A subagent asks on while other agents
//! and the main thread work, or while the main thread waits.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Session;
use super::turn::{Last, Turn};
use crate::event::{Fact, Time};
use crate::summary;
use crate::tool_call;
use crate::vocabulary::Kind;

/// A session that says nothing for this long, with nothing open, is idle: its Stop was missed.
const QUIET_MS: u64 = 30_000;

/// Silence of an open call or a running turn before it can count as stuck.
const STUCK_MS_MIN: u64 = 60_000;

/// Silence before a tool of which no duration is known yet counts as stuck: a cold build takes minutes.
const STUCK_MS_UNKNOWN: u64 = 600_000;

/// How long a compaction on request counts as work. Its end may never be told: too little to compact.
const COMPACTION_MS_MAX: u64 = 300_000;

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
    /// The call it is about, if that is known.
    pub tool_use_id: Option<String>,
    /// The tool it is about.
    #[serde(default)]
    pub tool_name: Option<String>,
    /// The tool and input it is about, to recognise its end; 0 when nothing told.
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

/// What a session's state follows from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Attention {
    needs: Vec<Need>,
    failures: VecDeque<Failure>,
    durations: VecDeque<(String, u64)>,
    turn: Turn,
    /// Since when, by which event and how a compaction runs.
    compaction: Option<(Time, u64, String)>,
}

impl Attention {
    /// Takes a completed fact.
    pub(super) fn take(&mut self, fact: &Fact, seq: u64) {
        self.answer(fact);
        self.ask(fact, seq);
        self.judge(fact, seq);
        self.turn.follow(fact, seq);
        match fact.kind {
            Kind::CompactionStarted => self.compaction = Some((fact.time, seq, fact.summary.clone())),
            Kind::CompactionFinished
            | Kind::PromptSubmitted
            | Kind::TurnFinished
            | Kind::TurnInterrupted
            | Kind::SessionStarted => self.compaction = None,
            _ => {}
        }
    }

    /// Takes what another fact implies.
    pub(super) fn conclude(&mut self, implied: &Fact, seq: u64) {
        self.answer(implied);
        self.judge(implied, seq);
    }

    /// What is asked.
    pub(super) fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// Whether anybody waits for an answer.
    pub(super) fn is_asking(&self) -> bool {
        !self.needs.is_empty()
    }

    /// Whether a question about this call waits for its answer.
    pub(super) fn is_asking_about(&self, tool_use_id: &str) -> bool {
        self.needs.iter().any(|need| need.tool_use_id.as_deref() == Some(tool_use_id))
    }

    /// Whether the main thread is at work.
    pub(super) fn is_turn_running(&self) -> bool {
        matches!(self.turn, Turn::Running { .. })
    }

    /// Whether the main thread is at work since this very moment.
    pub(super) fn turn_began_at(&self, at: Time) -> bool {
        matches!(self.turn, Turn::Running { since, .. } if since == at)
    }

    /// Who is over asks no more.
    pub(super) fn agent_done(&mut self, agent_id: &str) {
        self.needs.retain(|need| need.agent_id.as_deref() != Some(agent_id));
    }

    /// Ends the questions that `fact` shows to be answered.
    fn answer(&mut self, fact: &Fact) {
        match fact.kind {
            Kind::SessionStarted | Kind::SessionEnded => self.needs.clear(),
            Kind::PromptSubmitted if self.turn.is_queued(fact) => {}
            // A dialog has the keyboard: who could type a prompt has no dialog on the screen.
            Kind::PromptSubmitted => {
                self.needs.clear();
                // And has seen what failed.
                self.failures.clear();
            }
            Kind::TurnFinished | Kind::TurnFailed if fact.agent_id.is_none() => {
                self.needs.retain(|need| need.agent_id.is_some());
            }
            // Escape closes the dialog that was on the screen; one that came since is another.
            Kind::TurnInterrupted => {
                self.needs.retain(|need| need.agent_id != fact.agent_id || need.since > fact.time);
            }
            Kind::ToolBatchFinished => self.needs.retain(|need| need.agent_id != fact.agent_id),
            Kind::ToolCallFinished | Kind::ToolCallFailed | Kind::PermissionDenied if self.is_asking() => {
                let key = key_of(fact);
                self.needs.retain(|need| !need.is_about(fact, key));
            }
            // OTLP is seconds late: a decision ends only what was asked before it was made.
            Kind::ToolCallDecided => {
                self.needs.retain(|need| need.since > fact.time || !need.is_decided_by(fact));
            }
            Kind::ElicitationAnswered => {
                let key = key_of(fact);
                self.needs.retain(|need| {
                    need.kind != NeedKind::Elicitation || (need.input_key != 0 && need.input_key != key)
                });
            }
            _ => {}
        }
    }

    fn ask(&mut self, fact: &Fact, seq: u64) {
        let (kind, input_key) = match (fact.kind, fact.tool_name.as_deref()) {
            (Kind::PermissionRequested, Some("AskUserQuestion")) => (NeedKind::Question, key_of(fact)),
            (Kind::PermissionRequested, Some("ExitPlanMode")) => (NeedKind::Plan, key_of(fact)),
            (Kind::PermissionRequested, _) => (NeedKind::Permission, key_of(fact)),
            (Kind::ElicitationRequested, _) => (NeedKind::Elicitation, key_of(fact)),
            // Six seconds late, and without the tool's name: only when the request itself was not told.
            (Kind::NotificationSent, _) if self.needs.is_empty() => match fact.text("notification_type") {
                Some("permission_prompt" | "agent_needs_input") => (NeedKind::Permission, 0),
                Some("elicitation_dialog" | "elicitation_url_dialog") => (NeedKind::Elicitation, 0),
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
            tool_use_id: fact.tool_use_id.clone(),
            tool_name: fact.tool_name.clone(),
            input_key,
            since: fact.time,
            seq,
            summary: match (kind, fact.tool_name.as_deref()) {
                (NeedKind::Permission, Some(tool)) => summary::line(&format!("{tool}: {}", fact.summary)),
                _ => fact.summary.clone(),
            },
        });
    }

    /// Remembers failures and forgets them when the same thing succeeds.
    fn judge(&mut self, fact: &Fact, seq: u64) {
        if !matches!(fact.kind, Kind::ToolCallFinished | Kind::ToolCallFailed) {
            return;
        }
        if fact.is_error() {
            if self.failures.len() >= FAILURES_MAX {
                self.failures.pop_front();
            }
            let (fingerprint, summary) = (fingerprint(fact), fact.summary.clone());
            self.failures.push_back(Failure { fingerprint, at: fact.time, seq, summary });
            return;
        }
        if fact.kind != Kind::ToolCallFinished {
            return;
        }
        if !self.failures.is_empty() {
            let fingerprint = fingerprint(fact);
            self.failures.retain(|failure| failure.fingerprint != fingerprint);
        }
        if let (Some(tool), Some(took)) = (&fact.tool_name, fact.duration_ms) {
            if self.durations.len() >= DURATIONS_MAX {
                self.durations.pop_front();
            }
            self.durations.push_back((tool.clone(), took));
        }
    }

    /// How long a tool may be silent before something is wrong with it.
    fn patience_ms(&self, tool: &str) -> u64 {
        let mut took: Vec<u64> =
            self.durations.iter().filter(|(name, _)| name == tool).map(|(_, took)| *took).collect();
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

impl Need {
    /// Whether the end of a call, `fact`, shows that this was answered.
    fn is_about(&self, fact: &Fact, key: u64) -> bool {
        match (&self.tool_use_id, &fact.tool_use_id) {
            (Some(asked), Some(ended)) => asked == ended,
            _ => self.input_key == 0 || (self.agent_id == fact.agent_id && self.input_key == key),
        }
    }

    /// Whether the decision `fact` is the answer. It names the call, and not what the call was to do.
    fn is_decided_by(&self, fact: &Fact) -> bool {
        // Who saw the answer on this machine names the question.
        if let Some(seq) = fact.data.get("need_seq").and_then(Value::as_u64) {
            return seq == self.seq;
        }
        match (&self.tool_use_id, &fact.tool_use_id) {
            (Some(asked), Some(decided)) => asked == decided,
            (None, Some(_)) => self.input_key == 0 && self.kind == NeedKind::Permission,
            _ => false,
        }
    }

    /// `permission`, `question`, `plan` or `elicitation`.
    pub const fn name(&self) -> &'static str {
        match self.kind {
            NeedKind::Permission => "permission",
            NeedKind::Question => "question",
            NeedKind::Plan => "plan",
            NeedKind::Elicitation => "elicitation",
        }
    }
}

/// The state of `session` at `now`.
pub(super) fn state(session: &Session, now: Time) -> (State, Time, Option<Reason>) {
    let because =
        |kind: &str, summary: &str, seq| Some(Reason { kind: kind.to_owned(), summary: summary.to_owned(), seq });
    let by = |last: &Last| because(last.kind.name(), &last.summary, last.seq);
    if let Some((at, reason)) = &session.ended {
        return (State::Ended, *at, because("session.ended", reason, session.ended_seq));
    }
    let attention = &session.attention;
    if let Some(need) = attention.needs.iter().min_by_key(|need| need.since) {
        return (State::Need, need.since, because(need.name(), &need.summary, need.seq));
    }
    if let Turn::Failed(last) = &attention.turn {
        return (State::Failing, last.since, by(last));
    }
    if let Some((since, seq, summary)) = &attention.compaction
        && matches!(attention.turn, Turn::Finished(_))
        && now.since(*since) <= COMPACTION_MS_MAX
    {
        return (State::Working, *since, because("compaction.started", summary, *seq));
    }
    // Agents in the background work on after the turn of the main thread.
    let agent = session.agents.working().min_by_key(|agent| agent.started_at);
    let call = session.calls.open().iter().min_by_key(|call| call.started_at);
    if let Turn::Finished(last) = &attention.turn
        && agent.is_none()
        && call.is_none_or(|call| call.agent_id.is_none())
    {
        return (State::Idle, last.since, by(last));
    }
    if let Some((failure, times)) = attention.failing(now) {
        return (
            State::Failing,
            failure.at,
            because("tool_call.failed", &format!("{times}× {}", failure.summary), failure.seq),
        );
    }
    let quiet_ms = now.since(session.last_event_at);
    if let Some(call) = call {
        if quiet_ms > attention.patience_ms(&call.tool_name) {
            let summary = format!("{} {}", call.tool_name, call.summary);
            return (State::Stuck, session.last_event_at, because("tool_call.started", &summary, call.seq));
        }
        return (State::Working, call.started_at, because("tool_call.started", &call.summary, call.seq));
    }
    if let Some(agent) = agent {
        let task = format!("{}: {}", agent.agent_type, agent.task.as_deref().unwrap_or("at work"));
        let reason = because("agent.started", &summary::line(&task), 0);
        let silent = quiet_ms > STUCK_MS_UNKNOWN;
        return if silent {
            (State::Stuck, session.last_event_at, reason)
        } else {
            (State::Working, agent.started_at, reason)
        };
    }
    match &attention.turn {
        Turn::Running { since, .. } if quiet_ms <= STUCK_MS_UNKNOWN => (State::Working, *since, None),
        Turn::Running { .. } => {
            (State::Stuck, session.last_event_at, because("silence", "The model has not answered", 0))
        }
        _ if quiet_ms <= QUIET_MS => (State::Working, session.last_event_at, None),
        _ => (State::Idle, session.last_event_at, None),
    }
}

/// What a question, or the end of a call, is about; never 0.
fn key_of(fact: &Fact) -> u64 {
    match fact.kind {
        Kind::ElicitationRequested | Kind::ElicitationAnswered => {
            tool_call::input_key("elicitation", fact.data.get("mcp_server_name"))
        }
        _ => tool_call::input_key(fact.tool_name.as_deref().unwrap_or_default(), fact.data.get("tool_input")),
    }
}

/// Failures are alike when tool and command are, whatever the numbers in it.
fn fingerprint(fact: &Fact) -> String {
    let about = summary::call(fact);
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
