//! What launchers tell of their runs: events of their own, and the lines of `stream-json` as they pass.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use event::emitted::{self, Refusal};
use event::event::{Fact, Source, Time};
use event::stream_json::StreamJson;
use serde::Deserialize;
use serde_json::Value;

use crate::app::App;
use crate::clock;

/// Runs whose lines are read at once; of further ones the oldest begins anew.
const RUNS_MAX: usize = 256;

/// What was read of each run.
#[derive(Default)]
pub(crate) struct Streams {
    /// Short scopes only.
    runs: Mutex<VecDeque<(String, StreamJson)>>,
}

/// One thing that a launcher tells.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Told {
    /// A line that its agent printed, and when.
    Line { stream_json: String, time_ms: i64 },
    /// An event in the form in which clients emit them.
    Event(Value),
}

impl Streams {
    /// The facts that a launcher tells of its run.
    pub(crate) fn facts(&self, app: &App, launch: &str, told: Vec<Told>) -> Result<Vec<Fact>, Refusal> {
        let now = clock::now();
        let mut facts = Vec::new();
        for told in told {
            match told {
                Told::Line { stream_json, time_ms } => {
                    let at = Time::from_ms(time_ms).believed(now);
                    facts.extend(self.line(app, launch, stream_json.as_bytes(), at));
                }
                Told::Event(event) => facts.push(emitted::read(event, now, Source::Launcher)?),
            }
        }
        for fact in &mut facts {
            fact.launch_id = Some(launch.to_owned());
        }
        Ok(facts)
    }

    fn line(&self, app: &App, launch: &str, line: &[u8], at: Time) -> Vec<Fact> {
        let Some(session) = StreamJson::session_of(line) else { return Vec::new() };
        let is_hooked = app.hub.state().sessions.get(&session).is_some_and(|session| session.is_hooked());
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let place = runs.iter().position(|(known, _)| known == launch).unwrap_or_else(|| {
            if runs.len() >= RUNS_MAX {
                runs.pop_front();
            }
            runs.push_back((launch.to_owned(), StreamJson::default()));
            runs.len() - 1
        });
        runs.get_mut(place).map(|(_, stream)| stream.take(line, at, is_hooked)).unwrap_or_default()
    }
}
