//! `claude-mpm emit`: an event of one's own, from a shell.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{self, EmitArgs};
use crate::daemon::answer::{self, Words};
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
    let words = Words {
        failed: FAILED,
        nobody: "Start one with 'claude-mpm-monitor', or name its port with --port",
        help: "See docs/monitor.md for what can be emitted",
    };
    report::line(answer::of(port, probe::emit(port, &event), ANSWER_MAX, words)?);
    Ok(())
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
