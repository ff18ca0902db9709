//! Running an agent under the monitor: its hooks, its telemetry and its terminal, better than bare and never worse.
//!
//! * [`Launch`]: what is run, and what it is given
//! * `teller.rs`: what the monitor is told of the run; never waits; `attendant.rs`: what the agent is told
//! * `terminal.rs`: in a pseudo terminal; `pipes.rs`: with stdout passed through byte for byte; [`exec`]: in place of this
//!   process
//!
//! The agent does not notice the monitor: when that ends, hooks go on into the spool and the rest is dropped.

mod attendant;
mod lines;
mod pipes;
mod plain;
mod queue;
mod teller;
mod terminal;

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::commands::hooks;
use crate::daemon::probe;
use crate::paths::Home;
use crate::report::Failure;
use teller::Teller;

/// How the agent is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Below this process, which passes its terminal or its output on.
    Subprocess,
    /// In place of this process.
    Exec,
}

/// Flags of Claude Code with which it goes on with a session, so that its id is not ours to choose.
const RESUMES: [&str; 7] = ["--resume", "-r", "--continue", "-c", "--session-id", "--fork-session", "--from-pr"];

/// What gives Claude Code its to-do tools, with every model.
const TODO_TOOLS: &str = "CLAUDE_CODE_ENABLE_TODO_TOOLS";

/// Commands of Claude Code that are no session.
const NO_SESSION: [&str; 11] =
    ["mcp", "config", "doctor", "update", "install", "plugin", "setup-token", "--version", "-v", "--help", "-h"];

/// How long the last words of an agent may take to come, when something it started keeps its terminal or its output.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);

/// An agent to be run.
pub(crate) struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    /// Whether it is Claude Code, which takes hooks, telemetry and a session's id.
    is_claude: bool,
    /// Whether there is something to watch: not `claude --version`.
    is_watched: bool,
    /// The monitor that watches it.
    port: Option<u16>,
    id: String,
    /// Whether others than the person at the terminal may type.
    allow_input: bool,
    session: Option<String>,
}

/// How a run ended: an exit code, or the signal that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
}

impl Ended {
    /// The exit code that shells give it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Ended::Code(code) => code as u8,
            Ended::Signal(signal) => 128_u8.wrapping_add(signal as u8),
        }
    }
}

impl Launch {
    /// Finds the agent; `claude` from the PATH if no other is said.
    pub(crate) fn new(command: Option<&OsStr>, arguments: Vec<OsString>) -> Result<Launch, Failure> {
        let said = command.unwrap_or(OsStr::new("claude"));
        let program = find(said).ok_or_else(|| {
            Failure::new(
                format!("There is no agent to run: {} is not found", said.display()),
                "it is neither a file nor on the PATH",
                "Install Claude Code, or name another program with --agent-command",
            )
        })?;
        let is_claude = program.file_stem().is_some_and(|name| name == "claude");
        let first = arguments.first().and_then(|first| first.to_str());
        let is_watched = !(is_claude && first.is_some_and(|first| NO_SESSION.contains(&first)));
        Ok(Launch {
            program,
            arguments,
            is_claude,
            is_watched,
            port: None,
            id: String::new(),
            allow_input: false,
            session: None,
        })
    }

