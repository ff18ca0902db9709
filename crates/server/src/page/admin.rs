//! Serves the page of @socket.io/admin-ui below `/admin/`, where the configuration names an admin.
//!
//! It is open to all like our own page: it holds no data, and asks for the password itself.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::{answer, connections};
use crate::api::problem::Problem;
use crate::app::App;

/// Answers `GET /admin`: the page names its files relative to a folder.
pub(crate) async fn enter() -> Response {
    // Relative, because a proxy may have put us under any path.
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "admin/")]).into_response()
}

/// Answers what lies below `/admin/`.
pub(crate) async fn file(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let nothing = |code, message: String| Problem::new(StatusCode::NOT_FOUND, code, message);
    if app.admin.is_none() {
        return Err(nothing("no_admin", "nobody may administer this monitor".to_owned())
            .suggest("Name an admin in monitoring.admin of configuration.yaml"));
    }
    let path = request.uri().path();
    let name = match path.trim_start_matches('/') {
        "admin/" => "admin/index.html",
        file => file,
    };
    let Some(file) = page::FILES.iter().find(|file| file.name == name) else {
        return Err(nothing("no_such_address", format!("there is nothing at {path}")));
    };
    Ok(answer(file, request.headers(), &content_policy(request.headers())))
}

/// Its own code alone runs. Its components write styles into the page.
fn content_policy(request: &HeaderMap) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src {}; \
         base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
        connections(request)
    )
}
