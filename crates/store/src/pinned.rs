//! Pinned sessions: before their day leaves the store, their events are copied into `pinned.db`, numbers and all, and are
//! found there as if the day were still there.
//!
//! Which sessions are pinned stands in the newest day's file, among the doors' positions, and moves on with them: it is
//! no cache.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, MutexGuard};

use rusqlite::{Connection, params};

use crate::batch::Record;
use crate::codec::Packer;
use crate::error::StoreError;
use crate::folder::{DayFile, Folder, Opened};
use crate::heads::{self, Block, Filter, Head, HeadReader, HeadWriter, Names};
use crate::reader::{Payload, payload};
use crate::schema::{self, Meta};
use crate::writer::{self, Options};

/// What the position of no door begins with: the rest is a session's id.
const MARK: &str = "pin ";

/// Events copied or removed in one transaction: who enriches an event waits for no more than that.
const CHUNK: usize = 200;

/// Under which name it stands that a session is pinned.
pub(crate) fn mark(session: &str) -> String {
    format!("{MARK}{session}")
}

/// The session that a position says is pinned, if it does.
pub(crate) fn marked(position: &str) -> Option<&str> {
    position.strip_prefix(MARK)
}

/// The pinned sessions of a folder.
pub(crate) fn sessions(folder: &Folder) -> Result<BTreeSet<String>, StoreError> {
    let Some(newest) = folder.files().pop() else { return Ok(BTreeSet::new()) };
    let meta = folder.read(&newest, |opened| schema::read_meta(&opened.connection).map_err(newest.sql("reading")))?;
    Ok(meta.positions.iter().filter_map(|(name, _)| marked(name)).map(str::to_owned).collect())
}

/// Copies the events of these sessions out of a day that is about to go. Doing it twice does no harm.
pub(crate) fn keep(folder: &Folder, dir: &Path, day: &DayFile, pinned: &BTreeSet<String>) -> Result<(), StoreError> {
    let numbers = folder.read(day, |opened| numbers_of(&opened.connection, day, pinned))?;
    if numbers.is_empty() {
        return Ok(());
    }
    let _pinning = folder.pinning();
    let file = folder.pinned().unwrap_or_else(|| Arc::new(DayFile::pinned(dir)));
    let mut connection = open(folder, &file)?;
    if !schema::is_initialised(&connection).map_err(file.sql("reading"))? {
        let epoch = folder.read(day, |opened| schema::read_meta(&opened.connection).map_err(day.sql("reading")))?.epoch;
        let meta = Meta { epoch, seq_first: 1, seq_next: 1, positions: Vec::new() };
        schema::initialise(&mut connection, &meta).map_err(file.sql("initialising"))?;
        writer::sync_folder(&file)?;
    }
    folder.has_pinned(Arc::clone(&file));
    let mut packer = writer::packer_of(&file, &connection)?;
    for numbers in numbers.chunks(CHUNK) {
        let records = folder.read(day, |opened| read(opened, day, numbers))?;
        // The writer may have an event to enrich in there.
        let _alone = must_hold(folder, &file)?;
        write(&mut connection, &records, &mut packer).map_err(file.sql("writing"))?;
    }
    must_hold(folder, &file).map(drop)
}

/// Nobody else writes what is pinned meanwhile; an error when it has been set aside.
fn must_hold<'a>(folder: &'a Folder, file: &Arc<DayFile>) -> Result<MutexGuard<'a, ()>, StoreError> {
    let alone = folder.alone();
    match folder.pinned() {
        Some(held) if Arc::ptr_eq(&held, file) => Ok(alone),
        _ => Err(StoreError::Removed { path: file.path.clone() }),
    }
}

/// Removes what is there of sessions that are not pinned any more.
pub(crate) fn release(folder: &Folder, pinned: &BTreeSet<String>) -> Result<(), StoreError> {
    let _pinning = folder.pinning();
    let Some(file) = folder.pinned() else { return Ok(()) };
    let kept = folder.read(&file, |opened| {
        let sql = "SELECT name FROM names WHERE id IN (SELECT DISTINCT session FROM heads)";
        let mut statement = opened.connection.prepare(sql).map_err(file.sql("reading"))?;
        let names = statement.query_map([], |row| row.get::<_, String>(0)).map_err(file.sql("reading"))?;
        names.collect::<rusqlite::Result<BTreeSet<_>>>().map_err(file.sql("reading"))
    })?;
    let gone: BTreeSet<String> = kept.difference(pinned).cloned().collect();
    if gone.is_empty() {
        return Ok(());
    }
    let numbers = folder.read(&file, |opened| numbers_of(&opened.connection, &file, &gone))?;
    let mut connection = open(folder, &file)?;
    let mut remove = |numbers: &[u64]| {
        let transaction = connection.transaction()?;
        for table in ["heads", "bodies", "contents"] {
            let mut delete = transaction.prepare(&format!("DELETE FROM {table} WHERE seq = ?1"))?;
            for seq in numbers {
                delete.execute([*seq as i64])?;
            }
        }
        transaction.commit()
    };
    for numbers in numbers.chunks(CHUNK) {
        let _alone = must_hold(folder, &file)?;
        remove(numbers).map_err(file.sql("writing"))?;
    }
    Ok(())
}

fn open(folder: &Folder, file: &DayFile) -> Result<Connection, StoreError> {
    let options = Options { encrypted: folder.user().is_some(), page_cache_kib: 512, ..Options::default() };
    writer::open_day(file, folder.user(), &options)
}

/// The numbers of the events of some sessions in a file.
fn numbers_of(connection: &Connection, file: &DayFile, sessions: &BTreeSet<String>) -> Result<Vec<u64>, StoreError> {
    let reading = file.sql("reading");
    let mut numbers = Vec::new();
    for session in sessions {
        let Some(filter) = Filter::of_session(connection, session).map_err(&reading)? else { continue };
        let Some(range) = heads::numbers_in(connection).map_err(&reading)? else { continue };
        let mut visit = |head: &Head| -> rusqlite::Result<ControlFlow<()>> {
            numbers.push(head.seq);
            Ok(ControlFlow::Continue(()))
        };
        heads::scan(connection, &filter, range, false, None, &mut visit).map_err(&reading)?;
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Events of a day, with all that belongs to them.
fn read(opened: &Opened, day: &DayFile, numbers: &[u64]) -> Result<Vec<Record>, StoreError> {
    let mut reader = HeadReader::default();
    let mut records = Vec::with_capacity(numbers.len());
    for seq in numbers {
        let head = reader.read(&opened.connection, *seq).map_err(day.sql("reading"))?;
        let (Some(head), Some(json)) = (head, payload(opened, day, Payload::Body, *seq)?) else { continue };
        records.push(Record { json, content: payload(opened, day, Payload::Content, *seq)?, ..head });
    }
    Ok(records)
}

fn write(connection: &mut Connection, records: &[Record], packer: &mut Packer) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let (mut names, mut block) = (Names::default(), Block::new(0));
        let mut heads = HeadWriter::new(&transaction, &mut names, &mut block)?;
        for record in records {
            for (table, json) in [("bodies", Some(&record.json)), ("contents", record.content.as_ref())] {
                let Some(json) = json else { continue };
                let (codec, packed) = packer.pack(json);
                let sql = format!("INSERT OR REPLACE INTO {table} (seq, codec, json) VALUES (?1, ?2, ?3)");
                transaction.prepare_cached(&sql)?.execute(params![record.seq as i64, codec, packed])?;
            }
            heads.append_alone(record)?;
        }
    }
    transaction.commit()
}
