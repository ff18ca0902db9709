//! Answers `GET /health`: is it there, is it ours, is it well?

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::access::Granted;
use crate::app::App;
use crate::clock;

/// How other programs recognise this one: the field `service` of `/health`.
pub const SERVICE: &str = "claude-mpm-monitor";

/// What document 5 calls the server.
pub(crate) const SERVER: &str = "claude-mpm-socketio";

/// Every field of the three documents. Without a needed token, nothing about sessions.
pub(crate) async fn answer(State(app): State<Arc<App>>, Extension(granted): Extension<Granted>) -> Response {
    let now = clock::now();
    let mut health = json!({
        "status": if app.stopping.load(Relaxed) { "stopping" } else { "running" },
        "health": "healthy",
        "service": SERVICE,
        "server": SERVER,
        "version": app.config.version,
        "port": app.port,
        "pid": std::process::id(),
        "instance": app.hub.instance,
        "uptime": now.since(app.started_at) / 1000,
        "connections": app.clients(),
        "timestamp": now,
    });
    if granted.token {
        let session = app.hub.latest_session();
        health["session_id"] = session.as_ref().map_or(Value::Null, |session| json!(session.session_id));
        health["claude_status"] = session.as_ref().map_or(Value::Null, |session| json!(session.claude_status));
    }
    super::json(health.to_string())
}
