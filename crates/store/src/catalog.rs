//! What spares the server work, or its clients a fresh start, when it starts again: the checkpoint of the live state, with
//! the sums over time, and notes.
//!
//! Anything wrong with it makes it absent, never an error for whoever reads it. One that is damaged, or of a form that is
//! not known, is set aside and begun anew; one that cannot be opened just now is left alone.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use tracing::warn;
use zstd::zstd_safe::CParameter;

use crate::error::StoreError;
use crate::key::Key;
use crate::retention;
use crate::schema;
use crate::sums::{self, Sums};
use crate::vault;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL, seq INTEGER NOT NULL, state BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS note (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;";

/// A state never unpacks to more; a larger one is damage.
const STATE_BYTES_MAX: usize = 1 << 30;

/// Something small that is good to know after a restart, and no harm to lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Under which it is kept.
    pub key: Vec<u8>,
    /// What is kept; `None` forgets it.
    pub value: Option<Vec<u8>>,
}

/// `catalog.db`, opened when it is first needed.
pub(crate) struct Catalog {
    path: PathBuf,
    user: Option<Key>,
    connection: Option<Connection>,
    sums: Arc<Sums>,
    /// Days whose sums are counted again, while what was counted of them before is still in the file.
    counted_again: Option<Vec<i64>>,
}

impl Catalog {
    pub(crate) fn new(path: PathBuf, user: Option<Key>) -> Catalog {
        let sums = Arc::new(Sums::new(path.clone(), user.clone()));
        Catalog { path, user, connection: None, sums, counted_again: None }
    }

    /// The sums over time, which are kept here.
    pub(crate) fn sums(&self) -> &Arc<Sums> {
        &self.sums
    }

    /// Makes ready for counting: tells whether all events up to the checkpoint have been counted. If not, they are to be
    /// counted again, and the shares of the days that are there are forgotten for it.
    pub(crate) fn begin_sums(&mut self, epoch: &str, days: &[i64], anew: bool) -> Result<bool, StoreError> {
        // Until it is known that it worked: whoever cannot begin counts everything again.
        self.counted_again = Some(days.to_vec());
        let complete = self.change(|connection| sums::begin(connection, epoch, days, anew))?;
        self.counted_again = None;
        if complete {
            self.sums.completed();
        }
        Ok(complete)
    }

    /// Puts less precise sums in the place of some that are old.
    pub(crate) fn fold_sums(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let sums = Arc::clone(&self.sums);
        let Some(_resting) = sums.try_rest() else { return Ok(()) };
        self.change(|connection| sums::fold(connection, now_ms))
    }

    /// Puts a state in place of the one before, and with it what was counted up to its number.
    pub(crate) fn save(&mut self, epoch: &str, seq: u64, state: &[u8]) -> Result<(), StoreError> {
        let sums = Arc::clone(&self.sums);
        let Some(_resting) = sums.try_rest() else { return Err(self.resting()) };
        let packed = pack(state).map_err(|source| StoreError::Io {
            action: "compressing a checkpoint for",
            path: self.path.clone(),
            source,
        })?;
        if let Some(days) = self.counted_again.take() {
            self.begin_sums(epoch, &days, true)?;
        }
        // Held until it is over: whoever asks sees what was counted here or there, and never in both.
        let mut pending = sums.pending();
        let saved = self.change(|connection| {
            let transaction = connection.transaction()?;
            transaction
                .prepare_cached("INSERT OR REPLACE INTO checkpoint (id, epoch, seq, state) VALUES (1, ?1, ?2, ?3)")?
                .execute(params![epoch, seq as i64, packed])?;
            sums::write(&transaction, epoch, &pending, sums.is_complete())?;
            transaction.commit()
        });
        if saved.is_ok() {
            pending.clear();
        }
        saved
    }

