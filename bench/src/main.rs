//! `cargo xtask bench [name…]`: measures the monitor beside its peers in one run, and prints JSON and tables.
//!
//! Not tests: a slow machine never fails a build. Everything runs on loopback, in a temporary home, and ends by itself.

mod agent;
mod fanout;
mod hook;
mod http;
mod ingest;
mod launch;
mod monitor;
mod peer;
mod store;
mod table;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names = ["hook", "launch", "agent", "ingest", "fanout", "store"].map(str::to_owned).to_vec();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    for name in names {
        match name.as_str() {
            "hook" => hook::run()?,
            "launch" => runtime.block_on(launch::run())?,
            "agent" => agent::run()?,
            "ingest" => runtime.block_on(ingest::run())?,
            "fanout" => runtime.block_on(fanout::run())?,
            // What `fanout` starts to compare with.
            "peer-socketio" => runtime.block_on(peer::socketio())?,
            "peer-raw" => peer::raw()?,
            "store" => store::run(1_000_000)?,
            "store-10m" => store::run(10_000_000)?,
            "store-100k" => store::run(100_000)?,
            other => {
                bail!(
                    "there is no benchmark {other:?}; there are hook, launch, agent, ingest, fanout, store, store-100k and store-10m"
                )
            }
        }
    }
    Ok(())
}
