//! What `GET /api/v1/sessions/{id}/spans` tells: one session in full, for a picture of it. Times are in milliseconds
//! since 1970, as a canvas wants them; what is open has no `ended`.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::event::Time;
use crate::spans::MAIN;

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The session.
    pub session_id: String,
    /// The last event that is in it.
    pub seq: u64,
    /// What `totals` begin with.
    #[serde(serialize_with = "ms")]
    pub from: Time,
    /// What they end with.
    #[serde(serialize_with = "ms")]
    pub to: Time,
    /// The main thread and its subagents, in order of appearance.
    pub agents: Vec<Agent>,
    /// Calls and answers, in the order in which they began.
    pub spans: Vec<Span>,
    /// When somebody was asked.
    pub waits: Vec<Wait>,
    /// Prompts, each with the end of its turn.
    pub prompts: Vec<Prompt>,
    /// The to-do list, each time it changed.
    pub todos: Vec<TodoList>,
    /// When the context was compacted.
    pub compactions: Vec<Compaction>,
    /// Context and cost after each answer.
    pub samples: Vec<Sample>,
    /// The spans that delayed the ends of the turns.
    pub critical_path: Vec<String>,
    /// Where the time went.
    pub totals: Totals,
    /// Spans that are not in it, because there are too many.
    pub left_out: u64,
}

/// The main thread, or a subagent.
#[derive(Clone, Debug, Serialize)]
pub struct Agent {
    /// `main`, or the client's id.
    pub id: String,
    /// Its type, for a subagent.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The call that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_use_id: Option<String>,
    /// What it was to do, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What it was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The first that was heard of it.
    #[serde(serialize_with = "ms")]
    pub began: Time,
    /// When it was seen to be done.
    #[serde(serialize_with = "ms_if_any", skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    /// Whether it ended in an error.
    #[serde(rename = "failed_itself", skip_serializing_if = "std::ops::Not::not")]
    pub is_failed: bool,
    /// Its calls.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// All tokens of its requests, if they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// What they cost, reported or estimated, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// The model that answered it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Agent {
    pub(crate) fn new(id: &str, agent_type: Option<&str>, began: Time) -> Agent {
        Agent {
            id: id.to_owned(),
            agent_type: agent_type.filter(|_| id != MAIN).map(str::to_owned),
            parent: None,
            tool_use_id: None,
            task: None,
            prompt: None,
            answer: None,
            began,
            ended: None,
            is_failed: false,
            calls: 0,
            failed: 0,
            tokens: None,
            cost_usd: None,
            model: None,
        }
    }
}

/// What a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// A call of a tool.
    Tool,
    /// An answer of the model.
    Model,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It runs.
    Open,
    /// It did what it was asked to.
    Ok,
    /// It failed.
    Failed,
    /// Somebody or some rule refused it.
    Denied,
    /// It was stopped.
    Interrupted,
    /// It is over, and nothing told how.
    Unknown,
}

impl Status {
    pub(crate) fn of(outcome: Option<&str>, kind: &str) -> Status {
        match outcome {
            Some("ok") => Status::Ok,
            Some("error") => Status::Failed,
            Some("denied") => Status::Denied,
            Some("interrupted") => Status::Interrupted,
            Some(_) => Status::Unknown,
            None if kind == "tool_call.failed" => Status::Failed,
            None => Status::Ok,
        }
    }
}

/// A call of a tool, or an answer of the model.
#[derive(Clone, Debug, Serialize)]
pub struct Span {
    /// The call's id; `m` and the event's number for an answer.
    pub id: String,
    /// Which of the two.
    pub kind: SpanKind,
    /// Whose it is.
    pub agent: String,
    /// The tool, or the model.
    pub tool: String,
    /// What it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// When it began. Of an answer that nobody timed: when its agent had done what came before.
    #[serde(serialize_with = "ms")]
    pub began: Time,
    /// When it ended.
    #[serde(serialize_with = "ms_if_any", skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    /// How it ended.
    pub status: Status,
    /// The event that began it.
    pub seq: u64,
    /// The event that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_seq: Option<u64>,
    /// Tokens, of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

impl Span {
    pub(crate) fn of_call(id: String, agent: String, tool: String, summary: String, began: Time, seq: u64) -> Span {
        let (kind, status) = (SpanKind::Tool, Status::Open);
        Span { id, kind, agent, tool, summary, began, ended: None, status, seq, end_seq: None, tokens: None }
    }

    pub(crate) fn of_answer(seq: u64, agent: String, model: String, (began, ended): (Time, Time), tokens: u64) -> Span {
        Span {
            id: format!("m{seq}"),
            kind: SpanKind::Model,
            agent,
            tool: model,
            summary: String::new(),
            began,
            ended: Some(ended),
            status: Status::Ok,
            seq,
            end_seq: None,
            tokens: Some(tokens),
        }
    }

    /// Takes when it began after its end was told.
    pub(crate) fn begin(&mut self, at: Time, seq: u64) {
        self.began = self.ended.map_or(at, |ended| at.min(ended));
        self.end_seq = self.end_seq.or(Some(self.seq));
        self.seq = seq;
    }

