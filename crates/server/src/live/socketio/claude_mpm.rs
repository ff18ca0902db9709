//! The default namespace as claude-mpm's own pages and scripts know it: its greeting, its history, its requests.
//!
//! Two generations of them listen for different events ([`event::wire::claude_mpm`]). All begin as the newer one; one that
//! asks as only the older ones do is served as such from then on. Requests that read the user's files or run programs are
//! answered with a refusal, and stored as little as the others: they are no events.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use event::event::{Event, Source, Time};
use event::session::Session;
use event::wire::{claude_mpm as wire, history};
use serde_json::{Value, json};
use socketio::{Ack, Encoded, Json, Socket, SocketId};
use store::{Direction, PageQuery};

use super::{BROADCASTS, acknowledge, emit};
use crate::app::App;
use crate::clock;
use crate::ingest;
use crate::live::status;

/// Sockets that are served as the older page. No client can name it.
pub(super) const OLD: &str = "\u{1}claude-mpm-old";

/// Events that a new client is shown.
const HISTORY_GREETING: usize = 50;

/// Events in an answer, if nothing else is asked for.
const HISTORY_DEFAULT: usize = 100;

/// The most events in an answer.
const HISTORY_MAX: usize = 1_000;

/// How long a search for them may take.
const SEARCH_MAX: Duration = Duration::from_millis(400);

/// Clients in a list.
const CLIENTS_MAX: usize = 1_000;

/// The longest name that a client gives itself, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The older page reconnects when it has heard nothing for two minutes.
const BEAT_EVERY: Duration = Duration::from_secs(60);

/// What its servers call themselves; its pages show it.
const SERVICE: &str = "unified-monitor";

/// Why its file-reading requests get nothing.
const NO_FILES: &str = "This monitor does not read files for its clients";

/// The names that clients gave themselves.
#[derive(Default)]
pub(crate) struct Registered {
    /// Short scopes only.
    names: Mutex<HashMap<SocketId, Named>>,
}

struct Named {
    name: String,
    kind: String,
}

/// What is no request of theirs: the argument, and who waits for an answer.
type Untouched = Option<(Value, Option<Ack>)>;

/// How an event looks to one generation.
type Form = fn(&Event) -> Option<Value>;

fn new_form(event: &Event) -> Option<Value> {
    let (name, mut payload) = wire::message(event)?;
    // The page sets it on what comes live, and not on history.
    payload["event"] = json!(name);
    Some(payload)
}

/// The rooms of a client that has asked for nothing yet.
pub(super) fn join(socket: &Socket, auth: &Value) {
    if auth.get("claude_mpm_version").is_some() {
        socket.join(OLD);
        return;
    }
    for name in wire::NAMES {
        socket.join(name);
    }
}

/// Serves a socket as the older page from now on.
fn becomes_old(socket: &Socket) {
    if socket.join(OLD) {
        for name in wire::NAMES {
            socket.leave(name);
        }
    }
}

/// What a new client is told.
pub(super) fn greet(app: &Arc<App>, socket: &Socket) {
    let build = json!({ "monitor": { "version": app.config.version, "build": 1, "formatted_build": "0001" },
        "mpm": { "version": app.config.version, "build": "unknown" } });
    let id = socket.id().to_string();
    emit(
        socket,
        "dashboard:welcome",
        json!({ "message": "Connected to the monitor", "session_id": id,
            "server_info": { "service": SERVICE, "version": app.config.version } }),
    );
    emit(
        socket,
        "welcome",
        json!({ "type": "connection", "subtype": "welcome", "source": "server", "timestamp": clock::now(),
            "session_id": Value::Null, "data": { "message": "Connected to the monitor", "client_id": id,
                "server_time": clock::now(), "build_info": build } }),
    );
    let (task, socket) = (Arc::clone(app), socket.clone());
    app.tasks.spawn(async move {
        let query = query(HISTORY_GREETING, None);
        let Ok((events, total)) = past(&task, query, HISTORY_GREETING, None).await else { return };
        for (name, form) in [("event_history", new_form as Form), ("history", wire::old_message)] {
            let events: Vec<Value> = events.iter().filter_map(form).collect();
            emit(&socket, name, json!({ "count": events.len(), "events": events, "total_available": total }));
        }
    });
}

