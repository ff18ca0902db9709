//! A page of history: newest or oldest first, filtered, within a time budget.

use std::cell::Cell;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rusqlite::Connection;

use crate::error::StoreError;
use crate::folder::{DayFile, Folder};
use crate::heads::{self, Filter, Scan};
use crate::index::{self, Needle, Search};
use crate::reader::{self, Payload};

/// So many numbers are looked up one by one.
const FEW: u64 = 128;

/// Which way a page runs, and from where. Both numbers are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Newest first.
    Newest {
        /// Only events below this number.
        before: Option<u64>,
    },
    /// Oldest first.
    Oldest {
        /// Only events above this number.
        after: u64,
    },
}

/// What a page is asked for. Lists mean "one of these"; an empty list means "any".
#[derive(Clone, Debug)]
pub struct PageQuery {
    /// Which way, from where.
    pub direction: Direction,
    /// Events wanted, at least 1.
    pub limit: usize,
    /// Bytes of events after which a page is full: the last one may go beyond.
    pub bytes_max: usize,
    /// Kinds, as `tool_call.finished`.
    pub kinds: Vec<String>,
    /// Namespaces, as `/hook`.
    pub namespaces: Vec<String>,
    /// Sessions.
    pub sessions: Vec<String>,
    /// Subagents.
    pub agents: Vec<String>,
    /// Tools.
    pub tools: Vec<String>,
    /// Earliest time of the event, inclusive, in milliseconds since 1970.
    pub time_from_ms: Option<i64>,
    /// Latest time of the event, inclusive, in milliseconds since 1970.
    pub time_to_ms: Option<i64>,
    /// Errors only.
    pub errors_only: bool,
    /// Tokens that an event must have to be accepted: one of each list. Only a help for finding them: whoever asks still
    /// looks at each event.
    pub needles: Vec<Vec<Needle>>,
    /// Whether what is withheld of a payload is shown to whoever decides, too.
    pub with_content: bool,
    /// When to stop looking and give what was found.
    pub deadline: Instant,
}

impl PageQuery {
    /// Everything, in this direction.
    pub fn new(direction: Direction, limit: usize, deadline: Instant) -> PageQuery {
        PageQuery {
            direction,
            limit,
            bytes_max: usize::MAX,
            kinds: Vec::new(),
            namespaces: Vec::new(),
            sessions: Vec::new(),
            agents: Vec::new(),
            tools: Vec::new(),
            time_from_ms: None,
            time_to_ms: None,
            errors_only: false,
            needles: Vec::new(),
            with_content: false,
            deadline,
        }
    }
}

/// Some events, and where to go on.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The public JSON of each event, in the order asked for.
    pub events: Vec<Bytes>,
    /// The number to go on from (as `before` or `after`); absent when there is no more.
    pub next: Option<u64>,
    /// Whether the deadline ended the search: there may be more, from `next` on.
    pub partial: bool,
    /// When it ended among events that are not indexed yet: the first of them.
    pub indexed_to: Option<u64>,
}

/// Decides about an event by its JSON, and by what is withheld of it if that is asked for.
pub type Decide<'a> = &'a mut dyn FnMut(&[u8], Option<&[u8]>) -> bool;

/// Reads a page, file by file.
pub(crate) fn read(folder: &Folder, query: &PageQuery, matches: Decide<'_>) -> Result<Page, StoreError> {
    let seq_next = folder.seq_next();
    let (newest_first, wanted) = match query.direction {
        Direction::Newest { before } => (true, 1..=before.unwrap_or(u64::MAX).min(seq_next).saturating_sub(1)),
        Direction::Oldest { after } => (false, after.saturating_add(1)..=seq_next - 1),
    };
    let newest_files = newest_first_ranges(folder, seq_next, wanted.clone());
    let ranges: Box<dyn Iterator<Item = Result<Held, StoreError>>> = if newest_first {
        Box::new(newest_files)
    } else {
        let mut oldest_files: Vec<_> = newest_files.collect();
        oldest_files.reverse();
        Box::new(oldest_files.into_iter())
    };
    let mut page = Page::default();
    for range in ranges {
        let (file, held) = match range {
            Err(StoreError::Removed { .. }) => continue,
            range => range?,
        };
        let range = *held.start().max(wanted.start())..=*held.end().min(wanted.end());
        let at_end = if newest_first { *range.start() } else { *range.end() };
        let (scan, last) = match read_file(folder, &file, query, range, newest_first, &mut page, matches) {
            // What was read of it before it went stays on the page; the rest is a gap.
            Err(StoreError::Removed { .. }) => continue,
            read => read?,
        };
        let reached = match scan {
            Scan::Done if !query.is_late() => continue,
            Scan::Done => at_end,
            Scan::Stopped => last,
            Scan::Late(seq) => seq,
        };
        let is_last = if newest_first { reached <= 1 } else { reached >= *wanted.end() };
        page.next = (!is_last).then_some(reached);
        page.partial = !is_last && scan != Scan::Stopped;
        return Ok(page);
    }
    Ok(page)
}

