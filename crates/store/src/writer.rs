//! The single writer.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, TransactionBehavior, params};
use tracing::{error, warn};

use crate::batch::Batch;
use crate::begun::{self, Begun};
use crate::catalog::{Catalog, Note};
use crate::codec::Packer;
use crate::day;
use crate::erase::{self, Eraser};
use crate::error::StoreError;
use crate::folder::{self, DayFile, Folder};
use crate::heads::{Block, HeadWriter, Names};
use crate::index::Words;
use crate::index::indexer::Indexer;
use crate::key::{self, Key};
use crate::pinned;
use crate::reader::Reader;
use crate::retention::{self, Keep, Keeper};
use crate::schema::{self, Meta};
use crate::sums::Sums;
use crate::vault;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether files are encrypted. An existing folder keeps what it is: a difference is an error.
    pub encrypted: bool,
    /// Memory for the writer's pages, in KiB. Each idle reader takes at most a quarter of it.
    pub page_cache_kib: u32,
    /// Largest size of a day's file in bytes, 0 for no limit. Reaching it fails like a full disk.
    pub file_bytes_max: u64,
    /// What is indexed of events; `None` keeps no index, and searches look at every event.
    pub words: Option<Words>,
}

impl Default for Options {
    fn default() -> Options {
        Options { encrypted: true, page_cache_kib: 2_048, file_bytes_max: 0, words: None }
    }
}

/// The single writer of a folder; owned by one thread.
pub struct Store {
    dir: PathBuf,
    options: Options,
    folder: Arc<Folder>,
    epoch: String,
    /// The newest day's file; the only one that gets events.
    file: Arc<DayFile>,
    connection: Connection,
    /// What the writer remembers of the file; `None` after a failure, when it has to be read back.
    tail: Option<Tail>,
    seq_next: u64,
    /// The doors' positions as they are committed, so that asking for one cannot fail.
    positions: HashMap<String, Vec<u8>>,
    packer: Packer,
    catalog: Catalog,
    /// Before the lock, so that it has ended when somebody else may write.
    indexer: Option<Indexer>,
    /// Holds the folder. Last, so that it is let go when everything else is closed.
    _lock: folder::Lock,
}

pub(crate) struct Tail {
    names: Names,
    block: Block,
}

impl Tail {
    /// What is to be remembered of a file in which `seq_next` is next.
    pub(crate) fn read(connection: &Connection, seq_next: u64) -> rusqlite::Result<Tail> {
        Ok(Tail { names: Names::default(), block: Block::unfinished(connection, seq_next)? })
    }
}

impl Store {
    /// Opens the folder, creates it if need be, and takes its lock.
    ///
    /// Today's file is made at the first write of the day, except in an empty folder. A wrong key, an unencrypted
    /// folder where an encrypted one is asked for, and files of a newer release are errors that change nothing.
    pub fn open(dir: &Path, key: Option<&Key>, options: Options, now_ms: i64) -> Result<Store, StoreError> {
        let key = key.filter(|_| options.encrypted);
        if options.encrypted && key.is_none() {
            return Err(StoreError::KeyMissing { path: dir.to_owned() });
        }
        folder::create(dir)?;
        let lock = folder::lock(dir)?;
        let mut catalog = Catalog::new(dir.join("catalog.db"), key.cloned());
        let mut files: Vec<_> = folder::days(dir)?.into_iter().map(|day| Arc::new(DayFile::new(dir, day))).collect();
        let Begun { connection, packer, meta, tail, damaged } =
            begun::begin(&mut files, dir, key, &options, &mut catalog, now_ms)?;
        let file = Arc::clone(&files[files.len() - 1]);
        let folder = Folder::new(key.cloned(), options.page_cache_kib / 4, files, meta.seq_next).with_pinned(dir);
        damaged.iter().for_each(|file| retention::set_aside(&folder, file));
        file.knows_seq_first(meta.seq_first);
        let folder = Arc::new(folder);
        let start = |words| Indexer::start(Arc::clone(&folder), words, meta.epoch.clone());
        let indexer = options.words.map(start).transpose().map_err(|source| StoreError::Io {
            action: "starting the indexer of",
            path: dir.to_owned(),
            source,
        })?;
        Ok(Store {
            catalog,
            dir: dir.to_owned(),
            options,
            folder,
            epoch: meta.epoch,
            file,
            connection,
            tail: Some(tail),
            seq_next: meta.seq_next,
            positions: meta.positions.into_iter().collect(),
            packer,
            indexer,
            _lock: lock,
        })
    }

