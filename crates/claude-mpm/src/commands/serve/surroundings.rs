//! What the server is allowed to ask about what lies around it: the same answers as the commands give.

use serde_json::{Value, json};

use crate::commands::{doctor, logs};
use crate::daemon::holder::{self, Holder};
use crate::daemon::policy::RANGE;
use crate::paths::Home;

/// This user's home, and the log of this monitor.
pub(super) struct Surroundings {
    pub(super) home: Home,
    pub(super) log: std::path::PathBuf,
    pub(super) reclaimed: Vec<String>,
}

impl server::Surroundings for Surroundings {
    fn checks(&self) -> Vec<Value> {
        doctor::all(&self.home).iter().map(doctor::Check::in_json).collect()
    }

    fn monitors(&self) -> Vec<Value> {
        RANGE.filter_map(|port| shown(port, &holder::of(&self.home, port, &self.reclaimed))).collect()
    }

    fn log(&self, lines: usize) -> Option<Vec<String>> {
        logs::last(&self.log, lines).ok()
    }
}

/// Who has a port; `None` when nobody does.
fn shown(port: u16, holder: &Holder) -> Option<Value> {
    let by = match holder {
        Holder::Nobody => return None,
        Holder::Ours(running) => {
            return Some(json!({
                "port": port,
                "by": "monitor",
                "name": running.known.plan.name,
                "pid": running.known.pid,
                "instance": running.known.instance,
                "needs_token": running.known.token,
                "clients": running.health.connections,
                "uptime": running.health.uptime,
            }));
        }
        Holder::Hung(known) => json!({ "port": port, "by": "hung monitor", "pid": known.pid }),
        Holder::Dashboard { of, .. } => json!({ "port": port, "by": "dashboard", "of": of }),
        Holder::Script(stranger) | Holder::Stranger(stranger) => {
            json!({ "port": port, "by": "other", "name": stranger.to_string() })
        }
    };
    Some(by)
}
