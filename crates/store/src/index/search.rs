//! A search with an index: the events that it names, and what it does not cover.

use std::cell::Cell;
use std::collections::HashSet;
use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::time::Instant;

use rusqlite::{Connection, Statement, params};
use tracing::warn;

use super::{
    IndexFile, Needle, WIDE_EVENTS, numbers_of_part, numbers_of_wide, parts_in, read_common, read_state, rewrites,
};
use crate::heads::Scan;

/// Rewritten events that wait for the indexer and are looked at one by one; beyond it a search does without the index.
const REWRITES_MAX: u32 = 10_000;

/// Events that follow each other and are looked at in one go.
const RUN_EVENTS: u64 = 64;

/// The rows of a table that have something, in order.
fn select(table: &str, part: u64, descending: bool) -> String {
    let order = if descending { "DESC" } else { "ASC" };
    format!(
        "SELECT rowid FROM {table}_{part} WHERE {table}_{part} MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid {order}"
    )
}

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
    /// Where what is not indexed begins, once the time was up in it.
    pub(crate) tail: &'a Cell<Option<u64>>,
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
    let late = |scan: Scan| {
        search.tail.set(matches!(scan, Scan::Late(_)).then_some(split));
        scan
    };
    if split == low || rewritten.len() >= REWRITES_MAX as usize {
        return look(low..=high).map(late);
    }
    if search.newest_first && split <= high {
        let tail = look(split..=high)?;
        if tail != Scan::Done {
            return Ok(late(tail));
        }
    }
    let indexed = low..=split - 1;
    let Ok(common) = read_common(&snapshot) else {
        search.file.distrust();
        return look(indexed);
    };
    // Before this, all tokens are kept event by event.
    let apart = state.common_from.unwrap_or(u64::MAX).clamp(low, split);
    let mut parts = vec![
        (low..=apart.saturating_sub(1), Wanted::of(search.needles, &HashSet::new())),
        (apart..=split - 1, Wanted::of(search.needles, &common)),
    ];
    parts.retain(|(part, _)| !part.is_empty());
    if search.newest_first {
        parts.reverse();
    }
    for (part, wanted) in parts {
        match in_parts(search, &snapshot, &part, &wanted, &rewritten, look)? {
            Named::Scan(Scan::Done) => {}
            Named::Scan(scan) => return Ok(scan),
            // Everything up to here was looked at.
            Named::Broken(reached) => {
                search.file.distrust();
                return look(if search.newest_first { low..=reached } else { reached..=high });
            }
        }
    }
    if search.newest_first || split > high {
        return Ok(Scan::Done);
    }
    look(split..=high).map(late)
}

/// What rows must have, in the language of FTS5.
#[derive(Default)]
struct Wanted {
    /// Of single events; `None` for nothing.
    own: Option<String>,
    /// Of wide rows.
    shared: Option<String>,
    /// Whether one of the two is enough.
    is_either: bool,
}

impl Wanted {
    fn of(needles: &[Vec<Needle>], common: &HashSet<String>) -> Wanted {
        let is_shared = |needle: &Needle| {
            if needle.is_prefix {
                common.iter().any(|token| token.starts_with(&needle.token))
            } else {
                common.contains(&needle.token)
            }
        };
        let (mut own, mut shared, mut either) = (Vec::new(), Vec::new(), Vec::new());
        for one_of in needles.iter().filter(|one_of| !one_of.is_empty()) {
            if !one_of.iter().any(is_shared) {
                own.push(one_of);
            } else if one_of.iter().all(|needle| !needle.is_prefix && is_shared(needle)) {
                shared.push(one_of);
            } else {
                either.push(one_of);
            }
        }
        if own.is_empty() && shared.is_empty() {
            // It begins both what is common and what is not.
            either.truncate(1);
            return Wanted { own: expression(&either), shared: expression(&either), is_either: true };
        }
        // What is common says little beside what is not.
        Wanted { own: expression(&own), shared: expression(&shared), is_either: false }
    }
}

enum Named {
    Scan(Scan),
    /// The index failed; numbers from here on were not looked at.
    Broken(u64),
}

