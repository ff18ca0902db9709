//! `--supervise`: a process that starts a crashed monitor again, with pauses that grow up to a bound.

use std::io::{BufRead, BufReader, Read};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::plan::{Once, Plan};
use super::process::Identity;
use super::spawn::{self, Report};

/// The pause after the first crash; it doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(500);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A monitor that has run for so long has recovered: the next crash is a first one again.
const STEADY: Duration = Duration::from_secs(60);

/// The pause before the next start.
fn pause(crashes_in_a_row: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << crashes_in_a_row.saturating_sub(1).min(16)).min(PAUSE_MAX)
}

/// Runs monitors one after the other until one ends as it was told to, or this process is.
pub(crate) async fn run(plan: &Plan) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (mut restarts, mut in_a_row) = (0, 0);
    let mut plan = Plan { supervise: false, ..plan.clone() };
    // One that was handed a token must not come back as one that lets everybody in.
    let token = plan.once.token;
    loop {
        let once = Once { supervisor: Some(Identity::own()), restarts, token, ..std::mem::take(&mut plan.once) };
        let mut child = spawn::spawn(&Plan { once, ..plan.clone() })?;
        let began = Instant::now();
        let process = Identity::of(child.id());
        let stdout = child.stdout.take();
        let is_first = restarts == 0;
        let ended = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            if let Some(stdout) = stdout {
                let _ = BufReader::new(stdout.take(64 * 1024)).read_line(&mut line);
            }
            let said: Option<Report> = serde_json::from_str(&line).ok();
            let port = match &said {
                Some(Report::Ready { port, .. }) => Some(*port),
                _ => None,
            };
            if is_first {
                // Whoever waits for the start gets the monitor's own words.
                spawn::report(&said.unwrap_or(Report::Failed { text: String::new(), code: 1 }));
            }
            (port, child.wait())
        });
        tokio::pin!(ended);
        let mut is_told = false;
        let (port, status) = loop {
            tokio::select! {
                ended = &mut ended => break ended.map_err(std::io::Error::other)?,
                _ = interrupt.recv() => is_told = true,
                _ = terminate.recv() => is_told = true,
            }
            if let Some(process) = process.filter(|_| is_told) {
                let _ = process.signal(Signal::TERM);
            }
        };
        let is_done = is_told || status.as_ref().is_ok_and(ExitStatus::success);
        // A first start that fails is for the person who waits for it to mend.
        if is_done || (is_first && port.is_none()) {
            return Ok(());
        }
        plan.port = port.unwrap_or(plan.port);
        in_a_row = if began.elapsed() > STEADY { 1 } else { in_a_row + 1 };
        restarts += 1;
        tokio::select! {
            () = tokio::time::sleep(pause(in_a_row)) => {}
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let pauses: Vec<u64> = (1..=9).map(|crash| pause(crash).as_millis() as u64).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }
}
