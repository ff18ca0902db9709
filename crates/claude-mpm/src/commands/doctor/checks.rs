//! Each thing that the doctor looks at.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli;
use crate::commands::hooks::{self, Look};
use crate::daemon::holder::{self, Holder};
use crate::daemon::{instance, probe};
use crate::paths::Home;
use crate::report;
use crate::settings::Settings;

/// Below this the disk is as good as full, in bytes.
const DISK_BYTES_MIN: u64 = 100 * 1024 * 1024;

/// Below this a person should know, in bytes.
const DISK_BYTES_LOW: u64 = 1024 * 1024 * 1024;

/// What waits in a spool beyond this is more than a moment's work, in bytes.
const BACKLOG_BYTES_MAX: u64 = 1024 * 1024;

/// Clocks that differ by more confuse people who compare times.
const CLOCK_MAX: Duration = Duration::from_secs(2);

/// How long Claude Code may take to say its version.
const VERSION_MAX: Duration = Duration::from_secs(5);

/// How things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Well,
    Warning,
    Broken,
}

/// What mends it, without risk.
type Mend = Box<dyn Fn(&Home) -> anyhow::Result<()>>;

/// One thing.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) state: State,
    pub(crate) said: String,
    /// What a person can do.
    pub(crate) fix: Option<String>,
    /// What `--fix` does.
    pub(crate) mend: Option<Mend>,
}

impl Check {
    fn well(name: &'static str, said: impl Into<String>) -> Check {
        Check { name, state: State::Well, said: said.into(), fix: None, mend: None }
    }

    fn warning(name: &'static str, said: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { state: State::Warning, fix: Some(fix.into()), ..Check::well(name, said) }
    }

    fn broken(name: &'static str, said: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { state: State::Broken, fix: Some(fix.into()), ..Check::well(name, said) }
    }

    fn mended_by(self, mend: impl Fn(&Home) -> anyhow::Result<()> + 'static) -> Check {
        Check { mend: Some(Box::new(mend)), ..self }
    }

    pub(crate) fn in_words(&self) -> String {
        let mark = match self.state {
            State::Well => '✓',
            State::Warning => '•',
            State::Broken => '✗',
        };
        let fix = self.fix.as_ref().map(|fix| format!("\n    Fix: {fix}")).unwrap_or_default();
        format!("{mark} {}: {}{fix}", self.name, report::harmless(&self.said))
    }

    pub(crate) fn in_json(&self) -> Value {
        let state = match self.state {
            State::Well => "ok",
            State::Warning => "warning",
            State::Broken => "broken",
        };
        json!({ "check": self.name, "state": state, "said": self.said, "fix": self.fix, "fixable": self.mend.is_some() })
    }
}

/// Looks at everything.
pub(crate) fn all(home: &Home) -> Vec<Check> {
    let settings = Settings::load(home);
    let port = settings.as_ref().map_or(cli::PORT_DEFAULT, |settings| cli::port(None, settings));
    let scopes = [(false, false), (true, false), (false, true)];
    let mut looks: Vec<Look> =
        scopes.into_iter().filter_map(|(project, local)| hooks::look(project, local).ok()).collect();
    // In the home directory the user's file is the project's, too.
    let users = looks.first().map(|look| look.path.clone());
    looks.retain(|look| look.flag.is_empty() || Some(&look.path) != users.as_ref());
    vec![
        configuration(&settings),
        hooks_installed(&looks),
        trusted(&looks),
        monitor(home, port, &settings),
        fed(home, &looks),
        clock(home),
        disk(home),
        key(home),
        spools(home),
        left_behind(home),
        client(),
        transcripts(),
    ]
}

