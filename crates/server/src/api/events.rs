//! Answers `GET /api/v1/events…`: history, by pages, one by one, and with what was withheld.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use event::filter::Filter;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Direction, Found, Needle, PageQuery};

use super::problem::Problem;
use crate::access::Granted;
use crate::app::App;
use crate::clock;

/// Events in a page, if nothing else is asked for.
const LIMIT: usize = 100;

/// The most events in a page.
const LIMIT_MAX: usize = 5_000;

/// How long a search may take before it answers with what it has and where to go on.
const SEARCH_MAX: Duration = Duration::from_millis(400);

/// How far a fuller telling of an event moves its time at most.
pub(crate) const TIMES_MOVE_MS: i64 = 60_000;

/// What those alone may read who are trusted.
const WITHHELD: &str = "what was withheld";

/// What may be asked of history. Lists are separated by commas.
#[derive(Deserialize)]
pub(crate) struct Asked {
    q: Option<String>,
    namespace: Option<String>,
    kind: Option<String>,
    session: Option<String>,
    agent: Option<String>,
    tool: Option<String>,
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<usize>,
}

/// `{"events": [Event…], "next"?, "seq_last", "partial"?}`. Newest first; oldest first with `after`.
pub(crate) async fn page(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::query(&error))?;
    let filter = Filter::parse(asked.q.as_deref().unwrap_or_default(), clock::now())
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    if filter.asks_for_content() {
        granted.may_read(WITHHELD)?;
    }
    let with_content = filter.asks_for_content();
    let query = narrowed(PageQuery { needles: needles(&filter), with_content, ..query_of(asked)? }, &filter);
    let reader = app.reader.clone();
    let searched = tokio::task::spawn_blocking(move || {
        let seq_last = reader.seq_last();
        let mut wants = |json: &[u8], content: Option<&[u8]>| filter.wants_whole(json, content);
        reader.page_with_content(&query, &mut wants).map(|page| (page, seq_last))
    });
    let (page, seq_last) = searched.await.map_err(Problem::store)?.map_err(Problem::store)?;

    let mut body = BytesMut::with_capacity(page.events.iter().map(|event| event.len() + 1).sum::<usize>() + 64);
    body.put_slice(b"{\"events\":[");
    for (at, event) in page.events.iter().enumerate() {
        if at > 0 {
            body.put_u8(b',');
        }
        body.put_slice(event);
    }
    body.put_slice(format!("],\"seq_last\":{seq_last}").as_bytes());
    if let Some(next) = page.next {
        body.put_slice(format!(",\"next\":{next}").as_bytes());
    }
    if page.partial {
        body.put_slice(b",\"partial\":true");
    }
    if let Some(seq) = page.indexed_to {
        body.put_slice(format!(",\"indexed_to\":{}", seq.saturating_sub(1)).as_bytes());
    }
    body.put_u8(b'}');
    Ok(super::json(body.freeze()))
}

/// One event.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    asked: Result<Path<u64>, PathRejection>,
) -> Result<Response, Problem> {
    Ok(super::json(find(&app, number(asked)?).await?))
}

/// One event's payload with nothing withheld, for those who may read it.
pub(crate) async fn content(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    asked: Result<Path<u64>, PathRejection>,
) -> Result<Response, Problem> {
    let seq = number(asked)?;
    granted.may_read(WITHHELD)?;
    let event = find(&app, seq).await?;
    let reader = app.reader.clone();
    let found = tokio::task::spawn_blocking(move || reader.content(seq))
        .await
        .map_err(Problem::store)?
        .map_err(Problem::store)?;
    let data = match found {
        Some(whole) => serde_json::from_slice::<Value>(&whole).map_err(Problem::store)?,
        None => {
            let event: Value = serde_json::from_slice(&event).map_err(Problem::store)?;
            event.get("data").cloned().unwrap_or_default()
        }
    };
    Ok(super::json(json!({ "seq": seq, "data": data }).to_string()))
}

fn number(asked: Result<Path<u64>, PathRejection>) -> Result<u64, Problem> {
    asked.map(|Path(seq)| seq).map_err(|error| Problem::bad_request(error.body_text()))
}

async fn find(app: &App, seq: u64) -> Result<Bytes, Problem> {
    let reader = app.reader.clone();
    let found =
        tokio::task::spawn_blocking(move || reader.get(seq)).await.map_err(Problem::store)?.map_err(Problem::store)?;
    match found {
        Found::Event(json) => Ok(json),
        Found::Gone { reason } => Err(Problem::new(StatusCode::GONE, "event_gone", reason)),
        Found::Unknown => Err(Problem::new(StatusCode::NOT_FOUND, "no_such_event", format!("there is no event {seq}"))),
    }
}

/// What the store's index can be asked for a filter.
pub(crate) fn needles(filter: &Filter) -> Vec<Vec<Needle>> {
    let asked = |needle: event::filter::Needle| Needle { token: needle.token, is_prefix: needle.is_prefix };
    filter.needles().into_iter().map(|one_of| one_of.into_iter().map(asked).collect()).collect()
}

/// The times of a filter, for the store to skip what is of others. An event that was told better may have a time that is
/// not quite the one it was stored under.
pub(crate) fn narrowed(query: PageQuery, filter: &Filter) -> PageQuery {
    let (from, to) = filter.times();
    PageQuery {
        time_from_ms: from.map(|at| at.ms().saturating_sub(TIMES_MOVE_MS)),
        time_to_ms: to.map(|at| at.ms().saturating_add(TIMES_MOVE_MS)),
        ..query
    }
}

fn query_of(asked: Asked) -> Result<PageQuery, Problem> {
    let list = |text: Option<String>| -> Vec<String> {
        let text = text.unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    let direction = match (asked.before, asked.after) {
        (Some(_), Some(_)) => return Err(Problem::bad_request("a page goes `before` or `after` a number, not both")),
        (before, None) => Direction::Newest { before },
        (None, Some(after)) => Direction::Oldest { after },
    };
    let limit = asked.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit must be 1 to {LIMIT_MAX}, and is {limit}")));
    }
    let mut query = PageQuery::new(direction, limit, Instant::now() + SEARCH_MAX);
    query.kinds = list(asked.kind);
    query.namespaces = list(asked.namespace)
        .into_iter()
        .map(|name| if name.starts_with('/') { name } else { format!("/{name}") })
        .collect();
    query.sessions = list(asked.session);
    query.agents = list(asked.agent);
    query.tools = list(asked.tool);
    Ok(query)
}
