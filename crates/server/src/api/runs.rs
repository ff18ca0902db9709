//! Answers `/api/v1/runs` and `/api/v1/commands`: agents that a launcher runs, and what they are told.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Json, Path, State};
use axum::response::Response;
use event::event::Source;
use http::StatusCode;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::access::Granted;
use crate::app::App;
use crate::ingest;
use crate::runs::{self, Asked, Attending, Refusal, Runs, Told};

/// `{"runs": [{"launch_id", "session_id"?, "agent_command", "launch_method", "pid", "commands": […]}…]}`.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Response {
    super::json(json!({ "runs": app.runs.listed() }).to_string())
}

/// A launcher asks what there is to do; `{"orders": […]}`, also empty.
pub(crate) async fn attend(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    id: Result<Path<String>, PathRejection>,
    said: Result<Json<Attending>, JsonRejection>,
) -> Result<Response, Problem> {
    granted.may_act("Attending a run")?;
    let id = id_of(id)?;
    let Json(said) = said.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let orders = Runs::attend(&app, &id, said).await?;
    Ok(super::json(json!({ "orders": orders }).to_string()))
}

/// What a launcher tells of its run: an array of events as for `/emit`, and of `{"stream_json": line, "time_ms"}`. Answers
/// when it is stored.
pub(crate) async fn tell(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    id: Result<Path<String>, PathRejection>,
    told: Result<Json<Vec<Told>>, JsonRejection>,
) -> Result<Response, Problem> {
    granted.may_act("Telling of a run")?;
    let id = id_of(id)?;
    let Json(told) = told.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    ingest::http::bounded(told.len())?;
    let facts = app.runs.streams.facts(&app, &id, told).map_err(|refusal| Problem::bad_request(refusal.to_string()))?;
    let is_over = facts.iter().any(event::session::ends_run);
    let seqs = if facts.is_empty() { Vec::new() } else { ingest::http::record(&app, facts).await? };
    if is_over {
        app.runs.end(&id);
    }
    Ok(super::json(json!({ "status": "ok", "seqs": seqs }).to_string()))
}

/// `{"command": "interrupt" | "stop" | "prompt", "session_id" | "launch_id", "text"?, "force"?, "port"?}`.
pub(crate) async fn command(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    body: Bytes,
) -> Result<Response, Problem> {
    granted.may_act("Telling an agent something")?;
    let asked: Value =
        serde_json::from_slice(&body).map_err(|error| Problem::bad_request(format!("the body is no JSON: {error}")))?;
    let asked = Asked::read(&app, &asked)?;
    // What an agent was told is recorded also when whoever asked has gone.
    let task = Arc::clone(&app);
    let told = app.tasks.spawn(async move { Runs::tell(&task, asked, Source::Http).await }).await;
    Ok(super::json(told.map_err(Problem::store)??.to_string()))
}

fn id_of(id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Path(id) = id.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if id.is_empty() || id.len() > runs::ID_BYTES_MAX {
        return Err(Problem::bad_request(format!("the id of a run has 1 to {} bytes", runs::ID_BYTES_MAX)));
    }
    Ok(id)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let (status, code) = match refusal {
            Refusal::Unclear(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Refusal::Elsewhere { .. } => (StatusCode::CONFLICT, "another_monitor"),
            Refusal::NotTrusted => (StatusCode::FORBIDDEN, "not_yours_to_do"),
            Refusal::NoRun(_) => (StatusCode::NOT_FOUND, "no_such_run"),
            Refusal::Refused(_) => (StatusCode::CONFLICT, "refused"),
            Refusal::Silent => (StatusCode::GATEWAY_TIMEOUT, "no_answer"),
        };
        Problem::new(status, code, refusal.to_string())
    }
}
