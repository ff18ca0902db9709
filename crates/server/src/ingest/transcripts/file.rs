//! One transcript, read from where it was read to.

use std::fs::File;
use std::io::{self, Read as _, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use event::event::{Fact, Time};
use event::prices::Prices;
use event::transcript::Transcript;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::files;

/// Bytes read before what came of them is committed.
const PIECE_BYTES: usize = 4 << 20;

/// A longer line is passed over: no answer's numbers are in it, but an image or a file may be.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Facts before they are committed, however few bytes they took.
const FACTS_MAX: usize = 1_000;

/// Progress without facts is committed after so many bytes; less is read again after a restart.
const PROGRESS_BYTES: u64 = 1 << 20;

/// An answer that says it is complete waits so long for a further line of its own.
const SETTLED_AFTER: Duration = Duration::from_millis(300);

/// One that does not: the model may still be writing it.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);

/// The beginning of a file, by which it is known again.
const HEAD_BYTES: u64 = 256;

/// How far a file was read, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    inode: u64,
    /// A digest of the first bytes, and of how many: a rewritten file has another.
    head: (u64, String),
    offset: u64,
    /// The latest time that was told, in milliseconds.
    newest_ms: i64,
    /// What is not later than this was told before the file was written anew, or belongs to the conversation it copies.
    skip_to_ms: i64,
}

/// What came of a piece.
pub(super) struct Read {
    pub(super) facts: Vec<Fact>,
    /// To be stored with them; `None` when it is not worth a commit yet.
    pub(super) position: Option<Vec<u8>>,
    /// Whether there is more to read at once.
    pub(super) more: bool,
}

/// A file that is followed.
pub(super) struct Followed {
    path: PathBuf,
    session_id: String,
    agent: Option<(String, Option<String>)>,
    transcript: Transcript,
    /// Where it was read to, in whole lines; the answer that waits begins before it.
    offset: u64,
    committed: Position,
    /// A line too long to be read is passed over up to its end.
    in_long_line: bool,
    /// How long the file was when it was last looked at, and since when it is.
    len: u64,
    grew: Instant,
    is_read: bool,
}

