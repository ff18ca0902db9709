//! A session: what is known of it, and what a new fact means in its light.
//!
//! [`Session::take`] is the one place where facts meet: it completes a fact with what is known (how long a call took,
//! which call a permission was for), changes the session, and returns what else the fact implies (a delegation, a
//! changed to-do list, a call that can no longer end). It goes by evidence, not by pairs: Stop, SubagentStop and
//! PostToolUse may all be missing.

mod attention;
mod identities;
mod implied;

pub use attention::{Need, NeedKind, Reason, State};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agent::{Agents, State as AgentState};
use crate::event::{Fact, Outcome, Source, Time};
use crate::hook_input::set;
use crate::summary;
use crate::todo::Todos;
use crate::tool_call::{self, OpenCall, ToolCalls};
use crate::vocabulary::Kind;
use attention::Attention;
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
    /// The model, when a hook told it.
    pub model: Option<String>,
    /// The permission mode, as last told.
    pub permission_mode: Option<String>,
    /// `interactive`, `subprocess`, `exec` or `headless`, when known.
    pub launch_method: Option<String>,
    /// The first that was heard of it.
    pub started_at: Time,
    /// The last.
    pub last_event_at: Time,
    /// The number of the last event.
    pub last_seq: u64,
    /// When and why it ended, if it has.
    pub ended: Option<(Time, String)>,
    /// Whether viewers see it: an id that only ever loaded instructions is a phantom of `--continue`.
    pub listed: bool,
    /// What Claude does, in the words of the WebSocket API: thinking, running, waiting, stopped, error.
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
    attention: Attention,
    activity: (i64, Vec<u32>),
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
            permission_mode: None,
            launch_method: None,
            started_at: first_heard,
            last_event_at: first_heard,
            last_seq: 0,
            ended: None,
            listed: false,
            claude_status: "unknown".to_owned(),
            agents: Agents::default(),
            calls: ToolCalls::default(),
            todos: Todos::default(),
            counts: Counts::default(),
            last_prompt: None,
            last_message: None,
            attention: Attention::default(),
            activity: (first_heard.ms() / 60_000, vec![0; ACTIVITY_MINUTES]),
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
        self.identities.get_or_insert_default().known(fact)
    }

    /// Takes a fact that will be event number `seq`. Returns it completed, and after it what it implies, in order.
    pub fn take(&mut self, mut fact: Fact, seq: u64) -> Vec<Fact> {
        if let Some(identities) = &mut self.identities {
            identities.remember(&fact, seq);
        }
        self.hear(&fact);
        let mut implied = Vec::new();
        match fact.kind {
            Kind::SessionStarted | Kind::SessionContinued => self.started(&mut fact),
            Kind::SessionEnded => self.session_ended(&mut fact, &mut implied),
            Kind::PromptSubmitted => self.prompted(&fact, &mut implied),
            Kind::ToolCallStarted => self.call_began(&fact, seq, &mut implied),
            Kind::ToolCallFinished | Kind::ToolCallFailed => self.call_ended(&mut fact, &mut implied),
            Kind::ToolBatchFinished => self.batch_finished(&fact, &mut implied),
            Kind::PermissionRequested => self.permission_requested(&mut fact),
            Kind::AgentStarted => self.agent_started(&mut fact),
            Kind::AgentFinished => self.agent_finished(&mut fact, &mut implied),
            Kind::TurnFinished | Kind::TurnFailed => self.turn_ended(&fact, &mut implied),
            Kind::TodoUpdated => self.task_told(&mut fact),
            Kind::CwdChanged => self.cwd = fact.text("new_cwd").map(str::to_owned).or(self.cwd.take()),
            _ => {}
        }
        self.attention.take(&fact, seq, &self.calls);
        implied.extend(implied::by_call(&fact));
        implied.extend(self.status_change(&fact));
        if fact.is_error() {
            self.counts.errors += 1;
        }
        let mut facts = Vec::with_capacity(1 + implied.len());
        facts.push(fact);
        facts.append(&mut implied);
        for (offset, fact) in facts.iter().enumerate().skip(1) {
            self.counts.events += 1;
            self.last_seq = seq + offset as u64;
            if fact.is_error() {
                self.counts.errors += 1;
            }
        }
        facts
    }

    /// Which state the session is in at `now`, since when, and because of what.
    pub fn state(&self, now: Time) -> (State, Time, Option<Reason>) {
        attention::state(self, now)
    }

    /// Events per minute of the last [`ACTIVITY_MINUTES`] minutes before `now`, oldest first.
    pub fn activity(&self, now: Time) -> Vec<u32> {
        let (last_minute, counts) = &self.activity;
        let gone = usize::try_from((now.ms() / 60_000 - last_minute).max(0)).unwrap_or(usize::MAX).min(ACTIVITY_MINUTES);
        counts.iter().skip(gone).copied().chain(std::iter::repeat_n(0, gone)).collect()
    }

    /// What every fact of the session tells.
    fn hear(&mut self, fact: &Fact) {
        self.last_event_at = self.last_event_at.max(fact.time);
        self.started_at = self.started_at.min(fact.time);
        self.counts.events += 1;
        self.count_minute(fact.time);
        self.listed |= !matches!(fact.kind, Kind::MemoryLoaded | Kind::MemoryInjected);
        if let Some(cwd) = &fact.cwd {
            if self.project.is_none() {
                self.project = cwd.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
            }
            self.cwd = Some(cwd.clone());
        }
        let keep = |known: &mut Option<String>, key: &str| {
            if let Some(told) = fact.text(key) {
                *known = Some(told.to_owned());
            }
        };
        keep(&mut self.transcript_path, "transcript_path");
        keep(&mut self.permission_mode, "permission_mode");
        keep(&mut self.title, "session_title");
        if self.ended.is_some() && !matches!(fact.kind, Kind::SessionEnded | Kind::MemoryLoaded | Kind::LogMessage) {
            // A resumed session goes on under its old id.
            self.ended = None;
        }
        if let Some(agent_id) = &fact.agent_id
            && fact.kind != Kind::CompactionSummarized
        {
            self.agents.heard(agent_id, fact.agent_type.as_deref(), fact.time);
        }
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

    fn started(&mut self, fact: &mut Fact) {
        if let Some(model) = fact.text("model") {
            self.model = Some(model.to_owned());
        }
        if let Some(method) = &self.launch_method {
            set(&mut fact.data, "launch_method", json!(method));
        }
    }

    fn session_ended(&mut self, fact: &mut Fact, implied: &mut Vec<Fact>) {
        let reason = fact.text("reason").unwrap_or("other").to_owned();
        set(&mut fact.data, "duration_seconds", json!(fact.time.since(self.started_at) as f64 / 1000.0));
        set(&mut fact.data, "start_time", json!(self.started_at));
        self.close_calls(fact, |_| true, Outcome::Unknown, "the session ended", implied);
        self.agents.all_done();
        self.ended = Some((fact.time, reason));
    }

    fn prompted(&mut self, fact: &Fact, implied: &mut Vec<Fact>) {
        self.counts.prompts += 1;
        self.last_prompt = Some(fact.summary.clone());
        // After Escape no hook tells that the call is over; the next prompt does. Prompts can be queued while the agent
        // works, so only what is certainly over is closed: a new turn has begun when its prompt differs.
        if self.claude_status == "waiting" {
            self.close_calls(fact, |call| call.agent_id.is_none(), Outcome::Interrupted, "a new prompt came", implied);
        }
    }

    fn call_began(&mut self, fact: &Fact, seq: u64, implied: &mut Vec<Fact>) {
        let (Some(tool_use_id), Some(tool_name)) = (&fact.tool_use_id, &fact.tool_name) else { return };
        self.counts.tool_calls += 1;
        self.calls.begin(OpenCall {
            tool_use_id: tool_use_id.clone(),
            tool_name: tool_name.clone(),
            agent_id: fact.agent_id.clone(),
            summary: fact.summary.clone(),
            started_at: fact.time,
            seq,
            input_key: tool_call::input_key(tool_name, fact.data.get("tool_input")),
        });
        if let Some((delegation, delegated)) = implied::delegation(fact) {
            self.agents.delegated(delegation);
            implied.push(delegated);
        }
    }

    fn call_ended(&mut self, fact: &mut Fact, implied: &mut Vec<Fact>) {
        let Some(tool_use_id) = fact.tool_use_id.clone() else { return };
        self.agents.call_ended(&tool_use_id);
        match self.calls.end(&tool_use_id) {
            Some(call) => fact.duration_ms = fact.duration_ms.or(Some(fact.time.since(call.started_at))),
            None if !fact.sources.is_empty() && fact.data.get("concluded_from").is_none() => self.counts.tool_calls += 1,
            None => {}
        }
        if fact.kind == Kind::ToolCallFinished
            && let Some(change) = implied::todo_change(&mut self.todos, fact)
            && !change.is_empty()
        {
            let mut updated = fact.implies(Kind::TodoUpdated, self.todos.payload(&change));
            updated.tool_use_id = fact.tool_use_id.clone();
            updated.summary = implied::todo_summary(&self.todos);
            implied.push(updated);
        }
    }

    /// Calls that failed before they ran, or were refused, are told by their batch alone.
    fn batch_finished(&mut self, fact: &Fact, implied: &mut Vec<Fact>) {
        let calls = fact.data.get("tool_calls").and_then(Value::as_array).cloned().unwrap_or_default();
        for call in calls {
            let text = |key: &str| call.get(key).and_then(Value::as_str);
            let (Some(tool_use_id), Some(tool_name)) = (text("tool_use_id"), text("tool_name")) else { continue };
            if self.calls.has_ended(tool_use_id) {
                continue;
            }
            let begun = self.calls.end(tool_use_id);
            self.agents.call_ended(tool_use_id);
            if begun.is_none() {
                self.counts.tool_calls += 1;
            }
            implied.push(implied::failed_in_batch(fact, &call, tool_use_id, tool_name, begun.as_ref()));
        }
        // The model goes on: nothing of this agent's main line is still running.
        let agent = fact.agent_id.clone();
        self.close_calls(fact, |call| call.agent_id == agent && call.started_at <= fact.time, Outcome::Unknown, "its batch finished without it", implied);
    }

    fn permission_requested(&mut self, fact: &mut Fact) {
        let Some(tool_name) = &fact.tool_name else { return };
        let key = tool_call::input_key(tool_name, fact.data.get("tool_input"));
        if fact.tool_use_id.is_none() {
            fact.tool_use_id = self.calls.matching(fact.agent_id.as_deref(), key).map(|call| call.tool_use_id.clone());
        }
    }

    fn agent_started(&mut self, fact: &mut Fact) {
        let Some(agent_id) = fact.agent_id.clone() else { return };
        let agent = self.agents.heard(&agent_id, fact.agent_type.as_deref(), fact.time);
        agent.state = AgentState::Working;
        if let Some(task) = &agent.task {
            set(&mut fact.data, "task", json!(task));
            fact.summary = summary::line(task);
        }
        if let Some(call) = &agent.tool_use_id {
            fact.tool_use_id = Some(call.clone());
        }
    }

    fn agent_finished(&mut self, fact: &mut Fact, implied: &mut Vec<Fact>) {
        let Some(agent_id) = fact.agent_id.clone() else { return };
        let agent = self.agents.heard(&agent_id, fact.agent_type.as_deref(), fact.time);
        agent.state = AgentState::Done;
        fact.duration_ms = Some(fact.time.since(agent.started_at));
        if let Some(task) = &agent.task {
            set(&mut fact.data, "task", json!(task));
        }
        if let Some(call) = &agent.tool_use_id {
            fact.tool_use_id = Some(call.clone());
        }
        self.close_calls(fact, |call| call.agent_id.as_deref() == Some(&agent_id), Outcome::Unknown, "its agent ended", implied);
    }

    fn turn_ended(&mut self, fact: &Fact, implied: &mut Vec<Fact>) {
        if fact.agent_id.is_some() {
            return;
        }
        if let Some(message) = fact.text("last_assistant_message") {
            self.last_message = Some(summary::line(message));
        }
        self.close_calls(fact, |call| call.agent_id.is_none(), Outcome::Unknown, "the turn ended", implied);
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

    /// Ends open calls that can no longer tell their own end.
    fn close_calls(
        &mut self,
        fact: &Fact,
        which: impl Fn(&OpenCall) -> bool,
        outcome: Outcome,
        because: &str,
        implied: &mut Vec<Fact>,
    ) {
        for tool_use_id in self.calls.open_ids(which) {
            if let Some(call) = self.calls.end(&tool_use_id) {
                implied.push(implied::closed(fact, &call, outcome, because));
            }
        }
    }

    /// `/claude status_changed`, when what Claude does has changed.
    fn status_change(&mut self, fact: &Fact) -> Option<Fact> {
        let status = match fact.kind {
            Kind::PromptSubmitted | Kind::BackgroundTaskFinished => "thinking",
            Kind::ToolCallStarted if fact.agent_id.is_none() => "running",
            Kind::ToolBatchFinished if fact.agent_id.is_none() && self.claude_status == "waiting" => "running",
            Kind::PermissionRequested | Kind::ElicitationRequested | Kind::TurnFinished => "waiting",
            Kind::TurnFailed => "error",
            Kind::SessionEnded => "stopped",
            Kind::SessionStarted => "starting",
            _ => return None,
        };
        if self.claude_status == status {
            return None;
        }
        let before = std::mem::replace(&mut self.claude_status, status.to_owned());
        let message = match status {
            "waiting" if fact.kind == Kind::TurnFinished => "Claude finished its turn",
            "waiting" => "Claude waits for an answer",
            "thinking" => "Claude thinks",
            "running" => "Claude uses tools",
            "error" => "Claude's turn ended in an error",
            "stopped" => "Claude's session ended",
            _ => "Claude's session started",
        };
        let mut changed = fact.implies(
            Kind::ClaudeStatusChanged,
            json!({ "status": status, "previous": before, "pid": Value::Null, "message": message }),
        );
        changed.agent_id = None;
        changed.agent_type = None;
        changed.summary = message.to_owned();
        Some(changed)
    }
}
