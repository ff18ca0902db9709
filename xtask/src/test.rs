//! `cargo xtask test`: sets up what the tests need and runs all of them, step by step, until one fails.

mod count;
mod e2e;
mod home;
mod page;
mod tools;

use std::cell::{Cell, OnceCell};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::{command, place, say, tidy};
use count::Counts;
use home::Home;
use tools::Tools;

/// Every step, in its order.
const STEPS: [Step; 9] = [
    Step { name: "fmt", what: "Rust is formatted", run: fmt },
    Step { name: "page", what: "the page: types, tests, build", run: |run| page::step(run) },
    Step { name: "clippy", what: "no warnings", run: clippy },
    Step { name: "doc", what: "documentation without warnings", run: doc },
    Step { name: "tools", what: "other people's programs that the tests need", run: |run| tools::step(run) },
    Step { name: "test", what: "Rust tests", run: test },
    Step { name: "e2e", what: "the page in a browser", run: |run| e2e::step(run) },
    Step { name: "tidy", what: "the repository's own rules", run: |_| tidy::run().map(|()| Done::Well) },
    Step { name: "deny", what: "licences and sources of dependencies", run: deny },
];

/// Lines shown of what a failed command said: the failures stand at the end, and all of it is in the log.
const OUTPUT_LINES_MAX: usize = 400;

/// One step of the tests.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Run) -> anyhow::Result<Done>,
}

/// How a step ended that did not fail.
enum Done {
    Well,
    /// Something could not be had here; the reason is one line.
    Skipped(String),
}

/// One run of the tests: what was asked for, and what its steps share.
struct Run {
    root: PathBuf,
    target: PathBuf,
    /// `target/xtask`: the page, the tools and the logs.
    folder: PathBuf,
    /// Whether everything must be there: a missing tool is a failure.
    is_ci: bool,
    aloud: bool,
    counts: Cell<Counts>,
    /// Set up when the first step wants them.
    page: OnceCell<PathBuf>,
    tools: OnceCell<Tools>,
}

/// Makes the pictures of the documents, with the tools and the program that the tests use.
pub(crate) fn screenshots() -> anyhow::Result<()> {
    let run = Run::new(true)?;
    e2e::screenshots(&run)
}

/// Runs it; false when a step failed, which is told already: the counts are to be the last line.
pub(crate) fn run(options: &[&str]) -> anyhow::Result<bool> {
    let (only, aloud) = parse(options)?;
    let run = Run::new(aloud)?;
    let began = Instant::now();
    let done =
        STEPS.iter().filter(|step| only.is_none_or(|name| name == step.name)).try_for_each(|step| run.step(step));
    let mut counts = run.counts.get();
    if let Err(error) = &done {
        say::line(format_args!("error: {error:#}\nAll output is in {}", run.folder.join("logs").display()));
        // Whoever reads the last line alone must see that something is wrong.
        counts.failed = counts.failed.max(1);
    }
    say::line(format_args!("{:.0} s", began.elapsed().as_secs_f64()));
    say::line(counts);
    Ok(done.is_ok())
}

fn parse<'a>(options: &[&'a str]) -> anyhow::Result<(Option<&'a str>, bool)> {
    let (mut only, mut aloud) = (None, false);
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match *word {
            "--only" => only = Some(*words.next().context("--only wants the name of a step")?),
            "--verbose" => aloud = true,
            other => bail!("{other:?} is unknown; there are --only STEP and --verbose"),
        }
    }
    if let Some(name) = only
        && !STEPS.iter().any(|step| step.name == name)
    {
        bail!("{name:?} is no step; there are {}", STEPS.map(|step| step.name).join(", "));
    }
    Ok((only, aloud))
}

impl Run {
    fn new(aloud: bool) -> anyhow::Result<Run> {
        let root = place::root()?;
        let target = place::target(&root);
        let folder = target.join("xtask");
        let logs = folder.join("logs");
        if logs.exists() {
            fs::remove_dir_all(&logs).with_context(|| format!("removing {}", logs.display()))?;
        }
        fs::create_dir_all(&logs).with_context(|| format!("making {}", logs.display()))?;
        let is_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        let (page, tools) = (OnceCell::new(), OnceCell::new());
        Ok(Run { root, target, folder, is_ci, aloud, counts: Cell::default(), page, tools })
    }