/// Tells all how many they are, at most once a second, and every minute that the server is there.
pub(crate) async fn beat(app: Arc<App>) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let started = Instant::now();
    let (mut told, mut beat_at, mut beats) = (0, Instant::now() + BEAT_EVERY, 0u64);
    loop {
        tokio::select! {
            () = app.stopped.cancelled() => return,
            _ = interval.tick() => {}
        }
        let count = app.io.namespaces().iter().find(|(name, _)| name == "/").map_or(0, |(_, sockets)| *sockets);
        if count != told && count > 0 {
            send(&app, "dashboard:client:count", &json!({ "count": count }));
        }
        told = count;
        if Instant::now() >= beat_at {
            beat_at += BEAT_EVERY;
            beats += 1;
            let uptime = started.elapsed().as_secs();
            let beat = json!({ "timestamp": clock::now(), "type": "heartbeat", "server_uptime": uptime,
                "server_uptime_formatted": formatted(uptime), "connected_clients": count, "heartbeat_number": beats,
                "message": "The monitor is running", "service": SERVICE, "port": app.port });
            send(&app, "heartbeat", &beat);
        }
    }
}

/// `1h 2m`, or `2m 3s`.
fn formatted(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

fn send(app: &App, name: &str, payload: &Value) {
    app.io.to("/").emit(&Encoded::event("/", name, &[Json::Value(payload)]));
}

/// Forgets what a client called itself.
pub(super) fn left(app: &App, socket: &Socket) {
    app.registered.lock().remove(&socket.id());
}

impl Registered {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SocketId, Named>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a client calls itself.
    pub(crate) fn name_of(&self, id: SocketId) -> Option<String> {
        self.lock().get(&id).map(|named| named.name.clone())
    }
}

/// Answers one of its requests; gives back what is none.
pub(super) fn take(app: &Arc<App>, socket: &Socket, name: &str, argument: Value, ack: Option<Ack>) -> Untouched {
    // Without an argument its own handlers crash; here it is an empty one.
    let text = |key: &str| argument.get(key).and_then(Value::as_str);
    let answer = |event: &str, payload: Value| {
        answer(socket, name, event, payload);
        None
    };
    match name {
        "dashboard:status" => answer(
            "dashboard:status:response",
            json!({ "service": SERVICE, "status": "running", "clients_connected": app.clients(),
                "uptime": clock::now().since(app.started_at) as f64 / 1000.0,
                "features": { "code_analysis": false, "real_ast": false, "file_monitoring": false, "dashboard": true } }),
        ),
        "dashboard:info" => answer(
            "dashboard:info:response",
            json!({ "service_name": SERVICE, "description": "Watches AI coding agents, live and afterwards",
                "features": ["events", "history", "sessions", "dashboard"],
                "endpoints": { "dashboard": "/", "health": "/health", "api": "/api" }, "events": { "claude": wire::NAMES } }),
        ),
        "dashboard:ping" => answer(
            "dashboard:pong",
            json!({ "timestamp": argument.get("timestamp").cloned().unwrap_or_else(|| json!(seconds())), "server_time": seconds() }),
        ),
        "client:register" => register(app, socket, &argument),
        "client:list" => answer("client:list:response", clients(app)),
        "hook:history:get" => past_hooks(app, socket, &argument),
        "hook:sessions:list" => {
            let sessions: Vec<Value> =
                app.hub.listed(clock::now()).1.iter().map(|session| told(session, clock::now())).collect();
            answer("hook:sessions:response", json!({ "total": sessions.len(), "sessions": sessions }))
        }
        "hook:session:info" => match known(app, text("session_id")) {
            Ok(session) => answer("hook:session:info:response", session),
            Err(reason) => answer("hook:error", json!({ "error": reason })),
        },
        "hook:session:start" | "hook:session:end" => {
            bounds(app, socket, name == "hook:session:start", text("session_id"))
        }
        "hook:ingest" => {
            if argument.get("type").is_none() || argument.get("timestamp").is_none() {
                return answer("hook:error", json!({ "error": "Invalid hook data format" }));
            }
            relay(app, argument, ack);
            None
        }
        "claude_event" | "mpm_event" => {
            relay(app, argument, ack);
            None
        }
        "get_status" => Some((argument, ack)),
        "request.status" => {
            becomes_old(socket);
            answer("status", status::payload(app))
        }
        "get_history" | "request_history" | "request.history" => {
            becomes_old(socket);
            old_history(app, socket, &argument, ack);
            None
        }
        "subscribe" if argument.get("channels").is_some() && argument.get("events").is_none() => answer(
            "subscribed",
            json!({ "type": "connection", "subtype": "subscribed", "source": "server", "timestamp": clock::now(),
                "data": { "channels": argument["channels"] } }),
        ),
        "ping" => answer(
            "pong",
            json!({ "timestamp": argument.get("timestamp").cloned().unwrap_or_else(|| json!(seconds())), "server_time": seconds() }),
        ),
        "heartbeat" => answer("heartbeat_response", json!({ "timestamp": clock::now() })),
        "get_connection_stats" => answer(
            "connection_stats",
            json!({ "timestamp": clock::now(), "total_connections": app.clients(), "server_stats": {} }),
        ),
        "request_replay" => answer(
            "event_replay",
            json!({ "events": [], "count": 0, "from_sequence": argument.get("last_sequence"),
                "message": "Connect with auth.since and the seq of the last event" }),
        ),
        "hook:replay:start" => {
            answer("hook:error", json!({ "error": "This monitor does not replay; ask for hook:history:get" }))
        }
        "pong" | "acknowledge_event" | "test_event" => None,
        "read_file" => answer("file_content_response", no_files(&argument)),
        "get_directory_listing" => answer("directory_listing_response", no_files(&argument)),
        "get_git_branch" => answer("git_branch_response", no_files(&argument)),
        "check_file_tracked" => answer("file_tracked_response", no_files(&argument)),
        "check_git_status" => answer("git_status_response", no_files(&argument)),
        "git_add_file" => answer("git_add_response", no_files(&argument)),
        "analyze_file" => None,
        code if code.starts_with("code:") => None,
        _ => Some((argument, ack)),
    }
}

/// Answers a request under the name that its clients wait for, and under the request's own, if that is another one.
fn answer(socket: &Socket, request: &str, event: &str, payload: Value) {
    let own = format!("{request}:response");
    if request.contains(':') && own != event && !event.ends_with(":error") {
        emit(socket, &own, payload.clone());
    }
    emit(socket, event, payload);
}

fn no_files(argument: &Value) -> Value {
    json!({ "success": false, "error": NO_FILES, "file_path": argument.get("file_path"), "working_dir": argument.get("working_dir") })
}

/// Unix time, as its scripts subtract it from theirs.
fn seconds() -> f64 {
    clock::now().ms() as f64 / 1000.0
}

fn register(app: &App, socket: &Socket, argument: &Value) -> Untouched {
    let said = |key: &str, otherwise: String| {
        let text =
            argument.get(key).and_then(Value::as_str).filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX);
        text.map_or(otherwise, str::to_owned)
    };
    let id = socket.id().to_string();
    let short: String = id.chars().take(8).collect();
    let named = Named { name: said("name", format!("Client-{short}")), kind: said("type", "dashboard".to_owned()) };
    answer(
        socket,
        "client:register",
        "client:registered",
        json!({ "name": named.name, "type": named.kind, "session_id": id }),
    );
    app.registered.lock().insert(socket.id(), named);
    None
}

