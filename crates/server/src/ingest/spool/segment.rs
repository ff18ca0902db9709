//! One segment of a spool: where it is read to, and how it is retired.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use event::frame::{self, CURRENT_NAME, Decoded, Frame, HEAD_BYTES, HEADER_BYTES, Header};

use super::Offsets;
use crate::files;

/// What one look into the file takes; a larger frame is read in a second look.
const CHUNK_BYTES: usize = 256 << 10;

/// Whether there is more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// There may be.
    Unknown,
    /// At the last look everything was read.
    Drained,
}

/// A segment's file, open for reading.
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    inode: (u64, u64),
    header: Header,
    /// Everything before it has been returned.
    offset: u64,
    tail: Tail,
    /// Whether hooks cannot find it any more.
    is_retired: bool,
    /// Whether, after that, it was seen that no hook is still writing: nothing more comes.
    is_final: bool,
    /// Whether it was `current` and somebody else renamed or removed it.
    is_orphaned: bool,
    torn_frames: u64,
    /// Everything between the header and here is zeros.
    wiped: u64,
}

impl Segment {
    /// Opens the segment at `path`; `None` when it has gone meanwhile, or is no file.
    pub(super) fn open(path: &Path, offsets: &Offsets) -> io::Result<Option<Segment>> {
        let (file, metadata) = match files::open(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
                return Ok(None);
            }
            opened => opened?,
        };
        let mut start = [0; HEADER_BYTES];
        let bytes = read_at(&file, &mut start, 0)?;
        let (header, begin) = match Header::decode(&start[..bytes]) {
            Some(header) => (header, HEADER_BYTES as u64),
            // Not made by a hook. Hooks append to it all the same, so it is read; its inode must do for an id.
            None => (header_of_inode(&metadata), 0),
        };
        Ok(Some(Segment {
            path: path.to_owned(),
            inode: (metadata.dev(), metadata.ino()),
            file,
            offset: offsets.get(header.id).unwrap_or(begin).max(begin),
            wiped: begin,
            header,
            tail: Tail::Unknown,
            is_retired: !path.ends_with(CURRENT_NAME),
            is_final: false,
            is_orphaned: false,
            torn_frames: 0,
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> [u8; 16] {
        self.header.id
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn unread_bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(self.offset))
    }

    pub(super) fn tail(&self) -> Tail {
        self.tail
    }

    pub(super) fn is_drained(&self) -> bool {
        self.tail == Tail::Drained
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired
    }

    pub(super) fn is_orphaned(&self) -> bool {
        self.is_orphaned
    }

    pub(super) fn has_frames(&self) -> bool {
        self.offset > HEADER_BYTES as u64
    }

    /// Retired ones first, by age.
    pub(super) fn order(&self) -> (bool, u64, [u8; 16]) {
        (!self.is_retired, self.header.created_ns, self.header.id)
    }

    pub(super) fn age(&self, now: SystemTime) -> Duration {
        let created = SystemTime::UNIX_EPOCH + Duration::from_nanos(self.header.created_ns);
        now.duration_since(created).unwrap_or_default()
    }

    /// Whether the file under this name is this one.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path == path && fs::metadata(path).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.inode)
    }

    /// There is another `current` now: if this was it, no more comes to it.
    pub(super) fn set_orphaned(&mut self) {
        if !self.is_retired {
            (self.is_retired, self.is_orphaned, self.tail) = (true, true, Tail::Unknown);
        }
    }

    /// Whether it can be removed when everything before `stored` is committed.
    pub(super) fn is_over(&mut self, stored: Option<u64>) -> bool {
        if !self.is_retired || self.is_orphaned || stored.is_none_or(|stored| stored < self.offset) {
            return false;
        }
        let is_final = self.is_final || self.alone(|_| Ok(())).is_ok_and(|had| had.is_some());
        is_final && self.bytes_ahead().is_ok_and(|bytes| bytes == 0)
    }

    /// Overwrites what was read with zeros. Hooks append behind it, and need not know.
    pub(super) fn wipe(&mut self) -> io::Result<()> {
        if self.wiped >= self.offset || self.is_orphaned {
            return Ok(());
        }
        let file = match File::options().write(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let metadata = file.metadata()?;
        if (metadata.dev(), metadata.ino()) != self.inode {
            return Ok(());
        }
        let zeros = [0; 8 << 10];
        while self.wiped < self.offset {
            let bytes = (self.offset - self.wiped).min(zeros.len() as u64);
            file.write_all_at(&zeros[..bytes as usize], self.wiped)?;
            self.wiped += bytes;
        }
        Ok(())
    }

    /// How many torn frames were passed over since this was last asked.
    pub(super) fn take_torn_frames(&mut self) -> u64 {
        std::mem::take(&mut self.torn_frames)
    }

    /// Appends frames until the segment's end, or until `bytes_left` is used up.
    pub(super) fn read(&mut self, bytes_left: &mut usize, frames: &mut Vec<Frame>) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES.min(self.bytes_ahead()?)];
        self.tail = Tail::Drained;
        loop {
            let bytes = read_at(&self.file, &mut chunk, self.offset)?;
            let (used, wanted_bytes) = self.take_frames(&chunk[..bytes], bytes_left, frames);
            self.offset += used as u64;
            if *bytes_left == 0 {
                self.tail = Tail::Unknown;
                return Ok(());
            }
            if bytes == chunk.len() && bytes > 0 {
                // There may be more: at least the rest of the frame that did not fit.
                chunk.resize(CHUNK_BYTES.max(wanted_bytes), 0);
                if used > 0 || chunk.len() > bytes {
                    continue;
                }
            }
            if used == bytes {
                return Ok(());
            }
            if !self.pass_torn_end()? {
                return Ok(());
            }
        }
    }

