//! What lies around a server and is none of its business: whoever starts it may let it be asked.
//!
//! The doctor's checks, the other monitors of this machine and the log belong to the program with the commands; the page
//! shows them. Where nobody lets the server be asked, it says that it does not know.

use serde_json::Value;

/// Asked by requests, in a thread where waiting is allowed.
pub trait Surroundings: Send + Sync {
    /// What the doctor finds, each as `{"check", "state", "said", "fix", "fixable"}`.
    fn checks(&self) -> Vec<Value>;

    /// What listens on the ports of monitors, each as `{"port", "by", …}`.
    fn monitors(&self) -> Vec<Value>;

    /// The last lines of this server's log; `None` when there is none.
    fn log(&self, lines: usize) -> Option<Vec<String>>;
}
