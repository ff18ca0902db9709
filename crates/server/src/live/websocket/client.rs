//! One client of the raw API: what it may, what it wants, and the answers to what it says.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use event::emitted;
use event::event::Source;
use event::filter::Filter;
use event::hook_input;
use event::vocabulary::Kind;
use event::wire::websocket as wire;
use serde_json::{Value, json};
use socketio::websocket::{Opcode, server_frame};
use tokio::sync::mpsc;

use super::{cut_frame, text_frame};
use crate::access::{self, Granted, Visitor};
use crate::api::sessions;
use crate::app::App;
use crate::clock;
use crate::hub::Published;
use crate::ingest::http;
use crate::live::replay::Follower;
use crate::live::socketio::BROADCASTS;
use crate::live::{page, status};
use crate::runs::{Asked, Refusal, Runs};

/// Frames stay below 1 MiB, so that clients with the usual limit (1 MiB in Python's `websockets`) take them.
const FRAME_BYTES_MAX: usize = 1024 * 1024 - 1024;

/// Channels that one client may ask for.
const CHANNELS_MAX: usize = 256;

/// Commands of one client whose answers are not known yet.
const LATER_MAX: usize = 8;

/// The longest name of one, in bytes.
const CHANNEL_BYTES_MAX: usize = 256;

/// The state of one connection.
pub(super) struct Client {
    authenticated: bool,
    /// Why it is let go.
    refused: Option<&'static str>,
    /// Whether it may act on processes.
    trusted: bool,
    /// Answers that take a while; as many as may wait at once.
    later: mpsc::Sender<String>,
    visitor: Visitor,
    /// Channels, with `*` at the end for all that begin so.
    channels: Vec<String>,
    /// Names of the default namespace's events, asked for in the form `{"event": "subscribe"}`.
    broadcasts: Vec<String>,
    /// Which events of those channels.
    filter: Arc<Filter>,
    /// What it asked for and does not have yet.
    wish: Option<Wish>,
    /// Whether it wants to be told when it has everything stored.
    catches_up: bool,
}

/// A change of what is followed.
enum Wish {
    /// From where it is now, with another filter.
    Filtered,
    /// What comes after this number.
    Since(u64),
}

/// The first frame of a connection that may read.
pub(super) fn hello(app: &App) -> String {
    json!({ "type": "hello", "data": page::hello(app) }).to_string()
}

/// What a client is told of events that are not to be had; both numbers are inclusive.
pub(super) fn gap(from: u64, to: u64, reason: &str) -> String {
    json!({ "type": "gap", "data": { "from": from, "to": to, "reason": reason } }).to_string()
}

/// What a client is told that did something wrong.
pub(super) fn error(message: &str, command: Option<&str>) -> String {
    json!({ "type": "error", "data": { "message": message, "command": command } }).to_string()
}

fn done(command: &str, more: Value) -> String {
    let mut data = json!({ "command": command, "status": "ok" });
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    json!({ "type": "ack", "data": data }).to_string()
}

