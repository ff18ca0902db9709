//! Tool calls in the light of a session: how they begin, how they end, and which can no longer tell their end.

use serde_json::Value;

use super::{Session, implied};
use crate::event::{Fact, Outcome, Time};
use crate::hook_input;
use crate::summary;
use crate::todo::Todos;
use crate::tool_call::{self, OpenCall};
use crate::vocabulary::Kind;

impl Session {
    /// Gives a call of a program that has no ids for its calls one; its end is that of the open call with the same
    /// input.
    pub(super) fn name_call(&self, fact: &mut Fact, seq: u64) {
        let (Some(tool), None, Some(program)) = (&fact.tool_name, &fact.tool_use_id, fact.text("agent_program")) else {
            return;
        };
        let call = match fact.kind {
            Kind::ToolCallStarted => Some(format!("{program}-{seq}")),
            Kind::ToolCallFinished | Kind::ToolCallFailed => {
                let key = tool_call::input_key(tool, fact.data.get("tool_input"));
                let open = self.calls.matching(fact.agent_id.as_deref(), tool, key, |_| false);
                open.map(|call| call.tool_use_id.clone())
            }
            _ => None,
        };
        if let Some(call) = call {
            // Another hook of the same call may name it, and tells nothing new then.
            fact.identity = hook_input::identity_of_call(&self.session_id, fact.kind, &call);
            fact.tool_use_id = Some(call);
        }
    }

    /// The beginning of an open call that another hook of the same call told already.
    pub(super) fn call_told_twice(&self, fact: &Fact) -> Option<u64> {
        if fact.kind != Kind::ToolCallStarted
            || fact.tool_use_id.is_some()
            || fact.text("agent_program") != Some("cursor")
        {
            return None;
        }
        let key = tool_call::input_key(fact.tool_name.as_deref()?, fact.data.get("tool_input"));
        Some(self.calls.open().iter().find(|call| call.input_key == key && call.agent_id == fact.agent_id)?.seq)
    }

    pub(super) fn call_began(&mut self, fact: &Fact, seq: u64, implied: &mut Vec<Fact>) {
        if let Some(agent_id) = &fact.agent_id {
            self.agents.resumed(agent_id, fact.time);
        }
        let Some(tool_name) = &fact.tool_name else { return };
        let Some(tool_use_id) = &fact.tool_use_id else {
            // Nothing will tell which end is its own, so it is counted, and not waited for.
            self.counts.tool_calls += 1;
            implied.extend(implied::delegation(fact).map(|(_, delegated)| delegated));
            return;
        };
        if self.calls.has_ended(tool_use_id) {
            // Hooks of parallel calls overtake each other; its end was faster.
            return;
        }
        self.counts.tool_calls += 1;
        self.calls.begin(OpenCall {
            tool_use_id: tool_use_id.clone(),
            tool_name: tool_name.clone(),
            agent_id: fact.agent_id.clone(),
            summary: fact.summary.clone(),
            started_at: fact.time,
            seq,
            input_key: tool_call::input_key(tool_name, fact.data.get("tool_input")),
            prompt_id: fact.prompt_id.clone(),
        });
        if let Some((delegation, delegated)) = implied::delegation(fact) {
            self.agents.delegated(delegation);
            implied.push(delegated);
        }
    }

    pub(super) fn call_ended(&mut self, fact: &mut Fact, implied: &mut Vec<Fact>) {
        let Some(tool_use_id) = fact.tool_use_id.clone() else { return };
        self.delegating_call_ended(fact, &tool_use_id);
        let told_before = self.calls.has_ended(&tool_use_id);
        match self.calls.end(&tool_use_id) {
            Some(call) => fact.duration_ms = fact.duration_ms.or(Some(fact.time.since(call.started_at))),
            None => self.counts.tool_calls += u64::from(!told_before),
        }
        if fact.kind == Kind::ToolCallFinished {
            implied.extend(self.list_changed(fact));
        }
    }