/// Goes through the parts of the index one after the other: mostly the first has enough.
fn in_parts<E: From<rusqlite::Error>>(
    search: &Search<'_>,
    index: &Connection,
    numbers: &RangeInclusive<u64>,
    wanted: &Wanted,
    rewritten: &[u64],
    look: &mut dyn FnMut(RangeInclusive<u64>) -> Result<Scan, E>,
) -> Result<Named, E> {
    if wanted.own.is_none() && wanted.shared.is_none() {
        return look(numbers.clone()).map(Named::Scan);
    }
    let mut parts = match parts_in(index, numbers) {
        Ok(parts) => parts,
        Err(_) => return Ok(Named::Broken(if search.newest_first { *numbers.end() } else { *numbers.start() })),
    };
    if search.newest_first {
        parts.reverse();
    }
    for part in parts {
        let of_part = numbers_of_part(part);
        let here = *of_part.start().max(numbers.start())..=*of_part.end().min(numbers.end());
        let found = named(search, (index, part), &here, wanted, rewritten, look)?;
        if !matches!(found, Named::Scan(Scan::Done)) {
            return Ok(found);
        }
    }
    Ok(Named::Scan(Scan::Done))
}

fn named<E: From<rusqlite::Error>>(
    search: &Search<'_>,
    (index, of_index): (&Connection, u64),
    part: &RangeInclusive<u64>,
    wanted: &Wanted,
    rewritten: &[u64],
    look: &mut dyn FnMut(RangeInclusive<u64>) -> Result<Scan, E>,
) -> Result<Named, E> {
    let mut begun = if search.newest_first { *part.end() } else { *part.start() };
    let broken = |error: rusqlite::Error, begun| {
        warn!("{} cannot be searched and will be built anew: {error}", search.file.path.display());
        Ok(Named::Broken(begun))
    };
    let descending = search.newest_first;
    let (own_sql, wide_sql) = (select("words", of_index, descending), select("wide", of_index, descending));
    let (mut own, mut wide) = match (index.prepare_cached(&own_sql), index.prepare_cached(&wide_sql)) {
        (Ok(own), Ok(wide)) => (own, wide),
        (Err(error), _) | (_, Err(error)) => return broken(error, begun),
    };
    let (low, high) = (*part.start(), *part.end());
    let own = wanted.own.as_ref().map(|own_wanted| rows(&mut own, own_wanted, low, high)).transpose();
    let shared = wanted.shared.as_ref();
    let shared = shared.map(|wide_wanted| rows(&mut wide, wide_wanted, low / WIDE_EVENTS, high / WIDE_EVENTS));
    let (own, shared) = match (own, shared.transpose()) {
        (Ok(own), Ok(shared)) => (own, shared),
        (Err(error), _) | (_, Err(error)) => return broken(error, begun),
    };
    let again = again(rewritten, part, descending);
    let named: Box<dyn Iterator<Item = Row>> = match (own, shared) {
        (Some(own), Some(shared)) if wanted.is_either => {
            Box::new(Either { one: own.peekable(), other: events_of(shared, part, descending).peekable(), descending })
        }
        (Some(own), Some(shared)) => Box::new(Within { own: own.peekable(), shared: shared.peekable(), descending }),
        (Some(own), None) => Box::new(own),
        (None, Some(shared)) => Box::new(events_of(shared, part, descending)),
        (None, None) => return look(part.clone()).map(Named::Scan),
    };
    let mut both = Either { one: named.peekable(), other: again.into_iter().map(Ok).peekable(), descending }.peekable();
    while let Some(seq) = both.next() {
        let seq = match seq {
            Ok(seq) => seq,
            Err(error) => return broken(error, begun),
        };
        // Neighbours are looked at together: beginning to look costs as much as some events.
        let mut last = seq;
        while let Some(Ok(next)) = both.peek()
            && next.abs_diff(last) == 1
            && next.abs_diff(seq) < RUN_EVENTS
        {
            last = *next;
            both.next();
        }
        let scan = look(seq.min(last)..=seq.max(last))?;
        if scan != Scan::Done {
            return Ok(Named::Scan(scan));
        }
        if Instant::now() >= search.deadline {
            return Ok(Named::Scan(Scan::Late(last)));
        }
        begun = if descending { last.saturating_sub(1) } else { last + 1 };
    }
    Ok(Named::Scan(Scan::Done))
}