    /// Frames at the beginning of `bytes`; gives how many bytes they took, and how many the next one wants.
    fn take_frames(&mut self, bytes: &[u8], bytes_left: &mut usize, frames: &mut Vec<Frame>) -> (usize, usize) {
        let (mut at, mut in_torn) = (0, false);
        while *bytes_left > 0 && at < bytes.len() {
            match frame::decode(&bytes[at..]) {
                Decoded::Frame { stamp, frame_bytes } => {
                    frames.push(Frame {
                        time_ns: stamp.time_ns,
                        parent_pid: stamp.parent_pid,
                        is_cut: stamp.is_cut,
                        is_late: stamp.is_late,
                        payload: bytes[at + HEAD_BYTES..at + frame_bytes].to_vec(),
                    });
                    *bytes_left = bytes_left.saturating_sub(frame_bytes);
                    at += frame_bytes;
                    in_torn = false;
                }
                Decoded::Torn { skip_bytes } => {
                    self.torn_frames += u64::from(!in_torn);
                    in_torn = true;
                    at += skip_bytes;
                }
                Decoded::Incomplete { wanted_bytes } => return (at, wanted_bytes),
            }
        }
        (at, 0)
    }

    /// The segment ends in the beginning of a frame. If nobody is writing, nobody will finish it: passes over it.
    ///
    /// `false` when a hook is writing: the rest will come.
    fn pass_torn_end(&mut self) -> io::Result<bool> {
        // Alone, what is there does not change. It may have been finished just before.
        let skipped = self.alone(|segment| {
            let mut rest = vec![0; segment.bytes_ahead()?];
            let bytes = read_at(&segment.file, &mut rest, segment.offset)?;
            Ok(match (frame::decode(&rest[..bytes]), frame::torn(&rest[..bytes])) {
                (Decoded::Incomplete { .. }, Decoded::Torn { skip_bytes }) => skip_bytes.min(bytes),
                _ => 0,
            })
        })?;
        self.torn_frames += u64::from(skipped.is_some_and(|bytes| bytes > 0));
        self.offset += skipped.unwrap_or(0) as u64;
        Ok(skipped.is_some())
    }

    /// Does something while no hook writes; `None` if one is writing now.
    fn alone<T>(&mut self, act: impl FnOnce(&Segment) -> io::Result<T>) -> io::Result<Option<T>> {
        match self.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let outcome = act(self);
        self.is_final = self.is_retired;
        self.file.unlock()?;
        outcome.map(Some)
    }

    fn bytes_ahead(&self) -> io::Result<usize> {
        let bytes = self.file.metadata()?.len().saturating_sub(self.offset);
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Renames `current`, so that hooks begin a new one; `false` if it is not there any more.
    pub(super) fn retire(&mut self, dir: &Path) -> io::Result<bool> {
        let retired = dir.join(self.header.retired_name());
        if !self.is_at(&self.path) {
            return Ok(false);
        }
        fs::rename(&self.path, &retired)?;
        (self.path, self.is_retired, self.tail) = (retired, true, Tail::Unknown);
        Ok(true)
    }
}

/// Stands for the header of a file that has none.
fn header_of_inode(metadata: &fs::Metadata) -> Header {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&metadata.dev().to_le_bytes());
    id[8..].copy_from_slice(&metadata.ino().to_le_bytes());
    Header { id, created_ns: 0 }
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut bytes = 0;
    while bytes < buffer.len() {
        match file.read_at(&mut buffer[bytes..], offset + bytes as u64) {
            Ok(0) => break,
            Ok(read) => bytes += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}
