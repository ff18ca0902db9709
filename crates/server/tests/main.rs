//! Promises of the server, kept against the real thing.

mod search;
mod spool;
