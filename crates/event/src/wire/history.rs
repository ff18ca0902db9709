//! The one JSON form of events and sessions: REST, the page's namespace, and exports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agent::Agent;
use crate::bodies::Cut;
use crate::event::{Event, Fact, Identity, Outcome, Route, Source, Time};
use crate::session::context::Context;
use crate::session::spending::Spending;
use crate::session::usage::Tokens;
use crate::session::{Counts, Reason, Session, State};
use crate::todo::Stats;
use crate::tool_call::OpenCall;
use crate::vocabulary::Kind;

/// An event as REST, the page and exports see it. Keys without a value are left out.
#[derive(Serialize)]
pub struct EventJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<bool>,
    time: Time,
    recorded_at: Time,
    kind: Kind,
    namespace: &'a str,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_use_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'a str,
    sources: &'a [Source],
    #[serde(skip_serializing_if = "<[Cut]>::is_empty")]
    cut: &'a [Cut],
    data: &'a Value,
}

impl<'a> From<&'a Event> for EventJson<'a> {
    fn from(event: &'a Event) -> EventJson<'a> {
        let fact = &event.fact;
        EventJson {
            seq: event.seq,
            stored: event.seq.is_none().then_some(false),
            time: fact.time,
            recorded_at: event.recorded_at,
            kind: fact.kind,
            namespace: fact.namespace(),
            event: fact.event_name(),
            room: fact.room.as_deref(),
            session_id: fact.session_id.as_deref(),
            agent_id: fact.agent_id.as_deref(),
            agent_type: fact.agent_type.as_deref(),
            tool_name: fact.tool_name.as_deref(),
            tool_use_id: fact.tool_use_id.as_deref(),
            prompt_id: fact.prompt_id.as_deref(),
            cwd: fact.cwd.as_deref(),
            launch_id: fact.launch_id.as_deref(),
            outcome: fact.outcome,
            duration_ms: fact.duration_ms,
            summary: &fact.summary,
            sources: &fact.sources,
            cut: &fact.cut,
            data: &fact.data,
        }
    }
}

/// An event read back from its public JSON. Its identity and what was withheld are not in there.
#[derive(Deserialize)]
struct EventRead {
    seq: Option<u64>,
    time: Time,
    recorded_at: Time,
    kind: Kind,
    namespace: String,
    event: String,
    room: Option<String>,
    session_id: Option<String>,
    agent_id: Option<String>,
    agent_type: Option<String>,
    tool_name: Option<String>,
    tool_use_id: Option<String>,
    prompt_id: Option<String>,
    cwd: Option<String>,
    launch_id: Option<String>,
    outcome: Option<Outcome>,
    duration_ms: Option<u64>,
    #[serde(default)]
    summary: String,
    sources: Vec<Source>,
    #[serde(default)]
    cut: Vec<Cut>,
    data: Value,
}

/// Reads an event back from the JSON that [`EventJson`] wrote.
pub fn read(json: &[u8]) -> serde_json::Result<Event> {
    let read: EventRead = serde_json::from_slice(json)?;
    let row = read.kind.row();
    let told_elsewhere = row.namespace != read.namespace || row.event != read.event;
    Ok(Event {
        seq: read.seq,
        recorded_at: read.recorded_at,
        fact: Fact {
            kind: read.kind,
            time: read.time,
            route: told_elsewhere.then_some(Route { namespace: read.namespace, event: read.event }),
            room: read.room,
            session_id: read.session_id,
            agent_id: read.agent_id,
            agent_type: read.agent_type,
            tool_name: read.tool_name,
            tool_use_id: read.tool_use_id,
            prompt_id: read.prompt_id,
            cwd: read.cwd,
            launch_id: read.launch_id,
            outcome: read.outcome,
            duration_ms: read.duration_ms,
            summary: read.summary,
            sources: read.sources,
            cut: read.cut,
            data: read.data,
            whole: None,
            identity: Identity::Unique,
        },
    })
}

/// A session as viewers see it.
#[derive(Serialize)]
pub struct SessionJson<'a> {
    session_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    state: State,
    state_since: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    need: Option<NeedJson<'a>>,
    started_at: Time,
    last_event_at: Time,
    last_seq: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
    claude_status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_mode: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_program: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_id: Option<&'a str>,
    agents: &'a [Agent],
    open_calls: Vec<OpenCallJson<'a>>,
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<ContextJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    git: Option<GitJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    todos: Option<Stats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript_path: Option<&'a str>,
    activity: Vec<u32>,
}

/// Tokens and cost. A session of which nothing was told has none.
#[derive(Serialize)]
struct UsageJson {
    /// The door that told the tokens: `transcript` or `otlp`.
    source: Source,
    /// `reported`: the client's own figures of tokens, nothing of ours.
    status: &'static str,
    tokens: TokensJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    /// `reported`, `estimated` when some of it follows from tokens and prices, or `unpriced`.
    cost_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_source: Option<Source>,
    /// Models of which some requests have no price: their cost is in no sum.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unpriced: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_requests: Option<u64>,
    models: BTreeMap<String, SpentJson>,
}

