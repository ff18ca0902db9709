//! `cargo xtask bench`: measures the monitor beside its peers; the crate `bench` has the benchmarks.

use std::process::Command;

use anyhow::Context;

use crate::{command, place};

/// Runs the crate `bench` with what was said after the verb.
pub(crate) fn run(options: &[&str]) -> anyhow::Result<()> {
    let mut bench = Command::new(command::cargo());
    bench.current_dir(place::root()?).args(["run", "--quiet", "--release", "--package", "bench", "--"]).args(options);
    let status = bench.status().context("starting cargo")?;
    anyhow::ensure!(status.success(), "{} ended with {status}", command::shown(&bench));
    Ok(())
}
