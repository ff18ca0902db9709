//! What a filter can ask for of an event without reading its payload, and the blocks that let it skip.
//!
//! Names (kinds, sessions, tools …) are numbers, given out per file. Every 256 numbers of events are a block; when one
//! is full, the set of names in it is kept in a row of `blocks`, so that a search for what is rare reads a few bytes a
//! block and no event. This needs no index, so that writing only ever appends.

use std::collections::HashMap;
use std::ops::{ControlFlow, RangeInclusive};
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use crate::batch::Record;
use crate::page::PageQuery;

/// Events in a block. Fewer would make more rows of `blocks`, more would make skipping coarse.
const BLOCK_EVENTS: u64 = 256;

/// Stands among a block's names for "there is an error"; names begin at 1.
const ERROR: u32 = 0;

/// The names of one file, as its writer knows them.
#[derive(Default)]
pub(crate) struct Names {
    known: HashMap<Box<str>, u32>,
}

impl Names {
    /// The number of a name, given out now if it is new.
    pub(crate) fn id(&mut self, connection: &Connection, name: &str) -> rusqlite::Result<u32> {
        if let Some(id) = self.known.get(name) {
            return Ok(*id);
        }
        let id = match find_name(connection, name)? {
            Some(id) => id,
            None => {
                connection.prepare_cached("INSERT INTO names (name) VALUES (?1)")?.execute([name])?;
                connection.last_insert_rowid() as u32
            }
        };
        self.known.insert(name.into(), id);
        Ok(id)
    }
}

fn find_name(connection: &Connection, name: &str) -> rusqlite::Result<Option<u32>> {
    connection.prepare_cached("SELECT id FROM names WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()
}

/// Name number → name, for the few that a reader wants back.
pub(crate) fn name_of(connection: &Connection, id: u32) -> rusqlite::Result<String> {
    connection.prepare_cached("SELECT name FROM names WHERE id = ?1")?.query_row([id], |row| row.get(0))
}

/// The lowest and the highest number in a file; `None` when it is empty.
pub(crate) fn numbers_in(connection: &Connection) -> rusqlite::Result<Option<RangeInclusive<u64>>> {
    let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
    let (low, high) = (ask("SELECT min(seq) FROM heads")?, ask("SELECT max(seq) FROM heads")?);
    Ok(low.zip(high).map(|(low, high)| low as u64..=high as u64))
}

/// Reads heads back as they were written, for another file.
#[derive(Default)]
pub(crate) struct HeadReader {
    names: HashMap<u32, String>,
}

impl HeadReader {
    /// The head of an event, without its payloads.
    pub(crate) fn read(&mut self, connection: &Connection, seq: u64) -> rusqlite::Result<Option<Record>> {
        let sql =
            "SELECT time_ms, recorded_ms, is_error, identity, kind, namespace, event, source, session, agent, tool
            FROM heads WHERE seq = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([seq as i64])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let identity: Option<i64> = row.get(3)?;
        let mut name = |column: usize| -> rusqlite::Result<Option<String>> {
            let Some(id) = row.get::<_, Option<u32>>(column)? else { return Ok(None) };
            if let Some(name) = self.names.get(&id) {
                return Ok(Some(name.clone()));
            }
            let name = name_of(connection, id)?;
            Ok(Some(self.names.entry(id).or_insert(name).clone()))
        };
        let mut needed = |column: usize| name(column).map(|name| name.unwrap_or_default().into());
        Ok(Some(Record {
            seq,
            time_ms: row.get(0)?,
            recorded_ms: row.get(1)?,
            is_error: row.get(2)?,
            identity: identity.unwrap_or(0) as u64,
            kind: needed(4)?,
            namespace: needed(5)?,
            event: needed(6)?,
            source: needed(7)?,
            session: name(8)?.map(Into::into),
            agent: name(9)?.map(Into::into),
            tool: name(10)?.map(Into::into),
            ..Record::default()
        }))
    }
}

/// The block that is being filled.
pub(crate) struct Block {
    number: u64,
    time_ms_min: i64,
    time_ms_max: i64,
    /// In order, each once.
    names: Vec<u32>,
}

impl Block {
    pub(crate) fn new(number: u64) -> Block {
        Block { number, time_ms_min: i64::MAX, time_ms_max: i64::MIN, names: Vec::new() }
    }

    /// The unfinished block before `seq_next`, read back from its events.
    pub(crate) fn unfinished(connection: &Connection, seq_next: u64) -> rusqlite::Result<Block> {
        let mut block = Block::new(seq_next / BLOCK_EVENTS);
        let first = block.number * BLOCK_EVENTS;
        let mut heads = connection.prepare(SELECT_HEADS_UP)?;
        let mut rows = heads.query(params![first as i64, i64::MAX])?;
        while let Some(row) = rows.next()? {
            let names = [1, 2, 3, 4, 5].map(|column| row.get::<_, Option<u32>>(column));
            for name in names {
                if let Some(name) = name? {
                    block.name(name);
                }
            }
            if row.get(6)? {
                block.name(ERROR);
            }
            block.time(row.get(7)?);
        }
        Ok(block)
    }

    fn name(&mut self, id: u32) {
        if let Err(at) = self.names.binary_search(&id) {
            self.names.insert(at, id);
        }
    }

    fn time(&mut self, time_ms: i64) {
        self.time_ms_min = self.time_ms_min.min(time_ms);
        self.time_ms_max = self.time_ms_max.max(time_ms);
    }

    /// Differences between ascending names, seven bits a byte.
    fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.names.len() * 2);
        let mut before = 0;
        for name in &self.names {
            let mut difference = name - before;
            before = *name;
            while difference >= 128 {
                bytes.push(difference as u8 | 128);
                difference >>= 7;
            }
            bytes.push(difference as u8);
        }
        bytes
    }
}

