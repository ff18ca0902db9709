//! What the lines of a transcript tell that no hook does: each answer of a model with its tokens, an interrupt, a
//! title, what the client says it cost.
//!
//! Of what was said nothing is taken: prompts, answers and results come from hooks, under their rules. One answer is
//! written as several lines that repeat its usage, and an earlier line may hold the numbers of its beginning: the
//! answer is told once, with the largest, when something else follows or nothing comes any more.

mod line;

use serde_json::{Map, Value, json};

use crate::event::{Fact, Identity, Outcome, Source, Time};
use crate::prices::Prices;
use crate::redact;
use crate::summary;
use crate::vocabulary::Kind;
use line::{Line, Usage};

/// A model that stands for none: an error of the client, written as if it were an answer.
const SYNTHETIC: &str = "<synthetic>";

/// Reads one transcript, line by line.
#[derive(Debug)]
pub struct Transcript {
    session_id: String,
    agent_id: Option<String>,
    agent_type: Option<String>,
    pending: Option<Answer>,
    /// The latest time a line told.
    newest: Option<Time>,
}

/// An answer whose lines may not all be there yet.
#[derive(Debug)]
struct Answer {
    /// Where its first line begins in the file.
    from: u64,
    message_id: String,
    request_id: Option<String>,
    model: String,
    time: Time,
    usage: Usage,
    stop_reason: Option<String>,
    git_branch: Option<String>,
    prompt_id: Option<String>,
}

impl Transcript {
    /// A reader for the main thread of a session, or for one of its subagents.
    pub fn new(session_id: &str, agent: Option<(&str, Option<&str>)>) -> Transcript {
        Transcript {
            session_id: session_id.to_owned(),
            agent_id: agent.map(|(id, _)| id.to_owned()),
            agent_type: agent.and_then(|(_, kind)| kind).map(str::to_owned),
            pending: None,
            newest: None,
        }
    }

    /// Takes a line that begins at `offset` of the file; what it is not understood of is passed over.
    pub fn take(&mut self, line: &[u8], offset: u64, prices: &Prices) -> Vec<Fact> {
        let Some(line) = Line::read(line) else { return Vec::new() };
        let time = line.timestamp.as_deref().and_then(Time::parse);
        self.newest = self.newest.max(time);
        match line.kind.as_str() {
            "assistant" => self.answered(line, offset, prices).into_iter().collect(),
            "user" if line.is_interrupt => {
                let mut facts: Vec<Fact> = self.settle(prices).into_iter().collect();
                facts.extend(self.interrupted(&line, time));
                facts
            }
            "ai-title" | "custom-title" => self.titled(&line).into_iter().collect(),
            "cost-state" => {
                let mut facts: Vec<Fact> = self.settle(prices).into_iter().collect();
                facts.extend(self.cost_told(&line));
                facts
            }
            _ => Vec::new(),
        }
    }

    /// Tells the answer that waits for further lines: none will come.
    pub fn settle(&mut self, prices: &Prices) -> Option<Fact> {
        let answer = self.pending.take()?;
        Some(self.answer_told(answer, prices))
    }

    /// Where the answer begins that waits for further lines: what is told so far ends before it.
    pub fn unsettled_from(&self) -> Option<u64> {
        self.pending.as_ref().map(|answer| answer.from)
    }

    /// Whether that answer says of itself that it is complete.
    pub fn is_complete(&self) -> bool {
        self.pending.as_ref().is_some_and(|answer| answer.stop_reason.is_some())
    }

    fn answered(&mut self, line: Line, offset: u64, prices: &Prices) -> Option<Fact> {
        let message = line.message?;
        let (usage, message_id) = (message.usage?, message.id?);
        let model = message.model.filter(|model| model != SYNTHETIC)?;
        let time = line.timestamp.as_deref().and_then(Time::parse)?;
        if let Some(pending) = &mut self.pending
            && pending.message_id == message_id
        {
            if usage.output_tokens >= pending.usage.output_tokens {
                pending.usage = usage;
            }
            pending.time = pending.time.max(time);
            pending.stop_reason = message.stop_reason.or(pending.stop_reason.take());
            return None;
        }
        let settled = self.settle(prices);
        self.pending = Some(Answer {
            from: offset,
            message_id,
            request_id: line.request_id,
            model,
            time,
            usage,
            stop_reason: message.stop_reason,
            git_branch: line.git_branch,
            prompt_id: line.prompt_id,
        });
        settled
    }

