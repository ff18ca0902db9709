//! What the tests share: a folder, a key, and events that can be told apart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::{Batch, Direction, Key, Options, Page, PageQuery, Reader, Record, Store};

/// 2026-11-20T14:31:07.950Z
pub(crate) const NOW_MS: i64 = 1_795_185_067_950;
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A folder that goes away with the test.
pub(crate) struct Scratch {
    temp: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch { temp: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("store")
    }

    pub(crate) fn open(&self) -> Store {
        open(&self.dir())
    }
}

pub(crate) fn key() -> Key {
    Key::from_bytes([7; 32])
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(dir, Some(&key()), Options::default(), NOW_MS).unwrap()
}

/// An event that says its number, with some variety by it.
pub(crate) fn record(seq: u64) -> Record {
    Record {
        seq,
        time_ms: NOW_MS + seq as i64,
        recorded_ms: NOW_MS + seq as i64 + 3,
        kind: if seq.is_multiple_of(10) { "turn.finished" } else { "tool_call.finished" }.into(),
        namespace: if seq.is_multiple_of(7) { "/system" } else { "/hook" }.into(),
        event: "post_tool".into(),
        session: Some(Arc::from(format!("session-{}", seq / 500))),
        agent: seq.is_multiple_of(3).then(|| Arc::from("a1")),
        tool: Some(Arc::from(["Bash", "Read", "Edit"][seq as usize % 3])),
        is_error: seq.is_multiple_of(100),
        source: "hook".into(),
        identity: seq * 1_000,
        json: json(seq),
        content: seq.is_multiple_of(5).then(|| Bytes::from(format!("{{\"whole\":{seq}}}"))),
    }
}

pub(crate) fn json(seq: u64) -> Bytes {
    Bytes::from(format!(
        "{{\"seq\":{seq},\"kind\":\"tool_call.finished\",\"data\":{{\"command\":\"cargo test {seq}\"}}}}"
    ))
}

/// The next `count` events.
pub(crate) fn batch(store: &Store, count: u64) -> Batch {
    let records = (store.next_seq()..store.next_seq() + count).map(record).collect();
    Batch { records, ..Batch::default() }
}

pub(crate) fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(crate) fn newest(limit: usize) -> PageQuery {
    PageQuery::new(Direction::Newest { before: None }, limit, far())
}

pub(crate) fn oldest(limit: usize) -> PageQuery {
    PageQuery::new(Direction::Oldest { after: 0 }, limit, far())
}

/// The numbers of the events on a page.
pub(crate) fn numbers(page: &Page) -> Vec<u64> {
    page.events.iter().map(|json| number(json)).collect()
}

pub(crate) fn number(json: &[u8]) -> u64 {
    let text = std::str::from_utf8(json).unwrap();
    text.trim_start_matches("{\"seq\":").split(',').next().unwrap().parse().unwrap()
}

pub(crate) fn page(reader: &Reader, query: &PageQuery) -> Page {
    reader.page(query, &mut |_| true).unwrap()
}

/// All numbers, page by page, as a client would fetch them.
pub(crate) fn all_numbers(reader: &Reader, query: &PageQuery) -> Vec<u64> {
    let mut query = query.clone();
    let mut found = Vec::new();
    loop {
        let page = page(reader, &query);
        found.extend(numbers(&page));
        let Some(next) = page.next else { return found };
        query.direction = match query.direction {
            Direction::Newest { .. } => Direction::Newest { before: Some(next) },
            Direction::Oldest { .. } => Direction::Oldest { after: next },
        };
    }
}
