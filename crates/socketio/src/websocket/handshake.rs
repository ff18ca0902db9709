//! The server's side of the HTTP upgrade: what makes a request a WebSocket, and the answer to it.

use super::{Error, Reader, Role, Writer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use std::fmt;
use tokio::io::{ReadHalf, WriteHalf};

/// Why a request cannot become a WebSocket; [`Refused::response`] says so to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is no GET with `Connection: upgrade`, `Upgrade: websocket` and a key: 400.
    NotAnUpgrade,
    /// It asks for another version than 13: 426.
    Version,
    /// The connection cannot be given away, as with HTTP/1.0: 400.
    NotSupported,
}

impl Refused {
    /// The HTTP answer.
    pub fn response(self) -> Response<Full<Bytes>> {
        let status = match self {
            Self::NotAnUpgrade | Self::NotSupported => StatusCode::BAD_REQUEST,
            Self::Version => StatusCode::UPGRADE_REQUIRED,
        };
        let mut response = Response::new(Full::from(self.to_string()));
        *response.status_mut() = status;
        if self == Self::Version {
            response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnUpgrade => "this address expects a WebSocket upgrade",
            Self::Version => "only WebSocket version 13 is supported",
            Self::NotSupported => "this connection cannot be upgraded",
        })
    }
}

impl std::error::Error for Refused {}

/// Whether a request asks for a WebSocket at all (`Upgrade: websocket`).
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, header::UPGRADE, "websocket")
}

/// The 101 answer to a request with this method and these headers.
///
/// # Errors
/// [`Refused::NotAnUpgrade`] or [`Refused::Version`].
pub fn accept_response(method: &Method, headers: &HeaderMap) -> Result<Response<Full<Bytes>>, Refused> {
    if method != Method::GET || !is_upgrade(headers) || !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(Refused::NotAnUpgrade);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refused::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Refused::NotAnUpgrade)?;
    if !STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
        return Err(Refused::NotAnUpgrade);
    }
    let accept = HeaderValue::try_from(accept_key(key.as_bytes())).map_err(|_| Refused::NotAnUpgrade)?;
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`.
pub fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

/// Accepts a WebSocket on a request that hyper (or axum) received: return the response, then await the [`Upgrade`]
/// in a task of its own.
///
/// # Errors
/// [`Refused`], with the request left as it was.
pub fn upgrade<B>(request: &mut Request<B>) -> Result<(Response<Full<Bytes>>, Upgrade), Refused> {
    let response = accept_response(request.method(), request.headers())?;
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(Refused::NotSupported)?;
    Ok((response, Upgrade { upgrade }))
}

/// A connection that becomes a WebSocket as soon as the 101 answer is written.
#[derive(Debug)]
pub struct Upgrade {
    upgrade: OnUpgrade,
}

/// The byte stream under an accepted WebSocket.
pub type Stream = TokioIo<Upgraded>;

impl Upgrade {
    /// The two halves of the connection; messages longer than `message_bytes_max` will be refused.
    ///
    /// # Errors
    /// The client went away first.
    pub async fn open(
        self,
        message_bytes_max: usize,
    ) -> Result<(Reader<ReadHalf<Stream>>, Writer<WriteHalf<Stream>>), Error> {
        let stream = self.upgrade.await.map_err(|error| Error::Io(std::io::Error::other(error)))?;
        let (read, write) = tokio::io::split(TokioIo::new(stream));
        Ok((Reader::new(read, Role::Server, message_bytes_max, &[]), Writer::new(write, Role::Server)))
    }
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_accept_key_is_the_one_of_the_rfc() {
        assert_eq!(super::accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
