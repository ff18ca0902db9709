//! What the crate promises, told over real connections on port 0.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and says what it skips")]

mod broadcast;
mod decoders;
mod engine;
mod events;
mod handshake;
mod heartbeat;
mod limits;
mod namespaces;
mod observer;
mod peers;
mod polling;
mod programs;
mod recovery;
mod shutdown;
mod slow_clients;
mod unmodified_clients;
mod upgrade;
mod websocket;
