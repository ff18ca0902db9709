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
    let reasons = reasons(&app);
    let mut health = json!({
        "status": if app.stopping.load(Relaxed) { "stopping" } else { "running" },
        "health": if reasons.is_empty() { "healthy" } else { "degraded" },
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
    if !reasons.is_empty() {
        health["reasons"] = json!(reasons);
    }
    if granted.token {
        let session = app.hub.latest_session();
        health["session_id"] = session.as_ref().map_or(Value::Null, |session| json!(session.session_id));
        health["claude_status"] = session.as_ref().map_or(Value::Null, |session| json!(session.claude_status));
    }
    super::json(health.to_string())
}

/// What keeps it from doing all that it is for, in sentences without paths: they are told without a token.
fn reasons(app: &App) -> Vec<&'static str> {
    let reasons = [
        (app.hub.store_health().0, "the disk takes no events; the log and 'claude-mpm doctor' say why"),
        (app.spools_unread.load(Relaxed) > 0, "what hooks wrote cannot be read; the log says why"),
    ];
    reasons.into_iter().filter(|(is_so, _)| *is_so).map(|(_, reason)| reason).collect()
}
