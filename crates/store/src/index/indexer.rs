//! The thread that indexes what is committed. It reads as any reader does, and writes its own files alone, so that no
//! commit of events ever waits for it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use tracing::warn;

use super::tokens::Tokens;
use super::{PART_EVENTS, State, WIDE_EVENTS, Words, numbers_of_wide, read_common, read_state, rewrites, tables_of};
use crate::error::StoreError;
use crate::folder::{DayFile, Folder, Opened};
use crate::reader::{Payload, payload};
use crate::schema;

/// Wide rows in one transaction: many, because each makes the index merge what it has.
const WIDE_MAX: usize = 64;

/// Bytes of tokens in one transaction, so that large events do not fill memory.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Events by which it is decided what is common: fewer say little, and what comes before them is kept event by event.
const SAMPLE: u64 = 1_024;

/// Common is what one of so many events has.
const COMMON_ONE_IN: usize = 3;

/// Rewritten events looked at in one transaction.
const REWRITES_MAX: u32 = 1_024;

/// How long new events are gathered before they are indexed: searches look at them without an index meanwhile.
const GATHER: Duration = Duration::from_millis(500);

/// How long an index that cannot be written rests.
const REST: Duration = Duration::from_secs(5);

/// Keeps the indexes of a folder up to date until it is dropped.
pub(crate) struct Indexer {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Signal {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    stop: bool,
    work: bool,
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    /// Waits until there is work, and then a little for more of it; false when it is to stop.
    fn wait(&self, at_most: Duration, gather: Duration) -> bool {
        let told = self.lock();
        let waited = self.changed.wait_timeout_while(told, at_most, |told| !told.stop && !told.work);
        let (told, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(told, gather, |told| !told.stop);
        let (mut told, _) = waited.unwrap_or_else(PoisonError::into_inner);
        told.work = false;
        !told.stop
    }
}

impl Indexer {
    /// Starts it; it begins with what is not indexed yet.
    pub(crate) fn start(folder: Arc<Folder>, words: Words, epoch: String) -> std::io::Result<Indexer> {
        let signal = Arc::new(Signal::default());
        let work = Work { folder, words, epoch, signal: Arc::clone(&signal), open: None, done: HashMap::new() };
        let thread = std::thread::Builder::new().name("indexer".to_owned()).spawn(move || work.run())?;
        Ok(Indexer { signal, thread: Some(thread) })
    }

