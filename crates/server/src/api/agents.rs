//! Answers `GET /agents`: every kind of agent that was ever asked to do something, and whether it is at it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use event::agent;
use event::session::State as SessionState;
use serde_json::json;

use crate::app::App;
use crate::clock;

/// `{"agents": [{"name", "status": "active" | "idle", "invocations"}]}`, the busiest first.
pub(crate) async fn answer(State(app): State<Arc<App>>) -> Response {
    let now = clock::now();
    let (_, sessions) = app.hub.listed(now);
    let mut active = BTreeSet::new();
    let mut main = false;
    for session in &sessions {
        main |= session.state(now).0 == SessionState::Working;
        let known = session.agents.known().iter().filter(|agent| agent.state == agent::State::Working);
        active.extend(known.map(|agent| agent.agent_type.clone()));
    }
    let totals = app.hub.state().totals.clone();
    let prompts = totals.by_kind.get("prompt.submitted").copied().unwrap_or_default();
    let mut agents: Vec<_> =
        totals.agents.into_iter().map(|(name, times)| (active.contains(&name), name, times)).collect();
    if prompts > 0 {
        agents.push((main, "main".to_owned(), prompts));
    }
    agents.sort_by(|one, other| other.2.cmp(&one.2).then_with(|| one.1.cmp(&other.1)));
    let agents: Vec<_> = agents
        .into_iter()
        .map(|(active, name, invocations)| {
            json!({ "name": name, "status": if active { "active" } else { "idle" }, "invocations": invocations })
        })
        .collect();
    super::json(json!({ "agents": agents }).to_string())
}
