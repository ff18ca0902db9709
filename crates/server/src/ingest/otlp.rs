//! The OTLP/HTTP door: `POST /v1/logs`, `/v1/metrics` and `/v1/traces`, as the OpenTelemetry specification wants it.
//!
//! An answer is in the encoding of its request: an `Export…ServiceResponse`, or for an error a `google.rpc.Status`. An
//! exporter tries 503 again, and nothing else of ours.

mod answer;
mod body;
mod protobuf;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use event::event::{Fact, Time};
use event::otlp;
use http::{HeaderMap, StatusCode};
use tokio::sync::Semaphore;

use super::http as doors;
use crate::app::App;
use crate::clock;
use answer::{Refusal, Rejected};
use body::Encoding;

/// Records in one request; exporters send 512, or 2,048.
const RECORDS_MAX: usize = 50_000;

/// Records of one export that are stored in one commit.
const RECORDS_AT_ONCE: usize = 1_000;

/// The largest body, in bytes, packed or not: a batch of 512 records with long texts switched on is smaller.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bodies unpacked and decoded at a time: each takes several times its size.
static DECODERS: Semaphore = Semaphore::const_new(2);

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Logs,
    Metrics,
    Traces,
}

/// Answers `POST /v1/logs`.
pub(crate) async fn logs(state: State<Arc<App>>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    export(&state, Signal::Logs, &headers, body).await
}

/// Answers `POST /v1/metrics`.
pub(crate) async fn metrics(
    state: State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    export(&state, Signal::Metrics, &headers, body).await
}

/// Answers `POST /v1/traces`.
pub(crate) async fn traces(
    state: State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    export(&state, Signal::Traces, &headers, body).await
}

async fn export(app: &App, signal: Signal, headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    // Without a content type that is ours the answer is JSON, which people can read.
    let encoding = Encoding::of(headers);
    let answered = match encoding {
        Ok(encoding) => take(app, signal, encoding, headers, body).await,
        Err(_) => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type must be application/x-protobuf or application/json",
        )),
    };
    let encoding = encoding.unwrap_or(Encoding::Json);
    match answered {
        Ok(rejected) => answer::taken(signal, encoding, &rejected),
        Err(refusal) => {
            tracing::debug!("OTLP {signal:?}: {}: {}", refusal.status, refusal.message);
            answer::refused(encoding, &refusal)
        }
    }
}

async fn take(
    app: &App,
    signal: Signal,
    encoding: Encoding,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Rejected, Refusal> {
    let packed = body::is_packed(headers)?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_large(),
        status => Refusal::new(status, rejection.body_text()),
    })?;
    let now = clock::now();
    let decoding = async {
        let _place = DECODERS.acquire().await;
        tokio::task::spawn_blocking(move || {
            let body = if packed { body::unpack(&body)? } else { body };
            facts(signal, encoding, &body, now)
        })
        .await
    };
    let (mut facts, rejected) = decoding.await.map_err(|_| Refusal::unavailable("the server is stopping"))??;
    if facts.is_empty() {
        return Ok(rejected);
    }
    if facts.len() > RECORDS_MAX {
        return Err(Refusal::too_many());
    }
    for fact in &mut facts {
        doors::prepare(app, fact);
    }
    // In parts: others have events to store, too. One that is sent again because a later part failed is known.
    let mut facts = facts.into_iter().peekable();
    while facts.peek().is_some() {
        let part = facts.by_ref().take(RECORDS_AT_ONCE).collect();
        app.recorder.record(part).await.map_err(|error| Refusal::unavailable(error.to_string()))?;
    }
    Ok(rejected)
}

fn facts(signal: Signal, encoding: Encoding, body: &[u8], now: Time) -> Result<(Vec<Fact>, Rejected), Refusal> {
    fn told<T>(export: otlp::Export<T>, facts: impl FnOnce(otlp::Export<T>) -> Vec<Fact>) -> (Vec<Fact>, Rejected) {
        let rejected = Rejected { records: export.rejected, reason: export.reason.clone() };
        (facts(export), rejected)
    }
    let json = || body::json(body);
    let bad = |reason: String| Refusal::new(StatusCode::BAD_REQUEST, reason);
    Ok(match (signal, encoding) {
        (Signal::Logs, Encoding::Json) => told(otlp::json::logs(&json()?).map_err(bad)?, |all| otlp::logs(all, now)),
        (Signal::Logs, Encoding::Protobuf) => told(protobuf::logs(body)?, |all| otlp::logs(all, now)),
        (Signal::Metrics, Encoding::Json) => {
            told(otlp::json::metrics(&json()?).map_err(bad)?, |all| otlp::metrics(all, now))
        }
        (Signal::Metrics, Encoding::Protobuf) => told(protobuf::metrics(body)?, |all| otlp::metrics(all, now)),
        (Signal::Traces, Encoding::Json) => {
            told(otlp::json::spans(&json()?).map_err(bad)?, |all| otlp::spans(all, now))
        }
        (Signal::Traces, Encoding::Protobuf) => told(protobuf::spans(body)?, |all| otlp::spans(all, now)),
    })
}
