//! Tells when something changes in a spool's folder.

use std::path::Path;
use std::sync::Arc;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tracing::debug;

/// A watch on a folder, for as long as it lives.
pub(super) struct Watch {
    changed: Arc<Notify>,
    /// `None` where watching is impossible (no inotify left, a network file system): the caller polls anyway.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    pub(super) fn new(dir: &Path) -> Watch {
        let changed = Arc::new(Notify::new());
        let watcher = watcher(dir, Arc::clone(&changed));
        if let Err(error) = &watcher {
            debug!("no watch on the spool {}, polling it instead: {error}", dir.display());
        }
        Watch { changed, _watcher: watcher.ok() }
    }

    pub(super) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

fn watcher(dir: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let told = move |event: notify::Result<notify::Event>| {
        // Opening and listing are events, too, and the reader does both: they must not wake it.
        let is_change = !matches!(event, Ok(notify::Event { kind: EventKind::Access(_) | EventKind::Remove(_), .. }));
        if is_change {
            changed.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(told)?;
    watcher.watch(dir, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
