//! The files that the rules are about: what is committed, or would be.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// Bytes that are looked at to tell text from anything else.
const SNIFFED_BYTES: usize = 8_000;

/// A file of the repository.
pub(super) struct File {
    /// Below the root, with slashes.
    pub(super) path: String,
    bytes: Vec<u8>,
}

impl File {
    /// A file that holds `text`.
    #[cfg(test)]
    pub(super) fn new(path: &str, text: &str) -> File {
        File { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    /// Its text; `None` when it is something else.
    pub(super) fn text(&self) -> Option<&str> {
        let start = &self.bytes[..self.bytes.len().min(SNIFFED_BYTES)];
        if start.contains(&0) { None } else { std::str::from_utf8(&self.bytes).ok() }
    }

    /// Its name without its folders.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// How its name ends, without the dot.
    pub(super) fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

/// Every file that Git knows or would add.
pub(super) fn list(root: &Path) -> anyhow::Result<Vec<File>> {
    // The copy may belong to somebody else, on a CI machine for instance.
    let arguments = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").current_dir(root).args(arguments).output();
    let listed = listed.context("starting git, which lists the files")?;
    ensure!(listed.status.success(), "git lists no files: {}", String::from_utf8_lossy(&listed.stderr).trim());
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|path| !path.is_empty()) {
        let whole = root.join(path);
        // A file that is removed and still committed, and a link to nowhere, have nothing to check.
        if whole.is_file() {
            let bytes = fs::read(&whole).with_context(|| format!("reading {}", whole.display()))?;
            files.push(File { path: path.to_owned(), bytes });
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.dedup_by(|one, other| one.path == other.path);
    Ok(files)
}
