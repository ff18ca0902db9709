//! Every public message. Serialize is a promise here: each form has a golden file in `contract/` (invariant I8).

pub mod broadcast;
pub mod claude_mpm;
pub mod history;
pub mod socketio;
pub mod spans;
pub mod table;
pub mod websocket;
