//! A session: what is known of it, and what a new fact means in its light.
//!
//! [`Session::take`] is the one place where facts meet: it completes a fact with what is known (how long a call took,
//! which call a permission was for), changes the session, and returns what else the fact implies (a delegation, a
//! changed to-do list, a call that can no longer end). It goes by evidence, not by pairs: Stop, SubagentStop and
//! PostToolUse may all be missing.

mod agents;
mod attention;
mod calls;
pub mod context;
mod counterparts;
pub mod growth;
mod identities;
mod implied;
mod launch;
pub mod spending;
mod status;
mod turn;
pub mod usage;

pub use attention::{Need, NeedKind, Reason, State};
pub use launch::{Launch, ends_run};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agent::Agents;
use crate::event::{Fact, Outcome, Source, Time};
use crate::hook_input::set;
use crate::summary;
use crate::todo::Todos;
use crate::tool_call::ToolCalls;
use crate::vocabulary::Kind;
use attention::Attention;
use counterparts::Counterparts;
use identities::Identities;

/// Minutes of activity that a session remembers.
pub const ACTIVITY_MINUTES: usize = 24;

/// How often things happened in a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Events.
    pub events: u64,
    /// Tool calls begun, or told of by a batch alone.
    pub tool_calls: u64,
    /// Failed calls, failed turns, errors.
    pub errors: u64,
    /// Prompts that a person or program sent.
    pub prompts: u64,
}

/// All that is known of one session. Serialised whole into the checkpoint; viewers get [`crate::wire::history`]'s form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Claude Code's id.
    pub session_id: String,
    /// The working directory, as last told.
    pub cwd: Option<String>,
    /// The name a person would call its project: the last part of the first working directory.
    pub project: Option<String>,
    /// Its title, if it has one.
    pub title: Option<String>,
    /// Where its transcript lies.
    pub transcript_path: Option<String>,
    /// The model, when a hook or an answer told it.
    pub model: Option<String>,
    /// The branch its working directory is on, as its transcript told last.
    #[serde(default)]
    pub git_branch: Option<String>,
    /// The permission mode, as last told.
    pub permission_mode: Option<String>,
    /// The agent, where it is not Claude Code: `codex`, `gemini` or `cursor`.
    #[serde(default)]
    pub agent_program: Option<String>,
    /// `interactive`, `subprocess`, `exec` or `headless`, when known.
    pub launch_method: Option<String>,
    /// The run of our launcher that it is in now.
    #[serde(default)]
    pub launch: Option<Launch>,
    /// The one that it was in last, and when that ended.
    #[serde(default)]
    launch_before: Option<(String, Time)>,
    /// The first that was heard of it.
    pub started_at: Time,
    /// When its client was started last: a session can be resumed days later.
    pub resumed_at: Time,
    /// The last that was heard of it.
    pub last_event_at: Time,
    /// The number of the last event.
    pub last_seq: u64,
    /// When and why it ended, if it has.
    pub ended: Option<(Time, String)>,
    /// Whether viewers see it: an id that only ever loaded instructions is a phantom of `--continue`.
    pub listed: bool,
    /// Whether it is kept when its days are removed.
    #[serde(default)]
    pub pinned: bool,
    /// What Claude does, in the words of the WebSocket API: unknown, starting, thinking, running,
    /// waiting, stopped, error.
    pub claude_status: String,
    /// Its subagents.
    pub agents: Agents,
    /// Its tool calls.
    pub calls: ToolCalls,
    /// Its to-do list.
    pub todos: Todos,
    /// How often things happened.
    pub counts: Counts,
    /// The last prompt, as one line.
    pub last_prompt: Option<String>,
    /// The last words of the agent, as one line.
    pub last_message: Option<String>,
    /// How often it changed: a second telling changes it without an event.
    #[serde(default)]
    pub revision: u64,
    /// How often a second telling changed what an earlier event told.
    #[serde(default)]
    pub corrections: u64,
    /// The event that says that it ended.
    ended_seq: u64,
    attention: Attention,
    activity: (i64, Vec<u32>),
    /// What transcripts and OTLP said of its tokens and cost.
    #[serde(default)]
    reported: spending::Reported,
    /// When its context was compacted last.
    #[serde(default)]
    compacted_at: Option<Time>,
    /// What OTLP and other doors told of the same things.
    #[serde(default)]
    counterparts: Counterparts,
    /// Not in the checkpoint: the store knows them, and gives them back when the session is heard of again.
    #[serde(skip)]
    identities: Option<Identities>,
}

/// Which event an already known fact is.
pub type Known = u64;