    /// Something was committed.
    pub(crate) fn wake(&self) {
        let mut told = self.signal.lock();
        if !std::mem::replace(&mut told.work, true) {
            self.signal.changed.notify_one();
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.signal.lock().stop = true;
        self.signal.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    folder: Arc<Folder>,
    words: Words,
    epoch: String,
    signal: Arc<Signal>,
    /// The index that is being written, by its day.
    open: Option<(i64, Connection)>,
    /// Days that are indexed to their end, and how many times they had been rewritten by then.
    done: HashMap<i64, u64>,
}

/// What one transaction writes.
struct Pass {
    /// The tokens of each event.
    words: Vec<(u64, String)>,
    /// The common tokens of each wide row.
    wide: Vec<(u64, String)>,
    /// What is found to be common.
    common: Option<HashSet<String>>,
    state: State,
    /// Whether there is more to do.
    more: bool,
}

impl Work {
    fn run(mut self) {
        let mut rest = Duration::ZERO;
        loop {
            let mut files = self.folder.files();
            files.reverse();
            for (age, file) in files.iter().enumerate() {
                if self.signal.is_stopped() {
                    return;
                }
                let caught_up = self.catch_up(file, age == 0);
                if let Err(error) = caught_up.or_else(|error| match error {
                    StoreError::Removed { .. } => Ok(()),
                    error => Err(error),
                }) {
                    // Today's events come first; it is tried again, and searches do without it meanwhile.
                    if rest.is_zero() {
                        warn!("the index of a day is not kept up: {error}");
                    }
                    self.open = None;
                    if matches!(&error, StoreError::Sql { path, .. } if *path == file.index.path && !error.is_full()) {
                        file.index.distrust();
                    }
                    rest = REST;
                }
            }
            let at_most = if rest.is_zero() { Duration::from_secs(3_600) } else { rest };
            if !self.signal.wait(at_most, GATHER.max(rest)) {
                return;
            }
            rest = Duration::ZERO;
        }
    }

    /// Brings one day's index up to its events.
    fn catch_up(&mut self, file: &DayFile, is_newest: bool) -> Result<(), StoreError> {
        let rewritten = file.times_rewritten();
        let usable = file.index.generation().is_some();
        if !is_newest && usable && self.done.get(&file.day) == Some(&rewritten) {
            return Ok(());
        }
        if !usable || self.open.as_ref().is_none_or(|(day, _)| *day != file.day) {
            self.open = None;
            let meta =
                self.folder.read(file, |opened| schema::read_meta(&opened.connection).map_err(file.sql("reading")))?;
            let user = self.folder.user();
            let connection = file.index.open_writer(user, self.words, &self.epoch, meta.seq_first)?;
            let state = read_state(&connection).map_err(file.index.sql("reading"))?;
            if state.indexed_to > meta.seq_next {
                // The events are of an earlier time than their index: a backup was put back.
                file.index.distrust();
                drop(connection);
                let anew = file.index.open_writer(user, self.words, &self.epoch, meta.seq_first)?;
                self.open = Some((file.day, anew));
            } else {
                self.open = Some((file.day, connection));
            }
        }
        let Some((_, connection)) = &mut self.open else { return Ok(()) };
        loop {
            if self.signal.is_stopped() {
                return Ok(());
            }
            let state = read_state(connection).map_err(file.index.sql("reading"))?;
            let words = self.words;
            let common = read_common(connection).map_err(file.index.sql("reading"))?;
            let pass = self.folder.read(file, |opened| gather(opened, file, state, (words, &common), is_newest))?;
            if pass.state != state {
                write(connection, &pass).map_err(file.index.sql("writing"))?;
            }
            if !pass.more {
                break;
            }
        }
        if !is_newest {
            self.open = None;
            self.done.insert(file.day, rewritten);
        }
        Ok(())
    }
}

/// Reads, in one snapshot, what comes next.
fn gather(
    opened: &Opened,
    file: &DayFile,
    state: State,
    (words, common): (Words, &HashSet<String>),
    is_newest: bool,
) -> Result<Pass, StoreError> {
    let reading = file.sql("reading");
    let snapshot = opened.connection.unchecked_transaction().map_err(&reading)?;
    let meta = schema::read_meta(&snapshot).map_err(&reading)?;
    let (rewritten, rewrites_to) = rewrites(&snapshot, state.rewrites_to, REWRITES_MAX).map_err(&reading)?;
    let mut pass = Pass {
        words: Vec::new(),
        wide: Vec::new(),
        common: None,
        state: State { rewrites_to, ..state },
        more: rewritten.len() >= REWRITES_MAX as usize,
    };
    let again: BTreeSet<u64> =
        rewritten.iter().filter(|seq| **seq < state.indexed_to).map(|seq| seq / WIDE_EVENTS).collect();
    for wide in again {
        let numbers = numbers_of_wide(wide);
        let upper = (*numbers.end()).min(state.indexed_to - 1);
        pass.read(opened, file, *numbers.start()..=upper, (words, common))?;
    }
    let from = meta.seq_first.max(state.indexed_to.next_multiple_of(WIDE_EVENTS));
    if state.common_from.is_none() && from + SAMPLE <= meta.seq_next {
        pass.common = Some(common_in(opened, file, from..=from + SAMPLE - 1, words)?);
        pass.state.common_from = Some(from);
    }
    let common = pass.common.clone().unwrap_or_else(|| common.clone());
    let mut wides = 0;
    while pass.state.indexed_to < meta.seq_next {
        let wide = pass.state.indexed_to / WIDE_EVENTS;
        let end = (*numbers_of_wide(wide).end()).min(meta.seq_next - 1);
        // An unfinished row waits, unless it is the last of its day.
        if is_newest && end < *numbers_of_wide(wide).end() {
            break;
        }
        if wides >= WIDE_MAX || pass.bytes() >= TEXT_BYTES_MAX {
            pass.more = true;
            break;
        }
        // From its beginning: a day may begin in the middle of a row, and so may what was added to it.
        let start = meta.seq_first.max(*numbers_of_wide(wide).start());
        pass.read(opened, file, start..=end, (words, &common))?;
        wides += 1;
        pass.state.indexed_to = end + 1;
    }
    Ok(pass)
}

impl Pass {
    fn bytes(&self) -> usize {
        self.words.iter().chain(&self.wide).map(|(_, text)| text.len()).sum()
    }

    /// Takes the tokens of events of one wide row.
    fn read(
        &mut self,
        opened: &Opened,
        file: &DayFile,
        numbers: RangeInclusive<u64>,
        (words, common): (Words, &HashSet<String>),
    ) -> Result<(), StoreError> {
        let are_common_apart = self.state.common_from.is_some_and(|from| *numbers.start() >= from);
        let (mut own, mut shared) = (Tokens::default(), Tokens::default());
        for seq in numbers.clone() {
            let Some(json) = json_of(opened, file, seq)? else { continue };
            (words.tell)(&json, &mut |token| {
                if are_common_apart && common.contains(token) {
                    shared.add(token);
                } else {
                    own.add(token);
                }
            });
            self.words.push((seq, own.take()));
        }
        if are_common_apart {
            self.wide.push((numbers.start() / WIDE_EVENTS, shared.take()));
        }
        Ok(())
    }
}

/// The JSON of an event, if there is one.
fn json_of(opened: &Opened, file: &DayFile, seq: u64) -> Result<Option<Bytes>, StoreError> {
    match payload(opened, file, Payload::Body, seq) {
        // It cannot be found either way; a search that comes to it says so.
        Err(StoreError::Damaged { .. }) => Ok(None),
        json => json,
    }
}

/// The tokens that are in many of these events.
fn common_in(
    opened: &Opened,
    file: &DayFile,
    numbers: RangeInclusive<u64>,
    words: Words,
) -> Result<HashSet<String>, StoreError> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut events = 0;
    for seq in numbers {
        let Some(json) = json_of(opened, file, seq)? else { continue };
        events += 1;
        let mut told = HashSet::new();
        (words.tell)(&json, &mut |token| {
            told.insert(token.to_owned());
        });
        told.into_iter().for_each(|token| *counts.entry(token).or_default() += 1);
    }
    counts.retain(|_, count| *count * COMMON_ONE_IN >= events);
    Ok(counts.into_keys().collect())
}

fn write(connection: &mut Connection, pass: &Pass) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (name, rows, rows_in_part) in
        [("words", &pass.words, PART_EVENTS), ("wide", &pass.wide, PART_EVENTS / WIDE_EVENTS)]
    {
        for rows in rows.chunk_by(|(one, _), (other, _)| one / rows_in_part == other / rows_in_part) {
            let Some(part) = rows.first().map(|(row, _)| row / rows_in_part) else { continue };
            let sql = "SELECT 1 FROM parts WHERE part = ?1";
            if transaction.prepare_cached(sql)?.query_row([part as i64], |_| Ok(())).optional()?.is_none() {
                transaction.execute_batch(&tables_of(part))?;
            }
            let sql = format!("INSERT INTO {name}_{part} (rowid, text) VALUES (?1, ?2)");
            let mut put = transaction.prepare_cached(&sql)?;
            for (row, text) in rows {
                put.execute(params![*row as i64, text])?;
            }
        }
    }
    for token in pass.common.iter().flatten() {
        transaction.prepare_cached("INSERT OR IGNORE INTO common VALUES (?1)")?.execute([token])?;
    }
    let State { indexed_to, rewrites_to, common_from } = pass.state;
    let sql = "UPDATE state SET indexed_to = ?1, rewrites_to = ?2, common_from = ?3 WHERE id = 1";
    let common_from = common_from.map(|from| from as i64);
    transaction.prepare_cached(sql)?.execute(params![indexed_to as i64, rewrites_to, common_from])?;
    transaction.commit()
}
