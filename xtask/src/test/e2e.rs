//! The page in a real browser, against the real program with a home of its own.

mod monitor;

use super::home::Home;
use super::{Done, Run, page, tools};
use monitor::Monitor;

pub(super) fn step(run: &Run) -> anyhow::Result<Done> {
    let folder = run.root.join("dashboard/e2e");
    let tools = tools::ready(run)?;
    let Some(chromium) = tools.path_of("CLAUDE_MPM_TEST_CHROMIUM") else {
        return Ok(Done::Skipped("there is no headless Chromium".to_owned()));
    };
    // All of it, because a part would be built with other features, and so once more.
    run.command(&mut run.cargo_command(&["build", "--release", "--workspace", "--bins"])?)?;
    let program = run.target.join("release/claude-mpm");
    let home = Home::new()?;
    let monitor = Monitor::start(&program, &home, &run.folder.join("logs"))?;
    let mut tests = page::npm(&folder);
    home.apply(&mut tests);
    tools.apply(&mut tests);
    tests
        .arg("test")
        .env("CHROMIUM", chromium)
        .env("MONITOR_URL", monitor.url())
        .env("MONITOR_RESTART", monitor.restart_command());
    run.tests(&mut tests)?;
    monitor.stop()?;
    Ok(Done::Well)
}
