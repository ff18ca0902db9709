//! Reading what is committed, from any thread.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};

use crate::erase;
use crate::error::StoreError;
use crate::folder::{self, DayFile, Folder, Opened};
use crate::heads::{self, Filter};
use crate::index;
use crate::key::Key;
use crate::page::{self, Decide, Page, PageQuery};
use crate::pinned;
use crate::schema;

/// Doors tell a fact again within minutes, or after the server was down for a while; opening months of files for it at
/// a start would take long.
const IDENTITY_FILES_MAX: usize = 7;

/// A handle for reading; clone it for each thread. Sees committed events only, and never holds the writer up.
#[derive(Clone)]
pub struct Reader {
    folder: Arc<Folder>,
}

/// What there is under a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The event's public JSON.
    Event(Bytes),
    /// There was one.
    Gone {
        /// Why it is not there any more.
        reason: String,
    },
    /// There never was one.
    Unknown,
}

/// A fact that is stored, for telling whether another door tells it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// [`Record::identity`](crate::Record::identity), never 0.
    pub identity: u64,
    /// The door that told it first.
    pub source: String,
    /// The event's number.
    pub seq: u64,
}

impl Reader {
    pub(crate) fn new(folder: Arc<Folder>) -> Reader {
        Reader { folder }
    }

    /// Opens a folder that another process may be writing, and changes nothing in it. Sees what is committed by now.
    pub fn open(dir: &Path, key: Option<&Key>) -> Result<Reader, StoreError> {
        let mut files: Vec<_> = folder::days(dir)?.into_iter().map(|day| Arc::new(DayFile::new(dir, day))).collect();
        // One that is just being made, or was when its maker died, has nothing yet.
        while files.len() > 1 && files.last().is_some_and(|file| file.is_unmade(key)) {
            files.pop();
        }
        let Some(newest) = files.last().cloned() else {
            return Ok(Reader::new(Arc::new(Folder::of_another(key.cloned(), files, 1))));
        };
        let folder = Folder::of_another(key.cloned(), files, 1).with_pinned(dir);
        let meta =
            folder.read(&newest, |opened| schema::read_meta(&opened.connection).map_err(newest.sql("reading")))?;
        folder.committed(meta.seq_next);
        Ok(Reader::new(Arc::new(folder)))
    }

    /// The event under a number.
    pub fn get(&self, seq: u64) -> Result<Found, StoreError> {
        if seq == 0 || seq >= self.folder.seq_next() {
            return Ok(Found::Unknown);
        }
        let Some(file) = self.folder.file_of(seq)? else {
            return Ok(Found::Gone { reason: "its day has been removed from the store".to_owned() });
        };
        let gone = "its day has been removed from the store, or was damaged and is set aside";
        let event = self.folder.read(&file, |opened| match payload(opened, &file, Payload::Body, seq)? {
            Some(json) => Ok(Ok(json)),
            None => erase::is_tombstone(&opened.connection, seq).map(Err).map_err(file.sql("reading")),
        });
        let event = match event {
            Err(StoreError::Removed { .. }) => return Ok(Found::Gone { reason: gone.to_owned() }),
            event => event?,
        };
        Ok(match event {
            Ok(json) => Found::Event(json),
            Err(true) => Found::Gone { reason: "its session has been deleted".to_owned() },
            Err(false) => Found::Gone { reason: "it has been deleted, or its day has been removed".to_owned() },
        })
    }

    /// The place, in the order of files, of the one that a number is in, as [`Store::day`](crate::Store::day) tells it; `None`
    /// if its day is gone, pinned or not.
    pub fn day_of(&self, seq: u64) -> Result<Option<i64>, StoreError> {
        Ok(self.folder.file_of(seq)?.filter(|file| !file.is_pinned()).map(|file| file.day))
    }

    /// The bodies withheld from an event's JSON, if it has any.
    pub fn content(&self, seq: u64) -> Result<Option<Bytes>, StoreError> {
        let Some(file) = self.folder.file_of(seq)? else { return Ok(None) };
        match self.folder.read(&file, |opened| payload(opened, &file, Payload::Content, seq)) {
            Err(StoreError::Removed { .. }) => Ok(None),
            content => content,
        }
    }

    /// The events that fit `query` and that `matches` accepts when it is shown their JSON.
    pub fn page(&self, query: &PageQuery, matches: &mut dyn FnMut(&[u8]) -> bool) -> Result<Page, StoreError> {
        page::read(&self.folder, query, &mut |json, _| matches(json))
    }

    /// The same, and `matches` is shown what is withheld as well, where [`PageQuery::with_content`] asks for it.
    pub fn page_with_content(&self, query: &PageQuery, matches: Decide<'_>) -> Result<Page, StoreError> {
        page::read(&self.folder, query, matches)
    }

    /// The sessions that are pinned.
    pub fn pinned(&self) -> Result<BTreeSet<String>, StoreError> {
        pinned::sessions(&self.folder)
    }

