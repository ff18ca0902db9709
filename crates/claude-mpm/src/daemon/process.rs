//! Processes by more than their number: a number that the system has given to somebody else is never signalled.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::{Deserialize, Serialize};

/// Between two looks whether a process is gone.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A process: its number, and when it began in the system's own ticks. Both together name one process of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// 0 where the system does not tell.
    started: u64,
}

impl Identity {
    /// This process.
    pub(crate) fn own() -> Identity {
        let pid = std::process::id();
        Identity { pid, started: begin(pid).unwrap_or(0) }
    }

    /// When it began, in the system's own ticks; empty where the system does not tell.
    pub(crate) fn started_text(&self) -> String {
        if self.started == 0 { String::new() } else { self.started.to_string() }
    }

    /// The process that has a number now.
    pub(crate) fn of(pid: u32) -> Option<Identity> {
        let identity = Identity { pid, started: begin(pid).unwrap_or(0) };
        identity.is_alive().then_some(identity)
    }

    /// Whether that very process still runs. One that has ended and is not yet collected by its parent does not.
    pub(crate) fn is_alive(&self) -> bool {
        let Some(pid) = raw(self.pid) else { return false };
        // No permission to signal it means that it is there.
        let exists = matches!(test_kill_process(pid), Ok(()) | Err(rustix::io::Errno::PERM));
        exists && begin(self.pid).is_none_or(|began| self.started == 0 || began == self.started) && !is_zombie(self.pid)
    }

    /// Signals that very process; `Ok(false)` if it is gone.
    pub(crate) fn signal(&self, signal: Signal) -> rustix::io::Result<bool> {
        let Some(pid) = raw(self.pid) else { return Ok(false) };
        #[cfg(target_os = "linux")]
        if let Ok(held) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            // The number cannot change hands between this look and the signal: the descriptor stands for the process.
            if !self.is_alive() {
                return Ok(false);
            }
            return rustix::process::pidfd_send_signal(&held, signal).map(|()| true);
        }
        if !self.is_alive() {
            return Ok(false);
        }
        kill_process(pid, signal).map(|()| true)
    }

    /// Waits until it has ended; whether it did within the time.
    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        let began = Instant::now();
        while self.is_alive() {
            if began.elapsed() > time {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        true
    }
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// The words of `/proc/PID/stat` after the name, which stands in parentheses and may hold any character.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn begin(pid: u32) -> Option<u64> {
    // `starttime` is the 22nd word; the first after the name is the third.
    stat(pid)?.get(19)?.parse().ok()
}

/// Whether a process has ended and only its parent has not looked yet. Its first thread may end before the others, which
/// then hold its sockets still.
fn is_zombie(pid: u32) -> bool {
    let is_over = stat(pid).is_some_and(|words| words.first().is_some_and(|state| state == "Z"));
    is_over && fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_belongs_to_another_process_is_not_signalled() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        let other = Identity { started: identity.started + 1, ..identity };
        assert!(identity.is_alive() && !other.is_alive());
        assert_eq!(other.signal(Signal::KILL), Ok(false));
        assert!(child.try_wait().unwrap().is_none(), "it lives");

        assert_eq!(identity.signal(Signal::KILL), Ok(true));
        assert!(identity.ends_within(Duration::from_secs(10)), "a zombie has ended");
        child.wait().unwrap();
        assert!(!identity.is_alive());
    }

    #[test]
    fn this_process_knows_itself() {
        assert!(Identity::own().is_alive());
        assert_eq!(Identity::of(std::process::id()), Some(Identity::own()));
    }
}
