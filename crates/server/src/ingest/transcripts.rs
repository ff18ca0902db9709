//! The transcripts' door: reads what Claude Code writes of each session it runs, for what no hook tells: the tokens of
//! each answer, what fills the context, an interrupt, a title.
//!
//! Nothing of what was said is taken. A file is read from its committed position on, in pieces, and the position is
//! committed with what came of them; so each answer is told once, whatever happens in between. A copied conversation (a
//! fork) is told only from where it became a session of its own.

mod file;
mod folder;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use event::event::{Fact, Time};
use event::session::Session;
use store::Store;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::app::App;
use crate::clock;
use crate::hub::outbox::Next;
use file::{Followed, Read};
use folder::Folders;

/// How the names of this door's positions begin; the file's path follows.
const DOOR: &str = "transcript:";

/// The watch may miss a change, on a network file system for instance; nothing waits longer than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often a file is looked for that its session has not begun to write.
const LOOK_FOR_NEW_EVERY: Duration = Duration::from_millis(100);

/// Wait before a failed commit is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Files of a session that ended are looked at for so long after its last event: the client's last lines come late.
const AFTER_END_MS: u64 = 60_000;

/// A session that is silent for longer is looked at again when it speaks.
const SILENT_MS: u64 = 3_600_000;

/// A session that began within this time may begin its file any moment.
const MISSING_MS: u64 = 30_000;

/// Files followed at a time; the subagents of a session have one each.
const FILES_MAX: usize = 4_096;

/// Files that are forgotten at a start; the rest is at the next ones.
const FORGOTTEN_MAX: usize = 1_000;

/// Sessions that are known to have been looked for; beyond it they are looked for once more.
const HEARD_MAX: usize = 10_000;

/// How far each transcript was read when the store was last written.
pub(crate) fn positions(store: &Store) -> HashMap<PathBuf, Vec<u8>> {
    let known = store.positions(DOOR).into_iter();
    known.filter_map(|(door, position)| Some((PathBuf::from(door.strip_prefix(DOOR)?), position))).collect()
}

/// Starts the reader.
pub(crate) fn start(app: &Arc<App>, positions: HashMap<PathBuf, Vec<u8>>, tasks: &mut JoinSet<()>) {
    if app.config.transcripts {
        tasks.spawn(follow(Arc::clone(app), positions));
    }
}

/// What is followed, and where each file was read to.
struct Door {
    app: Arc<App>,
    positions: HashMap<PathBuf, Vec<u8>>,
    files: HashMap<PathBuf, Followed>,
    folders: Folders,
    /// Files of sessions that have just begun, and are not there yet.
    missing: HashSet<PathBuf>,
    /// Where sessions that are followed have the folder of their subagents.
    beside: HashSet<PathBuf>,
}

async fn follow(app: Arc<App>, positions: HashMap<PathBuf, Vec<u8>>) {
    let mut door = Door {
        positions,
        files: HashMap::new(),
        folders: Folders::new(),
        missing: HashSet::new(),
        beside: HashSet::new(),
        app: Arc::clone(&app),
    };
    let mut is_tidy = false;
    let changed = door.folders.changed();
    let mut cursor = app.hub.outbox.subscribe();
    let mut looked = None::<Instant>;
    let mut heard_of = HashSet::new();
    while !app.stopped.is_cancelled() {
        let notified = changed.notified();
        let touched = door.folders.touched();
        if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) || touched.iter().any(|path| door.is_new(path)) {
            looked = Some(Instant::now());
            door.find_files().await;
            door.read_all(|_| true).await;
        } else {
            door.read_all(|path| touched.contains(path)).await;
        }
        if !std::mem::replace(&mut is_tidy, true) {
            door.forget_removed().await;
        }
        let soonest = door.files.values().filter_map(Followed::settles_in).min();
        let every = if door.missing.is_empty() { LOOK_EVERY } else { LOOK_FOR_NEW_EVERY };
        tokio::select! {
            () = app.stopped.cancelled() => return,
            () = notified => {}
            // A session that is new here has a file to be found.
            next = app.hub.outbox.next(&mut cursor, usize::MAX) => match next {
                Next::Closed => return,
                Next::Events { events, .. } => {
                    let of = events.iter().filter_map(|published| published.event.fact.session_id.as_deref());
                    if heard_of.len() > HEARD_MAX {
                        heard_of.clear();
                    }
                    for id in of {
                        if !heard_of.contains(id) {
                            heard_of.insert(id.to_owned());
                            looked = None;
                        }
                    }
                }
            },
            () = tokio::time::sleep(soonest.unwrap_or(LOOK_EVERY).min(every)) => {}
        }
        if door.came().await {
            looked = None;
        }
    }
}

