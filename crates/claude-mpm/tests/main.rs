//! Promises of the program, kept by running it: real processes, real sockets, temporary homes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says on stderr what it skips"
)]

mod access;
mod admin;
mod background;
mod claude;
mod claude_mpm;
mod configuration;
mod contract;
mod disk;
mod documents;
mod doors;
mod erase;
mod import;
mod kill;
mod launch;
mod launcher;
mod metrics;
mod openapi;
mod otlp;
mod ports;
mod proxies;
mod raw;
mod recovery;
mod restart;
mod runs;
mod set_up;
mod spans;
mod spool;
mod stats;
mod store;
mod stream;
mod support;
mod system;
mod tail;
mod terminal;
mod tls;
mod transcripts;
