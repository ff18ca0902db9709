//! Erasing a session: the files that hold something of it are written anew without it, in the background.
//!
//! That a session is to be erased, and up to which number, stands in the newest file among the doors' positions, until
//! nothing is left of it: a process that dies in the middle goes on at its next start. Before, the writer goes on in a new
//! file of the same day, so that no file is written that is written to. Numbers are never given out again: those of the
//! session are tombstones.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tracing::info;

use crate::error::StoreError;
use crate::folder::{DayFile, Folder, Opened};
use crate::heads::{self, Block, Filter, Head, HeadReader, HeadWriter, Names};
use crate::index::with_suffix;
use crate::key;
use crate::pinned;
use crate::schema::{self, Meta};
use crate::sums::Sums;

/// What the position of no door begins with: the rest is a session's id.
const MARK: &str = "erase ";

/// Events copied in one transaction, and between two looks at whether to stop.
const CHUNK: i64 = 2_000;

/// How long whoever reads a file of another process may hold up its replacement; then it is tried again.
const BUSY: Duration = Duration::from_millis(200);

/// How often a catalog that somebody reads is tried to be emptied of what it had.
const TRIES: u32 = 40;

/// Files made before sessions could be erased have none.
const TOMBSTONES: &str =
    "CREATE TABLE IF NOT EXISTS tombstones (seq_from INTEGER PRIMARY KEY, seq_to INTEGER NOT NULL)";

/// Under which name it stands that a session is to be erased.
pub(crate) fn mark(session: &str) -> String {
    format!("{MARK}{session}")
}

/// The session that a position says is to be erased, and below which number, if it does.
pub(crate) fn marked<'a>(position: &'a str, value: &[u8]) -> Option<(&'a str, u64)> {
    Some((position.strip_prefix(MARK)?, u64::from_le_bytes(value.try_into().ok()?)))
}

/// Whether an event was erased.
pub(crate) fn is_tombstone(connection: &Connection, seq: u64) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sqlite_master WHERE name = 'tombstones'";
    if connection.prepare_cached(sql)?.query_row([], |_| Ok(())).optional()?.is_none() {
        return Ok(false);
    }
    let sql = "SELECT 1 FROM tombstones WHERE seq_from <= ?1 AND seq_to >= ?1";
    Ok(connection.prepare_cached(sql)?.query_row([seq as i64], |_| Ok(())).optional()?.is_some())
}

/// Erases sessions beside the writer, in a thread of its own.
pub struct Eraser {
    dir: PathBuf,
    folder: Arc<Folder>,
    sums: Arc<Sums>,
}

/// How an erasing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasing {
    /// Nothing is left of it below the number; so many events were erased from older files.
    Done(u64),
    /// The newest file has something of it: the writer is to go on in another one, and then it is to be tried again.
    Newest,
    /// It was told to stop.
    Stopped,
}

impl Eraser {
    pub(crate) fn new(dir: PathBuf, folder: Arc<Folder>, sums: Arc<Sums>) -> Eraser {
        Eraser { dir, folder, sums }
    }

    /// The sessions that are to be erased, each with the number below which.
    pub fn waiting(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let Some(newest) = self.folder.files().pop() else { return Ok(Vec::new()) };
        let read = |opened: &Opened| schema::read_meta(&opened.connection).map_err(newest.sql("reading"));
        let meta = self.folder.read(&newest, read)?;
        let marks = meta.positions.iter().filter_map(|(name, value)| marked(name, value));
        Ok(marks.map(|(session, below)| (session.to_owned(), below)).collect())
    }

