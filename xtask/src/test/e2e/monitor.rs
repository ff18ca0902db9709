//! A running monitor, started again whenever something ends it, until it is told to stop.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::test::home::Home;

/// A start takes a tenth of a second; this is for a machine that does ten other things.
const START_MAX: Duration = Duration::from_secs(30);

/// A stop answers clients and empties queues first.
const STOP_MAX: Duration = Duration::from_secs(15);

/// Where a monitor serves that nobody tells otherwise.
const PORT_USUAL: u16 = 8765;

/// How often it is looked whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The monitor of the browser's tests.
pub(super) struct Monitor {
    port: u16,
    /// Tells a shell which process serves now; written when it does.
    pid_file: PathBuf,
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<anyhow::Result<()>>>,
}

/// What the keeper's thread and the tests know of each other.
#[derive(Default)]
struct Shared {
    /// The process that runs now.
    pid: AtomicU32,
    stopping: AtomicBool,
}

impl Monitor {
    /// Starts it on a free port and waits until it answers.
    pub(super) fn start(program: &Path, home: &Home, logs: &Path) -> anyhow::Result<Monitor> {
        Monitor::start_on(free_port()?, program, home, logs)
    }

    /// The same on the port that users see, where nobody has it.
    pub(super) fn start_as_usual(program: &Path, home: &Home, logs: &Path) -> anyhow::Result<Monitor> {
        let usual = TcpListener::bind(("127.0.0.1", PORT_USUAL)).map(|_| PORT_USUAL);
        Monitor::start_on(usual.or_else(|_| free_port())?, program, home, logs)
    }

    fn start_on(port: u16, program: &Path, home: &Home, logs: &Path) -> anyhow::Result<Monitor> {
        let pid_file = logs.join("monitor.pid");
        let log = File::create(logs.join("monitor.log")).context("making the monitor's log")?;
        let mut command = Command::new(program);
        home.apply(&mut command);
        command.args(["monitor", "start", "--foreground", "--no-dashboard", "--port"]).arg(port.to_string());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let shared = Arc::new(Shared::default());
        let keeper = thread::spawn({
            let (pid_file, shared) = (pid_file.clone(), Arc::clone(&shared));
            move || keep(command, port, &pid_file, &shared)
        });
        let monitor = Monitor { port, pid_file, shared, keeper: Some(keeper) };
        monitor.wait_until_it_serves()?;
        Ok(monitor)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Restarts it, from a shell: ends when the next process serves, or should have long ago.
    pub(super) fn restart_command(&self) -> String {
        let now = format!("\"$(cat '{}')\"", self.pid_file.display());
        format!(
            "old={now}; kill -TERM $old; for try in $(seq 600); do [ {now} = $old ] || exit 0; sleep 0.05; done; exit 1"
        )
    }

    /// Asks it to end, and expects that it ends well.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.signal("TERM");
        let Some(keeper) = self.keeper.take() else { return Ok(()) };
        let end = Instant::now() + STOP_MAX;
        while !keeper.is_finished() {
            if Instant::now() > end {
                self.signal("KILL");
                bail!("the monitor did not end within {} s of SIGTERM", STOP_MAX.as_secs());
            }
            thread::sleep(LOOK_EVERY);
        }
        keeper.join().unwrap_or_else(|_| bail!("the monitor's keeper panicked"))
    }

    fn signal(&self, name: &str) {
        self.shared.stopping.store(true, Relaxed);
        let pid = self.shared.pid.load(Relaxed);
        // To `kill`, 0 means everybody, this program too.
        if pid == 0 {
            return;
        }
        // A shell always has `kill`; the program of that name is a package of its own. It fails when nothing runs.
        let ask = format!("kill -{name} {pid}");
        let _ = Command::new("sh").args(["-c", &ask]).stderr(Stdio::null()).status();
    }

    fn wait_until_it_serves(&self) -> anyhow::Result<()> {
        let end = Instant::now() + START_MAX;
        while !self.pid_file.exists() {
            let has_ended = self.keeper.as_ref().is_none_or(JoinHandle::is_finished);
            ensure!(!has_ended, "the monitor ended at once; see monitor.log beside {}", self.pid_file.display());
            ensure!(Instant::now() < end, "the monitor did not answer within {} s", START_MAX.as_secs());
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if self.keeper.is_some() {
            self.signal("KILL");
        }
    }
}

/// Starts it again and again, until it is told to stop, or ends badly.
fn keep(mut command: Command, port: u16, pid_file: &Path, shared: &Shared) -> anyhow::Result<()> {
    while !shared.stopping.load(Relaxed) {
        let mut process = command.spawn().context("starting the monitor")?;
        shared.pid.store(process.id(), Relaxed);
        let status = loop {
            match process.try_wait().context("waiting for the monitor")? {
                Some(status) => break status,
                None if answers(port) => {
                    fs::write(pid_file, process.id().to_string())
                        .with_context(|| format!("writing {}", pid_file.display()))?;
                    break process.wait().context("waiting for the monitor")?;
                }
                None => thread::sleep(LOOK_EVERY),
            }
        };
        ensure!(status.success(), "the monitor ended with {status}");
    }
    Ok(())
}

/// Whether a monitor serves on this port.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET /health HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// A port that was free a moment ago. Tests have to know it before and after a restart, so 0 would not do.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("finding a free port")?;
    Ok(listener.local_addr()?.port())
}
