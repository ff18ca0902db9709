//! Serves the embedded dashboard: hashed files for ever, the page itself always fresh, under a strict content policy.

pub(crate) mod admin;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::api::{self, problem::Problem};

/// First parts of the paths that the page itself understands. Everything else that is no file is an error.
const VIEWS: [&str; 6] = ["live", "timeline", "work", "usage", "system", "s"];

/// The dashboard's address in the Socket.IO guide.
const DOCUMENTED: &str = "/claude_mpm_socketio_dashboard.html";

/// Answers any path that no route takes: a file of the page, or one of its views.
pub(crate) async fn file(request: Request) -> Response {
    let path = request.uri().path();
    let is_view = path == "/"
        || path == DOCUMENTED
        || VIEWS.contains(&path.trim_start_matches('/').split('/').next().unwrap_or_default());
    let name = match path.trim_start_matches('/') {
        // The page names its files relative to itself, because a proxy may have put it under any path.
        below if is_view && below.contains('/') => "deep.html",
        _ if is_view => "index.html",
        file => file,
    };
    let Some(file) = page::FILES.iter().find(|file| file.name == name) else {
        return Problem::new(StatusCode::NOT_FOUND, "no_such_address", format!("there is nothing at {path}"))
            .into_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed();
    }
    answer(file, request.headers(), &content_policy(request.headers()))
}

/// The address is there, and takes other methods.
pub(crate) fn method_not_allowed() -> Response {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this address does not take that method")
        .into_response()
}

/// A file under a content policy, or that the browser has it already.
fn answer(file: &'static page::File, asked: &HeaderMap, policy: &str) -> Response {
    if api::has(asked, file.etag) {
        return (StatusCode::NOT_MODIFIED, headers_of(file, None, policy)).into_response();
    }
    let (body, encoding) = encoded(file, asked);
    (headers_of(file, encoding, policy), body).into_response()
}

/// The smallest form that the browser takes.
fn encoded(file: &'static page::File, headers: &HeaderMap) -> (&'static [u8], Option<&'static str>) {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|accepted| accepted.to_str().ok()).unwrap_or_default();
    let takes = |name: &str| {
        accepted.split(',').any(|one| {
            let mut parts = one.split(';').map(str::trim);
            parts.next() == Some(name) && !parts.any(|weight| weight == "q=0")
        })
    };
    match (file.brotli, file.gzip) {
        (Some(brotli), _) if takes("br") => (brotli, Some("br")),
        (_, Some(gzip)) if takes("gzip") => (gzip, Some("gzip")),
        _ => (file.bytes, None),
    }
}

fn headers_of(file: &'static page::File, encoding: Option<&'static str>, policy: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(header::ETAG, HeaderValue::from_static(file.etag));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let cached = if file.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cached));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers
}

/// Only our own code runs, it talks to monitors of this host alone, and text never becomes markup.
fn content_policy(request: &HeaderMap) -> String {
    let connect = connections(request);
    format!(
        "default-src 'self'; img-src 'self' data: blob:; connect-src {connect}; worker-src 'self'; object-src 'none'; \
         base-uri 'none'; frame-ancestors 'none'; form-action 'none'; require-trusted-types-for 'script'; \
         trusted-types svelte-trusted-html monitor-worker"
    )
}

/// The servers of this host, in the words of a content policy.
fn connections(request: &HeaderMap) -> String {
    let host = request.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let safe = name.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_[]:".contains(letter));
    let mut connect = String::from("'self'");
    // A policy cannot name an IPv6 address with a port; a page opened under one reaches its own server as 'self'.
    let other = safe && !matches!(name, "localhost" | "127.0.0.1") && !name.contains('[');
    for host in ["localhost", "127.0.0.1"].into_iter().chain(other.then_some(name)) {
        for scheme in ["ws", "wss", "http", "https"] {
            connect.push_str(&format!(" {scheme}://{host}:*"));
        }
    }
    connect
}
