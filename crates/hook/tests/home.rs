//! What the tests share: a home, hooks run in it, and the frames they left.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use event::frame::{self, Decoded, HEAD_BYTES, HEADER_BYTES, Header, Stamp};

pub(crate) struct Home {
    temp: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Home {
        Home { temp: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.temp.path().join(".claude-mpm/spool/8765")
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.temp.path().to_owned()
    }

    /// The hook, with nothing in its environment but this home.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claude-mpm-hook"));
        command.env_clear().env("HOME", self.temp.path());
        command
    }

    pub(crate) fn start(&self, stdin: impl Into<Stdio>) -> Child {
        self.command().stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs one hook to its end, through a pipe.
    pub(crate) fn run(&self, payload: &[u8]) {
        let mut child = self.start(Stdio::piped());
        child.stdin.take().unwrap().write_all(payload).unwrap();
        assert_silent(&child.wait_with_output().unwrap());
    }

    /// The frames of all segments, retired ones first.
    pub(crate) fn frames(&self) -> Vec<(Stamp, Vec<u8>)> {
        self.segments().iter().flat_map(|bytes| frames_of(bytes)).collect()
    }

    pub(crate) fn segments(&self) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.spool()) else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.ends_with("current") || path.extension().is_some_and(|name| name == "retired"));
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    pub(crate) fn given_up(&self) -> u64 {
        fs::metadata(self.spool().join("given-up")).map_or(0, |metadata| metadata.len())
    }
}

pub(crate) fn assert_silent(output: &Output) {
    assert_eq!((output.status.code(), output.stdout.as_slice(), output.stderr.as_slice()), (Some(0), &[][..], &[][..]));
}

pub(crate) fn frames_of(segment: &[u8]) -> Vec<(Stamp, Vec<u8>)> {
    assert!(Header::decode(segment).is_some(), "a segment without a header");
    let (mut at, mut frames) = (HEADER_BYTES, Vec::new());
    while at < segment.len() {
        match frame::decode(&segment[at..]) {
            Decoded::Frame { stamp, frame_bytes } => {
                frames.push((stamp, segment[at + HEAD_BYTES..at + frame_bytes].to_vec()));
                at += frame_bytes;
            }
            Decoded::Torn { skip_bytes } => at += skip_bytes,
            Decoded::Incomplete { .. } => at += 1,
        }
    }
    frames
}

impl Home {
    /// Another program, in this home.
    pub(crate) fn command_as(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("HOME", self.temp.path()).env_remove("CLAUDE_MPM_SOCKETIO_PORT").env_remove("SOCKETIO_PORT");
        command
    }
}