fn configuration(settings: &Result<Settings, report::Failure>) -> Check {
    const NAME: &str = "Configuration";
    match settings {
        Err(failure) => {
            let text = failure.to_string();
            let reason = text.lines().find_map(|line| line.strip_prefix("Reason: ")).unwrap_or(&text).to_owned();
            Check::broken(NAME, reason, "correct that place, or move the file away")
        }
        Ok(settings) if !settings.unknown.is_empty() => Check::warning(
            NAME,
            format!("{} means nothing: {}", settings.file.display(), settings.unknown.join(", ")),
            "correct the spelling; 'claude-mpm config' lists every key",
        ),
        Ok(settings) if settings.file.exists() => Check::well(NAME, settings.file.display().to_string()),
        Ok(_) => Check::well(NAME, "defaults; there is no file"),
    }
}

fn hooks_installed(looks: &[Look]) -> Check {
    const NAME: &str = "Hooks";
    let installed: Vec<&Look> = looks.iter().filter(|look| look.count > 0).collect();
    let Some(first) = installed.first() else {
        return Check::broken(NAME, "not installed: Claude Code tells nobody", "claude-mpm hooks install");
    };
    if let Some(off) = looks.iter().find(|look| look.disabled) {
        let said = format!("\"disableAllHooks\" is true in {}", off.path.display());
        return Check::broken(NAME, said, "take it out of that file");
    }
    if let Some(old) = installed.iter().find(|look| look.program.is_some_and(|state| state != "up to date")) {
        let said = format!("the program of {} is {}", old.path.display(), old.program.unwrap_or_default());
        return Check::broken(NAME, said, format!("claude-mpm hooks install{}", old.flag))
            .mended_by(|home| hooks::refresh_program(home).map_err(|failure| anyhow::anyhow!("{failure}")));
    }
    let places: Vec<String> = installed
        .iter()
        .map(|look| {
            format!("{} events in {} for port {}", look.count, look.path.display(), look.port.unwrap_or_default())
        })
        .collect();
    debug_assert!(first.count > 0);
    Check::well(NAME, places.join("; "))
}

/// Claude Code runs a project's hooks only when somebody has said that the project is trusted.
fn trusted(looks: &[Look]) -> Check {
    const NAME: &str = "Trust";
    if !looks.iter().any(|look| look.count > 0 && !look.flag.is_empty()) {
        return Check::well(NAME, "no hooks of this project wait for it");
    }
    let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let file = said("CLAUDE_CONFIG_DIR").or_else(|| said("HOME")).map(|folder| folder.join(".claude.json"));
    let state =
        file.and_then(|file| fs::read(file).ok()).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let folder = std::env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default();
    match state.map(|state| state["projects"][&folder]["hasTrustDialogAccepted"] == true) {
        Some(true) => Check::well(NAME, "this project is trusted, and its hooks run"),
        _ => Check::warning(
            NAME,
            "this project is not known to be trusted: its hooks may not run",
            "start claude here once, and accept",
        ),
    }
}

fn monitor(home: &Home, port: u16, settings: &Result<Settings, report::Failure>) -> Check {
    const NAME: &str = "Monitor";
    let reclaimed = settings.as_ref().map(Settings::reclaimed).unwrap_or_default();
    match holder::of(home, port, &reclaimed) {
        Holder::Ours(running) if running.health.health == "healthy" => {
            Check::well(NAME, format!("running on port {port} (PID {})", running.known.pid))
        }
        Holder::Ours(running) => Check::warning(
            NAME,
            format!(
                "running on port {port} (PID {}), and {}: {}",
                running.known.pid,
                running.health.health,
                running.health.reasons.join("; ")
            ),
            "claude-mpm monitor status --verbose, and claude-mpm monitor logs",
        ),
        Holder::Hung(known) => {
            let (said, fix) = known.silence();
            Check::broken(NAME, said, fix)
        }
        Holder::Nobody => Check::warning(
            NAME,
            format!("none runs on port {port}; events wait in the spool"),
            "claude-mpm monitor start",
        ),
        Holder::Dashboard { of, .. } => Check::warning(
            NAME,
            format!("port {port} is the dashboard of your monitor on port {of}"),
            format!("claude-mpm monitor start --port {port}"),
        ),
        Holder::Script(stranger) | Holder::Stranger(stranger) => Check::broken(
            NAME,
            format!("port {port} is in use by {stranger}"),
            "end that program, or choose another port: claude-mpm config set monitoring.port 8770, then claude-mpm hooks install",
        ),
    }
}

