//! What a session did, as spans of time: calls, answers of the model, waits for a person, its agents, and where the
//! time went. Computed from its events, for whoever draws it.
//!
//! [`Story::take`] is given the public JSON of events in their order and keeps what a picture needs; [`Story::told`]
//! makes the picture. So a viewer who follows costs the new events alone.

mod critical;
mod model;
mod read;
mod sums;
mod time_spent;

use std::collections::HashMap;

use crate::event::Time;
use crate::wire::spans::{Agent, Compaction, Prompt, Report, Span, Status, TodoList, Wait};
use read::{Read, answer_of};

/// Calls and answers that are kept; further ones are counted and said to be left out.
pub const SPANS_MAX: usize = 200_000;

/// Of waits, prompts, to-do lists, compactions and samples each: the last so many.
const MARKS_MAX: usize = 20_000;

/// To-do lists that are kept, each whole.
const LISTS_MAX: usize = 500;

/// Subagents of one session.
const AGENTS_MAX: usize = 2_000;

/// Letters of a prompt or an answer.
const TEXT_LETTERS_MAX: usize = 4_000;

/// The name under which the main thread stands among agents.
pub const MAIN: &str = "main";

/// The kinds of events that a story is made of.
pub const KINDS: [&str; 23] = [
    "session.started",
    "session.ended",
    "prompt.submitted",
    "background_task.finished",
    "turn.finished",
    "turn.failed",
    "turn.interrupted",
    "tool_call.started",
    "tool_call.finished",
    "tool_call.failed",
    "tool_call.decided",
    "tool_batch.finished",
    "permission.requested",
    "permission.denied",
    "elicitation.requested",
    "elicitation.answered",
    "agent.delegated",
    "agent.started",
    "agent.finished",
    "todo.updated",
    "compaction.started",
    "compaction.finished",
    "api_request.finished",
];

/// An answer of a model, before it is known when it began.
#[derive(Clone, Debug)]
struct Answered {
    seq: u64,
    agent: String,
    at: Time,
    took_ms: Option<u64>,
    model: String,
    tokens: u64,
    context: Option<u64>,
    cost_usd: Option<f64>,
}

/// Where the span of a call is, and what of it may still be told better.
#[derive(Clone, Copy, Debug)]
struct Call {
    place: usize,
    /// Its end alone was told: when it began follows from how long it took.
    is_begun_by_end: bool,
    /// Its end was told by nobody, and follows from something else.
    is_concluded: bool,
}

/// What was read of a session so far.
#[derive(Debug, Default)]
pub struct Story {
    seq: u64,
    first: Option<Time>,
    last: Option<Time>,
    spans: Vec<Span>,
    /// The calls by id.
    calls: HashMap<String, Call>,
    /// How many of them have not ended.
    open: usize,
    answers: Vec<Answered>,
    agents: Vec<Agent>,
    agent_places: HashMap<String, usize>,
    /// What calls of the Agent tool ask for, by call: the asking agent, the task and the prompt.
    delegated: HashMap<String, (String, String, Option<String>)>,
    waits: Vec<Wait>,
    prompts: Vec<Prompt>,
    todos: Vec<TodoList>,
    compactions: Vec<Compaction>,
    left_out: u64,
}

/// The part of a story that is asked for. Times are inclusive.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// What ended before is left out.
    pub from: Option<Time>,
    /// What began after is left out.
    pub to: Option<Time>,
    /// Only spans that an event after this number began or ended.
    pub since: Option<u64>,
}

impl Story {
    /// The last event that was taken.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How many spans it holds, as a measure of its size.
    pub fn len(&self) -> usize {
        self.spans.len() + self.answers.len()
    }

