//! The Socket.IO way out: the eight namespaces and the default one, and what clients may ask there.

mod claude_mpm;
mod forward;
mod recovery;
pub(crate) mod returning;
pub(crate) mod rooms;

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use event::event::Source;
use event::vocabulary::{Kind, NAMESPACES};
use serde_json::{Value, json};
use socketio::engine::{CloseReason, ConnectionInfo, Handshake, Lost};
use socketio::packet::Event as Emitted;
use socketio::{Ack, ConnectRefusal, Handler, Server, Socket};
use tracing::debug;

use super::{admin, page, roster, status};
use crate::access::{self, Granted, Visitor};
use crate::api::sessions;
use crate::app::App;
use crate::config::Config;
use crate::ingest;
use crate::runs::{Asked, Refusal, Runs};
pub(crate) use claude_mpm::{Registered, beat};
pub(crate) use forward::forward;

/// The default namespace's events; each has a room of its name, and clients are in all until they narrow.
pub(crate) const BROADCASTS: [&str; 3] = ["agent_activity", "file_operation", "session_update"];

/// The longest room name a client may ask for, in bytes.
const ROOM_BYTES_MAX: usize = 256;

/// The Socket.IO server with all its namespaces declared.
pub(crate) fn server(app: Weak<App>, config: &Config) -> Server {
    let limits = socketio::Config {
        // One more gets in and is told `too many connections` by its namespace; the rest get 503.
        connections_max: config.connections_max.saturating_add(1),
        websocket: config.websocket,
        ..socketio::Config::default()
    };
    let server = Server::new(limits, Clients { app });
    for namespace in NAMESPACES {
        server.declare_namespace(namespace);
    }
    server.declare_namespace(page::NAMESPACE);
    server
}

/// Answers everything under `/socket.io/`.
pub(crate) async fn request(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Extension(granted): Extension<Granted>,
    mut request: Request,
) -> Response {
    if let Some(upgraded) = plain_upgrade(&request) {
        *request.uri_mut() = upgraded;
    }
    let mut info = ConnectionInfo { remote: Some(visitor.peer), secure: visitor.secure, ..ConnectionInfo::default() };
    info.extensions.insert(granted);
    info.extensions.insert(visitor);
    app.io.handle(request, info).await.into_response()
}

/// `wscat -c ws://localhost:8765/socket.io` names neither version nor transport; it means Engine.IO 4 over WebSocket.
fn plain_upgrade(request: &Request) -> Option<http::Uri> {
    let query = request.uri().query().unwrap_or_default();
    let upgrades = request.headers().contains_key(http::header::UPGRADE);
    if !upgrades || query.contains("EIO=") || query.contains("transport=") {
        return None;
    }
    let rest = if query.is_empty() { String::new() } else { format!("&{query}") };
    format!("/socket.io/?EIO=4&transport=websocket{rest}").parse().ok()
}

/// What clients ask and tell.
struct Clients {
    app: Weak<App>,
}

