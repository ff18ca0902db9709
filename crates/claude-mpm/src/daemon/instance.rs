//! Which monitors run. Ours means: the health identity and this user's file with the same process and run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::plan::{self, Mode, Plan};
use super::probe::{self, Health};
use super::process::Identity;
use crate::paths::Home;
use crate::report::{self, Failure};

/// The file in a monitor's folder that says what runs.
pub(crate) const FILE: &str = "instance.json";

/// The file that says how it was last started, for the next time.
const LAST: &str = "last-start.json";

/// A monitor says goodbye to its clients, and writes down what it was told, within this.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(20);

/// A running monitor as its file tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    /// The random id of the run.
    pub(crate) instance: String,
    /// What the process is, besides its number.
    process: Identity,
    /// Its second port.
    pub(crate) dashboard: Option<u16>,
    /// Whether somebody named that one.
    pub(crate) dashboard_asked: bool,
    /// Whether clients have to bring a token; which one stands nowhere.
    pub(crate) token: bool,
    /// Milliseconds since 1970.
    pub(crate) started_at: i64,
    /// Its log.
    pub(crate) log: PathBuf,
    pub(crate) plan: Plan,
}

impl Instance {
    /// Its process.
    pub(crate) fn process(&self) -> Identity {
        self.process
    }

    /// The server's address for people.
    pub(crate) fn url(&self) -> String {
        self.plan.url(self.port)
    }

    /// The address of the page: at the dashboard port, if there is one.
    pub(crate) fn dashboard_url(&self) -> String {
        self.plan.url(self.dashboard.unwrap_or(self.port))
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.plan.folder(self.port)
    }

    /// That it does not answer, and what helps: the same words in every command.
    pub(crate) fn silence(&self) -> (String, String) {
        let name = self.plan.name.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
        let port = self.port;
        (
            format!("the one on port {port} ({name}PID {}) does not answer", self.pid),
            format!("claude-mpm monitor restart --port {port}, or claude-mpm monitor stop --port {port} --force"),
        )
    }

    /// Ends it, and the one that would start it again; says whether it ended.
    pub(crate) fn end(&self, force: bool) -> Result<(), String> {
        let signal = |process: Identity, what: &str| {
            let signal = if force { Signal::KILL } else { Signal::TERM };
            process.signal(signal).map_err(|error| format!("signalling {what} {}: {error}", process.pid))
        };
        // First, because it would take a killed monitor for a crashed one. Gently told, it tells the monitor.
        if let Some(supervisor) = self.plan.once.supervisor {
            signal(supervisor, "supervisor")?;
        }
        signal(self.process, "process")?;
        if !self.process.ends_within(STOP_MAX) {
            return Err(format!("process {} did not end within {} s", self.pid, STOP_MAX.as_secs()));
        }
        if force {
            // Nobody else is left to tidy up.
            let _ = fs::remove_file(self.folder().join(FILE));
        }
        Ok(())
    }
}

/// A monitor of this user that has just answered.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) known: Instance,
    pub(crate) health: Health,
}

/// This user's monitor on a port, if it answers.
pub(crate) fn running(home: &Home, port: u16) -> Option<Running> {
    all(home).into_iter().filter(|known| known.port == port).find_map(answering)
}

/// The monitor that a command without a port means: the one on `preferred`, else the only one that runs.
pub(crate) fn meant(home: &Home, said: Option<u16>, preferred: u16) -> Result<Running, Failure> {
    if let Some(running) = running(home, said.unwrap_or(preferred)) {
        return Ok(running);
    }
    let mut others = if said.is_some() { Vec::new() } else { all_running(home) };
    if others.len() == 1
        && let Some(only) = others.pop()
    {
        return Ok(only);
    }
    let port = said.unwrap_or(preferred);
    let failure = if others.is_empty() {
        Failure::printed(format!(
            "Error: Server on port {port} is not running\nSuggestion: Use '/mpm-monitor start' to start the server"
        ))
    } else {
        let ports: Vec<String> = others.iter().map(|other| other.known.port.to_string()).collect();
        Failure::new(
            format!("Server on port {port} is not running"),
            format!("there are monitors on {}", ports.join(" and ")),
            "Say which with --port",
        )
    };
    Err(failure.with_code(3))
}

