//! A subagent, known by evidence: any event that carries its id. Starts and stops may be missing.

use serde::{Deserialize, Serialize};

use crate::event::Time;

/// The most agents a session remembers; the oldest finished ones are forgotten first.
pub const AGENTS_MAX: usize = 200;

/// One subagent of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Claude Code's id.
    pub agent_id: String,
    /// `Explore`, `general-purpose`, or a name of the user's own.
    pub agent_type: String,
    /// Whether it is at work.
    pub state: State,
    /// What it was asked to do, from the call that delegated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The call that delegated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_use_id: Option<String>,
    /// The first that was heard of it.
    pub started_at: Time,
    /// The last that was heard of it.
    pub last_event_at: Time,
}

/// What a subagent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It works.
    Working,
    /// It has answered, or its session is over.
    Done,
}

/// A call of the Agent tool whose subagent has not been heard of yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// The call.
    pub tool_use_id: Option<String>,
    /// The kind of agent that was asked for.
    pub agent_type: String,
    /// What it is to do.
    pub task: String,
}

/// The subagents of a session and the delegations still waiting for theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agents {
    known: Vec<Agent>,
    waiting: Vec<Delegation>,
}

impl Agents {
    /// All subagents, in order of appearance.
    pub fn known(&self) -> &[Agent] {
        &self.known
    }

    /// Remembers that an agent was asked for.
    pub fn delegated(&mut self, delegation: Delegation) {
        if self.waiting.len() >= AGENTS_MAX {
            self.waiting.remove(0);
        }
        self.waiting.push(delegation);
    }

    /// Forgets a delegation whose call is over.
    pub fn call_ended(&mut self, tool_use_id: &str) {
        self.waiting.retain(|waiting| waiting.tool_use_id.as_deref() != Some(tool_use_id));
    }

    /// Takes note of an event of this agent. A new agent takes over the oldest delegation of its type.
    pub fn heard(&mut self, agent_id: &str, agent_type: Option<&str>, at: Time) -> &mut Agent {
        let place = match self.known.iter().position(|agent| agent.agent_id == agent_id) {
            Some(place) => place,
            None => self.appeared(agent_id, agent_type.unwrap_or("agent"), at),
        };
        let agent = &mut self.known[place];
        agent.last_event_at = agent.last_event_at.max(at);
        agent
    }

    /// The agent of this id, if it was heard of.
    pub fn get(&self, agent_id: &str) -> Option<&Agent> {
        self.known.iter().find(|agent| agent.agent_id == agent_id)
    }

    /// Ends all that still work.
    pub fn all_done(&mut self) {
        self.waiting.clear();
        for agent in &mut self.known {
            agent.state = State::Done;
        }
    }

    fn appeared(&mut self, agent_id: &str, agent_type: &str, at: Time) -> usize {
        if self.known.len() >= AGENTS_MAX {
            let oldest = self.known.iter().position(|agent| agent.state == State::Done).unwrap_or(0);
            self.known.remove(oldest);
        }
        let waiting = self.waiting.iter().position(|waiting| waiting.agent_type == agent_type);
        let delegation = waiting.map(|place| self.waiting.remove(place));
        let (task, tool_use_id) = delegation.map_or((None, None), |it| (Some(it.task), it.tool_use_id));
        self.known.push(Agent {
            agent_id: agent_id.to_owned(),
            agent_type: agent_type.to_owned(),
            state: State::Working,
            task,
            tool_use_id,
            started_at: at,
            last_event_at: at,
        });
        self.known.len() - 1
    }
}
