//! The log of a monitor: one file a port, rotated, and the names under which the documents look for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// A file begins anew at this size, in bytes: a person can still open it.
const BYTES_MAX: u64 = 5 * 1024 * 1024;

/// Older files that are kept, `.1` the newest.
const OLDER_MAX: u32 = 4;

/// The documents' names for the newest monitor's log.
const LINKS: [&str; 3] = ["socketio_server.log", "mpm.log", "latest.log"];

/// The log; clones write to the same file.
#[derive(Clone)]
pub(crate) struct LogFile {
    /// Held for one line.
    open: Arc<Mutex<Open>>,
    path: PathBuf,
}

struct Open {
    file: File,
    bytes: u64,
    path: PathBuf,
    /// Whether stdout and stderr are this file, too.
    is_output: bool,
}

impl LogFile {
    /// Opens the log of a port, and lets the documents' names point to it.
    pub(crate) fn open(folder: &Path, port: u16) -> io::Result<LogFile> {
        fs::create_dir_all(folder)?;
        let name = format!("monitor-{port}.log");
        let path = folder.join(&name);
        let file = append(&path)?;
        let bytes = file.metadata()?.len();
        for link in LINKS {
            point(&folder.join(link), &name)?;
        }
        let open = Open { file, bytes, path: path.clone(), is_output: false };
        Ok(LogFile { open: Arc::new(Mutex::new(open)), path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets all that this process prints go into it.
    pub(crate) fn become_output(&self) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.is_output = true;
        open.redirect()
    }
}

/// For its owner alone: a log line may name a path or a host.
fn append(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Makes a link, in one step. A file of somebody else's under that name stays.
fn point(link: &Path, name: &str) -> io::Result<()> {
    if fs::symlink_metadata(link).is_ok_and(|found| !found.is_symlink()) {
        return Ok(());
    }
    let new = link.with_extension(format!("new-{}", std::process::id()));
    let _ = fs::remove_file(&new);
    std::os::unix::fs::symlink(name, &new)?;
    fs::rename(&new, link)
}

impl Open {
    fn redirect(&self) -> io::Result<()> {
        rustix::stdio::dup2_stdout(&self.file)?;
        rustix::stdio::dup2_stderr(&self.file)?;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let older = |number: u32| PathBuf::from(format!("{}.{number}", self.path.display()));
        for number in (1..OLDER_MAX).rev() {
            let _ = fs::rename(older(number), older(number + 1));
        }
        fs::rename(&self.path, older(1))?;
        self.file = append(&self.path)?;
        self.bytes = 0;
        if self.is_output { self.redirect() } else { Ok(()) }
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = LogFile;

    fn make_writer(&'a self) -> LogFile {
        self.clone()
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.bytes > 0 && open.bytes + line.len() as u64 > BYTES_MAX {
            open.rotate()?;
        }
        open.file.write_all(line)?;
        open.bytes += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_begins_anew_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(folder.path(), 9000).unwrap();
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..(5 * (OLDER_MAX + 3)) {
            log.write_all(&line).unwrap();
        }
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|name| name.starts_with("monitor-"));
        names.sort();
        let expected: Vec<String> = std::iter::once("monitor-9000.log".to_owned())
            .chain((1..=OLDER_MAX).map(|number| format!("monitor-9000.log.{number}")))
            .collect();
        assert_eq!(names, expected);
        assert!(fs::metadata(log.path()).unwrap().len() <= BYTES_MAX);
    }

    #[test]
    fn the_documents_names_point_to_the_newest_monitors_log_and_a_real_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mpm.log"), "somebody else's").unwrap();
        LogFile::open(folder.path(), 9000).unwrap();
        LogFile::open(folder.path(), 9001).unwrap();
        let target = |name: &str| fs::read_link(folder.path().join(name));
        assert_eq!(target("latest.log").unwrap(), PathBuf::from("monitor-9001.log"));
        assert_eq!(target("socketio_server.log").unwrap(), PathBuf::from("monitor-9001.log"));
        assert_eq!(fs::read_to_string(folder.path().join("mpm.log")).unwrap(), "somebody else's");
    }
}
