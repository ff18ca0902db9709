//! Streams a program's `tracing` log to `/log`, from a thread of its own: the program needs no runtime.
//! `cargo run -p client --example stream_logs -- http://localhost:8765`

use client::{ClientProxy, Config, LogLayer};
use serde_json::json;
use std::error::Error;
use tracing_subscriber::layer::SubscriberExt as _;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://localhost:8765".to_owned());
    let auth = std::env::var("CLAUDE_MPM_SOCKETIO_TOKEN").map_or(json!({}), |token| json!({"token": token}));
    let proxy = ClientProxy::connect_in_thread(&url, Config { auth, ..Config::default() })?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(LogLayer::new(proxy.clone())))?;
    start_session();
    tracing::error!("the session ended with an error");
    proxy.close_and_wait();
    Ok(())
}

#[tracing::instrument]
fn start_session() {
    tracing::info!("Claude session started successfully");
    tracing::warn!(context.percent = 80, "the session has used 80 % of its context");
}
