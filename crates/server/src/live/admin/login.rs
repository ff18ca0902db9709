//! Who is an admin: user and password, or a session that they began.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use bcrypt::HashParts;
use serde_json::Value;
use socketio::ConnectRefusal;
use subtle::ConstantTimeEq;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::access::attempts::Attempts;

/// What the page understands as "ask for the password again", word for word.
const INVALID: &str = "invalid credentials";

/// Sessions remembered; the oldest is forgotten, and its page asks for the password.
const SESSIONS_MAX: usize = 100;

/// Random bytes of a session's id, as many as the reference's. Guessing is slowed down, and a restart ends all sessions.
const SESSION_BYTES: usize = 8;

/// The costliest hash that is taken: it takes about a second. Checking one must not keep others waiting.
const COST_MAX: u32 = 14;

/// The cost of hashes that we make: some 50 ms each time.
const COST: u32 = 10;

/// The credentials, and what was made of them.
pub(super) struct Login {
    user: String,
    password_hash: String,
    attempts: Attempts,
    /// Held while a password is checked: one at a time, whatever many clients ask.
    checking: Mutex<()>,
    sessions: Mutex<VecDeque<String>>,
}

/// Whether this is a bcrypt hash that can be checked in good time; else why not.
pub fn check_hash(hash: &str) -> Result<(), String> {
    let cost = HashParts::from_str(hash).map_err(|error| format!("it is no bcrypt hash: {error}"))?.get_cost();
    if cost > COST_MAX {
        return Err(format!("its cost is {cost}, and at most {COST_MAX} can be checked in a second"));
    }
    Ok(())
}

/// The bcrypt hash of a password, for `monitoring.admin`.
///
/// # Errors
/// The system gives no random numbers.
pub fn hash_password(password: &str) -> Result<String, String> {
    bcrypt::hash(password, COST).map_err(|error| error.to_string())
}

impl Login {
    pub(super) fn new(user: &str, password_hash: &str) -> Login {
        Login {
            user: user.to_owned(),
            password_hash: password_hash.to_owned(),
            attempts: Attempts::default(),
            checking: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// The id of the new session for who brings the password, `None` for who brings a session.
    pub(super) fn check(&self, auth: &Value, address: Option<IpAddr>) -> Result<Option<String>, ConnectRefusal> {
        let text = |key: &str| auth.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        if self.attempts.wait(address).is_some() {
            return Err(ConnectRefusal::new("too many attempts; wait a minute"));
        }
        if text("sessionId").is_some_and(|id| self.knows(id)) {
            return Ok(None);
        }
        if let (Some(user), Some(password)) = (text("username"), text("password"))
            && self.is_admin(user, password, address)
            && let Some(session) = self.begin()
        {
            return Ok(Some(session));
        }
        // A page that opens asks with nothing in its hands, to see whether it has to ask for the password.
        if text("sessionId").or(text("password")).is_some() {
            self.attempts.failed(address);
        }
        Err(ConnectRefusal::new(INVALID))
    }

    /// Checks the password also of a wrong user, so that both take as long.
    fn is_admin(&self, user: &str, password: &str, address: IpAddr) -> bool {
        let is_user = bool::from(user.as_bytes().ct_eq(self.user.as_bytes()));
        let is_password = without_hindering(|| {
            let _alone = self.checking.lock().unwrap_or_else(PoisonError::into_inner);
            // Others of this address may have been wrong meanwhile.
            self.attempts.wait(address).is_none() && bcrypt::verify(password, &self.password_hash).unwrap_or(false)
        });
        is_user && is_password
    }

    fn knows(&self, id: &str) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().any(|known| known.as_bytes().ct_eq(id.as_bytes()).into())
    }

    fn begin(&self) -> Option<String> {
        let mut bytes = [0; SESSION_BYTES];
        getrandom::fill(&mut bytes).ok()?;
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS_MAX {
            sessions.pop_front();
        }
        sessions.push_back(id.clone());
        Some(id)
    }
}

/// Runs what takes a while, so that this thread's other tasks go on elsewhere.
fn without_hindering<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of "open sesame", at the lowest cost.
    fn login() -> Login {
        Login::new("ada", &bcrypt::hash("open sesame", 4).unwrap())
    }

    #[test]
    fn the_password_begins_a_session_and_the_session_is_enough_from_then_on() {
        let login = login();
        let session = login.check(&json!({ "username": "ada", "password": "open sesame" }), None).unwrap().unwrap();
        assert_eq!(login.check(&json!({ "sessionId": session }), None), Ok(None));
        // A page that has both may have an old session.
        let both = json!({ "sessionId": "old", "username": "ada", "password": "open sesame" });
        assert!(login.check(&both, None).unwrap().is_some_and(|another| another != session));
    }

    #[test]
    fn everything_else_is_the_same_refusal_and_guessing_ends() {
        let login = login();
        for wrong in [
            json!({}),
            json!({ "username": "ada" }),
            json!({ "username": "ada", "password": "" }),
            json!({ "username": "ada", "password": "open  sesame" }),
            json!({ "username": "Ada", "password": "open sesame" }),
            json!({ "sessionId": "" }),
            json!({ "sessionId": ["x"], "username": 7 }),
        ] {
            assert_eq!(login.check(&wrong, None).unwrap_err().message, INVALID, "{wrong}");
        }
        let address = Some("192.0.2.7".parse().unwrap());
        let wrong = json!({ "username": "ada", "password": "a guess" });
        let refused =
            (0..100).find_map(|_| login.check(&wrong, address).err().filter(|error| error.message != INVALID));
        assert!(refused.unwrap().message.starts_with("too many attempts"));
        // Not even the right one helps now, and another address is not hindered.
        let right = json!({ "username": "ada", "password": "open sesame" });
        assert!(login.check(&right, address).is_err());
        assert!(login.check(&right, Some("192.0.2.8".parse().unwrap())).is_ok());
    }

    #[test]
    fn a_hash_that_cannot_be_checked_is_refused_with_the_reason() {
        assert_eq!(check_hash("$2b$10$KIXQ4z1fGEXsu4jVkVzcYe1wI2YxX0a3m0q8p0XhC2d1e3f4g5h6i"), Ok(()));
        for (hash, reason) in [
            ("", "no bcrypt"),
            ("secret", "no bcrypt"),
            ("$2b$31$KIXQ4z1fGEXsu4jVkVzcYe1wI2YxX0a3m0q8p0XhC2d1e3f4g5h6i", "31"),
        ] {
            assert!(check_hash(hash).unwrap_err().contains(reason), "{hash}");
        }
    }
}
