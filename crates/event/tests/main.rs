//! Tests of the whole crate: recordings of the real client, states, the wire contract, hostile input.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod contract;
mod filter;
mod hostile;
mod monitor;
mod performance;
mod programs;
mod recordings;
mod redact;
mod spans;
mod states;
mod stream_json;
mod transcripts;
