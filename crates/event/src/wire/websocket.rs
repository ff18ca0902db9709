//! The frames of the raw WebSocket API: one JSON object with `type` and `data` each.

use serde_json::{Map, Value, json};

use crate::event::{Event, Fact};
use crate::vocabulary::Kind;
use crate::wire::{broadcast, socketio};

/// Which server a frame comes from.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The port it listens on.
    pub port: u16,
    /// The host name a client would use.
    pub host: String,
}

/// The channel of a fact: from the table, or `<namespace>.<event>` for what no row knows.
pub fn channel(fact: &Fact) -> String {
    match fact.kind {
        Kind::Custom => {
            let namespace = fact.namespace().trim_start_matches('/');
            if namespace.is_empty() {
                fact.event_name().to_owned()
            } else {
                format!("{namespace}.{}", fact.event_name())
            }
        }
        Kind::HookReceived => format!("hook.{}", fact.event_name()),
        kind => kind.row().channel.to_owned(),
    }
}

/// The frame of an event.
pub fn frame(event: &Event, instance: &Instance) -> Value {
    let mut data = match socketio::payload(event) {
        Value::Object(fields) => fields,
        other => Map::from_iter([("data".to_owned(), other)]),
    };
    identify(&mut data, event, instance);
    json!({ "type": channel(&event.fact), "data": data })
}

/// The frame for those who subscribed as the monitoring dashboard's document prints it: with `event` besides `type`.
pub fn broadcast_frame(event: &Event, instance: &Instance) -> Option<Value> {
    let (name, payload) = broadcast::message(event)?;
    let Value::Object(mut data) = payload else { return None };
    identify(&mut data, event, instance);
    Some(json!({ "type": name, "event": name, "data": data }))
}

fn identify(data: &mut Map<String, Value>, event: &Event, instance: &Instance) {
    data.insert("websocket_port".to_owned(), json!(instance.port));
    data.insert(
        "instance_info".to_owned(),
        json!({ "port": instance.port, "host": instance.host, "working_dir": event.fact.cwd }),
    );
}

/// Whether somebody who asked for `wanted` (`*`, `session.*`, `session.start`) gets `channel`.
pub fn is_wanted(wanted: &str, channel: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => channel.starts_with(prefix),
        None => wanted == channel,
    }
}
