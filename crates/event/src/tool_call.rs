//! Tool calls: which are open, and how each one ended. Calls overlap, and not every one tells its end.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{Identity, Time};

/// The most calls a session keeps open; beyond it the oldest counts as ended. Real sessions have some tens.
const OPEN_MAX: usize = 1_000;

/// How many ended calls are remembered, so that a batch that names them is understood.
const ENDED_MAX: usize = 512;

/// A call that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// Claude Code's id of the call.
    pub tool_use_id: String,
    /// The tool.
    pub tool_name: String,
    /// The subagent that makes it; `None` is the main thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// What it is about.
    pub summary: String,
    /// When it began.
    pub started_at: Time,
    /// The number of the event that began it.
    pub seq: u64,
    /// The tool and its input, to recognise the same call where no id is given.
    pub input_key: u64,
    /// The prompt that led to it, if the client told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_id: Option<String>,
}

/// The calls of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCalls {
    open: Vec<OpenCall>,
    /// Keys of the ids of the calls that ended last: looked through at every hook.
    ended: VecDeque<u64>,
}

impl ToolCalls {
    /// The open calls, oldest first.
    pub fn open(&self) -> &[OpenCall] {
        &self.open
    }

    /// A call begins. Returns what has to make room for it.
    pub fn begin(&mut self, call: OpenCall) -> Option<OpenCall> {
        self.open.retain(|open| open.tool_use_id != call.tool_use_id);
        let oldest = (self.open.len() >= OPEN_MAX).then(|| self.open.remove(0));
        self.open.push(call);
        oldest
    }

    /// A call ends. Returns it, if its beginning was seen.
    pub fn end(&mut self, tool_use_id: &str) -> Option<OpenCall> {
        if !self.has_ended(tool_use_id) {
            if self.ended.len() >= ENDED_MAX {
                self.ended.pop_front();
            }
            self.ended.push_back(ended_key(tool_use_id));
        }
        let place = self.open.iter().position(|open| open.tool_use_id == tool_use_id)?;
        Some(self.open.remove(place))
    }

    /// Whether the end of this call was told.
    pub fn has_ended(&self, tool_use_id: &str) -> bool {
        self.ended.contains(&ended_key(tool_use_id))
    }

    /// The open calls that `which` picks, to be ended by the caller.
    pub fn open_ids(&self, which: impl Fn(&OpenCall) -> bool) -> Vec<String> {
        self.open.iter().filter(|call| which(call)).map(|call| call.tool_use_id.clone()).collect()
    }

    /// The open call of this agent that a question about a tool and its input is about, `asked` telling which calls
    /// were asked about already. A hook may have changed the input: then the only open call of the tool is meant.
    pub fn matching(
        &self,
        agent_id: Option<&str>,
        tool_name: &str,
        input_key: u64,
        asked: impl Fn(&str) -> bool,
    ) -> Option<&OpenCall> {
        let own = || self.open.iter().filter(|call| call.agent_id.as_deref() == agent_id && !asked(&call.tool_use_id));
        own().find(|call| call.input_key == input_key).or_else(|| {
            let mut of_tool = own().filter(|call| call.tool_name == tool_name);
            let first = of_tool.next()?;
            of_tool.next().is_none().then_some(first)
        })
    }
}

fn ended_key(tool_use_id: &str) -> u64 {
    Identity::key_of(&[tool_use_id.as_bytes()])
}

/// A key over a tool and its input.
pub fn input_key(tool_name: &str, input: Option<&Value>) -> u64 {
    let input = input.map(Value::to_string).unwrap_or_default();
    Identity::key_of(&[tool_name.as_bytes(), input.as_bytes()])
}
