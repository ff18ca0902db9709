//! One namespace of a client, as the connection sees it.

use crate::inbox::Inbox;
use crate::socket::Membership;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) namespace: String,
    /// Its lane in the outbox.
    pub(crate) lane: usize,
    pub(crate) inbox: Inbox,
    pub(crate) membership: watch::Sender<Membership>,
    /// Held for one look or change.
    credentials: Mutex<Credentials>,
}

/// What is said at the next CONNECT.
struct Credentials {
    auth: Value,
    recovery: bool,
    /// The private id that the server gave, which is a secret, and the offset of the newest event.
    pid: Option<String>,
    offset: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Channel {
    pub(crate) fn new(namespace: &str, lane: usize, auth: Value, recovery: bool) -> Self {
        Self {
            namespace: namespace.to_owned(),
            lane,
            inbox: Inbox::new(),
            membership: watch::Sender::new(Membership::Waiting),
            credentials: Mutex::new(Credentials { auth, recovery, pid: None, offset: None }),
        }
    }

    fn credentials(&self) -> MutexGuard<'_, Credentials> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something else at the next CONNECT.
    pub(crate) fn set_auth(&self, auth: Value) {
        self.credentials().auth = auth;
    }

    /// The CONNECT payload: what the program says, and what recovery needs.
    pub(crate) fn auth(&self) -> Value {
        let credentials = self.credentials();
        let mut auth = credentials.auth.clone();
        if let Value::Object(fields) = &mut auth
            && credentials.recovery
        {
            fields.insert("recovery".to_owned(), json!(true));
            if let (Some(pid), Some(offset)) = (&credentials.pid, &credentials.offset) {
                fields.insert("pid".to_owned(), json!(pid));
                fields.insert("offset".to_owned(), json!(offset));
            }
        }
        auth
    }

    /// The server let the client in. `true` if as the one it was before.
    pub(crate) fn let_in(&self, pid: Option<&str>) -> bool {
        let mut credentials = self.credentials();
        let recovered = pid.is_some() && credentials.pid.as_deref() == pid;
        credentials.pid = pid.map(str::to_owned);
        if !recovered {
            credentials.offset = None;
        }
        recovered
    }

    /// An event came: if the server offers recovery, its last argument is its offset.
    pub(crate) fn note_offset(&self, last_argument: Option<&Value>) {
        let Some(offset) = last_argument.and_then(Value::as_str) else { return };
        let mut credentials = self.credentials();
        if credentials.pid.is_some() {
            credentials.offset = Some(offset.to_owned());
        }
    }

    /// Whether the client wants to be in.
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(*self.membership.borrow(), Membership::Left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_recovery_needs_is_said_once_it_is_known_and_forgotten_when_the_server_has() {
        let channel = Channel::new("/hook", 0, json!({"token": "t"}), true);
        assert_eq!(channel.auth(), json!({"token": "t", "recovery": true}));
        assert!(!channel.let_in(Some("p1")));
        assert_eq!(
            channel.auth(),
            json!({"token": "t", "recovery": true}),
            "nothing has come that could be missed after"
        );
        channel.note_offset(Some(&json!("7.0")));
        channel.note_offset(Some(&json!(8)));
        assert_eq!(channel.auth(), json!({"token": "t", "recovery": true, "pid": "p1", "offset": "7.0"}));
        assert!(channel.let_in(Some("p1")));
        assert_eq!(channel.auth()["offset"], "7.0");
        assert!(!channel.let_in(Some("p2")));
        assert_eq!(channel.auth().get("offset"), None);
        assert!(!channel.let_in(None) && !channel.let_in(None));
    }

    #[test]
    fn a_server_that_offers_no_recovery_has_no_offsets() {
        let channel = Channel::new("/hook", 0, json!({}), false);
        channel.let_in(None);
        channel.note_offset(Some(&json!("just text")));
        assert_eq!(channel.auth(), json!({}));
    }
}