/// Whether hooks and monitors meet.
fn fed(home: &Home, looks: &[Look]) -> Check {
    const NAME: &str = "Meeting";
    let running = instance::all_running(home);
    let ports: Vec<u16> = looks.iter().filter_map(|look| look.port).collect();
    if running.is_empty() || ports.is_empty() {
        return Check::well(NAME, "nothing to compare: hooks or monitor are missing");
    }
    let unfed: Vec<String> = running
        .iter()
        .map(|server| server.known.port)
        .filter(|port| !ports.contains(port))
        .map(|port| port.to_string())
        .collect();
    if unfed.is_empty() {
        return Check::well(NAME, "every running monitor is fed by hooks");
    }
    Check::warning(
        NAME,
        format!("no hook that is seen from here feeds the monitor on port {}", unfed.join(" and ")),
        format!("claude-mpm hooks install --port {}", unfed.first().map_or("8765", String::as_str)),
    )
}

fn clock(home: &Home) -> Check {
    const NAME: &str = "Clock";
    let Some(running) = instance::all_running(home).into_iter().next() else {
        return Check::well(
            NAME,
            format!("{}; no monitor runs to compare with", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ")),
        );
    };
    let asked = Timestamp::now();
    let said = probe::health_at(&running.known.plan.host, running.known.port)
        .and_then(|health| health.timestamp.parse::<Timestamp>().ok());
    match said.map(|said| said.duration_since(asked).unsigned_abs()) {
        Some(apart) if apart <= CLOCK_MAX => Check::well(NAME, "the monitor's and this shell's agree"),
        Some(apart) => Check::warning(
            NAME,
            format!("the monitor's and this shell's are {} s apart", apart.as_secs()),
            "set this machine's clock, then claude-mpm monitor restart",
        ),
        None => Check::warning(NAME, "the monitor does not tell its time", "claude-mpm monitor restart"),
    }
}

fn disk(home: &Home) -> Check {
    const NAME: &str = "Disk";
    let existing = home.path().ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let free = match rustix::fs::statvfs(existing) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return Check::warning(NAME, format!("{}: {error}", existing.display()), "look at that folder"),
    };
    let said = format!("{} free at {}", size(free), existing.display());
    let fix = "make room, or let CLAUDE_MPM_HOME name a folder on another disk";
    match free {
        free if free < DISK_BYTES_MIN => Check::broken(NAME, said, fix),
        free if free < DISK_BYTES_LOW => Check::warning(NAME, said, fix),
        _ => Check::well(NAME, said),
    }
}

fn key(home: &Home) -> Check {
    const NAME: &str = "Key";
    let path = home.key();
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let has_history = fs::read_dir(home.monitors())
                .into_iter()
                .flatten()
                .flatten()
                .any(|folder| folder.path().join("store.lock").exists());
            return if has_history {
                Check::broken(
                    NAME,
                    format!("{} is gone, and with it the history cannot be read", path.display()),
                    "put it back from your backup",
                )
            } else {
                Check::well(NAME, "none yet; the first start makes one")
            };
        }
        Err(error) => return Check::broken(NAME, format!("{}: {error}", path.display()), "check who owns the folder"),
    };
    let text = fs::read_to_string(&path).unwrap_or_default();
    if text.trim().len() != 64 || !text.trim().bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Check::broken(
            NAME,
            format!("{} holds no key of 64 hexadecimal digits", path.display()),
            "put it back from your backup",
        );
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Check::broken(
            NAME,
            format!("others may read {}", path.display()),
            format!("chmod 600 {}", path.display()),
        )
        .mended_by(|home| Ok(fs::set_permissions(home.key(), fs::Permissions::from_mode(0o600))?));
    }
    Check::well(NAME, "there, and yours alone; keep a copy elsewhere")
}

