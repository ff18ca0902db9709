//! The day files of a folder: their names, their number ranges, the connections for reading them, and the lock.

use std::cell::RefCell;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockWriteGuard};

use rusqlite::Connection;
use tracing::error;

use crate::codec::Unpacker;
use crate::day::{date, parse_date};
use crate::error::StoreError;
use crate::index::{IndexFile, with_suffix};
use crate::key::Key;
use crate::retention;
use crate::schema;
use crate::vault::{self, FileKey};

/// Connections for reading that are kept open between uses: enough for a few pages at once on today's file.
const IDLE_CONNECTIONS_MAX: usize = 6;

/// Memory for the pages of an index, in KiB: lists of frequent words are read again and again.
const INDEX_CACHE_KIB: u32 = 2_048;

/// What the writer and all readers share.
pub(crate) struct Folder {
    /// Opens the keys of older files when they are read.
    user: Option<Key>,
    cache_kib: u32,
    /// Whether this process writes here: others change nothing, damaged files included.
    is_owned: bool,
    /// Oldest first, never empty once the writer has opened.
    files: Mutex<Vec<Arc<DayFile>>>,
    /// What is pinned of days that are gone, if there is something.
    pinned: Mutex<Option<Arc<DayFile>>>,
    /// Most recently used last.
    idle: Mutex<Vec<(i64, Opened)>>,
    /// The same for indexes, with the generation of each.
    idle_indexes: Mutex<Vec<((i64, u64), Connection)>>,
    /// Held while a file is removed or an older one is written.
    alone: Mutex<()>,
    /// Held for as long as what is pinned gets more or less, or is written anew: before `alone`, which is held shortly.
    pinning: Mutex<()>,
    /// One more than the last committed number.
    seq_next: AtomicU64,
}

/// An open file, for one reader at a time.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) unpacker: RefCell<Unpacker>,
}

/// The day of no file: older than all of them.
const PINNED: i64 = i64::MIN;

/// One day's file, or what is pinned of days that are gone.
pub(crate) struct DayFile {
    /// Its place in the order of files: days since 1970-01-01, times [`FILES_A_DAY`], and which file of that day.
    pub(crate) day: i64,
    pub(crate) path: PathBuf,
    key: OnceLock<Option<FileKey>>,
    seq_first: OnceLock<u64>,
    pub(crate) index: IndexFile,
    /// How many times events of it were rewritten since the start.
    rewritten: AtomicU64,
    /// Written while another file takes its place: readers wait for that, and it for them.
    in_place: RwLock<()>,
}

impl DayFile {
    pub(crate) fn new(dir: &Path, day: i64) -> DayFile {
        DayFile::at(dir.join(format!("events-{}.db", date(day))), day)
    }

    /// The file of what is pinned; it has no index, for it is small.
    pub(crate) fn pinned(dir: &Path) -> DayFile {
        let file = DayFile::at(dir.join("pinned.db"), PINNED);
        file.knows_seq_first(1);
        file
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.day == PINNED
    }

    fn at(path: PathBuf, day: i64) -> DayFile {
        let index = IndexFile::beside(&path);
        DayFile {
            day,
            path,
            key: OnceLock::new(),
            seq_first: OnceLock::new(),
            index,
            rewritten: AtomicU64::new(0),
            in_place: RwLock::new(()),
        }
    }

    /// The file's key, unwrapped once; `None` when it is not encrypted.
    pub(crate) fn key(&self, user: Option<&Key>) -> Result<Option<&FileKey>, StoreError> {
        if self.key.get().is_none() {
            let _ = self.key.set(vault::load(&self.path, user)?);
        }
        Ok(self.key.get().and_then(Option::as_ref))
    }

    /// Whether it can be read and has no tables yet.
    pub(crate) fn is_unmade(&self, user: Option<&Key>) -> bool {
        let made = self.key(user).and_then(|key| schema::open_reader(&self.path, key, 64));
        made.is_ok_and(|connection| schema::is_initialised(&connection).is_ok_and(|made| !made))
    }

    pub(crate) fn knows_seq_first(&self, seq: u64) {
        let _ = self.seq_first.set(seq);
    }

    /// Held while another file takes its place.
    pub(crate) fn replacing(&self) -> RwLockWriteGuard<'_, ()> {
        self.in_place.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn times_rewritten(&self) -> u64 {
        self.rewritten.load(Ordering::Acquire)
    }

    pub(crate) fn was_rewritten(&self) {
        self.rewritten.fetch_add(1, Ordering::AcqRel);
    }

    /// The events' files first, then what belongs to them.
    pub(crate) fn all_paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        let index = (!self.is_pinned()).then_some(&self.index.path);
        for database in std::iter::once(&self.path).chain(index) {
            paths.extend(["", "-wal", "-shm"].map(|suffix| with_suffix(database, suffix)));
            paths.push(vault::path_of(database));
        }
        paths
    }

    /// Names this file in an error of SQLite.
    pub(crate) fn sql(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
        let path = self.path.clone();
        move |source| StoreError::Sql { action, path: path.clone(), source }
    }
}

