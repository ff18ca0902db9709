//! A temporary home, so that no test ever touches the real one.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

/// Folders of build tools that are looked for in the home, and stay where they are: variable, usual place.
const STAY: [(&str, &str); 5] = [
    ("CARGO_HOME", ".cargo"),
    ("RUSTUP_HOME", ".rustup"),
    ("npm_config_cache", ".npm"),
    ("npm_config_userconfig", ".npmrc"),
    ("PIP_CACHE_DIR", ".cache/pip"),
];

/// What would lead a program back to the real home, to the user's monitor, or to the user's screen.
const FORGOTTEN: [&str; 13] = [
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_MPM_HOME",
    "CLAUDE_MPM_HOOK_DEBUG",
    "CLAUDE_MPM_LOG",
    "CLAUDE_MPM_SOCKETIO_PORT",
    "CLAUDE_MPM_SOCKETIO_TOKEN",
    "SOCKETIO_PORT",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];

/// A home for one step; gone when this is dropped.
pub(super) struct Home(PathBuf);

impl Home {
    pub(super) fn new() -> anyhow::Result<Home> {
        let path = env::temp_dir().join(format!("claude-mpm-test-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("making the home {}", path.display()))?;
        Ok(Home(path))
    }

    /// Gives a command this home.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Some(real) = env::home_dir() {
            for (variable, usual) in STAY {
                let place = real.join(usual);
                if env::var_os(variable).is_none() && place.exists() {
                    command.env(variable, place);
                }
            }
        }
        for variable in FORGOTTEN {
            command.env_remove(variable);
        }
        command.env("HOME", &self.0);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What stays behind lies in the temporary folder, and is nobody's.
        let _ = fs::remove_dir_all(&self.0);
    }
}
