//! What a store holds, and whether all of it is whole. Changes nothing, and may run while another process writes.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::codec::Unpacker;
use crate::error::StoreError;
use crate::folder::{self, DayFile};
use crate::index;
use crate::key::Key;
use crate::schema;
use crate::vault;

/// One day of a store.
#[derive(Clone, Debug)]
pub struct Day {
    /// The name of its file.
    pub name: String,
    /// The first and the last number in it; `None` when it is empty.
    pub numbers: Option<(u64, u64)>,
    /// How many events it holds.
    pub events: u64,
    /// Bytes of the events.
    pub bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Whether its file is encrypted.
    pub encrypted: bool,
    /// Why it cannot be read, if it cannot.
    pub problem: Option<String>,
}

/// Something that is not as it was written.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// Whether it is made anew by itself, and no event is lost by it.
    pub is_cache: bool,
}

/// Whether a folder holds events that only a key opens.
pub fn is_encrypted(dir: &Path) -> bool {
    let days = folder::days(dir).unwrap_or_default();
    days.into_iter().any(|day| vault::path_of(&DayFile::new(dir, day).path).exists())
}

/// The days of a store, oldest first, after what is pinned of days that are gone.
pub fn days(dir: &Path, key: Option<&Key>) -> Result<Vec<Day>, StoreError> {
    Ok(files(dir)?.iter().map(|file| day_of(file, key)).collect())
}

/// What is pinned, if there is something, and the days, oldest first.
fn files(dir: &Path) -> Result<Vec<DayFile>, StoreError> {
    let days = folder::days(dir)?.into_iter().map(|day| DayFile::new(dir, day));
    let pinned = Some(DayFile::pinned(dir)).filter(|file| file.path.exists());
    Ok(pinned.into_iter().chain(days).collect())
}

fn day_of(file: &DayFile, key: Option<&Key>) -> Day {
    let size = |path: &Path| {
        ["", "-wal"]
            .iter()
            .filter_map(|suffix| fs::metadata(index::with_suffix(path, suffix)).ok())
            .map(|found| found.len())
            .sum()
    };
    let mut day = Day {
        name: file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        numbers: None,
        events: 0,
        bytes: size(&file.path),
        index_bytes: if file.is_pinned() { 0 } else { size(&file.index.path) },
        encrypted: vault::path_of(&file.path).exists(),
        problem: None,
    };
    let read = || {
        let connection = schema::open_reader(&file.path, file.key(key)?, 512)?;
        if !schema::is_initialised(&connection).map_err(file.sql("reading"))? {
            return Ok((0, None, None));
        }
        let sql = "SELECT count(*), min(seq), max(seq) FROM heads";
        let row = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        row.map_err(file.sql("reading"))
    };
    match read() {
        Ok((events, first, last)) => {
            let _: (i64, Option<i64>, Option<i64>) = (events, first, last);
            day.events = events as u64;
            day.numbers = first.zip(last).map(|(first, last)| (first as u64, last as u64));
        }
        Err(error) => day.problem = Some(error.to_string()),
    }
    day
}

/// Reads everything, every page and every payload, and tells what is not whole.
pub fn verify(dir: &Path, key: Option<&Key>) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    for file in files(dir)? {
        let look = |wal: &mut dyn FnMut(String)| {
            let problem = broken_log(&file.path)?;
            problem.into_iter().for_each(wal);
            let connection = schema::open_reader(&file.path, file.key(key)?, 2_048)?;
            Ok((pages(&connection, key.is_some()).map_err(file.sql("reading"))?, connection))
        };
        let mut log = Vec::new();
        match look(&mut |problem| log.push(problem)) {
            Ok((problems, connection)) => {
                log.extend(problems);
                if log.is_empty() && schema::is_initialised(&connection).map_err(file.sql("reading"))? {
                    log.extend(payloads(&connection, &file)?);
                }
            }
            // The key is another matter than the file.
            Err(error @ StoreError::KeyMissing { .. }) => return Err(error),
            Err(error) => log.push(error.to_string()),
        }
        faults.extend(log.into_iter().take(1).map(|problem| Fault {
            path: named(&problem, &file.path),
            problem,
            is_cache: false,
        }));
        if !file.is_pinned() && file.index.path.exists() {
            verify_cache(&file.index.path, key, &mut faults);
        }
    }
    let catalog = dir.join("catalog.db");
    if catalog.exists() {
        verify_cache(&catalog, key, &mut faults);
    }
    Ok(faults)
}

/// The key's file, where the error names that one.
fn named(problem: &str, path: &Path) -> PathBuf {
    let key = vault::path_of(path);
    if problem.contains(&*key.display().to_string()) { key } else { path.to_owned() }
}

