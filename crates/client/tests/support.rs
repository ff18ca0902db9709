//! A server that records what clients send, keeps what it published, and can be started again on its port.

use bytes::Bytes;
use client::{Backoff, Client, Config, Incoming, Socket};
use hyper::body::Incoming as Body;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use socketio::engine::{CloseReason, ConnectionInfo};
use socketio::packet::Event;
use socketio::{Ack, CatchUp, ConnectRefusal, Encoded, Handler, Json, RecoveryId, Restored, Server, SocketId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Longer than anything takes on a busy machine; only a broken promise waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const NAMESPACES: [&str; 8] =
    ["/system", "/session", "/claude", "/agent", "/hook", "/todo", "/memory", "/log"];

/// What `what` gives, or a failure that names it.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// What outlives a server: its events, who may come back, and whom it lets in.
#[derive(Default)]
pub(crate) struct Kept {
    events: Mutex<HashMap<String, Vec<Encoded>>>,
    gone: Mutex<HashMap<String, (SocketId, Vec<String>)>>,
    /// The token that clients must bring, if any.
    pub(crate) token: Mutex<Option<String>>,
}

impl Kept {
    /// Sends everything after `after`, then whatever is published meanwhile.
    async fn replay(self: Arc<Self>, mut catch_up: CatchUp, mut after: u64) -> Option<()> {
        let namespace = catch_up.socket().namespace().to_owned();
        loop {
            let events = self.events.lock().unwrap().get(&namespace).cloned().unwrap_or_default();
            for packet in events.iter().filter(|packet| packet.tag() > after) {
                catch_up.send(packet).await.ok()?;
            }
            after = events.last().map_or(after, Encoded::tag);
            match catch_up.finish(after) {
                Ok(()) => return Some(()),
                Err(behind) => catch_up = behind.catch_up,
            }
        }
    }
}

/// An event that a client sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) namespace: String,
    pub(crate) event: Event,
}

struct Program {
    kept: Arc<Kept>,
    heard: UnboundedSender<Heard>,
    left: UnboundedSender<CloseReason>,
}

impl Handler for Program {
    fn connect(&self, socket: &socketio::Socket, auth: &Value) -> Result<(), ConnectRefusal> {
        let token = self.kept.token.lock().unwrap().clone();
        if token.is_some_and(|token| auth["token"] != token.as_str()) {
            let data = Some(json!({"hint": "set a token"}));
            return Err(ConnectRefusal { message: "Invalid authentication token".to_owned(), data });
        }
        socket.set_data(auth.clone());
        if auth["recovery"] != true {
            return Ok(());
        }
        let offset = auth["offset"].as_str().and_then(|offset| offset.split_once('.')?.0.parse().ok());
        let pid = auth["pid"].as_str().unwrap_or_default();
        let kept = self.kept.gone.lock().unwrap().remove(pid);
        if let (Some(offset), Some((id, rooms))) = (offset, kept) {
            let catch_up = socket.restore(Restored { id, pid: RecoveryId::known(pid), rooms }).unwrap();
            tokio::spawn(Arc::clone(&self.kept).replay(catch_up, offset));
            return Ok(());
        }
        socket.offer_recovery().unwrap();
        Ok(())
    }

    fn event(&self, socket: &socketio::Socket, event: Event, ack: Option<Ack>) {
        match (event.name.as_str(), ack) {
            ("never answered", _) => {}
            ("send me away", _) => socket.disconnect(false),
            ("who am I", Some(ack)) => ack.send(&[(*socket.data::<Value>().unwrap()).clone()]).unwrap(),
            (_, Some(ack)) => ack.send_binary(&event.args, &event.attachments).unwrap(),
            ("echo", None) => socket.emit_binary("echoed", &event.args, &event.attachments).unwrap(),
            _ => {}
        }
        // A test that has ended listens no more.
        let _ = self.heard.send(Heard { namespace: socket.namespace().to_owned(), event });
    }

    fn disconnected(&self, socket: &socketio::Socket, reason: CloseReason) {
        if let Some(pid) = socket.recovery_id() {
            let kept = (socket.id(), Vec::new());
            self.kept.gone.lock().unwrap().insert(pid.secret().to_owned(), kept);
        }
        let _ = self.left.send(reason);
    }
}

pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) port: u16,
    pub(crate) kept: Arc<Kept>,
    heard: UnboundedReceiver<Heard>,
    left: UnboundedReceiver<CloseReason>,
    listening: tokio::task::AbortHandle,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_at(0, socketio::Config::default(), Arc::default())
    }

    pub(crate) fn start_at(port: u16, config: socketio::Config, kept: Arc<Kept>) -> Self {
        let ((heard_sender, heard), (left_sender, left)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let program = Program { kept: Arc::clone(&kept), heard: heard_sender, left: left_sender };
        let server = Server::new(config, program);
        NAMESPACES.iter().for_each(|namespace| server.declare_namespace(namespace));
        let socket = TcpSocket::new_v4().unwrap();
        // A server that is started again takes its port again.
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], port).into()).unwrap();
        let listener = socket.listen(128).unwrap();
        let port = listener.local_addr().unwrap().port();
        let listening = tokio::spawn(accept(listener, server.clone())).abort_handle();
        Self { server, port, kept, heard, left, listening }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.url(), quick()).unwrap()
    }

    /// Ends the server. What it kept can be given to the next one.
    pub(crate) async fn stop(self) -> (u16, Arc<Kept>) {
        self.listening.abort();
        within("the end of a server", self.server.shutdown()).await;
        (self.port, self.kept)
    }

    pub(crate) async fn restart(self) -> Self {
        let (port, kept) = self.stop().await;
        Self::start_at(port, socketio::Config::default(), kept)
    }

    /// Keeps an event with the next number, and then sends it to everybody.
    pub(crate) fn publish(&self, namespace: &str) {
        let mut events = self.kept.events.lock().unwrap();
        let events = events.entry(namespace.to_owned()).or_default();
        let seq = events.len() as u64 + 1;
        let text = format!(r#"{{"seq":{seq}}}"#);
        let packet = Encoded::event(namespace, "news", &[Json::Raw(&text)]).tagged(seq).offset(format!("{seq}.0"));
        events.push(packet.clone());
        self.server.to(namespace).emit(&packet);
    }

    pub(crate) fn publish_many(&self, count: usize, namespace: &str) {
        for _ in 0..count {
            self.publish(namespace);
        }
    }

    /// The next event that a client sent.
    pub(crate) async fn hears(&mut self) -> Heard {
        within("an event from a client", self.heard.recv()).await.unwrap()
    }

    /// Why the next socket left.
    pub(crate) async fn loses(&mut self) -> CloseReason {
        within("a client to leave", self.left.recv()).await.unwrap()
    }

    /// The only socket of a namespace.
    pub(crate) async fn only_socket(&self, namespace: &str) -> socketio::Socket {
        until("a socket", || self.server.sockets(namespace).len() == 1).await;
        self.server.sockets(namespace).remove(0)
    }
}

async fn accept(listener: TcpListener, server: Server) {
    while let Ok((stream, remote)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let server = server.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: http::Request<Body>| {
                let server = server.clone();
                let info = ConnectionInfo { remote: Some(remote), ..ConnectionInfo::default() };
                async move { Ok::<_, Infallible>(server.handle(request, info).await) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

/// As by default, with pauses that a test can wait for.
pub(crate) fn quick() -> Config {
    let backoff = Backoff { first: Duration::from_millis(10), max: Duration::from_millis(100), ..Backoff::default() };
    Config { backoff, ..Config::default() }
}

/// The next event in a namespace, with its name and arguments.
pub(crate) async fn event(socket: &Socket) -> (String, Vec<Value>) {
    let (event, _) = within("an event from the server", socket.next_event()).await.unwrap();
    (event.name, event.args)
}

/// The next thing that happens in a namespace.
pub(crate) async fn next(socket: &Socket) -> Incoming {
    within("something to happen", socket.next()).await.unwrap()
}

pub(crate) fn bytes(length: usize) -> Bytes {
    Bytes::from((0..length).map(|n| n as u8).collect::<Vec<_>>())
}
