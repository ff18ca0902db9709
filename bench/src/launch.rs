//! Launch to the first 200 on `/health`, with an empty store and with many events in it.

use anyhow::Result;

use crate::ingest;
use crate::monitor::Server;
use crate::table::{Table, percentile};

const ROUNDS: usize = 20;

/// Events in the full store.
const EVENTS: usize = 1_000_000;

pub(crate) async fn run() -> Result<()> {
    let mut table = Table::new("launch", &["events stored", "p50 ms", "max ms", "idle PSS MiB"]);
    let home = tempfile::tempdir()?;
    let port = Server::monitor(&home, 0)?.port;
    for stored in [0, EVENTS] {
        if stored > 0 {
            let server = Server::monitor(&home, port)?;
            ingest::fill(server.port, stored).await?;
        }
        let mut times = Vec::new();
        let mut pss = f64::NAN;
        for _ in 0..ROUNDS {
            let server = Server::monitor(&home, port)?;
            times.push(server.launch.as_secs_f64() * 1000.0);
            pss = server.pss_mib();
        }
        times.sort_by(f64::total_cmp);
        table.row(&[
            stored.to_string(),
            format!("{:.1}", percentile(&times, 0.5)),
            format!("{:.1}", percentile(&times, 1.0)),
            format!("{pss:.1}"),
        ]);
    }
    table.print();
    Ok(())
}
