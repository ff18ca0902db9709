//! What a story reads of an event's public JSON: little of much, since a session may have a hundred thousand.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::event::Time;
use crate::lenient::lenient;
use crate::wire::spans::Todo;

/// To-do items of one list.
const TODOS_MAX: usize = 500;

/// How the payload of a call's end begins to say that nobody told it.
const CONCLUDED: &str = "\"concluded_from\"";

#[derive(Deserialize)]
pub(super) struct Read<'a> {
    #[serde(default)]
    pub(super) seq: u64,
    pub(super) time: Time,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    pub(super) agent_id: Option<String>,
    #[serde(default)]
    pub(super) agent_type: Option<String>,
    #[serde(default)]
    pub(super) tool_name: Option<String>,
    #[serde(default)]
    pub(super) tool_use_id: Option<String>,
    #[serde(default)]
    pub(super) prompt_id: Option<String>,
    #[serde(default)]
    pub(super) outcome: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) duration_ms: Option<u64>,
    #[serde(default)]
    pub(super) summary: String,
    #[serde(skip)]
    pub(super) data: Data,
}

/// Fields of the payload, of those kinds whose payload is read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Data {
    #[serde(deserialize_with = "lenient")]
    pub(super) task: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) prompt: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) last_assistant_message: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) trigger: Option<String>,
    #[serde(deserialize_with = "todos")]
    pub(super) todos: Vec<Todo>,
    #[serde(deserialize_with = "lenient")]
    pub(super) concluded_from: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) need_seq: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(deserialize_with = "count")]
    pub(super) input_tokens: u64,
    #[serde(deserialize_with = "count")]
    pub(super) output_tokens: u64,
    #[serde(deserialize_with = "count")]
    pub(super) cache_read_tokens: u64,
    #[serde(deserialize_with = "count")]
    pub(super) cache_creation_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) context_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) cost_usd: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub(super) cost_estimated_usd: Option<f64>,
}

#[derive(Deserialize)]
struct WithData {
    #[serde(default)]
    data: Data,
}

impl<'a> Read<'a> {
    pub(super) fn of(json: &'a [u8]) -> Option<Read<'a>> {
        let mut read: Read<'a> = serde_json::from_slice(json).ok()?;
        // A call's payload may be large, and says nothing that is drawn; only of an end that was concluded it says so.
        let is_read = match &*read.kind {
            "tool_call.started" | "tool_call.finished" => false,
            "tool_call.failed" => str::from_utf8(json).is_ok_and(|json| json.contains(CONCLUDED)),
            _ => true,
        };
        if is_read && let Ok(with) = serde_json::from_slice::<WithData>(json) {
            read.data = with.data;
        }
        Some(read)
    }
}

/// What the answer of a call of the Agent tool says of its agent.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) agent_id: Option<String>,
    pub(super) text: Option<String>,
    /// Whether the agent was begun in the background, and goes on.
    pub(super) is_launched: bool,
}

pub(super) fn answer_of(json: &[u8]) -> Answer {
    let Ok(event) = serde_json::from_slice::<Value>(json) else { return Answer::default() };
    let Some(response) = event.pointer("/data/tool_response") else { return Answer::default() };
    let text = |key: &str| response.get(key).and_then(Value::as_str).map(str::to_owned);
    let blocks = response.get("content").and_then(Value::as_array);
    let said: Vec<&str> =
        blocks.into_iter().flatten().filter_map(|block| block.get("text").and_then(Value::as_str)).collect();
    Answer {
        agent_id: text("agentId"),
        text: (!said.is_empty()).then(|| said.join("\n")),
        is_launched: text("status").as_deref() == Some("async_launched"),
    }
}

/// A number, whether it is written as one or as text.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    Ok(number.unwrap_or(0).min(1 << 53))
}

fn todos<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Todo>, D::Error> {
    let list = Value::deserialize(deserializer)?;
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let todos = items.iter().take(TODOS_MAX).map(|item| Todo {
        id: text(item, "id"),
        content: text(item, "content"),
        status: text(item, "status"),
    });
    Ok(todos.collect())
}
