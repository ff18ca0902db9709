//! Answers `GET /api/v1/stats`: how much of what, and how fast.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::problem::Problem;
use crate::app::App;
use crate::clock;

/// What may be asked.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// How far back the minutes go, at most one day.
    minutes: Option<u64>,
}

/// Totals since the store began, and the last minutes one by one.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
    let now = clock::now();
    let totals = app.hub.state().totals.clone();
    let minutes = totals.minutes(now, asked.minutes.unwrap_or(60).clamp(1, 1440));
    let stats = json!({
        "server_time": now,
        "events": totals.events,
        "errors": totals.errors,
        "tool_calls": totals.tool_calls,
        "unique_kinds": totals.by_kind.len(),
        "events_per_minute": minutes,
        "by_namespace": totals.by_namespace,
        "by_kind": totals.by_kind,
        "clients": app.clients(),
    });
    Ok(super::json(stats.to_string()))
}