    pub(crate) fn end(&mut self, at: Time, status: Status, seq: u64) {
        self.ended = Some(at.max(self.began));
        self.status = status;
        self.end_seq = Some(seq).filter(|end| *end != self.seq);
    }

    /// The last event that changed it.
    pub fn last_seq(&self) -> u64 {
        self.end_seq.map_or(self.seq, |end| end.max(self.seq))
    }
}

/// Somebody was asked.
#[derive(Clone, Debug, Serialize)]
pub struct Wait {
    /// `permission`, `question`, `plan` or `elicitation`.
    pub kind: &'static str,
    /// Who asked.
    pub agent: String,
    /// About which tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// About which call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_use_id: Option<String>,
    /// What was asked.
    pub summary: String,
    /// Since when.
    #[serde(serialize_with = "ms")]
    pub began: Time,
    /// Until when.
    #[serde(serialize_with = "ms_if_any", skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    /// The event that asked.
    pub seq: u64,
    /// The event that showed the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_seq: Option<u64>,
}

impl Wait {
    pub(crate) fn new(
        kind: &'static str,
        agent: String,
        tool: Option<String>,
        tool_use_id: Option<String>,
        summary: String,
        began: Time,
        seq: u64,
    ) -> Wait {
        Wait { kind, agent, tool, tool_use_id, summary, began, ended: None, seq, end_seq: None }
    }
}

/// A prompt and its turn.
#[derive(Clone, Debug, Serialize)]
pub struct Prompt {
    /// The event.
    pub seq: u64,
    /// The client's id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_id: Option<String>,
    /// Its first words.
    pub summary: String,
    /// Whether a person or program sent it; else the client did, to tell that a task in the background is over.
    pub is_prompt: bool,
    /// When it was sent.
    #[serde(serialize_with = "ms")]
    pub began: Time,
    /// When its turn ended.
    #[serde(serialize_with = "ms_if_any", skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    /// How.
    pub status: Status,
}

impl Prompt {
    pub(crate) fn new(seq: u64, began: Time, summary: String, prompt_id: Option<String>, is_prompt: bool) -> Prompt {
        Prompt { seq, prompt_id, summary, is_prompt, began, ended: None, status: Status::Open }
    }
}

/// The to-do list as of one event.
#[derive(Clone, Debug, Serialize)]
pub struct TodoList {
    /// The event.
    pub seq: u64,
    /// When.
    #[serde(serialize_with = "ms")]
    pub time: Time,
    /// All of it.
    pub todos: Vec<Todo>,
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Todo {
    /// Its id, as far as it has one.
    pub id: String,
    /// What is to be done.
    pub content: String,
    /// `pending`, `in_progress` or `completed`.
    pub status: String,
}

/// A compaction.
#[derive(Clone, Debug, Serialize)]
pub struct Compaction {
    /// The event that began it, or told of it.
    pub seq: u64,
    /// `manual` or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// When it began.
    #[serde(serialize_with = "ms")]
    pub began: Time,
    /// When it was done.
    #[serde(serialize_with = "ms_if_any", skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
}

impl Compaction {
    pub(crate) fn new(seq: u64, began: Time, trigger: Option<String>) -> Compaction {
        Compaction { seq, trigger, began, ended: None }
    }
}

/// How it stood after an answer.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// When.
    #[serde(serialize_with = "ms")]
    pub time: Time,
    /// The answer's event.
    pub seq: u64,
    /// What was in the context of the main thread, when it was the main thread's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// All tokens so far.
    pub tokens: u64,
    /// All cost so far, reported or estimated, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// Where the time went between `from` and `to`. Each moment is counted once; together they are `wall_ms`.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// All of it.
    pub wall_ms: u64,
    /// When anything was at work, or waited.
    pub active_ms: u64,
    /// When nothing was.
    pub idle_ms: u64,
    /// A person was asked.
    pub waiting_ms: u64,
    /// The model answered; or a turn ran, and nothing else is known.
    pub model_ms: u64,
    /// Commands ran.
    pub shell_ms: u64,
    /// Files were written.
    pub edit_ms: u64,
    /// Files were read and searched.
    pub read_ms: u64,
    /// The web was asked.
    pub web_ms: u64,
    /// An agent waited for another, of which nothing is known.
    pub agent_ms: u64,
    /// Other tools.
    pub other_ms: u64,
    /// Calls by tool; their times overlap.
    pub tools: BTreeMap<String, Tool>,
}

/// The calls of one tool.
#[derive(Debug, Default, Serialize)]
pub struct Tool {
    /// How many.
    pub calls: u64,
    /// How many failed.
    pub failed: u64,
    /// How many were refused.
    pub denied: u64,
    /// The sum of their times.
    pub ms: u64,
}

fn ms<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.ms())
}

fn ms_if_any<S: Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_i64(time.ms()),
        None => serializer.serialize_none(),
    }
}
