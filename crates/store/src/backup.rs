//! Copies of a store, and a new key for one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::error::StoreError;
use crate::folder::{self, DayFile};
use crate::index;
use crate::inspect::{self, Fault};
use crate::key::{self, Key};
use crate::retention;
use crate::schema;
use crate::vault::{self, FileKey};

/// What a backup holds.
#[derive(Clone, Debug)]
pub struct Copied {
    /// The files of days, oldest first.
    pub files: Vec<String>,
    /// Bytes.
    pub bytes: u64,
    /// What is wrong with the copy, or was with the original.
    pub faults: Vec<Fault>,
}

/// Copies the days of a store into a new or empty folder, as they were when it began; another process may go on writing.
///
/// Indexes are left out: they are made anew. The catalog is copied before the days, for it knows sums of days that are gone;
/// what the copies of the days have besides is counted when they are opened. The copy needs the same user's key, which is not in it.
pub fn backup(dir: &Path, to: &Path, key: Option<&Key>) -> Result<Copied, StoreError> {
    let days = folder::days(dir)?;
    empty(to)?;
    copy_catalog(dir, to, key);
    let (mut files, mut bytes) = (Vec::new(), 0);
    for day in days {
        let (from, copy) = (DayFile::new(dir, day), DayFile::new(to, day));
        match copy_day(&from, &copy, key) {
            Ok(copied) => bytes += copied,
            // Retention was faster.
            Err(_) if !from.path.exists() => {
                copy.all_paths().iter().for_each(|path| drop(fs::remove_file(path)));
                continue;
            }
            Err(error) => return Err(error),
        }
        files.push(copy.path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    // After the days: what retention takes of one meanwhile is in here.
    bytes += copy_pinned(dir, to, key, &mut files)?;
    Ok(Copied { files, bytes, faults: inspect::verify(to, key)? })
}

/// Puts a backup into a folder that has no events, for the next start. Nobody may be writing there.
pub fn restore(from: &Path, dir: &Path, key: Option<&Key>) -> Result<Copied, StoreError> {
    folder::create(dir)?;
    let _lock = folder::lock(dir)?;
    let (events, indexes) = what_is_there(dir)?;
    if events {
        return Err(occupied("restoring to", dir));
    }
    let days = folder::days(from)?;
    if days.is_empty() {
        let source = io::Error::new(io::ErrorKind::NotFound, "there is no backup in it");
        return Err(StoreError::Io { action: "restoring from", path: from.to_owned(), source });
    }
    let faults = inspect::verify(from, key)?;
    // Indexes and sums of what was there before are of other events.
    indexes.iter().for_each(|path| drop(fs::remove_file(path)));
    if dir.join("catalog.db").exists() {
        retention::set_file_aside(&dir.join("catalog.db"))?;
    }
    let (mut files, mut bytes) = (Vec::new(), 0);
    let mut copy = || {
        for day in &days {
            let (from, copy) = (DayFile::new(from, *day), DayFile::new(dir, *day));
            bytes += copy_day(&from, &copy, key)?;
            files.push(copy.path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        bytes += copy_pinned(from, dir, key, &mut files)?;
        Ok(())
    };
    if let Err(error) = copy() {
        // Half of it would be taken for all by the next start. None of these was there before.
        for copy in days.iter().map(|day| DayFile::new(dir, *day)).chain([DayFile::pinned(dir)]) {
            copy.all_paths().iter().for_each(|path| drop(fs::remove_file(path)));
        }
        return Err(error);
    }
    copy_catalog(from, dir, key);
    Ok(Copied { files, bytes, faults })
}

/// Whether there is anything of events in a folder, a log or a key too, and the files of indexes.
fn what_is_there(dir: &Path) -> Result<(bool, Vec<PathBuf>), StoreError> {
    let failed = |source| StoreError::Io { action: "reading the folder", path: dir.to_owned(), source };
    let (mut events, mut indexes) = (false, Vec::new());
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        events |= name.starts_with("events-") || name.starts_with("pinned.");
        if name.starts_with("index-") {
            indexes.push(entry.path());
        }
    }
    Ok((events, indexes))
}

/// Copies what is pinned of days that are gone, if there is something.
fn copy_pinned(from: &Path, to: &Path, key: Option<&Key>, files: &mut Vec<String>) -> Result<u64, StoreError> {
    let (from, to) = (DayFile::pinned(from), DayFile::pinned(to));
    if !from.path.exists() {
        return Ok(0);
    }
    let bytes = copy_day(&from, &to, key)?;
    files.push("pinned.db".to_owned());
    Ok(bytes)
}

/// Copies the catalog, if there is one that can be read: it is a cache, and no reason to fail.
fn copy_catalog(from: &Path, to: &Path, key: Option<&Key>) {
    let path = from.join("catalog.db");
    let copied = (|| {
        if !path.exists() {
            return Ok(());
        }
        let wrapped = vault::path_of(&path);
        let file_key = vault::load(&path, key)?;
        if wrapped.exists() {
            copy(&wrapped, &vault::path_of(&to.join("catalog.db")))?;
        }
        copy_file(&path, &to.join("catalog.db"), file_key.as_ref()).map(drop)
    })();
    if let Err(error) = copied {
        warn!("the sums of days that are gone are not in the copy: {error}");
        remove_catalog(to);
    }
}

fn remove_catalog(dir: &Path) {
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm", "catalog.key"] {
        let _ = fs::remove_file(dir.join(name));
    }
}

/// Wraps the keys of all files of a folder with another user's key. Nobody may be writing there. Doing it again after it
/// was cut short goes on.
pub fn rotate(dir: &Path, old: &Key, new: &Key) -> Result<usize, StoreError> {
    let _lock = folder::lock(dir)?;
    let failed = |source| StoreError::Io { action: "reading the folder", path: dir.to_owned(), source };
    let mut rewrapped = 0;
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "key") && path.with_extension("db").exists() {
            vault::rewrap(&path, old, new)?;
            rewrapped += 1;
        }
    }
    Ok(rewrapped)
}