impl Folder {
    pub(crate) fn new(user: Option<Key>, cache_kib: u32, files: Vec<Arc<DayFile>>, seq_next: u64) -> Folder {
        let files = Mutex::new(files);
        let (idle, idle_indexes) = (Mutex::default(), Mutex::default());
        Folder {
            user,
            cache_kib,
            is_owned: true,
            files,
            pinned: Mutex::default(),
            idle,
            idle_indexes,
            alone: Mutex::new(()),
            pinning: Mutex::new(()),
            seq_next: AtomicU64::new(seq_next),
        }
    }

    /// The folder of a store that another process may be writing.
    pub(crate) fn of_another(user: Option<Key>, files: Vec<Arc<DayFile>>, seq_next: u64) -> Folder {
        Folder { is_owned: false, ..Folder::new(user, 2_048, files, seq_next) }
    }

    pub(crate) fn user(&self) -> Option<&Key> {
        self.user.as_ref()
    }

    pub(crate) fn seq_next(&self) -> u64 {
        self.seq_next.load(Ordering::Acquire)
    }

    /// Tells readers what is committed.
    pub(crate) fn committed(&self, seq_next: u64) {
        self.seq_next.store(seq_next, Ordering::Release);
    }

    /// The day files, oldest first.
    pub(crate) fn files(&self) -> Vec<Arc<DayFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is pinned of days that are gone, if there is something.
    pub(crate) fn pinned(&self) -> Option<Arc<DayFile>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// There is something pinned from now on.
    pub(crate) fn has_pinned(&self, file: Arc<DayFile>) {
        *self.pinned.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    /// The same when it was there before.
    pub(crate) fn with_pinned(self, dir: &Path) -> Folder {
        let file = DayFile::pinned(dir);
        if file.path.exists() {
            self.has_pinned(Arc::new(file));
        }
        self
    }

    /// All days but the newest, oldest first.
    pub(crate) fn files_but_newest(&self) -> Vec<Arc<DayFile>> {
        let mut files = self.files();
        files.pop();
        files
    }

    /// Whether a file is still part of the store.
    pub(crate) fn holds(&self, file: &DayFile) -> bool {
        if file.is_pinned() {
            return self.pinned().is_some();
        }
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().any(|held| held.day == file.day)
    }

    /// Takes a file off the list, and closes what nobody uses of it; false when it was not there or is the newest.
    pub(crate) fn forget(&self, file: &DayFile) -> bool {
        if file.is_pinned() {
            let held = self.pinned.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|(day, _)| *day != file.day);
            return held.is_some();
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = files.iter().position(|held| held.day == file.day).filter(|at| at + 1 < files.len()) else {
            return false;
        };
        files.remove(at);
        drop(files);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|(day, _)| *day != file.day);
        self.idle_indexes.lock().unwrap_or_else(PoisonError::into_inner).retain(|((day, _), _)| *day != file.day);
        true
    }