    /// Erases the events of a session below a number, their indexes, and its name from the catalog. Blocking, and long in
    /// a large file; may be repeated.
    pub fn erase(&self, session: &str, below: u64, stop: &dyn Fn() -> bool) -> Result<Erasing, StoreError> {
        let mut events = 0;
        for file in self.folder.pinned().into_iter().chain(self.folder.files_but_newest()) {
            if stop() {
                return Ok(Erasing::Stopped);
            }
            match self.erase_from(&file, session, below, stop) {
                Ok(Some(erased)) => events += erased,
                Ok(None) => return Ok(Erasing::Stopped),
                // Retention was faster, or it is damaged and set aside.
                Err(StoreError::Removed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if self.is_in_newest(session, below)? {
            return Ok(Erasing::Newest);
        }
        self.erase_from_catalog(session)?;
        Ok(Erasing::Done(events))
    }

    /// Whether the file that is being written has something of the session, because no other could be begun.
    fn is_in_newest(&self, session: &str, below: u64) -> Result<bool, StoreError> {
        let Some(newest) = self.folder.files().pop() else { return Ok(false) };
        if self.folder.seq_first_of(&newest)? >= below {
            return Ok(false);
        }
        let numbers = |opened: &Opened| numbers_of(&opened.connection, session, below).map_err(newest.sql("reading"));
        Ok(!self.folder.read(&newest, numbers)?.is_empty())
    }

    /// Writes a file anew if there is something of the session in it; how many events were left out.
    fn erase_from(
        &self,
        file: &Arc<DayFile>,
        session: &str,
        below: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<u64>, StoreError> {
        // What is copied into it meanwhile would not be in the one that takes its place.
        let _pinning = file.is_pinned().then(|| self.folder.pinning());
        let found = self.folder.read(file, |opened| {
            let reading = file.sql("reading");
            let meta = schema::read_meta(&opened.connection).map_err(&reading)?;
            let is_marked = meta.positions.iter().any(|(name, _)| is_about(name, session));
            Ok((numbers_of(&opened.connection, session, below).map_err(&reading)?, is_marked))
        })?;
        let (numbers, is_marked) = found;
        if numbers.is_empty() && !is_marked {
            return Ok(Some(0));
        }
        let new = with_suffix(&file.path, ".new");
        let leftover =
            || ["", "-wal", "-shm"].iter().for_each(|suffix| drop(fs::remove_file(with_suffix(&new, suffix))));
        leftover();
        let written = self.write_anew(file, &new, session, &numbers, stop);
        if !matches!(written, Ok(true)) {
            leftover();
        }
        if !written? {
            return Ok(None);
        }
        info!("{} is written anew without {} events", file.path.display(), numbers.len());
        Ok(Some(numbers.len() as u64))
    }

    fn write_anew(
        &self,
        file: &Arc<DayFile>,
        new: &Path,
        session: &str,
        numbers: &BTreeSet<u64>,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool, StoreError> {
        let mut copy = schema::open_writer(new, file.key(self.folder.user())?, 1_024)?;
        let writing = |source| StoreError::Sql { action: "writing", path: new.to_owned(), source };
        // It counts for nothing until it is whole and synced.
        copy.execute_batch("PRAGMA synchronous = OFF;").map_err(writing)?;
        let copied = self.folder.read(file, |opened| {
            let snapshot = opened.connection.unchecked_transaction().map_err(file.sql("reading"))?;
            copy_all(&snapshot, &mut copy, file, session, numbers, stop).map_err(writing)
        })?;
        let Some(rewrites_to) = copied else { return Ok(false) };
        let syncing = |source| StoreError::Io { action: "making durable", path: new.to_owned(), source };
        // Most of it goes to the disk while nobody waits.
        copy.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(writing)?;
        File::open(new).and_then(|new| new.sync_all()).map_err(syncing)?;
        // From here on nobody writes the old file, removes it, or reads it.
        let _alone = self.folder.alone();
        if !self.folder.holds(file) {
            return Err(StoreError::Removed { path: file.path.clone() });
        }
        let _replacing = file.replacing();
        self.folder.close_idle_of(file);
        let old = schema::open_writer(&file.path, file.key(self.folder.user())?, 512)?;
        copy_rewrites(&old, &copy, rewrites_to, numbers).map_err(writing)?;
        copy.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(writing)?;
        drop(copy);
        // What is in the old log must not be taken for the new file's.
        old.busy_timeout(BUSY).map_err(file.sql("closing"))?;
        let busy: i64 =
            old.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(file.sql("closing"))?;
        drop(old);
        if busy != 0 {
            let source = std::io::Error::new(std::io::ErrorKind::WouldBlock, "another process reads it");
            return Err(StoreError::Io { action: "replacing", path: file.path.clone(), source });
        }
        // First, for it is a cache, and a process that dies now leaves nothing of the session in it.
        if !file.is_pinned() {
            file.index.erase();
        }
        let replace = || {
            File::open(new)?.sync_all()?;
            // The log goes before: it is empty, and one that stayed would be taken for the new file's. Afterwards only what a
            // reader of another process has made meanwhile is there.
            let unlink_log =
                || ["-wal", "-shm"].iter().for_each(|end| drop(fs::remove_file(with_suffix(&file.path, end))));
            unlink_log();
            key::sync_folder_of(&file.path)?;
            fs::rename(new, &file.path)?;
            unlink_log();
            key::sync_folder_of(&file.path)
        };
        replace().map_err(|source| StoreError::Io { action: "replacing", path: file.path.clone(), source })?;
        file.was_rewritten();
        Ok(true)
    }

    /// The names that only this session had go from the sums, and everything that was ever in the catalog's file besides.
    fn erase_from_catalog(&self, session: &str) -> Result<(), StoreError> {
        let path = self.dir.join("catalog.db");
        if !path.exists() {
            return Ok(());
        }
        let _resting = self.sums.rest();
        let erase = || -> Result<(), StoreError> {
            let sql = |source| StoreError::Sql { action: "writing", path: path.clone(), source };
            let mut connection = self.sums.open_writer()?;
            self.sums.forget(&mut connection, session).map_err(sql)?;
            connection.execute_batch("VACUUM").map_err(sql)?;
            for _ in 0..TRIES {
                let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                let busy: rusqlite::Result<i64> = connection.query_row(sql, [], |row| row.get(0));
                if matches!(busy, Ok(0)) {
                    return Ok(());
                }
                std::thread::sleep(BUSY);
            }
            let source = std::io::Error::new(std::io::ErrorKind::WouldBlock, "it is read all the time");
            Err(StoreError::Io { action: "emptying the log of", path: path.clone(), source })
        };
        let erased = erase();
        if erased.as_ref().is_err_and(StoreError::is_damage) {
            // It is set aside by whoever writes it, and then there is another to erase the name from.
            self.sums.distrust();
        }
        erased
    }

    /// Removes from the newest file's log what is not in the file any more, the last mark of an erased session; false when
    /// somebody was reading. Never waits with the log held.
    pub fn empty_log(&self) -> Result<bool, StoreError> {
        let Some(newest) = self.folder.files().pop() else { return Ok(true) };
        let connection = schema::open_writer(&newest.path, newest.key(self.folder.user())?, 64)?;
        let emptied = || {
            connection.busy_timeout(Duration::ZERO)?;
            let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
            Ok(matches!(busy, Ok(0)))
        };
        emptied().map_err(newest.sql("emptying the log of"))
    }

    /// Removes copies that a process left half-written when it died.
    pub fn remove_leftovers(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if [".db.new", ".db.new-wal", ".db.new-shm"].iter().any(|end| name.to_string_lossy().ends_with(end)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Whether a position is a mark of this session.
fn is_about(position: &str, session: &str) -> bool {
    position.strip_prefix(MARK).or_else(|| pinned::marked(position)) == Some(session)
}

fn numbers_of(connection: &Connection, session: &str, below: u64) -> rusqlite::Result<BTreeSet<u64>> {
    let mut numbers = BTreeSet::new();
    let Some(filter) = Filter::of_session(connection, session)? else { return Ok(numbers) };
    let Some(range) = heads::numbers_in(connection)? else { return Ok(numbers) };
    let range = *range.start()..=(*range.end()).min(below.saturating_sub(1));
    let mut visit = |head: &Head| -> rusqlite::Result<ControlFlow<()>> {
        numbers.insert(head.seq);
        Ok(ControlFlow::Continue(()))
    };
    heads::scan(connection, &filter, range, false, None, &mut visit)?;
    Ok(numbers)
}

/// Copies all but the numbers left out; the last entry of `rewrites` that the copy has seen, or `None` if it was stopped.
fn copy_all(
    from: &Connection,
    to: &mut Connection,
    file: &DayFile,
    session: &str,
    left_out: &BTreeSet<u64>,
    stop: &dyn Fn() -> bool,
) -> rusqlite::Result<Option<i64>> {
    let meta = schema::read_meta(from)?;
    let positions = meta.positions.into_iter().filter(|(name, _)| !is_about(name, session)).collect();
    schema::initialise_with(to, &Meta { positions, ..meta }, &schema::read_dictionary(from)?)?;
    bury(from, to, left_out)?;
    let rewrites_to = last_rewrite(from)?;
    let (mut names, mut block) = (Names::default(), Block::new(0));
    let mut reader = HeadReader::default();
    let mut after = i64::MIN;
    loop {
        if stop() {
            return Ok(None);
        }
        let mut statement = from.prepare_cached("SELECT seq FROM heads WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let chunk: Vec<i64> =
            statement.query_map([after, CHUNK], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        let Some(last) = chunk.last().copied() else { return Ok(Some(rewrites_to)) };
        let transaction = to.transaction()?;
        {
            let mut heads = HeadWriter::new(&transaction, &mut names, &mut block)?;
            for seq in chunk.iter().map(|seq| *seq as u64).filter(|seq| !left_out.contains(seq)) {
                let Some(record) = reader.read(from, seq)? else { continue };
                if file.is_pinned() {
                    heads.append_alone(&record)?;
                } else {
                    heads.append(&record)?;
                }
                copy_payload(from, &transaction, "bodies", seq)?;
                copy_payload(from, &transaction, "contents", seq)?;
            }
        }
        transaction.commit()?;
        after = last;
    }
}

/// Both files have the same dictionary, so that a payload is copied as it lies there.
fn copy_payload(from: &Connection, to: &Connection, table: &str, seq: u64) -> rusqlite::Result<()> {
    let mut read = from.prepare_cached(&format!("SELECT codec, json FROM {table} WHERE seq = ?1"))?;
    let mut rows = read.query([seq as i64])?;
    if let Some(row) = rows.next()? {
        let (codec, json) = (row.get::<_, i64>(0)?, row.get_ref(1)?);
        let sql = format!("INSERT OR REPLACE INTO {table} (seq, codec, json) VALUES (?1, ?2, ?3)");
        to.prepare_cached(&sql)?.execute(params![seq as i64, codec, json.as_blob().unwrap_or_default()])?;
    }
    Ok(())
}

/// Events that were enriched while they were copied.
fn copy_rewrites(
    from: &Connection,
    to: &Connection,
    rewrites_to: i64,
    left_out: &BTreeSet<u64>,
) -> rusqlite::Result<()> {
    if last_rewrite(from)? == rewrites_to {
        return Ok(());
    }
    let mut statement = from.prepare("SELECT DISTINCT seq FROM rewrites WHERE id > ?1")?;
    let numbers = statement.query_map([rewrites_to], |row| row.get::<_, i64>(0))?;
    for seq in numbers {
        let seq = seq? as u64;
        if !left_out.contains(&seq) {
            copy_payload(from, to, "bodies", seq)?;
        }
    }
    Ok(())
}

fn last_rewrite(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT 1 FROM sqlite_master WHERE name = 'rewrites'";
    if connection.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    connection.query_row("SELECT coalesce(max(id), 0) FROM rewrites", [], |row| row.get(0))
}

/// Writes the tombstones of what is left out, besides those that were there.
fn bury(from: &Connection, to: &Connection, left_out: &BTreeSet<u64>) -> rusqlite::Result<()> {
    to.execute_batch(TOMBSTONES)?;
    let mut put = to.prepare("INSERT OR REPLACE INTO tombstones VALUES (?1, ?2)")?;
    let sql = "SELECT 1 FROM sqlite_master WHERE name = 'tombstones'";
    if from.query_row(sql, [], |_| Ok(())).optional()?.is_some() {
        let mut read = from.prepare("SELECT seq_from, seq_to FROM tombstones")?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            put.execute(params![row.get::<_, i64>(0)?, row.get::<_, i64>(1)?])?;
        }
    }
    let mut run: Option<RangeInclusive<u64>> = None;
    let mut write = |run: &RangeInclusive<u64>| put.execute(params![*run.start() as i64, *run.end() as i64]);
    for seq in left_out {
        run = match run {
            Some(run) if run.end() + 1 == *seq => Some(*run.start()..=*seq),
            before => {
                before.as_ref().map(&mut write).transpose()?;
                Some(*seq..=*seq)
            }
        };
    }
    run.as_ref().map(&mut write).transpose()?;
    Ok(())
}
