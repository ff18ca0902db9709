//! What Claude Code prints with `--output-format stream-json` (or `json`), read while it passes: status, thinking,
//! text, retries, refused calls, the result with its cost; and calls and agents where no hook tells them.
//!
//! Source of the format: Claude Code's headless reference, and recordings of a real client (`fixtures/claude`,
//! `stream.jsonl`). One JSON object a line; each carries its session.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::emitted;
use crate::event::{Fact, Source, Time};
use crate::hook_input;
use crate::session::usage::plain_model;

/// Calls and agents of one run that are remembered; real runs have a few at once.
const REMEMBERED_MAX: usize = 256;

/// Models of one result.
const MODELS_MAX: usize = 32;

/// Reads one run's lines, in their order.
#[derive(Debug, Default)]
pub struct StreamJson {
    /// Which agent speaks under which call: the call, the agent's id and its type.
    agents: VecDeque<(String, String, String)>,
    /// Calls that have begun: the call, its tool, and when.
    calls: VecDeque<(String, String, Time)>,
    cwd: Option<String>,
    /// When it began: what its result sums up counts from then.
    began: Option<Time>,
}

/// A line, and what it says of itself.
struct Line<'a> {
    fields: &'a Map<String, Value>,
    session: &'a str,
    at: Time,
    /// Whether hooks tell of this session, too: then what they tell is theirs to tell.
    is_hooked: bool,
}

impl Line<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).and_then(Value::as_str)
    }

    /// Our own event of the session, in the form in which clients emit them.
    fn event(&self, namespace: &str, event: &str, data: Value) -> Option<Fact> {
        let mut data = data;
        hook_input::set(&mut data, "session_id", json!(self.session));
        emitted::named(namespace, event, data, self.at, Source::Launcher).ok()
    }
}

impl StreamJson {
    /// The facts of one line that was printed `at`. `is_hooked` says whether hooks tell of a session.
    pub fn take(&mut self, line: &[u8], at: Time, is_hooked: impl FnOnce(&str) -> bool) -> Vec<Fact> {
        let Ok(Value::Object(fields)) = hook_input::parse_leniently(line) else { return Vec::new() };
        let Some(session) = fields.get("session_id").and_then(Value::as_str) else { return Vec::new() };
        let line = Line { session, at, is_hooked: is_hooked(session), fields: &fields };
        let began = *self.began.get_or_insert(at);
        match (line.text("type").unwrap_or_default(), line.text("subtype").unwrap_or_default()) {
            ("system", "init") => self.init(&line),
            ("system", "api_retry") => retry(&line).into_iter().collect(),
            ("system", "permission_denied") => self.denied(&line, &fields).into_iter().collect(),
            ("system", "task_started") => self.agent_started(&line),
            ("system", "task_notification") => self.agent_finished(&line),
            ("system", "compact_boundary") if !line.is_hooked => {
                let trigger = fields.get("compact_metadata").and_then(|data| data.get("trigger")).cloned();
                vec![self.hook(&line, "PostCompact", json!({ "trigger": trigger }), None)]
            }
            ("assistant", _) => self.said(&line),
            ("user", _) => self.answered(&line),
            ("rate_limit_event", _) => {
                let told = fields.get("rate_limit_info").cloned().unwrap_or_default();
                line.event("/claude", "rate_limit", json!({ "rate_limit": told })).into_iter().collect()
            }
            ("result", _) => self.result(&line, began),
            _ => Vec::new(),
        }
    }

    /// The first line: the session as it begins.
    fn init(&mut self, line: &Line) -> Vec<Fact> {
        self.cwd = line.text("cwd").map(str::to_owned);
        let keep = |keys: &[&str]| -> Map<String, Value> {
            keys.iter().filter_map(|key| Some(((*key).to_owned(), line.fields.get(*key)?.clone()))).collect()
        };
        if !line.is_hooked {
            let data = json!({ "source": "startup", "model": line.text("model"), "permission_mode": line.text("permissionMode") });
            return vec![self.hook(line, "SessionStart", data, None)];
        }
        let mut data =
            Value::Object(keep(&["model", "claude_code_version", "mcp_servers", "apiKeySource", "output_style"]));
        for list in ["tools", "agents", "skills", "slash_commands", "plugins"] {
            let count = line.fields.get(list).and_then(Value::as_array).map_or(0, Vec::len);
            hook_input::set(&mut data, list, json!(count));
        }
        hook_input::set(&mut data, "action", json!("initialized"));
        hook_input::set(&mut data, "permission_mode", json!(line.text("permissionMode")));
        line.event("/session", "update", data).into_iter().collect()
    }

