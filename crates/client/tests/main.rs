//! What the crate promises, told over real connections: to the project's own server on port 0, and to servers that a test
//! plays by hand.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking, and says what it skips")]

mod acks;
mod by_hand;
mod emitter;
mod examples;
mod namespaces;
mod protocol;
mod queue;
mod reconnect;
mod reference;
mod support;