impl Client {
    /// A client, and the answers that it is given later.
    pub(super) fn new(granted: Granted, visitor: Visitor) -> (Client, mpsc::Receiver<String>) {
        let (later, answers) = mpsc::channel(LATER_MAX);
        let client = Client {
            authenticated: granted.token,
            refused: None,
            trusted: granted.trusted,
            later,
            visitor,
            channels: Vec::new(),
            broadcasts: Vec::new(),
            filter: Arc::default(),
            wish: None,
            catches_up: false,
        };
        (client, answers)
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Set when it brought a wrong token, or asked for something without one.
    pub(super) fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    fn is_subscribed(&self) -> bool {
        !self.channels.is_empty() || !self.broadcasts.is_empty()
    }

    /// Makes `follower` what the client asked for.
    pub(super) fn follow(&mut self, app: &App, follower: &mut Option<Follower>) {
        if !self.is_subscribed() {
            *follower = None;
            return;
        }
        let since = match (self.wish.take(), &follower) {
            (None, Some(_)) => return,
            (Some(Wish::Since(seq)), _) => seq,
            (Some(Wish::Filtered), Some(follower)) => follower.seq(),
            (Some(Wish::Filtered) | None, None) => app.hub.state().seq,
        };
        *follower = Some(Follower::new(app, since, Arc::clone(&self.filter)));
    }

    /// What it is told once it has all that is stored, if it asked for that; `seq` is the last of it.
    pub(super) fn caught_up(&mut self, seq: u64) -> Option<String> {
        std::mem::take(&mut self.catches_up).then(|| json!({ "type": "caught_up", "data": { "seq": seq } }).to_string())
    }

    /// Takes what it says; returns the answers.
    pub(super) fn take(&mut self, app: &Arc<App>, text: &str) -> Vec<String> {
        app.requests.fetch_add(1, Relaxed);
        let Ok(Value::Object(said)) = hook_input::parse_leniently(text.as_bytes()) else {
            return vec![error("send a JSON object such as {\"command\": \"subscribe\", \"channels\": [\"*\"]}", None)];
        };
        let said = Value::Object(said);
        let text = |key: &str| said.get(key).and_then(Value::as_str);
        let command = text("command").or(text("event")).unwrap_or_default();
        if command == "auth" {
            return self.authenticate(app, text("token").unwrap_or_default());
        }
        if !self.authenticated {
            self.refused = Some(access::INVALID_TOKEN);
            return vec![error(access::INVALID_TOKEN, Some(command))];
        }
        if let Some(port) = said.get("port").or(said.get("websocket_port")).filter(|port| **port != json!(app.port)) {
            let message = format!("this is the monitor of port {}; connect to port {port} for its sessions", app.port);
            return vec![error(&message, Some(command))];
        }
        match (text("command"), text("event")) {
            (Some("subscribe"), _) => self.subscribe(app, &said),
            (Some("unsubscribe"), _) => self.unsubscribe(&said),
            (Some("get_status"), _) => {
                vec![json!({ "type": "system.status", "data": status::payload(app) }).to_string()]
            }
            (Some("get_state"), _) | (None, Some("get_state")) => {
                vec![json!({ "type": "state", "event": "state", "data": sessions::snapshot(app) }).to_string()]
            }
            (Some("ping"), _) => vec![json!({ "type": "pong", "data": { "server_time": clock::now() } }).to_string()],
            (Some("emit"), _) => self.emit(app, &said),
            (Some("interrupt" | "stop" | "prompt"), _) => self.command(app, &said),
            (None, Some("subscribe")) => self.subscribe_broadcasts(app, &said),
            (Some(other), _) => vec![error(
                &format!(
                    "{other:?} is no command; there are subscribe, unsubscribe, auth, emit, get_status, get_state, ping, interrupt, stop and prompt"
                ),
                Some(other),
            )],
            _ => vec![error("a message needs a \"command\"", None)],
        }
    }

    /// The frames of an event for this client: none, one, or one of each kind it asked for.
    pub(super) fn frames(&mut self, app: &App, published: &Published) -> Vec<Bytes> {
        let event = &published.event;
        let mut frames = Vec::new();
        let channel = wire::channel(&event.fact);
        // What no row knows has a channel of its own name, and one for all of its kind.
        let of_kind = event.fact.kind.row().channel;
        let is_own = event.fact.kind == Kind::Custom;
        if self
            .channels
            .iter()
            .any(|wanted| wire::is_wanted(wanted, &channel) || (is_own && wire::is_wanted(wanted, of_kind)))
        {
            let frame = published.frame.get_or_init(|| {
                let text = wire::frame(event, &app.instance()).to_string();
                if text.len() > FRAME_BYTES_MAX {
                    return text_frame(&cut_frame(&channel, event.seq, text.len()));
                }
                server_frame(Opcode::Text, text.as_bytes())
            });
            frames.push(frame.clone());
        }
        if !self.broadcasts.is_empty()
            && let Some(frame) = wire::broadcast_frame(event, &app.instance())
            && self.broadcasts.iter().any(|name| name == "*" || frame["event"] == **name)
        {
            frames.push(text_frame(&frame));
        }
        frames
    }

    fn authenticate(&mut self, app: &App, token: &str) -> Vec<String> {
        if let Err(refused) = app.access.admits(token, &self.visitor) {
            self.refused = Some(refused.message());
            return vec![error(refused.message(), Some("auth"))];
        }
        self.authenticated = true;
        self.trusted |= app.access.needs_token();
        vec![done("auth", json!({})), hello(app)]
    }

    fn subscribe(&mut self, app: &App, said: &Value) -> Vec<String> {
        let Some(wanted) = names(said.get("channels")) else {
            return vec![error(
                "\"channels\" must be a list of names such as \"session.start\", \"hook.*\" or \"*\"",
                Some("subscribe"),
            )];
        };
        let new = wanted.iter().filter(|channel| !self.channels.contains(channel)).count();
        if self.channels.len() + new > CHANNELS_MAX {
            return vec![error(&format!("a client has at most {CHANNELS_MAX} channels"), Some("subscribe"))];
        }
        if let Err(refused) = self.narrow(app, said) {
            return vec![error(&refused, Some("subscribe"))];
        }
        for channel in wanted {
            if !self.channels.contains(&channel) {
                self.channels.push(channel);
            }
        }
        vec![done("subscribe", json!({ "channels": self.channels }))]
    }

    /// Takes a query (`q`) and from which event on (`since`), both optional.
    fn narrow(&mut self, app: &App, said: &Value) -> Result<(), String> {
        let filter = match said.get("q").or(said.get("filter")) {
            None | Some(Value::Null) => None,
            Some(Value::String(query)) => Some(Filter::parse(query, clock::now()).map_err(|error| error.to_string())?),
            Some(_) => return Err("\"q\" must be a query such as \"tool:Bash is:error\"".to_owned()),
        };
        let last = app.hub.state().seq;
        let since = match said.get("since") {
            None | Some(Value::Null) => None,
            Some(since) => {
                let number = since.as_u64().or_else(|| since.as_str()?.parse().ok());
                Some(number.ok_or("\"since\" must be the number of an event; 0 is before the first")?)
            }
        };
        if let Some(since) = since.filter(|since| *since > last) {
            return Err(format!(
                "there is no event {since} yet, the newest is {last}; is this another monitor's number?"
            ));
        }
        if let Some(filter) = filter {
            self.filter = Arc::new(filter);
            self.wish = Some(Wish::Filtered);
        }
        if let Some(since) = since {
            self.wish = Some(Wish::Since(since));
            self.catches_up = true;
        }
        Ok(())
    }

    fn unsubscribe(&mut self, said: &Value) -> Vec<String> {
        let unwanted = names(said.get("channels")).unwrap_or_else(|| vec!["*".to_owned()]);
        self.channels.retain(|channel| !unwanted.iter().any(|unwanted| unwanted == "*" || unwanted == channel));
        vec![done("unsubscribe", json!({ "channels": self.channels }))]
    }

    fn subscribe_broadcasts(&mut self, app: &App, said: &Value) -> Vec<String> {
        let data = said.get("data").unwrap_or(&Value::Null);
        if let Err(refused) = self.narrow(app, data) {
            return vec![error(&refused, Some("subscribe"))];
        }
        let wanted = match data.get("events").filter(|events| !events.is_null()) {
            None => None,
            events => match names(events) {
                Some(names) if names.iter().all(|name| name == "*" || BROADCASTS.contains(&name.as_str())) => {
                    Some(names)
                }
                _ => {
                    let known = BROADCASTS.join(", ");
                    return vec![error(&format!("\"events\" must be a list of {known} or *"), Some("subscribe"))];
                }
            },
        };
        self.broadcasts = wanted.filter(|names| !names.is_empty()).unwrap_or_else(|| vec!["*".to_owned()]);
        self.broadcasts.truncate(CHANNELS_MAX);
        vec![done("subscribe", json!({ "events": self.broadcasts }))]
    }

    /// Tells an agent something; the answer comes when it is known what came of it.
    fn command(&self, app: &Arc<App>, said: &Value) -> Vec<String> {
        let name = said.get("command").and_then(Value::as_str).unwrap_or_default();
        let asked = if self.trusted { Asked::read(app, said) } else { Err(Refusal::NotTrusted) };
        let (asked, answer) = match (asked, self.later.clone().try_reserve_owned()) {
            (Ok(asked), Ok(answer)) => (asked, answer),
            (Err(refusal), _) => return vec![error(&refusal.to_string(), Some(name))],
            (_, Err(_)) => return vec![error("too many commands of this client wait for their answers", Some(name))],
        };
        let (app, name) = (Arc::clone(app), name.to_owned());
        let tasks = app.tasks.clone();
        tasks.spawn(async move {
            answer.send(match Runs::tell(&app, asked, Source::Websocket).await {
                Ok(told) => done(&name, told),
                Err(refusal) => error(&refusal.to_string(), Some(&name)),
            });
        });
        Vec::new()
    }

    /// Takes an event of the client's own. It is stored when it is seen again; a refusal is told at once.
    fn emit(&self, app: &Arc<App>, said: &Value) -> Vec<String> {
        let mut fact = match emitted::read(said.clone(), clock::now(), Source::Websocket) {
            Ok(fact) => fact,
            Err(refusal) => return vec![error(&refusal.to_string(), Some("emit"))],
        };
        http::prepare(app, &mut fact);
        match app.recorder.hand_over(vec![fact]) {
            Ok(_) => vec![done("emit", json!({}))],
            Err(_) => vec![error("the server is busy; send it again", Some("emit"))],
        }
    }
}

/// A list of strings, or one string.
fn names(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(name) => Some(vec![name.clone()]),
        Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
    .filter(|names: &Vec<String>| names.iter().all(|name| name.len() <= CHANNEL_BYTES_MAX))
}
