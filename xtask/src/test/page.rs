//! The page: its types, its tests, and its build, which every later step embeds.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use super::{Done, Run};
use crate::place;

/// A folder with a built page, for machines without Node.
const READY_FOLDER: &str = "CLAUDE_MPM_DASHBOARD_DIST";

/// The oldest Node that the page is built with.
const NODE_MIN: (u32, u32) = (20, 19);

/// What the page is built from, below `dashboard/`.
const SOURCES: [&str; 9] = [
    "src",
    "public",
    "scripts",
    "index.html",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
];

pub(super) fn step(run: &Run) -> anyhow::Result<Done> {
    if let Some(ready) = ready_folder() {
        return Ok(Done::Skipped(format!("{READY_FOLDER} names a built page, {}", ready.display())));
    }
    let dashboard = install_page(run)?;
    run.command(npm(&dashboard).args(["run", "check"]))?;
    run.tests(npm(&dashboard).arg("test"))?;
    built(run)?;
    Ok(Done::Well)
}

/// The folder of the built page; built now if this run has not looked yet and its sources have changed.
pub(super) fn built(run: &Run) -> anyhow::Result<&Path> {
    if let Some(built) = run.page.get() {
        return Ok(built);
    }
    let folder = match ready_folder() {
        Some(ready) => ready,
        None => build(run)?,
    };
    Ok(run.page.get_or_init(|| folder))
}

/// `npm ci` in a folder, when its lock is not the one that was installed last.
pub(super) fn install(run: &Run, folder: &Path) -> anyhow::Result<()> {
    check_node()?;
    let lock = folder.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("reading {}", lock.display()))?;
    // The build of the crate `page` keeps the same mark.
    let mark = folder.join("node_modules/.installed-lock");
    if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run.command(npm(folder).args(["ci", "--no-audit", "--no-fund"]))?;
    fs::write(&mark, wanted).with_context(|| format!("writing {}", mark.display()))
}

fn install_page(run: &Run) -> anyhow::Result<PathBuf> {
    let dashboard = run.root.join("dashboard");
    let _alone = alone(&dashboard)?;
    install(run, &dashboard)?;
    Ok(dashboard)
}

/// npm in a folder, without colours.
pub(super) fn npm(folder: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(folder).env("NO_COLOR", "1").env("FORCE_COLOR", "0");
    npm
}

fn build(run: &Run) -> anyhow::Result<PathBuf> {
    let dashboard = run.root.join("dashboard");
    let (out, mark) = (run.folder.join("dashboard"), run.folder.join("dashboard.sources"));
    let sources = digest(&dashboard)?;
    // An unchanged page keeps its files, so that Cargo builds nothing again because of it.
    if out.join("index.html").is_file() && fs::read_to_string(&mark).is_ok_and(|built| built == sources) {
        return Ok(out);
    }
    install_page(run)?;
    let _alone = alone(&dashboard)?;
    run.command(npm(&dashboard).args(["run", "build"]).env("CLAUDE_MPM_DASHBOARD_OUT", &out))?;
    ensure!(out.join("index.html").is_file(), "the build of the page left no index.html in {}", out.display());
    fs::write(&mark, sources).with_context(|| format!("writing {}", mark.display()))?;
    Ok(out)
}

fn ready_folder() -> Option<PathBuf> {
    env::var_os(READY_FOLDER).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Two builds at once would step on each other's `node_modules`; the build of the crate `page` takes the same lock.
fn alone(dashboard: &Path) -> anyhow::Result<File> {
    let path = dashboard.join(".build.lock");
    let lock = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    lock.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(lock)
}

fn check_node() -> anyhow::Result<()> {
    let (major_min, minor_min) = NODE_MIN;
    let without = format!("the tests need Node.js {major_min}.{minor_min} or newer with npm on the PATH");
    if place::program("npm").is_none() {
        bail!("{without}");
    }
    let version = Command::new("node").arg("--version").output().with_context(|| without.clone())?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= NODE_MIN => Ok(()),
        _ => bail!("{without} (`node --version` says {version:?})"),
    }
}

fn digest(dashboard: &Path) -> anyhow::Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        list(&dashboard.join(source), &mut files)?;
    }
    files.sort();
    let mut hash = DefaultHasher::new();
    for file in files {
        file.strip_prefix(dashboard)?.hash(&mut hash);
        fs::read(&file).with_context(|| format!("reading {}", file.display()))?.hash(&mut hash);
    }
    Ok(format!("{:016x}\n", hash.finish()))
}

/// Every file at or below a path; none if nothing is there.
fn list(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
    } else if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
            list(&entry?.path(), files)?;
        }
    }
    Ok(())
}
