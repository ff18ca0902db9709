//! The words of the monitor: what an event is, what a session is, and how each looks on every wire.
//!
//! A wall, because the hook (which runs at every tool call) and tests without a server both stand on it: nothing in
//! here opens a file, reads a clock or knows a socket (invariant I7). Clock, environment and paths come in as values.
//!
//! # Layout
//!
//! * [`event`]: a [`Fact`](event::Fact) is what happened, an [`Event`](event::Event) is a fact with its place in
//!   history
//! * [`vocabulary`]: the one table of kinds, namespaces, channels and hook names
//! * [`hook_input`]: what Claude Code sends on a hook's stdin, read once
//! * [`emitted`]: what programs emit themselves, through HTTP, Socket.IO or the raw API
//! * [`otlp`]: OpenTelemetry's records, and the facts they tell; [`transcript`] and [`stream_json`]: what Claude Code
//!   writes
//! * [`session`]: what is known of a session, and what a new fact means in its light; with [`agent`], [`tool_call`],
//!   [`mod@todo`]
//! * [`filter`]: the query language of live views and history
//! * [`redact`] and [`bodies`]: what never reaches the disk, and what never reaches a wire
//! * [`wire`]: every public message
//! * [`frame`]: the bytes a hook writes into the spool

pub mod frame;

#[cfg(feature = "words")]
pub mod agent;
#[cfg(feature = "words")]
pub mod bodies;
#[cfg(feature = "words")]
pub mod emitted;
#[cfg(feature = "words")]
pub mod event;
#[cfg(feature = "words")]
pub mod filter;
#[cfg(feature = "words")]
pub mod hook_input;
#[cfg(feature = "words")]
mod lenient;
#[cfg(feature = "words")]
pub mod otlp;
#[cfg(feature = "words")]
pub mod prices;
#[cfg(feature = "words")]
pub mod redact;
#[cfg(feature = "words")]
pub mod session;
#[cfg(feature = "words")]
pub mod spans;
#[cfg(feature = "words")]
pub mod stream_json;
#[cfg(feature = "words")]
pub mod summary;
#[cfg(feature = "words")]
pub mod todo;
#[cfg(feature = "words")]
pub mod tool_call;
#[cfg(feature = "words")]
pub mod transcript;
#[cfg(feature = "words")]
pub mod vocabulary;
#[cfg(feature = "words")]
pub mod wire;