    /// Whether nothing was taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.seq == 0
    }

    /// The calls of tools.
    pub fn calls(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter()
    }

    /// Takes the next event, of one of [`KINDS`]; what is not understood is passed over.
    pub fn take(&mut self, json: &[u8]) {
        let Some(read) = Read::of(json) else { return };
        self.seq = self.seq.max(read.seq);
        self.first = Some(self.first.map_or(read.time, |first| first.min(read.time)));
        self.last = self.last.max(Some(read.time));
        let kind = read.kind.clone();
        self.end_waits(&read);
        match &*kind {
            "prompt.submitted" | "background_task.finished" => self.prompted(read),
            "turn.finished" => self.turn_ended(&read, Status::Ok),
            "turn.failed" => self.turn_ended(&read, Status::Failed),
            "turn.interrupted" => self.turn_ended(&read, Status::Interrupted),
            "session.ended" => self.session_ended(&read),
            "tool_call.started" => self.call_began(read),
            "tool_call.finished" | "tool_call.failed" => self.call_ended(read, json),
            "permission.requested" | "elicitation.requested" => self.asked(read),
            "agent.delegated" => self.asked_for(read),
            "agent.started" => {
                self.agent_heard(&read);
            }
            "agent.finished" => self.agent_ended(read),
            "todo.updated" => self.listed(read),
            "compaction.started" | "compaction.finished" => self.compacted(read),
            "api_request.finished" => self.answered(read),
            _ => {}
        }
    }

    fn agent_of(read: &Read) -> String {
        read.agent_id.as_deref().unwrap_or(MAIN).to_owned()
    }

    fn call_began(&mut self, read: Read) {
        let agent = self.agent_heard(&read);
        let Some(id) = read.tool_use_id.clone() else { return };
        if let Some(call) = self.calls.get_mut(&id) {
            // Two doors, or two hooks at once: the end was told first, and knew only how long it took.
            if std::mem::take(&mut call.is_begun_by_end) {
                self.spans[call.place].begin(read.time, read.seq);
            }
            return;
        }
        let tool = read.tool_name.unwrap_or_default();
        if self.add_call(Span::of_call(id, agent, tool, read.summary, read.time, read.seq)).is_some() {
            self.open += 1;
        }
    }

    /// Where a call is kept from now on; `None` when there is no room.
    fn add_call(&mut self, span: Span) -> Option<usize> {
        if self.len() >= SPANS_MAX {
            self.left_out += 1;
            return None;
        }
        let place = self.spans.len();
        self.calls.insert(span.id.clone(), Call { place, is_begun_by_end: false, is_concluded: false });
        self.spans.push(span);
        Some(place)
    }

    fn call_ended(&mut self, read: Read, json: &[u8]) {
        let agent = self.agent_heard(&read);
        let Some(id) = read.tool_use_id.clone() else { return };
        let status = Status::of(read.outcome.as_deref(), &read.kind);
        let is_concluded = read.data.concluded_from.is_some();
        if !self.calls.contains_key(&id) {
            let took = read.duration_ms.unwrap_or(0).min(i64::MAX as u64) as i64;
            let began = Time::from_ms(read.time.ms().saturating_sub(took));
            let tool = read.tool_name.unwrap_or_default();
            if self.add_call(Span::of_call(id.clone(), agent, tool, read.summary, began, read.seq)).is_none() {
                return;
            }
            self.open += 1;
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        let span = &mut self.spans[call.place];
        if span.ended.is_some() && (is_concluded || !call.is_concluded) {
            return;
        }
        self.open -= usize::from(span.ended.is_none());
        call.is_concluded = is_concluded;
        call.is_begun_by_end |= span.seq == read.seq;
        span.end(read.time, status, read.seq);
        if matches!(&*span.tool, "Agent" | "Task") {
            self.delegation_ended(&id, json, read.time, status);
        }
    }

    /// The answer of a call of the Agent tool names its agent, and holds what it said.
    fn delegation_ended(&mut self, call: &str, json: &[u8], at: Time, status: Status) {
        let response = answer_of(json);
        let named = response.agent_id.as_ref().and_then(|id| self.agent_places.get(id)).copied();
        let by_call = || self.agents.iter().position(|agent| agent.tool_use_id.as_deref() == Some(call));
        let Some(place) = named.or_else(by_call) else { return };
        if let Some((parent, task, prompt)) = self.delegated.remove(call) {
            let agent = &mut self.agents[place];
            agent.tool_use_id = Some(call.to_owned());
            agent.parent = Some(parent);
            agent.task = Some(task);
            agent.prompt = prompt.or(agent.prompt.take());
        }
        let agent = &mut self.agents[place];
        if response.is_launched {
            return;
        }
        agent.answer = response.text.map(|text| shortened(&text)).or(agent.answer.take());
        if agent.ended.is_none() {
            agent.ended = Some(at);
        }
        agent.is_failed |= status == Status::Failed;
    }

    fn asked_for(&mut self, read: Read) {
        let by = Self::agent_of(&read);
        if let Some(call) = read.tool_use_id
            && self.delegated.len() < AGENTS_MAX
        {
            let task = read.data.task.unwrap_or(read.summary);
            self.delegated.insert(call, (by, task, read.data.prompt.map(|prompt| shortened(&prompt))));
        }
    }

    /// The agent of an event; it begins to be known with the first.
    fn agent_heard(&mut self, read: &Read) -> String {
        let id = Self::agent_of(read);
        if let Some(place) = self.agent_places.get(&id) {
            let agent = &mut self.agents[*place];
            agent.began = agent.began.min(read.time);
            return id;
        }
        if self.agents.len() >= AGENTS_MAX {
            return id;
        }
        let mut agent = Agent::new(&id, read.agent_type.as_deref(), read.time);
        if let (Some(call), "agent.started") = (&read.tool_use_id, &*read.kind) {
            agent.tool_use_id = Some(call.clone());
            if let Some((parent, task, prompt)) = self.delegated.get(call).cloned() {
                (agent.parent, agent.task, agent.prompt) = (Some(parent), Some(task), prompt);
            }
        }
        if id != MAIN && agent.parent.is_none() {
            agent.parent = Some(MAIN.to_owned());
        }
        self.agent_places.insert(id.clone(), self.agents.len());
        self.agents.push(agent);
        id
    }

    fn agent_ended(&mut self, read: Read) {
        let id = self.agent_heard(&read);
        let Some(place) = self.agent_places.get(&id) else { return };
        let agent = &mut self.agents[*place];
        agent.ended = Some(read.time);
        agent.is_failed |= read.outcome.as_deref() == Some("error");
        if let Some(said) = read.data.last_assistant_message {
            agent.answer = Some(shortened(&said));
        }
    }

    fn prompted(&mut self, read: Read) {
        self.agent_heard(&read);
        // A prompt that is queued brings the id of the turn that runs.
        if let Some(running) = self.prompts.last_mut().filter(|prompt| prompt.ended.is_none()) {
            if running.prompt_id.is_some() && running.prompt_id == read.prompt_id {
                return;
            }
            running.ended = Some(read.time);
            running.status = Status::Interrupted;
        }
        let is_person = &*read.kind == "prompt.submitted";
        push(&mut self.prompts, Prompt::new(read.seq, read.time, read.summary, read.prompt_id, is_person));
    }

    fn turn_ended(&mut self, read: &Read, status: Status) {
        if read.agent_id.is_some() {
            return;
        }
        if let Some(prompt) = self.prompts.last_mut().filter(|prompt| prompt.ended.is_none()) {
            prompt.ended = Some(read.time.max(prompt.began));
            prompt.status = status;
        }
    }

    fn session_ended(&mut self, read: &Read) {
        self.turn_ended(read, Status::Unknown);
        for agent in self.agents.iter_mut().filter(|agent| agent.ended.is_none()) {
            agent.ended = Some(read.time);
        }
    }

    fn asked(&mut self, read: Read) {
        let agent = self.agent_heard(&read);
        let kind = match (&*read.kind, read.tool_name.as_deref()) {
            ("elicitation.requested", _) => "elicitation",
            (_, Some("AskUserQuestion")) => "question",
            (_, Some("ExitPlanMode")) => "plan",
            _ => "permission",
        };
        push(
            &mut self.waits,
            Wait::new(kind, agent, read.tool_name, read.tool_use_id, read.summary, read.time, read.seq),
        );
    }

    /// A wait ends with the first sign of its answer, as a session's need does.
    fn end_waits(&mut self, read: &Read) {
        if self.waits.last().is_none() {
            return;
        }
        let agent = Self::agent_of(read);
        for wait in self.waits.iter_mut().rev().take(64).filter(|wait| wait.ended.is_none()) {
            let same_call = wait.tool_use_id.is_some() && wait.tool_use_id == read.tool_use_id;
            let own = wait.agent == agent;
            let ends = match &*read.kind {
                "tool_call.decided" => read.data.need_seq.map_or(same_call, |seq| seq == wait.seq),
                "tool_call.finished" | "tool_call.failed" | "permission.denied" => {
                    same_call || (wait.tool_use_id.is_none() && own && wait.kind != "elicitation")
                }
                "elicitation.answered" => wait.kind == "elicitation",
                "turn.interrupted" | "tool_batch.finished" => own,
                "turn.finished" | "turn.failed" => read.agent_id.is_none() && wait.agent == MAIN,
                "agent.finished" => own && read.agent_id.is_some(),
                "prompt.submitted" => self.prompts.last().is_none_or(|prompt| {
                    prompt.ended.is_some() || prompt.prompt_id.is_none() || prompt.prompt_id != read.prompt_id
                }),
                "session.ended" | "session.started" => true,
                _ => false,
            };
            if ends && read.time >= wait.began {
                wait.ended = Some(read.time);
                wait.end_seq = Some(read.seq);
            }
        }
    }

    fn listed(&mut self, read: Read) {
        let todos = read.data.todos;
        if self.todos.last().is_some_and(|last| last.todos == todos) {
            return;
        }
        if self.todos.len() >= LISTS_MAX {
            self.todos.remove(0);
        }
        self.todos.push(TodoList { seq: read.seq, time: read.time, todos });
    }

    fn compacted(&mut self, read: Read) {
        if &*read.kind == "compaction.started" {
            push(&mut self.compactions, Compaction::new(read.seq, read.time, read.data.trigger));
            return;
        }
        match self.compactions.last_mut().filter(|compaction| compaction.ended.is_none()) {
            Some(open) => open.ended = Some(read.time.max(open.began)),
            None => {
                let mut compaction = Compaction::new(read.seq, read.time, read.data.trigger);
                compaction.ended = Some(read.time);
                push(&mut self.compactions, compaction);
            }
        }
    }

    fn answered(&mut self, read: Read) {
        let agent = self.agent_heard(&read);
        if self.len() >= SPANS_MAX {
            self.left_out += 1;
            return;
        }
        let data = read.data;
        self.answers.push(Answered {
            seq: read.seq,
            agent,
            at: read.time,
            took_ms: read.duration_ms,
            model: data.model.unwrap_or_default(),
            tokens: [data.input_tokens, data.output_tokens, data.cache_read_tokens, data.cache_creation_tokens]
                .into_iter()
                .fold(0, u64::saturating_add),
            context: data.context_tokens,
            cost_usd: data.cost_usd.or(data.cost_estimated_usd),
        });
    }

    /// The picture of what was asked for.
    pub fn told(&self, session_id: &str, asked: Asked, now: Time) -> Report {
        let mut spans = self.spans.clone();
        let mut answers = self.answers.clone();
        answers.sort_by_key(|answer| answer.at);
        spans.extend(model::spans(&self.spans, &self.prompts, &self.agents, &answers));
        spans.sort_by_key(|span| (span.began, span.seq));
        let end = self.last.unwrap_or(now).max(self.open_until(now));
        let critical_path = critical::path(&spans, &self.prompts, &self.agents, end);
        let within = |began: Time, ended: Option<Time>| {
            asked.from.is_none_or(|from| ended.is_none_or(|ended| ended >= from))
                && asked.to.is_none_or(|to| began <= to)
        };
        let (from, to) = (asked.from.or(self.first).unwrap_or(now), asked.to.unwrap_or(end).min(end));
        let totals = time_spent::totals(&spans, &self.waits, &self.prompts, (from, to));
        let agents = sums::agents(&self.agents, &self.spans, &answers);
        let samples =
            sums::samples(&answers).into_iter().filter(|sample| within(sample.time, Some(sample.time))).collect();
        spans.retain(|span| within(span.began, span.ended) && asked.since.is_none_or(|since| span.last_seq() > since));
        let waits = self.waits.iter().filter(|wait| within(wait.began, wait.ended)).cloned().collect();
        let prompts = self.prompts.iter().filter(|prompt| within(prompt.began, prompt.ended)).cloned().collect();
        let todos = self.todos.iter().filter(|list| within(list.time, Some(list.time))).cloned().collect();
        let compactions = self.compactions.iter().filter(|it| within(it.began, it.ended)).cloned().collect();
        Report {
            session_id: session_id.to_owned(),
            seq: self.seq,
            from,
            to,
            agents,
            spans,
            waits,
            prompts,
            todos,
            compactions,
            samples,
            critical_path,
            totals,
            left_out: self.left_out,
        }
    }

    /// What runs is drawn up to now.
    fn open_until(&self, now: Time) -> Time {
        let runs = self.open > 0 || self.prompts.last().is_some_and(|prompt| prompt.ended.is_none());
        if runs { now } else { self.last.unwrap_or(now) }
    }
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= MARKS_MAX {
        list.remove(0);
    }
    list.push(item);
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_LETTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