    /// Nobody removes a file or writes an older one meanwhile.
    pub(crate) fn alone(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody else puts anything into what is pinned, takes anything out, or writes it anew meanwhile. Waited for by nobody
    /// who writes new events.
    pub(crate) fn pinning(&self) -> MutexGuard<'_, ()> {
        self.pinning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, file: Arc<DayFile>) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push(file);
    }

    /// The first number that belongs into a file.
    pub(crate) fn seq_first_of(&self, file: &DayFile) -> Result<u64, StoreError> {
        if let Some(seq) = file.seq_first.get() {
            return Ok(*seq);
        }
        let meta = self.read(file, |opened| schema::read_meta(&opened.connection).map_err(file.sql("reading")))?;
        Ok(*file.seq_first.get_or_init(|| meta.seq_first))
    }

    /// The file that a number belongs into. For one that is older than all days what is pinned, if there is anything.
    pub(crate) fn file_of(&self, seq: u64) -> Result<Option<Arc<DayFile>>, StoreError> {
        for file in self.files().into_iter().rev() {
            match self.seq_first_of(&file) {
                Ok(first) if seq >= first => return Ok(Some(file)),
                Ok(_) | Err(StoreError::Removed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.pinned())
    }

    /// Reads from a file, through a connection that is kept for the next time.
    pub(crate) fn read<T>(
        &self,
        file: &DayFile,
        read: impl FnOnce(&Opened) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let in_place = file.in_place.read().unwrap_or_else(PoisonError::into_inner);
        let outcome = match self.take_idle(file.day) {
            Some(opened) => Ok(opened),
            None => self.open(file),
        };
        let outcome = outcome.and_then(|opened| {
            let outcome = read(&opened);
            // What failed is not trusted again.
            if outcome.is_ok() && self.holds(file) {
                self.put_idle(file.day, opened);
            }
            outcome
        });
        drop(in_place);
        match outcome {
            Err(error) if error.is_damage() && self.is_owned && self.is_older(file) => {
                error!("reading {}: {error}", file.path.display());
                retention::set_aside(self, file);
                Err(StoreError::Removed { path: file.path.clone() })
            }
            Err(_) if !self.holds(file) => Err(StoreError::Removed { path: file.path.clone() }),
            // The process that owns the folder has removed it since its files were listed.
            Err(_) if !self.is_owned && !file.path.exists() => Err(StoreError::Removed { path: file.path.clone() }),
            outcome => outcome,
        }
    }

    fn is_older(&self, file: &DayFile) -> bool {
        file.is_pinned() || self.files_but_newest().iter().any(|older| older.day == file.day)
    }

    fn open(&self, file: &DayFile) -> Result<Opened, StoreError> {
        let connection = schema::open_reader(&file.path, file.key(self.user())?, self.cache_kib)?;
        let dictionary = schema::read_dictionary(&connection).map_err(file.sql("reading"))?;
        let unpacker = Unpacker::new(&dictionary).map_err(|source| StoreError::Io {
            action: "preparing to read",
            path: file.path.clone(),
            source,
        })?;
        Ok(Opened { connection, unpacker: RefCell::new(unpacker) })
    }

    fn take_idle(&self, day: i64) -> Option<Opened> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let at = idle.iter().rposition(|(of, _)| *of == day)?;
        Some(idle.remove(at).1)
    }

    fn put_idle(&self, day: i64, opened: Opened) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((day, opened));
        let dropped = (idle.len() > IDLE_CONNECTIONS_MAX).then(|| idle.remove(0));
        drop(idle);
        drop(dropped);
    }

    /// Takes a connection to a day's index and gives it back; `None` when there is no index that can be used.
    pub(crate) fn with_index<T>(&self, file: &DayFile, search: impl FnOnce(&Connection) -> T) -> Option<T> {
        let generation = file.index.generation()?;
        let key = (file.day, generation);
        let mut idle = self.idle_indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.iter().rposition(|(of, _)| *of == key).map(|at| idle.remove(at).1);
        drop(idle);
        let connection = match kept {
            Some(connection) => connection,
            None => match file.index.open_reader(self.user(), INDEX_CACHE_KIB) {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!("an index is not used, and will be built anew: {error}");
                    file.index.distrust();
                    return None;
                }
            },
        };
        let found = search(&connection);
        if file.index.generation() == Some(generation) {
            let mut idle = self.idle_indexes.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push((key, connection));
            let dropped = (idle.len() > IDLE_CONNECTIONS_MAX).then(|| idle.remove(0));
            drop(idle);
            drop(dropped);
        }
        Some(found)
    }

    /// Closes the connections to one file that nobody uses.
    pub(crate) fn close_idle_of(&self, file: &DayFile) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).retain(|(day, _)| *day != file.day);
        self.idle_indexes.lock().unwrap_or_else(PoisonError::into_inner).retain(|((day, _), _)| *day != file.day);
    }

    /// Closes the connections that nobody uses.
    pub(crate) fn close_idle(&self) {
        drop(std::mem::take(&mut *self.idle_indexes.lock().unwrap_or_else(PoisonError::into_inner)));
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        drop(idle);
    }
}

/// Creates the folder, for its user alone, if it is not there.
pub(crate) fn create(dir: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| StoreError::Io { action: "creating the folder", path: dir.to_owned(), source })
}

/// A folder taken for this process.
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Said, not left to the closing of the file: a child that another thread has just forked holds it, too, until it
        // runs its own program. An error means that it is not locked.
        let _ = self.0.unlock();
    }
}

/// Takes the folder for this process, until the lock is dropped.
pub(crate) fn lock(dir: &Path) -> Result<Lock, StoreError> {
    let path = dir.join("store.lock");
    let failed = |action| {
        let path = path.clone();
        move |source| StoreError::Io { action, path, source }
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed("opening the lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(20).read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "unknown".to_owned() } else { holder.trim().to_owned() };
            return Err(StoreError::Locked { dir: dir.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(failed("locking")(source)),
    }
    // Only for people: the lock counts, not the number. So a full disk does not matter here.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(Lock(file))
}

/// The days there are files of, oldest first.
pub(crate) fn days(dir: &Path) -> Result<Vec<i64>, StoreError> {
    let failed = |source: io::Error| StoreError::Io { action: "reading the folder", path: dir.to_owned(), source };
    let mut days = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy();
        let day = name.strip_prefix("events-").and_then(|rest| rest.strip_suffix(".db")).and_then(parse_date);
        days.extend(day);
    }
    days.sort_unstable();
    Ok(days)
}
