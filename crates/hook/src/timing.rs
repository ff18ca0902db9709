//! With `CLAUDE_MPM_HOOK_DEBUG`: a line for each hook in `logs/hook-PORT.log`, with how long it took and no payload.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// A log that has grown larger, in bytes, becomes the old one: who forgets the variable must not fill the disk.
const LOG_BYTES_MAX: u64 = 4 << 20;

/// The clock of one hook.
pub(crate) struct Timing {
    began: Instant,
    input: Duration,
}

impl Timing {
    pub(crate) fn start() -> Timing {
        Timing { began: Instant::now(), input: Duration::ZERO }
    }

    /// All of stdin was read.
    pub(crate) fn input_read(&mut self) {
        self.input = self.began.elapsed();
    }

    /// Writes the line, if somebody wants it. Nothing that goes wrong matters.
    pub(crate) fn tell(
        &self,
        spool: &Path,
        environment: &dyn Fn(&str) -> Option<OsString>,
        bytes: usize,
        outcome: &str,
    ) -> Option<()> {
        let wanted = environment("CLAUDE_MPM_HOOK_DEBUG")?;
        if wanted.is_empty() || wanted == "0" || wanted == "false" {
            return None;
        }
        let log = path(spool)?;
        std::fs::create_dir_all(log.parent()?).ok()?;
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
            std::fs::rename(&log, log.with_extension("log.1")).ok()?;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let all = self.began.elapsed();
        let mut line = String::new();
        writeln!(
            line,
            "{}.{:03} hook {}: {bytes} bytes, {} ms: input {} ms, spool {} ms: {outcome}",
            now.as_secs(),
            now.subsec_millis(),
            std::process::id(),
            ms(all),
            ms(self.input),
            ms(all.saturating_sub(self.input)),
        )
        .ok()?;
        // One write: lines of hooks that run at once do not mix.
        OpenOptions::new().create(true).append(true).open(log).ok()?.write_all(line.as_bytes()).ok()
    }
}

/// `~/.claude-mpm/spool/8765` → `~/.claude-mpm/logs/hook-8765.log`.
fn path(spool: &Path) -> Option<PathBuf> {
    let mut name = OsString::from("hook-");
    name.push(spool.file_name()?);
    name.push(".log");
    Some(spool.parent()?.parent()?.join("logs").join(name))
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}