/// A number of an event or of a wide row, or why there are no more.
type Row = rusqlite::Result<u64>;

fn rows<'a>(
    statement: &'a mut Statement<'_>,
    wanted: &str,
    low: u64,
    high: u64,
) -> rusqlite::Result<impl Iterator<Item = Row> + use<'a>> {
    let rows = statement.query_map(params![wanted, low as i64, high as i64], |row| row.get::<_, i64>(0))?;
    Ok(rows.map(|row| row.map(|number| number as u64)))
}

/// The events of wide rows that are in `part`.
fn events_of(
    shared: impl Iterator<Item = Row>,
    part: &RangeInclusive<u64>,
    descending: bool,
) -> impl Iterator<Item = Row> {
    let part = part.clone();
    shared.flat_map(move |row| {
        let (numbers, failed) = match row {
            Ok(wide) => (numbers_of_wide(wide), None),
            Err(error) => (RangeInclusive::new(1, 0), Some(Err(error))),
        };
        let (low, high) = (*numbers.start().max(part.start()), *numbers.end().min(part.end()));
        let mut numbers: Vec<Row> = (low..=high).map(Ok).collect();
        if descending {
            numbers.reverse();
        }
        numbers.into_iter().chain(failed)
    })
}

/// Rewritten events that wait for the indexer, in order, each once.
fn again(rewritten: &[u64], part: &RangeInclusive<u64>, descending: bool) -> Vec<u64> {
    let mut again: Vec<u64> = rewritten.iter().copied().filter(|seq| part.contains(seq)).collect();
    again.sort_unstable();
    again.dedup();
    if descending {
        again.reverse();
    }
    again
}

/// The events of `own` that are in a wide row of `shared`; both in order.
struct Within<A: Iterator<Item = Row>, B: Iterator<Item = Row>> {
    own: Peekable<A>,
    shared: Peekable<B>,
    descending: bool,
}

impl<A: Iterator<Item = Row>, B: Iterator<Item = Row>> Iterator for Within<A, B> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            let (seq, wide) = match (self.own.peek()?, self.shared.peek()?) {
                (Ok(seq), Ok(wide)) => (*seq, *wide),
                (Err(_), _) => return self.own.next(),
                (_, Err(_)) => return self.shared.next(),
            };
            let of = seq / WIDE_EVENTS;
            if of == wide {
                return self.own.next();
            }
            if (of < wide) == self.descending {
                self.shared.next();
            } else {
                self.own.next();
            }
        }
    }
}

/// What either has, each once; both in order.
struct Either<A: Iterator<Item = Row>, B: Iterator<Item = Row>> {
    one: Peekable<A>,
    other: Peekable<B>,
    descending: bool,
}

impl<A: Iterator<Item = Row>, B: Iterator<Item = Row>> Iterator for Either<A, B> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let (one, other) = match (self.one.peek(), self.other.peek()) {
            (Some(Ok(one)), Some(Ok(other))) => (*one, *other),
            (Some(_), None) | (Some(Err(_)), _) => return self.one.next(),
            (None, _) | (_, Some(Err(_))) => return self.other.next(),
        };
        if one == other {
            self.other.next();
        }
        if one == other || (one > other) == self.descending { self.one.next() } else { self.other.next() }
    }
}

/// The needles in the language of FTS5: one of each list; `None` for no needles.
fn expression(needles: &[&Vec<Needle>]) -> Option<String> {
    let quoted = |needle: &Needle| {
        let star = if needle.is_prefix { "*" } else { "" };
        format!("\"{}\"{star}", needle.token.replace('"', "\"\""))
    };
    let one_of = |needles: &&Vec<Needle>| format!("({})", needles.iter().map(quoted).collect::<Vec<_>>().join(" OR "));
    let all: Vec<_> = needles.iter().map(one_of).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}
