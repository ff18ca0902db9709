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
use http::header::{self, HeaderMap};

/// An answer whose body is JSON already.
pub(crate) fn json(body: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body.into()).into_response()
}

/// Whether the client says in `If-None-Match` that it has what this tag names: one of a list, weak or not, or `*`.
pub(crate) fn has(headers: &HeaderMap, tag: &str) -> bool {
    let said = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|said| said.to_str().ok());
    // None of our tags has a comma in it.
    said.flat_map(|said| said.split(',')).map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_what_one_of_its_tags_names() {
        let says = |said: &'static str| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, http::HeaderValue::from_static(said))]);
            has(&headers, "\"a-1\"")
        };
        assert!(!has(&HeaderMap::new(), "\"a-1\""));
        for said in ["\"a-1\"", "W/\"a-1\"", "*", "\"b\", W/\"a-1\" ,\"c\""] {
            assert!(says(said), "{said}");
        }
        for said in ["\"a-2\"", "a-1", "W/\"b\"", ""] {
            assert!(!says(said), "{said}");
        }
    }
}