impl Session {
    /// A session of which nothing is known but its id.
    pub fn new(session_id: &str, first_heard: Time) -> Session {
        Session {
            session_id: session_id.to_owned(),
            cwd: None,
            project: None,
            title: None,
            transcript_path: None,
            model: None,
            git_branch: None,
            permission_mode: None,
            agent_program: None,
            launch_method: None,
            launch: None,
            launch_before: None,
            started_at: first_heard,
            resumed_at: first_heard,
            last_event_at: first_heard,
            last_seq: 0,
            ended: None,
            listed: false,
            pinned: false,
            claude_status: "unknown".to_owned(),
            agents: Agents::default(),
            calls: ToolCalls::default(),
            todos: Todos::default(),
            counts: Counts::default(),
            last_prompt: None,
            last_message: None,
            revision: 0,
            corrections: 0,
            ended_seq: 0,
            attention: Attention::default(),
            activity: (first_heard.ms() / 60_000, vec![0; ACTIVITY_MINUTES]),
            reported: spending::Reported::default(),
            compacted_at: None,
            counterparts: Counterparts::default(),
            identities: Some(Identities::default()),
        }
    }

    /// Whether [`Session::remember_told`] has to come before [`Session::knows`]: it was read from a checkpoint.
    pub fn has_forgotten_told(&self) -> bool {
        self.identities.is_none()
    }

    /// Leaves what it was told to the store, as a session read from a checkpoint does.
    pub fn forget_told(&mut self) {
        self.identities = None;
    }

    /// Remembers which facts were told before: identity key, door and number, oldest first.
    pub fn remember_told(&mut self, told: impl IntoIterator<Item = (u64, Option<Source>, u64)>) {
        let identities = self.identities.get_or_insert_default();
        for (key, source, seq) in told {
            identities.insert(key, source, seq);
        }
    }

    /// Whether `fact` was told before, by another door or by the same one again; if so, as which event (I2).
    pub fn knows(&mut self, fact: &Fact) -> Option<Known> {
        let twice = self.call_told_twice(fact);
        let identities = self.identities.get_or_insert_default();
        if let Some(seq) = identities.known(fact) {
            return Some(seq);
        }
        let seq = self.counterparts.known(fact).or(twice)?;
        // Told once more, it is recognised at once.
        identities.remember(fact, seq);
        Some(seq)
    }

    /// Takes a fact that will be event number `seq`. Returns it completed, and after it what it implies, in order.
    pub fn take(&mut self, mut fact: Fact, seq: u64) -> Vec<Fact> {
        self.name_call(&mut fact, seq);
        if let Some(identities) = &mut self.identities {
            identities.remember(&fact, seq);
        }
        self.take_as(fact, seq, seq + 1, true)
    }

    /// Takes a fuller telling of event number `seq`, which OTLP alone told so far. What it implies besides will be the
    /// events from `next` on.
    pub fn take_fuller(&mut self, fact: Fact, seq: u64, next: u64) -> Vec<Fact> {
        self.corrections += 1;
        self.take_as(fact, seq, next, false)
    }

    /// Takes another telling, `again`, of the event `known`. Returns whether it told the session anything.
    pub fn take_again(&mut self, known: &Fact, again: &Fact) -> bool {
        let changed = known.kind == Kind::ApiRequestFinished && self.request_told_again(known, again);
        self.revision += u64::from(changed);
        self.corrections += u64::from(changed);
        changed
    }

