//! What launchers tell of their runs: events of their own, and the lines of `stream-json` as they pass.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// Short scopes only; a run's own lines are read under a lock of its own.
    runs: Mutex<VecDeque<(String, Arc<Mutex<StreamJson>>)>>,
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
    /// The facts that a launcher tells of its run. A body that is refused is refused before a line of it is read: the
    /// launcher tells the whole again.
    pub(crate) fn facts(&self, app: &App, launch: &str, told: Vec<Told>) -> Result<Vec<Fact>, Refusal> {
        let now = clock::now();
        let read = |told: Told| match told {
            Told::Event(event) => emitted::read(event, now, Source::Launcher).map(|fact| Read::Fact(Box::new(fact))),
            Told::Line { stream_json, time_ms } => Ok(Read::Line(stream_json, Time::from_ms(time_ms).believed(now))),
        };
        let told = told.into_iter().map(read).collect::<Result<Vec<Read>, Refusal>>()?;
        let is_hooked = |session: &str| app.hub.state().sessions.get(session).is_some_and(|known| known.is_hooked());
        let mut facts = Vec::with_capacity(told.len());
        for told in told {
            match told {
                Read::Fact(fact) => facts.push(*fact),
                Read::Line(line, at) => {
                    let stream = self.of(launch);
                    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
                    facts.extend(stream.take(line.as_bytes(), at, is_hooked));
                }
            }
        }
        for fact in &mut facts {
            fact.launch_id = Some(launch.to_owned());
        }
        Ok(facts)
    }

    /// A run is over, and prints nothing more.
    pub(crate) fn forget(&self, launch: &str) {
        self.lock().retain(|(known, _)| known != launch);
    }

    fn of(&self, launch: &str) -> Arc<Mutex<StreamJson>> {
        let mut runs = self.lock();
        if let Some((_, stream)) = runs.iter().find(|(known, _)| known == launch) {
            return Arc::clone(stream);
        }
        if runs.len() >= RUNS_MAX {
            runs.pop_front();
        }
        let stream = Arc::default();
        runs.push_back((launch.to_owned(), Arc::clone(&stream)));
        stream
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Arc<Mutex<StreamJson>>)>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a launcher told, as far as it can be refused.
enum Read {
    Fact(Box<Fact>),
    Line(String, Time),
}
