//! A socket as the page shows it.

use std::time::UNIX_EPOCH;

use event::event::Time;
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use socketio::Socket;

/// Headers that let somebody in: an admin may see who is there, and not become them.
const WITHHELD: [header::HeaderName; 3] = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

/// `{id, clientId, transport, nsp, data, handshake, rooms}`, without what the client brought to be let in.
pub(super) fn socket(socket: &Socket) -> Value {
    let handshake = socket.handshake();
    let issued = handshake.issued.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let query: Map<String, Value> = handshake.query.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    json!({
        "id": socket.id().as_str(),
        "clientId": socket.session().public_id().map(|id| id.to_string()).unwrap_or_default(),
        "transport": socket.transport().as_str(),
        "nsp": socket.namespace(),
        "data": {},
        "handshake": {
            "address": handshake.remote.map(|remote| remote.ip().to_string()).unwrap_or_default(),
            "headers": headers(&handshake.headers),
            "query": query,
            "issued": issued,
            "secure": handshake.secure,
            "time": Time::from_ms(issued),
            "url": handshake.url,
            "xdomain": handshake.has_origin(),
        },
        "rooms": socket.rooms(),
    })
}

/// `{id, nsp, transport}`, for one that went over to WebSocket.
pub(super) fn upgraded(socket: &Socket) -> Value {
    json!({ "id": socket.id().as_str(), "nsp": socket.namespace(), "transport": socket.transport().as_str() })
}

fn headers(all: &HeaderMap) -> Map<String, Value> {
    let mut shown = Map::new();
    for name in all.keys() {
        let values: Vec<_> = all.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let value = if WITHHELD.contains(name) { "[withheld]".to_owned() } else { values.join(", ") };
        shown.insert(name.as_str().to_owned(), Value::String(value));
    }
    shown
}
