//! One line of a transcript, as far as it is read. The format is the client's own and may change with any release: what
//! is not as expected is absent, and never an error.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::hook_input::ID_BYTES_MAX;
use crate::lenient::lenient;
use crate::session::usage::Tokens;

/// How the words begin that stand in for a prompt after Escape. No JSON writes a letter of them otherwise.
const INTERRUPTED: &str = "[Request interrupted by user";

/// A line that can be an interrupt is short: it holds those words and no more.
const INTERRUPT_BYTES_MAX: usize = 4_096;

/// Models in one `cost-state`.
const MODELS_MAX: usize = 64;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Line {
    #[serde(rename = "type", deserialize_with = "word")]
    kind_read: Option<String>,
    #[serde(skip)]
    pub(super) kind: String,
    #[serde(deserialize_with = "word")]
    pub(super) uuid: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) timestamp: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) request_id: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) git_branch: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) prompt_id: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) ai_title: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) custom_title: Option<String>,
    #[serde(rename = "totalCostUSD", deserialize_with = "lenient")]
    pub(super) total_cost_usd: Option<f64>,
    #[serde(deserialize_with = "models")]
    pub(super) model_usage: BTreeMap<String, ModelUsage>,
    /// Not lenient: what is in a message can be megabytes, and is passed over without a copy. A line whose message is
    /// no object tells nothing that is wanted here.
    pub(super) message: Option<Message>,
    #[serde(skip)]
    pub(super) is_interrupt: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    #[serde(deserialize_with = "word")]
    pub(super) id: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) model: Option<String>,
    #[serde(deserialize_with = "word")]
    pub(super) stop_reason: Option<String>,
    pub(super) usage: Option<Usage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    #[serde(deserialize_with = "count")]
    pub(super) input_tokens: u64,
    #[serde(deserialize_with = "count")]
    pub(super) output_tokens: u64,
    #[serde(deserialize_with = "count")]
    cache_read_input_tokens: u64,
    #[serde(deserialize_with = "count")]
    cache_creation_input_tokens: u64,
    #[serde(deserialize_with = "lenient")]
    pub(super) cache_creation: Option<CacheCreation>,
    #[serde(deserialize_with = "word")]
    pub(super) speed: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CacheCreation {
    #[serde(deserialize_with = "count")]
    pub(super) ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelUsage {
    #[serde(rename = "costUSD", deserialize_with = "lenient")]
    pub(super) cost_usd: Option<f64>,
}

impl Line {
    /// `None` for what is no JSON object with a type.
    pub(super) fn read(bytes: &[u8]) -> Option<Line> {
        let mut line: Line = serde_json::from_slice(bytes).ok()?;
        line.kind = line.kind_read.take()?;
        line.is_interrupt = line.kind == "user" && bytes.len() <= INTERRUPT_BYTES_MAX && is_interrupt(bytes);
        Some(line)
    }
}

impl Usage {
    pub(super) fn tokens(&self) -> Tokens {
        Tokens {
            input: self.input_tokens,
            output: self.output_tokens,
            cache_read: self.cache_read_input_tokens,
            cache_creation: self.cache_creation_input_tokens,
        }
    }
}

/// Whether the words of a short line are those that the client puts in after Escape. A person may type them, too; but
/// what a person types has a source.
fn is_interrupt(bytes: &[u8]) -> bool {
    // Nearly every short line is another: reading it again would cost as much as reading it.
    if !bytes.windows(INTERRUPTED.len()).any(|words| words == INTERRUPTED.as_bytes()) {
        return false;
    }
    let Ok(line) = serde_json::from_slice::<Value>(bytes) else { return false };
    if line.get("promptSource").is_some() || line.get("isMeta") == Some(&Value::Bool(true)) {
        return false;
    }
    let is = |text: Option<&Value>| text.and_then(Value::as_str).is_some_and(|text| text.starts_with(INTERRUPTED));
    match line.get("message").and_then(|message| message.get("content")) {
        Some(Value::Array(blocks)) => blocks.iter().any(|block| is(block.get("text"))),
        text => is(text),
    }
}

/// A string that can be a name or an id.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(lenient::<D, String>(deserializer)?.filter(|word| word.len() <= 2 * ID_BYTES_MAX))
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(lenient::<D, u64>(deserializer)?.unwrap_or(0).min(1 << 53))
}

fn models<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, ModelUsage>, D::Error> {
    let mut models = lenient::<D, BTreeMap<String, ModelUsage>>(deserializer)?.unwrap_or_default();
    while models.len() > MODELS_MAX {
        models.pop_last();
    }
    Ok(models)
}
