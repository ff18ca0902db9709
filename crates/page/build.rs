//! Builds the dashboard with Node and embeds it, or embeds a ready folder given by `CLAUDE_MPM_DASHBOARD_DIST`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build script speaks to Cargo and to people by printing"
)]

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A folder that holds a built page, for machines without Node.
const READY_FOLDER: &str = "CLAUDE_MPM_DASHBOARD_DIST";

/// The oldest Node that Vite 8 runs on.
const NODE_MIN: (u32, u32) = (20, 19);

/// What the page is built from, below `dashboard/`.
const SOURCES: [&str; 9] = [
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "vite.config.ts",
    "tsconfig.json",
    "scripts",
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    println!("cargo:rerun-if-env-changed={READY_FOLDER}");
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("Cargo sets no OUT_DIR")?);
    let folder = match std::env::var_os(READY_FOLDER).filter(|folder| !folder.is_empty()) {
        Some(ready) => {
            let ready = PathBuf::from(ready);
            println!("cargo:rerun-if-changed={}", ready.display());
            ready
        }
        None => build_with_node(&out)?,
    };
    if !folder.join("index.html").is_file() {
        return Err(format!("{} holds no built dashboard: it has no index.html.", folder.display()));
    }
    let mut files = Vec::new();
    list(&folder, &folder, &mut files)?;
    files.sort();
    fs::write(out.join("files.rs"), table(&folder, &files)?)
        .map_err(|error| format!("writing the table of files: {error}"))
}

fn build_with_node(out: &Path) -> Result<PathBuf, String> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("Cargo sets no CARGO_MANIFEST_DIR")?;
    let dashboard = Path::new(&manifest).join("../../dashboard");
    for source in SOURCES {
        // Watching a path that does not exist would build the page every time.
        if dashboard.join(source).exists() {
            println!("cargo:rerun-if-changed={}", dashboard.join(source).display());
        }
    }
    check_node()?;
    // Two builds at once (a debug and a release one) would step on each other's node_modules.
    let lock = File::create(dashboard.join(".build.lock"))
        .map_err(|error| format!("locking the dashboard's folder: {error}"))?;
    lock.lock().map_err(|error| format!("locking the dashboard's folder: {error}"))?;
    install(&dashboard)?;
    let dist = out.join("dist");
    run("npm", &["run", "--silent", "build"], &dashboard, Some(&dist))?;
    Ok(dist)
}

fn check_node() -> Result<(), String> {
    let without = format!(
        "Building the dashboard needs Node.js {}.{} or newer with npm; install it, or set {READY_FOLDER} to a folder with a built dashboard.",
        NODE_MIN.0, NODE_MIN.1
    );
    let version = Command::new("node").arg("--version").output().map_err(|_| without.clone())?;
    let text = String::from_utf8_lossy(&version.stdout);
    let mut numbers = text.trim().trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= NODE_MIN => Ok(()),
        _ => Err(format!("{without} (`node --version` says {:?})", text.trim())),
    }
}

/// `npm ci`, when the lock file is not the one that was installed last.
fn install(dashboard: &Path) -> Result<(), String> {
    let lock_file = dashboard.join("package-lock.json");
    let wanted = fs::read(&lock_file).map_err(|error| format!("reading {}: {error}", lock_file.display()))?;
    let mark = dashboard.join("node_modules/.installed-lock");
    if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run("npm", &["ci", "--no-audit", "--no-fund"], dashboard, None)?;
    fs::write(&mark, wanted).map_err(|error| format!("writing {}: {error}", mark.display()))
}

fn run(program: &str, arguments: &[&str], dir: &Path, out: Option<&Path>) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir);
    if let Some(out) = out {
        command.env("CLAUDE_MPM_DASHBOARD_OUT", out);
    }
    let said = format!("`{program} {}` in {}", arguments.join(" "), dir.display());
    let output = command.output().map_err(|error| format!("{said} did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{said} failed:\n{stdout}{stderr}"))
}

fn list(root: &Path, dir: &Path, files: &mut Vec<String>) -> Result<(), String> {
    let entries = fs::read_dir(dir).map_err(|error| format!("reading {}: {error}", dir.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("reading {}: {error}", dir.display()))?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            files.push(name.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

fn table(folder: &Path, files: &[String]) -> Result<String, String> {
    let folder = fs::canonicalize(folder).map_err(|error| format!("finding {}: {error}", folder.display()))?;
    let mut table = String::from("/// Every file of the page.\npub const FILES: &[File] = &[\n");
    for name in files.iter().filter(|name| !name.ends_with(".br") && !name.ends_with(".gz") && !name.ends_with(".map"))
    {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(|error| format!("reading {}: {error}", path.display()))?;
        let mut hash = DefaultHasher::new();
        bytes.hash(&mut hash);
        let packed = |ending: &str| {
            let packed = format!("{name}{ending}");
            match files.contains(&packed) {
                true => format!("Some(include_bytes!({:?}))", folder.join(packed)),
                false => "None".to_owned(),
            }
        };
        let _ = writeln!(
            table,
            "    File {{ name: {name:?}, bytes: include_bytes!({path:?}), brotli: {}, gzip: {}, content_type: {:?}, etag: {:?}, immutable: {} }},",
            packed(".br"),
            packed(".gz"),
            content_type(name),
            format!("\"{:016x}\"", hash.finish()),
            name.starts_with("assets/"),
        );
    }
    table.push_str("];\n");
    Ok(table)
}

fn content_type(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(OsStr::to_str) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