fn verify_cache(path: &Path, key: Option<&Key>, faults: &mut Vec<Fault>) {
    let look = || -> Result<Option<String>, StoreError> {
        let sql = |source| StoreError::Sql { action: "reading", path: path.to_owned(), source };
        let file_key = vault::load(path, key)?;
        let connection = schema::open_reader(path, file_key.as_ref(), 512)?;
        pages(&connection, file_key.is_some()).map_err(sql)
    };
    let problem = look().unwrap_or_else(|error| Some(error.to_string()));
    faults.extend(problem.map(|problem| Fault { path: named(&problem, path), problem, is_cache: true }));
}

/// What is wrong with the pages of a file. Encrypted ones carry a check of every byte.
fn pages(connection: &Connection, encrypted: bool) -> rusqlite::Result<Option<String>> {
    let check = |pragma: &str| -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(pragma)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    if encrypted && let Some(problem) = check("PRAGMA cipher_integrity_check")?.into_iter().next() {
        return Ok(Some(problem));
    }
    let said = check("PRAGMA integrity_check(1)")?;
    Ok(said.into_iter().find(|line| line != "ok"))
}

/// The first payload that does not unpack to JSON.
fn payloads(connection: &Connection, file: &DayFile) -> Result<Option<String>, StoreError> {
    let reading = file.sql("reading");
    let dictionary = schema::read_dictionary(connection).map_err(&reading)?;
    let mut unpacker = Unpacker::new(&dictionary).map_err(|source| StoreError::Io {
        action: "preparing to read",
        path: file.path.clone(),
        source,
    })?;
    for table in ["bodies", "contents"] {
        let mut statement = connection.prepare(&format!("SELECT seq, codec, json FROM {table}")).map_err(&reading)?;
        let mut rows = statement.query([]).map_err(&reading)?;
        while let Some(row) = rows.next().map_err(&reading)? {
            let seq: i64 = row.get(0).map_err(&reading)?;
            let packed = row.get_ref(2).unwrap_or(ValueRef::Null);
            let unpacked = unpacker.unpack(row.get(1).map_err(&reading)?, packed);
            let problem = match unpacked {
                Err(problem) => problem,
                Ok(json) if !json.starts_with(b"{") && !json.starts_with(b"[") => "it is no JSON".to_owned(),
                Ok(_) => continue,
            };
            return Ok(Some(format!("event {seq} is damaged: {problem}")));
        }
    }
    Ok(None)
}

/// SQLite takes a write-ahead log up to the first frame that is wrong, without a word. What comes after it of the same
/// run of the log tells that something was lost there.
fn broken_log(database: &Path) -> Result<Option<String>, StoreError> {
    let path = index::with_suffix(database, "-wal");
    let log = match fs::read(&path) {
        Ok(log) => log,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Io { action: "reading", path, source }),
    };
    Ok(log_fault(&log).map(|frame| format!("{} is damaged from frame {frame} on", path.display())))
}

/// The frame at which a log breaks, if valid-looking frames of the same run follow it.
fn log_fault(log: &[u8]) -> Option<usize> {
    let word = |at: usize| log.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    let (magic, page) = (word(0)?, word(8)? as usize);
    if log.len() < 32 || !(512..=65_536).contains(&page) {
        return (!log.is_empty()).then_some(0);
    }
    let little = match magic {
        0x377f_0682 => true,
        0x377f_0683 => false,
        _ => return Some(0),
    };
    let salts = (word(16)?, word(20)?);
    let mut sum = checksum(little, (0, 0), log.get(..24)?);
    if (word(24)?, word(28)?) != sum {
        return Some(0);
    }
    let frames = (log.len() - 32) / (24 + page);
    let mut broken = None;
    for frame in 0..frames {
        let at = 32 + frame * (24 + page);
        let is_of_this_run = (word(at + 8)?, word(at + 12)?) == salts;
        if broken.is_none() {
            sum = checksum(little, sum, log.get(at..at + 8)?);
            sum = checksum(little, sum, log.get(at + 24..at + 24 + page)?);
            if !is_of_this_run || (word(at + 16)?, word(at + 20)?) != sum {
                broken = Some((frame, is_of_this_run));
            }
        } else if is_of_this_run {
            return broken.map(|(frame, _)| frame);
        }
    }
    // The last frame may be one that was being written when the process died: no commit needs it.
    None
}

/// SQLite's checksum of a write-ahead log.
fn checksum(little: bool, (mut one, mut two): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let bytes: [u8; 4] = bytes.try_into().unwrap_or_default();
        if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    };
    for pair in bytes.chunks_exact(8) {
        one = one.wrapping_add(word(&pair[..4])).wrapping_add(two);
        two = two.wrapping_add(word(&pair[4..])).wrapping_add(one);
    }
    (one, two)
}
