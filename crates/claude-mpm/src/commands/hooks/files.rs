//! Writing files that other programs read: whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What a file holds; `None` if there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `bytes` in place of a file, keeping its mode; `mode` is for a new one. A symbolic link stays one.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let target = target(path)?;
    let dir = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temp = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let kept = fs::metadata(&target).ok().map(|metadata| metadata.permissions().mode() & 0o7777);
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temp).and_then(|mut file| {
            if let Some(kept) = kept {
                file.set_permissions(Permissions::from_mode(kept))?;
            }
            file.write_all(bytes)?;
            file.sync_all()
        });
    let renamed = written.and_then(|()| fs::rename(&temp, &target)).and_then(|()| File::open(dir)?.sync_all());
    if renamed.is_err() {
        let _ = fs::remove_file(&temp);
    }
    renamed
}

/// The file behind symbolic links, also when it is not there yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    // As many links as the kernel follows.
    for _ in 0..40 {
        match fs::read_link(&target) {
            Ok(link) => target = target.parent().unwrap_or(Path::new("/")).join(link),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Removes a folder and those above it up to `top`, as far as they are empty.
pub(crate) fn remove_empty(dir: &Path, top: &Path) {
    let mut dir = Some(dir);
    while let Some(empty) = dir.filter(|dir| *dir != top && dir.starts_with(top)) {
        if fs::remove_dir(empty).is_err() {
            return;
        }
        dir = empty.parent();
    }
}
