//! A monitor's answer to a command, or what a person is told instead of it.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::Value;

use super::probe;
use crate::report::{self, Failure};

/// What a command says when there is no good answer.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    /// What did not happen.
    pub(crate) failed: &'a str,
    /// The way out when no monitor answers.
    pub(crate) nobody: &'a str,
    /// The way out when the monitor names none.
    pub(crate) help: &'a str,
}

/// Sends a request to the monitor of a port of this machine, and gives its answer if that is good news.
pub(crate) fn of(
    port: u16,
    request: Result<Request<Full<Bytes>>, http::Error>,
    answer_max: Duration,
    words: Words<'_>,
) -> Result<Value, Failure> {
    let request = request.map_err(|error| unsendable(words.failed, error))?;
    let Some((status, body)) = probe::ask(port, request, answer_max) else {
        let reason = format!("no monitor answers on port {port}");
        return Err(Failure::new(words.failed, reason, words.nobody).with_code(3));
    };
    read(port, status, &body, words)
}

/// What it answered, if that is good news.
pub(crate) fn read(port: u16, status: u16, body: &[u8], words: Words<'_>) -> Result<Value, Failure> {
    if (200..300).contains(&status) {
        return Ok(serde_json::from_slice(body).unwrap_or_default());
    }
    Err(refused(&format!("what listens on port {port} answered {status}"), body, words))
}

/// A request that cannot even be written: the token is what it is made of.
pub(crate) fn unsendable(failed: &str, error: impl Display) -> Failure {
    Failure::new(failed, error, "Set CLAUDE_MPM_SOCKETIO_TOKEN to letters, digits and punctuation without spaces")
}

/// What a monitor said against it; `otherwise` where it gave no reason.
pub(crate) fn refused(otherwise: &str, body: &[u8], words: Words<'_>) -> Failure {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = |key: &str| body["error"][key].as_str().map(report::harmless);
    Failure::new(
        words.failed,
        said("message").unwrap_or_else(|| otherwise.to_owned()),
        said("suggestion").unwrap_or_else(|| words.help.to_owned()),
    )
}

/// Percent-encoded, for a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_survives_the_address() {
        assert_eq!(encoded("tool:Bash \"exit 1\" é"), "tool%3ABash%20%22exit%201%22%20%C3%A9");
    }
}
