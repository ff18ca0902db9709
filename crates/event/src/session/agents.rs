//! Subagents in the light of a session: what started them, and what shows that they are done.

use serde_json::{Value, json};

use super::Session;
use crate::event::{Fact, Outcome};
use crate::hook_input::set;
use crate::summary;

impl Session {
    /// `is_guess`: several calls wait for an agent of this type. Which of them it serves is told when its call answers.
    pub(super) fn agent_started(&mut self, fact: &mut Fact, is_guess: bool) {
        let Some(agent_id) = fact.agent_id.clone() else { return };
        self.agents.resumed(&agent_id, fact.time);
        let Some(agent) = self.agents.get(&agent_id) else { return };
        if let Some(task) = &agent.task {
            set(&mut fact.data, "task", json!(task));
            fact.summary = summary::line(task);
            if is_guess {
                set(&mut fact.data, "task_guessed", json!(true));
            }
        }
        if agent.tool_use_id.is_some() {
            fact.tool_use_id.clone_from(&agent.tool_use_id);
        }
    }

    pub(super) fn agent_finished(&mut self, fact: &mut Fact, implied: &mut Vec<Fact>) {
        let Some(agent_id) = fact.agent_id.clone() else { return };
        if let Some(agent) = self.agents.get(&agent_id) {
            fact.duration_ms = Some(fact.time.since(agent.started_at));
            if let Some(task) = &agent.task {
                set(&mut fact.data, "task", json!(task));
            }
            if agent.tool_use_id.is_some() {
                fact.tool_use_id.clone_from(&agent.tool_use_id);
            }
        }
        self.agent_done(&agent_id, fact.time);
        let own = |id: &Option<String>| id.as_deref() == Some(&*agent_id);
        self.close_calls(fact, |call| own(&call.agent_id), (Outcome::Unknown, "its agent ended"), implied);
    }

    /// A notification of the client names the task that is over; a subagent's task has the agent's id.
    pub(super) fn background_task_finished(&mut self, fact: &Fact, implied: &mut Vec<Fact>) {
        let Some(agent_id) = fact.text("prompt").and_then(|prompt| summary::tagged(prompt, "task-id")) else { return };
        self.agent_over(agent_id, fact, "its agent ended", implied);
    }

    /// The end of the main thread's turn lists what runs on. A working agent that is not on the list is over.
    pub(super) fn agents_not_listed(&mut self, fact: &Fact, implied: &mut Vec<Fact>) {
        let Some(tasks) = fact.data.get("background_tasks").and_then(Value::as_array) else { return };
        let text = |task: &'static str| move |it: &Value| it.get(task).and_then(Value::as_str).map(str::to_owned);
        // Kinds of tasks that this version does not know may run agents under names of their own.
        if tasks.iter().any(|task| !matches!(text("type")(task).as_deref(), Some("subagent" | "shell"))) {
            return;
        }
        let listed: Vec<String> = tasks.iter().filter_map(text("id")).collect();
        let over =
            self.agents.working().filter(|agent| !listed.contains(&agent.agent_id) && agent.last_event_at <= fact.time);
        let over: Vec<String> = over.map(|agent| agent.agent_id.clone()).collect();
        for agent_id in over {
            self.agent_over(&agent_id, fact, "the turn ended without its agent", implied);
        }
    }

    fn agent_over(&mut self, agent_id: &str, by: &Fact, because: &str, implied: &mut Vec<Fact>) {
        self.agent_done(agent_id, by.time);
        let own = |id: &Option<String>| id.as_deref() == Some(agent_id);
        self.close_calls(by, |call| own(&call.agent_id), (Outcome::Unknown, because), implied);
    }
}
