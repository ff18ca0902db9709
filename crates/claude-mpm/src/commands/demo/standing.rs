//! The demo as the client of its sessions: it writes of itself what Claude Code writes, into a folder of its own, so that
//! somebody is there who waits for an answer.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::daemon::process::Identity;

/// The demo's configuration folder, and how each session stands in it.
pub(super) struct Standing {
    folder: PathBuf,
    own: Identity,
    sessions: HashMap<String, Session>,
    told: Receiver<()>,
}

/// A session as its client's file tells it.
struct Session {
    number: usize,
    status: &'static str,
    /// The agent that asks.
    asks: Option<String>,
}

impl Standing {
    /// Makes the folder; it goes when this does, also when a signal ends the demo.
    pub(super) fn new() -> std::io::Result<Standing> {
        let own = Identity::own();
        let folder = std::env::temp_dir().join(format!("claude-mpm-demo-{}", own.pid));
        fs::create_dir(&folder)?;
        let (tell, told) = mpsc::channel();
        let standing = Standing { folder, own, sessions: HashMap::new(), told };
        fs::create_dir(standing.folder.join("sessions"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let guard = runtime.enter();
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(guard);
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            });
            // The demo may have ended by itself.
            let _ = tell.send(());
        });
        Ok(standing)
    }

    /// Waits; whether a signal came meanwhile.
    pub(super) fn is_told_within(&self, wait: Duration) -> bool {
        self.told.recv_timeout(wait).is_ok()
    }

    /// Waits for a signal.
    pub(super) fn wait(&self) {
        let _ = self.told.recv();
    }

    /// Puts a hook's transcript into the demo's folder, beside which a client's words are looked for.
    pub(super) fn claim(&self, payload: &mut Value) {
        let Some(id) = payload.get("session_id").and_then(Value::as_str) else { return };
        let path = self.folder.join("projects/demo").join(format!("{id}.jsonl"));
        payload["transcript_path"] = json!(path.to_string_lossy());
    }

    /// Says how the session of a hook stands, as its client would. A question waits until the agent that asks does something.
    pub(super) fn tell(&mut self, payload: &Value) -> std::io::Result<()> {
        let text = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default();
        let (id, hook, agent) = (text("session_id"), text("hook_event_name"), text("agent_id"));
        let next = self.sessions.len();
        let fresh = || Session { number: next, status: "", asks: None };
        let session = self.sessions.entry(id.to_owned()).or_insert_with(fresh);
        let status = match hook {
            "SessionEnd" => "",
            "PermissionRequest" => {
                session.asks = Some(agent.to_owned());
                "waiting"
            }
            "Notification" => session.status,
            _ if session.asks.as_deref().is_some_and(|asks| asks != agent) => session.status,
            _ => {
                session.asks = None;
                if matches!(hook, "Stop" | "StopFailure" | "SessionStart") { "idle" } else { "busy" }
            }
        };
        if status == session.status {
            return Ok(());
        }
        session.status = status;
        let path = self.folder.join(format!("sessions/{}.json", session.number));
        if status.is_empty() {
            return fs::remove_file(path);
        }
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let own = json!({
            "pid": self.own.pid, "procStart": self.own.started_text(), "sessionId": id, "status": status, "statusUpdatedAt": at_ms,
        });
        write_whole(&path, &own)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Nobody reads half of it.
fn write_whole(path: &Path, value: &Value) -> std::io::Result<()> {
    let begun = path.with_extension("part");
    fs::write(&begun, value.to_string())?;
    fs::rename(begun, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(standing: &Standing) -> Option<String> {
        let own: Value = serde_json::from_slice(&fs::read(standing.folder.join("sessions/0.json")).ok()?).unwrap();
        assert_eq!(own["pid"], std::process::id());
        own["status"].as_str().map(str::to_owned)
    }

    #[test]
    fn a_question_waits_until_the_agent_that_asks_goes_on_and_nothing_is_left_at_the_end() {
        let mut standing = Standing::new().unwrap();
        let hook = |name: &str, agent: &str| json!({ "session_id": "s", "hook_event_name": name, "agent_id": agent });
        let mut said = Vec::new();
        for (name, agent) in [
            ("SessionStart", ""),
            ("PreToolUse", ""),
            ("PermissionRequest", "a"),
            ("PostToolUse", ""),
            ("Notification", ""),
            ("PostToolUse", "a"),
            ("Stop", ""),
            ("SessionEnd", ""),
        ] {
            standing.tell(&hook(name, agent)).unwrap();
            said.push(status(&standing));
        }
        let said: Vec<&str> = said.iter().map(|status| status.as_deref().unwrap_or("gone")).collect();
        assert_eq!(said, ["idle", "busy", "waiting", "waiting", "waiting", "busy", "idle", "gone"]);
        let folder = standing.folder.clone();
        drop(standing);
        assert!(!folder.exists());
    }
}
