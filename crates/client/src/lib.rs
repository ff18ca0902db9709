//! A Socket.IO 5 client over WebSocket: several namespaces on one connection, bounded everywhere, and never in the way.
//!
//! A wall of its own because programs that only tell a server something need no server.
//!
//! # Layout
//!
//! * [`Client`] is one connection that makes itself again; [`Config`] has every limit with its reason, and [`Backoff`]
//!   the pauses between attempts.
//! * [`Socket`] is the client in one namespace: it emits, waits for acknowledgements, and gives what comes as
//!   [`Incoming`]; [`Ack`] is the right to answer.
//! * [`Emitter`] is whoever takes events, be it a server in this process or, by [`ClientProxy`], one elsewhere.
//! * [`LogLayer`] streams `tracing` events to `/log`.
//! * [`Connector`] is the way to the server: TCP unless the program brings another, TLS for instance.
//!
//! What is emitted waits in a queue that is bounded in bytes, also while there is no connection. When it is full the
//! oldest packets go, and [`Client::stats`] counts them. Nothing that emits ever waits.
//!
//! What was written to a connection that then broke may have arrived or not: who must know asks for an
//! acknowledgement. In the other direction [`Config::recovery`] asks the server for what was missed.
//!
//! ```no_run
//! use client::{Client, Config, Incoming};
//! use serde_json::json;
//! use std::time::Duration;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { auth: json!({"token": "secret"}), recovery: true, ..Config::default() };
//! let client = Client::connect("http://localhost:8765", config)?;
//! let hook = client.socket("/hook")?;
//! let answer = hook.emit_with_ack("post_tool", &[json!({"tool_name": "Edit"})], Duration::from_secs(5)).await?;
//! while let Some(incoming) = hook.next().await {
//!     if let Incoming::Event { event, .. } = incoming {
//!         tracing::info!("{} {:?}", event.name, event.args);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod backoff;
mod channel;
mod config;
mod connection;
mod connector;
mod emitter;
mod error;
mod handle;
mod inbox;
mod life;
mod log_layer;
mod outbox;
mod own_work;
mod reading;
mod shared;
mod socket;
mod target;
mod writing;

pub use backoff::Backoff;
pub use config::Config;
pub use connector::{Connector, Io};
pub use emitter::{ClientProxy, Emitter};
pub use error::{AckError, ConnectionError, Error, Refusal};
pub use handle::{Client, Link, Stats};
pub use inbox::Incoming;
pub use log_layer::LogLayer;
pub use socket::{Ack, Joined, Membership, Socket};
