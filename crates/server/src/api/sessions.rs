//! Answers `GET /api/v1/sessions` and `GET /api/v1/state`: what runs now, and as of which event. Pins sessions.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::problem::Problem;
use crate::access::Granted;
use crate::app::App;
use crate::clock;
use crate::erasing;

/// `{"sessions": [Session…]}`, most urgent first.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Response {
    let now = clock::now();
    let (_, sessions) = app.hub.listed(now);
    let sessions: Vec<_> = sessions.iter().map(|session| app.shown(session, now)).collect();
    super::json(json!({ "sessions": sessions }).to_string())
}

/// `PUT /api/v1/sessions/SESSION/pin`: keeps a session when its days are removed.
pub(crate) async fn pin(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    asked: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    set_pinned(&app, granted, asked, true).await
}

/// `DELETE /api/v1/sessions/SESSION/pin`: keeps it no longer than others.
pub(crate) async fn unpin(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    asked: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    set_pinned(&app, granted, asked, false).await
}

async fn set_pinned(
    app: &Arc<App>,
    granted: Granted,
    asked: Result<Path<String>, PathRejection>,
    pinned: bool,
) -> Result<Response, Problem> {
    granted.may_act("pinning sessions")?;
    let session = known(app, asked).await?;
    app.recorder.pin(session.clone(), pinned).await.map_err(Problem::store)?;
    Ok(super::json(json!({ "session_id": session, "pinned": pinned }).to_string()))
}

/// How long an answer waits for the end of an erasing: a session is seldom of more than a few days.
const ERASE_MAX: Duration = Duration::from_secs(10);

/// `DELETE /api/v1/sessions/SESSION`: erases it. 200 when nothing is left of it, 202 while that is still going on.
pub(crate) async fn erase(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    asked: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    granted.may_act("deleting sessions")?;
    let session = known(&app, asked).await?;
    let deleted = erasing::erase(&app, session.clone(), ERASE_MAX).await.map_err(Problem::store)?;
    let mut response = super::json(json!({ "session_id": session, "deleted": deleted }).to_string());
    if !deleted {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    Ok(response)
}

/// The session asked for, if anything is stored of it.
async fn known(app: &Arc<App>, asked: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Path(session) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
    let (reader, id) = (app.reader.clone(), session.clone());
    let found = tokio::task::spawn_blocking(move || reader.has_session(&id)).await;
    if found.map_err(Problem::store)?.map_err(Problem::store)? {
        return Ok(session);
    }
    Err(Problem::new(StatusCode::NOT_FOUND, "no_such_session", format!("nothing is stored of a session {session:?}")))
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
