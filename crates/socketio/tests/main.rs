//! What the crate promises, told over real connections on port 0.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broadcast;
mod events;
mod handshake;
mod heartbeat;
mod limits;
mod namespaces;
mod peers;
mod polling;
mod shutdown;
mod slow_clients;
mod upgrade;
mod websocket;
