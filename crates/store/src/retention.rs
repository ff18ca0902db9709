//! What leaves the store: whole days that are too old or too much, oldest first, and files that turned out damaged.
//!
//! A file is taken off the list before its name goes, so that readers see it or a gap, and never half of it. The newest
//! day stays, whatever its age or size: it holds the numbers and the doors' positions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use crate::day;
use crate::error::StoreError;
use crate::folder::{self, DayFile, Folder};
use crate::index::with_suffix;
use crate::key;
use crate::pinned;
use crate::vault;

/// A clock that jumps may be wrong. So no day is old until the clock has run evenly for so long.
const SETTLED: Duration = Duration::from_secs(600);

/// What a clock may be set by while it runs evenly.
const JUMP_MS: i64 = 60_000;

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Days besides today; `None` for all.
    pub days: Option<u32>,
    /// Bytes of all files together; `None` for no limit.
    pub bytes: Option<u64>,
}

/// Removes what is not to be kept, beside the writer and in any thread.
pub struct Keeper {
    dir: PathBuf,
    folder: Arc<Folder>,
    keep: Keep,
    clock: Mutex<Clock>,
    settled: Duration,
    /// The pinned sessions when it last looked whether all that is kept of others is still wanted.
    released: Mutex<Option<BTreeSet<String>>>,
}

/// What the clock said, and since when it has run evenly.
struct Clock {
    said_ms: i64,
    at: Instant,
    even_since: Instant,
}

impl Keeper {
    pub(crate) fn new(dir: PathBuf, folder: Arc<Folder>, keep: Keep, now_ms: i64) -> Keeper {
        let now = Instant::now();
        let clock = Mutex::new(Clock { said_ms: now_ms, at: now, even_since: now });
        Keeper { dir, folder, keep, clock, settled: SETTLED, released: Mutex::default() }
    }

    /// The same with another time that a clock has to run evenly before it is believed.
    pub fn believing_clocks_after(self, settled: Duration) -> Keeper {
        Keeper { settled, ..self }
    }

    /// Removes what is not to be kept, and tells the names of the days' files that are gone.
    pub fn sweep(&self, now_ms: i64) -> Vec<String> {
        let mut gone = Vec::new();
        let pinned = match pinned::sessions(&self.folder).and_then(|pinned| self.release(pinned)) {
            Ok(pinned) => pinned,
            Err(error) => {
                warn!("nothing is removed while it is not known what is pinned: {error}");
                return gone;
            }
        };
        let today = self.believes(now_ms).then(|| day::day_of(now_ms));
        let mut sizes = sizes(&self.dir);
        let mut all: u64 = sizes.values().sum();
        for file in self.folder.files_but_newest() {
            let is_old = match (today, self.keep.days) {
                (Some(today), Some(days)) => file.day < today - i64::from(days) * day::FILES_A_DAY,
                _ => false,
            };
            let is_much = self.keep.bytes.is_some_and(|most| all > most);
            if !is_old && !is_much {
                break;
            }
            if let Err(error) = pinned::keep(&self.folder, &self.dir, &file, &pinned) {
                if matches!(&error, StoreError::Removed { path } if *path == file.path) {
                    continue;
                }
                warn!("{} is not removed, for what is pinned of it cannot be kept: {error}", file.path.display());
                break;
            }
            all -= sizes.remove(&Some(file.day)).unwrap_or_default();
            remove(&self.folder, &file);
            let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            info!("{name} is removed: {}", if is_old { "it is too old" } else { "the store is too large" });
            gone.push(name);
        }
        self.remove_leftovers(sizes.keys().flatten());
        gone
    }

    /// Lets go of what was pinned and is not any more.
    fn release(&self, pinned: BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
        let mut released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        if released.as_ref() != Some(&pinned) {
            pinned::release(&self.folder, &pinned)?;
            *released = Some(pinned.clone());
        }
        Ok(pinned)
    }

