//! A running monitor, started again whenever something ends it, until it is told to stop.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::test::home::Home;

/// A start takes a tenth of a second; this is for a machine that does ten other things.
const START_MAX: Duration = Duration::from_secs(30);

/// A stop answers clients and empties queues first.
const STOP_MAX: Duration = Duration::from_secs(15);

/// How often it is looked whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The monitor of the browser's tests.
pub(super) struct Monitor {
    port: u16,
    /// Holds the process id of the one that runs now.
    pid: PathBuf,
    stopping: Arc<AtomicBool>,
    keeper: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Monitor {
    /// Starts it and waits until it answers.
    pub(super) fn start(program: &Path, home: &Home, logs: &Path) -> anyhow::Result<Monitor> {
        let port = free_port()?;
        let pid = logs.join("monitor.pid");
        let log = File::create(logs.join("monitor.log")).context("making the monitor's log")?;
        let mut command = Command::new(program);
        home.apply(&mut command);
        command.args(["monitor", "start", "--foreground", "--port"]).arg(port.to_string());
        command.stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let stopping = Arc::new(AtomicBool::new(false));
        let keeper = thread::spawn({
            let (pid, stopping) = (pid.clone(), Arc::clone(&stopping));
            move || keep(command, &pid, &stopping)
        });
        let monitor = Monitor { port, pid, stopping, keeper: Some(keeper) };
        monitor.wait_until_it_answers()?;
        Ok(monitor)
    }

    pub(super) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// What ends it in a shell; it comes back by itself.
    pub(super) fn restart_command(&self) -> String {
        format!("kill -TERM \"$(cat '{}')\"", self.pid.display())
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
        self.stopping.store(true, Relaxed);
        // A shell always has `kill`; the program of that name is a package of its own. It fails when nothing runs.
        let ask = format!("kill -{name} \"$(cat '{}')\"", self.pid.display());
        let _ = Command::new("sh").args(["-c", &ask]).status();
    }

    fn wait_until_it_answers(&self) -> anyhow::Result<()> {
        let end = Instant::now() + START_MAX;
        while !answers(self.port) {
            let has_ended = self.keeper.as_ref().is_none_or(JoinHandle::is_finished);
            ensure!(!has_ended, "the monitor ended at once; see monitor.log beside {}", self.pid.display());
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
fn keep(mut command: Command, pid: &Path, stopping: &AtomicBool) -> anyhow::Result<()> {
    while !stopping.load(Relaxed) {
        let mut process = command.spawn().context("starting the monitor")?;
        fs::write(pid, process.id().to_string()).with_context(|| format!("writing {}", pid.display()))?;
        let status: ExitStatus = process.wait().context("waiting for the monitor")?;
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