/// Appends the heads of events; made once a batch.
pub(crate) struct HeadWriter<'a> {
    connection: &'a Connection,
    names: &'a mut Names,
    block: &'a mut Block,
    insert: Statement<'a>,
}

impl<'a> HeadWriter<'a> {
    pub(crate) fn new(
        connection: &'a Connection,
        names: &'a mut Names,
        block: &'a mut Block,
    ) -> rusqlite::Result<Self> {
        let insert = connection
            .prepare("INSERT OR REPLACE INTO heads VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?;
        Ok(HeadWriter { connection, names, block, insert })
    }

    /// Appends a head and puts its names into the block. Numbers may leave some out.
    pub(crate) fn append(&mut self, record: &Record) -> rusqlite::Result<()> {
        let block = record.seq / BLOCK_EVENTS;
        if block != self.block.number {
            if self.block.time_ms_min <= self.block.time_ms_max {
                self.finish_block()?;
            }
            *self.block = Block::new(block);
        }
        let [kind, namespace, session, agent, tool] = self.append_alone(record)?;
        for name in [kind, namespace, session, agent, tool].into_iter().flatten() {
            self.block.name(name);
        }
        if record.is_error {
            self.block.name(ERROR);
        }
        self.block.time(record.time_ms);
        if (record.seq + 1).is_multiple_of(BLOCK_EVENTS) {
            self.finish_block()?;
        }
        Ok(())
    }

    /// Appends a head to a file without blocks, in place of one with its number; gives the numbers of its names.
    pub(crate) fn append_alone(&mut self, record: &Record) -> rusqlite::Result<[Option<u32>; 5]> {
        let mut id = |name: &str| self.names.id(self.connection, name);
        let kind = id(&record.kind)?;
        let namespace = id(&record.namespace)?;
        let event = id(&record.event)?;
        let source = id(&record.source)?;
        let session = record.session.as_deref().map(&mut id).transpose()?;
        let agent = record.agent.as_deref().map(&mut id).transpose()?;
        let tool = record.tool.as_deref().map(&mut id).transpose()?;
        let identity = (record.identity != 0).then_some(record.identity as i64);
        self.insert.execute(params![
            record.seq as i64,
            record.time_ms,
            record.recorded_ms,
            kind,
            namespace,
            event,
            session,
            agent,
            tool,
            source,
            record.is_error,
            identity
        ])?;
        Ok([Some(kind), Some(namespace), session, agent, tool])
    }

    fn finish_block(&mut self) -> rusqlite::Result<()> {
        let Block { number, time_ms_min, time_ms_max, .. } = *self.block;
        let mut insert = self.connection.prepare_cached("INSERT INTO blocks VALUES (?1, ?2, ?3, ?4)")?;
        insert.execute(params![number as i64, time_ms_min, time_ms_max, self.block.encoded()])?;
        *self.block = Block::new(number + 1);
        Ok(())
    }
}

/// Columns a filter looks at; the order of numbers is that of [`Filter::fits`].
macro_rules! select_heads {
    ($order:literal) => {
        concat!(
            "SELECT seq, kind, namespace, session, agent, tool, is_error, time_ms, identity, source FROM heads ",
            "WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq ",
            $order
        )
    };
}
const SELECT_HEADS_UP: &str = select_heads!("ASC");
const SELECT_HEADS_DOWN: &str = select_heads!("DESC");
const SELECT_BLOCKS_UP: &str =
    "SELECT block, time_ms_min, time_ms_max, names FROM blocks WHERE block BETWEEN ?1 AND ?2 ORDER BY block ASC";
const SELECT_BLOCKS_DOWN: &str =
    "SELECT block, time_ms_min, time_ms_max, names FROM blocks WHERE block BETWEEN ?1 AND ?2 ORDER BY block DESC";

/// A query in the numbers of one file.
#[derive(Default)]
pub(crate) struct Filter {
    /// For kind, namespace, session, agent and tool: one of these names, or any if there is none.
    columns: [Vec<u32>; 5],
    errors_only: bool,
    time_from_ms: Option<i64>,
    time_to_ms: Option<i64>,
}

impl Filter {
    /// The filter for the file behind `connection`; `None` when nothing in it can fit.
    pub(crate) fn new(connection: &Connection, query: &PageQuery) -> rusqlite::Result<Option<Filter>> {
        let mut filter = Filter {
            errors_only: query.errors_only,
            time_from_ms: query.time_from_ms,
            time_to_ms: query.time_to_ms,
            ..Filter::default()
        };
        let asked = [&query.kinds, &query.namespaces, &query.sessions, &query.agents, &query.tools];
        for (column, names) in filter.columns.iter_mut().zip(asked) {
            for name in names {
                column.extend(find_name(connection, name)?);
            }
            if column.is_empty() && !names.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(filter))
    }