    fn believes(&self, now_ms: i64) -> bool {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = clock.said_ms.saturating_add(clock.at.elapsed().as_millis() as i64);
        let now = Instant::now();
        if now_ms.abs_diff(expected) > JUMP_MS.unsigned_abs() {
            clock.even_since = now;
        }
        (clock.said_ms, clock.at) = (now_ms, now);
        clock.even_since.elapsed() >= self.settled
    }

    /// A process that dies in the middle of removing leaves parts of a day without its events.
    fn remove_leftovers<'a>(&self, days: impl Iterator<Item = &'a i64>) {
        let files = self.folder.files();
        let Some(newest) = files.last().map(|file| file.day) else { return };
        for day in days.filter(|day| **day < newest && files.iter().all(|file| file.day != **day)) {
            let file = DayFile::new(&self.dir, *day);
            if !file.path.exists() {
                unlink(&file);
            }
        }
    }
}

/// Takes a day off the list and unlinks it.
fn remove(folder: &Folder, file: &DayFile) {
    // Whoever rewrites an event of it is waited for: it must not make the file anew. Nobody waits for the unlinking.
    let alone = folder.alone();
    folder.forget(file);
    drop(alone);
    unlink(file);
}

/// Unlinks all files of a day, its events first: without them the rest is known to be left over.
fn unlink(file: &DayFile) {
    for path in file.all_paths() {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => warn!("removing {}: {error}", path.display()),
            _ => {}
        }
    }
    if let Err(error) = key::sync_folder_of(&file.path) {
        warn!("removing {}: {error}", file.path.display());
    }
}

/// Moves a damaged day into the folder `damaged`, where nothing looks for it and nothing deletes it.
pub(crate) fn set_aside(folder: &Folder, file: &DayFile) {
    let _alone = folder.alone();
    if !folder.forget(file) {
        return;
    }
    let aside = file.path.with_file_name("damaged");
    let moved = folder::create(&aside).map_err(|error| error.to_string()).and_then(|()| {
        for path in file.all_paths().into_iter().filter(|path| path.exists()) {
            let to = aside.join(path.file_name().unwrap_or_default());
            if to.exists() {
                return Err(format!("{} is there already", to.display()));
            }
            fs::rename(&path, &to).map_err(|error| error.to_string())?;
        }
        Ok(())
    });
    let path = file.path.display();
    match moved {
        Ok(()) => error!("{path} is damaged; it is set aside in {}, and the other days go on", aside.display()),
        Err(reason) => error!("{path} is damaged, and the other days go on; it stays where it is: {reason}"),
    }
}

/// Moves a damaged file that is of no day into the folder `damaged`, with its log and its key, under a name that is free.
pub(crate) fn set_file_aside(path: &Path) -> Result<(), StoreError> {
    let aside = path.with_file_name("damaged");
    folder::create(&aside)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let free = (1..).map(|number| if number == 1 { stem.to_string() } else { format!("{stem}-{number}") });
    let mut targets = free.map(|stem| aside.join(format!("{stem}.db")));
    let Some(to) = targets.find(|to| !to.exists() && !vault::path_of(to).exists()) else { return Ok(()) };
    // The log first: a database that somebody makes here meanwhile must not find it.
    let mut moves = ["-wal", "-shm", ""].map(|suffix| (with_suffix(path, suffix), with_suffix(&to, suffix))).to_vec();
    moves.push((vault::path_of(path), vault::path_of(&to)));
    for (from, to) in moves.into_iter().filter(|(from, _)| from.exists()) {
        fs::rename(&from, to).map_err(|source| StoreError::Io { action: "setting aside", path: from, source })?;
    }
    error!("{} is of no use; it is set aside as {}", path.display(), to.display());
    Ok(())
}

/// Bytes by day; what belongs to no day under `None`.
fn sizes(dir: &Path) -> BTreeMap<Option<i64>, u64> {
    let mut sizes = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            *sizes.entry(day::day_in(&entry.file_name().to_string_lossy())).or_default() += metadata.len();
        }
    }
    sizes
}
