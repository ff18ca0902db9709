//! The HTTP doors: `POST /emit` for anybody's events, `POST /api/events` for claude-mpm's own hook scripts.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use event::bodies;
use event::emitted;
use event::event::{Fact, Source};
use event::hook_input;
use http::StatusCode;
use serde_json::{Value, json};

use super::enrich;
use crate::api::{self, problem::Problem};
use crate::app::App;
use crate::clock;
use crate::config::FileContents;
use crate::listener;

/// Events in one body. A body of small events is bounded in bytes already; this bounds one commit.
const EVENTS_MAX: usize = 10_000;

/// Answers `POST /emit`: one event, an array, or an event a line, whatever its content type. Answers when it is stored:
/// `{"seq": …}` for one event, `{"seqs": […]}` for more.
pub(crate) async fn emit(
    State(app): State<Arc<App>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = received(body)?;
    let (events, many) = match hook_input::parse_leniently(&body) {
        Ok(Value::Array(events)) => (events, true),
        Ok(one) => (vec![one], false),
        Err(error) => (lines(&body).unwrap_or_else(|| Err(no_json(error)))?, true),
    };
    bounded(events.len())?;
    let now = clock::now();
    let mut facts = Vec::with_capacity(events.len());
    for (at, event) in events.into_iter().enumerate() {
        let place = if many { format!("event {at}: ") } else { String::new() };
        facts.push(
            emitted::read(event, now, Source::Emit)
                .map_err(|refusal| Problem::bad_request(format!("{place}{refusal}")))?,
        );
    }
    let seqs = record(&app, facts).await?;
    let answer =
        if many { json!({ "status": "ok", "seqs": seqs }) } else { json!({ "status": "ok", "seq": seqs.first() }) };
    Ok(api::json(answer.to_string()))
}

/// Answers `POST /api/events`: one event as claude-mpm's hook scripts wrap it, 204 when it is stored.
pub(crate) async fn hook_scripts(
    State(app): State<Arc<App>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let fact = match parse(body)? {
        Value::Object(fields) if fields.contains_key("hook_event_name") && !fields.contains_key("event") => {
            hook_input::from_payload(fields, clock::now(), Source::Http)
        }
        event @ Value::Object(_) if event.get("data").is_some_and(emitted::is_echo) => {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        event @ Value::Object(_) => emitted::read(event, clock::now(), Source::Http)
            .map_err(|refusal| Problem::bad_request(refusal.to_string()))?,
        _ => return Err(Problem::bad_request(emitted::Refusal::NoObject.to_string())),
    };
    record(&app, vec![fact]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Refuses a body of more events than one commit takes.
pub(crate) fn bounded(events: usize) -> Result<(), Problem> {
    if events <= EVENTS_MAX {
        return Ok(());
    }
    let most = format!("more than {EVENTS_MAX} events in one body");
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", most))
}

/// Completes facts and hands them over; 503 while the disk takes none.
pub(crate) async fn record(app: &App, mut facts: Vec<Fact>) -> Result<Vec<u64>, Problem> {
    for fact in &mut facts {
        prepare(app, fact);
    }
    app.recorder.record(facts).await.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_stored", error.to_string())
            .suggest("Send it again; see the monitor's log and the free space of its disk")
    })
}

/// What every door does to a fact before it is told.
pub(crate) fn prepare(app: &App, fact: &mut Fact) {
    enrich::complete(fact);
    match app.config.file_contents {
        FileContents::Never => fact.whole = None,
        FileContents::OnRequest => {}
        FileContents::Always => {
            if let (Some(whole), Value::Object(data)) = (&fact.whole, &mut fact.data)
                && bodies::fits(whole)
            {
                data.insert("content".to_owned(), whole.clone());
            }
        }
    }
}

fn parse(body: Result<Bytes, BytesRejection>) -> Result<Value, Problem> {
    hook_input::parse_leniently(&received(body)?).map_err(no_json)
}

/// The events of a body with a JSON object on each line; `None` when it is no such body. Stops beyond the most there may be.
fn lines(body: &[u8]) -> Option<Result<Vec<Value>, Problem>> {
    let lines = body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    let mut events = Vec::new();
    for (at, line) in lines.take(EVENTS_MAX + 1) {
        match hook_input::parse_leniently(line) {
            Ok(event) => events.push(event),
            // A text that does not even begin like one is broken JSON, and has an error of its own.
            Err(_) if events.is_empty() => return None,
            Err(error) => return Some(Err(Problem::bad_request(format!("line {} is no JSON: {error}", at + 1)))),
        }
    }
    (!events.is_empty()).then_some(Ok(events))
}

fn no_json(error: serde_json::Error) -> Problem {
    Problem::bad_request(format!("the body is no JSON: {error}"))
}

fn received(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| {
        if listener::is_slow(&rejection) {
            return Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", rejection.body_text());
        }
        let code =
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { "body_too_large" } else { "body_unreadable" };
        Problem::new(rejection.status(), code, rejection.body_text())
    })
}
