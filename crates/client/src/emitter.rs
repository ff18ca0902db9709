//! Whoever takes events: a server in this process, or one elsewhere. A program says what happened, not where it goes.

use crate::config::Config;
use crate::error::Error;
use crate::handle::Client;
use crate::socket::Socket;
use serde_json::Value;
use socketio::{Encoded, Json, Server};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes events for namespaces. The same call reaches everybody who listens, whether the server is here or elsewhere.
///
/// ```no_run
/// use client::{ClientProxy, Config, Emitter};
/// use serde_json::json;
///
/// let emitter = ClientProxy::connect_in_thread("http://localhost:8765", Config::default())?;
/// emitter.emit_event("/system", "custom_event", &json!({
///     "message": "Custom event data",
///     "user_id": "admin",
///     "action": "manual_trigger",
/// }))?;
/// emitter.close_and_wait();
/// # Ok::<(), client::Error>(())
/// ```
pub trait Emitter: Send + Sync {
    /// Hands an event over. Never waits. The namespace may lack its slash.
    ///
    /// # Errors
    /// The event cannot be sent as it is, or nobody takes it any more. That nobody is reached now is no error.
    fn emit_event(&self, namespace: &str, event: &str, data: &Value) -> Result<(), Error>;
}

impl<E: Emitter + ?Sized> Emitter for Arc<E> {
    fn emit_event(&self, namespace: &str, event: &str, data: &Value) -> Result<(), Error> {
        (**self).emit_event(namespace, event, data)
    }
}

/// A server in this process: everybody in the namespace gets the event.
impl Emitter for Server {
    fn emit_event(&self, namespace: &str, event: &str, data: &Value) -> Result<(), Error> {
        let namespace = crate::handle::with_slash(namespace)?;
        crate::socket::check_event(event)?;
        self.to(&namespace).emit(&Encoded::event(&namespace, event, &[Json::Value(data)]));
        Ok(())
    }
}

/// A server elsewhere, to which events go over one connection. Clones share it.
///
/// A namespace is joined with its first event. What the server sends there is not kept.
#[derive(Debug, Clone)]
pub struct ClientProxy {
    client: Client,
    /// Held for one look-up.
    sockets: Arc<Mutex<HashMap<String, Socket>>>,
}

impl ClientProxy {
    /// As [`Client::connect`].
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect(url: &str, config: Config) -> Result<Self, Error> {
        Client::connect(url, config).map(Self::over)
    }

    /// As [`Client::connect_in_thread`].
    ///
    /// # Errors
    /// As [`Client::connect_in_thread`].
    pub fn connect_in_thread(url: &str, config: Config) -> Result<Self, Error> {
        Client::connect_in_thread(url, config).map(Self::over)
    }

    /// Sends over a client that there is already.
    pub fn over(client: Client) -> Self {
        Self { client, sockets: Arc::default() }
    }

    /// The client that it uses: its counters, its flush.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// As [`Client::close`].
    pub async fn close(&self) {
        self.client.close().await;
    }

    /// As [`Client::close_and_wait`].
    pub fn close_and_wait(&self) {
        self.client.close_and_wait();
    }

    fn socket(&self, namespace: &str) -> Result<Socket, Error> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = sockets.get(namespace) {
            return Ok(socket.clone());
        }
        let socket = self.client.unread_socket(namespace, self.client.config().auth.clone())?;
        sockets.insert(namespace.to_owned(), socket.clone());
        Ok(socket)
    }
}

impl Emitter for ClientProxy {
    fn emit_event(&self, namespace: &str, event: &str, data: &Value) -> Result<(), Error> {
        self.socket(namespace)?.emit(event, std::slice::from_ref(data))
    }
}
