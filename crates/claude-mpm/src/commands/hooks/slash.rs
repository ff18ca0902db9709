//! The slash commands of the monitor, as files that Claude Code reads.

use std::io;
use std::path::{Path, PathBuf};

use super::files;

/// A command: its file below `commands/`, its description, its arguments, and what it runs.
struct SlashCommand {
    file: &'static str,
    description: &'static str,
    arguments: &'static str,
    runs: &'static str,
}

const MONITOR: SlashCommand = SlashCommand {
    file: "mpm-monitor.md",
    description: "Control Claude MPM monitoring server for real-time dashboard interface",
    arguments: "start|stop|restart|status|port [options]",
    runs: "claude-mpm monitor $ARGUMENTS",
};

/// All of them. Claude Code calls a file in `mpm/system` by the folders' names: `/mpm:system:monitor`.
const COMMANDS: [SlashCommand; 6] = [
    MONITOR,
    SlashCommand { file: "mpm/system/monitor.md", ..MONITOR },
    SlashCommand {
        file: "mpm-status.md",
        description: "Show overall system status including monitoring server",
        arguments: "[--json]",
        runs: "claude-mpm status $ARGUMENTS",
    },
    SlashCommand {
        file: "mpm-doctor.md",
        description: "Diagnose monitoring and server issues",
        arguments: "",
        runs: "claude-mpm doctor $ARGUMENTS",
    },
    SlashCommand {
        file: "mpm-config.md",
        description: "Configure monitoring server settings",
        arguments: "[options]",
        runs: "claude-mpm config $ARGUMENTS",
    },
    SlashCommand {
        file: "mpm-init.md",
        description: "Initialize project with monitoring configuration",
        arguments: "[--port PORT]",
        runs: "claude-mpm init $ARGUMENTS",
    },
];

const MARK: &str = "<!-- claude-mpm hooks install wrote this file: ";

impl SlashCommand {
    fn text(&self) -> String {
        let SlashCommand { description, arguments, runs, .. } = self;
        let program = runs.split(" $").next().unwrap_or(runs);
        let body = format!(
            "---\ndescription: {description}\nargument-hint: \"{arguments}\"\nallowed-tools: Bash({program}:*)\n---\n\n\
             !`{runs}`\n\nShow the output above as it is. If it is an error, explain it in one sentence.\n"
        );
        format!("{body}\n{MARK}{:016x} -->\n", checksum(&body))
    }
}

/// What became of the commands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Files written or removed.
    pub(crate) changed: Vec<PathBuf>,
    /// Files that somebody else made or changed: left alone.
    pub(crate) left: Vec<PathBuf>,
}

/// Writes the commands into the `commands` folder `dir`; with `dry_run` only says which.
pub(crate) fn install(dir: &Path, dry_run: bool) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    for command in &COMMANDS {
        let path = dir.join(command.file);
        let (old, new) = (files::read(&path)?, command.text());
        if old.as_deref() == Some(new.as_bytes()) {
            continue;
        }
        if old.is_some_and(|old| !is_ours(&old)) {
            outcome.left.push(path);
            continue;
        }
        if !dry_run {
            files::write(&path, new.as_bytes(), 0o644)?;
        }
        outcome.changed.push(path);
    }
    Ok(outcome)
}

/// Removes the commands that are still as they were written.
pub(crate) fn uninstall(dir: &Path, dry_run: bool) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    for command in &COMMANDS {
        let path = dir.join(command.file);
        let Some(old) = files::read(&path)? else { continue };
        if !is_ours(&old) {
            outcome.left.push(path);
            continue;
        }
        if !dry_run {
            std::fs::remove_file(&path)?;
            if let (Some(parent), Some(top)) = (path.parent(), dir.parent()) {
                files::remove_empty(parent, top);
            }
        }
        outcome.changed.push(path);
    }
    Ok(outcome)
}

/// How many of the commands are installed, and how many there are.
pub(crate) fn count(dir: &Path) -> (usize, usize) {
    let is_there =
        |command: &&SlashCommand| files::read(&dir.join(command.file)).ok().flatten().is_some_and(|old| is_ours(&old));
    (COMMANDS.iter().filter(is_there).count(), COMMANDS.len())
}

/// Whether a file is one that we wrote, of this release or another, and nobody changed.
fn is_ours(bytes: &[u8]) -> bool {
    let Some((body, mark)) = std::str::from_utf8(bytes).ok().and_then(|text| text.rsplit_once(MARK)) else {
        return false;
    };
    let Some(body) = body.strip_suffix('\n') else { return false };
    mark.trim_end().strip_suffix(" -->") == Some(&format!("{:016x}", checksum(body)))
}

/// FNV-1a: tells an edited file from an untouched one, and need tell nothing more.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_once_and_go_without_a_trace() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("commands");
        assert_eq!(install(&dir, true).unwrap().changed.len(), 6);
        assert!(!dir.exists());
        assert_eq!(install(&dir, false).unwrap().changed.len(), 6);
        assert_eq!(install(&dir, false).unwrap(), Outcome::default());
        assert_eq!(count(&dir), (6, 6));
        assert!(dir.join("mpm/system/monitor.md").exists());
        assert_eq!(uninstall(&dir, false).unwrap().changed.len(), 6);
        assert!(!dir.exists(), "an empty folder stayed behind");
    }

    #[test]
    fn what_somebody_else_made_or_changed_stays() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("commands");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("mpm-init.md"), "mine").unwrap();
        assert_eq!(install(&dir, false).unwrap().left, [dir.join("mpm-init.md")]);
        let edited = std::fs::read_to_string(dir.join("mpm-status.md")).unwrap().replace("Show the", "Do not show the");
        std::fs::write(dir.join("mpm-status.md"), &edited).unwrap();
        assert_eq!(uninstall(&dir, false).unwrap().left, [dir.join("mpm-status.md"), dir.join("mpm-init.md")]);
        assert_eq!(std::fs::read_to_string(dir.join("mpm-status.md")).unwrap(), edited);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2);
    }
}
