//! A monitor in the background: the same program again, in a session of its own, told what to do through its stdin.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::paths::Home;
use crate::report::{self, Failure};

/// The first word of the command line of a process that runs in the background.
pub(crate) const WORD: &str = "monitor-process";

/// How long a monitor may take until it serves: it may have a large store to look at on a slow disk, and one before it
/// that says goodbye to its clients.
const READY_MAX: Duration = Duration::from_secs(60);

/// How long one start waits for another of the same user.
const OTHER_START_MAX: Duration = Duration::from_secs(60);

/// The largest report of a start, in bytes.
const REPORT_BYTES_MAX: u64 = 64 * 1024;

/// What a starting monitor says on its stdout, one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    Ready { port: u16, dashboard: Option<u16>, pid: u32 },
    PortTaken,
    Failed { text: String, code: u8 },
}

/// Starts it, and waits until it says that it serves, or why it does not.
pub(crate) fn start(plan: &Plan) -> Result<Report, Failure> {
    let failed = |reason: String| {
        Failure::new(
            "Failed to start monitoring server",
            reason,
            "Try 'claude-mpm monitor start --foreground', which shows everything in this terminal",
        )
    };
    fs::create_dir_all(plan.home.logs()).map_err(|error| {
        let reason = format!("making {}: {error}", plan.home.logs().display());
        Failure::new("Failed to start monitoring server", reason, report::way_out(&error))
    })?;
    let mut child = spawn(plan).map_err(|error| failed(format!("starting a process: {error}")))?;
    let stdout = child.stdout.take();
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        if let Some(stdout) = stdout {
            // A process that dies without a word closes its end, and the line is empty.
            let _ = BufReader::new(stdout.take(REPORT_BYTES_MAX)).read_line(&mut line);
        }
        let _ = sender.send(line);
    });
    let line = received.recv_timeout(READY_MAX).map_err(|_| {
        let _ = child.kill();
        failed(format!("it does not serve after {} s", READY_MAX.as_secs()))
    })?;
    serde_json::from_str(&line).map_err(|_| {
        let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        failed(format!("its process ended before it served ({ended}); see {}", plan.home.logs().display()))
    })
}

/// The process, with the plan on its stdin and its report to come on its stdout.
pub(crate) fn spawn(plan: &Plan) -> std::io::Result<std::process::Child> {
    fs::create_dir_all(plan.home.logs())?;
    let port = plan.port.to_string();
    let mut command = Command::new(std::env::current_exe()?);
    // The port is for people who look at the list of processes.
    command.args([WORD, "--port", &port]).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::null());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&serde_json::to_vec(plan)?)?;
    }
    Ok(child)
}

/// Says how the start went, to whoever waits for it. A terminal that has gone meanwhile is no reason to stop.
pub(crate) fn report(said: &Report) {
    let mut stdout = std::io::stdout().lock();
    let _ = serde_json::to_writer(&mut stdout, said);
    let _ = stdout.write_all(b"\n").and_then(|()| stdout.flush());
}

/// The right to start a monitor: held while a port is chosen and until it serves, so that of two starts at once the second
/// sees what the first has done.
pub(crate) struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits for it.
    pub(crate) fn take(home: &Home) -> Result<Turn, Failure> {
        let path = home.monitors().join("start.lock");
        let failed = |reason: String| {
            Failure::new("Failed to start monitoring server", reason, "Wait for it, or end it, then try again")
        };
        let lock = fs::create_dir_all(home.monitors())
            .and_then(|()| File::options().create(true).truncate(false).write(true).open(&path))
            .map_err(|error| {
                let reason = format!("opening {}: {error}", path.display());
                Failure::new("Failed to start monitoring server", reason, report::way_out(&error))
            })?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Turn { _lock: lock }),
                Err(TryLockError::WouldBlock) if began.elapsed() < OTHER_START_MAX => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(failed("another start has been under way for a minute".to_owned()));
                }
                Err(TryLockError::Error(error)) => return Err(failed(format!("locking {}: {error}", path.display()))),
            }
        }
    }
}
