//! What is in a day's file, and how a connection to one is opened.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use crate::codec;
use crate::error::StoreError;
use crate::vault::FileKey;

/// `PRAGMA user_version` of the files written here.
pub(crate) const VERSION: i64 = 1;

/// No table has an index: events are only ever appended, and `blocks` lets a filtered search skip (see `heads.rs`).
const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE heads (
    seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, recorded_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL, namespace INTEGER NOT NULL, event INTEGER NOT NULL,
    session INTEGER, agent INTEGER, tool INTEGER, source INTEGER NOT NULL,
    is_error INTEGER NOT NULL, identity INTEGER);
CREATE TABLE bodies (seq INTEGER PRIMARY KEY, codec INTEGER NOT NULL, json BLOB NOT NULL);
CREATE TABLE contents (seq INTEGER PRIMARY KEY, codec INTEGER NOT NULL, json BLOB NOT NULL);
CREATE TABLE rewrites (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE blocks (block INTEGER PRIMARY KEY, time_ms_min INTEGER NOT NULL, time_ms_max INTEGER NOT NULL, names BLOB NOT NULL);
";

/// Files made before there was an index lack the list of what was rewritten since it was first read.
pub(crate) const REWRITES: &str = "CREATE TABLE IF NOT EXISTS rewrites (id INTEGER PRIMARY KEY, seq INTEGER NOT NULL)";

/// SQLite's and SQLCipher's page size, unless one asks for another.
pub(crate) const PAGE_BYTES: u64 = 4_096;

/// Pages in the write-ahead log before a commit copies them into the file.
const WAL_PAGES: u32 = 1_000;

/// How long to wait for a lock; only another process that opens the file holds one, and briefly.
const BUSY: Duration = Duration::from_secs(2);

/// What every file of a folder carries, so that the newest alone is enough to go on.
pub(crate) struct Meta {
    pub(crate) epoch: String,
    /// The first number that belongs into this file.
    pub(crate) seq_first: u64,
    /// The next number to give out.
    pub(crate) seq_next: u64,
    pub(crate) positions: Vec<(String, Vec<u8>)>,
}

/// The connection that writes; makes the file (mode 0600) if there is none.
pub(crate) fn open_writer(path: &Path, key: Option<&FileKey>, cache_kib: u32) -> Result<Connection, StoreError> {
    let made = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map_err(|source| StoreError::Io { action: "opening", path: path.to_owned(), source })?;
    let connection = connect(path, key, cache_kib)?;
    let sql = |source| StoreError::Sql { action: "opening", path: path.to_owned(), source };
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(sql)?;
    if mode != "wal" {
        return Err(StoreError::Io {
            action: "switching to a write-ahead log",
            path: path.to_owned(),
            source: std::io::Error::other("the file system does not allow it (shared memory and locks are needed)"),
        });
    }
    let setup = format!(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {WAL_PAGES}; PRAGMA journal_size_limit = 16777216;"
    );
    connection.execute_batch(&setup).map_err(sql)?;
    Ok(connection)
}

/// A connection that cannot write.
///
/// Opened for writing all the same and then forbidden to: a read-only one cannot recover the log of a crashed writer.
pub(crate) fn open_reader(path: &Path, key: Option<&FileKey>, cache_kib: u32) -> Result<Connection, StoreError> {
    let connection = connect(path, key, cache_kib)?;
    let forbidden = connection.execute_batch("PRAGMA query_only = ON;");
    forbidden.map_err(|source| StoreError::Sql { action: "opening", path: path.to_owned(), source })?;
    Ok(connection)
}

/// SQLCipher makes itself ready with the first key that it is given, and refuses another one that comes meanwhile.
static READY: Once = Once::new();

fn connect(path: &Path, key: Option<&FileKey>, cache_kib: u32) -> Result<Connection, StoreError> {
    READY.call_once(|| {
        // Whatever is wrong shows with the file that was asked for.
        let first = Connection::open_in_memory();
        let _ = first.and_then(|first| first.execute_batch("PRAGMA cipher_log_level = NONE; PRAGMA key = 'first';"));
    });
    let sql = |source| StoreError::Sql { action: "opening", path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sql)?;
    connection.busy_timeout(BUSY).map_err(sql)?;
    connection.set_prepared_statement_cache_capacity(32);
    // SQLCipher would write to stderr what the caller gets as an error.
    connection.execute_batch("PRAGMA cipher_log_level = NONE;").map_err(sql)?;
    if let Some(key) = key {
        connection.execute_batch(&key.pragma()).map_err(sql)?;
    }
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sql)?;
    if found > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    let setup = format!("PRAGMA cache_size = -{cache_kib}; PRAGMA temp_store = MEMORY;");
    connection.execute_batch(&setup).map_err(sql)?;
    Ok(connection)
}

/// Whether the file has its tables; a crash can leave one without.
pub(crate) fn is_initialised(connection: &Connection) -> rusqlite::Result<bool> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(found > 0)
}

/// Makes the tables, in one transaction.
pub(crate) fn initialise(connection: &mut Connection, meta: &Meta) -> rusqlite::Result<()> {
    initialise_with(connection, meta, codec::DICTIONARY)
}

/// The same with the dictionary of another file, whose payloads it is to have.
pub(crate) fn initialise_with(connection: &mut Connection, meta: &Meta, dictionary: &[u8]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    let mut put = transaction.prepare("INSERT INTO meta (key, value) VALUES (?1, ?2)")?;
    put.execute(params!["epoch", meta.epoch])?;
    put.execute(params!["seq_first", meta.seq_first as i64])?;
    put.execute(params!["seq_next", meta.seq_next as i64])?;
    put.execute(params!["dictionary", dictionary])?;
    for (door, position) in &meta.positions {
        put.execute(params![position_key(door), position])?;
    }
    drop(put);
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Begins a file that has its tables, and has never had events, with what the file before has come to.
pub(crate) fn begin_again(connection: &mut Connection, meta: &Meta) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute("DELETE FROM meta WHERE key LIKE 'position:%'", [])?;
    let mut put = transaction.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
    put.execute(params!["seq_first", meta.seq_first as i64])?;
    put.execute(params!["seq_next", meta.seq_next as i64])?;
    for (door, position) in &meta.positions {
        put.execute(params![position_key(door), position])?;
    }
    drop(put);
    transaction.commit()
}

/// Reads what [`initialise`] wrote and batches changed since.
pub(crate) fn read_meta(connection: &Connection) -> rusqlite::Result<Meta> {
    let number =
        |key: &str| connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get::<_, i64>(0));
    let epoch = connection.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0))?;
    let seq_highest: Option<i64> = connection.query_row("SELECT max(seq) FROM heads", [], |row| row.get(0))?;
    let seq_next = number("seq_next")?.max(seq_highest.unwrap_or(0) + 1);
    let mut positions = connection.prepare("SELECT key, value FROM meta WHERE key LIKE 'position:%'")?;
    let positions = positions
        .query_map([], |row| {
            let key: String = row.get(0)?;
            Ok((key.strip_prefix("position:").unwrap_or(&key).to_owned(), row.get(1)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Meta { epoch, seq_first: number("seq_first")? as u64, seq_next: seq_next as u64, positions })
}

/// The dictionary that payloads of this file are compressed with.
pub(crate) fn read_dictionary(connection: &Connection) -> rusqlite::Result<Vec<u8>> {
    connection.query_row("SELECT value FROM meta WHERE key = 'dictionary'", [], |row| row.get(0))
}

/// The key of a door's position in `meta`.
pub(crate) fn position_key(door: &str) -> String {
    format!("position:{door}")
}
