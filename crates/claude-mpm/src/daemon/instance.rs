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

/// A running monitor as its file tells.
#[derive(Serialize, Deserialize)]
struct Instance {
    pid: u32,
    port: u16,
    instance: String,
}

/// A monitor of this user that has just answered.
pub(crate) struct Running {
    /// Its process.
    pub(crate) pid: u32,
    /// Its port.
    pub(crate) port: u16,
    /// Its live clients.
    pub(crate) connections: u64,
    /// Seconds since it started.
    pub(crate) uptime_s: u64,
    /// `running` or `stopping`.
    pub(crate) status: String,
}

/// This user's monitor on a port, if it answers.
pub(crate) fn running(home: &Home, port: u16) -> Option<Running> {
    let health = probe::health(port)?;
    let known: Instance = serde_json::from_slice(&fs::read(home.monitor(port).join(FILE)).ok()?).ok()?;
    is_same(&known, &health).then_some(Running {
        pid: health.pid,
        port,
        connections: health.connections,
        uptime_s: health.uptime,
        status: health.status,
    })
}

/// All monitors of this user that answer, by port.
pub(crate) fn all_running(home: &Home) -> Vec<Running> {
    let folders = fs::read_dir(home.monitors()).into_iter().flatten().flatten();
    let mut ports: Vec<u16> = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok()).collect();
    ports.sort_unstable();
    ports.into_iter().filter_map(|port| running(home, port)).collect()
}

/// Whether a process has ended and only its parent has not looked yet.
pub(crate) fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which stands in parentheses and may hold any character.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}

fn is_same(known: &Instance, health: &Health) -> bool {
    health.service == server::SERVICE && known.pid == health.pid && known.instance == health.instance
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