/// The monitor that runs in a folder, if it answers: the one whose store is there, whatever it is called.
pub(crate) fn in_folder(dir: &Path) -> Option<Running> {
    answering(read(&dir.join(FILE))?)
}

/// All monitors of this user that answer, by port.
pub(crate) fn all_running(home: &Home) -> Vec<Running> {
    all(home).into_iter().filter_map(answering).collect()
}

/// All monitors of this user, by port: those that answer, and those whose process is there and does not.
pub(crate) fn all_alive(home: &Home) -> (Vec<Running>, Vec<Instance>) {
    let (mut running, mut hung) = (Vec::new(), Vec::new());
    for known in all(home) {
        match answering(known.clone()) {
            Some(answers) => running.push(answers),
            None if known.process().is_alive() => hung.push(known),
            None => {}
        }
    }
    (running, hung)
}

/// All that a file tells of, by port; some may be gone.
pub(crate) fn all(home: &Home) -> Vec<Instance> {
    let folders = fs::read_dir(home.monitors()).into_iter().flatten().flatten();
    let mut all: Vec<Instance> = folders.filter_map(|folder| read(&folder.path().join(FILE))).collect();
    all.sort_by_key(|known| known.port);
    all
}

/// How a monitor of that name was last started.
pub(crate) fn last_plan(home: &Home, name: &str) -> Option<Plan> {
    read(&home.monitors().join(name).join(LAST))
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn answering(known: Instance) -> Option<Running> {
    let health = probe::health_at(&known.plan.host, known.port)?;
    let is_same = health.service == server::SERVICE && known.pid == health.pid && known.instance == health.instance;
    is_same.then_some(Running { known, health })
}

/// Says that a monitor runs, until this is dropped.
pub(crate) struct Registered {
    path: PathBuf,
    pub(crate) known: Instance,
}

impl Drop for Registered {
    fn drop(&mut self) {
        // What stays behind names a process that does not answer, and is not taken for ours.
        let _ = fs::remove_file(&self.path);
    }
}

impl Registered {
    /// Writes the file again, after a change.
    pub(crate) fn write(&self) -> io::Result<()> {
        write(&self.path, &self.known)
    }
}

/// Writes the file of a running server, and how it was started.
pub(crate) fn register(
    plan: &Plan,
    port: u16,
    run: &str,
    dashboard: Option<u16>,
    token: bool,
    log: &Path,
) -> Result<Registered, Failure> {
    let folder = plan.folder(port);
    let known = Instance {
        pid: std::process::id(),
        port,
        instance: run.to_owned(),
        process: Identity::own(),
        dashboard,
        dashboard_asked: matches!(plan.dashboard, plan::Dashboard::Exactly(_)),
        token,
        started_at: jiff::Timestamp::now().as_millisecond(),
        log: log.to_owned(),
        plan: Plan { port, ..plan.clone() },
    };
    let last = Plan { once: plan::Once::default(), mode: Mode::Background, ..known.plan.clone() };
    let path = folder.join(FILE);
    fs::create_dir_all(&folder)
        .and_then(|()| write(&path, &known))
        .and_then(|()| write(&folder.join(LAST), &last))
        .map_err(|error| {
            Failure::new(
                "Failed to start monitoring server",
                format!("writing {}: {error}", path.display()),
                report::way_out(&error),
            )
        })?;
    Ok(Registered { path, known })
}

/// Readers see the old file or the new one, never half of one.
fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let new = path.with_extension("json.new");
    fs::write(&new, serde_json::to_vec(value)?)?;
    fs::rename(&new, path)
}
