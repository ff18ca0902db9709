//! Programs from Debian's packages: installed where that is possible, asked for in one line where it is not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::{Context, bail};

use super::super::Run;
use crate::place;

/// Whether this run has asked for the newest list of packages.
static UPDATED: AtomicBool = AtomicBool::new(false);

/// A program under one of its names; from Debian's `package` if there is none.
pub(super) fn program(run: &Run, names: &[&str], package: &str) -> anyhow::Result<PathBuf> {
    let find = || names.iter().find_map(|name| place::program(name));
    if let Some(found) = find() {
        return Ok(found);
    }
    install(run, package)?;
    find().with_context(|| format!("the package {package} brought no program called {}", names.join(" or ")))
}

/// Installs a package, as root on Debian and its kin.
pub(super) fn install(run: &Run, package: &str) -> anyhow::Result<()> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root || place::program("apt-get").is_none() {
        bail!("install it (on Debian: apt-get install {package})");
    }
    if !UPDATED.swap(true, Relaxed) {
        // One source of several that does not answer is no reason to give up; the installation will tell.
        let _ = run.quiet(apt().arg("update"));
    }
    run.quiet(apt().args(["install", "-y", "--no-install-recommends", package])).map(|_| ())
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}