    /// The random id of this folder, made once: 32 hexadecimal digits.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The number that the next event gets; at least 1.
    pub fn next_seq(&self) -> u64 {
        self.seq_next
    }

    /// The lowest number that can still be there; [`Store::next_seq`] when nothing was ever stored.
    pub fn seq_first(&self) -> u64 {
        self.reader().seq_first()
    }

    /// The highest number given out, 0 for none.
    pub fn seq_last(&self) -> u64 {
        self.seq_next - 1
    }

    /// The sessions that are pinned.
    pub fn pinned(&self) -> BTreeSet<String> {
        self.positions.keys().filter_map(|name| pinned::marked(name)).map(str::to_owned).collect()
    }

    /// How far a door has been read, as its last committed batch said.
    pub fn position(&self, door: &str) -> Option<Vec<u8>> {
        self.positions.get(door).cloned()
    }

    /// The positions of all doors whose names begin so.
    pub fn positions(&self, prefix: &str) -> Vec<(String, Vec<u8>)> {
        let known = self.positions.iter().filter(|(door, _)| door.starts_with(prefix));
        known.map(|(door, position)| (door.clone(), position.clone())).collect()
    }

    /// Leaves out the numbers below `seq`: they are gone, and never used. For events that come with their numbers.
    pub fn skip_to(&mut self, seq: u64) -> Result<(), StoreError> {
        if seq > self.seq_next {
            let sql = "UPDATE meta SET value = ?1 WHERE key = 'seq_next'";
            self.connection.execute(sql, [seq as i64]).map_err(self.file.sql("writing"))?;
            self.seq_next = seq;
            self.tail = None;
            self.folder.committed(seq);
        }
        Ok(())
    }

