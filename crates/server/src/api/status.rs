//! Answers `GET /status`: how the agents, the MCP servers and our own queues are.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::response::Response;
use event::agent;
use event::session::State as SessionState;
use serde_json::json;

use crate::app::App;
use crate::clock;

/// The monitoring dashboard's document, with its four words: healthy, degraded, unhealthy, unknown.
pub(crate) async fn answer(State(app): State<Arc<App>>) -> Response {
    let now = clock::now();
    let (_, sessions) = app.hub.listed(now);
    let open: Vec<_> = sessions.iter().filter(|session| session.ended.is_none()).collect();
    let troubled = open
        .iter()
        .filter(|session| matches!(session.state(now).0, SessionState::Failing | SessionState::Stuck))
        .count();
    let agents = match (open.len(), troubled) {
        (0, _) => "unknown",
        (_, 0) => "healthy",
        (all, troubled) if troubled == all => "unhealthy",
        _ => "degraded",
    };
    let working = |session: &event::session::Session| {
        session.agents.known().iter().filter(|agent| agent.state == agent::State::Working).count()
            + usize::from(session.state(now).0 == SessionState::Working)
    };
    let io = app.io.stats();
    let status = json!({
        "agents": agents,
        "mcp_gateway": "unknown",
        "websocket": if io.stuck > 0 || io.dropped_packets > 0 { "degraded" } else { "healthy" },
        "metrics": {
            "active_agents": open.iter().map(|session| working(session)).sum::<usize>(),
            "total_requests": app.requests.load(Relaxed),
        },
    });
    super::json(status.to_string())
}