    /// The same, told to the monitor of this port, if there is one.
    pub(crate) fn watched_by(self, port: Option<u16>, allow_input: bool) -> Result<Launch, Failure> {
        let random = |bytes: &mut [u8]| {
            getrandom::fill(bytes).map_err(|error| {
                Failure::new("The agent was not started", error, "Try again; the system gave no random bytes")
            })
        };
        let (mut id, mut session) = ([0; 8], [0; 16]);
        random(&mut id)?;
        random(&mut session)?;
        let goes_on = |argument: &OsString| {
            let argument = argument.to_str().unwrap_or_default();
            RESUMES.contains(&argument.split_once('=').map_or(argument, |(flag, _)| flag))
        };
        // Another program has no sessions of its own, so a run of it is one.
        let chooses = port.is_some() && (!self.is_claude || (self.is_watched && !self.arguments.iter().any(goes_on)));
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Launch { port, id, allow_input, session: chooses.then(|| uuid(session)), ..self })
    }

    /// Runs it to its end. With [`Method::Exec`] this returns only when it could not be started.
    pub(crate) fn run(self, home: &Home, method: Method) -> Result<Ended, Failure> {
        let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !self.is_headless();
        let how = match method {
            Method::Exec => "exec",
            Method::Subprocess if interactive => "subprocess",
            Method::Subprocess => "headless",
        };
        let mut command = Command::new(&self.program);
        command.args(self.given(home)?).envs(self.environment());
        let teller = self.port.filter(|_| self.is_watched).map(|port| Teller::new(&self, port, how));
        if let Some(teller) = &teller {
            teller.status("starting", None, "The agent is starting");
        }
        let started = match method {
            Method::Exec => {
                // What is told before it is gone; the hooks go on telling.
                if let Some(teller) = &teller {
                    teller.status("running", Some(std::process::id()), "The agent takes this process");
                    teller.drain();
                }
                Err(command.exec())
            }
            Method::Subprocess if interactive => terminal::run(&command, teller.as_ref()),
            Method::Subprocess => pipes::run(command, teller.as_ref()),
        };
        let ended = started.map_err(|error| {
            if let Some(teller) = &teller {
                teller.status("error", None, &format!("The agent could not be started: {error}"));
                teller.close();
            }
            Failure::new(
                format!("{} could not be started", self.program.display()),
                error,
                "See whether the file can be run, or name another program with --agent-command",
            )
        })?;
        if let Some(teller) = &teller {
            teller.ended(ended);
            teller.close();
        }
        Ok(ended)
    }

    /// `-p`, whatever its streams are.
    fn is_headless(&self) -> bool {
        self.is_claude && self.arguments.iter().any(|argument| argument == "-p" || argument == "--print")
    }

    /// Whether its stdout is JSON that says what it does.
    fn prints_json(&self) -> bool {
        let mut formats =
            self.arguments.iter().enumerate().filter_map(|(place, argument)| match argument.to_str()? {
                "--output-format" => self.arguments.get(place + 1)?.to_str(),
                other => other.strip_prefix("--output-format="),
            });
        self.is_claude && formats.next_back().is_some_and(|format| matches!(format, "stream-json" | "json"))
    }

    /// The agent's arguments, and before them what makes it tell the monitor. No file is touched.
    fn given(&self, home: &Home) -> Result<Vec<OsString>, Failure> {
        let mut given: Vec<OsString> = Vec::new();
        if let Some(port) = self.port.filter(|_| self.is_claude && self.is_watched) {
            let settings = hooks::for_one_run(home, port, &self.program)?;
            if self.arguments.iter().any(|argument| argument == "--settings") {
                // Only the last one would count, and it is the user's: those hooks have to be installed.
                tracing::debug!("--settings is the user's, so the hooks of this run are not given");
            } else {
                given.extend(["--settings".into(), settings.into()]);
            }
            if let Some(session) = &self.session {
                given.extend(["--session-id".into(), session.into()]);
            }
        }
        given.extend(self.arguments.iter().cloned());
        Ok(given)
    }

    /// Telemetry to our door, unless the user sends it somewhere already, to-do tools, and who this run is.
    fn environment(&self) -> Vec<(String, String)> {
        let Some(port) = self.port else { return Vec::new() };
        let mut environment = vec![
            ("CLAUDE_MPM_SOCKETIO_PORT".to_owned(), port.to_string()),
            ("CLAUDE_MPM_LAUNCH_ID".to_owned(), self.id.clone()),
        ];
        let is_set = |name: &str| std::env::var_os(name).is_some();
        // Newer models have no to-do tools unless asked for, and then nobody sees what they plan.
        if self.is_claude && !is_set(TODO_TOOLS) {
            environment.push((TODO_TOOLS.to_owned(), "1".to_owned()));
        }
        let theirs = [
            "CLAUDE_CODE_ENABLE_TELEMETRY",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_LOGS_EXPORTER",
            "OTEL_METRICS_EXPORTER",
        ];
        if self.is_claude && !theirs.iter().any(|name| is_set(name)) {
            let endpoint = format!("http://127.0.0.1:{port}");
            for (name, value) in [
                ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
                ("OTEL_LOGS_EXPORTER", "otlp"),
                ("OTEL_METRICS_EXPORTER", "otlp"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ] {
                environment.push((name.to_owned(), value.to_owned()));
            }
            if let Some(token) = probe::token() {
                environment.push(("OTEL_EXPORTER_OTLP_HEADERS".to_owned(), format!("Authorization=Bearer {token}")));
            }
        }
        environment
    }

    /// What every event of this run carries.
    fn identity(&self, how: &str) -> serde_json::Value {
        json!({ "session_id": self.session, "launch_id": self.id, "launch_method": how, "agent_command": self.name(),
            "working_directory": std::env::current_dir().ok().map(|folder| folder.display().to_string()) })
    }

    fn name(&self) -> String {
        self.program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// A file, or a program on the PATH.
fn find(said: &OsStr) -> Option<PathBuf> {
    let path = PathBuf::from(said);
    if path.components().count() > 1 {
        return path.is_file().then_some(path);
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(said)).find(|path| path.is_file())
}

/// A random UUID (version 4), the form of Claude Code's session ids.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_a_uuid() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn the_session_is_ours_to_name_only_when_a_new_one_begins() {
        let folder = tempfile::tempdir().unwrap();
        let claude = folder.path().join("claude");
        std::fs::write(&claude, "").unwrap();
        let session = |program: &OsStr, arguments: &[&str]| {
            let arguments = arguments.iter().map(OsString::from).collect();
            Launch::new(Some(program), arguments).unwrap().watched_by(Some(1), false).unwrap().session.is_some()
        };
        assert!(session(claude.as_os_str(), &[]) && session(claude.as_os_str(), &["-p", "hello"]));
        for arguments in [&["--resume", "x"][..], &["-c"], &["--session-id=x"], &["mcp", "list"], &["--version"]] {
            assert!(!session(claude.as_os_str(), arguments), "{arguments:?}");
        }
        assert!(session(OsStr::new("sh"), &["-c", "true"]), "a run of another program is a session");
    }
}