/// The question that waits longest.
#[derive(Serialize)]
struct NeedJson<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_use_id: Option<&'a str>,
    since: Time,
    seq: u64,
    summary: &'a str,
    /// `no`, or `unsure` where nothing would show the answer.
    answered: &'static str,
    /// How many wait in all.
    open: usize,
}

impl<'a> NeedJson<'a> {
    fn of(session: &'a Session) -> Option<NeedJson<'a>> {
        let needs = session.needs();
        let need = needs.iter().min_by_key(|need| need.since).filter(|_| session.ended.is_none())?;
        Some(NeedJson {
            kind: need.name(),
            agent_id: need.agent_id.as_deref(),
            tool_name: need.tool_name.as_deref(),
            tool_use_id: need.tool_use_id.as_deref(),
            since: need.since,
            seq: need.seq,
            summary: &need.summary,
            answered: "no",
            open: needs.len(),
        })
    }
}

/// How full the context of the main thread is.
#[derive(Serialize)]
struct ContextJson {
    tokens: u64,
    window: u64,
    /// `ok`, `high` from 80 % on, `full` from 95 % on.
    status: &'static str,
}

impl From<Context> for ContextJson {
    fn from(context: Context) -> ContextJson {
        ContextJson { tokens: context.tokens, window: context.window, status: context.status() }
    }
}

#[derive(Serialize)]
struct GitJson<'a> {
    branch: &'a str,
}

#[derive(Serialize)]
struct TokensJson {
    #[serde(flatten)]
    tokens: Tokens,
    total: u64,
}

#[derive(Serialize)]
struct SpentJson {
    tokens: TokensJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
}

impl From<Tokens> for TokensJson {
    fn from(tokens: Tokens) -> TokensJson {
        TokensJson { tokens, total: tokens.total() }
    }
}

impl From<Spending> for UsageJson {
    fn from(spending: Spending) -> UsageJson {
        let dollars = |micros: Option<u64>| micros.map(|micros| micros as f64 / 1e6);
        let usage = spending.usage;
        UsageJson {
            source: spending.source,
            status: "reported",
            tokens: usage.tokens.into(),
            cost_usd: dollars(usage.cost_micros),
            cost_status: spending.costed.name(),
            cost_source: spending.cost_source,
            unpriced: spending.unpriced.into_iter().collect(),
            api_requests: (usage.requests > 0).then_some(usage.requests),
            models: usage
                .models
                .into_iter()
                .map(|(model, spent)| {
                    let spent = SpentJson { tokens: spent.tokens.into(), cost_usd: dollars(spent.cost_micros) };
                    (model, spent)
                })
                .collect(),
        }
    }
}

/// A call that has begun and not ended.
#[derive(Serialize)]
struct OpenCallJson<'a> {
    tool_use_id: &'a str,
    tool_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_id: Option<&'a str>,
    summary: &'a str,
    started_at: Time,
    seq: u64,
}

impl<'a> From<&'a OpenCall> for OpenCallJson<'a> {
    fn from(call: &'a OpenCall) -> OpenCallJson<'a> {
        OpenCallJson {
            tool_use_id: &call.tool_use_id,
            tool_name: &call.tool_name,
            agent_id: call.agent_id.as_deref(),
            summary: &call.summary,
            started_at: call.started_at,
            seq: call.seq,
        }
    }
}

impl<'a> SessionJson<'a> {
    /// The same, with a question marked of which nothing would show that it was answered.
    pub fn with_unsure(mut self, is_unsure: impl Fn(u64) -> bool) -> SessionJson<'a> {
        if let Some(need) = &mut self.need
            && is_unsure(need.seq)
        {
            need.answered = "unsure";
        }
        self
    }

    /// The session as it is at `now`.
    pub fn at(session: &'a Session, now: Time) -> SessionJson<'a> {
        let (state, state_since, reason) = session.state(now);
        let todos = session.todos.stats();
        SessionJson {
            session_id: &session.session_id,
            project: session.project.as_deref(),
            cwd: session.cwd.as_deref(),
            title: session.title.as_deref(),
            state,
            state_since,
            reason,
            need: NeedJson::of(session),
            started_at: session.started_at,
            last_event_at: session.last_event_at,
            last_seq: session.last_seq,
            pinned: session.pinned,
            claude_status: &session.claude_status,
            model: session.model.as_deref(),
            permission_mode: session.permission_mode.as_deref(),
            agent_program: session.agent_program.as_deref(),
            launch_method: session.launch_method.as_deref(),
            launch_id: session.launch.as_ref().map(|launch| launch.launch_id.as_str()),
            agents: session.agents.known(),
            open_calls: session.calls.open().iter().map(OpenCallJson::from).collect(),
            counts: session.counts,
            usage: session.spending().map(UsageJson::from),
            context: session.context().map(ContextJson::from),
            git: session.git_branch.as_deref().map(|branch| GitJson { branch }),
            todos: (todos.total > 0).then_some(todos),
            last_prompt: session.last_prompt.as_deref(),
            last_message: session.last_message.as_deref(),
            transcript_path: session.transcript_path.as_deref(),
            activity: session.activity(now),
        }
    }
}
