//! One client's connection: its packets in, and the sockets it has in namespaces.

use crate::ack::Ack;
use crate::encoded::encode_protocol;
use crate::engine::{Accept, CloseReason, Entry, Handshake, Listener, Lost, Message, Refusal, Session};
use crate::handler::{ConnectRefusal, Handler};
use crate::id::SocketId;
use crate::namespace::Namespace;
use crate::observer::Observer;
use crate::packet::{Decoder, Kind, Limits, Packet};
use crate::server::Core;
use crate::socket::Socket;
use crate::sync::lock;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, Weak};
use tokio::time::Instant;

/// Makes a [`Connection`] of every new session.
pub(crate) struct Acceptor {
    pub(crate) core: Arc<Core>,
}

impl Accept for Acceptor {
    fn open(&self, session: &Session) -> Arc<dyn Listener> {
        session.expire_at(Some(Instant::now() + self.core.config.connect_timeout));
        self.core.handler.engine_opened(session.handshake());
        Arc::new_cyclic(|this| Connection {
            this: this.clone(),
            core: Arc::clone(&self.core),
            session: session.clone(),
            decoder: Mutex::new(Decoder::new(Limits::from(&self.core.config))),
            sockets: Mutex::default(),
        })
    }

    fn refused(&self, refusal: Refusal, handshake: &Handshake) {
        self.core.handler.engine_refused(refusal, handshake);
    }
}

pub(crate) struct Connection {
    this: Weak<Self>,
    core: Arc<Core>,
    session: Session,
    /// Held while one message is decoded.
    decoder: Mutex<Decoder>,
    /// Held for one look or change, never across a callback.
    sockets: Mutex<Sockets>,
}

#[derive(Default)]
struct Sockets {
    open: Vec<Socket>,
    /// Namespaces from which we sent the client away: what it sent before it knew is no fault of its own.
    dismissed: Vec<Arc<str>>,
    last_owner: u32,
    closed: bool,
}

impl Listener for Connection {
    fn message(&self, message: Message) {
        let decoded = match message {
            Message::Text(text) => lock(&self.decoder).text(&text),
            Message::Binary(bytes) => lock(&self.decoder).binary(bytes),
        };
        match decoded {
            Ok(Some(packet)) => self.packet(packet),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(error = %error, "a client broke the protocol: {error}");
                self.session.close(CloseReason::ParseError);
            }
        }
    }

    fn fell_behind(&self, owner: u32, lost: Lost) {
        let socket = lock(&self.sockets).open.iter().find(|socket| socket.owner() == owner).cloned();
        if let Some(socket) = socket {
            self.handler().fell_behind(&socket, lost);
        }
    }

    fn upgraded(&self) {
        let sockets = lock(&self.sockets).open.clone();
        for socket in &sockets {
            self.handler().upgraded(socket);
            self.observe(socket, |observer| observer.upgraded(socket));
        }
    }

    fn closed(&self, reason: CloseReason) {
        let sockets = {
            let mut sockets = lock(&self.sockets);
            sockets.closed = true;
            std::mem::take(&mut sockets.open)
        };
        for socket in sockets {
            self.end(&socket, reason);
        }
        self.handler().engine_closed(self.session.handshake(), reason);
    }
}

impl Connection {
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    fn handler(&self) -> &dyn Handler {
        &*self.core.handler
    }

    fn packet(&self, packet: Packet) {
        match packet {
            Packet::Connect { namespace, data } => self.connect(&namespace, data),
            Packet::Disconnect { namespace } => {
                if let Some(socket) = self.socket(&namespace) {
                    self.remove(&socket);
                    self.end(&socket, CloseReason::ClientDisconnect);
                }
            }
            Packet::Event { namespace, id, event } => {
                if let Some(socket) = self.socket(&namespace) {
                    self.observe(&socket, |observer| observer.received(&socket, &event));
                    let ack = id.map(|id| Ack { socket: socket.clone(), id });
                    self.handler().event(&socket, event, ack);
                }
            }
            Packet::Ack { namespace, id, answer } => {
                if let Some(socket) = self.socket(&namespace) {
                    socket.answer(id, answer);
                }
            }
            Packet::ConnectError { .. } => self.session.close(CloseReason::ParseError),
        }
    }

