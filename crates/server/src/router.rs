//! Every route, on one page.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware;
use axum::response::Response;
use axum::routing::{any, delete, get, post, put};
use http::header;

use crate::api::{
    agents, clients, diff, events, export, health, machine, metrics, openapi, reference, runs, sessions, spans, stats,
    status, transcript,
};
use crate::app::App;
use crate::ingest;
use crate::live;
use crate::{access, page};

/// The largest body of an emitted event or a hook, in bytes. A hook that wrote a large file carries it twice.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/", any(root))
        .route("/ws", any(live::websocket::upgrade))
        .route("/socket.io", any(live::socketio::request))
        .route("/socket.io/", any(live::socketio::request))
        .route("/health", get(health::answer))
        .route("/status", get(status::answer))
        .route("/metrics", get(metrics::answer))
        .route("/agents", get(agents::answer))
        .route("/emit", post(ingest::http::emit))
        .route("/api", get(reference::answer))
        .route("/api/events", post(ingest::http::hook_scripts))
        .route("/api/v1/events", get(events::page))
        .route("/api/v1/events/export", get(export::answer))
        .route("/api/v1/events/{seq}", get(events::one))
        .route("/api/v1/events/{seq}/content", get(events::content))
        .route("/api/v1/sessions", get(sessions::list))
        .route("/api/v1/runs", get(runs::list))
        .route("/api/v1/runs/{id}/attend", post(runs::attend))
        .route("/api/v1/runs/{id}/events", post(runs::tell))
        .route("/api/v1/commands", post(runs::command))
        .route("/api/v1/sessions/{id}/spans", get(spans::answer))
        .route("/api/v1/sessions/{id}/transcript", get(transcript::answer))
        .route("/api/v1/sessions/{id}/pin", put(sessions::pin))
        .route("/api/v1/sessions/{id}/pin", delete(sessions::unpin))
        .route("/api/v1/sessions/{id}", delete(sessions::erase))
        .route("/api/v1/state", get(sessions::state))
        .route("/api/v1/stats", get(stats::answer))
        .route("/api/v1/files/diff", get(diff::answer))
        .route("/api/v1/clients", get(clients::list))
        .route("/api/v1/clients/{id}/disconnect", post(clients::disconnect))
        .route("/api/v1/doctor", get(machine::doctor))
        .route("/api/v1/monitors", get(machine::monitors))
        .route("/api/v1/store", get(machine::store))
        .route("/api/v1/log", get(machine::log))
        .route("/api/v1/openapi.json", get(openapi::answer))
        .route("/api/v1/stream", get(live::stream::answer))
        .route("/admin", get(page::admin::enter))
        .route("/admin/", get(page::admin::file))
        .route("/admin/{*file}", get(page::admin::file))
        .merge(otlp())
        .fallback(page::file)
        .method_not_allowed_fallback(async || page::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(app), access::gate))
        .with_state(Arc::clone(app))
}

/// OpenTelemetry's exporters choose these paths, and get answers of their own protocol.
fn otlp() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/logs", post(ingest::otlp::logs))
        .route("/v1/metrics", post(ingest::otlp::metrics))
        .route("/v1/traces", post(ingest::otlp::traces))
        .layer(DefaultBodyLimit::max(ingest::otlp::BODY_BYTES_MAX))
}

/// `/` is the raw WebSocket API for whoever wants to upgrade, and the dashboard for everybody else.
async fn root(State(app): State<Arc<App>>, request: Request) -> Response {
    let upgrades =
        request.headers().get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if upgrades {
        return live::websocket::upgrade(State(app), request).await;
    }
    page::file(request).await
}
