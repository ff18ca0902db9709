//! What an admin may ask for: emit, join, leave, disconnect; for one socket, a room, or a whole namespace.

use serde_json::Value;
use socketio::packet::{Event, RESERVED_EVENTS};
use socketio::{Broadcast, Encoded, Json, Server};

/// The longest room name, in bytes.
const ROOM_BYTES_MAX: usize = 256;

/// Runs a command; the page waits for no answer, and sees what it did.
pub(super) fn run(io: &Server, event: &Event) -> Result<(), String> {
    let argument = |at: usize| event.args.get(at).unwrap_or(&Value::Null);
    let namespace = argument(0).as_str().unwrap_or_default();
    match event.name.as_str() {
        "emit" => {
            let to = narrowed(io, namespace, argument(1))?;
            let name = argument(2).as_str().filter(|name| !RESERVED_EVENTS.contains(name));
            let name = name.ok_or("an event needs a name that Socket.IO does not keep for itself")?;
            let args: Vec<_> = event.args.iter().skip(3).map(Json::Value).collect();
            to.emit(&Encoded::binary_event(namespace, name, &args, &event.attachments));
        }
        "join" => {
            narrowed(io, namespace, argument(2))?.join(room(argument(1))?);
        }
        "leave" => {
            narrowed(io, namespace, argument(2))?.leave(room(argument(1))?);
        }
        "_disconnect" => {
            narrowed(io, namespace, argument(2))?.disconnect(argument(1).as_bool().unwrap_or(false));
        }
        other => return Err(format!("{other:?} is no command")),
    }
    Ok(())
}

/// The sockets of a namespace, or of the room or the one socket that `filter` names.
fn narrowed(io: &Server, namespace: &str, filter: &Value) -> Result<Broadcast, String> {
    if !io.namespaces().iter().any(|(name, _)| name == namespace) {
        return Err(format!("{namespace:?} is no namespace"));
    }
    match filter {
        Value::Null => Ok(io.to(namespace)),
        Value::String(name) if name.is_empty() => Ok(io.to(namespace)),
        Value::String(name) => Ok(io.to(namespace).room(name)),
        // Anything else would be taken for everybody.
        _ => Err("the filter is no room and no socket".to_owned()),
    }
}

fn room(name: &Value) -> Result<&str, String> {
    let name = name.as_str().filter(|name| !name.is_empty() && name.len() <= ROOM_BYTES_MAX);
    name.ok_or_else(|| "a room is a string of 1 to 256 bytes".to_owned())
}
