//! Where things lie: everything below `~/.claude-mpm`, or below `CLAUDE_MPM_HOME`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::report::Failure;

/// The user's folder of this program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// Finds it from the environment, as the hook does.
    pub(crate) fn find() -> Result<Home, Failure> {
        let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = said("CLAUDE_MPM_HOME").or_else(|| Some(said("HOME")?.join(".claude-mpm")));
        let home = home.ok_or_else(|| {
            Failure::new(
                "No home directory",
                "neither HOME nor CLAUDE_MPM_HOME is set",
                "Set HOME to your home directory",
            )
        })?;
        // Hooks run in any folder, and would look for another one in each.
        if home.is_relative() {
            return Err(Failure::new(
                format!("{} cannot be used", home.display()),
                "it is a relative path, and means another folder for each program",
                "Set CLAUDE_MPM_HOME to an absolute path",
            )
            .with_code(2));
        }
        // Paths outlive the working directory they were given in.
        std::path::absolute(&home).map(Home).map_err(|error| {
            Failure::new(format!("{} cannot be used", home.display()), error, "Set CLAUDE_MPM_HOME to an absolute path")
        })
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of all monitors, one folder for each.
    pub(crate) fn monitors(&self) -> PathBuf {
        self.0.join("monitor")
    }

    /// The folder of one monitor, called by its name or else its port: its store, its lock, what runs.
    pub(crate) fn state(&self, name: Option<&str>, port: u16) -> PathBuf {
        self.monitors().join(name.map_or_else(|| port.to_string(), str::to_owned))
    }

    /// The folder of logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// The spool that the hooks of a port write to.
    pub(crate) fn spool(&self, port: u16) -> PathBuf {
        self.0.join("spool").join(port.to_string())
    }

    /// The user's key, in a folder of its own because that folder has to be private.
    pub(crate) fn key(&self) -> PathBuf {
        self.0.join("keys").join("store.key")
    }
}
