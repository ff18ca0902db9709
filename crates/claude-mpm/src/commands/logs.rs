//! `claude-mpm monitor logs`: the last lines of a monitor's log, and those that come.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::cli::LogsArgs;
use crate::paths::Home;
use crate::report::{self, Failure};

/// Between two looks for new lines.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How much of the end is looked at for the last lines, in bytes.
const END_BYTES: u64 = 1024 * 1024;

/// Runs it.
pub(crate) fn run(options: &LogsArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let path = match options.port {
        Some(port) => home.logs().join(format!("monitor-{port}.log")),
        None => home.logs().join("latest.log"),
    };
    let failed = |error: std::io::Error| {
        Failure::new(format!("{} cannot be read", path.display()), error, "Start a monitor: claude-mpm monitor start")
    };
    let mut file = File::open(&path).map_err(failed)?;
    for line in last_lines(&mut file, options.lines).map_err(failed)? {
        report::line(report::harmless(&line));
    }
    if options.follow { follow(&path, file).map_err(failed) } else { Ok(()) }
}

/// The last lines of a log.
pub(crate) fn last(path: &Path, count: usize) -> std::io::Result<Vec<String>> {
    last_lines(&mut File::open(path)?, count)
}

/// The file is then at its end.
fn last_lines(file: &mut File, count: usize) -> std::io::Result<Vec<String>> {
    let begin = file.metadata()?.len().saturating_sub(END_BYTES);
    file.seek(SeekFrom::Start(begin))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().skip(usize::from(begin > 0)).collect();
    Ok(lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect())
}

/// Goes on until it is ended, also with the file that comes in the place of a full one.
fn follow(path: &Path, file: File) -> std::io::Result<()> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        // A line whose end is not written yet stays until it is.
        if reader.read_until(b'\n', &mut line)? > 0 {
            if line.ends_with(b"\n") {
                report::line(report::harmless(String::from_utf8_lossy(&line).trim_end()));
                line.clear();
            }
            continue;
        }
        std::thread::sleep(LOOK_EVERY);
        let is_another = std::fs::metadata(path).and_then(|now| Ok(now.ino() != reader.get_ref().metadata()?.ino()));
        if is_another.unwrap_or(false) {
            reader = BufReader::new(File::open(path)?);
        }
    }
}