    /// The filter for one session; `None` when the file has nothing of it.
    pub(crate) fn of_session(connection: &Connection, session: &str) -> rusqlite::Result<Option<Filter>> {
        let id = find_name(connection, session)?;
        Ok(id.map(|id| Filter { columns: [vec![], vec![], vec![id], vec![], vec![]], ..Filter::default() }))
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.errors_only
            && self.time_from_ms.is_none()
            && self.time_to_ms.is_none()
            && self.columns.iter().all(Vec::is_empty)
    }

    fn fits(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        for (column, names) in self.columns.iter().enumerate().filter(|(_, names)| !names.is_empty()) {
            let name: Option<u32> = row.get(column + 1)?;
            if !name.is_some_and(|name| names.contains(&name)) {
                return Ok(false);
            }
        }
        if self.errors_only && !row.get::<_, bool>(6)? {
            return Ok(false);
        }
        if self.time_from_ms.is_none() && self.time_to_ms.is_none() {
            return Ok(true);
        }
        let time_ms: i64 = row.get(7)?;
        Ok(self.fits_times(time_ms, time_ms))
    }

    fn fits_times(&self, min: i64, max: i64) -> bool {
        self.time_from_ms.is_none_or(|from| max >= from) && self.time_to_ms.is_none_or(|to| min <= to)
    }