impl Door {
    /// Positions of files that the client has removed would be carried along for ever.
    async fn forget_removed(&mut self) {
        let known: Vec<PathBuf> = self.positions.keys().cloned().collect();
        let looking = tokio::task::spawn_blocking(move || {
            let is_gone = |path: &PathBuf| matches!(path.try_exists(), Ok(false));
            known.into_iter().filter(is_gone).take(FORGOTTEN_MAX).collect::<Vec<PathBuf>>()
        });
        for path in looking.await.unwrap_or_default() {
            self.positions.remove(&path);
            if self.app.recorder.record_from(Vec::new(), (door_of(&path), None), false).await.is_err() {
                return;
            }
        }
    }

    /// Whether a file that changed may be one to be followed: others write into the same folders.
    fn is_new(&self, path: &Path) -> bool {
        let is_beside = || path.ancestors().take(3).any(|folder| self.beside.contains(folder));
        let is_of_agents = || path.extension().is_none_or(|ending| ending == "jsonl") && is_beside();
        !self.files.contains_key(path) && (self.missing.contains(path) || is_of_agents())
    }

    /// Whether a file that was not there yet is there now.
    async fn came(&self) -> bool {
        let missing = self.missing.clone();
        if missing.is_empty() {
            return false;
        }
        tokio::task::spawn_blocking(move || missing.iter().any(|path| path.is_file())).await.unwrap_or(false)
    }

    /// Opens the files of sessions that run, and lets go of those that do not any more.
    async fn find_files(&mut self) {
        let now = clock::now();
        let sessions: Vec<Arc<Session>> = self.app.hub.state().sessions.values().cloned().collect();
        let live: HashMap<&str, &Session> = sessions
            .iter()
            .filter(|session| is_live(session, now))
            .map(|session| (session.session_id.as_str(), session.as_ref()))
            .collect();
        let mut closed = Vec::new();
        for (path, file) in &self.files {
            if !live.contains_key(file.session_id()) && file.is_read() {
                closed.push(path.clone());
            }
        }
        for path in closed {
            self.read_one(&path, true).await;
            self.files.remove(&path);
        }
        let wanted: Vec<(PathBuf, String, Time)> = live
            .values()
            .filter_map(|session| Some((main_file(session)?, session.session_id.clone(), session.started_at)))
            .collect();
        let is_young = |session: &&&Session| now.since(session.resumed_at) < MISSING_MS;
        let young = live.values().filter(is_young).filter_map(|session| main_file(session));
        self.missing = young.filter(|path| !self.files.contains_key(path)).collect();
        self.beside = wanted.iter().map(|(path, ..)| path.with_extension("")).collect();
        let known: HashSet<PathBuf> = self.files.keys().cloned().collect();
        let positions = std::mem::take(&mut self.positions);
        let finding = tokio::task::spawn_blocking(move || (find(wanted, &known, &positions), positions));
        let Ok((found, positions)) = finding.await else { return };
        self.positions = positions;
        for file in found {
            self.missing.remove(file.path());
            if self.files.len() < FILES_MAX {
                self.files.insert(file.path().to_owned(), file);
            }
        }
        let parents = self.files.keys().filter_map(|path| path.parent());
        let beside = self.beside.iter().map(PathBuf::as_path);
        self.folders.watch(parents.chain(beside));
    }