    /// One answer of a model, block by block.
    fn said(&mut self, line: &Line) -> Vec<Fact> {
        let Some(message) = line.fields.get("message") else { return Vec::new() };
        let agent = self.agent_of(line);
        let mut facts = Vec::new();
        for block in message.get("content").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| block.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            let fact = match text("type") {
                Some("thinking") => {
                    let data =
                        json!({ "status": "thinking", "message": "Claude thinks", "thinking": text("thinking") });
                    line.event("/claude", "status_changed", data)
                }
                Some("text") => {
                    let data = json!({ "content": text("text"), "stream": "stdout", "message_id": message.get("id") });
                    line.event("/claude", "output", data)
                }
                Some("tool_use") => self.called(line, block, agent.as_ref()),
                _ => None,
            };
            facts.extend(fact.map(|fact| of_agent(fact, agent.as_ref())));
        }
        facts
    }

    fn called(&mut self, line: &Line, block: &Value, agent: Option<&(String, String)>) -> Option<Fact> {
        let (call, tool) = (block.get("id")?.as_str()?, block.get("name")?.as_str()?);
        remember(&mut self.calls, (call.to_owned(), tool.to_owned(), line.at));
        let data = json!({ "tool_name": tool, "tool_use_id": call, "tool_input": block.get("input") });
        (!line.is_hooked).then(|| self.hook(line, "PreToolUse", data, agent))
    }

    /// What came of calls.
    fn answered(&mut self, line: &Line) -> Vec<Fact> {
        let content = line.fields.get("message").and_then(|message| message.get("content")?.as_array());
        let agent = self.agent_of(line);
        let mut facts = Vec::new();
        for block in
            content.into_iter().flatten().filter(|block| block.get("type").is_some_and(|is| is == "tool_result"))
        {
            let Some(call) = block.get("tool_use_id").and_then(Value::as_str) else { continue };
            let known = self.calls.iter().position(|(known, _, _)| known == call).and_then(|at| self.calls.remove(at));
            if line.is_hooked {
                continue;
            }
            let mut data = json!({ "tool_use_id": call });
            if let Some((_, tool, began)) = known {
                hook_input::set(&mut data, "tool_name", json!(tool));
                hook_input::set(&mut data, "duration_ms", json!(line.at.since(began)));
            }
            let said = block.get("content").cloned().unwrap_or_default();
            let failed = block.get("is_error").and_then(Value::as_bool) == Some(true);
            if failed {
                hook_input::set(&mut data, "error", json!(plain(&said)));
                hook_input::set(&mut data, "is_interrupt", json!(false));
            } else {
                let response = line.fields.get("tool_use_result").filter(|result| result.is_object()).cloned();
                hook_input::set(&mut data, "tool_response", response.unwrap_or(json!({ "content": said })));
            }
            let event = if failed { "PostToolUseFailure" } else { "PostToolUse" };
            facts.push(self.hook(line, event, data, agent.as_ref()));
        }
        facts
    }

    fn agent_started(&mut self, line: &Line) -> Vec<Fact> {
        let (Some(task), Some(call)) = (line.text("task_id"), line.text("tool_use_id")) else { return Vec::new() };
        if line.text("task_type").is_some_and(|kind| kind != "local_agent") {
            return Vec::new();
        }
        let kind = line.text("subagent_type").unwrap_or("agent");
        remember(&mut self.agents, (call.to_owned(), task.to_owned(), kind.to_owned()));
        let agent = (task.to_owned(), kind.to_owned());
        if line.is_hooked { Vec::new() } else { vec![self.hook(line, "SubagentStart", json!({}), Some(&agent))] }
    }

    fn agent_finished(&mut self, line: &Line) -> Vec<Fact> {
        let Some(agent) = line.text("task_id").and_then(|task| {
            let (_, id, kind) = self.agents.iter().find(|(_, id, _)| id == task)?;
            Some((id.clone(), kind.clone()))
        }) else {
            return Vec::new();
        };
        let data = json!({ "last_assistant_message": line.text("summary") });
        if line.is_hooked { Vec::new() } else { vec![self.hook(line, "SubagentStop", data, Some(&agent))] }
    }

    /// A call that was refused: hooks tell the same of the same call.
    fn denied(&mut self, line: &Line, said: &Map<String, Value>) -> Option<Fact> {
        let text = |key: &str| said.get(key).and_then(Value::as_str);
        let call = text("tool_use_id")?;
        let data = json!({ "tool_use_id": call, "tool_name": text("tool_name"), "tool_input": said.get("tool_input"),
            "reason": text("decision_reason").or(text("message")).unwrap_or("not allowed in this permission mode") });
        let agent = self.agent_of(line);
        Some(self.hook(line, "PermissionDenied", data, agent.as_ref()))
    }

    /// The last line: what it came to, and what it cost.
    fn result(&mut self, line: &Line, began: Time) -> Vec<Fact> {
        let denials = line.fields.get("permission_denials").and_then(Value::as_array);
        let denials: Vec<_> = denials.into_iter().flatten().filter_map(Value::as_object).collect();
        let mut facts: Vec<Fact> = denials.iter().filter_map(|denial| self.denied(line, denial)).collect();
        let failed = line.fields.get("is_error").and_then(Value::as_bool) == Some(true);
        if !line.is_hooked {
            let said = line
                .text("result")
                .or_else(|| line.fields.get("errors").and_then(|errors| errors.get(0)).and_then(Value::as_str));
            let event = if failed { "StopFailure" } else { "Stop" };
            let error = failed.then(|| line.text("subtype").filter(|is| *is != "success").unwrap_or("error"));
            facts.push(self.hook(line, event, json!({ "last_assistant_message": said, "error": error }), None));
        }
        let keys = [
            "num_turns",
            "duration_ms",
            "duration_api_ms",
            "ttft_ms",
            "stop_reason",
            "terminal_reason",
            "total_cost_usd",
        ];
        let mut data = Map::new();
        for key in keys {
            if let Some(told) = line.fields.get(key) {
                data.insert(key.to_owned(), told.clone());
            }
        }
        data.insert("by".to_owned(), json!("stream-json"));
        data.insert("is_error".to_owned(), json!(failed));
        data.insert("denials".to_owned(), json!(denials.len()));
        data.insert("points".to_owned(), json!(points(line.fields, began)));
        data.insert("summary".to_owned(), json!(summary_of(line, failed)));
        facts.extend(line.event("/session", "metrics", Value::Object(data)));
        facts
    }

    /// What a hook would have said of it.
    fn hook(&self, line: &Line, event: &str, data: Value, agent: Option<&(String, String)>) -> Fact {
        let mut payload = Map::new();
        payload.insert("session_id".to_owned(), json!(line.session));
        payload.insert("hook_event_name".to_owned(), json!(event));
        if let Some(cwd) = &self.cwd {
            payload.insert("cwd".to_owned(), json!(cwd));
        }
        if let Some((id, kind)) = agent {
            payload.insert("agent_id".to_owned(), json!(id));
            payload.insert("agent_type".to_owned(), json!(kind));
        }
        if let Value::Object(fields) = data {
            payload.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        hook_input::from_payload(payload, line.at, Source::Launcher)
    }

    /// Who speaks, if it is a subagent: its id and type.
    fn agent_of(&self, line: &Line) -> Option<(String, String)> {
        let call = line.text("parent_tool_use_id")?;
        let known = self.agents.iter().find(|(known, _, _)| known == call);
        Some(known.map_or_else(
            || (call.to_owned(), line.text("subagent_type").unwrap_or("agent").to_owned()),
            |(_, id, kind)| (id.clone(), kind.clone()),
        ))
    }
}