    fn take_as(&mut self, mut fact: Fact, seq: u64, next: u64, is_new: bool) -> Vec<Fact> {
        self.revision += 1;
        self.recognise(&mut fact);
        self.hear_of_launch(&mut fact);
        let is_guess = fact.agent_id.as_deref().is_some_and(|id| self.agents.is_guess(id, fact.agent_type.as_deref()));
        self.hear(&fact);
        let mut implied = Vec::new();
        match fact.kind {
            Kind::SessionStarted => self.started(&mut fact, &mut implied),
            Kind::SessionContinued => {
                self.model_told(&fact, "model");
                self.compacted(&fact);
            }
            Kind::SessionEnded => self.session_ended(&mut fact, seq),
            Kind::ModelSwitched => self.model_told(&fact, "to_model"),
            Kind::PromptSubmitted => self.prompted(&fact, &mut implied),
            Kind::BackgroundTaskFinished => self.background_task_finished(&fact, &mut implied),
            Kind::ToolCallStarted => self.call_began(&fact, seq, &mut implied),
            Kind::ToolCallFinished | Kind::ToolCallFailed => self.call_ended(&mut fact, &mut implied),
            Kind::ToolBatchFinished => self.batch_finished(&fact, &mut implied),
            Kind::PermissionRequested => self.permission_requested(&mut fact),
            Kind::AgentStarted => self.agent_started(&mut fact, is_guess),
            Kind::AgentFinished => self.agent_finished(&mut fact, &mut implied),
            Kind::TurnFinished | Kind::TurnFailed if fact.agent_id.is_none() => self.turn_ended(&fact, &mut implied),
            Kind::TurnInterrupted if fact.agent_id.is_none() => self.interrupted(&fact, &mut implied),
            Kind::CompactionFinished => self.compacted(&fact),
            Kind::TodoUpdated => self.task_told(&mut fact),
            Kind::ApiRequestFinished => self.request_told(&fact),
            Kind::MetricsReported => self.metrics_told(&fact),
            Kind::ClaudeStatusChanged => self.status_told(&fact, seq),
            _ => {}
        }
        if self.ended.is_some() {
            // Also when a hook is late: nothing of an ended session is open.
            self.close_calls(&fact, |_| true, (Outcome::Unknown, "the session ended"), &mut implied);
            self.agents.all_done(fact.time);
        }
        self.attention.take(&fact, seq);
        implied.extend(implied::by_call(&fact));
        for (seq, implied) in (next..).zip(&implied) {
            self.attention.conclude(implied, seq);
        }
        implied.extend(self.status_change(&fact));
        self.counterparts.remember(&fact, seq);
        for (seq, implied) in (next..).zip(&implied) {
            self.counterparts.remember(implied, seq);
        }
        self.last_seq = self.last_seq.max(if implied.is_empty() { seq } else { next + implied.len() as u64 - 1 });
        self.count(fact, implied, is_new)
    }

    /// Whether hooks tell of it: they alone say where its transcript lies.
    pub fn is_hooked(&self) -> bool {
        self.transcript_path.is_some()
    }

    /// Which state the session is in at `now`, since when, and because of what.
    pub fn state(&self, now: Time) -> (State, Time, Option<Reason>) {
        attention::state(self, now)
    }

    /// The questions that wait for a person.
    pub fn needs(&self) -> &[Need] {
        self.attention.needs()
    }

    /// Events per minute of the last [`ACTIVITY_MINUTES`] minutes before `now`, oldest first.
    pub fn activity(&self, now: Time) -> Vec<u32> {
        let (last_minute, counts) = &self.activity;
        let gone =
            usize::try_from((now.ms() / 60_000 - last_minute).max(0)).unwrap_or(usize::MAX).min(ACTIVITY_MINUTES);
        counts.iter().skip(gone).copied().chain(std::iter::repeat_n(0, gone)).collect()
    }

    /// Puts right what a hook alone cannot know.
    fn recognise(&self, fact: &mut Fact) {
        // The hidden agent of a compaction stops without a type; so does, sometimes, an agent that was heard of before.
        if fact.kind == Kind::CompactionSummarized
            && let Some(agent) = fact.agent_id.as_deref().and_then(|id| self.agents.get(id))
        {
            fact.kind = Kind::AgentFinished;
            fact.agent_type = Some(agent.agent_type.clone());
            fact.outcome = Some(Outcome::Ok);
            fact.summary = summary::of(fact);
        }
    }

    /// What every fact of the session tells.
    fn hear(&mut self, fact: &Fact) {
        self.last_event_at = self.last_event_at.max(fact.time);
        self.started_at = self.started_at.min(fact.time);
        self.listed |= !matches!(fact.kind, Kind::MemoryLoaded | Kind::MemoryInjected);
        self.hear_of_itself(fact);
        if let Some((ended, _)) = &self.ended
            && shows_life(fact.kind)
            && fact.time > *ended
        {
            // A resumed session goes on under its old id.
            self.ended = None;
        }
        if let Some(agent_id) = &fact.agent_id
            && fact.kind != Kind::CompactionSummarized
            && fact.kind.row().namespace != "/memory"
            // A transcript is read late, and may be of days ago: it keeps no agent at work of which no hook spoke.
            && (!counterparts::is_by_transcript(fact) || self.agents.get(agent_id).is_some())
        {
            self.agents.heard(agent_id, fact.agent_type.as_deref(), fact.time);
        }
    }

