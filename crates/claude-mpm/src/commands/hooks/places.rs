//! Where settings and slash commands lie, and the backups beside them.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::files;
use crate::report::Failure;

/// Whose settings are meant.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The settings file.
    pub(crate) settings: PathBuf,
    /// The folder of slash commands; only the user's own settings come with them.
    pub(crate) commands: Option<PathBuf>,
    /// How to say it on a command line, with a blank before it.
    pub(crate) flag: &'static str,
}

impl Scope {
    /// The user's (`CLAUDE_CONFIG_DIR`, else `~/.claude`), or those of the project in the working directory.
    pub(crate) fn find(project: bool, local: bool) -> Result<Scope, Failure> {
        if project || local {
            let dir = std::env::current_dir().map_err(|error| {
                Failure::new("The project cannot be found", error, "Change to a folder that exists")
            })?;
            let (name, flag) =
                if local { ("settings.local.json", " --local") } else { ("settings.json", " --project") };
            return Ok(Scope { settings: dir.join(".claude").join(name), commands: None, flag });
        }
        let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let dir = said("CLAUDE_CONFIG_DIR").or_else(|| Some(said("HOME")?.join(".claude")));
        let dir = dir.ok_or_else(|| {
            Failure::new(
                "Claude Code's settings cannot be found",
                "neither CLAUDE_CONFIG_DIR nor HOME is set",
                "Set HOME",
            )
        })?;
        Ok(Scope { settings: dir.join("settings.json"), commands: Some(dir.join("commands")), flag: "" })
    }
}

/// The copies of a settings file that were made before it was changed.
pub(crate) struct Backups {
    path: PathBuf,
    prefix: String,
}

impl Backups {
    pub(crate) fn of(settings: &Path) -> Backups {
        let name = settings.file_name().unwrap_or_default().to_string_lossy();
        Backups { path: settings.to_owned(), prefix: format!("{name}.claude-mpm-backup-") }
    }

    /// Keeps a copy, unless there is one of these very bytes; gives its path if one was made.
    pub(crate) fn keep(&self, bytes: Option<&[u8]>) -> io::Result<Option<PathBuf>> {
        let Some(bytes) = bytes else { return Ok(None) };
        if self.contents().iter().any(|content| content == bytes) {
            return Ok(None);
        }
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ").to_string();
        let path = self.path.with_file_name(format!("{}{time}", self.prefix));
        // Settings can hold secrets: a copy is for its owner alone.
        files::write(&path, bytes, 0o600)?;
        Ok(Some(path))
    }

    /// What the copies hold, oldest first.
    pub(crate) fn contents(&self) -> Vec<Vec<u8>> {
        self.paths().iter().filter_map(|path| files::read(path).ok().flatten()).collect()
    }

    /// Removes the copies of what is in its place again.
    pub(crate) fn remove_equal(&self, bytes: Option<&[u8]>) -> io::Result<()> {
        for path in self.paths() {
            if files::read(&path)?.as_deref() == bytes {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn paths(&self) -> Vec<PathBuf> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let is_backup =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&self.prefix));
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(is_backup).collect();
        paths.sort();
        paths
    }
}
