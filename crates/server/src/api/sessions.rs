//! Answers `GET /api/v1/sessions` and `GET /api/v1/state`: what runs now, and as of which event.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// `{"sessions": [Session…]}`, most urgent first.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Response {
    let now = clock::now();
    let (_, sessions) = app.hub.listed(now);
    let sessions: Vec<_> = sessions.iter().map(|session| app.shown(session, now)).collect();
    super::json(json!({ "sessions": sessions }).to_string())
}

/// The whole live state, as of the committed event `seq`.
pub(crate) async fn state(State(app): State<Arc<App>>) -> Response {
    super::json(snapshot(&app).to_string())
}

/// `{"seq", "epoch", "instance", "server_time", "sessions", "totals"}`.
pub(crate) fn snapshot(app: &App) -> serde_json::Value {
    let now = clock::now();
    let (seq, sessions) = app.hub.listed(now);
    let totals = app.hub.state().totals.clone();
    json!({
        "seq": seq,
        "epoch": app.hub.epoch,
        "instance": app.hub.instance,
        "server_time": now,
        "sessions": sessions.iter().map(|session| app.shown(session, now)).collect::<Vec<_>>(),
        "totals": {
            "events": totals.events,
            "errors": totals.errors,
            "tool_calls": totals.tool_calls,
            "sessions": sessions.len(),
            "by_namespace": totals.by_namespace,
        },
    })
}

/// Nobody ever heard of that session.
pub(super) fn unknown(session_id: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_session", format!("there is no session {session_id:?}"))
}
