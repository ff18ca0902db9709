//! Reads what hooks have written into a spool folder: in order, and exactly once if positions are kept with events.
//!
//! Hooks append to the segment `current`. Now and then the reader retires it: it renames the file, so that the next
//! hook begins a new one. A hook that has it open already may still append: each holds a shared lock while it does, so
//! once the reader has had the lock alone, nothing more comes. Then, when all of its frames are committed, the file is
//! removed. (Taking the lock before renaming would starve where hooks run without pause.) What is committed of a
//! segment that hooks still append to is overwritten as soon as there is nothing more to read. One reader for a folder; the
//! server's lock on its data folder sees to that.

mod segment;
mod watch;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use event::frame::{CURRENT_NAME, Frame, GIVEN_UP_NAME, RETIRED_SUFFIX};
use tokio::sync::Notify;

use segment::{Segment, Tail};
use watch::Watch;

/// A segment beyond this is retired, so that disk space comes back while sessions go on.
const SEGMENT_BYTES_MAX: u64 = 8 << 20;

/// A segment that is read to its end is retired at this age, so that plaintext does not stay behind.
const SEGMENT_AGE_MAX: Duration = Duration::from_secs(60);

/// A hook's temporary file of this age has no hook any more.
const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(3_600);

/// What can go wrong with a spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as "reading".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The position is not one of these.
    #[error("the stored position of the spool {} cannot be read: it is damaged, or of a newer release", dir.display())]
    Position {
        /// The spool's folder.
        dir: PathBuf,
    },
}

/// Names the path in an error of the operating system.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Io { action, path, source }
}

/// Reads one spool folder.
pub struct SpoolReader {
    dir: PathBuf,
    /// Oldest first; the last may be `current`.
    segments: Vec<Segment>,
    /// Where segments that are not open yet were read to.
    offsets: Offsets,
    torn_frames: u64,
    watch: Watch,
}

impl SpoolReader {
    /// Opens the folder, making it if need be, and goes on from a [`SpoolReader::position`].
    pub fn open(dir: &Path, position: Option<&[u8]>) -> Result<SpoolReader, SpoolError> {
        let offsets = match position {
            Some(bytes) => Offsets::decode(bytes).ok_or_else(|| SpoolError::Position { dir: dir.to_owned() })?,
            None => Offsets::default(),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("creating the spool", dir))?;
        remove_temporary(dir);
        let watch = Watch::new(dir);
        Ok(SpoolReader { dir: dir.to_owned(), segments: Vec::new(), offsets, torn_frames: 0, watch })
    }

    /// Is told whenever something changes in the folder, if the system can tell; look every now and then all the same.
    pub fn changed(&self) -> Arc<Notify> {
        self.watch.changed()
    }

    /// The next frames, oldest segment first: about `bytes_max` of payloads, at least one frame if there is one.
    ///
    /// Empty when everything is read. Also retires `current` when it is large and read to its end.
    pub fn read(&mut self, bytes_max: usize) -> Result<Vec<Frame>, SpoolError> {
        self.find_segments()?;
        let mut frames = Vec::new();
        let mut bytes_left = bytes_max.max(1);
        for segment in &mut self.segments {
            let read = segment.read(&mut bytes_left, &mut frames);
            self.torn_frames += segment.take_torn_frames();
            read.map_err(failed("reading the spool's segment", segment.path()))?;
            if bytes_left == 0 {
                break;
            }
        }
        if self.current().is_some_and(|current| current.is_drained() && current.offset() > SEGMENT_BYTES_MAX) {
            self.retire(true)?;
        }
        Ok(frames)
    }

    /// How far it has read: to be stored in the transaction of the frames returned so far.
    pub fn position(&self) -> Vec<u8> {
        let mut offsets = self.offsets.clone();
        for segment in &self.segments {
            offsets.set(segment.id(), segment.offset());
        }
        offsets.encode()
    }

