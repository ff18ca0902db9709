//! The process of a run that has no launcher any more: it took its place (`exec`).

use rustix::process::{Pid, Signal, kill_process};

use super::{Command, Refusal};

/// The variable by which a launcher names its run to whatever it starts.
const LAUNCH_VARIABLE: &str = "CLAUDE_MPM_LAUNCH_ID";

/// Sends the signal of `command` to the run's process, if that is still the one that it was.
pub(super) fn tell(launch: &str, pid: Option<u32>, command: Command, force: bool) -> Result<(), Refusal> {
    let gone = || Refusal::NoRun(format!("nothing runs any more as {launch}, or its launcher is not here"));
    let pid = pid.filter(|pid| launch_of(*pid).as_deref() == Some(launch)).ok_or_else(gone)?;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    let signal = match (command, force) {
        (Command::Stop, true) => Signal::KILL,
        (Command::Stop, false) => Signal::TERM,
        (Command::Interrupt, _) => Signal::INT,
        (Command::Prompt, _) => {
            return Err(Refusal::Refused(
                "an exec run has no terminal of ours to type into; use --launch-method subprocess".to_owned(),
            ));
        }
    };
    kill_process(pid, signal).map_err(|error| Refusal::Refused(format!("process {}: {error}", pid.as_raw_nonzero())))
}

/// The run that a process belongs to, and its agent's process: the first of those above it that are in the run.
pub(crate) fn agent_above(pid: u32) -> Option<(String, u32)> {
    let launch = launch_of(pid)?;
    let mut agent = pid;
    while let Some(parent) = parent_of(agent)
        && launch_of(parent).as_deref() == Some(&launch)
    {
        agent = parent;
    }
    Some((launch, agent))
}

/// The run that a process belongs to, by its environment; `None` also where the system does not tell.
fn launch_of(pid: u32) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let name = format!("{LAUNCH_VARIABLE}=");
    let value = environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(name.as_bytes()))?;
    String::from_utf8(value.to_vec()).ok().filter(|id| !id.is_empty() && id.len() <= super::ID_BYTES_MAX)
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, spaces and parentheses too.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