fn of_agent(mut fact: Fact, agent: Option<&(String, String)>) -> Fact {
    if let Some((id, kind)) = agent {
        (fact.agent_id, fact.agent_type) = (Some(id.clone()), Some(kind.clone()));
    }
    fact
}

fn remember<T>(known: &mut VecDeque<T>, one: T) {
    if known.len() >= REMEMBERED_MAX {
        known.pop_front();
    }
    known.push_back(one);
}

/// A request to the model that failed and is made again: live, while telemetry tells it later.
fn retry(line: &Line) -> Option<Fact> {
    let number = |key: &str| line.fields.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let told = [line.fields.get("error_status").map(plain), line.text("error").map(str::to_owned)];
    let told = told.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    let mut data = json!({ "summary": format!("Retry {} of {} in {:.1} s: {told}", number("attempt"), number("max_retries"),
        number("retry_delay_ms") / 1000.0) });
    for key in ["attempt", "max_retries", "retry_delay_ms", "error_status", "error"] {
        hook_input::set(&mut data, key, line.fields.get(key).cloned().unwrap_or_default());
    }
    line.event("/claude", "api_retry", data)
}

/// Tokens and cost by model, as points of counters that began with this run.
fn points(fields: &Map<String, Value>, began: Time) -> Vec<Value> {
    let models = fields.get("modelUsage").and_then(Value::as_object).into_iter().flatten().take(MODELS_MAX);
    models
        .flat_map(|(model, told)| {
            let model = plain_model(model);
            let point = |name: &str, key: &str, kind: Option<&str>| {
                let mut attributes = json!({ "model": model });
                if let Some(kind) = kind {
                    attributes["type"] = json!(kind);
                }
                Some(json!({ "name": name, "value": told.get(key)?, "temporality": "cumulative",
                    "start": began, "attributes": attributes }))
            };
            let tokens = "claude_code.token.usage";
            [
                point(tokens, "inputTokens", Some("input")),
                point(tokens, "outputTokens", Some("output")),
                point(tokens, "cacheReadInputTokens", Some("cacheRead")),
                point(tokens, "cacheCreationInputTokens", Some("cacheCreation")),
                point("claude_code.cost.usage", "costUSD", None),
            ]
        })
        .flatten()
        .collect()
}

fn summary_of(line: &Line, failed: bool) -> String {
    let count = |key: &str| line.fields.get(key).and_then(Value::as_u64).unwrap_or(0);
    let cost = line.fields.get("total_cost_usd").and_then(Value::as_f64).map(|cost| format!(" · ${cost:.4}"));
    let how = if failed { line.text("subtype").unwrap_or("failed") } else { "Done" };
    let seconds = count("duration_ms") as f64 / 1000.0;
    let turns = if count("num_turns") == 1 { "turn" } else { "turns" };
    format!("{how} · {} {turns} · {seconds:.1} s{}", count("num_turns"), cost.unwrap_or_default())
}

/// Text, whether it comes as such, as blocks, or as a number.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
