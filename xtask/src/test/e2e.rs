//! The page in a real browser, against the real program with a home of its own.

mod monitor;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};

use super::home::Home;
use super::{Done, Run, page, tools};
use monitor::Monitor;

pub(super) fn step(run: &Run) -> anyhow::Result<Done> {
    let folder = run.root.join("dashboard/e2e");
    let tools = tools::ready(run)?;
    let Some(chromium) = tools.path_of("CLAUDE_MPM_TEST_CHROMIUM") else {
        return Ok(Done::Skipped("there is no headless Chromium".to_owned()));
    };
    let program = program(run)?;
    let home = Home::new()?;
    let monitor = Monitor::start(&program, &home, &run.folder.join("logs"))?;
    let mut tests = page::npm(&folder);
    home.apply(&mut tests);
    tools.apply(&mut tests);
    tests
        .arg("test")
        .env("CHROMIUM", chromium)
        .env("MONITOR_URL", monitor.url())
        .env("MONITOR_RESTART", monitor.restart_command())
        .env("MONITOR_PROGRAM", &program);
    run.tests(&mut tests)?;
    monitor.stop()?;
    Ok(Done::Well)
}

/// Plays the demo to a monitor of its own, and takes pictures of every view into `docs/images`.
pub(super) fn screenshots(run: &Run) -> anyhow::Result<()> {
    let folder = run.root.join("dashboard/e2e");
    let tools = tools::ready(run)?;
    let chromium = tools.path_of("CLAUDE_MPM_TEST_CHROMIUM").context("pictures need a headless Chromium")?;
    let program = program(run)?;
    let home = Home::new()?;
    let monitor = Monitor::start_as_usual(&program, &home, &run.folder.join("logs"))?;
    let demo = Demo::play(&program, &home, monitor.port())?;
    let mut pictures = page::npm(&folder);
    home.apply(&mut pictures);
    run.command(pictures.args(["run", "screenshots"]).env("CHROMIUM", chromium).env("MONITOR_URL", monitor.url()))?;
    drop(demo);
    monitor.stop()
}

/// The demo after it was played: it stays as the client of its sessions until it is dropped.
struct Demo(Child);

impl Demo {
    fn play(program: &Path, home: &Home, port: u16) -> anyhow::Result<Demo> {
        let mut command = Command::new(program);
        home.apply(&mut command);
        command.args(["demo", "--stay", "--port"]).arg(port.to_string()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut demo = Demo(command.spawn().context("starting the demo")?);
        let said = demo.0.stdout.take().context("the demo has no output")?;
        let mut lines = BufReader::new(said).lines();
        let is_done = lines.any(|line| line.is_ok_and(|line| line.starts_with("Done.")));
        ensure!(is_done, "the demo ended before its end");
        Ok(demo)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // So that it takes its folder away.
        let ask = format!("kill -TERM {}", self.0.id());
        let _ = Command::new("sh").args(["-c", &ask]).status();
        let _ = self.0.wait();
    }
}

/// The program, built.
fn program(run: &Run) -> anyhow::Result<PathBuf> {
    // All of it, because a part would be built with other features, and so once more.
    run.command(&mut run.cargo_command(&["build", "--release", "--workspace", "--bins"])?)?;
    Ok(run.target.join("release/claude-mpm"))
}
