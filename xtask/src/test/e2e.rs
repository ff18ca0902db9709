//! The page in a real browser, against the real program with a home of its own.

mod monitor;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

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
    let monitor = Monitor::start(&program, &home, &run.folder.join("logs"))?;
    let mut demo = Command::new(&program);
    home.apply(&mut demo);
    run.command(demo.args(["demo", "--port"]).arg(monitor.port().to_string()))?;
    let mut pictures = page::npm(&folder);
    home.apply(&mut pictures);
    run.command(pictures.args(["run", "screenshots"]).env("CHROMIUM", chromium).env("MONITOR_URL", monitor.url()))?;
    monitor.stop()
}

/// The program, built.
fn program(run: &Run) -> anyhow::Result<PathBuf> {
    // All of it, because a part would be built with other features, and so once more.
    run.command(&mut run.cargo_command(&["build", "--release", "--workspace", "--bins"])?)?;
    Ok(run.target.join("release/claude-mpm"))
}