    /// Calls that failed before they ran, or were refused, are told by their batch alone.
    pub(super) fn batch_finished(&mut self, fact: &Fact, implied: &mut Vec<Fact>) {
        let calls = fact.data.get("tool_calls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for call in calls {
            let text = |key: &str| call.get(key).and_then(Value::as_str);
            let (Some(tool_use_id), Some(tool_name)) = (text("tool_use_id"), text("tool_name")) else { continue };
            if self.calls.has_ended(tool_use_id) {
                continue;
            }
            let begun = self.calls.end(tool_use_id);
            self.agents.call_ended(tool_use_id);
            self.counts.tool_calls += u64::from(begun.is_none());
            implied.push(implied::failed_in_batch(fact, call, tool_use_id, tool_name, begun.as_ref()));
        }
        // The model goes on: nothing of this agent's main line is still running.
        let own = |call: &OpenCall| call.agent_id == fact.agent_id && call.started_at <= fact.time;
        self.close_calls(fact, own, (Outcome::Unknown, "its batch finished without it"), implied);
    }

    pub(super) fn permission_requested(&mut self, fact: &mut Fact) {
        let Some(tool_name) = &fact.tool_name else { return };
        if fact.tool_use_id.is_none() {
            let key = tool_call::input_key(tool_name, fact.data.get("tool_input"));
            let asked = |tool_use_id: &str| self.attention.is_asking_about(tool_use_id);
            let call = self.calls.matching(fact.agent_id.as_deref(), tool_name, key, asked);
            fact.tool_use_id = call.map(|call| call.tool_use_id.clone());
        }
    }

    /// Ends open calls that can no longer tell their own end, and with a call of the Agent tool the agent it waited
    /// for.
    pub(super) fn close_calls(
        &mut self,
        by: &Fact,
        which: impl Fn(&OpenCall) -> bool,
        (outcome, because): (Outcome, &str),
        implied: &mut Vec<Fact>,
    ) {
        let mut closing = self.calls.open_ids(which);
        while !closing.is_empty() {
            let mut next = Vec::new();
            for tool_use_id in closing {
                let Some(call) = self.calls.end(&tool_use_id) else { continue };
                implied.push(implied::closed(by, &call, outcome, because));
                self.agents.call_ended(&tool_use_id);
                if let Some(agent_id) = self.agents.working_for(&tool_use_id).map(|agent| agent.agent_id.clone()) {
                    self.agent_done(&agent_id, by.time);
                    next.extend(self.calls.open_ids(|call| call.agent_id.as_ref() == Some(&agent_id)));
                }
            }
            closing = next;
        }
    }

    /// This agent is over: it works no more and asks no more.
    pub(super) fn agent_done(&mut self, agent_id: &str, at: Time) {
        self.agents.done(agent_id, at);
        self.attention.agent_done(agent_id);
    }

    /// The answer of an Agent call names its agent. One that ran in the foreground is done; one in the background goes
    /// on.
    fn delegating_call_ended(&mut self, fact: &Fact, tool_use_id: &str) {
        if !implied::is_delegation(fact) {
            return;
        }
        let response =
            |key: &str| fact.data.get("tool_response").and_then(|response| response.get(key)).and_then(Value::as_str);
        let launched = response("status") == Some("async_launched");
        if let Some(agent_id) = response("agentId").filter(|id| id.len() <= hook_input::ID_BYTES_MAX)
            && let Some((delegation, _)) = implied::delegation(fact)
        {
            self.agents.launched(agent_id, delegation, fact.time);
            if !launched {
                let agent_id = agent_id.to_owned();
                self.agent_done(&agent_id, fact.time);
            }
        } else if let Some(agent_id) = self.agents.working_for(tool_use_id).map(|agent| agent.agent_id.clone()) {
            self.agent_done(&agent_id, fact.time);
        }
        self.agents.call_ended(tool_use_id);
    }

    /// What a finished call of a to-do tool changes on the list.
    fn list_changed(&mut self, fact: &Fact) -> Option<Fact> {
        // A subagent keeps a TodoWrite list of its own; tasks are the session's, whoever touches them.
        let mut own = Todos::default();
        let is_own = fact.agent_id.is_some() && fact.tool_name.as_deref() == Some("TodoWrite");
        let todos = if is_own { &mut own } else { &mut self.todos };
        let change = implied::todo_change(todos, fact)?;
        if change.is_empty() {
            return None;
        }
        let mut updated = fact.implies(Kind::TodoUpdated, todos.payload(&change));
        updated.tool_use_id.clone_from(&fact.tool_use_id);
        updated.summary = summary::line(&implied::todo_summary(todos));
        Some(updated)
    }
}
