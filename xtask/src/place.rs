//! Where things lie: the repository, and what is built beside it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The repository's root: the folder above `xtask`, looked for from the working directory up.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let here = env::current_dir().context("finding the working directory")?;
    let root = here.ancestors().find(|folder| folder.join("xtask/Cargo.toml").is_file());
    root.map(Path::to_owned).with_context(|| format!("{} lies in no copy of this repository", here.display()))
}

/// Cargo's target folder.
pub(crate) fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// A program on the PATH.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

/// Whether a file can be run.
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
