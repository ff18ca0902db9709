//! Other people's programs that the tests need: found, or set up below `target/xtask/tools`, and named to the tests.

mod debian;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::{Done, Run, page};
use crate::{place, say};

/// The Claude Code client that the tests drive.
const CLAUDE_CODE: (&str, &str) = ("@anthropic-ai/claude-code", "2.1.197");

/// Names under which a headless Chromium is found.
const CHROMIUM_NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Every tool.
const TOOLS: [Tool; 11] = [
    Tool { what: "git", variable: None, ready: |run| debian::program(run, &["git"], "git") },
    Tool { what: "nginx", variable: None, ready: |run| debian::program(run, &["nginx"], "nginx-light") },
    Tool { what: "Caddy", variable: None, ready: |run| debian::program(run, &["caddy"], "caddy") },
    Tool { what: "tmux", variable: None, ready: |run| debian::program(run, &["tmux"], "tmux") },
    Tool { what: "vi", variable: None, ready: |run| debian::program(run, &["vi"], "vim-tiny") },
    Tool { what: "less", variable: None, ready: |run| debian::program(run, &["less"], "less") },
    Tool {
        what: "the clients for Node",
        variable: Some("CLAUDE_MPM_TEST_NODE_CLIENTS"),
        ready: |run| node_packages(run, "tests/clients"),
    },
    Tool { what: "the clients for Python", variable: Some("CLAUDE_MPM_TEST_PYTHON"), ready: python },
    Tool { what: "Claude Code", variable: Some("CLAUDE_MPM_TEST_CLAUDE"), ready: claude_code },
    Tool {
        what: "headless Chromium",
        variable: Some("CLAUDE_MPM_TEST_CHROMIUM"),
        ready: |run| debian::program(run, &CHROMIUM_NAMES, "chromium"),
    },
    Tool { what: "the driver of Chromium", variable: None, ready: |run| node_packages(run, "dashboard/e2e") },
];

struct Tool {
    what: &'static str,
    /// What tells the tests where it is; none for what they look for on the PATH.
    variable: Option<&'static str>,
    /// Finds it, or sets it up.
    ready: fn(&Run) -> anyhow::Result<PathBuf>,
}

/// What was found.
pub(super) struct Tools {
    variables: Vec<(&'static str, PathBuf)>,
    /// One line for each that cannot be had.
    missing: Vec<String>,
}

pub(super) fn step(run: &Run) -> anyhow::Result<Done> {
    let tools = ready(run)?;
    if tools.missing.is_empty() {
        return Ok(Done::Well);
    }
    Ok(Done::Skipped(tools.missing.join("; ")))
}

/// The tools; looked for, and set up, once in a run.
pub(super) fn ready(run: &Run) -> anyhow::Result<&Tools> {
    if let Some(tools) = run.tools.get() {
        return Ok(tools);
    }
    let mut tools = Tools { variables: Vec::new(), missing: Vec::new() };
    for tool in &TOOLS {
        match find(run, tool) {
            Ok(path) => tools.variables.extend(tool.variable.map(|variable| (variable, path))),
            Err(error) => {
                let missing = format!("{} cannot be had: {error:#}", tool.what);
                say::line(format_args!("        {missing}"));
                tools.missing.push(missing);
            }
        }
    }
    Ok(run.tools.get_or_init(|| tools))
}

/// What the caller's environment names already is taken as it is.
fn find(run: &Run, tool: &Tool) -> anyhow::Result<PathBuf> {
    match tool.variable.and_then(env::var_os).filter(|said| !said.is_empty()) {
        Some(said) => std::path::absolute(said).context("making its path absolute"),
        None => (tool.ready)(run),
    }
}

impl Tools {
    /// Names the tools to a command.
    pub(super) fn apply(&self, command: &mut Command) {
        for (variable, path) in &self.variables {
            command.env(variable, path);
        }
        // A `python3` that is a version manager's may not work with another home.
        if let Some(folder) = self.path_of("CLAUDE_MPM_TEST_PYTHON").and_then(Path::parent) {
            command.env("PATH", with_first(folder));
        }
    }

    pub(super) fn path_of(&self, variable: &str) -> Option<&Path> {
        self.variables.iter().find(|(name, _)| *name == variable).map(|(_, path)| path.as_path())
    }
}

fn with_first(folder: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(env::split_paths(&path));
    env::join_paths(folders).unwrap_or(path)
}

/// A folder of the repository with its packages from npm.
fn node_packages(run: &Run, folder: &str) -> anyhow::Result<PathBuf> {
    let folder = run.root.join(folder);
    page::install(run, &folder)?;
    Ok(folder)
}

/// A virtual environment with the packages of `tests/clients/requirements.txt`.
fn python(run: &Run) -> anyhow::Result<PathBuf> {
    let listed = run.root.join("tests/clients/requirements.txt");
    let wanted = fs::read(&listed).with_context(|| format!("reading {}", listed.display()))?;
    let folder = run.folder.join("tools/python");
    let (python, mark) = (folder.join("bin/python3"), folder.join("installed"));
    if place::is_executable(&python) && fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    debian::program(run, &["python3"], "python3")?;
    remove(&folder)?;
    let environment =
        || -> anyhow::Result<()> { run.quiet(Command::new("python3").args(["-m", "venv"]).arg(&folder)).map(|_| ()) };
    // Debian has the module in a package of its own.
    if environment().is_err() {
        debian::install(run, "python3-venv")?;
        remove(&folder)?;
        environment()?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&listed);
    run.quiet(&mut pip)?;
    fs::write(&mark, wanted).with_context(|| format!("writing {}", mark.display()))?;
    Ok(python)
}

/// The client from npm. No script of it is run: the program lies ready in the package of this platform.
fn claude_code(run: &Run) -> anyhow::Result<PathBuf> {
    let (package, version) = CLAUDE_CODE;
    let folder = run.folder.join("tools").join(format!("claude-code-{version}"));
    if let Some(program) = platform_program(&folder) {
        return Ok(program);
    }
    remove(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut npm = page::npm(&folder);
    npm.args(["install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
    run.quiet(npm.arg(format!("{package}@{version}")))?;
    platform_program(&folder).with_context(|| format!("{package} {version} has no program for this platform"))
}

fn platform_program(folder: &Path) -> Option<PathBuf> {
    let packages = fs::read_dir(folder.join("node_modules/@anthropic-ai")).ok()?;
    let programs = packages.filter_map(|package| Some(package.ok()?.path().join("claude")));
    programs.into_iter().find(|program| place::is_executable(program))
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

impl Run {
    /// Runs a command whose failure is told in one line, the last that it said.
    fn quiet(&self, command: &mut Command) -> anyhow::Result<String> {
        let finished = self.try_command(command)?;
        if finished.status.success() {
            return Ok(finished.output);
        }
        let last = finished.output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        bail!("{} ended with {}: {}", crate::command::shown(command), finished.status, last.trim())
    }
}