    /// Removes the retired segments that lie wholly before a position, which must be stored by now.
    pub fn committed(&mut self, position: &[u8]) -> Result<(), SpoolError> {
        let stored = Offsets::decode(position).ok_or_else(|| SpoolError::Position { dir: self.dir.clone() })?;
        for segment in self.segments.extract_if(.., |segment| segment.is_over(stored.get(segment.id()))) {
            match fs::remove_file(segment.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("removing the spool's segment", segment.path())(error));
                }
                _ => self.offsets.remove(segment.id()),
            }
        }
        Ok(())
    }

    /// Overwrites with zeros what was read of the segments, which must be stored by now: a file that hooks still append to
    /// stays, and no word of theirs in it.
    pub fn wipe(&mut self) -> Result<(), SpoolError> {
        for segment in &mut self.segments {
            segment.wipe().map_err(failed("wiping the spool's segment", segment.path()))?;
        }
        Ok(())
    }

    /// Begins a new segment: always with `force`, else when the current one is large, or read to its end and a minute old.
    ///
    /// `false` when there was no reason, or nothing to retire.
    pub fn retire(&mut self, force: bool) -> Result<bool, SpoolError> {
        let Some(current) = self.segments.last_mut().filter(|segment| !segment.is_retired()) else { return Ok(false) };
        let is_due = current.offset() > SEGMENT_BYTES_MAX
            || (current.is_drained() && current.has_frames() && current.age(SystemTime::now()) > SEGMENT_AGE_MAX);
        if !force && !is_due {
            return Ok(false);
        }
        current.retire(&self.dir).map_err(failed("retiring the segment in", &self.dir))
    }

    /// How many events hooks had to give up since this was last reset.
    pub fn given_up(&self) -> u64 {
        fs::metadata(self.dir.join(GIVEN_UP_NAME)).map_or(0, |metadata| metadata.len())
    }

    /// Takes `count` off what hooks gave up: that many have been told.
    pub fn reset_given_up(&mut self, count: u64) {
        // If this fails they are told once more, which is better than never.
        let _ = File::options().append(true).open(self.dir.join(GIVEN_UP_NAME)).and_then(|file| {
            file.lock()?;
            file.set_len(file.metadata()?.len().saturating_sub(count))
        });
    }

    /// Bytes in the folder behind what was read, as of now.
    pub fn unread_bytes(&self) -> u64 {
        self.segments.iter().map(Segment::unread_bytes).sum()
    }

    /// How many times something was passed over that is no frame: a hook died half-way, or the disk was full.
    pub fn torn_frames(&self) -> u64 {
        self.torn_frames
    }

    fn current(&self) -> Option<&Segment> {
        self.segments.last().filter(|segment| !segment.is_retired())
    }

    /// Opens the segments that have come since, and lets go of those whose file is gone and read.
    fn find_segments(&mut self) -> Result<(), SpoolError> {
        let listing = failed("listing the spool", &self.dir);
        let names = fs::read_dir(&self.dir).and_then(|entries| {
            entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<Vec<_>>>()
        });
        for name in names.map_err(listing)? {
            let is_segment = name == CURRENT_NAME || (name.ends_with(RETIRED_SUFFIX) && !name.starts_with('.'));
            let path = self.dir.join(&name);
            if !is_segment || self.segments.iter().any(|segment| segment.is_at(&path)) {
                continue;
            }
            let opened = Segment::open(&path, &self.offsets).map_err(failed("opening the spool's segment", &path))?;
            let Some(opened) = opened else { continue };
            if self.segments.iter().any(|segment| segment.id() == opened.id()) {
                continue;
            }
            if !opened.is_retired() {
                // Somebody has taken the former one away: what was written to it is still there to be read.
                self.segments.iter_mut().for_each(Segment::set_orphaned);
            }
            self.segments.push(opened);
        }
        self.segments.retain(|segment| !segment.is_orphaned() || segment.tail() != Tail::Drained);
        self.segments.sort_by_key(Segment::order);
        // Offsets of segments that are gone would only make positions grow.
        let segments = &self.segments;
        self.offsets.retain(|id| segments.iter().any(|segment| segment.id() == id));
        Ok(())
    }
}

/// Removes what hooks left that died while they made a segment.
fn remove_temporary(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        let is_temporary = entry.file_name().to_string_lossy().starts_with('.');
        if is_temporary && age.is_some_and(|age| age > TEMPORARY_AGE_MAX) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Segment id → the offset it was read to. Few: one for each file in the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offsets(Vec<([u8; 16], u64)>);

impl Offsets {
    /// Format: the byte 1, then 16 bytes of id and 8 of offset (little-endian) for each segment.
    const VERSION: u8 = 1;

    fn get(&self, id: [u8; 16]) -> Option<u64> {
        self.0.iter().find(|(of, _)| *of == id).map(|(_, offset)| *offset)
    }

    fn set(&mut self, id: [u8; 16], offset: u64) {
        self.remove(id);
        self.0.push((id, offset));
    }

    fn remove(&mut self, id: [u8; 16]) {
        self.0.retain(|(of, _)| *of != id);
    }

    fn retain(&mut self, keep: impl Fn([u8; 16]) -> bool) {
        self.0.retain(|(id, _)| keep(*id));
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        for (id, offset) in &self.0 {
            bytes.extend_from_slice(id);
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Offsets> {
        let rest = bytes.strip_prefix(&[Self::VERSION])?;
        let (entries, []) = rest.as_chunks::<24>() else { return None };
        let entry = |entry: &[u8; 24]| {
            let (id, offset) = entry.split_first_chunk::<16>()?;
            Some((*id, u64::from_le_bytes(*offset.first_chunk()?)))
        };
        entries.iter().map(entry).collect::<Option<Vec<_>>>().map(Offsets)
    }
}
