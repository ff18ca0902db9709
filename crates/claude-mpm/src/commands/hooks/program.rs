//! The hook program: carried inside this one, and written to the user's folder, so that settings never point into a
//! build folder.

use std::path::{Path, PathBuf};

use super::files;
use super::settings::PROGRAM_NAME;
use crate::report::Failure;

/// Built by this crate's build script, linked statically where that works.
static PROGRAM: &[u8] = include_bytes!(env!("CLAUDE_MPM_HOOK_PROGRAM"));

/// Where it is written to: `bin` in the user's folder.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("bin").join(PROGRAM_NAME)
}

/// Writes it, unless this very one is there. Hooks that run meanwhile run the old or the new one, never half of it.
pub(crate) fn write(folder: &Path) -> Result<(), Failure> {
    let path = path(folder);
    let failed = |error| {
        Failure::new(
            format!("{} cannot be written", path.display()),
            error,
            "Check who owns the folder, and that the disk has room",
        )
    };
    if is_current(&path) {
        return Ok(());
    }
    files::write(&path, PROGRAM, 0o755).map_err(failed)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(failed)
}

/// Brings an installed one up to date, when the monitor starts; one that is not installed stays so.
pub(crate) fn refresh(folder: &Path) -> Result<(), Failure> {
    if path(folder).exists() { write(folder) } else { Ok(()) }
}

/// What a person should know about the program that hooks run.
pub(crate) fn state(path: &Path) -> &'static str {
    match files::read(path) {
        Ok(Some(bytes)) if bytes == PROGRAM => "up to date",
        Ok(Some(_)) => "of another release; install again",
        _ => "missing; install again",
    }
}

fn is_current(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let is_executable = std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o777 == 0o755);
    is_executable && files::read(path).is_ok_and(|bytes| bytes.as_deref() == Some(PROGRAM))
}
