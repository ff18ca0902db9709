//! What running clients write of themselves: one file for each process, in `sessions` of their configuration folder.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::files;

/// The largest such file that is read, in bytes; real ones have some hundred.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Files of one folder that are read.
const FILES_MAX: usize = 1_000;

/// A client, by its own words.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) session_id: String,
    /// When the kernel says that it started, in its own unit: another process may get its number later.
    #[serde(default, rename = "procStart")]
    pub(super) started: String,
    /// `idle`, `busy` or `waiting`; the terminal interface alone writes it.
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default, rename = "statusUpdatedAt")]
    pub(super) status_at_ms: Option<i64>,
}

/// The folders that are read, and a watch on them.
pub(super) struct Registry {
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    watched: HashSet<PathBuf>,
}

impl Registry {
    pub(super) fn new() -> Registry {
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        let told = move |event: notify::Result<notify::Event>| {
            // Opening is an event, too, and the reader does it: that must not wake it.
            if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
                notify.notify_one();
            }
        };
        Registry { changed, watcher: notify::recommended_watcher(told).ok(), watched: HashSet::new() }
    }

    /// Is told when a client writes.
    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// The clients that say they run, in these configuration folders. A client that was killed stays in there.
    pub(super) fn read(&mut self, configs: &HashSet<PathBuf>) -> Vec<Running> {
        let folders: HashSet<PathBuf> = configs.iter().map(|config| config.join("sessions")).collect();
        self.watch(&folders);
        folders.iter().flat_map(|folder| read_folder(folder)).collect()
    }

    fn watch(&mut self, folders: &HashSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in self.watched.difference(folders) {
            let _ = watcher.unwatch(folder);
        }
        self.watched.retain(|folder| folders.contains(folder));
        for folder in folders {
            if !self.watched.contains(folder) && watcher.watch(folder, RecursiveMode::NonRecursive).is_ok() {
                self.watched.insert(folder.clone());
            }
        }
    }
}

fn read_folder(folder: &Path) -> Vec<Running> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "json"));
    files.take(FILES_MAX).filter_map(|path| read_file(&path)).collect()
}

/// `None` also for a file that is being written: the watch tells when it is whole.
fn read_file(path: &Path) -> Option<Running> {
    let mut text = Vec::new();
    files::open(path).ok()?.0.take(FILE_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
