//! How an error looks to a program: `{"error": {"code", "message", "suggestion"?}}`.

use axum::extract::rejection::QueryRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderValue};
use serde_json::json;

use crate::access;

/// An error that a client can act on.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    suggestion: Option<String>,
    retry_after_s: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Problem {
        Problem { status, code, message: message.into(), suggestion: None, retry_after_s: None }
    }

    /// The way out.
    pub(crate) fn suggest(mut self, suggestion: impl Into<String>) -> Problem {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// The token is missing or wrong.
    pub(crate) fn token() -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", access::INVALID_TOKEN)
            .suggest("Bring it as `Authorization: Bearer <token>`; it is in CLAUDE_MPM_SOCKETIO_TOKEN of whoever started the monitor")
    }

    /// Too many wrong tokens came from that address.
    pub(crate) fn too_many_attempts(wait_s: u64) -> Problem {
        let message = access::Refused::TooOften(wait_s).message();
        Problem {
            retry_after_s: Some(wait_s),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message)
        }
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(message: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// A query's parameter cannot be read.
    pub(crate) fn query(error: &QueryRejection) -> Problem {
        let text = error.body_text();
        let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        let Some((name, reason)) = text.split_once(": ") else {
            return Problem::bad_request(format!("the query cannot be read: {text}"));
        };
        let reason = match reason {
            "invalid digit found in string" | "cannot parse integer from empty string" => {
                "must be a whole number, 0 or more"
            }
            "number too large to fit in target type" => "is too large a number; it is at most 18446744073709551615",
            "provided string was not `true` or `false`" => "must be true or false",
            other => other,
        };
        Problem::bad_request(format!("{name} {reason}"))
    }

    /// The store failed.
    pub(crate) fn store(error: impl std::fmt::Display) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", error.to_string())
            .suggest("See `claude-mpm monitor status --verbose` and the monitor's log")
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Response {
        let mut error = json!({ "code": problem.code, "message": problem.message });
        if let Some(suggestion) = problem.suggestion {
            error["suggestion"] = suggestion.into();
        }
        let mut response = (problem.status, super::json(json!({ "error": error }).to_string())).into_response();
        if let Some(seconds) = problem.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.into()
    }
}
