//! Answers: one file per question.

pub(crate) mod agents;
pub(crate) mod clients;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod machine;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod problem;
pub(crate) mod reference;
pub(crate) mod runs;
pub(crate) mod sessions;
pub(crate) mod spans;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod transcript;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;

/// An answer whose body is JSON already.
pub(crate) fn json(body: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body.into()).into_response()
}