impl PageQuery {
    fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

/// A file, and the numbers it holds.
type Held = (Arc<DayFile>, RangeInclusive<u64>);

/// The files that hold something of `wanted`, newest first. Opens each only when it is its turn.
fn newest_first_ranges(
    folder: &Folder,
    seq_next: u64,
    wanted: RangeInclusive<u64>,
) -> impl Iterator<Item = Result<Held, StoreError>> {
    // What is pinned of days that are gone is older than all of them.
    let mut files: Vec<_> = folder.pinned().into_iter().chain(folder.files()).collect();
    let mut end = seq_next;
    std::iter::from_fn(move || {
        while end > *wanted.start() && !wanted.is_empty() {
            let file = files.pop()?;
            let first = match folder.seq_first_of(&file) {
                Ok(first) => first,
                Err(error) => return Some(Err(error)),
            };
            let held = first..=end - 1;
            end = end.min(first);
            if first <= *wanted.end() && !held.is_empty() {
                return Some(Ok((file, held)));
            }
        }
        None
    })
}

/// Adds what one file has; also gives the number of the last event added.
fn read_file(
    folder: &Folder,
    file: &DayFile,
    query: &PageQuery,
    range: RangeInclusive<u64>,
    newest_first: bool,
    page: &mut Page,
    matches: Decide<'_>,
) -> Result<(Scan, u64), StoreError> {
    let mut last = 0;
    let mut bytes: usize = page.events.iter().map(Bytes::len).sum();
    let scan = folder.read(file, |opened| {
        let connection = &opened.connection;
        let reading = file.sql("reading");
        let Some(filter) = Filter::new(connection, query).map_err(&reading)? else { return Ok(Scan::Done) };
        let range = heads::narrow(connection, &filter, range).map_err(&reading)?;
        let mut visit = |seq: u64| {
            let json = reader::payload(opened, file, Payload::Body, seq)?;
            let content = match &json {
                Some(_) if query.with_content => reader::payload(opened, file, Payload::Content, seq)?,
                _ => None,
            };
            if let Some(json) = json.filter(|json| matches(json, content.as_deref())) {
                bytes += json.len();
                page.events.push(json);
                last = seq;
            }
            let is_full = page.events.len() >= query.limit.max(1) || bytes >= query.bytes_max;
            Ok::<_, Failure>(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        let mut look = |range: RangeInclusive<u64>| {
            // Of a few, their heads would say nothing that is asked for.
            if filter.is_open() && range.end() - range.start() < FEW {
                return each(range, newest_first, query.deadline, &mut visit);
            }
            heads::scan(connection, &filter, range, newest_first, Some(query.deadline), &mut |head| visit(head.seq))
        };
        let tail = Cell::new(None);
        let search = |index: &Connection, look: &mut dyn FnMut(_) -> Result<Scan, Failure>| {
            let (needles, events, deadline) = (query.needles.as_slice(), connection, query.deadline);
            let file = &file.index;
            let range = range.clone();
            index::scan(&Search { index, file, events, needles, range, newest_first, deadline, tail: &tail }, look)
        };
        let is_indexed = !query.needles.is_empty() && !range.is_empty();
        let found = if is_indexed { folder.with_index(file, |index| search(index, &mut look)) } else { None };
        if found.is_none() && is_indexed {
            tail.set(Some(*range.start()));
        }
        let scan = found.unwrap_or_else(|| look(range.clone()));
        page.indexed_to = tail.get().filter(|_| matches!(scan, Ok(Scan::Late(_))));
        scan.map_err(|failure| match failure {
            Failure::Sql(source) => reading(source),
            Failure::Store(error) => error,
        })
    })?;
    Ok((scan, last))
}

/// Shows numbers that follow each other to `visit`, whether something is there or not.
fn each(
    range: RangeInclusive<u64>,
    newest_first: bool,
    deadline: Instant,
    visit: &mut dyn FnMut(u64) -> Result<ControlFlow<()>, Failure>,
) -> Result<Scan, Failure> {
    for step in 0..=range.end() - range.start() {
        let seq = if newest_first { range.end() - step } else { range.start() + step };
        if visit(seq)?.is_break() {
            return Ok(Scan::Stopped);
        }
        if Instant::now() >= deadline {
            return Ok(Scan::Late(seq));
        }
    }
    Ok(Scan::Done)
}

/// Tells SQLite's own failures, which do not know their file yet, from the rest.
enum Failure {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(source: rusqlite::Error) -> Failure {
        Failure::Sql(source)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}
