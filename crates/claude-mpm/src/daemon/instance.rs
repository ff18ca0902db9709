//! Which program listens on a port. Ours means: the health identity and this user's file with the same process and run.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use server::Server;

use super::probe::{self, Health};
use crate::paths::Home;
use crate::report::Failure;

/// The file in the monitor's folder that says what runs.
const FILE: &str = "instance.json";

/// What is on a port.
pub(crate) enum Found {
    /// This user's monitor, and it answers.
    Ours,
    /// Nothing, or another program.
    Other,
}

/// A running monitor as its file tells.
#[derive(Serialize, Deserialize)]
struct Instance {
    pid: u32,
    port: u16,
    instance: String,
}

/// Looks at a port.
pub(crate) fn on_port(home: &Home, port: u16) -> Found {
    let Some(health) = probe::health(port) else { return Found::Other };
    let known: Option<Instance> =
        fs::read(home.monitor(port).join(FILE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match known {
        Some(known) if is_same(&known, &health) => Found::Ours,
        _ => Found::Other,
    }
}

fn is_same(known: &Instance, health: &Health) -> bool {
    health.service == "claude-mpm-monitor" && known.pid == health.pid && known.instance == health.instance
}

/// Says that a monitor runs, until this is dropped.
pub(crate) struct Registered {
    path: PathBuf,
}

impl Drop for Registered {
    fn drop(&mut self) {
        // What stays behind names a process that does not answer, and is not taken for ours.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes the file of a running server.
pub(crate) fn register(home: &Home, server: &Server) -> Result<Registered, Failure> {
    let path = home.monitor(server.port()).join(FILE);
    let instance = Instance { pid: std::process::id(), port: server.port(), instance: server.instance().to_owned() };
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Readers see the old file or the new one, never half of one.
        let new = path.with_extension("json.new");
        fs::write(&new, serde_json::to_vec(&instance)?)?;
        fs::rename(&new, &path)
    };
    write().map_err(|error| {
        Failure::new(
            "Failed to start monitoring server",
            format!("writing {}: {error}", path.display()),
            "Check the folder's permissions and the free space of its disk",
        )
    })?;
    Ok(Registered { path })
}
