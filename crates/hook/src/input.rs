//! Stdin, up to a size and until a deadline.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use event::frame::HEAD_BYTES;

/// More than any hook's input: Claude Code's largest are whole files in `Write` and `Read`.
const INPUT_BYTES_MAX: usize = 32 << 20;

/// What one read takes; most hooks send less.
const CHUNK_BYTES: usize = 64 << 10;

/// What came in.
pub(crate) struct Input {
    /// Room for a frame's head, then what came.
    pub(crate) frame: Vec<u8>,
    /// Whether there was more than fits.
    pub(crate) is_cut: bool,
    /// Whether it had not ended at the deadline.
    pub(crate) is_late: bool,
}

/// Reads stdin to its end, or to `deadline` from now.
///
/// Claude Code gives a socket, whose reads can be given a time. Files and `/dev/null` never wait. Only for the rest,
/// pipes mostly, a second thread reads, because nothing else in std can give up waiting for one.
pub(crate) fn read(deadline: Duration) -> Input {
    let end = Instant::now() + deadline;
    let mut input = Input { frame: Vec::with_capacity(HEAD_BYTES + CHUNK_BYTES), is_cut: false, is_late: false };
    input.frame.resize(HEAD_BYTES, 0);
    // A closed stdin is an empty one.
    let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned() else { return input };
    let stdin = match socket(stdin, &mut input, end) {
        Ok(()) => return input,
        Err(stdin) => std::fs::File::from(stdin),
    };
    match stdin.metadata() {
        Ok(metadata) if metadata.is_file() => input.take_all(stdin),
        _ => in_a_thread(stdin, &mut input, end),
    }
    input
}

/// Reads from a socket; gives back what is none.
fn socket(stdin: OwnedFd, input: &mut Input, end: Instant) -> Result<(), OwnedFd> {
    let mut stream = UnixStream::from(stdin);
    if stream.set_read_timeout(Some(remaining(end))).is_err() {
        return Err(stream.into());
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(bytes) => input.take(&chunk[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                input.is_late = true;
                return Ok(());
            }
        }
        if Instant::now() >= end || stream.set_read_timeout(Some(remaining(end))).is_err() {
            input.is_late = true;
            return Ok(());
        }
    }
}

fn in_a_thread(mut stdin: std::fs::File, input: &mut Input, end: Instant) {
    let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(4);
    let reading = move || {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match stdin.read(&mut chunk) {
                Ok(0) => return,
                Ok(bytes) if sender.send(chunk[..bytes].to_vec()).is_err() => return,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                _ => {}
            }
        }
    };
    if thread::Builder::new().stack_size(128 << 10).spawn(reading).is_err() {
        return;
    }
    loop {
        match receiver.recv_timeout(remaining(end)) {
            Ok(chunk) => input.take(&chunk),
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                input.is_late = true;
                return;
            }
        }
    }
}

fn remaining(end: Instant) -> Duration {
    // No time at all would mean "for ever" to a socket.
    end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

impl Input {
    /// Keeps what fits. The rest is read all the same: closing early would be an error to the writer.
    fn take(&mut self, bytes: &[u8]) {
        let room = (HEAD_BYTES + INPUT_BYTES_MAX).saturating_sub(self.frame.len());
        self.frame.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.is_cut |= bytes.len() > room;
    }

    fn take_all(&mut self, mut file: std::fs::File) {
        let read = (&mut file).take(INPUT_BYTES_MAX as u64).read_to_end(&mut self.frame);
        self.is_cut =
            read.is_ok_and(|bytes| bytes == INPUT_BYTES_MAX) && file.read(&mut [0]).is_ok_and(|bytes| bytes > 0);
    }
}
