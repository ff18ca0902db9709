//! Tests of the whole crate: recordings of the real client, states, the wire contract, hostile input.

mod contract;
mod hostile;
mod monitor;
mod recordings;
mod states;
