//! Which hook events the installed Claude Code knows. One that it does not know opens a dialog at every start of its
//! terminal interface, so only known ones may be registered.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How an event may be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// By default.
    Always,
    /// Only when asked for.
    OnRequest,
    /// Not at all.
    Never,
}

/// An event of Claude Code.
pub(crate) struct HookEvent {
    pub(crate) name: &'static str,
    pub(crate) usage: Use,
    /// Whether clients since 2.1.197 are known to fire it: then it is safe with a client that cannot be examined.
    is_old: bool,
}

const fn event(name: &'static str, usage: Use, is_old: bool) -> HookEvent {
    HookEvent { name, usage, is_old }
}

/// All events of Claude Code.
///
/// `WorktreeCreate` replaces what git does. `WorktreeRemove` looks harmless, but where somebody's own `WorktreeCreate`
/// hook made a worktree, a hook that answers 0 counts as having removed it, and git's removal is not tried any more.
/// `MessageDisplay` runs at each few lines of text. `FileChanged` needs the names of the files to watch.
pub(crate) const EVENTS: [HookEvent; 33] = [
    event("SessionStart", Use::Always, true),
    event("Setup", Use::Always, true),
    event("InstructionsLoaded", Use::Always, true),
    event("UserPromptSubmit", Use::Always, true),
    event("UserPromptExpansion", Use::Always, true),
    event("MessageDisplay", Use::OnRequest, false),
    event("PreToolUse", Use::Always, true),
    event("PermissionRequest", Use::Always, true),
    event("PermissionDenied", Use::Always, true),
    event("PostToolUse", Use::Always, true),
    event("PostToolUseFailure", Use::Always, true),
    event("PostToolBatch", Use::Always, true),
    event("Notification", Use::Always, true),
    event("SubagentStart", Use::Always, true),
    event("SubagentStop", Use::Always, true),
    event("TaskCreated", Use::Always, true),
    event("TaskCompleted", Use::Always, true),
    event("Stop", Use::Always, true),
    event("StopFailure", Use::Always, true),
    event("TeammateIdle", Use::Always, false),
    event("ConfigChange", Use::Always, true),
    event("CwdChanged", Use::Always, true),
    event("DirectoryAdded", Use::Always, false),
    event("FileChanged", Use::OnRequest, true),
    event("WorktreeCreate", Use::Never, false),
    event("WorktreeRemove", Use::Never, false),
    event("PreCompact", Use::Always, true),
    event("PostCompact", Use::Always, true),
    event("Elicitation", Use::Always, true),
    event("ElicitationResult", Use::Always, true),
    event("SessionEnd", Use::Always, true),
    event("PreModelSwitch", Use::Always, false),
    event("PostModelSwitch", Use::Always, false),
];

/// What could be learnt about the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The names of events found in this program.
    Examined {
        /// The file that was searched.
        program: PathBuf,
        /// In the order of [`EVENTS`].
        known: Vec<&'static str>,
    },
    /// There is none, or it is none that can be searched.
    Unknown,
}

impl Client {
    /// Examines the client `said`, else the `claude` on the path.
    ///
    /// An error only for a client that was named and cannot be read or is none.
    pub(crate) fn find(said: Option<&Path>, path: Option<&OsStr>) -> io::Result<Client> {
        if let Some(said) = said {
            let examined = candidates(said).iter().find_map(|program| examine(program).ok().flatten());
            let not_one = || io::Error::new(io::ErrorKind::InvalidData, "it names none of Claude Code's hook events");
            return match examined {
                Some(client) => Ok(client),
                None => Err(File::open(said).err().unwrap_or_else(not_one)),
            };
        }
        let on_path = std::env::split_paths(path.unwrap_or_default()).map(|dir| dir.join("claude"));
        let found = on_path.filter(|program| program.is_file()).flat_map(|program| candidates(&program));
        Ok(found.into_iter().find_map(|program| examine(&program).ok().flatten()).unwrap_or(Client::Unknown))
    }

    /// Whether an event may be registered with it.
    pub(crate) fn knows(&self, event: &HookEvent) -> bool {
        match self {
            Client::Examined { known, .. } => known.contains(&event.name),
            Client::Unknown => event.is_old,
        }
    }
}

/// Files that may be the program behind a command: itself, or what npm put around it.
fn candidates(command: &Path) -> Vec<PathBuf> {
    let program = command.canonicalize().unwrap_or_else(|_| command.to_owned());
    let mut scopes = Vec::new();
    for dir in program.ancestors().chain(command.ancestors()).skip(1).take_while(|dir| dir.parent().is_some()) {
        if dir.ends_with("@anthropic-ai") {
            scopes.push(dir.to_owned());
        }
    }
    // A script that starts it lies beside the modules (`~/.claude/local/claude`) or beside `lib` (npm's `bin/claude`).
    let dir = command.parent().unwrap_or(Path::new("."));
    scopes.extend(
        ["node_modules", "../node_modules", "../lib/node_modules"].map(|at| dir.join(at).join("@anthropic-ai")),
    );
    let mut candidates = vec![program];
    for scope in scopes {
        let package = scope.join("claude-code");
        candidates.extend(platform_programs(&scope));
        candidates.extend(platform_programs(&package.join("node_modules/@anthropic-ai")));
        candidates.push(package.join("cli.js"));
    }
    candidates
}

