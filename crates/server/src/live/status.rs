//! `/system status`, `heartbeat` and `server_info`: on request, on change, and every few seconds.

use std::sync::Arc;
use std::time::Duration;

use event::event::Time;
use serde_json::{Value, json};
use socketio::{Encoded, Json};

use crate::app::App;
use crate::clock;
use crate::hub::outbox::Next;

/// How often status goes out where nobody wants it regularly: never, as far as anybody notices.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Sessions in a status, the most urgent first; it goes to everybody at each change.
const SESSIONS_MAX: usize = 100;

/// The payload of `status`, as the Socket.IO guide prints it, with our own fields after it.
pub(crate) fn payload(app: &App) -> Value {
    let now = clock::now();
    let session = app.hub.latest_session();
    let (seq, sessions) = app.hub.listed(now);
    json!({
        "session_id": session.as_ref().map(|session| &session.session_id),
        "session_start": session.as_ref().map(|session| session.started_at),
        "claude_status": session.as_ref().map(|session| &session.claude_status),
        "claude_pid": session.as_ref().and_then(|session| session.launch.as_ref()?.pid),
        "server_info": server_info(app, now, session.as_ref().and_then(|session| session.cwd.as_deref())),
        "timestamp": now,
        "seq_last": seq,
        "sessions": sessions.iter().take(SESSIONS_MAX).map(|session| json!({
            "session_id": session.session_id,
            "project": session.project,
            "state": session.state(now).0,
        })).collect::<Vec<_>>(),
        "clients": app.clients(),
    })
}

fn server_info(app: &App, now: Time, working_dir: Option<&str>) -> Value {
    json!({
        "host": app.host,
        "port": app.port,
        "working_dir": working_dir,
        "timestamp": now,
        "version": app.config.version,
        "pid": std::process::id(),
        "instance": app.hub.instance,
        "uptime": now.since(app.started_at) / 1000,
    })
}

/// The payload of `server_info`, told to each client of `/system` when it comes.
pub(crate) fn server_info_payload(app: &App) -> Value {
    server_info(app, clock::now(), None)
}

/// Sends status to `/system` and `/` when a session's state changed, and regularly.
pub(crate) async fn repeat(app: Arc<App>) {
    let mut cursor = app.hub.outbox.subscribe();
    let mut interval = tokio::time::interval(app.config.metrics_every.unwrap_or(NEVER));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        let due = tokio::select! {
            _ = interval.tick() => true,
            next = app.hub.outbox.next(&mut cursor, usize::MAX) => match next {
                Next::Closed => return,
                Next::Events { .. } => false,
            },
        };
        if !anybody(&app) {
            continue;
        }
        let states: Vec<_> = {
            let now = clock::now();
            app.hub
                .listed(now)
                .1
                .iter()
                .map(|session| (session.session_id.clone(), session.claude_status.clone()))
                .collect()
        };
        if due || told.as_ref() != Some(&states) {
            told = Some(states);
            let payload = payload(&app);
            for namespace in ["/system", "/"] {
                send(&app, namespace, "status", &payload);
            }
        }
        if due {
            let now = clock::now();
            let beat =
                json!({ "timestamp": now, "uptime": now.since(app.started_at) / 1000, "clients": app.clients() });
            send(&app, "/system", "heartbeat", &beat);
        }
    }
}

fn anybody(app: &App) -> bool {
    app.io.namespaces().iter().any(|(name, sockets)| *sockets > 0 && matches!(name.as_str(), "/" | "/system"))
}

fn send(app: &App, namespace: &str, event: &str, payload: &Value) {
    app.io.to(namespace).emit(&Encoded::event(namespace, event, &[Json::Value(payload)]));
}
