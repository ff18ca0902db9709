//! The Socket.IO door: events that clients emit on the namespaces.

use std::sync::Arc;

use event::emitted;
use event::event::Source;
use serde_json::{Value, json};
use socketio::Ack;

use super::http;
use crate::app::App;
use crate::clock;
use crate::live::socketio::acknowledge;

/// What was emitted with more than one argument: the further ones stand in the first as `args`; if that is no object, or
/// has such a field, all of them are a list.
pub(crate) fn with_further(mut first: Value, mut further: Vec<Value>) -> Value {
    match &mut first {
        _ if further.is_empty() => first,
        Value::Object(fields) if !fields.contains_key("args") => {
            fields.insert("args".to_owned(), Value::Array(further));
            first
        }
        _ => {
            further.insert(0, first);
            Value::Array(further)
        }
    }
}

/// Takes an event; whoever asked for an acknowledgement gets it when the event is stored.
pub(crate) fn take(app: &Arc<App>, namespace: &str, event: &str, data: Value, ack: Option<Ack>) {
    if emitted::is_echo(&data) {
        return acknowledge(ack, &json!({ "status": "ok" }));
    }
    let mut fact = match emitted::named(namespace, event, data, clock::now(), Source::Socketio) {
        Ok(fact) => fact,
        Err(refusal) => return acknowledge(ack, &json!({ "status": "error", "message": refusal.to_string() })),
    };
    http::prepare(app, &mut fact);
    let handed = app.recorder.hand_over(vec![fact]);
    let task = Arc::clone(app);
    app.tasks.spawn(async move {
        let stored = match handed {
            Ok(stored) => {
                stored.await.unwrap_or_else(|_| Err(crate::recorder::NotStored("the server is stopping".to_owned())))
            }
            // No room: this one waits for it, and may then come after a later one of the same client.
            Err(facts) => task.recorder.record(facts).await,
        };
        match stored {
            Ok(seqs) => acknowledge(ack, &json!({ "status": "ok", "seq": seqs.first() })),
            Err(error) => acknowledge(ack, &json!({ "status": "error", "message": error.to_string() })),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_is_lost() {
        assert_eq!(with_further(json!(1), vec![]), json!(1));
        assert_eq!(with_further(json!(1), vec![json!(2), json!(3)]), json!([1, 2, 3]));
        assert_eq!(with_further(json!({ "a": 1 }), vec![json!(2)]), json!({ "a": 1, "args": [2] }));
        assert_eq!(with_further(json!({ "args": 1 }), vec![json!(2)]), json!([{ "args": 1 }, 2]));
    }
}
