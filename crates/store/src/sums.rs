//! Sums over time, in `catalog.db`: how much of what in each minute, under the names that whoever counts gives it.
//!
//! They are counted in memory and written with the checkpoint of the live state, in its transaction: what was counted and
//! up to which event it was counted are one. A file's share has the file's place beside it (`part`), so that it can be
//! counted again from the day's file; the shares of days that are gone stay. After a week minutes become hours, which are
//! kept for ever: by hours, a day can be summed up as it is anywhere on earth, and a year takes some megabytes.

mod durations;
mod query;
mod tables;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rusqlite::Connection;

use crate::key::Key;

pub use durations::Durations;
pub use query::{Asked, Binned};
pub(crate) use tables::{TABLES, begin, fold, write};

const MINUTE_MS: i64 = 60_000;

/// Sums in memory at a time; names beyond it count as [`OTHER`]. A busy minute has some dozen.
const PENDING_MAX: usize = 100_000;

/// The name of what is too much to be named.
pub const OTHER: &str = "other";

/// The longest name, in bytes; the rest of it is cut off.
const NAME_BYTES_MAX: usize = 128;

/// What one name sums up to in some time. Everything can be negative, in what corrects something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Events.
    pub events: i64,
    /// Those that a person would call an error.
    pub errors: i64,
    /// Tool calls that ended.
    pub calls: i64,
    /// Those that failed.
    pub failed: i64,
    /// Requests to a model that were answered.
    pub requests: i64,
    /// Tellings of tokens without a cost.
    pub unpriced: i64,
    /// Tokens sent, and in no cache.
    pub input: i64,
    /// Tokens answered.
    pub output: i64,
    /// Tokens read from the cache.
    pub cache_read: i64,
    /// Tokens written to the cache.
    pub cache_creation: i64,
    /// Cost in millionths of a US dollar; `None` while none is known, which is not 0.
    pub cost_micros: Option<i64>,
    /// How much of the cost follows from tokens and prices, and was not reported.
    pub estimated_micros: i64,
    /// Milliseconds that what is in `durations` took together.
    pub took_ms: i64,
    /// How long each took.
    pub durations: Durations,
}

impl Sum {
    /// Adds another.
    pub fn add(&mut self, other: &Sum) {
        self.events += other.events;
        self.errors += other.errors;
        self.calls += other.calls;
        self.failed += other.failed;
        self.requests += other.requests;
        self.unpriced += other.unpriced;
        self.input += other.input;
        self.output += other.output;
        self.cache_read += other.cache_read;
        self.cache_creation += other.cache_creation;
        self.add_cost(other.cost_micros);
        self.estimated_micros += other.estimated_micros;
        self.took_ms += other.took_ms;
        self.durations.merge(&other.durations);
    }

    /// Adds a cost, if there is one.
    pub fn add_cost(&mut self, micros: Option<i64>) {
        if let Some(micros) = micros {
            self.cost_micros = Some(self.cost_micros.unwrap_or(0) + micros);
        }
    }

    /// Counts something that took so long; `sign` is 1, or -1 to take it back.
    pub fn took(&mut self, ms: u64, sign: i64) {
        self.durations.add(ms, sign);
        self.took_ms = self.took_ms.saturating_add(sign * ms.min(1 << 40) as i64);
    }
}

/// By what sums are grouped that tell which session is of which project, so that a project's name goes with its last
/// session: the name is the session's, [`BETWEEN`], and the project's.
pub const PAIRS: u8 = 255;

/// Between the two names of a pair.
pub const BETWEEN: char = '\n';

/// In which groups the names of sessions and of projects are.
pub const SESSIONS: u8 = 6;

/// See [`SESSIONS`].
pub const PROJECTS: u8 = 5;

/// Where a sum belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Cell {
    /// By what names are grouped; whoever counts knows.
    group: u8,
    /// The place of the file that the events are in.
    part: i32,
    /// Minutes since 1970.
    minute: i32,
    /// Its place in `names`.
    name: u32,
}

/// What was counted and is not written yet.
#[derive(Default)]
pub struct Tallies {
    known: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
    sums: HashMap<Cell, Sum>,
}

impl Tallies {
    /// The sum of a name of a group in a minute, for events in the file at place `part`.
    pub fn of(&mut self, group: u8, name: &str, part: i64, time_ms: i64) -> &mut Sum {
        let full = self.sums.len() >= PENDING_MAX;
        let name = if full { self.number(OTHER) } else { self.number(&named(group, name)) };
        let minute = time_ms.div_euclid(MINUTE_MS).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        self.sums.entry(Cell { group, part: part as i32, minute, name }).or_default()
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.known.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(name.into());
        self.known.insert(name.into(), number);
        number
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    fn name(&self, cell: &Cell) -> &str {
        self.names.get(cell.name as usize).map_or(OTHER, |name| name)
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: Tallies) {
        for (cell, sum) in &other.sums {
            let name = self.number(other.name(cell));
            self.sums.entry(Cell { name, ..*cell }).or_default().add(sum);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Tallies::default();
    }
}

/// The name that something is counted under. Both of a pair, for two pairs must not become one.
fn named(group: u8, name: &str) -> Cow<'_, str> {
    match name.split_once(BETWEEN).filter(|_| group == PAIRS) {
        Some((session, project)) if name.len() > NAME_BYTES_MAX => {
            format!("{}{BETWEEN}{}", cut(session), cut(project)).into()
        }
        Some(_) => name.into(),
        None => cut(name).into(),
    }
}

fn cut(name: &str) -> &str {
    let end = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or(0)]
}

/// The sums of a store: counted by one thread, asked by any.
pub struct Sums {
    path: PathBuf,
    user: Option<Key>,
    pending: Mutex<Tallies>,
    /// For asking; opened when it is first needed.
    reader: Mutex<Option<Connection>>,
    complete: AtomicBool,
    /// Whether the file turned out to be damaged.
    distrusted: AtomicBool,
    /// Held by whoever writes the catalog.
    resting: Mutex<()>,
}

impl Sums {
    pub(crate) fn new(path: PathBuf, user: Option<Key>) -> Sums {
        let (pending, reader) = (Mutex::default(), Mutex::default());
        let (complete, distrusted) = (AtomicBool::new(false), AtomicBool::new(false));
        Sums { path, user, pending, reader, complete, distrusted, resting: Mutex::new(()) }
    }

    /// Counts. Held shortly: it is waited for by whoever asks.
    pub fn pending(&self) -> MutexGuard<'_, Tallies> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything that is stored has been counted, and not only what came lately.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Everything stored has been counted; kept with the next checkpoint.
    pub fn completed(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// The catalog, for whoever writes it for long; others do without it meanwhile.
    pub(crate) fn rest(&self) -> MutexGuard<'_, ()> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, unless somebody has it.
    pub(crate) fn try_rest(&self) -> Option<MutexGuard<'_, ()>> {
        match self.resting.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The file is damaged: whoever writes it next sets it aside.
    pub(crate) fn distrust(&self) {
        self.distrusted.store(true, Ordering::Release);
    }

    /// It has been set aside.
    pub(crate) fn trust(&self) {
        self.distrusted.store(false, Ordering::Release);
    }

    pub(crate) fn is_distrusted(&self) -> bool {
        self.distrusted.load(Ordering::Acquire)
    }

    /// The file was replaced: connections to the old one are of no use, and what was counted is lost.
    pub(crate) fn lost(&self) {
        self.complete.store(false, Ordering::Release);
        self.close();
    }

    pub(crate) fn close(&self) {
        drop(self.reader.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