impl Followed {
    /// Opens a file where it was read to. `None` when there is none, or it is no file of this user.
    pub(super) fn open(
        path: &Path,
        session_id: &str,
        agent: Option<(&str, Option<&str>)>,
        position: Option<&[u8]>,
        copied_until: Option<Time>,
    ) -> Option<Followed> {
        let meta = std::fs::metadata(path).ok()?;
        if !meta.is_file() || meta.uid() != rustix::process::getuid().as_raw() {
            return None;
        }
        let committed = match position.and_then(|bytes| serde_json::from_slice(bytes).ok()) {
            Some(position) => position,
            None => Position { skip_to_ms: copied_until.map_or(0, Time::ms), ..Position::default() },
        };
        Some(Followed {
            path: path.to_owned(),
            session_id: session_id.to_owned(),
            agent: agent.map(|(id, kind)| (id.to_owned(), kind.map(str::to_owned))),
            transcript: Transcript::new(session_id, agent),
            offset: committed.offset,
            committed,
            in_long_line: false,
            len: 0,
            grew: Instant::now(),
            is_read: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Whether it was read to its end since it was opened.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// How long until an answer counts as complete though nothing followed it.
    pub(super) fn settles_in(&self) -> Option<Duration> {
        self.transcript.unsettled_from()?;
        let wait = if self.transcript.is_complete() { SETTLED_AFTER } else { GIVEN_UP_AFTER };
        Some(wait.saturating_sub(self.grew.elapsed()))
    }

    /// Reads the next piece. `last` tells that nothing more will come.
    pub(super) fn read(&mut self, prices: &Prices, last: bool) -> io::Result<Read> {
        let (mut file, meta) = files::open(&self.path)?;
        self.begin_again_if_rewritten(&mut file, &meta)?;
        let mut facts = Vec::new();
        let more = self.read_lines(&mut file, meta.len(), prices, &mut facts)?;
        if !more {
            self.is_read = true;
            if last || self.settles_in().is_some_and(|wait| wait.is_zero()) {
                facts.extend(self.transcript.settle(prices));
            }
        }
        let skip_to_ms = self.committed.skip_to_ms;
        facts.retain(|fact| fact.time.ms() > skip_to_ms);
        let offset = self.transcript.unsettled_from().unwrap_or(self.offset);
        let progress = offset.saturating_sub(self.committed.offset);
        if facts.is_empty() && progress < PROGRESS_BYTES && !(last && progress > 0) {
            return Ok(Read { facts, position: None, more });
        }
        let newest = facts.iter().map(|fact| fact.time.ms()).max().unwrap_or(0);
        self.committed.offset = offset;
        self.committed.newest_ms = self.committed.newest_ms.max(newest);
        let position = serde_json::to_vec(&self.committed).map_err(io::Error::other)?;
        Ok(Read { facts, position: Some(position), more })
    }

    /// A file that is shorter than what was read of it, or begins otherwise, was written anew.
    fn begin_again_if_rewritten(&mut self, file: &mut File, meta: &std::fs::Metadata) -> io::Result<()> {
        let is_new = self.committed.head.0 == 0;
        let head_bytes = if is_new { HEAD_BYTES.min(meta.len()) } else { self.committed.head.0 };
        let head = head_of(file, head_bytes)?;
        let is_same = head == self.committed.head && meta.len() >= self.offset;
        if !is_new && !is_same {
            self.offset = 0;
            self.in_long_line = false;
            self.transcript = self.new_transcript();
            let told_ms = self.committed.newest_ms.max(self.committed.skip_to_ms);
            self.committed = Position { newest_ms: told_ms, skip_to_ms: told_ms, ..Position::default() };
        }
        self.committed.inode = meta.ino();
        if self.committed.head.0 < HEAD_BYTES.min(meta.len()) {
            let head_bytes = HEAD_BYTES.min(meta.len());
            self.committed.head = head_of(file, head_bytes)?;
        }
        Ok(())
    }

    fn new_transcript(&self) -> Transcript {
        let agent = self.agent.as_ref().map(|(id, kind)| (id.as_str(), kind.as_deref()));
        Transcript::new(&self.session_id, agent)
    }

    /// Reads whole lines, a piece of the file at most; returns whether there is more.
    fn read_lines(&mut self, file: &mut File, len: u64, prices: &Prices, facts: &mut Vec<Fact>) -> io::Result<bool> {
        if std::mem::replace(&mut self.len, len) != len {
            self.grew = Instant::now();
        }
        if len <= self.offset {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(len - self.offset).unwrap_or(PIECE_BYTES))];
        let mut filled = read_full(file, &mut piece)?;
        let mut at = 0;
        loop {
            let Some(end) = piece[at..filled].iter().position(|byte| *byte == b'\n').map(|end| at + end) else {
                if at > 0 {
                    break;
                }
                // A line longer than the piece: more of it is read, up to what a line may have.
                if self.in_long_line || filled >= LINE_BYTES_MAX {
                    self.in_long_line = true;
                    self.offset += filled as u64;
                    return Ok(filled == piece.len() && self.offset < len);
                }
                if filled < piece.len() || self.offset + filled as u64 >= len {
                    // It is not written to its end yet.
                    return Ok(false);
                }
                let longer = (piece.len() * 2).min(LINE_BYTES_MAX).max(piece.len() + 1);
                piece.resize(longer, 0);
                filled += read_full(file, &mut piece[filled..])?;
                continue;
            };
            if !std::mem::take(&mut self.in_long_line) {
                let line_offset = self.offset;
                facts.extend(self.transcript.take(&piece[at..end], line_offset, prices));
            }
            self.offset += (end + 1 - at) as u64;
            at = end + 1;
            if facts.len() >= FACTS_MAX || at >= filled {
                break;
            }
        }
        Ok(self.offset < len && at > 0)
    }
}

fn read_full(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The digest of a file's first `bytes` bytes, or of as many as there are.
fn head_of(file: &mut File, bytes: u64) -> io::Result<(u64, String)> {
    let mut head = vec![0; usize::try_from(bytes).unwrap_or(0)];
    file.seek(SeekFrom::Start(0))?;
    let filled = read_full(file, &mut head)?;
    let digest = Sha256::digest(&head[..filled]);
    Ok((filled as u64, digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()))
}