impl Handler for Clients {
    fn connect(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectRefusal> {
        let app = self.app.upgrade().ok_or_else(|| ConnectRefusal::new("the server is stopping"))?;
        if let (admin::NAMESPACE, Some(admin)) = (socket.namespace(), &app.admin) {
            return admin.connect(socket, auth);
        }
        admit(&app, socket, auth)?;
        recovery::check(auth).map_err(ConnectRefusal::new)?;
        if recovery::take_back(&app, socket, auth) {
            return Ok(());
        }
        match socket.namespace() {
            "/" => {
                for room in BROADCASTS {
                    socket.join(room);
                }
                claude_mpm::join(socket, auth);
            }
            page::NAMESPACE => {}
            _ => query_in(auth)
                .and_then(|query| rooms::filter(socket, &query).map_err(|error| error.to_string()))
                .map_err(ConnectRefusal::new)?,
        }
        recovery::begin(&app, socket, auth)
            .map_err(|_| ConnectRefusal::new("the server has no random bytes; try again"))
    }

    fn disconnected(&self, socket: &Socket, reason: CloseReason) {
        let Some(app) = self.app.upgrade() else { return };
        if let (admin::NAMESPACE, Some(admin)) = (socket.namespace(), &app.admin) {
            return admin.disconnected(&app, socket, reason);
        }
        recovery::left(&app, socket);
        if socket.namespace() == "/" {
            claude_mpm::left(&app, socket);
        }
    }

    fn connected(&self, socket: &Socket) {
        let Some(app) = self.app.upgrade() else { return };
        if let (admin::NAMESPACE, Some(admin)) = (socket.namespace(), &app.admin) {
            return admin.connected(&app, socket);
        }
        let greeting = match socket.namespace() {
            "/" => vec![("status", status::payload(&app))],
            "/system" => vec![("server_info", status::server_info_payload(&app)), ("status", status::payload(&app))],
            page::NAMESPACE => {
                let mut hello = page::hello(&app);
                // So that it knows itself among the clients.
                hello["client"] = roster::public_id(socket).into();
                vec![("hello", hello)]
            }
            _ => return,
        };
        for (name, payload) in greeting {
            emit(socket, name, payload);
        }
        if socket.namespace() == "/" {
            claude_mpm::greet(&app, socket);
        }
    }

    fn event(&self, socket: &Socket, event: Emitted, ack: Option<Ack>) {
        let Some(app) = self.app.upgrade() else { return };
        app.requests.fetch_add(1, Relaxed);
        if let (admin::NAMESPACE, Some(admin)) = (socket.namespace(), &app.admin) {
            return admin.event(&app, &event);
        }
        let name = event.name.clone();
        let mut args = event.into_json();
        let further = if args.len() > 1 { args.split_off(1) } else { Vec::new() };
        let mut argument = args.pop().unwrap_or_default();
        let mut ack = ack;
        if socket.namespace() == "/" {
            match claude_mpm::take(&app, socket, &name, argument, ack) {
                Some(untouched) => (argument, ack) = untouched,
                None => return,
            }
        }
        match (socket.namespace(), name.as_str()) {
            ("/" | "/system", "get_status") => answer(socket, ack, "status", status::payload(&app)),
            ("/" | page::NAMESPACE, "get_state") => answer(socket, ack, "state", sessions::snapshot(&app)),
            ("/" | "/claude" | page::NAMESPACE, "interrupt" | "stop" | "prompt") => {
                command(&app, socket, &name, argument, ack);
            }
            ("/", "subscribe") => {
                subscribe(socket, &argument, ack);
                recovery::stays(&app, socket);
            }
            (page::NAMESPACE, "ping_rtt") => acknowledge(ack, &json!({ "server_time": crate::clock::now() })),
            (page::NAMESPACE, _) => {
                acknowledge(ack, &json!({ "status": "error", "message": "this namespace takes no events" }))
            }
            (_, "subscribe") => {
                narrow(socket, &argument, ack);
                recovery::stays(&app, socket);
            }
            (_, "join" | "leave") => {
                room(socket, &name, &argument, ack);
                recovery::stays(&app, socket);
            }
            _ => {
                let said = ingest::socketio::with_further(argument, further);
                ingest::socketio::take(&app, socket.namespace(), &name, said, ack);
            }
        }
    }

    fn fell_behind(&self, socket: &Socket, lost: Lost) {
        let gap =
            json!({ "from": lost.from, "to": lost.to, "reason": "this client was too slow", "packets": lost.packets });
        emit(socket, "gap", gap);
    }

    fn upgraded(&self, socket: &Socket) {
        let Some(app) = self.app.upgrade() else { return };
        if let (admin::NAMESPACE, Some(admin)) = (socket.namespace(), &app.admin) {
            admin.upgraded(&app, socket);
        }
    }

    fn connect_refused(&self, namespace: &str, handshake: &Handshake, refusal: &ConnectRefusal) {
        let Some(app) = self.app.upgrade() else { return };
        let data = json!({ "namespace": namespace, "reason": refusal.message, "address": handshake.remote });
        debug!("a Socket.IO client was refused: {data}");
        app.show(Kind::ClientRefused, data, &format!("Refused a client of {namespace}: {}", refusal.message));
    }

    fn engine_opened(&self, handshake: &Handshake) {
        let Some(app) = self.app.upgrade() else { return };
        let data = json!({ "address": handshake.remote, "user_agent": handshake.header("user-agent") });
        debug!("a Socket.IO client connected: {data}");
        app.show(Kind::ClientConnected, data, "A client connected");
    }

    fn engine_closed(&self, handshake: &Handshake, reason: CloseReason) {
        let Some(app) = self.app.upgrade() else { return };
        let data = json!({ "address": handshake.remote, "reason": reason.as_str() });
        debug!("a Socket.IO client disconnected after {:?}: {data}", handshake.issued.elapsed().unwrap_or_default());
        app.show(Kind::ClientDisconnected, data, &format!("A client disconnected: {reason}"));
    }
}

/// Whether a client may join: it brought the token, if one is needed, and there is a place for it.
fn admit(app: &App, socket: &Socket, auth: &Value) -> Result<(), ConnectRefusal> {
    let extensions = &socket.handshake().extensions;
    let granted = extensions.get::<Granted>().is_some_and(|granted| granted.token);
    if app.access.needs_token() && !granted {
        let brought = auth.get("token").and_then(Value::as_str);
        let (Some(brought), Some(visitor)) = (brought, extensions.get::<Visitor>()) else {
            return Err(ConnectRefusal::new(access::INVALID_TOKEN));
        };
        app.access.admits(brought, visitor).map_err(|refused| ConnectRefusal::new(refused.message()))?;
    }
    if app.clients() > app.config.connections_max as u64 {
        return Err(ConnectRefusal::new("too many connections"));
    }
    Ok(())
}

/// Tells an agent something, for a client that may; the acknowledgement says what came of it.
fn command(app: &Arc<App>, socket: &Socket, name: &str, argument: Value, ack: Option<Ack>) {
    // Whoever is here with a token brought it in `auth`, if not in a header.
    let granted = socket.handshake().extensions.get::<Granted>().is_some_and(|granted| granted.trusted);
    let mut asked = argument;
    if let Value::Object(fields) = &mut asked {
        fields.insert("command".to_owned(), Value::from(name));
    }
    let asked = if granted || app.access.needs_token() { Asked::read(app, &asked) } else { Err(Refusal::NotTrusted) };
    let task = Arc::clone(app);
    app.tasks.spawn(async move {
        let told = match asked {
            Ok(asked) => Runs::tell(&task, asked, Source::Socketio).await,
            Err(refusal) => Err(refusal),
        };
        let answer = told.unwrap_or_else(|refusal| json!({ "status": "error", "message": refusal.to_string() }));
        acknowledge(ack, &answer);
    });
}

/// Narrows what a client of one of the eight namespaces gets to what a query wants, or to log lines of a level and above.
fn narrow(socket: &Socket, argument: &Value, ack: Option<Ack>) {
    let asked = match argument {
        Value::Object(_) | Value::Null => query_in(argument),
        _ => Err("send an object such as {\"q\": \"tool:Bash\"} or {\"level\": \"WARNING\"}".to_owned()),
    };
    match asked.and_then(|query| rooms::filter(socket, &query).map_err(|error| error.to_string()).map(|()| query)) {
        Ok(query) => acknowledge(ack, &json!({ "status": "ok", "q": query })),
        Err(message) => acknowledge(ack, &json!({ "status": "error", "message": message })),
    }
}

/// `{"q": …}` and `{"level": "WARNING"}`, both or none.
fn query_in(argument: &Value) -> Result<String, String> {
    let text = |key: &str| match argument.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim())),
        Some(_) => Err(format!("{key:?} must be a string")),
    };
    let level = text("level")?.filter(|level| !level.is_empty()).map(|level| format!("level:{level}"));
    let query = text("q")?.filter(|query| !query.is_empty()).map(str::to_owned);
    Ok([query, level].into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// The events of the default namespace that are asked for: `{"events": […]}` as an argument, or the whole
/// `{"event", "data": {"events": […]}}` as the document prints it.
fn broadcasts_in(argument: &Value) -> Result<Vec<&str>, String> {
    let asked = argument.get("events").or_else(|| argument.get("data")?.get("events"));
    let events = match (argument, asked) {
        (Value::Null, _) | (Value::Object(_), None | Some(Value::Null)) => return Ok(Vec::new()),
        (Value::Object(_), Some(Value::Array(events))) => events,
        _ => return Err("send {\"events\": […]}, a list of names".to_owned()),
    };
    let is_known = |name: &str| name == "*" || claude_mpm::names().any(|known| known == name);
    let named = |event| match Value::as_str(event) {
        Some(name) if is_known(name) => Ok(name),
        _ => {
            Err(format!("no event is called {event}; there are {}", claude_mpm::names().collect::<Vec<_>>().join(", ")))
        }
    };
    events.iter().map(named).collect()
}

/// Narrows what a client of the default namespace gets; an empty or missing list gives everything back.
fn subscribe(socket: &Socket, argument: &Value, ack: Option<Ack>) {
    let asked = match broadcasts_in(argument) {
        Ok(asked) => asked,
        Err(message) => return acknowledge(ack, &json!({ "status": "error", "message": message })),
    };
    let mut subscribed = Vec::new();
    for name in claude_mpm::names() {
        if asked.is_empty() || asked.contains(&name) || asked.contains(&"*") {
            socket.join(name);
            subscribed.push(name);
        } else {
            socket.leave(name);
        }
    }
    acknowledge(ack, &json!({ "status": "ok", "events": subscribed }));
}

fn room(socket: &Socket, verb: &str, argument: &Value, ack: Option<Ack>) {
    let name = argument.as_str().or_else(|| argument.get("room")?.as_str());
    let Some(name) = name.filter(|name| !name.is_empty() && name.len() <= ROOM_BYTES_MAX) else {
        return acknowledge(ack, &json!({ "status": "error", "message": "a room is a string of 1 to 256 bytes" }));
    };
    if rooms::is_ours(name) {
        return acknowledge(
            ack,
            &json!({ "status": "error", "message": format!("{name:?} is not for clients to join") }),
        );
    }
    let changed = if verb == "join" { socket.join(name) } else { socket.leave(name) };
    if verb == "join" && !changed && !socket.rooms().iter().any(|joined| joined == name) {
        return acknowledge(ack, &json!({ "status": "error", "message": "this client is in as many rooms as it may" }));
    }
    rooms::narrow(socket);
    acknowledge(ack, &json!({ "status": "ok", "room": name, "changed": changed }));
}

/// Answers by event, as the documents print it, and by acknowledgement for those who asked for one.
fn answer(socket: &Socket, ack: Option<Ack>, name: &str, payload: Value) {
    acknowledge(ack, &payload);
    emit(socket, name, payload);
}

/// A client that is gone, or full of what may not be dropped, is dealt with by its connection.
fn emit(socket: &Socket, name: &str, payload: Value) {
    let _ = socket.emit(name, &[payload]);
}

/// Answers an event whose sender wants to know.
pub(crate) fn acknowledge(ack: Option<Ack>, payload: &Value) {
    if let Some(ack) = ack {
        let _ = ack.send(std::slice::from_ref(payload));
    }
}
