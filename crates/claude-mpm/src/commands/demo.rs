//! `claude-mpm demo`: plays a recorded day of eight sessions through the spool, the way real hooks come.

mod standing;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use event::frame::{self, Stamp};
use serde::Deserialize;

use crate::cli::{self, DemoArgs};
use crate::daemon::instance;
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;
use standing::Standing;

/// The recording, one hook a line. Everything in it is invented.
const RECORDING: &str = include_str!("../../demo/session.jsonl");

/// The spool may hold this much besides, in bytes: the demo never crowds real hooks out.
const SPOOL_BYTES_MAX: u64 = 64 << 20;

/// One hook of the recording.
#[derive(Deserialize)]
struct Line {
    at_ms: u64,
    payload: serde_json::Value,
}

/// Runs it.
pub(crate) fn run(options: &DemoArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let port = cli::port(options.port, &Settings::load(&home)?);
    if instance::running(&home, port).is_none() {
        let reason = format!("no monitor of yours answers on port {port}");
        return Err(Failure::new("The demo has no monitor to play to", reason, "Start one with 'claude-mpm-monitor'")
            .with_code(3));
    }
    let lines = recording()?;
    let last_ms = lines.last().map_or(0, |line| line.at_ms);
    let seconds = last_ms as f64 / 1000.0 / options.speed;
    report::line(format_args!(
        "Playing {} hooks of eight invented sessions in {seconds:.0} s. Watch http://localhost:{port}",
        lines.len()
    ));
    let mut standing = match options.stay.then(Standing::new).transpose() {
        Ok(standing) => standing,
        Err(error) => {
            let what = format!("making its folder: {error}");
            return Err(Failure::new(
                "The demo cannot stay",
                what,
                "Check the folder for temporary files, or leave --stay out",
            ));
        }
    };
    let is_told = play(&lines, options.speed, &home.spool(port), standing.as_mut())?;
    let Some(standing) = standing.filter(|_| !is_told) else {
        report::line("Done. The sessions stay in the history; play it again for new ones.");
        return Ok(());
    };
    report::line("Done. It stays as the client of its sessions, so that what waits goes on waiting; Ctrl C ends both.");
    standing.wait();
    Ok(())
}

fn recording() -> Result<Vec<Line>, Failure> {
    let lines: Result<Vec<Line>, _> =
        RECORDING.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str).collect();
    lines.map_err(|error| Failure::new("The recording is damaged", error, "Install the program again"))
}

/// Plays it; whether a signal ended it before its end.
fn play(lines: &[Line], speed: f64, spool: &Path, mut standing: Option<&mut Standing>) -> Result<bool, Failure> {
    let stopped = |what: String| {
        Failure::new("The demo stopped", what, "Check the folder's permissions and the free space of its disk")
    };
    let began = Instant::now();
    let mut ids = FreshIds::new();
    for line in lines {
        let due = Duration::from_secs_f64(line.at_ms as f64 / 1000.0 / speed);
        if let Some(wait) = due.checked_sub(began.elapsed()) {
            match &standing {
                Some(standing) if standing.is_told_within(wait) => return Ok(true),
                Some(_) => {}
                None => std::thread::sleep(wait),
            }
        }
        let mut payload = line.payload.clone();
        ids.renew(&mut payload);
        if let Some(standing) = &standing {
            standing.claim(&mut payload);
        }
        let mut framed = vec![0; frame::HEAD_BYTES];
        framed.extend_from_slice(payload.to_string().as_bytes());
        let time_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        frame::seal(&mut framed, Stamp { time_ns, parent_pid: std::process::id(), is_cut: false, is_late: false });
        hook::spool::append(spool, SPOOL_BYTES_MAX, &framed)
            .map_err(|error| stopped(format!("writing to {}: {error}", spool.display())))?;
        if let Some(standing) = &mut standing {
            standing.tell(&payload).map_err(|error| stopped(format!("saying how a session stands: {error}")))?;
        }
    }
    Ok(false)
}

/// Gives every id of the recording a new one, so that each showing is a new set of sessions.
struct FreshIds {
    run: u32,
    known: HashMap<String, String>,
}

impl FreshIds {
    fn new() -> FreshIds {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Differs from one showing to the next; nothing depends on it being unpredictable.
        FreshIds { run: (since.as_millis() as u32) ^ std::process::id(), known: HashMap::new() }
    }

    fn renew(&mut self, value: &mut serde_json::Value) {
        const IDS: [&str; 5] = ["session_id", "tool_use_id", "prompt_id", "agent_id", "agentId"];
        match value {
            serde_json::Value::Object(fields) => {
                for (key, field) in fields.iter_mut() {
                    match field {
                        serde_json::Value::String(id) if IDS.contains(&key.as_str()) => *id = self.fresh(id),
                        other => self.renew(other),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.renew(item)),
            _ => {}
        }
    }

    /// Same length, same look: the first eight hexadecimal digits are turned by this run's number.
    fn fresh(&mut self, id: &str) -> String {
        let run = self.run;
        let turn = |id: &str| -> String {
            let mut left = 8;
            id.char_indices()
                .map(|(at, letter)| match letter.to_digit(16) {
                    Some(digit) if left > 0 && (at >= 6 || !id.starts_with("toolu_")) => {
                        left -= 1;
                        let turned = digit ^ (run >> (4 * left) & 15);
                        char::from_digit(turned, 16).unwrap_or(letter)
                    }
                    _ => letter,
                })
                .collect()
        };
        self.known.entry(id.to_owned()).or_insert_with(|| turn(id)).clone()
    }
}