    fn step(&self, step: &Step) -> anyhow::Result<()> {
        say::line(format_args!("{:<7} {} ...", step.name, step.what));
        let began = Instant::now();
        let done = (step.run)(self);
        let seconds = began.elapsed().as_secs_f64();
        match done {
            Ok(Done::Well) => say::line(format_args!("{:<7} ok {seconds:.1} s", step.name)),
            Ok(Done::Skipped(reason)) if self.is_ci => {
                bail!("{}: {reason} (with CI set nothing may be left out)", step.name)
            }
            Ok(Done::Skipped(reason)) => say::line(format_args!("{:<7} skipped: {reason}", step.name)),
            Err(error) => return Err(error.context(format!("{} failed after {seconds:.1} s", step.name))),
        }
        Ok(())
    }

    /// Runs a command of the current step; what it said is shown if it fails, and returned if it does not.
    fn command(&self, command: &mut Command) -> anyhow::Result<String> {
        let finished = self.try_command(command)?;
        self.ended_well(command, &finished)?;
        Ok(finished.output)
    }

    /// Runs a command that may fail.
    fn try_command(&self, command: &mut Command) -> anyhow::Result<command::Finished> {
        command::run(command, &self.folder.join("logs/all.log"), self.aloud)
    }

    /// The same for one whose output counts test cases.
    fn tests(&self, command: &mut Command) -> anyhow::Result<()> {
        let finished = self.try_command(command)?;
        self.counts.set(self.counts.get() + Counts::read(&finished.output));
        for skipped in count::skipped(&finished.output) {
            say::line(format_args!("        {skipped}"));
        }
        self.ended_well(command, &finished)
    }

    /// Shows the end of what a command said that failed.
    fn ended_well(&self, command: &Command, finished: &command::Finished) -> anyhow::Result<()> {
        if finished.status.success() {
            return Ok(());
        }
        if !self.aloud {
            let lines: Vec<&str> = finished.output.trim_end().lines().collect();
            say::line(lines[lines.len().saturating_sub(OUTPUT_LINES_MAX)..].join("\n"));
        }
        bail!("{} ended with {}", command::shown(command), finished.status)
    }

    /// A call of Cargo in the repository, with the page built once for all of them.
    fn cargo_command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> anyhow::Result<Command> {
        let mut cargo = Command::new(command::cargo());
        cargo.current_dir(&self.root).args(arguments).env("CLAUDE_MPM_DASHBOARD_DIST", page::built(self)?);
        Ok(cargo)
    }

    /// Runs Cargo without the page.
    fn cargo(&self, arguments: &[&str]) -> anyhow::Result<Done> {
        self.command(Command::new(command::cargo()).current_dir(&self.root).args(arguments))?;
        Ok(Done::Well)
    }
}

/// Names the files; the differences themselves could be thousands of lines.
fn fmt(run: &Run) -> anyhow::Result<Done> {
    run.cargo(&["fmt", "--all", "--check", "--", "--files-with-diff"])
        .context("`cargo fmt --all` would change these files")
}

fn clippy(run: &Run) -> anyhow::Result<Done> {
    run.command(&mut run.cargo_command(&[
        "clippy",
        "--release",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])?)?;
    Ok(Done::Well)
}

fn doc(run: &Run) -> anyhow::Result<Done> {
    let mut doc = run.cargo_command(&["doc", "--release", "--no-deps", "--workspace"])?;
    run.command(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Done::Well)
}

fn test(run: &Run) -> anyhow::Result<Done> {
    let home = Home::new()?;
    let tools = tools::ready(run)?;
    // What a passing test printed is shown too: that is where it says what it left out.
    let mut cargo = run.cargo_command(&["test", "--release", "--workspace", "--", "--show-output"])?;
    home.apply(&mut cargo);
    tools.apply(&mut cargo);
    run.tests(&mut cargo)?;
    Ok(Done::Well)
}

/// Not part of what everybody needs: it runs where the program is installed.
fn deny(run: &Run) -> anyhow::Result<Done> {
    if place::program("cargo-deny").is_none() {
        say::line("        cargo-deny is not installed: licences were not looked at");
        return Ok(Done::Well);
    }
    run.cargo(&["deny", "--workspace", "check", "bans", "licenses", "sources"])
}