fn spools(home: &Home) -> Check {
    const NAME: &str = "Spool";
    let running: Vec<u16> = instance::all_running(home).iter().map(|server| server.known.port).collect();
    let folders = fs::read_dir(home.path().join("spool")).into_iter().flatten().flatten();
    let mut waiting: Vec<(u16, u64)> = folders
        .filter_map(|folder| Some((folder.file_name().to_str()?.parse().ok()?, bytes_in(&folder.path()))))
        .filter(|(_, bytes)| *bytes > 0)
        .collect();
    waiting.sort_unstable();
    if let Some((port, bytes)) = waiting.iter().find(|(port, _)| !running.contains(port)) {
        return Check::warning(
            NAME,
            format!("{} wait for a monitor on port {port}", size(*bytes)),
            format!("claude-mpm monitor start --port {port}"),
        );
    }
    match waiting.iter().find(|(_, bytes)| *bytes > BACKLOG_BYTES_MAX) {
        Some((port, bytes)) => Check::warning(
            NAME,
            format!("{} wait although a monitor runs on port {port}", size(*bytes)),
            format!("claude-mpm monitor logs --port {port}"),
        ),
        None => Check::well(NAME, "nothing waits"),
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// Files of monitors that were killed.
fn left_behind(home: &Home) -> Check {
    const NAME: &str = "Stale files";
    let stale: Vec<PathBuf> = instance::all(home)
        .into_iter()
        .filter(|known| !known.process().is_alive())
        .map(|known| known.folder().join(instance::FILE))
        .collect();
    if stale.is_empty() {
        return Check::well(NAME, "none");
    }
    let said = format!(
        "{} of monitors that are gone: {}",
        stale.len(),
        stale.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    );
    Check::warning(NAME, said, "claude-mpm doctor --fix removes them; they do no harm").mended_by(|home| {
        for known in instance::all(home).into_iter().filter(|known| !known.process().is_alive()) {
            fs::remove_file(known.folder().join(instance::FILE))?;
        }
        Ok(())
    })
}

fn client() -> Check {
    const NAME: &str = "Claude Code";
    let Some(version) = claude_version() else {
        return Check::warning(
            NAME,
            "not found on the PATH",
            "install it, or name it: claude-mpm hooks install --client PROGRAM",
        );
    };
    let numbers: Vec<u64> = version.split(['.', ' ', '-']).map_while(|part| part.parse().ok()).collect();
    if numbers.as_slice() < [2, 1, 197].as_slice() {
        return Check::warning(NAME, format!("{version}; hooks are known to work from 2.1.197 on"), "claude update");
    }
    Check::well(NAME, version)
}

/// What `claude --version` says; it is not waited for if it hangs.
fn claude_version() -> Option<String> {
    let mut child = Command::new("claude")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let began = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if began.elapsed() > VERSION_MAX {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Claude Code deletes its own transcripts; ours stay.
fn transcripts() -> Check {
    const NAME: &str = "Transcripts";
    let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = said("CLAUDE_CONFIG_DIR").or_else(|| Some(said("HOME")?.join(".claude")));
    let settings = folder.and_then(|folder| fs::read(folder.join("settings.json")).ok());
    let days = settings.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()?["cleanupPeriodDays"].as_u64());
    match days {
        Some(0) => Check::warning(
            NAME,
            "cleanupPeriodDays is 0: Claude Code keeps none",
            "set it to some days in settings.json",
        ),
        Some(days) => {
            Check::well(NAME, format!("Claude Code deletes its own after {days} days; the monitor's history stays"))
        }
        None => Check::well(
            NAME,
            "Claude Code deletes its own after 30 days (cleanupPeriodDays); the monitor's history stays",
        ),
    }
}

pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
