//! What a monitor is started with: decided by one process, and carried out by another where it runs in the background.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::process::Identity;
use crate::paths::Home;

/// The dashboard port if nobody names one.
pub(crate) const DASHBOARD_DEFAULT: u16 = 8766;

/// All that the command line, the environment and an earlier run said. The token is not in it: it is never written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) home: Home,
    pub(crate) host: String,
    /// 0 for any free one.
    pub(crate) port: u16,
    pub(crate) dashboard: Dashboard,
    pub(crate) name: Option<String>,
    pub(crate) insecure: bool,
    /// Certificate and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) mode: Mode,
    /// Whether a process watches over it.
    pub(crate) supervise: bool,
    pub(crate) verbose: bool,
    /// The port that was meant and that a stranger has: what hooks write for it is read here, until a monitor of ours has it.
    #[serde(default)]
    pub(crate) drains: Option<u16>,
    /// What only this one start is about.
    #[serde(default)]
    pub(crate) once: Once,
}

/// What belongs to one start and not to the next.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Once {
    /// The folder of the monitor whose sockets it takes over.
    pub(crate) take_over: Option<PathBuf>,
    /// Whether that one has a token, so that this one must not go without.
    pub(crate) token: bool,
    /// Who watches over it.
    pub(crate) supervisor: Option<Identity>,
    /// How often that one has started it again.
    pub(crate) restarts: u32,
}

/// The second port, on which the page is, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Dashboard {
    None,
    /// The default, or the next free one.
    Default,
    Exactly(u16),
}

/// Where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Foreground,
    Background,
}

impl Mode {
    /// As the document prints it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Mode::Foreground => "foreground",
            Mode::Background => "background",
        }
    }
}

impl Plan {
    /// The folder of its state, when it has that port.
    pub(crate) fn folder(&self, port: u16) -> PathBuf {
        self.home.state(self.name.as_deref(), port)
    }

    /// Its address for people.
    pub(crate) fn url(&self, port: u16) -> String {
        url(self.tls.is_some(), &self.host, port)
    }
}

/// An address under which a browser on this machine finds it.
pub(crate) fn url(tls: bool, host: &str, port: u16) -> String {
    let scheme = if tls { "https" } else { "http" };
    match host {
        "0.0.0.0" | "::" | "[::]" => format!("{scheme}://localhost:{port}"),
        v6 if v6.contains(':') && !v6.starts_with('[') => format!("{scheme}://[{v6}]:{port}"),
        other => format!("{scheme}://{other}:{port}"),
    }
}