    async fn read_all(&mut self, which: impl Fn(&Path) -> bool) {
        let due = |file: &Followed| file.settles_in().is_some_and(|wait| wait.is_zero());
        let paths: Vec<PathBuf> =
            self.files.iter().filter(|(path, file)| which(path) || due(file)).map(|(path, _)| path.clone()).collect();
        for path in paths {
            self.read_one(&path, false).await;
        }
    }

    /// Reads a file to its end, piece by piece, and commits each piece. `last` tells that nothing more will come.
    async fn read_one(&mut self, path: &Path, last: bool) {
        while let Some(mut file) = self.files.remove(path) {
            let prices = Arc::clone(&self.app.config.prices);
            let reading = tokio::task::spawn_blocking(move || {
                let read = file.read(&prices, last);
                (file, read)
            });
            let Ok((file, read)) = reading.await else { return };
            let Read { facts, position, more } = match read {
                Ok(read) => read,
                Err(error) => {
                    debug!("reading the transcript {}: {error}", path.display());
                    // Gone, perhaps for a moment: it is looked for again.
                    return;
                }
            };
            self.files.insert(path.to_owned(), file);
            if let Some(position) = position
                && !self.commit(path, facts, position).await
            {
                return;
            }
            if !more || self.app.stopped.is_cancelled() {
                return;
            }
        }
    }

    /// Stores facts and position together, trying until it works; `false` when the server stops first.
    async fn commit(&mut self, path: &Path, facts: Vec<Fact>, position: Vec<u8>) -> bool {
        let mut again = false;
        loop {
            let place = (door_of(path), Some(position.clone()));
            match self.app.recorder.record_from(facts.clone(), place, again).await {
                Ok(_) => {
                    self.positions.insert(path.to_owned(), position);
                    return true;
                }
                Err(_) if self.app.stopped.is_cancelled() => return false,
                Err(error) => {
                    if !again {
                        warn!("what the transcript {} told: {error}", path.display());
                    }
                    again = true;
                    let _ = tokio::time::timeout(RETRY_AFTER, self.app.stopped.cancelled()).await;
                }
            }
        }
    }
}

fn door_of(path: &Path) -> String {
    format!("{DOOR}{}", path.display())
}

fn is_live(session: &Session, now: Time) -> bool {
    let quiet_ms = now.since(session.last_event_at);
    if session.ended.is_some() { quiet_ms < AFTER_END_MS } else { quiet_ms < SILENT_MS }
}

/// Where a session's transcript lies, if what it says of it can be.
///
/// Anybody who may tell events may name a path: only a file that is called as its session is one.
pub(crate) fn main_file(session: &Session) -> Option<PathBuf> {
    let path = PathBuf::from(session.transcript_path.as_deref()?);
    let is_its_own = path.extension().is_some_and(|ending| ending == "jsonl")
        && path.file_stem().is_some_and(|stem| stem == session.session_id.as_str());
    (path.is_absolute() && is_its_own && path.to_str().is_some()).then_some(path)
}

/// The transcripts of sessions and their subagents that are not open yet.
fn find(
    wanted: Vec<(PathBuf, String, Time)>,
    known: &HashSet<PathBuf>,
    positions: &HashMap<PathBuf, Vec<u8>>,
) -> Vec<Followed> {
    let mut found = Vec::new();
    for (path, session_id, started_at) in wanted {
        let agents = folder::agents_of(&path);
        let is_open = |path: &PathBuf| known.contains(path);
        if !is_open(&path) {
            let position = positions.get(&path).map(Vec::as_slice);
            let copied_until = match position {
                None if folder::is_copy(&path) => Some(started_at),
                _ => None,
            };
            found.extend(Followed::open(&path, &session_id, None, position, copied_until));
        }
        for (path, agent_id) in agents {
            if !is_open(&path) {
                let agent_type = folder::type_of(&path);
                let agent = Some((agent_id.as_str(), agent_type.as_deref()));
                let position = positions.get(&path).map(Vec::as_slice);
                found.extend(Followed::open(&path, &session_id, agent, position, None));
            }
        }
    }
    found
}