    /// What a fact says of the session besides what happened. A subagent may work in a folder and mode of its own.
    fn hear_of_itself(&mut self, fact: &Fact) {
        let keep = |known: &mut Option<String>, key: &str| {
            if let Some(told) = fact.text(key) {
                *known = Some(told.to_owned());
            }
        };
        keep(&mut self.transcript_path, "transcript_path");
        keep(&mut self.title, "session_title");
        keep(&mut self.launch_method, "launch_method");
        keep(&mut self.agent_program, "agent_program");
        if fact.agent_id.is_none() || self.cwd.is_none() {
            if let Some(cwd) = fact.cwd.as_deref() {
                self.cwd = Some(cwd.to_owned());
                let name = cwd.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty());
                self.project = self.project.take().or(name.map(str::to_owned));
            }
            if fact.kind == Kind::CwdChanged {
                keep(&mut self.cwd, "new_cwd");
            }
        }
        // They come late: a hook may have told a newer mode.
        let is_late = counterparts::is_told_late(fact) && fact.time < self.last_event_at;
        if fact.agent_id.is_none() && !is_late {
            keep(&mut self.permission_mode, "permission_mode");
        }
    }

    /// Counts a fact and what it implies, and puts them in their order.
    fn count(&mut self, fact: Fact, implied: Vec<Fact>, is_new: bool) -> Vec<Fact> {
        let mut facts = Vec::with_capacity(1 + implied.len());
        facts.push(fact);
        facts.extend(implied);
        let new = &facts[usize::from(!is_new)..];
        self.counts.events += new.len() as u64;
        for fact in new {
            self.count_minute(fact.time);
        }
        self.counts.errors += new.iter().filter(|fact| fact.is_error()).count() as u64;
        self.counts.prompts += u64::from(is_new && facts[0].kind == Kind::PromptSubmitted);
        facts
    }

    fn count_minute(&mut self, time: Time) {
        let minute = time.ms() / 60_000;
        let (last_minute, counts) = &mut self.activity;
        let ahead = minute - *last_minute;
        if ahead > 0 {
            let gone = usize::try_from(ahead).unwrap_or(ACTIVITY_MINUTES).min(ACTIVITY_MINUTES);
            counts.drain(..gone);
            counts.resize(ACTIVITY_MINUTES, 0);
            *last_minute = minute;
        }
        let back = usize::try_from((*last_minute - minute).max(0)).unwrap_or(ACTIVITY_MINUTES);
        if back < ACTIVITY_MINUTES {
            counts[ACTIVITY_MINUTES - 1 - back] += 1;
        }
    }

    /// A client starts with this session. What was open belonged to one that is gone without a word.
    fn started(&mut self, fact: &mut Fact, implied: &mut Vec<Fact>) {
        self.model_told(fact, "model");
        self.resumed_at = fact.time;
        if let Some(method) = &self.launch_method {
            set(&mut fact.data, "launch_method", json!(method));
        }
        let before = fact.time;
        self.close_calls(
            fact,
            |call| call.started_at < before,
            (Outcome::Unknown, "its session was started again"),
            implied,
        );
        self.agents.all_done(fact.time);
    }

    fn session_ended(&mut self, fact: &mut Fact, seq: u64) {
        let reason = fact.text("reason").unwrap_or("other").to_owned();
        set(&mut fact.data, "duration_seconds", json!(fact.time.since(self.resumed_at) as f64 / 1000.0));
        set(&mut fact.data, "start_time", json!(self.resumed_at));
        self.ended = Some((fact.time, reason));
        self.ended_seq = seq;
    }

    fn model_told(&mut self, fact: &Fact, key: &str) {
        if let Some(model) = fact.text(key) {
            self.model = Some(model.to_owned());
        }
    }

    /// TaskCreated and TaskCompleted hooks.
    fn task_told(&mut self, fact: &mut Fact) {
        let change = match (fact.text("hook_event_name"), fact.text("task_id")) {
            (Some("TaskCreated"), Some(id)) => self.todos.add(id, fact.text("task_subject").unwrap_or_default()),
            (Some("TaskCompleted"), Some(id)) => self.todos.update(id, Some("completed"), None),
            // An emitted list is its sender's own.
            _ => return,
        };
        if let (Value::Object(fields), Value::Object(list)) = (&mut fact.data, self.todos.payload(&change)) {
            fields.extend(list);
        }
        fact.summary = implied::todo_summary(&self.todos);
    }
}

/// Whether a fact of this kind shows that the session's client runs. Others may come late, or from elsewhere.
fn shows_life(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::SessionStarted
            | Kind::SessionContinued
            | Kind::PromptSubmitted
            | Kind::PromptExpanded
            | Kind::BackgroundTaskFinished
            | Kind::ToolCallStarted
            | Kind::ToolCallFinished
            | Kind::ToolCallFailed
            | Kind::ToolBatchFinished
            | Kind::PermissionRequested
            | Kind::TurnFinished
            | Kind::TurnFailed
            | Kind::AgentStarted
            | Kind::CompactionStarted
            | Kind::ToolCallDecided
            | Kind::ApiRequestFinished
            | Kind::TurnInterrupted
    )
}
