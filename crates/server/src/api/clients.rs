//! Answers `GET /api/v1/clients` and `POST /api/v1/clients/{id}/disconnect`: who is connected, and sending one away.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use event::event::Time;
use http::StatusCode;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::access::Granted;
use crate::app::App;
use crate::live::roster::{self, Client};

/// `{"clients": [Client…]}`, the one that is furthest behind first.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Response {
    let mut clients = roster::clients(&app);
    clients.sort_by_key(|client| (std::cmp::Reverse(client.queue.map(|queue| queue.oldest)), client.connected.since));
    let clients: Vec<Value> = clients.iter().map(shown).collect();
    super::json(json!({ "clients": clients }).to_string())
}

fn shown(client: &Client) -> Value {
    let connected = &client.connected;
    let since = connected.since.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut shown = json!({
        "id": client.id,
        "name": connected.name,
        "transport": connected.transport,
        "since": Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(0)),
        "namespaces": client.namespaces,
    });
    if let Some(peer) = connected.peer {
        shown["address"] = peer.to_string().into();
    }
    if !client.user_agent.is_empty() {
        shown["user_agent"] = client.user_agent.clone().into();
    }
    if let Some(queue) = client.queue {
        shown["behind_ms"] =
            queue.oldest.map_or(0, |oldest| u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX)).into();
        shown["waiting_bytes"] = queue.bytes.into();
        shown["waiting_packets"] = queue.packets.into();
        shown["sent_packets"] = queue.sent_packets.into();
        shown["received_packets"] = queue.received_packets.into();
        shown["subscriptions"] = (client.namespaces.len() + client.rooms.len()).into();
        shown["dropped_packets"] = queue.dropped_packets.into();
        if let Some(round_trip) = queue.round_trip {
            shown["round_trip_ms"] = (round_trip.as_secs_f64() * 1_000.0).into();
        }
    }
    shown
}

/// Sends a client away; it may come back. For those who may act.
pub(crate) async fn disconnect(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    asked: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
    granted.may_act("sending clients away")?;
    if !roster::send_away(&app, &id) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_such_client", format!("no client {id:?} is connected")));
    }
    Ok(super::json(json!({ "status": "ok", "id": id }).to_string()))
}
