//! A search with an index: the blocks that it names, and what it does not cover.

use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::time::Instant;

use rusqlite::{Connection, params};
use tracing::warn;

use super::{BLOCK_EVENTS, IndexFile, Needle, numbers_of, read_state, rewrites};
use crate::heads::Scan;

/// Rewritten events that wait for the indexer and are looked at one by one; beyond it a search does without the index.
const REWRITES_MAX: u32 = 10_000;

const SELECT_DOWN: &str =
    "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid DESC";
const SELECT_UP: &str = "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid ASC";

/// What is searched, and how.
pub(crate) struct Search<'a> {
    pub(crate) index: &'a Connection,
    pub(crate) file: &'a IndexFile,
    /// The day's file.
    pub(crate) events: &'a Connection,
    pub(crate) needles: &'a [Vec<Needle>],
    pub(crate) range: RangeInclusive<u64>,
    pub(crate) newest_first: bool,
    pub(crate) deadline: Instant,
}

/// Looks at what an index names and at what it does not cover, in order. Whatever is wrong with the index, the rest of the
/// range is looked at without it.
pub(crate) fn scan<E: From<rusqlite::Error>>(
    search: &Search<'_>,
    look: &mut dyn FnMut(RangeInclusive<u64>) -> Result<Scan, E>,
) -> Result<Scan, E> {
    let (low, high) = (*search.range.start(), *search.range.end());
    // Before the events: what they say later is at least what the index has seen.
    let Ok(snapshot) = search.index.unchecked_transaction() else { return look(low..=high) };
    let Ok(state) = read_state(&snapshot) else {
        search.file.distrust();
        return look(low..=high);
    };
    let split = state.indexed_to.clamp(low, high + 1);
    let (rewritten, _) = rewrites(search.events, state.rewrites_to, REWRITES_MAX)?;
    if split == low || rewritten.len() >= REWRITES_MAX as usize {
        return look(low..=high);
    }
    if search.newest_first && split <= high {
        let tail = look(split..=high)?;
        if tail != Scan::Done {
            return Ok(tail);
        }
    }
    let indexed = low..=split - 1;
    let found = match named(search, &snapshot, &indexed, &rewritten, look)? {
        Named::Scan(scan) => scan,
        // Everything up to here was looked at.
        Named::Broken(reached) => {
            search.file.distrust();
            return look(if search.newest_first { low..=reached } else { reached..=high });
        }
    };
    if found != Scan::Done || search.newest_first || split > high {
        return Ok(found);
    }
    look(split..=high)
}

enum Named {
    Scan(Scan),
    /// The index failed; numbers from here on were not looked at.
    Broken(u64),
}

fn named<E: From<rusqlite::Error>>(
    search: &Search<'_>,
    index: &Connection,
    indexed: &RangeInclusive<u64>,
    rewritten: &[u64],
    look: &mut dyn FnMut(RangeInclusive<u64>) -> Result<Scan, E>,
) -> Result<Named, E> {
    let blocks = indexed.start() / BLOCK_EVENTS..=indexed.end() / BLOCK_EVENTS;
    let mut begun = if search.newest_first { *indexed.end() } else { *indexed.start() };
    let broken = |error: rusqlite::Error, begun| {
        warn!("{} cannot be searched and will be built anew: {error}", search.file.path.display());
        Ok(Named::Broken(begun))
    };
    let sql = if search.newest_first { SELECT_DOWN } else { SELECT_UP };
    let mut statement = match index.prepare_cached(sql) {
        Ok(statement) => statement,
        Err(error) => return broken(error, begun),
    };
    let range = params![expression(search.needles), *blocks.start() as i64, *blocks.end() as i64];
    let rows = match statement.query_map(range, |row| row.get::<_, i64>(0)) {
        Ok(rows) => rows,
        Err(error) => return broken(error, begun),
    };
    let mut again: Vec<u64> = rewritten.iter().map(|seq| seq / BLOCK_EVENTS).filter(|b| blocks.contains(b)).collect();
    again.sort_unstable();
    again.dedup();
    if search.newest_first {
        again.reverse();
    }
    let both = Both { rows: rows.peekable(), again: again.into_iter().peekable(), descending: search.newest_first };
    for block in both {
        let block = match block {
            Ok(block) => block,
            Err(error) => return broken(error, begun),
        };
        let numbers = numbers_of(block);
        let (first, last) = (*numbers.start().max(indexed.start()), *numbers.end().min(indexed.end()));
        let scan = look(first..=last)?;
        if scan != Scan::Done {
            return Ok(Named::Scan(scan));
        }
        if Instant::now() >= search.deadline {
            return Ok(Named::Scan(Scan::Late(if search.newest_first { first } else { last })));
        }
        begun = if search.newest_first { first.saturating_sub(1) } else { last + 1 };
    }
    Ok(Named::Scan(Scan::Done))
}

/// The blocks of the index and those that wait for it, in order, each once.
struct Both<R: Iterator<Item = rusqlite::Result<i64>>> {
    rows: Peekable<R>,
    again: Peekable<std::vec::IntoIter<u64>>,
    descending: bool,
}

impl<R: Iterator<Item = rusqlite::Result<i64>>> Iterator for Both<R> {
    type Item = rusqlite::Result<u64>;

    fn next(&mut self) -> Option<rusqlite::Result<u64>> {
        let row = match self.rows.peek() {
            Some(Ok(block)) => Some(*block as u64),
            Some(Err(_)) => return self.rows.next().map(|row| row.map(|block| block as u64)),
            None => None,
        };
        let again = self.again.peek().copied();
        let next = match (row, again) {
            (Some(row), Some(again)) => {
                if self.descending {
                    row.max(again)
                } else {
                    row.min(again)
                }
            }
            (row, again) => row.or(again)?,
        };
        if row == Some(next) {
            self.rows.next();
        }
        if again == Some(next) {
            self.again.next();
        }
        Some(Ok(next))
    }
}

/// The needles in the language of FTS5: one of each list.
fn expression(needles: &[Vec<Needle>]) -> String {
    let quoted = |needle: &Needle| {
        let star = if needle.is_prefix { "*" } else { "" };
        format!("\"{}\"{star}", needle.token.replace('"', "\"\""))
    };
    let one_of = |needles: &Vec<Needle>| format!("({})", needles.iter().map(quoted).collect::<Vec<_>>().join(" OR "));
    needles.iter().filter(|needles| !needles.is_empty()).map(one_of).collect::<Vec<_>>().join(" AND ")
}