    /// Whether anything of a session is stored.
    pub fn has_session(&self, session: &str) -> Result<bool, StoreError> {
        let files = self.folder.files();
        for file in files.iter().rev().cloned().chain(self.folder.pinned()) {
            let has = |opened: &Opened| {
                let (connection, reading) = (&opened.connection, file.sql("reading"));
                let Some(filter) = Filter::of_session(connection, session).map_err(&reading)? else { return Ok(false) };
                let Some(range) = heads::numbers_in(connection).map_err(&reading)? else { return Ok(false) };
                let mut visit = |_: &heads::Head| -> rusqlite::Result<_> { Ok(ControlFlow::Break(())) };
                let scan = heads::scan(connection, &filter, range, true, None, &mut visit).map_err(&reading)?;
                Ok(scan == heads::Scan::Stopped)
            };
            match self.folder.read(&file, has) {
                Ok(true) => return Ok(true),
                Ok(false) | Err(StoreError::Removed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// The last `limit` facts of a session that have an identity, newest first; of the newest week of files.
    pub fn identities(&self, session: &str, limit: usize) -> Result<Vec<Known>, StoreError> {
        let mut known = Vec::new();
        for file in self.folder.files().into_iter().rev().take(IDENTITY_FILES_MAX) {
            if known.len() < limit {
                let read = |opened: &Opened| identities_in(&opened.connection, &file, session, limit, &mut known);
                match self.folder.read(&file, read) {
                    Ok(()) | Err(StoreError::Removed { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(known)
    }

    /// The lowest number that can still be there; one more than [`Reader::seq_last`] when there is none.
    ///
    /// When the oldest file cannot be read, the lowest of those that can.
    pub fn seq_first(&self) -> u64 {
        let files = self.folder.files();
        files.iter().find_map(|file| self.folder.seq_first_of(file).ok()).unwrap_or_else(|| self.folder.seq_next())
    }

    /// Committed events that a search looks at one by one, because the newest day's index does not cover them yet; all of
    /// that day's when it has none.
    pub fn unindexed(&self) -> u64 {
        let files = self.folder.files();
        let Some(newest) = files.last() else { return 0 };
        let first = self.folder.seq_first_of(newest).unwrap_or(0);
        let state = self.folder.with_index(newest, index::read_state).and_then(Result::ok);
        self.folder.seq_next().saturating_sub(state.map_or(first, |state| state.indexed_to))
    }

    /// The highest committed number, 0 for none.
    pub fn seq_last(&self) -> u64 {
        self.folder.seq_next() - 1
    }
}

/// Which payload of an event.
#[derive(Clone, Copy)]
pub(crate) enum Payload {
    /// The public JSON.
    Body,
    /// What was withheld from it.
    Content,
}

/// Reads a payload; `None` if there is none under this number.
pub(crate) fn payload(opened: &Opened, file: &DayFile, which: Payload, seq: u64) -> Result<Option<Bytes>, StoreError> {
    let sql = match which {
        Payload::Body => "SELECT codec, json FROM bodies WHERE seq = ?1",
        Payload::Content => "SELECT codec, json FROM contents WHERE seq = ?1",
    };
    let reading = file.sql("reading");
    let mut statement = opened.connection.prepare_cached(sql).map_err(&reading)?;
    let mut unpacker = opened.unpacker.borrow_mut();
    let unpacked = statement
        .query_row([seq as i64], |row| Ok(unpacker.unpack(row.get(0)?, row.get_ref(1)?)))
        .optional()
        .map_err(&reading)?;
    match unpacked {
        None => Ok(None),
        Some(Ok(json)) => Ok(Some(json.into())),
        Some(Err(problem)) => Err(StoreError::Damaged { path: file.path.clone(), seq, problem }),
    }
}

fn identities_in(
    connection: &Connection,
    file: &DayFile,
    session: &str,
    limit: usize,
    known: &mut Vec<Known>,
) -> Result<(), StoreError> {
    let reading = file.sql("reading");
    let Some(filter) = Filter::of_session(connection, session).map_err(&reading)? else { return Ok(()) };
    let Some(range) = heads::numbers_in(connection).map_err(&reading)? else { return Ok(()) };
    let mut sources: HashMap<u32, String> = HashMap::new();
    let mut visit = |head: &heads::Head| -> rusqlite::Result<ControlFlow<()>> {
        if head.identity == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let source = match sources.get(&head.source) {
            Some(source) => source.clone(),
            None => {
                let source = heads::name_of(connection, head.source)?;
                sources.entry(head.source).or_insert(source).clone()
            }
        };
        known.push(Known { identity: head.identity, source, seq: head.seq });
        Ok(if known.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    };
    heads::scan(connection, &filter, range, true, None, &mut visit).map_err(&reading)?;
    Ok(())
}
