//! The namespace `/admin`: the server's side of @socket.io/admin-ui, for who has its password.
//!
//! Nothing is watched while no admin is connected. In development mode the whole traffic is shown, up to a bound; in
//! production mode figures alone.

mod command;
mod figures;
mod login;
mod shape;
mod watcher;

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use socketio::engine::CloseReason;
use socketio::packet::Event;
use socketio::{ConnectRefusal, Encoded, Json, Observation, Socket};
use tokio::sync::Notify;

use crate::access::Visitor;
use crate::app::App;
use crate::clock;
use crate::config::{self, AdminMode};
use login::Login;
use watcher::Watcher;

pub use login::{check_hash, hash_password};

/// The namespace.
pub(crate) const NAMESPACE: &str = "/admin";

/// Bytes of the first list of sockets; what is beyond it is told as if it came now, and may be dropped.
const LIST_BYTES_MAX: usize = 1024 * 1024;

/// Commands, in the words of the page; a read-only one has none.
const COMMANDS: [&str; 7] = ["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"];

/// What serves admins.
pub(crate) struct Admin {
    mode: AdminMode,
    read_only: bool,
    /// None where nobody is named and programs of this user alone get in: they see figures, and change nothing.
    login: Option<Login>,
    /// Told when an admin comes.
    came: Notify,
    /// How many admins there are, and what watches for them. Held for one change.
    watching: Mutex<(usize, Option<Observation>)>,
}

/// The id of the session that a login began, for the greeting.
struct Begun(String);

impl Admin {
    /// The admin that the configuration names; without one, on a monitor that this user alone can reach, anybody may look.
    pub(crate) fn new(named: Option<&config::Admin>, is_private: bool) -> Option<Admin> {
        let (mode, read_only, login) = match named {
            Some(named) => (named.mode, named.read_only, Some(Login::new(&named.user, &named.password_hash))),
            None if is_private => (AdminMode::Production, true, None),
            None => return None,
        };
        Some(Admin { mode, read_only, login, came: Notify::new(), watching: Mutex::default() })
    }

    /// Lets in who brings the password, or the id of a session that it began.
    pub(crate) fn connect(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectRefusal> {
        let address = socket.handshake().extensions.get::<Visitor>().map(|visitor| visitor.peer.ip());
        let Some(login) = &self.login else { return Ok(()) };
        if let Some(session) = login.check(auth, address)? {
            socket.set_data(Begun(session));
        }
        Ok(())
    }

    /// Greets an admin: its session, what it may do, the figures, and in development mode who is there.
    pub(crate) fn connected(&self, app: &Arc<App>, socket: &Socket) {
        let development = self.mode == AdminMode::Development;
        if development {
            self.watch(app);
        }
        if let Some(begun) = socket.data::<Begun>() {
            emit(socket, "session", &[json!(begun.0)]);
        }
        if development {
            tell_connected(app, socket);
        }
        let mut features: Vec<&str> = if self.read_only { Vec::new() } else { COMMANDS.to_vec() };
        features.push("AGGREGATED_EVENTS");
        if development {
            features.push("ALL_EVENTS");
        }
        emit(socket, "config", &[json!({ "supportedFeatures": features })]);
        emit(socket, "server_stats", &[figures::payload(app, Vec::new())]);
        if development {
            self.list(app, socket);
        }
        self.came.notify_one();
    }

    pub(crate) fn upgraded(&self, app: &App, socket: &Socket) {
        if self.mode == AdminMode::Development {
            tell(app, "socket_updated", &[shape::upgraded(socket)]);
        }
    }

    pub(crate) fn disconnected(&self, app: &App, socket: &Socket, reason: CloseReason) {
        if self.mode != AdminMode::Development {
            return;
        }
        for room in socket.rooms() {
            tell(app, "room_left", &[json!(NAMESPACE), json!(room), json!(socket.id().as_str()), now()]);
        }
        tell_disconnected(app, socket, reason);
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        watching.0 = watching.0.saturating_sub(1);
        let ended = if watching.0 == 0 { watching.1.take() } else { None };
        drop(watching);
        drop(ended);
    }

    /// Does what an admin asks for, if it may.
    pub(crate) fn event(&self, app: &App, event: &Event) {
        if self.read_only {
            return;
        }
        if let Err(reason) = command::run(&app.io, event) {
            tracing::debug!("an admin's command {:?}: {reason}", event.name);
        }
    }

    /// Subscribes before the sockets are listed, so that none is missed.
    fn watch(&self, app: &Arc<App>) {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        watching.0 += 1;
        watching.1.get_or_insert_with(|| app.io.observe(Arc::new(Watcher::new(app))));
    }

    fn list(&self, app: &App, to: &Socket) {
        let mut listed = Vec::new();
        let mut bytes = 0;
        let sockets = app.io.namespaces().into_iter().flat_map(|(name, _)| app.io.sockets(&name));
        for socket in sockets {
            let shape = shape::socket(&socket);
            if bytes < LIST_BYTES_MAX {
                bytes += shape.to_string().len();
                listed.push(shape);
                continue;
            }
            let args = [shape, json!(clock::now())];
            // Droppable: an admin who cannot take it sees fewer sockets.
            let _ = to.send(&encoded("socket_connected", &args));
        }
        emit(to, "all_sockets", &[Value::Array(listed)]);
    }
}

/// Sends the figures every two seconds while there is an admin.
pub(crate) async fn tell_figures(app: Arc<App>) {
    let Some(admin) = &app.admin else { return };
    loop {
        tokio::select! {
            () = app.stopped.cancelled() => return,
            () = admin.came.notified() => {}
        }
        tokio::select! {
            () = app.stopped.cancelled() => return,
            () = figures::repeat(&app) => {}
        }
    }
}

fn tell_connected(app: &App, socket: &Socket) {
    for room in socket.rooms() {
        tell(app, "room_joined", &[json!(socket.namespace()), json!(room), json!(socket.id().as_str()), now()]);
    }
    tell(app, "socket_connected", &[shape::socket(socket), now()]);
}

fn tell_disconnected(app: &App, socket: &Socket, reason: CloseReason) {
    let id = json!(socket.id().as_str());
    tell(app, "socket_disconnected", &[json!(socket.namespace()), id, json!(reason.as_str()), now()]);
}

fn now() -> Value {
    json!(clock::now())
}

/// Tells all admins.
fn tell(app: &App, name: &str, args: &[Value]) {
    app.io.to(NAMESPACE).emit(&encoded(name, args));
}

fn encoded(name: &str, args: &[Value]) -> Encoded {
    let args: Vec<_> = args.iter().map(Json::Value).collect();
    Encoded::event(NAMESPACE, name, &args)
}

/// Tells one admin; one that is gone, or full of what may not be dropped, is dealt with by its connection.
fn emit(socket: &Socket, name: &str, args: &[Value]) {
    let _ = socket.emit(name, args);
}
