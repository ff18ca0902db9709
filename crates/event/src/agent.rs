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
    /// When it was last seen to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
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

/// The type of an agent that nobody named.
const UNNAMED: &str = "agent";

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

    /// Those at work.
    pub fn working(&self) -> impl Iterator<Item = &Agent> {
        self.known.iter().filter(|agent| agent.state == State::Working)
    }

    /// The agent of this id, if it was heard of.
    pub fn get(&self, agent_id: &str) -> Option<&Agent> {
        self.known.iter().find(|agent| agent.agent_id == agent_id)
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

    /// Whether the delegation that a new agent of this type would take over is a guess: several wait for one.
    pub fn is_guess(&self, agent_id: &str, agent_type: Option<&str>) -> bool {
        let alike = |waiting: &&Delegation| waiting.agent_type == agent_type.unwrap_or(UNNAMED);
        self.get(agent_id).is_none() && self.waiting.iter().filter(alike).nth(1).is_some()
    }

    /// Takes note of an event of this agent. A new agent takes over the oldest delegation of its type.
    pub fn heard(&mut self, agent_id: &str, agent_type: Option<&str>, at: Time) -> &mut Agent {
        let place = self.place(agent_id).unwrap_or_else(|| {
            let agent_type = agent_type.unwrap_or(UNNAMED);
            let waiting = self.waiting.iter().position(|waiting| waiting.agent_type == agent_type);
            let delegation = waiting.map(|place| self.waiting.remove(place));
            self.appeared(agent_id, agent_type, at, delegation)
        });
        let agent = &mut self.known[place];
        agent.last_event_at = agent.last_event_at.max(at);
        agent
    }

    /// The answer of a delegating call named its agent: the two belong together, whatever was guessed before.
    pub fn launched(&mut self, agent_id: &str, delegation: Delegation, at: Time) -> &mut Agent {
        if let Some(id) = &delegation.tool_use_id {
            self.call_ended(id);
        }
        let Some(place) = self.place(agent_id) else {
            let place = self.appeared(agent_id, &delegation.agent_type.clone(), at, Some(delegation));
            return &mut self.known[place];
        };
        let holder = self
            .known
            .iter()
            .position(|agent| agent.tool_use_id.is_some() && agent.tool_use_id == delegation.tool_use_id);
        let guessed = (self.known[place].task.replace(delegation.task), self.known[place].tool_use_id.clone());
        self.known[place].tool_use_id = delegation.tool_use_id;
        match holder {
            Some(holder) if holder != place => (self.known[holder].task, self.known[holder].tool_use_id) = guessed,
            None if guessed.1.is_some() => {
                let agent_type = self.known[place].agent_type.clone();
                self.delegated(Delegation { tool_use_id: guessed.1, agent_type, task: guessed.0.unwrap_or_default() });
            }
            _ => {}
        }
        &mut self.known[place]
    }

    /// The agent that this call started, if it still works.
    pub fn working_for(&self, tool_use_id: &str) -> Option<&Agent> {
        self.working().find(|agent| agent.tool_use_id.as_deref() == Some(tool_use_id))
    }

    /// This agent is done.
    pub fn done(&mut self, agent_id: &str, at: Time) {
        let working = self.known.iter_mut().filter(|agent| agent.state == State::Working);
        for agent in working.filter(|agent| agent.agent_id == agent_id) {
            agent.state = State::Done;
            agent.ended_at = Some(at);
        }
    }

    /// Evidence that this agent is at work, also after it was seen to be done: it can be sent another message.
    pub fn resumed(&mut self, agent_id: &str, at: Time) {
        let Some(place) = self.place(agent_id) else { return };
        let agent = &mut self.known[place];
        if agent.ended_at.is_none_or(|ended| ended < at) {
            agent.state = State::Working;
            agent.ended_at = None;
        }
    }

    /// Ends all that still work.
    pub fn all_done(&mut self, at: Time) {
        self.waiting.clear();
        for agent in self.known.iter_mut().filter(|agent| agent.state == State::Working) {
            agent.state = State::Done;
            agent.ended_at = Some(at);
        }
    }

    fn place(&self, agent_id: &str) -> Option<usize> {
        self.known.iter().position(|agent| agent.agent_id == agent_id)
    }

    fn appeared(&mut self, agent_id: &str, agent_type: &str, at: Time, delegation: Option<Delegation>) -> usize {
        if self.known.len() >= AGENTS_MAX {
            let oldest = self.known.iter().position(|agent| agent.state == State::Done).unwrap_or(0);
            self.known.remove(oldest);
        }
        let (task, tool_use_id) = delegation.map_or((None, None), |it| (Some(it.task), it.tool_use_id));
        self.known.push(Agent {
            agent_id: agent_id.to_owned(),
            agent_type: agent_type.to_owned(),
            state: State::Working,
            task,
            tool_use_id,
            started_at: at,
            last_event_at: at,
            ended_at: None,
        });
        self.known.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_agents_of_one_type_that_took_each_others_delegation_are_put_right() {
        let asked = |call: &str, task: &str| Delegation {
            tool_use_id: Some(call.to_owned()),
            agent_type: "Explore".to_owned(),
            task: task.to_owned(),
        };
        let mut agents = Agents::default();
        agents.delegated(asked("t1", "one"));
        agents.delegated(asked("t2", "two"));
        assert!(agents.is_guess("b", Some("Explore")));
        agents.heard("b", Some("Explore"), Time::from_ms(1));
        agents.heard("a", Some("Explore"), Time::from_ms(2));
        agents.launched("b", asked("t2", "two"), Time::from_ms(3));
        let of = |id: &str| {
            agents.get(id).map(|agent| (agent.tool_use_id.clone().unwrap(), agent.task.clone().unwrap())).unwrap()
        };
        assert_eq!(of("b"), ("t2".to_owned(), "two".to_owned()));
        assert_eq!(of("a"), ("t1".to_owned(), "one".to_owned()));
    }
}
