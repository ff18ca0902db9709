//! Where transcripts lie: which files belong to a session, which is a copy of another, and when one of them changes.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use event::transcript;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde_json::Value;
use tokio::sync::Notify;
use tracing::debug;

use crate::files;

/// Bytes looked through for the first line that has a name.
const HEAD_BYTES: u64 = 256 << 10;

/// Lines looked through for it.
const HEAD_LINES: usize = 40;

/// Conversations in one folder that are compared with a new one, the latest first.
const SIBLINGS_MAX: usize = 500;

/// Subagents of a session whose transcripts are read.
const AGENTS_MAX: usize = 500;

/// Changed files remembered until somebody looks; beyond it they are found by looking at all.
const TOUCHED_MAX: usize = 4_096;

/// Watches on the folders of the files that are followed.
pub(super) struct Folders {
    changed: Arc<Notify>,
    touched: Arc<Mutex<HashSet<PathBuf>>>,
    /// `None` where watching is impossible: whoever reads looks every second anyway.
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
}

impl Folders {
    pub(super) fn new() -> Folders {
        let changed = Arc::new(Notify::new());
        let touched = Arc::new(Mutex::new(HashSet::new()));
        let (notify, files) = (Arc::clone(&changed), Arc::clone(&touched));
        let told = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // Opening is an event, too, and the reader does it: that must not wake it.
            if matches!(event.kind, EventKind::Access(_) | EventKind::Remove(_)) {
                return;
            }
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            if files.len() < TOUCHED_MAX {
                files.extend(event.paths);
            }
            drop(files);
            notify.notify_one();
        };
        let watcher = notify::recommended_watcher(told);
        if let Err(error) = &watcher {
            debug!("no watch on transcripts, looking at them every second instead: {error}");
        }
        Folders { changed, touched, watcher: watcher.ok(), watched: HashSet::new() }
    }

    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// The files that changed since this was last asked.
    pub(super) fn touched(&self) -> HashSet<PathBuf> {
        std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Watches these folders, and no others any more.
    pub(super) fn watch<'a>(&mut self, folders: impl Iterator<Item = &'a Path>) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: HashSet<PathBuf> = folders.map(Path::to_owned).collect();
        for folder in self.watched.difference(&wanted) {
            let _ = watcher.unwatch(folder);
        }
        self.watched.retain(|folder| wanted.contains(folder));
        for folder in wanted {
            if !self.watched.contains(&folder) && watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok() {
                self.watched.insert(folder);
            }
        }
    }
}

/// The transcripts of a session's subagents: path and id.
pub(super) fn agents_of(main: &Path) -> Vec<(PathBuf, String)> {
    let Ok(entries) = fs::read_dir(main.with_extension("").join("subagents")) else { return Vec::new() };
    let named = entries.flatten().filter_map(|entry| {
        let path = entry.path();
        let agent_id = path.file_name()?.to_str()?.strip_prefix("agent-")?.strip_suffix(".jsonl")?.to_owned();
        (agent_id.len() <= 128).then_some((path, agent_id))
    });
    named.take(AGENTS_MAX).collect()
}

/// What kind of agent a file beside its transcript says that it is.
pub(super) fn type_of(transcript: &Path) -> Option<String> {
    let mut text = Vec::new();
    files::open(&transcript.with_extension("meta.json")).ok()?.0.take(HEAD_BYTES).read_to_end(&mut text).ok()?;
    let meta: Value = serde_json::from_slice(&text).ok()?;
    meta.get("agentType").and_then(Value::as_str).filter(|name| name.len() <= 128).map(str::to_owned)
}

/// Whether another conversation in the same folder begins with the same line: this one began as a copy of it.
pub(super) fn is_copy(path: &Path) -> bool {
    let (Some(first), Some(folder)) = (first_uuid(path), path.parent()) else { return false };
    let Ok(entries) = fs::read_dir(folder) else { return false };
    let mut siblings: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|sibling| sibling != path && sibling.extension().is_some_and(|ending| ending == "jsonl"))
        .filter_map(|sibling| Some((fs::metadata(&sibling).ok()?.modified().ok()?, sibling)))
        .collect();
    siblings.sort_by_key(|(modified, _)| std::cmp::Reverse(*modified));
    siblings.iter().take(SIBLINGS_MAX).any(|(_, sibling)| first_uuid(sibling).as_ref() == Some(&first))
}

fn first_uuid(path: &Path) -> Option<String> {
    let head = BufReader::new(files::open(path).ok()?.0.take(HEAD_BYTES));
    head.split(b'\n').take(HEAD_LINES).map_while(Result::ok).find_map(|line| transcript::uuid_of(&line))
}