    fn answer_told(&self, answer: Answer, prices: &Prices) -> Fact {
        let Answer { message_id, request_id, model, time, usage, stop_reason, git_branch, prompt_id, .. } = answer;
        let tokens = usage.tokens();
        let context = tokens.input.saturating_add(tokens.cache_read).saturating_add(tokens.cache_creation);
        let hour = usage.cache_creation.as_ref().map_or(0, |kept| kept.ephemeral_1h_input_tokens);
        let is_fast = usage.speed.as_deref() == Some("fast");
        let mut data = Map::new();
        let mut set = |key: &str, value: Value| data.insert(key.to_owned(), value);
        set("model", json!(model));
        set("input_tokens", json!(tokens.input));
        set("output_tokens", json!(tokens.output));
        set("cache_read_tokens", json!(tokens.cache_read));
        set("cache_creation_tokens", json!(tokens.cache_creation));
        set("context_tokens", json!(context));
        match prices.of(&model, time, context, is_fast) {
            Some(price) => set("cost_estimated_usd", json!(price.micros(tokens, hour) as f64 / 1e6)),
            None => set("unpriced", json!(true)),
        };
        if let Some(request_id) = &request_id {
            set("request_id", json!(request_id));
        }
        set("message_id", json!(message_id));
        set("query_source", json!(if self.agent_id.is_some() { "subagent" } else { "main" }));
        if let Some(reason) = &stop_reason {
            set("stop_reason", json!(reason));
        } else {
            // Cut off, or of a subagent whose last line never came: it said at least so much.
            set("at_least", json!(true));
        }
        if let Some(speed) = usage.speed.filter(|speed| speed != "standard") {
            set("speed", json!(speed));
        }
        if let Some(branch) = git_branch.filter(|branch| !branch.is_empty()) {
            set("git_branch", json!(redact::text(&branch)));
        }
        let mut fact = self.fact(Kind::ApiRequestFinished, time, Value::Object(data));
        fact.prompt_id = prompt_id;
        fact.outcome = Some(Outcome::Ok);
        let total = tokens.total();
        fact.summary = summary::line(&format!("{model} · {total} tokens"));
        let id = request_id.unwrap_or(message_id);
        fact.identity = self.once(&[b"api_request", id.as_bytes()]);
        fact
    }

    fn interrupted(&self, line: &Line, time: Option<Time>) -> Option<Fact> {
        let mut fact = self.fact(Kind::TurnInterrupted, time?, json!({ "by": "user" }));
        fact.prompt_id.clone_from(&line.prompt_id);
        fact.outcome = Some(Outcome::Interrupted);
        fact.summary = "Interrupted by the user".to_owned();
        fact.identity = self.once(&[b"interrupt", line.uuid.as_deref().unwrap_or_default().as_bytes()]);
        Some(fact)
    }

    fn titled(&self, line: &Line) -> Option<Fact> {
        let is_custom = line.custom_title.is_some();
        let title = line.custom_title.as_deref().or(line.ai_title.as_deref())?;
        let title = summary::line(&redact::text(title));
        if title.is_empty() || self.agent_id.is_some() {
            return None;
        }
        let source = if is_custom { "user" } else { "client" };
        // The line has no time of its own.
        let data = json!({ "action": "titled", "session_title": title, "titled_by": source });
        let mut fact = self.fact(Kind::SessionUpdated, self.newest?, data);
        fact.identity = self.once(&[b"title", title.as_bytes()]);
        fact.summary = title;
        Some(fact)
    }

    /// Newer clients write what the whole session has cost so far when they end.
    fn cost_told(&self, line: &Line) -> Option<Fact> {
        let total = line.total_cost_usd.filter(|cost| (0.0..9e9).contains(cost))?;
        let models: Map<String, Value> = line
            .model_usage
            .iter()
            .filter_map(|(model, usage)| Some((model.clone(), json!({ "cost_usd": usage.cost_usd? }))))
            .collect();
        let data = json!({ "by": "cost-state", "total_cost_usd": total, "models": models });
        let mut fact = self.fact(Kind::MetricsReported, self.newest?, data);
        fact.summary = format!("The session cost ${total:.4} so far");
        fact.identity = self.once(&[b"cost-state", total.to_string().as_bytes()]);
        Some(fact)
    }

    fn fact(&self, kind: Kind, time: Time, data: Value) -> Fact {
        Fact {
            session_id: Some(self.session_id.clone()),
            agent_id: self.agent_id.clone(),
            agent_type: self.agent_type.clone(),
            ..Fact::new(kind, time, Source::Transcript, data)
        }
    }

    fn once(&self, parts: &[&[u8]]) -> Identity {
        let mut all: Vec<&[u8]> = vec![self.session_id.as_bytes(), b"transcript"];
        all.extend_from_slice(parts);
        Identity::Once(Identity::key_of(&all))
    }
}

/// The first line of a conversation names itself; a copy of the conversation begins with the same name.
pub fn uuid_of(line: &[u8]) -> Option<String> {
    Line::read(line)?.uuid
}