    /// The state last saved in this folder, if it is there and whole.
    pub(crate) fn load(&mut self, epoch: &str) -> Option<(u64, Vec<u8>)> {
        if self.connection.is_none() {
            if !self.path.exists() {
                return None;
            }
            self.connection = self.open().ok();
        }
        let sql = "SELECT seq, state FROM checkpoint WHERE id = 1 AND epoch = ?1";
        let row = self
            .connection
            .as_ref()?
            .query_row(sql, [epoch], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .optional();
        match row {
            Ok(row) => row.and_then(|(seq, packed)| Some((seq as u64, unpack(&packed)?))),
            Err(_) => {
                self.connection = None;
                None
            }
        }
    }

    /// The id of the store whose state was saved last.
    pub(crate) fn epoch(&mut self) -> Option<String> {
        if self.connection.is_none() && self.path.exists() {
            self.connection = self.open().ok();
        }
        let sql = "SELECT epoch FROM checkpoint WHERE id = 1";
        self.connection.as_ref()?.query_row(sql, [], |row| row.get(0)).ok()
    }

    /// Keeps and forgets notes, all or none.
    pub(crate) fn keep_notes(&mut self, notes: &[Note]) -> Result<(), StoreError> {
        let sums = Arc::clone(&self.sums);
        let Some(_resting) = sums.try_rest() else { return Err(self.resting()) };
        self.change(|connection| {
            let transaction = connection.transaction()?;
            for note in notes {
                match &note.value {
                    Some(value) => transaction
                        .prepare_cached("INSERT OR REPLACE INTO note (key, value) VALUES (?1, ?2)")?
                        .execute(params![note.key, value])?,
                    None => transaction.prepare_cached("DELETE FROM note WHERE key = ?1")?.execute([&note.key])?,
                };
            }
            transaction.commit()
        })
    }

    /// The notes of this folder; none when they cannot be read.
    pub(crate) fn notes(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        if self.connection.is_none() {
            if !self.path.exists() {
                return Vec::new();
            }
            self.connection = self.open().ok();
        }
        let Some(connection) = &self.connection else { return Vec::new() };
        let read = || {
            let mut statement = connection.prepare("SELECT key, value FROM note")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()
        };
        read().unwrap_or_default()
    }

    fn resting(&self) -> StoreError {
        let source = std::io::Error::new(std::io::ErrorKind::WouldBlock, "it is written anew at the moment");
        StoreError::Io { action: "writing", path: self.path.clone(), source }
    }

    /// Changes something. A connection that failed is not used again.
    fn change<T>(&mut self, change: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let known = self.connection.take().filter(|_| !self.sums.is_distrusted());
        let mut connection = known.map_or_else(|| self.open_or_replace(), Ok)?;
        let changed = change(&mut connection).map_err(|source| StoreError::Sql {
            action: "writing",
            path: self.path.clone(),
            source,
        });
        match &changed {
            Ok(_) => self.connection = Some(connection),
            Err(error) if is_of_no_use(error) => self.sums.distrust(),
            Err(_) => {}
        }
        changed
    }

    /// Empties the log into the file.
    pub(crate) fn close(&mut self) {
        self.sums.close();
        self.connection = None;
    }

    /// Opens the file. One that is of no use is set aside, for it alone has the sums of days that are gone; one that is busy,
    /// or that the disk has no room for, is tried again the next time.
    fn open_or_replace(&self) -> Result<Connection, StoreError> {
        if !self.sums.is_distrusted() {
            match self.open() {
                Err(error) if is_of_no_use(&error) => {
                    warn!("the sums over time begin anew, without days that are gone: {error}");
                }
                opened => return opened,
            }
        }
        self.sums.lost();
        retention::set_file_aside(&self.path)?;
        self.sums.trust();
        self.open()
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let key = match &self.user {
            Some(user) => match vault::load(&self.path, Some(user))? {
                Some(key) => Some(key),
                None => Some(vault::create(&self.path, user)?),
            },
            None => None,
        };
        let connection = schema::open_writer(&self.path, key.as_ref(), 256)?;
        // A crash may lose the last states: then the one before serves, or none.
        let setup = connection.execute_batch(&format!("PRAGMA synchronous = NORMAL; {TABLE} {}", sums::TABLES));
        setup.map_err(|source| StoreError::Sql { action: "opening", path: self.path.clone(), source })?;
        Ok(connection)
    }
}

/// Whether a catalog will not get better by itself: damaged, of a key that is not there, or of another form.
fn is_of_no_use(error: &StoreError) -> bool {
    let is_other_form = matches!(error, StoreError::Sql { source, .. }
        if source.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_ERROR));
    let is_closed =
        matches!(error, StoreError::WrongKey { .. } | StoreError::KeyMissing { .. } | StoreError::Newer { .. });
    error.is_damage() || is_other_form || is_closed
}

fn pack(state: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(1)?;
    // An unencrypted file has no other check of its bytes.
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    compressor.compress(state)
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let bytes = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten()?;
    let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= STATE_BYTES_MAX)?;
    zstd::bulk::decompress(packed, bytes).ok()
}
