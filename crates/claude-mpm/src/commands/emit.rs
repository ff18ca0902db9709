//! `claude-mpm emit`: an event of one's own, from a shell.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{self, EmitArgs};
use crate::daemon::probe;
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// The monitor answers when the event is on disk, which a busy one takes its time for.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Runs it, and prints the monitor's answer.
pub(crate) fn run(options: &EmitArgs) -> Result<(), Failure> {
    const FAILED: &str = "The event was not emitted";
    let port = cli::port(options.port, &Settings::load(&Home::find()?)?);
    let data = data(options.data.as_deref()).map_err(|reason| {
        Failure::new(FAILED, reason, "Write the data as JSON in quotes, for example '{\"message\": \"Hello\"}'")
            .with_code(2)
    })?;
    let mut event = json!({ "namespace": options.namespace, "event": options.event, "data": data });
    if let Some(room) = &options.room {
        event["room"] = json!(room);
    }
    let request = probe::emit(port, &event).map_err(|error| {
        Failure::new(FAILED, error, "Set CLAUDE_MPM_SOCKETIO_TOKEN to letters, digits and punctuation without spaces")
    })?;
    let Some((status, answer)) = probe::ask(port, request, ANSWER_MAX) else {
        let reason = format!("no monitor answers on port {port}");
        return Err(Failure::new(FAILED, reason, "Start one with 'claude-mpm-monitor', or name its port with --port")
            .with_code(3));
    };
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    if status == 200 {
        report::line(answer);
        return Ok(());
    }
    let said = |key: &str| answer["error"][key].as_str().map(str::to_owned);
    Err(Failure::new(
        FAILED,
        said("message").unwrap_or_else(|| format!("what listens on port {port} answered {status}")),
        said("suggestion").unwrap_or_else(|| "See docs/monitor.md for what can be emitted".to_owned()),
    ))
}

/// What was said, or comes on stdin for `-`; nothing is an object without fields.
fn data(said: Option<&str>) -> Result<Value, String> {
    let text = match said {
        None => return Ok(json!({})),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| format!("reading stdin: {error}"))?;
            text
        }
        Some(text) => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| format!("the data is no JSON: {error}"))
}
