//! Running other programs: quietly while they do well, with all they said when they do not.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::say;

/// A long command says that it is still there this often: some CI systems end what is silent.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// How often it is looked whether a command has ended that left its output open to a child of its own.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a command said, and how it ended.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    /// Standard output and standard error, in the order they came.
    pub(crate) output: String,
}

/// The Cargo that runs this program, else the one on the PATH.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program()).to_string_lossy();
    let arguments = command.get_args().map(|argument| format!(" {}", argument.to_string_lossy()));
    format!("`{name}{}`", arguments.collect::<String>())
}

/// Runs a command to its end. What it says goes into `log`, and with `aloud` to the terminal too.
pub(crate) fn run(command: &mut Command, log: &Path, aloud: bool) -> anyhow::Result<Finished> {
    let (reader, writer) = io::pipe().context("making a pipe")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let started = command.spawn();
    let said = shown(command);
    // The command holds the writing ends; while it does, the pipe never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = started.with_context(|| format!("{said} did not start"))?;
    let mut log = File::options().create(true).append(true).open(log).context("opening the log")?;
    writeln!(log, "$ {said}")?;
    let lines = lines_of(reader);
    let (mut output, began) = (String::new(), Instant::now());
    let status = loop {
        match next(&lines, &mut child, &said, began)? {
            Some(line) => {
                log.write_all(line.as_bytes())?;
                output.push_str(&line);
                if aloud {
                    say::line(line.trim_end_matches('\n'));
                }
            }
            None => break child.wait().with_context(|| format!("waiting for {said}"))?,
        }
    };
    Ok(Finished { status, output })
}

fn lines_of(reader: io::PipeReader) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    lines
}

/// The next line; `None` when the command has ended and everything it said was read.
fn next(lines: &Receiver<String>, child: &mut Child, said: &str, began: Instant) -> anyhow::Result<Option<String>> {
    let mut silent = Duration::ZERO;
    loop {
        match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) => return Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            // It has ended; whatever still holds the pipe is not waited for.
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => return Ok(lines.try_recv().ok()),
            Err(RecvTimeoutError::Timeout) => silent += LOOK_EVERY,
        }
        if silent >= SIGN_OF_LIFE {
            silent = Duration::ZERO;
            say::line(format_args!("        {said} is at work for {} s", began.elapsed().as_secs()));
        }
    }
}
