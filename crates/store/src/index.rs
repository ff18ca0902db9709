//! The full-text index of a day, in a file of its own beside it: which blocks of events have which tokens.
//!
//! An index finds candidates and never decides: whoever asks looks at their events. So a token that a third of the events
//! have is kept for [`WIDE_EVENTS`] events at once: it tells little of one of them, and such tokens would be half of the
//! index. All others are kept event by event. What it does not cover yet is looked at without it. It is a cache: it may be
//! deleted while nothing runs, and is then built anew.

pub(crate) mod indexer;
mod search;
mod tokens;

use std::collections::HashSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::StoreError;
use crate::key::Key;
use crate::schema;
use crate::vault::{self, FileKey};

pub(crate) use search::{Search, scan};

/// Makes tokens of events. The store does not know what an event means; whoever opens it does.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Grows whenever other tokens are made; indexes with an earlier one are built anew.
    pub version: u32,
    /// Tells the tokens of an event's JSON: letters, digits and characters beyond ASCII alone, ASCII in lower case.
    pub tell: Tell,
}

/// Tells the tokens of some JSON, one by one.
pub type Tell = fn(&[u8], &mut dyn FnMut(&str));

/// A token to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    /// The token, as [`Words`] would tell it.
    pub token: String,
    /// Whether tokens that only begin with it count too.
    pub is_prefix: bool,
}

/// Events in a row of common tokens. An index grows by these.
pub const WIDE_EVENTS: u64 = 32;

/// Events in a part of an index: each has tables of its own. What is looked for newest first is mostly found in the newest
/// part, and FTS5 puts all of a prefix together, however few of it are wanted. Merging what a part has ends with the part.
const PART_EVENTS: u64 = 1 << 18;

/// Grows with the form of the file; one of another version is built anew.
const VERSION: i64 = 3;

const TABLES: &str = "
CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, words INTEGER NOT NULL,
    epoch TEXT NOT NULL, indexed_to INTEGER NOT NULL, rewrites_to INTEGER NOT NULL,
    common_from INTEGER);
CREATE TABLE common (token TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE parts (part INTEGER PRIMARY KEY);
";

/// The tables of a part. `ascii` splits nothing that [`Words`] tells: it takes all beyond ASCII as letters. Nothing is ever
/// deleted: an event that is enriched is put in once more, and what it no longer has still names it, as a candidate.
fn tables_of(part: u64) -> String {
    let table = |name: String, hash: u32| {
        format!(
            "CREATE VIRTUAL TABLE {name} USING fts5(text, content = '', columnsize = 0, detail = none, tokenize = 'ascii');
            INSERT INTO {name}({name}, rank) VALUES ('hashsize', {hash});"
        )
    };
    let (words, wide) = (table(format!("words_{part}"), 4_194_304), table(format!("wide_{part}"), 1_048_576));
    format!("{words} {wide} INSERT INTO parts VALUES ({part});")
}

/// The parts that there are with something of these numbers, in order.
fn parts_in(connection: &Connection, numbers: &RangeInclusive<u64>) -> rusqlite::Result<Vec<u64>> {
    let mut statement =
        connection.prepare_cached("SELECT part FROM parts WHERE part BETWEEN ?1 AND ?2 ORDER BY part")?;
    let ends = [numbers.start(), numbers.end()].map(|end| (end / PART_EVENTS) as i64);
    statement.query_map(ends, |row| row.get::<_, i64>(0))?.map(|part| part.map(|part| part as u64)).collect()
}

/// The numbers of a part.
const fn numbers_of_part(part: u64) -> RangeInclusive<u64> {
    part * PART_EVENTS..=part * PART_EVENTS + (PART_EVENTS - 1)
}

/// The index of one day, as its readers and its writer know it.
pub(crate) struct IndexFile {
    pub(crate) path: PathBuf,
    key: OnceLock<Option<FileKey>>,
    /// Grows when the file is replaced, so that no connection to the old one is used again.
    generation: AtomicU64,
    /// A reader could not use it: the indexer builds it anew.
    is_faulty: AtomicBool,
    /// Whether the indexer has opened it since the start: before, it may be of another store or of an earlier version.
    is_known: AtomicBool,
}

/// How far an index has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The first number that is not in it.
    pub(crate) indexed_to: u64,
    /// The last entry of `rewrites` that was looked at.
    pub(crate) rewrites_to: i64,
    /// From this number on, common tokens are in wide rows alone; `None` until it is known which are common.
    pub(crate) common_from: Option<u64>,
}

impl IndexFile {
    pub(crate) fn beside(day_file: &Path) -> IndexFile {
        let name = day_file.file_name().unwrap_or_default().to_string_lossy().replacen("events-", "index-", 1);
        IndexFile {
            path: day_file.with_file_name(name),
            key: OnceLock::new(),
            generation: AtomicU64::new(0),
            is_faulty: AtomicBool::new(false),
            is_known: AtomicBool::new(false),
        }
    }

    /// Which file it is now; `None` while it cannot be used.
    pub(crate) fn generation(&self) -> Option<u64> {
        let usable = self.is_known.load(Ordering::Acquire) && !self.is_faulty.load(Ordering::Acquire);
        usable.then(|| self.generation.load(Ordering::Acquire))
    }

