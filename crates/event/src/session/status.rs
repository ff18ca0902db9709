//! `/claude status_changed`: what Claude does, in the words of the WebSocket API and some of ours.

use serde_json::json;

use super::Session;
use crate::event::Fact;
use crate::vocabulary::Kind;

impl Session {
    /// The changed status, when `fact`, which the session has taken already, changes it.
    pub(super) fn status_change(&mut self, fact: &Fact) -> Option<Fact> {
        let (status, message) = self.status_after(fact)?;
        if self.claude_status == status {
            return None;
        }
        let before = std::mem::replace(&mut self.claude_status, status.to_owned());
        let mut changed = fact.implies(
            Kind::ClaudeStatusChanged,
            json!({ "status": status, "previous": before, "pid": self.launch.as_ref().and_then(|launch| launch.pid), "message": message }),
        );
        changed.agent_id = None;
        changed.agent_type = None;
        changed.summary = message.to_owned();
        Some(changed)
    }

    fn status_after(&self, fact: &Fact) -> Option<(&'static str, &'static str)> {
        let running = Some(("running", "Claude uses tools"));
        let main = fact.agent_id.is_none();
        if self.ended.is_some() {
            return (fact.kind == Kind::SessionEnded).then_some(("stopped", "Claude's session ended"));
        }
        match fact.kind {
            // Its launcher has said that it runs.
            Kind::SessionStarted if self.launch.is_some() && self.claude_status == "running" => None,
            Kind::SessionStarted => Some(("starting", "Claude's session started")),
            Kind::TurnFailed if main => Some(("error", "Claude's turn ended in an error")),
            _ if self.attention.is_asking() => Some(("waiting", "Claude waits for an answer")),
            Kind::TurnFinished if main => Some(("waiting", "Claude finished its turn")),
            Kind::TurnInterrupted if main && !self.attention.is_turn_running() => {
                Some(("waiting", "Claude was interrupted"))
            }
            // A queued prompt begins no turn.
            Kind::PromptSubmitted | Kind::BackgroundTaskFinished if self.attention.turn_began_at(fact.time) => {
                Some(("thinking", "Claude thinks"))
            }
            Kind::ToolCallStarted if main => running,
            // Somebody answered, or the turn goes on for another reason.
            _ if self.claude_status == "waiting" && self.attention.is_turn_running() => running,
            _ => None,
        }
    }
}
