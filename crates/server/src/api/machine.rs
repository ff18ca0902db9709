//! Answers `GET /api/v1/doctor`, `/api/v1/monitors`, `/api/v1/log` and `/api/v1/store`: what a person looks at when
//! something seems wrong.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::access::Granted;
use crate::app::App;
use crate::clock;
use crate::surroundings::Surroundings;

/// Lines of the log, if nothing else is asked for.
const LINES: usize = 100;

/// The most lines of the log.
const LINES_MAX: usize = 2_000;

/// `{"time", "checks": [{"check", "state", "said", "fix", "fixable"}]}`.
pub(crate) async fn doctor(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
) -> Result<Response, Problem> {
    granted.may_look_around()?;
    let checks = ask(&app, |surroundings| surroundings.checks()).await?;
    Ok(super::json(json!({ "time": clock::now(), "checks": checks }).to_string()))
}

/// `{"monitors": [{"port", "by", …}]}`, of the ports that monitors use, those where somebody listens.
pub(crate) async fn monitors(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
) -> Result<Response, Problem> {
    granted.may_look_around()?;
    let monitors = ask(&app, |surroundings| surroundings.monitors()).await?;
    Ok(super::json(json!({ "port": app.port, "monitors": monitors }).to_string()))
}

/// What may be asked of the log.
#[derive(Deserialize)]
pub(crate) struct Tail {
    tail: Option<usize>,
}

/// `{"lines": […]}`, the last ones, oldest first.
pub(crate) async fn log(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    asked: Result<Query<Tail>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::query(&error))?;
    let lines = asked.tail.unwrap_or(LINES);
    if !(1..=LINES_MAX).contains(&lines) {
        return Err(Problem::bad_request(format!("tail must be 1 to {LINES_MAX}, and is {lines}")));
    }
    granted.may_look_around()?;
    let lines = ask(&app, move |surroundings| surroundings.log(lines)).await?;
    let lines = lines.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no_log", "this monitor writes no log"))?;
    Ok(super::json(json!({ "lines": lines }).to_string()))
}

/// `{"encrypted", "bytes", "events", "days": [{"name", …}], "keep", "next_to_go"?}`.
pub(crate) async fn store(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
) -> Result<Response, Problem> {
    granted.may_look_around()?;
    let (dir, key, keep) = (app.config.data_dir.clone(), app.config.key.clone(), app.config.keep);
    let looking = tokio::task::spawn_blocking(move || store::inspect::days(&dir, key.as_ref()));
    let days = looking.await.map_err(Problem::store)?.map_err(Problem::store)?;
    let bytes: u64 = days.iter().map(|day| day.bytes + day.index_bytes).sum();
    // Whole days go, the oldest first; the newest stays.
    let oldest = days.first().filter(|_| days.len() > 1);
    let next = oldest.filter(|_| keep.days.is_some() || keep.bytes.is_some()).map(|day| {
        let is_much = keep.bytes.is_some_and(|most| bytes > most);
        json!({ "day": day.name, "because": if is_much || keep.days.is_none() { "size" } else { "age" } })
    });
    let shown: Vec<Value> = days
        .iter()
        .map(|day| {
            let mut shown = json!({ "name": day.name, "events": day.events, "bytes": day.bytes,
                "index_bytes": day.index_bytes, "encrypted": day.encrypted });
            if let Some((first, last)) = day.numbers {
                (shown["seq_first"], shown["seq_last"]) = (first.into(), last.into());
            }
            if let Some(problem) = &day.problem {
                shown["problem"] = problem.clone().into();
            }
            shown
        })
        .collect();
    let mut answer = json!({
        "encrypted": app.config.key.is_some(),
        "bytes": bytes,
        "events": days.iter().map(|day| day.events).sum::<u64>(),
        "unindexed": app.reader.unindexed(),
        "days": shown,
        "keep": { "days": keep.days, "bytes": keep.bytes },
    });
    if let Some(next) = next {
        answer["next_to_go"] = next;
    }
    Ok(super::json(answer.to_string()))
}

async fn ask<T: Send + 'static>(
    app: &App,
    question: impl FnOnce(&dyn Surroundings) -> T + Send + 'static,
) -> Result<T, Problem> {
    let Some(surroundings) = app.config.surroundings.clone() else {
        let unknown = "whoever started this server does not let it be asked";
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_known", unknown));
    };
    tokio::task::spawn_blocking(move || question(surroundings.as_ref())).await.map_err(Problem::store)
}