    /// Whether a finished block can hold anything that fits.
    fn fits_block(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        if !self.fits_times(row.get(1)?, row.get(2)?) {
            return Ok(false);
        }
        let encoded = row.get_ref(3)?;
        let encoded = encoded.as_blob().unwrap_or_default();
        let mut wanted = [false; 6];
        let mut name = 0_u32;
        let mut difference = 0_u32;
        let mut shift = 0;
        for byte in encoded {
            difference |= u32::from(byte & 127) << shift;
            shift = (shift + 7) % 32;
            if byte & 128 != 0 {
                continue;
            }
            name = name.wrapping_add(difference);
            (difference, shift) = (0, 0);
            wanted[5] |= name == ERROR;
            for (found, names) in wanted.iter_mut().zip(&self.columns) {
                *found |= names.contains(&name);
            }
        }
        let columns = self.columns.iter().zip(&wanted).all(|(names, found)| names.is_empty() || *found);
        Ok(columns && (!self.errors_only || wanted[5]))
    }
}

/// The numbers of `range` among which a filter's times can be, by the times of blocks: numbers follow the clock, nearly.
pub(crate) fn narrow(
    connection: &Connection,
    filter: &Filter,
    range: RangeInclusive<u64>,
) -> rusqlite::Result<RangeInclusive<u64>> {
    if (filter.time_from_ms.is_none() && filter.time_to_ms.is_none()) || range.is_empty() {
        return Ok(range);
    }
    let (low, high) = (range.start() / BLOCK_EVENTS, range.end() / BLOCK_EVENTS);
    let sql = "SELECT min(block), max(block) FROM blocks
        WHERE block BETWEEN ?1 AND ?2 AND time_ms_max >= ?3 AND time_ms_min <= ?4";
    let (from, to) = (filter.time_from_ms.unwrap_or(i64::MIN), filter.time_to_ms.unwrap_or(i64::MAX));
    let (first, last) =
        connection.prepare_cached(sql)?.query_row(params![low as i64, high as i64, from, to], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
    let finished = connection
        .prepare_cached("SELECT max(block) FROM blocks")?
        .query_row([], |row| row.get::<_, Option<i64>>(0))?;
    // What is in no finished block may be of any time.
    let rest = finished.map_or(0, |block| (block as u64 + 1) * BLOCK_EVENTS);
    let begins = first.map_or(rest, |block| block as u64 * BLOCK_EVENTS);
    let ends = match last {
        _ if *range.end() >= rest => *range.end(),
        Some(block) => block as u64 * BLOCK_EVENTS + (BLOCK_EVENTS - 1),
        None => return Ok(RangeInclusive::new(1, 0)),
    };
    Ok(begins.max(*range.start())..=ends.min(*range.end()))
}

/// An event that fits a filter.
pub(crate) struct Head {
    pub(crate) seq: u64,
    /// 0 for none.
    pub(crate) identity: u64,
    /// The name number of the door.
    pub(crate) source: u32,
}

/// How a scan ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// Everything in the range was seen.
    Done,
    /// The visitor had enough.
    Stopped,
    /// The time was up; everything up to and including this number was seen.
    Late(u64),
}

/// Shows every event in `range` that fits to `visit`, in the order asked for. Always gets at least one block further.
pub(crate) fn scan<E: From<rusqlite::Error>>(
    connection: &Connection,
    filter: &Filter,
    range: RangeInclusive<u64>,
    newest_first: bool,
    deadline: Option<Instant>,
    visit: &mut dyn FnMut(&Head) -> Result<ControlFlow<()>, E>,
) -> Result<Scan, E> {
    if range.is_empty() {
        return Ok(Scan::Done);
    }
    let (low, high) = (range.start() / BLOCK_EVENTS, range.end() / BLOCK_EVENTS);
    let mut blocks = connection.prepare_cached(if newest_first { SELECT_BLOCKS_DOWN } else { SELECT_BLOCKS_UP })?;
    let mut heads = connection.prepare_cached(if newest_first { SELECT_HEADS_DOWN } else { SELECT_HEADS_UP })?;
    let is_open = filter.is_open();
    // An open filter skips nothing, so it does not look: an empty range of blocks.
    let upper = if is_open { -1 } else { high as i64 };
    let mut finished = blocks.query(params![low as i64, upper])?;
    let mut ahead = next_block(&mut finished, filter)?;
    for step in 0..=high - low {
        let block = if newest_first { high - step } else { low + step };
        let first = (block * BLOCK_EVENTS).max(*range.start());
        let last = (block * BLOCK_EVENTS + (BLOCK_EVENTS - 1)).min(*range.end());
        let known = ahead.filter(|(number, _)| *number == block);
        if known.is_some() {
            ahead = next_block(&mut finished, filter)?;
        }
        if known.is_none_or(|(_, fits)| fits) {
            let mut rows = heads.query(params![first as i64, last as i64])?;
            while let Some(row) = rows.next()? {
                if !filter.fits(row)? {
                    continue;
                }
                let identity: Option<i64> = row.get(8)?;
                let head = Head {
                    seq: row.get::<_, i64>(0)? as u64,
                    identity: identity.unwrap_or(0) as u64,
                    source: row.get(9)?,
                };
                if visit(&head)?.is_break() {
                    return Ok(Scan::Stopped);
                }
                // Payloads are what takes time, so look at the clock after each.
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Ok(Scan::Late(head.seq));
                }
            }
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Scan::Late(if newest_first { first } else { last }));
        }
    }
    Ok(Scan::Done)
}

fn next_block(rows: &mut rusqlite::Rows<'_>, filter: &Filter) -> rusqlite::Result<Option<(u64, bool)>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((row.get::<_, i64>(0)? as u64, filter.fits_block(row)?)))
}