    /// A reader of what is committed.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.folder))
    }

    /// Removes what is not to be kept, when it is asked to.
    pub fn keeper(&self, keep: Keep, now_ms: i64) -> Keeper {
        Keeper::new(self.dir.clone(), Arc::clone(&self.folder), keep, now_ms)
    }

    /// Writes a batch in one transaction: all of it or nothing, and on disk when this returns.
    ///
    /// After an error nothing of it is there, its numbers are free again, and the next write may succeed.
    pub fn write(&mut self, batch: &Batch, now_ms: i64) -> Result<(), StoreError> {
        for (record, expected) in batch.records.iter().zip(self.seq_next..) {
            if record.seq != expected {
                return Err(StoreError::Numbers { expected, found: record.seq });
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        if day::day_of(now_ms) > self.file.day {
            self.roll_over(day::day_of(now_ms))?;
        }
        self.rewrite_older(batch)?;
        let seq_next = self.seq_next + batch.records.len() as u64;
        let tail = match self.commit(batch, seq_next) {
            Err(error) if error.is_damage() => {
                self.leave_file(&error)?;
                self.commit(batch, seq_next)
            }
            committed => committed,
        };
        self.tail = Some(tail?);
        self.seq_next = seq_next;
        for (door, position) in &batch.positions {
            match position {
                Some(position) => self.positions.insert(door.clone(), position.clone()),
                None => self.positions.remove(door),
            };
        }
        self.folder.committed(seq_next);
        if let Some(indexer) = &self.indexer {
            indexer.wake();
        }
        Ok(())
    }

    /// Keeps the live state as of event `seq`, in place of the one before. A cache: a crash may lose the last ones.
    pub fn save_checkpoint(&mut self, seq: u64, state: &[u8]) -> Result<(), StoreError> {
        self.catalog.save(&self.epoch, seq, state)
    }

    /// The sums over time. What is counted is kept with the next checkpoint.
    pub fn sums(&self) -> Arc<Sums> {
        Arc::clone(self.catalog.sums())
    }

    /// Makes ready for counting, before anything is: tells whether all events up to the checkpoint have been counted. If
    /// not, or if all are to be counted `anew`, what was counted is forgotten, except for days that are gone.
    pub fn begin_sums(&mut self, anew: bool) -> Result<bool, StoreError> {
        let days: Vec<_> = self.folder.files().iter().map(|file| file.day).collect();
        self.catalog.begin_sums(&self.epoch, &days, anew)
    }

    /// Makes some old sums coarser, if there are any; to be called now and then.
    pub fn fold_sums(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.catalog.fold_sums(now_ms)
    }

    /// The place of the newest events' file in the order of files: each day has a thousand.
    pub fn day(&self) -> i64 {
        self.file.day
    }

    /// Goes on in a new file, although the day is not over, if the one before may hold something of a session that is to be
    /// erased: then that one can be written anew. After an error it is to be asked for again.
    ///
    /// What comes after the last file of a day goes into the first of the next day.
    pub fn begin_file(&mut self) -> Result<(), StoreError> {
        let marks = self.positions.iter().filter_map(|(name, value)| erase::marked(name, value));
        let below = marks.map(|(_, below)| below).max().unwrap_or(0);
        if self.folder.seq_first_of(&self.file)? >= below.min(self.seq_next) {
            return Ok(());
        }
        self.roll_over(self.file.day + 1)
    }

    /// Below which number the events of a session are to be erased, if they are.
    pub fn erasing(&self, session: &str) -> Option<u64> {
        let name = erase::mark(session);
        erase::marked(&name, self.positions.get(&name)?).map(|(_, below)| below)
    }

    /// Erases sessions, when it is asked to.
    pub fn eraser(&self) -> Eraser {
        Eraser::new(self.dir.clone(), Arc::clone(&self.folder), self.sums())
    }

    /// The live state last kept, if it is there, whole, and of this folder's events.
    pub fn load_checkpoint(&mut self) -> Option<(u64, Vec<u8>)> {
        self.catalog.load(&self.epoch).filter(|(seq, _)| *seq < self.seq_next)
    }

    /// Keeps and forgets small notes. A cache: the end of the process loses none, a crash of the machine may.
    pub fn keep_notes(&mut self, notes: &[Note]) -> Result<(), StoreError> {
        if notes.is_empty() { Ok(()) } else { self.catalog.keep_notes(notes) }
    }

    /// All notes: key and value.
    pub fn notes(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.catalog.notes()
    }

    /// Empties the write-ahead log into the file and lets the folder go.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.catalog.close();
        self.indexer = None;
        self.folder.close_idle();
        empty_log(&self.connection).map_err(self.file.sql("closing"))
    }

    /// Goes on in a new file, because the one that is written turned out to be damaged.
    fn leave_file(&mut self, error: &StoreError) -> Result<(), StoreError> {
        let damaged = Arc::clone(&self.file);
        error!("writing {}: {error}", damaged.path.display());
        self.roll_over(damaged.day + 1)?;
        retention::set_aside(&self.folder, &damaged);
        Ok(())
    }

    /// The transaction. Dropping it on an error rolls it back.
    fn commit(&mut self, batch: &Batch, seq_next: u64) -> Result<Tail, StoreError> {
        // Taken out, so that a failure at any step leaves none behind.
        let mut tail = match self.tail.take() {
            Some(tail) => tail,
            None => Tail::read(&self.connection, self.seq_next).map_err(self.file.sql("reading"))?,
        };
        let (connection, packer) = (&mut self.connection, &mut self.packer);
        let mut write = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            append(&transaction, batch, &mut tail, packer)?;
            rewrite(&transaction, &batch.rewritten, packer)?;
            if !batch.records.is_empty() {
                let mut put = transaction.prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'seq_next'")?;
                put.execute([seq_next as i64])?;
            }
            for (door, position) in &batch.positions {
                let key = schema::position_key(door);
                match position {
                    Some(position) => transaction
                        .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
                        .execute(params![key, position])?,
                    None => transaction.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?,
                };
            }
            transaction.commit()
        };
        write().map_err(self.file.sql("committing to"))?;
        Ok(tail)
    }

    /// Commits what concerns older files, each in its own transaction. Doing it twice does no harm.
    ///
    /// An older file that is damaged must not hold up new events: what would have been added to its event is let go.
    fn rewrite_older(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let seq_first = self.folder.seq_first_of(&self.file)?;
        for (seq, json) in batch.rewritten.iter().filter(|(seq, _)| *seq < seq_first) {
            match self.rewrite_one(*seq, json) {
                Err(error) if error.is_full() => return Err(error),
                Err(error) => warn!("event {seq} was not enriched: {error}"),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn rewrite_one(&self, seq: u64, json: &Bytes) -> Result<(), StoreError> {
        let Some(file) = self.folder.file_of(seq)? else { return Ok(()) };
        let _alone = self.folder.alone();
        if !self.folder.holds(&file) {
            return Ok(());
        }
        let key = file.key(self.folder.user())?;
        let connection = schema::open_writer(&file.path, key, self.options.page_cache_kib / 4)?;
        let mut packer = packer_of(&file, &connection)?;
        let mut write = || {
            let transaction = connection.unchecked_transaction()?;
            rewrite(&transaction, &[(seq, json.clone())], &mut packer)?;
            transaction.commit()
        };
        write().map_err(file.sql("writing"))?;
        file.was_rewritten();
        Ok(())
    }

    /// Goes on in a new day's file, with the epoch, the numbers and the positions of the one before.
    fn roll_over(&mut self, day: i64) -> Result<(), StoreError> {
        let positions = self.positions.clone().into_iter().collect();
        let meta = Meta { epoch: self.epoch.clone(), seq_first: self.seq_next, seq_next: self.seq_next, positions };
        let file = DayFile::new(&self.dir, day);
        let mut connection = open_day(&file, self.folder.user(), &self.options)?;
        // Before there is anything in it: a file with tables is the one that the next start goes on in.
        sync_folder(&file)?;
        if schema::is_initialised(&connection).map_err(file.sql("reading"))? {
            // It failed at the last step before, and the file before may have gone on since then.
            schema::begin_again(&mut connection, &meta).map_err(file.sql("initialising"))?;
        } else {
            schema::initialise(&mut connection, &meta).map_err(file.sql("initialising"))?;
        }
        self.packer = packer_of(&file, &connection)?;
        file.knows_seq_first(meta.seq_first);
        let file = Arc::new(file);
        let old_connection = std::mem::replace(&mut self.connection, connection);
        let old_file = std::mem::replace(&mut self.file, Arc::clone(&file));
        self.tail = None;
        self.folder.add(file);
        // Waits for no reader: what of the old log stays is valid, and whoever closes the file last finishes it.
        let emptied = old_connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = emptied.map_err(old_file.sql("closing")) {
            warn!("{error}");
        }
        Ok(())
    }
}

/// Opens a day's file for writing, making it and its key if it is not there.
pub(crate) fn open_day(file: &DayFile, key: Option<&Key>, options: &Options) -> Result<Connection, StoreError> {
    let is_empty = fs::metadata(&file.path).map_or(true, |found| found.len() == 0);
    let is_plain = is_plain(&file.path);
    let wrapped = vault::path_of(&file.path);
    match (wrapped.exists(), is_empty) {
        (true, _) if !options.encrypted => {
            return Err(StoreError::Encryption { path: file.path.clone(), encrypted: true });
        }
        (false, false) if options.encrypted && is_plain => {
            return Err(StoreError::Encryption { path: file.path.clone(), encrypted: false });
        }
        (false, false) if !is_plain => {
            return Err(StoreError::KeyFile {
                path: wrapped,
                problem: "is missing, and the events beside it cannot be read without it".to_owned(),
                suggestion: "restore it from a backup, or move the file of that day away".to_owned(),
            });
        }
        (false, true) => {
            if let Some(key) = key.filter(|_| options.encrypted) {
                vault::create(&file.path, key)?;
            }
        }
        _ => {}
    }
    let connection = schema::open_writer(&file.path, file.key(key)?, options.page_cache_kib)?;
    // What is erased from it (a mark, of sessions that are gone) is not to be found in its unused parts.
    connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(())).map_err(file.sql("opening"))?;
    if options.file_bytes_max > 0 {
        let limit = format!("PRAGMA max_page_count = {}", (options.file_bytes_max / schema::PAGE_BYTES).max(1));
        connection.query_row(&limit, [], |_| Ok(())).map_err(file.sql("opening"))?;
    }
    Ok(connection)
}

/// Whether a file begins as a database that is not encrypted.
pub(crate) fn is_plain(path: &Path) -> bool {
    let mut start = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && &start == b"SQLite format 3\0"
}

/// The packer with the dictionary that the file was begun with.
pub(crate) fn packer_of(file: &DayFile, connection: &Connection) -> Result<Packer, StoreError> {
    let dictionary = schema::read_dictionary(connection).map_err(file.sql("reading"))?;
    Packer::new(&dictionary).map_err(|source| StoreError::Io {
        action: "preparing compression for",
        path: file.path.clone(),
        source,
    })
}

fn append(connection: &Connection, batch: &Batch, tail: &mut Tail, packer: &mut Packer) -> rusqlite::Result<()> {
    if batch.records.is_empty() {
        return Ok(());
    }
    let mut heads = HeadWriter::new(connection, &mut tail.names, &mut tail.block)?;
    let mut body = connection.prepare_cached("INSERT INTO bodies (seq, codec, json) VALUES (?1, ?2, ?3)")?;
    let mut content = connection.prepare_cached("INSERT INTO contents (seq, codec, json) VALUES (?1, ?2, ?3)")?;
    for record in &batch.records {
        heads.append(record)?;
        let (codec, packed) = packer.pack(&record.json);
        body.execute(params![record.seq as i64, codec, packed])?;
        if let Some(whole) = &record.content {
            let (codec, packed) = packer.pack(whole);
            content.execute(params![record.seq as i64, codec, packed])?;
        }
    }
    Ok(())
}

fn rewrite(connection: &Connection, rewritten: &[(u64, Bytes)], packer: &mut Packer) -> rusqlite::Result<()> {
    if !rewritten.is_empty() {
        connection.execute(schema::REWRITES, [])?;
    }
    for (seq, json) in rewritten {
        let (codec, packed) = packer.pack(json);
        let mut update = connection.prepare_cached("UPDATE bodies SET codec = ?2, json = ?3 WHERE seq = ?1")?;
        if update.execute(params![*seq as i64, codec, packed])? > 0 {
            connection.prepare_cached("INSERT INTO rewrites (seq) VALUES (?1)")?.execute([*seq as i64])?;
        }
    }
    Ok(())
}

/// Copies the log into the file and cuts it to nothing, as far as readers allow.
fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Makes the name of a new file durable: SQLite syncs its contents, but not the folder of the file itself.
pub(crate) fn sync_folder(file: &DayFile) -> Result<(), StoreError> {
    let synced = fs::metadata(&file.path).and_then(|_| key::sync_folder_of(&file.path));
    synced.map_err(|source| StoreError::Io { action: "making durable", path: file.path.clone(), source })
}
