//! `claude-mpm runs`: the agents that run under this user's monitors, and telling one of them something.

use std::io::Read;
use std::time::Duration;

use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{RunsArgs, RunsCommand};
use crate::daemon::answer::{self, Words};
use crate::daemon::{instance, probe};
use crate::paths::Home;
use crate::report::{self, Failure};

/// A monitor waits ten seconds for a launcher.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// A run, and the monitor that knows it.
#[derive(Deserialize)]
struct Run {
    #[serde(skip)]
    port: u16,
    launch_id: String,
    #[serde(default)]
    session_id: Option<String>,
    agent_command: String,
    launch_method: String,
    #[serde(default)]
    working_directory: Option<String>,
    pid: u32,
    commands: Vec<String>,
}

/// Runs it.
pub(crate) fn run(options: &RunsArgs) -> Result<(), Failure> {
    let runs = all(options.port)?;
    match &options.command {
        None if options.json => {
            let listed = json!(runs.iter().map(Run::json).collect::<Vec<_>>());
            report::line(report::harmless_json(&listed.to_string()));
        }
        None => list(&runs),
        Some(RunsCommand::Interrupt { run }) => tell(&runs, run, "interrupt", json!({}))?,
        Some(RunsCommand::Stop { run, force }) => tell(&runs, run, "stop", json!({ "force": force }))?,
        Some(RunsCommand::Prompt { run, text }) => tell(&runs, run, "prompt", json!({ "text": said(text)? }))?,
    }
    Ok(())
}

/// The runs of one monitor, or of all of this user. Of several, one that will not say is named, and the others are told of.
fn all(port: Option<u16>) -> Result<Vec<Run>, Failure> {
    if let Some(port) = port {
        return of(port);
    }
    let running = instance::all_running(&Home::find()?);
    let (mut runs, mut refused) = (Vec::new(), Vec::new());
    for monitor in &running {
        match of(monitor.known.port) {
            Ok(known) => runs.extend(known),
            Err(failure) => refused.push((monitor.known.port, failure)),
        }
    }
    if refused.len() == running.len() {
        return Err(refused.pop().map_or_else(
            || {
                let start = "Start one with 'claude-mpm monitor start'";
                Failure::new("No monitor is running", "none of this user's was found", start).with_code(3)
            },
            |(_, failure)| failure,
        ));
    }
    for (port, _) in refused {
        report::note(format_args!("The monitor of port {port} does not say what runs; ask it with --port {port}."));
    }
    Ok(runs)
}

fn of(port: u16) -> Result<Vec<Run>, Failure> {
    const FAILED: &str = "The runs are not known";
    let words =
        Words { failed: FAILED, nobody: "See 'claude-mpm monitor list'", help: "See 'claude-mpm monitor status'" };
    let body = answer::of(port, probe::get(port, "/api/v1/runs").body(Full::default()), ANSWER_MAX, words)?;
    let listed: Vec<Run> = serde_json::from_value(body["runs"].clone()).map_err(|error| {
        Failure::new(FAILED, format!("the answer of port {port} is no list of runs: {error}"), words.help)
    })?;
    Ok(listed.into_iter().map(|run| Run { port, ..run }).collect())
}

impl Run {
    fn json(&self) -> Value {
        json!({ "launch_id": self.launch_id, "session_id": self.session_id, "port": self.port,
            "agent_command": self.agent_command, "launch_method": self.launch_method,
            "working_directory": self.working_directory, "pid": self.pid, "commands": self.commands })
    }

    fn is_called(&self, id: &str) -> bool {
        let begins = |known: &str| known.starts_with(id);
        !id.is_empty() && (begins(&self.launch_id) || self.session_id.as_deref().is_some_and(begins))
    }
}

fn list(runs: &[Run]) {
    if runs.is_empty() {
        report::note("No agent runs under a monitor. Start one with 'claude-mpm run --monitor'.");
        return;
    }
    report::line(format_args!(
        "{:<17} {:<6} {:<8} {:<11} {:<14} {:<24} FOLDER",
        "RUN", "PORT", "PID", "METHOD", "AGENT", "CAN BE TOLD"
    ));
    for run in runs {
        report::line(format_args!(
            "{:<17} {:<6} {:<8} {:<11} {:<14} {:<24} {}",
            report::harmless(&run.launch_id),
            run.port,
            run.pid,
            report::harmless(&run.launch_method),
            report::harmless(&run.agent_command),
            report::harmless(&run.commands.join(", ")),
            report::harmless(run.working_directory.as_deref().unwrap_or("-")),
        ));
    }
}

/// Tells the one run that is meant.
fn tell(runs: &[Run], id: &str, command: &str, more: Value) -> Result<(), Failure> {
    let failed = format!("The agent was not told to {command}");
    let meant: Vec<&Run> = runs.iter().filter(|run| run.is_called(id)).collect();
    let run = match meant.as_slice() {
        [run] => run,
        [] => {
            return Err(Failure::new(
                failed,
                format!("no run or session that a launcher attends begins with {id:?}"),
                "See 'claude-mpm runs'",
            )
            .with_code(3));
        }
        several => {
            let reason = format!("{} begin with {id:?}", report::count(several.len() as u64, "run"));
            return Err(Failure::new(failed, reason, "Give more of its id; see 'claude-mpm runs'").with_code(2));
        }
    };
    let mut asked = json!({ "command": command, "launch_id": run.launch_id });
    if let (Value::Object(asked), Value::Object(more)) = (&mut asked, more) {
        asked.extend(more);
    }
    let words = Words { failed: &failed, nobody: "See 'claude-mpm monitor list'", help: "See 'claude-mpm runs'" };
    answer::of(run.port, probe::post(run.port, "/api/v1/commands", &asked), ANSWER_MAX, words)?;
    let called = report::harmless(run.session_id.as_deref().unwrap_or(&run.launch_id));
    let told = if command == "prompt" { "was given the prompt".to_owned() } else { format!("was told to {command}") };
    report::line(format_args!("✓ {} ({called}) {told}", report::harmless(&run.agent_command)));
    Ok(())
}

/// The prompt, or what comes on stdin for `-`.
fn said(text: &str) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut read = String::new();
    std::io::stdin().read_to_string(&mut read).map_err(|error| {
        Failure::new("There is no prompt", format!("reading stdin: {error}"), "Give it as an argument")
    })?;
    Ok(read.trim_end().to_owned())
}
