//! The figures that an admin gets every two seconds, and what happened in each of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use socketio::Stats;
use socketio::engine::CloseReason;

use super::{NAMESPACE, tell};
use crate::app::App;
use crate::clock;

/// What happened is counted by the second.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Counts in one message: after ten seconds without one the page calls the server unhealthy.
const COUNTS_A_MESSAGE: u32 = 2;

/// Sends figures until there is no admin any more.
pub(super) async fn repeat(app: &Arc<App>) {
    let mut before = app.io.stats();
    let mut counted = Vec::new();
    let mut interval = tokio::time::interval(COUNT_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick comes at once, and there is nothing to count yet.
    interval.tick().await;
    for tick in 1_u32.. {
        interval.tick().await;
        if app.io.sockets(NAMESPACE).is_empty() {
            return;
        }
        let now = app.io.stats();
        count(&before, &now, &mut counted);
        before = now;
        if tick.is_multiple_of(COUNTS_A_MESSAGE) {
            tell(app, "server_stats", &[payload(app, std::mem::take(&mut counted))]);
        }
    }
}

/// The message.
pub(super) fn payload(app: &App, counted: Vec<Value>) -> Value {
    let io = app.io.stats();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let namespaces: Vec<_> = app
        .io
        .namespaces()
        .into_iter()
        .map(|(name, sockets)| json!({ "name": name, "socketsCount": sockets }))
        .collect();
    json!({
        // Several monitors may run on one machine.
        "serverId": format!("{host}#{}", std::process::id()),
        "hostname": host,
        "pid": std::process::id(),
        "uptime": clock::now().since(app.started_at) as f64 / 1e3,
        "clientsCount": io.polling_now + io.websocket_now,
        "pollingClientsCount": io.polling_now,
        "aggregatedEvents": counted,
        "namespaces": namespaces,
    })
}

/// What happened between two looks, in the words of the page; what did not happen is not told.
fn count(before: &Stats, now: &Stats, counted: &mut Vec<Value>) {
    let ms = clock::now().ms();
    let timestamp = ms - ms.rem_euclid(1000);
    let mut add = |kind: &str, reason: Option<&str>, count: u64| {
        if count > 0 {
            let mut entry = json!({ "timestamp": timestamp, "type": kind, "count": count });
            if let Some(reason) = reason {
                entry["subType"] = json!(reason);
            }
            counted.push(entry);
        }
    };
    add("rawConnection", None, now.opened - before.opened);
    for reason in CloseReason::ALL {
        add("rawDisconnection", Some(reason.as_str()), now.closed_for(reason) - before.closed_for(reason));
    }
    add("packetsIn", None, now.packets_in - before.packets_in);
    add("packetsOut", None, now.packets_out - before.packets_out);
    add("bytesIn", None, now.bytes_in - before.bytes_in);
    add("bytesOut", None, now.bytes_out - before.bytes_out);
}