    /// The connection's socket in a namespace. A client that speaks to one it has not joined is let go, as in the
    /// reference, unless we sent it away from there.
    fn socket(&self, namespace: &str) -> Option<Socket> {
        let sockets = lock(&self.sockets);
        let socket = sockets.open.iter().find(|socket| socket.namespace() == namespace).cloned();
        let dismissed = sockets.dismissed.iter().any(|name| **name == *namespace);
        drop(sockets);
        if socket.is_none() && !dismissed {
            self.session.close(CloseReason::NotConnected);
        }
        socket
    }

    fn connect(&self, name: &str, auth: Option<Value>) {
        let (twice, joined) = {
            let sockets = lock(&self.sockets);
            (sockets.open.iter().any(|socket| socket.namespace() == name), sockets.open.len())
        };
        if twice {
            return self.session.close(CloseReason::NotConnected);
        }
        let Some(namespace) = self.core.namespace(name) else {
            return self.refuse(name, &ConnectRefusal::new("Invalid namespace"));
        };
        if joined >= self.core.config.namespaces_max {
            return self.refuse(name, &ConnectRefusal::new("too many namespaces"));
        }
        let Some(socket) = self.new_socket(namespace) else {
            return self.refuse(name, &ConnectRefusal::new("the server has no random numbers"));
        };
        match self.handler().connect(&socket, &auth.unwrap_or_else(|| json!({}))) {
            Ok(()) => self.greet(&socket),
            Err(refusal) => {
                socket.refused();
                self.refuse(name, &refusal);
            }
        }
    }

    fn new_socket(&self, namespace: Arc<Namespace>) -> Option<Socket> {
        let owner = {
            let mut sockets = lock(&self.sockets);
            sockets.last_owner = sockets.last_owner.wrapping_add(1);
            sockets.last_owner
        };
        Some(Socket::new(SocketId::random().ok()?, namespace, &self.this.upgrade()?, owner))
    }

    /// The handler let the client in: answer, open the socket for broadcasts, and greet.
    fn greet(&self, socket: &Socket) {
        self.session.expire_at(None);
        let closed = {
            let mut sockets = lock(&self.sockets);
            if !sockets.closed {
                sockets.dismissed.retain(|name| **name != *socket.namespace());
                sockets.open.push(socket.clone());
            }
            sockets.closed
        };
        if closed {
            socket.end(CloseReason::TransportClose);
        } else {
            let mut answer = json!({ "sid": socket.id().as_str() });
            if let Some(pid) = socket.recovery_id() {
                answer["pid"] = Value::from(pid.secret());
            }
            self.send(Kind::Connect, socket.namespace(), &answer);
            if let Some(older) = socket.go_live() {
                older.disconnect(false);
            }
            self.observe(socket, |observer| {
                socket.rooms().iter().for_each(|room| observer.joined(socket, room));
                observer.connected(socket);
            });
            self.handler().connected(socket);
        }
        if let Some(reason) = socket.greeted() {
            self.remove(socket);
            self.tell_disconnected(socket, reason);
        }
    }

    fn refuse(&self, namespace: &str, refusal: &ConnectRefusal) {
        self.send(Kind::ConnectError, namespace, &refusal.to_json());
        self.handler().connect_refused(namespace, self.session.handshake(), refusal);
    }

    fn send(&self, kind: Kind, namespace: &str, data: &Value) {
        let frames = encode_protocol(kind, namespace, Some(data));
        // An error means that the session is over or about to be.
        let _ = self.session.push(Entry { frames, tag: 0, owner: 0, keep: true, at: Instant::now() });
    }

    /// The program disconnects a socket.
    pub(crate) fn dismiss(&self, socket: &Socket) {
        if self.remove(socket) {
            let name: Arc<str> = socket.namespace().into();
            lock(&self.sockets).dismissed.push(name);
        }
        self.end(socket, CloseReason::ServerDisconnect);
    }

    fn remove(&self, socket: &Socket) -> bool {
        let mut sockets = lock(&self.sockets);
        let before = sockets.open.len();
        sockets.open.retain(|open| open != socket);
        sockets.open.len() != before
    }

    fn end(&self, socket: &Socket, reason: CloseReason) {
        if socket.end(reason) {
            self.tell_disconnected(socket, reason);
        }
    }

    fn tell_disconnected(&self, socket: &Socket, reason: CloseReason) {
        self.observe(socket, |observer| {
            socket.rooms().iter().for_each(|room| observer.left(socket, room));
            observer.disconnected(socket, reason);
        });
        self.handler().disconnected(socket, reason);
    }

    fn observe(&self, socket: &Socket, tell: impl Fn(&dyn Observer)) {
        self.core.observers.tell(socket.namespace(), tell);
    }
}