    /// Readers do without it until it is built anew.
    pub(crate) fn distrust(&self) {
        self.is_faulty.store(true, Ordering::Release);
    }

    /// A connection for one reader.
    pub(crate) fn open_reader(&self, user: Option<&Key>, cache_kib: u32) -> Result<Connection, StoreError> {
        schema::open_reader(&self.path, self.file_key(user)?, cache_kib)
    }

    /// The connection that writes, with tables of this version for this store; anything else is thrown away first.
    fn open_writer(
        &self,
        user: Option<&Key>,
        words: Words,
        epoch: &str,
        seq_first: u64,
    ) -> Result<Connection, StoreError> {
        if !self.is_faulty.load(Ordering::Acquire)
            && let Ok(connection) = self.try_open_writer(user)
            && self.fits(&connection, words, epoch)
        {
            self.is_known.store(true, Ordering::Release);
            return Ok(connection);
        }
        self.remove();
        let mut connection = self.try_open_writer(user)?;
        let mut make = || {
            let transaction = connection.transaction()?;
            transaction.execute_batch(TABLES)?;
            let state = params![VERSION, words.version, epoch, seq_first as i64];
            transaction.execute("INSERT INTO state VALUES (1, ?1, ?2, ?3, ?4, 0, NULL)", state)?;
            transaction.commit()
        };
        make().map_err(self.sql("making"))?;
        self.is_faulty.store(false, Ordering::Release);
        self.is_known.store(true, Ordering::Release);
        Ok(connection)
    }

    fn try_open_writer(&self, user: Option<&Key>) -> Result<Connection, StoreError> {
        if let Some(user) = user
            && !vault::path_of(&self.path).exists()
        {
            // A file without its key is of no use to anybody.
            let _ = fs::remove_file(&self.path);
            vault::create(&self.path, user)?;
        }
        let connection = schema::open_writer(&self.path, self.file_key(user)?, 512)?;
        // The end of the process loses nothing, a crash of the machine may lose the last rows: they are made again.
        connection.execute_batch("PRAGMA synchronous = NORMAL;").map_err(self.sql("opening"))?;
        Ok(connection)
    }

    fn fits(&self, connection: &Connection, words: Words, epoch: &str) -> bool {
        let sql = "SELECT count(*) FROM state WHERE version = ?1 AND words = ?2 AND epoch = ?3";
        let found = connection.query_row(sql, params![VERSION, words.version, epoch], |row| row.get::<_, i64>(0));
        found.is_ok_and(|found| found == 1)
    }

    /// The file's key; read anew for each connection while the file may still be replaced.
    fn file_key(&self, user: Option<&Key>) -> Result<Option<&FileKey>, StoreError> {
        if self.key.get().is_none() {
            let _ = self.key.set(vault::load(&self.path, user)?);
        }
        Ok(self.key.get().and_then(Option::as_ref))
    }

    /// Unlinks it: some of its events are to be gone. It is built anew.
    pub(crate) fn erase(&self) {
        self.remove();
    }

    /// Unlinks it; its key stays, for the one that is built in its place.
    fn remove(&self) {
        self.is_known.store(false, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(with_suffix(&self.path, suffix));
        }
        // A key that does not open is as good as none; one that is in use already stays.
        if self.key.get().is_none() {
            let _ = fs::remove_file(vault::path_of(&self.path));
        }
    }

    pub(crate) fn sql(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
        let path = self.path.clone();
        move |source| StoreError::Sql { action, path: path.clone(), source }
    }
}

/// `path` with this at the end of its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Reads how far an index has come.
pub(crate) fn read_state(connection: &Connection) -> rusqlite::Result<State> {
    connection.prepare_cached("SELECT indexed_to, rewrites_to, common_from FROM state WHERE id = 1")?.query_row(
        [],
        |row| {
            let (indexed_to, common_from) = (row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(2)?);
            let common_from = common_from.map(|from| from as u64);
            Ok(State { indexed_to: indexed_to as u64, rewrites_to: row.get(1)?, common_from })
        },
    )
}

/// The tokens that are in wide rows.
fn read_common(connection: &Connection) -> rusqlite::Result<HashSet<String>> {
    let mut statement = connection.prepare_cached("SELECT token FROM common")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// The numbers that were rewritten in a day's file since entry `after`, and the last entry.
fn rewrites(events: &Connection, after: i64, limit: u32) -> rusqlite::Result<(Vec<u64>, i64)> {
    let sql = "SELECT 1 FROM sqlite_master WHERE name = 'rewrites'";
    if events.prepare_cached(sql)?.query_row([], |_| Ok(())).optional()?.is_none() {
        return Ok((Vec::new(), after));
    }
    let mut statement = events.prepare_cached("SELECT id, seq FROM rewrites WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = statement.query(params![after, limit])?;
    let (mut numbers, mut last) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        numbers.push(row.get::<_, i64>(1)? as u64);
    }
    Ok((numbers, last))
}

/// The numbers of a wide row.
const fn numbers_of_wide(wide: u64) -> RangeInclusive<u64> {
    wide * WIDE_EVENTS..=wide * WIDE_EVENTS + (WIDE_EVENTS - 1)
}