/// Copies a day, its key first.
fn copy_day(from: &DayFile, to: &DayFile, key: Option<&Key>) -> Result<u64, StoreError> {
    let wrapped = vault::path_of(&from.path);
    if wrapped.exists() {
        copy(&wrapped, &vault::path_of(&to.path))?;
    }
    copy_file(&from.path, &to.path, from.key(key)?)
}

/// Copies a database while a read transaction keeps its log from being begun anew.
///
/// The file first, then its log: what a checkpoint writes into the file meanwhile is in the log as well, whole, so that
/// the copy's log puts it right. Frames that come while the log is copied are taken up to the last whole commit.
fn copy_file(from: &Path, to: &Path, key: Option<&FileKey>) -> Result<u64, StoreError> {
    let reading = |source| StoreError::Sql { action: "reading", path: from.to_owned(), source };
    let connection = schema::open_reader(from, key, 512)?;
    let snapshot = connection.unchecked_transaction().map_err(reading)?;
    snapshot.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(reading)?;
    copy(from, to)?;
    let log = index::with_suffix(from, "-wal");
    if log.exists() {
        copy(&log, &index::with_suffix(to, "-wal"))?;
    }
    drop(snapshot);
    // Takes the log into the copy, so that it is one file.
    drop(schema::open_writer(to, key, 512)?);
    File::open(to)
        .and_then(|file| file.sync_all())
        .and_then(|()| key::sync_folder_of(to))
        .map_err(|source| StoreError::Io { action: "making durable", path: to.to_owned(), source })?;
    Ok(fs::metadata(to).map_or(0, |found| found.len()))
}

fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let copied = File::open(from).and_then(|mut source| {
        let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        io::copy(&mut source, &mut target)
    });
    copied.map(drop).map_err(|source| StoreError::Io { action: "copying", path: from.to_owned(), source })
}

fn empty(dir: &Path) -> Result<(), StoreError> {
    folder::create(dir)?;
    let first = fs::read_dir(dir).map(|mut entries| entries.next().is_some());
    match first {
        Ok(false) => Ok(()),
        Ok(true) => Err(occupied("copying to", dir)),
        Err(source) => Err(StoreError::Io { action: "reading the folder", path: dir.to_owned(), source }),
    }
}

fn occupied(action: &'static str, dir: &Path) -> StoreError {
    let source = io::Error::new(io::ErrorKind::AlreadyExists, "there is something in it already");
    StoreError::Io { action, path: PathBuf::from(dir), source }
}
