//! How the writer begins: in the newest file, or in a new one after it, with the numbers and the doors' positions of before.
//!
//! They stand in the newest file. If that one is damaged, a new one is begun beside it, and the damaged one is set aside as
//! any other: the numbers go on above all that it can have had, so that none is given out twice, and the doors go on from
//! where they were when the file before ended.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, ffi};
use tracing::error;

use crate::catalog::Catalog;
use crate::codec::Packer;
use crate::day;
use crate::error::StoreError;
use crate::folder::DayFile;
use crate::index::with_suffix;
use crate::key::{self, Key};
use crate::schema::{self, Meta};
use crate::writer::{self, Options, Tail};

/// No event takes fewer bytes in a file.
const EVENT_BYTES_MIN: u64 = 8;

/// Numbers that a file can have had at least, whatever is left of it: one that was cut off says nothing. Far more than come
/// in between two checkpoints of the live state.
const LOST_MIN: u64 = 1_000_000;

/// The file that gets new events, opened.
pub(crate) struct Begun {
    pub(crate) connection: Connection,
    pub(crate) packer: Packer,
    pub(crate) meta: Meta,
    pub(crate) tail: Tail,
    /// Files that cannot be read, to be set aside.
    pub(crate) damaged: Vec<Arc<DayFile>>,
}

/// What the files before a new one have come to.
struct Ending {
    /// `None` when no file can be read.
    meta: Option<Meta>,
    damaged: Vec<Arc<DayFile>>,
    /// How many numbers the damaged ones may have had.
    lost: u64,
}

/// Opens the newest of `files` for writing, or makes a file and adds it.
pub(crate) fn begin(
    files: &mut Vec<Arc<DayFile>>,
    dir: &Path,
    key: Option<&Key>,
    options: &Options,
    catalog: &mut Catalog,
    now_ms: i64,
) -> Result<Begun, StoreError> {
    let today = day::day_of(now_ms);
    let (mut next, mut left) = (today, None);
    if let Some(newest) = files.last().cloned() {
        match open(&newest, &files[..files.len() - 1], key, options, catalog) {
            Err(error) if error.is_damage() => {
                error!("reading {}: {error}", newest.path.display());
                next = today.max(newest.day + 1);
                left = Some(newest);
            }
            opened => return opened,
        }
    }
    let new = Arc::new(DayFile::new(dir, next));
    let mut begun = open(&new, files, key, options, catalog)?;
    // Where it could be read what it had come to, and not what comes after that.
    begun.damaged.extend(left.filter(|left| begun.damaged.iter().all(|file| file.day != left.day)));
    files.push(new);
    Ok(begun)
}

fn open(
    file: &Arc<DayFile>,
    before: &[Arc<DayFile>],
    key: Option<&Key>,
    options: &Options,
    catalog: &mut Catalog,
) -> Result<Begun, StoreError> {
    let reading = file.sql("reading");
    check_log(file)?;
    let mut connection = match writer::open_day(file, key, options) {
        // No key is missing where no other file has one.
        Err(StoreError::KeyFile { .. })
            if !options.encrypted && before.iter().any(|file| writer::is_plain(&file.path)) =>
        {
            return Err(no_database(file, "it does not begin as a database does"));
        }
        opened => opened?,
    };
    let mut damaged = Vec::new();
    if schema::is_initialised(&connection).map_err(&reading)? {
        let meta = schema::read_meta(&connection).map_err(&reading)?;
        if meta.seq_next == meta.seq_first {
            // Nothing was put into it. If it failed at its last step, the file before may have gone on since then.
            let ending = ending(before, key)?;
            damaged = ending.damaged;
            if let Some(before) = ending.meta.filter(|before| before.seq_next > meta.seq_next) {
                schema::begin_again(&mut connection, &starting(before)).map_err(file.sql("initialising"))?;
            }
        }
    } else {
        // Nothing is in it: it is new, or the process died while it was being made.
        let ending = ending(before, key)?;
        damaged = ending.damaged;
        let meta = starting(after(ending.meta, ending.lost, catalog)?);
        writer::sync_folder(file)?;
        schema::initialise(&mut connection, &meta).map_err(file.sql("initialising"))?;
    }
    let meta = schema::read_meta(&connection).map_err(&reading)?;
    let tail = Tail::read(&connection, meta.seq_next).map_err(&reading)?;
    let packer = writer::packer_of(file, &connection)?;
    Ok(Begun { connection, packer, meta, tail, damaged })
}

/// Reads the newest file that can be read.
fn ending(files: &[Arc<DayFile>], key: Option<&Key>) -> Result<Ending, StoreError> {
    let mut ending = Ending { meta: None, damaged: Vec::new(), lost: 0 };
    for file in files.iter().rev() {
        let read = || {
            check_log(file)?;
            let connection = schema::open_reader(&file.path, file.key(key)?, 512)?;
            let is_made = schema::is_initialised(&connection).map_err(file.sql("reading"))?;
            is_made.then(|| schema::read_meta(&connection).map_err(file.sql("reading"))).transpose()
        };
        match read() {
            Ok(None) => {}
            Ok(meta) => {
                ending.meta = meta;
                break;
            }
            Err(error) if error.is_damage() => {
                error!("reading {}: {error}", file.path.display());
                ending.lost += ((bytes(file, "") + bytes(file, "-wal")) / EVENT_BYTES_MIN).max(LOST_MIN);
                ending.damaged.push(Arc::clone(file));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(ending)
}

/// A file that is empty, and whose log is not, was cut off: SQLite would throw the log away.
fn check_log(file: &DayFile) -> Result<(), StoreError> {
    if bytes(file, "") > 0 || bytes(file, "-wal") == 0 {
        return Ok(());
    }
    Err(no_database(file, "it is empty, and its log is not: it was cut off"))
}

fn no_database(file: &DayFile, why: &str) -> StoreError {
    let source = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOTADB), Some(why.to_owned()));
    file.sql("reading")(source)
}

fn bytes(file: &DayFile, suffix: &str) -> u64 {
    fs::metadata(with_suffix(&file.path, suffix)).map_or(0, |found| found.len())
}

/// The epoch and the numbers after what can be read, and above what cannot.
fn after(meta: Option<Meta>, lost: u64, catalog: &mut Catalog) -> Result<Meta, StoreError> {
    let meta = match meta {
        Some(meta) => Some(meta),
        // All that there were are damaged: the live state knows whose they are.
        None if lost > 0 => {
            catalog.epoch().map(|epoch| Meta { epoch, seq_first: 1, seq_next: 1, positions: Vec::new() })
        }
        None => None,
    };
    let Some(mut meta) = meta else {
        let epoch = key::encode_hex(&key::random::<16>()?);
        return Ok(Meta { epoch, seq_first: 1, seq_next: 1, positions: Vec::new() });
    };
    // Of a store that had more than its files have now.
    let known = catalog.load(&meta.epoch).filter(|(seq, _)| *seq >= meta.seq_next);
    meta.seq_next = (meta.seq_next + lost).max(known.map_or(0, |(seq, _)| seq + LOST_MIN));
    Ok(meta)
}

/// What a new file starts with.
fn starting(before: Meta) -> Meta {
    Meta { seq_first: before.seq_next, ..before }
}
