//! The doors in: one file each. Every door parses at the edge and hands facts to the recorder.

pub(crate) mod clients;
pub(crate) mod enrich;
pub(crate) mod http;
pub(crate) mod otlp;
pub(crate) mod socketio;
pub mod spool;
pub(crate) mod spool_door;
pub(crate) mod transcripts;
