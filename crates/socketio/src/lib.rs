//! Engine.IO 4 and Socket.IO 5 for servers: correct to the letter, bounded everywhere, and cheap to fan out.
//!
//! # Layout
//!
//! * [`Server`] answers HTTP requests and sends to namespaces and rooms; [`Handler`] is the program behind it.
//! * [`Socket`] is a client in a namespace; [`Ack`] the right to answer one of its events.
//! * [`Encoded`] is an event as bytes, encoded once: the same bytes go to every socket, and waiting frames leave in
//!   one vectored write.
//! * [`Observer`] sees everything that happens, at no cost while there is none; [`Socket::restore`] and [`CatchUp`] are
//!   connection state recovery.
//! * [`Config`] has every limit with its reason; [`Stats`] counts.
//! * [`packet`] is the Socket.IO codec for both sides; [`engine`] the layer below; [`websocket`] the layer below that.
//!
//! Slow clients: every connection has one queue, bounded in bytes. What answers a client is kept; broadcasts are
//! dropped, oldest first, and [`Handler::fell_behind`] says which, by the tags that [`Encoded::tagged`] gave them.
//! A client that takes nothing at all is let go.
//!
//! ```no_run
//! use socketio::{Ack, Config, Encoded, Handler, Json, Server, Socket, packet::Event};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     fn event(&self, socket: &Socket, event: Event, ack: Option<Ack>) {
//!         let sent = match ack {
//!             Some(ack) => ack.send(&event.args),
//!             None => socket.emit(&event.name, &event.args),
//!         };
//!         if let Err(error) = sent {
//!             tracing::debug!(%error, "the client is gone: {error}");
//!         }
//!     }
//! }
//!
//! let server = Server::new(Config::default(), Echo);
//! server.declare_namespace("/hook");
//! let packet = Encoded::event("/hook", "post_tool", &[Json::Raw(r#"{"seq":7}"#)]).tagged(7);
//! let reached = server.to("/hook").room("dashboards").emit(&packet);
//! ```

mod ack;
mod config;
mod connection;
mod encoded;
pub mod engine;
mod handler;
mod id;
mod namespace;
mod observer;
pub mod packet;
mod recovery;
mod server;
mod socket;
mod stats;
mod sync;
mod tasks;
pub mod websocket;

pub use ack::{Ack, AckError};
pub use config::Config;
pub use encoded::{Encoded, Json};
pub use handler::{ConnectRefusal, Handler};
pub use id::{NoRandomness, SessionId, SocketId};
pub use observer::{Observation, Observer, Sent};
pub use recovery::{Behind, CatchUp, RecoveryId, Restored};
pub use server::{Broadcast, Server};
pub use socket::Socket;
pub use stats::Stats;
