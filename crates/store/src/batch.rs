//! What one transaction writes.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use crate::erase;
use crate::pinned;

/// Everything that is committed together, or not at all.
#[derive(Debug, Default)]
pub struct Batch {
    /// New events. Their numbers go on from [`Store::next_seq`](crate::Store::next_seq) without a hole.
    pub records: Vec<Record>,
    /// Events that a second source has enriched: number and new public JSON. Unknown numbers are passed over.
    ///
    /// Those that lie in an older day's file are committed just before the rest, in a transaction of that file.
    pub rewritten: Vec<(u64, Bytes)>,
    /// How far each door has been read; `None` forgets the door.
    pub positions: Vec<(String, Option<Vec<u8>>)>,
}

impl Batch {
    /// Has a session erased, as far as its events are below this number.
    pub fn erase(&mut self, session: &str, below: u64) {
        self.positions.push((erase::mark(session), Some(below.to_le_bytes().to_vec())));
    }

    /// Nothing is left of an erased session but this.
    pub fn erased(&mut self, session: &str) {
        self.positions.push((erase::mark(session), None));
        self.pin(session, false);
    }

    /// Pins a session, or no longer.
    pub fn pin(&mut self, session: &str, pinned: bool) {
        self.positions.push((pinned::mark(session), pinned.then(Vec::new)));
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.rewritten.is_empty() && self.positions.is_empty()
    }
}

/// One event, and what can be asked of it without reading its JSON.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// When it happened, in milliseconds since 1970.
    pub time_ms: i64,
    /// When the server took it in, in milliseconds since 1970.
    pub recorded_ms: i64,
    /// `tool_call.finished`, for example.
    pub kind: Cow<'static, str>,
    /// `/hook`, for example.
    pub namespace: Cow<'static, str>,
    /// `post_tool`, for example.
    pub event: Cow<'static, str>,
    /// The session it belongs to.
    pub session: Option<Arc<str>>,
    /// The subagent it happened in.
    pub agent: Option<Arc<str>>,
    /// The tool it is about.
    pub tool: Option<Arc<str>>,
    /// Whether a person would call it an error.
    pub is_error: bool,
    /// The door that told it first.
    pub source: Cow<'static, str>,
    /// What makes two tellings the same fact; 0 for none.
    pub identity: u64,
    /// The complete public JSON of the event.
    pub json: Bytes,
    /// The bodies withheld from `json`, as JSON.
    pub content: Option<Bytes>,
}
