//! The run of our launcher that a session is in: from the launcher's own words, or the process that ran the hook.

use serde::{Deserialize, Serialize};

use super::Session;
use crate::event::Fact;
use crate::vocabulary::Kind;

/// A run of our launcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Its id.
    pub launch_id: String,
    /// The agent's process, once the launcher said which.
    pub pid: Option<u32>,
}

impl Session {
    /// Remembers the run from whoever names it, and names it in what does not: hooks know their session alone.
    pub(super) fn hear_of_launch(&mut self, fact: &mut Fact) {
        if fact.kind == Kind::AgentCommanded {
            // It says to whom something was told, also after its end.
            return;
        }
        match (&fact.launch_id, &self.launch) {
            (Some(told), known) if known.as_ref().is_none_or(|known| known.launch_id != *told) => {
                self.launch = Some(Launch { launch_id: told.clone(), pid: None });
            }
            (None, Some(known)) => fact.launch_id = Some(known.launch_id.clone()),
            // Transcripts and telemetry tell of a run when it is over, too.
            (None, None) => {
                let before = self.launch_before.as_ref().filter(|(_, ended)| fact.time <= *ended);
                fact.launch_id = before.map(|(launch_id, _)| launch_id.clone());
            }
            _ => {}
        }
        if fact.kind == Kind::SessionEnded || ends_run(fact) {
            if let Some(launch) = self.launch.take() {
                self.launch_before = Some((launch.launch_id, fact.time));
            }
        } else if let Some(launch) = &mut self.launch
            && let Some(pid) = ["pid", "client_pid"].iter().find_map(|key| fact.data.get(*key)?.as_u64())
            && matches!(fact.kind, Kind::ClaudeStatusChanged | Kind::SessionStarted)
        {
            launch.pid = u32::try_from(pid).ok();
        }
    }

    /// Takes the launcher's word for how its agent is. Hooks know better what a running one does.
    pub(super) fn status_told(&mut self, fact: &Fact, seq: u64) {
        let (Some(_), Some(status)) = (&fact.launch_id, fact.text("status")) else { return };
        let is_news = match status {
            "starting" | "stopped" | "error" => true,
            "running" => matches!(self.claude_status.as_str(), "unknown" | "starting"),
            // Hooks know it better.
            "thinking" => !self.is_hooked(),
            _ => false,
        };
        if is_news {
            self.claude_status = status.to_owned();
        }
        if ends_run(fact) && self.ended.is_none() {
            // A client that was killed says nothing itself.
            self.ended = Some((fact.time, fact.text("message").unwrap_or(status).to_owned()));
            self.ended_seq = seq;
        }
    }
}

/// Whether a launcher says that its agent is over, and how.
pub fn ends_run(fact: &Fact) -> bool {
    let is_told = |key: &str| fact.data.get(key).is_some_and(|value| !value.is_null());
    fact.kind == Kind::ClaudeStatusChanged && (is_told("exit_code") || is_told("signal"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::{Source, Time};
    use crate::session::State;

    fn fact(kind: Kind, ms: i64, launch: Option<&str>, data: Value) -> Fact {
        let mut fact = Fact::new(kind, Time::from_ms(ms), Source::Emit, data);
        fact.session_id = Some("s".to_owned());
        fact.launch_id = launch.map(str::to_owned);
        fact
    }

    #[test]
    fn every_event_of_a_run_carries_its_id_and_a_client_that_is_killed_has_ended() {
        let mut session = Session::new("s", Time::from_ms(0));
        let status = |status: &str, pid: u32| json!({ "status": status, "pid": pid });
        session.take(fact(Kind::ClaudeStatusChanged, 1, Some("run"), status("starting", 7)), 1);
        session.take(fact(Kind::ClaudeStatusChanged, 2, Some("run"), status("running", 8)), 2);
        assert_eq!(session.launch, Some(Launch { launch_id: "run".to_owned(), pid: Some(8) }));
        let prompt = session.take(fact(Kind::PromptSubmitted, 3, None, json!({ "prompt": "Go" })), 3);
        assert!(prompt.iter().all(|fact| fact.launch_id.as_deref() == Some("run")), "{prompt:?}");
        assert_eq!(session.claude_status, "thinking");

        let end = json!({ "status": "error", "signal": 9, "pid": null, "message": "The agent was ended by signal 9" });
        session.take(fact(Kind::ClaudeStatusChanged, 5, Some("run"), end), 5);
        assert_eq!((session.claude_status.as_str(), &session.launch), ("error", &None));
        let (state, since, reason) = session.state(Time::from_ms(6));
        assert_eq!((state, since), (State::Ended, Time::from_ms(5)));
        assert_eq!(reason.unwrap().summary, "The agent was ended by signal 9");

        let late = session.take(fact(Kind::ApiRequestFinished, 4, None, json!({ "model": "m" })), 6);
        assert_eq!(late[0].launch_id.as_deref(), Some("run"), "what is told late is of the run that it was in");
        let resumed = session.take(fact(Kind::SessionStarted, 9, None, json!({ "source": "resume" })), 9);
        assert_eq!((session.state(Time::from_ms(10)).0 == State::Ended, &resumed[0].launch_id), (false, &None));
    }
}