/// The programs of the packages that npm chooses by platform.
fn platform_programs(scope: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(scope) else { return Vec::new() };
    let names = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("claude-code-"));
    names.map(|entry| entry.path().join("claude")).filter(|program| program.is_file()).collect()
}

/// Searches a program for the names of events in quotes; `None` if it is no client.
fn examine(program: &Path) -> io::Result<Option<Client>> {
    let mut file = File::open(program)?;
    let mut is_known = [false; EVENTS.len()];
    // The end of one part is looked at again with the next, so that no name is cut in two.
    let mut part = vec![0; 1 << 20];
    let mut kept = 0;
    loop {
        let bytes = file.read(&mut part[kept..])?;
        if bytes == 0 {
            break;
        }
        let end = kept + bytes;
        mark_names(&part[..end], &mut is_known);
        if is_known.iter().all(|is_known| *is_known) {
            break;
        }
        kept = end.min(NAME_BYTES_MAX + 2);
        part.copy_within(end - kept..end, 0);
    }
    let known: Vec<_> =
        EVENTS.iter().zip(is_known).filter(|(_, is_known)| *is_known).map(|(event, _)| event.name).collect();
    let is_client = ["SessionStart", "PreToolUse", "PostToolUse", "Stop"].iter().all(|name| known.contains(name));
    Ok(is_client.then(|| Client::Examined { program: program.to_owned(), known }))
}

const NAME_BYTES_MAX: usize = 19;

fn mark_names(part: &[u8], is_known: &mut [bool; EVENTS.len()]) {
    for (at, quote) in part.iter().enumerate().filter(|(_, byte)| matches!(byte, b'"' | b'\'')) {
        let rest = &part[at + 1..part.len().min(at + 2 + NAME_BYTES_MAX)];
        if !rest.first().is_some_and(u8::is_ascii_uppercase) {
            continue;
        }
        let Some(end) = rest.iter().position(|byte| byte == quote) else { continue };
        if let Some(event) = EVENTS.iter().position(|event| event.name.as_bytes() == &rest[..end]) {
            is_known[event] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretend(path: &Path, names: &[&str]) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = vec![b'x'; (1 << 20) - 40];
        for name in names {
            bytes.extend_from_slice(format!(",'{name}'").as_bytes());
        }
        bytes.extend_from_slice(b" PreModelSwitch DirectoryAdded\"");
        std::fs::write(path, bytes).unwrap();
    }

    const OLD: [&str; 5] = ["SessionStart", "PreToolUse", "PostToolUse", "Stop", "UserPromptSubmit"];

    #[test]
    fn a_client_is_examined_wherever_npm_put_it() {
        let temp = tempfile::tempdir().unwrap();
        let native = temp.path().join("lib/node_modules/@anthropic-ai/claude-code-linux-x64/claude");
        pretend(&native, &OLD);
        let script = temp.path().join("lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe");
        std::fs::create_dir_all(script.parent().unwrap()).unwrap();
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        let bin = temp.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(&script, bin.join("claude")).unwrap();
        let expected = Client::Examined {
            program: native.canonicalize().unwrap(),
            known: vec!["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop"],
        };
        let examined = |said: Option<&Path>, path: Option<&OsStr>| match Client::find(said, path).unwrap() {
            Client::Examined { program, known } => Client::Examined { program: program.canonicalize().unwrap(), known },
            Client::Unknown => Client::Unknown,
        };
        assert_eq!(examined(None, Some(bin.as_os_str())), expected);
        assert_eq!(examined(Some(&bin.join("claude")), None), expected);
        assert_eq!(examined(Some(&native), None), expected);
    }

    #[test]
    fn without_a_client_only_old_events_are_known() {
        assert_eq!(Client::find(None, None).unwrap(), Client::Unknown);
        let known = EVENTS.iter().filter(|event| Client::Unknown.knows(event)).count();
        assert_eq!(known, 26);
        assert!(EVENTS.iter().all(|event| event.name.len() <= NAME_BYTES_MAX));
    }

    #[test]
    fn a_named_client_that_is_none_is_an_error() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("claude");
        assert_eq!(Client::find(Some(&path), None).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&path, "echo no hooks here").unwrap();
        assert_eq!(Client::find(Some(&path), None).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
