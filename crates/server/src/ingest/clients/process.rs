//! Processes of this machine, as `/proc` shows them; where there is none, only whether one lives.

use std::fs;

use event::event::Time;

/// Whether a client's children can be seen here.
pub(super) const CHILDREN_ARE_SEEN: bool = cfg!(target_os = "linux");

/// Children of one client that are looked at.
const CHILDREN_MAX: usize = 1_000;

/// Threads of one client that are looked at: each has children of its own.
const THREADS_MAX: usize = 1_000;

/// The kernel counts a process's start in hundredths of a second, on every platform that Linux runs on.
const TICK_MS: i64 = 10;

/// The moment of the boot, from which starts are counted, is known to the second alone.
const BOOT_UNSURE_MS: i64 = 1_500;

/// Whether the process of this number lives, and is the one that started then.
pub(super) fn is_alive(pid: u32, started: &str) -> bool {
    if !cfg!(target_os = "linux") {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        return pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
    }
    let Some((state, start)) = stat(pid) else { return false };
    // Killed, and not yet missed by its parent.
    state != "Z" && state != "X" && (started.is_empty() || start == started)
}

/// Whether the process of this number began before a moment, as far as can be seen.
pub(in crate::ingest) fn began_by(pid: u32, moment: Time) -> bool {
    started_at(pid).is_none_or(|started| started.ms() <= moment.ms() + BOOT_UNSURE_MS)
}

/// When a process began, by the clock of this machine.
fn started_at(pid: u32) -> Option<Time> {
    Some(Time::from_ms(boot_ms()? + stat(pid)?.1.parse::<i64>().ok()? * TICK_MS))
}

/// The process that started then and calls itself `pid`: this machine's number of it. In a container a process has another
/// number than here, and the same start; `None` when no such process lives here.
pub(super) fn seen_from_here(pid: u32, started: &str) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.find(|number| !started.is_empty() && is_alive(*number, started) && calls_itself(*number, pid))
}

/// Whether a process has this number in the innermost namespace that it is in.
fn calls_itself(number: u32, pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    numbers.split_ascii_whitespace().next_back().and_then(|last| last.parse().ok()) == Some(pid)
}

/// When a child of this client began that runs `command`, after `since`.
pub(super) fn child_running(pid: u32, command: &str, since: Time) -> Option<Time> {
    children(pid).into_iter().take(CHILDREN_MAX).find_map(|child| {
        let at = started_at(child)?;
        if at.ms() + BOOT_UNSURE_MS < since.ms() {
            return None;
        }
        let arguments = fs::read(format!("/proc/{child}/cmdline")).ok()?;
        without_quotes(&arguments).contains(command).then_some(at)
    })
}

/// Text as it is the same however a shell quotes it.
pub(super) fn without_quotes(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .filter(|letter| !letter.is_whitespace() && !matches!(letter, '\'' | '"' | '\\' | '\0'))
        .collect()
}

/// The state and the start of a process, from its one line.
fn stat(pid: u32) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.to_owned();
    Some((state, fields.nth(18)?.to_owned()))
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads
        .flatten()
        .take(THREADS_MAX)
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// When this machine was started, in milliseconds since 1970, to the second.
fn boot_ms() -> Option<i64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse::<i64>().ok().map(|seconds| seconds * 1_000)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_lives_until_it_is_killed_and_is_known_by_its_start() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let started = stat(child.id()).unwrap().1;
        assert!(is_alive(child.id(), &started));
        assert!(!is_alive(child.id(), "1"), "another process of the same number");
        child.kill().unwrap();
        // Also before it is waited for.
        while is_alive(child.id(), &started) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!is_alive(child.id(), &started));
    }

    #[test]
    fn a_process_that_began_after_a_moment_is_not_the_one_of_then() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let now = crate::clock::now();
        assert!(began_by(child.id(), now));
        assert!(!began_by(child.id(), Time::from_ms(now.ms() - 60_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(began_by(child.id(), now), "of one that is gone nothing can be seen");
    }

    #[test]
    fn a_process_is_found_by_its_start_and_the_number_it_calls_itself() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let started = stat(child.id()).unwrap().1;
        assert_eq!(seen_from_here(child.id(), &started), Some(child.id()));
        assert_eq!(seen_from_here(child.id() + 1, &started), None, "another calls itself so");
        assert_eq!(seen_from_here(child.id(), ""), None);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen_from_here(child.id(), &started), None);
    }

    #[test]
    fn a_child_is_found_by_its_command_however_it_is_quoted() {
        let mut child =
            Command::new("/bin/sh").args(["-c", "eval 'sleep 60 && echo '\"'\"'it is done'\"'\"''"]).spawn().unwrap();
        let wanted = without_quotes(b"sleep 60 && echo 'it is done'");
        let own = std::process::id();
        let long_ago = Time::from_ms(0);
        let mut seen = None;
        // The child is a copy of this process until it runs the command.
        for _ in 0..10_000 {
            seen = child_running(own, &wanted, long_ago);
            if seen.is_some() {
                break;
            }
            std::thread::yield_now();
        }
        assert!(seen.is_some());
        assert_eq!(child_running(own, &without_quotes(b"sleep 61"), long_ago), None);
        assert_eq!(child_running(own, &wanted, Time::from_ms(i64::MAX - 1)), None, "it began before the question");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
