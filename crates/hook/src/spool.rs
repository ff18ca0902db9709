//! The append to the spool: a lock that is shared with other hooks, one write, nothing else.
//!
//! The server retires the segment `current` by renaming it, and reads it until it has once had the lock alone. So a hook
//! that has got its share of the lock looks whether the name still stands for the file it opened. If so, the server
//! waits for it; if not, it opens again.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use event::frame::{CURRENT_NAME, GIVEN_UP_NAME, Header};

/// How long to wait for the server to let go of the lock; it holds it for microseconds.
const LOCK_DEADLINE: Duration = Duration::from_millis(500);

/// Appends a sealed frame to the spool in `dir`, which is made if need be.
///
/// An error means that the frame is not in the spool: no room on the disk or under `cap_bytes`, or no right to write.
pub fn append(dir: &Path, cap_bytes: u64, frame: &[u8]) -> io::Result<()> {
    let end = Instant::now() + LOCK_DEADLINE;
    let path = dir.join(CURRENT_NAME);
    loop {
        let current = match OpenOptions::new().append(true).open(&path) {
            Ok(current) => current,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_segment(dir, &path, &[])?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if !wait_for(end, || current.try_lock_shared())? {
            return append_alone(dir, frame);
        }
        let opened = current.metadata()?;
        let is_current =
            fs::metadata(&path).is_ok_and(|named| named.ino() == opened.ino() && named.dev() == opened.dev());
        if is_current {
            return write_once(current, opened.len(), cap_bytes, frame);
        }
        if Instant::now() >= end {
            return append_alone(dir, frame);
        }
    }
}

/// Counts an event that could not be written: the size of a file is the count.
///
/// The size is set and no byte written, because that also works when the disk is full.
pub fn give_up(dir: &Path) {
    let end = Instant::now() + LOCK_DEADLINE;
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join(GIVEN_UP_NAME));
    let _ = file.and_then(|file| {
        wait_for(end, || file.try_lock())?;
        file.set_len(file.metadata()?.len() + 1)
    });
}

/// One write and no second: what other hooks append in between would tear the frame. A reader passes over a short one.
fn write_once(mut current: File, bytes: u64, cap_bytes: u64, frame: &[u8]) -> io::Result<()> {
    if bytes + frame.len() as u64 > cap_bytes {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    loop {
        match current.write(frame) {
            Ok(written) if written == frame.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::StorageFull.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether the lock was had in time.
fn wait_for(end: Instant, lock: impl Fn() -> Result<(), TryLockError>) -> io::Result<bool> {
    let mut pause = Duration::from_micros(50);
    loop {
        match lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if Instant::now() < end => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// The server hangs with the lock in its hand: a segment for this frame alone, retired from the start, needs none.
fn append_alone(dir: &Path, frame: &[u8]) -> io::Result<()> {
    let header = new_header()?;
    create_segment(dir, &dir.join(header.retired_name()), frame)
}

/// Creates a segment with its header and `frame` in it, all at once; it is no error if another hook was faster.
fn create_segment(dir: &Path, path: &Path, frame: &[u8]) -> io::Result<()> {
    let header = new_header()?;
    let temp = dir.join(format!(".{:x}-{}", std::process::id(), header.retired_name()));
    let open = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp);
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            open()
        }
        opened => opened,
    };
    let written = file.and_then(|mut file| {
        file.write_all(&header.encode())?;
        file.write_all(frame)
    });
    let linked = written.and_then(|()| fs::hard_link(&temp, path));
    let _ = fs::remove_file(&temp);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn new_header() -> io::Result<Header> {
    let mut id = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut id)?;
    let created_ns =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    Ok(Header { id, created_ns })
}
