//! The peer: the same events in plain SQLite, one row and one FTS5 document each, in one transaction, not encrypted.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use rusqlite::{Connection, params};

use super::events::Generator;
use super::{BATCH, ms, process_seconds, row, thread_seconds};
use crate::table::percentile;

pub(super) fn ingest(path: &Path, events: u64) -> Result<Vec<String>> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE events (seq INTEGER PRIMARY KEY, json TEXT NOT NULL);
         CREATE VIRTUAL TABLE words USING fts5(json, content = 'events', content_rowid = 'seq');",
    )?;
    let mut generator = Generator::new(42);
    let (mut commits, mut own, mut bytes, mut making) = (Vec::new(), 0.0, 0, 0.0);
    let (began, all) = (Instant::now(), process_seconds()?);
    for first in (1..=events).step_by(BATCH as usize) {
        let before = thread_seconds()?;
        let records: Vec<_> = (first..first + BATCH).map(|seq| generator.record(seq)).collect();
        bytes += records.iter().map(|record| record.json.len()).sum::<usize>();
        making += thread_seconds()? - before;
        let (at, cpu) = (Instant::now(), thread_seconds()?);
        let transaction = connection.transaction()?;
        for record in &records {
            let json = std::str::from_utf8(&record.json)?;
            transaction
                .prepare_cached("INSERT INTO events VALUES (?1, ?2)")?
                .execute(params![record.seq as i64, json])?;
            let sql = "INSERT INTO words (rowid, json) VALUES (?1, ?2)";
            transaction.prepare_cached(sql)?.execute(params![record.seq as i64, json])?;
        }
        transaction.commit()?;
        commits.push(ms(at.elapsed()));
        own += thread_seconds()? - cpu;
    }
    let took = began.elapsed().as_secs_f64();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let all = process_seconds()? - all - making;
    commits.sort_by(f64::total_cmp);
    let size = std::fs::metadata(path)?.len();
    Ok(row(
        "plain SQLite FTS5",
        events,
        [own, all, took, percentile(&commits, 0.5), percentile(&commits, 0.99)],
        0,
        bytes,
        size,
    ))
}

/// An open database of the peer.
pub(super) struct Peer(Connection);

impl Peer {
    pub(super) fn open(path: &Path) -> Result<Peer> {
        Ok(Peer(Connection::open(path)?))
    }

    /// Reads the newest hundred that match; how many there are.
    pub(super) fn search(&mut self, words: &str) -> Result<usize> {
        let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        let found: Vec<String> = if words.is_empty() {
            let mut statement = self.0.prepare_cached("SELECT json FROM events ORDER BY seq DESC LIMIT 100")?;
            statement.query_map([], read)?.collect::<rusqlite::Result<_>>()?
        } else {
            let sql = "SELECT json FROM words WHERE words MATCH ?1 ORDER BY rowid DESC LIMIT 100";
            self.0.prepare_cached(sql)?.query_map([words], read)?.collect::<rusqlite::Result<_>>()?
        };
        Ok(found.len())
    }
}
