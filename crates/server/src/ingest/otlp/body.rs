//! The body of an OTLP request: its encoding, unpacked up to a limit, and JSON.

use std::io::Read;

use axum::body::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::BODY_BYTES_MAX;
use super::answer::Refusal;

/// How records are written, and so is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    /// By the content type; parameters such as a charset do not matter.
    pub(super) fn of(headers: &HeaderMap) -> Result<Encoding, ()> {
        let told = headers.get(header::CONTENT_TYPE).and_then(|told| told.to_str().ok()).unwrap_or_default();
        let essence = told.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            Ok(Encoding::Json)
        } else if essence.eq_ignore_ascii_case("application/x-protobuf") {
            Ok(Encoding::Protobuf)
        } else {
            Err(())
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        }
    }
}

/// Whether the body is packed with gzip, the one compression that the specification asks for.
pub(super) fn is_packed(headers: &HeaderMap) -> Result<bool, Refusal> {
    let Some(told) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    match told.to_str().map(str::trim) {
        Ok(name) if name.eq_ignore_ascii_case("gzip") => Ok(true),
        Ok(name) if name.is_empty() || name.eq_ignore_ascii_case("identity") => Ok(false),
        _ => Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content encoding must be gzip or none")),
    }
}

/// Unpacks a body, and stops at the limit: a kilobyte of gzip can hold a megabyte.
pub(super) fn unpack(packed: &[u8]) -> Result<Bytes, Refusal> {
    let mut body = Vec::new();
    let limit = BODY_BYTES_MAX as u64 + 1;
    MultiGzDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("the body is no gzip: {error}")))?;
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::too_large());
    }
    Ok(body.into())
}

pub(super) fn json(body: &[u8]) -> Result<Value, Refusal> {
    event::hook_input::parse_leniently(body)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}")))
}