fn clients(app: &App) -> Value {
    let sockets = app.io.sockets("/");
    let names = app.registered.lock();
    let clients: Vec<Value> = sockets
        .iter()
        .take(CLIENTS_MAX)
        .map(|socket| {
            let id = socket.id().to_string();
            let named = names.get(&socket.id());
            let short: String = id.chars().take(8).collect();
            json!({ "session_id": id, "name": named.map_or(format!("Client-{short}"), |named| named.name.clone()),
                "type": named.map_or("unknown", |named| named.kind.as_str()), "registered": named.is_some(),
                "connected_at": Time::from_ms(system_ms(socket.handshake().issued)) })
        })
        .collect();
    json!({ "clients": clients, "total": sockets.len() })
}

fn system_ms(time: std::time::SystemTime) -> i64 {
    time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A session as its pages list it.
fn told(session: &Session, now: Time) -> Value {
    json!({ "session_id": session.session_id, "start_time": session.started_at,
        "status": if session.ended.is_some() { "ended" } else { "running" }, "event_count": session.counts.events,
        "last_activity": session.last_event_at, "metadata": { "working_directory": session.cwd, "project": session.project,
            "state": session.state(now).0 } })
}

fn known(app: &App, session: Option<&str>) -> Result<Value, String> {
    let id = session.ok_or("No session ID provided")?;
    let found = app.hub.state().sessions.get(id).cloned();
    found.map(|session| told(&session, clock::now())).ok_or_else(|| format!("Session not found: {id}"))
}

/// A client says that a session starts or ends: an event like any other, and what its own server answers.
fn bounds(app: &Arc<App>, socket: &Socket, starts: bool, session: Option<&str>) -> Untouched {
    let Some(session) = session.filter(|session| !session.is_empty() && session.len() <= NAME_BYTES_MAX) else {
        emit(socket, "hook:error", json!({ "error": "No session ID provided" }));
        return None;
    };
    if !starts && known(app, Some(session)).is_err() {
        return None;
    }
    let hook = if starts { "SessionStart" } else { "SessionEnd" };
    let payload = json!({ "hook_event_name": hook, "session_id": session });
    let Value::Object(fields) = payload else { return None };
    let fact = event::hook_input::from_payload(fields, clock::now(), Source::Socketio);
    let (task, session) = (Arc::clone(app), session.to_owned());
    app.tasks.spawn(async move {
        if ingest::http::record(&task, vec![fact]).await.is_err() {
            return;
        }
        let Ok(mut told) = known(&task, Some(&session)) else { return };
        if starts {
            return send(&task, "hook:session:started", &told);
        }
        let now = clock::now();
        let started = told["start_time"].as_str().and_then(Time::parse).unwrap_or(now);
        told["end_time"] = json!(now);
        told["duration"] = json!(now.since(started) as f64 / 1000.0);
        send(&task, "hook:session:ended", &told);
    });
    None
}

/// Takes an event that a client relays; all clients see that it did, as on its own server.
fn relay(app: &Arc<App>, mut event: Value, ack: Option<Ack>) {
    if let Value::Object(fields) = &mut event {
        fields.entry("type").or_insert_with(|| json!("hook"));
        fields.entry("timestamp").or_insert_with(|| json!(clock::now()));
    }
    let mut seen = event.clone();
    event::redact::value(&mut seen);
    // Their hooks wrap a hook's own JSON in up to three `data`: the file's body is in the innermost.
    let mut layer = Some(&mut seen);
    while let Some(fields) = layer.filter(|layer| layer.is_object()) {
        let _ = event::bodies::withhold(fields);
        layer = fields.get_mut("data");
    }
    if let Value::Object(fields) = &mut seen {
        fields.entry("data").or_insert_with(|| json!({}));
        fields.insert("processed_at".to_owned(), json!(seconds()));
        send(app, "hook:event", &seen);
    }
    ingest::socketio::take(app, "/", "claude_event", event, ack);
}

fn query(limit: usize, session: Option<&str>) -> PageQuery {
    let mut query =
        PageQuery::new(Direction::Newest { before: None }, limit.saturating_mul(2), Instant::now() + SEARCH_MAX);
    query.sessions = session.into_iter().map(str::to_owned).collect();
    query
}

/// Past events that have a form of its own, oldest first, and how many there are in all.
async fn past(app: &App, query: PageQuery, limit: usize, kind: Option<String>) -> Result<(Vec<Event>, u64), String> {
    let reader = app.reader.clone();
    let total = app.hub.state().seq;
    let read = tokio::task::spawn_blocking(move || {
        let wanted =
            |json: &[u8]| kind.as_ref().is_none_or(|kind| history::read(json).is_ok_and(|event| is_of(&event, kind)));
        reader.page(&query, &mut |json| wanted(json))
    });
    let page = read.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let events = page.events.iter().filter_map(|json| history::read(json).ok());
    let mut events: Vec<Event> = events.filter(|event| wire::message(event).is_some()).take(limit).collect();
    events.sort_by_key(|event| (event.fact.time.ms(), event.seq));
    Ok((events, total))
}

fn is_of(event: &Event, kind: &str) -> bool {
    let old = wire::old_message(event);
    wire::message(event).is_some_and(|(name, _)| name == kind) || old.is_some_and(|old| old["type"] == kind)
}

fn past_hooks(app: &Arc<App>, socket: &Socket, argument: &Value) -> Untouched {
    let limit = match argument.get("limit") {
        None | Some(Value::Null) => HISTORY_DEFAULT,
        Some(limit) => match limit.as_i64() {
            Some(limit) if limit <= 0 => HISTORY_MAX,
            Some(limit) => usize::try_from(limit).unwrap_or(HISTORY_MAX).min(HISTORY_MAX),
            None => {
                emit(socket, "hook:error", json!({ "error": "History error: limit must be a number" }));
                return None;
            }
        },
    };
    let text = |key: &str| argument.get(key).and_then(Value::as_str).map(str::to_owned);
    let (session, kind) = (text("session_id"), text("type"));
    let filters = json!({ "type": kind, "session_id": session, "limit": limit });
    let (task, socket) = (Arc::clone(app), socket.clone());
    app.tasks.spawn(async move {
        match past(&task, query(limit, session.as_deref()), limit, kind).await {
            Ok((events, _)) => {
                let events: Vec<Value> = events.iter().filter_map(new_form).collect();
                emit(
                    &socket,
                    "hook:history:response",
                    json!({ "total": events.len(), "events": events, "filters": filters }),
                );
            }
            Err(error) => emit(&socket, "hook:error", json!({ "error": format!("History error: {error}") })),
        }
    });
    None
}

fn old_history(app: &Arc<App>, socket: &Socket, argument: &Value, ack: Option<Ack>) {
    let asked = argument.get("limit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
    let limit = asked.filter(|limit| *limit > 0).unwrap_or(HISTORY_GREETING).min(HISTORY_DEFAULT);
    let kinds: Vec<String> = argument
        .get("event_types")
        .and_then(Value::as_array)
        .map(|kinds| kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    let (task, socket) = (Arc::clone(app), socket.clone());
    app.tasks.spawn(async move {
        let (events, total) = past(&task, query(limit, None), limit, None).await.unwrap_or_default();
        let events = events.iter().filter_map(wire::old_message);
        let events: Vec<Value> =
            events.filter(|event| kinds.is_empty() || kinds.iter().any(|kind| event["type"] == **kind)).collect();
        let answer = json!({ "count": events.len(), "events": events, "total_available": total });
        acknowledge(ack, &answer);
        emit(&socket, "history", answer);
    });
}

/// Every name that the rooms of the default namespace have, for `subscribe`.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    BROADCASTS.into_iter().chain(wire::NAMES)
}
