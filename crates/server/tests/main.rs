//! Promises of the server, kept against the real thing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod search;
mod spool;
