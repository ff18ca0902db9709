//! The HTTP side of Engine.IO: which request belongs to which session, and which gets an error.

use super::handshake::{parameter, parse_query};
use super::queue::Entry;
use super::rate::Rate;
use super::session::Session;
use super::{Accept, CloseReason, ConnectionInfo, Frame, Handshake, Transport, polling, wire};
use crate::config::Config;
use crate::id::SessionId;
use crate::stats::{Counters, Stats};
use crate::sync::lock;
use crate::tasks::Tasks;
use crate::websocket::{self, Upgrade};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::Full;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// Answers Engine.IO requests. Cloning gives another handle to the same server.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<Config>,
    accept: Box<dyn Accept>,
    sessions: Arc<Sessions>,
    /// Held for one look.
    rate: Mutex<Rate>,
    counters: Arc<Counters>,
    tasks: Tasks,
    closing: AtomicBool,
}

/// The open sessions by their secret ids. The mutex is held for one look-up.
#[derive(Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<SessionId, Session>>,
}

impl Sessions {
    fn get(&self, id: &str) -> Option<Session> {
        lock(&self.open).get(&SessionId::parse(id)?).cloned()
    }

    fn insert(&self, session: &Session, connections_max: usize) -> bool {
        let mut open = lock(&self.open);
        let fits = open.len() < connections_max;
        if fits {
            open.insert(session.id(), session.clone());
        }
        fits
    }

    pub(super) fn remove(&self, id: &SessionId) {
        // Dropped after the lock is released.
        let removed = lock(&self.open).remove(id);
        drop(removed);
    }

    fn all(&self) -> Vec<Session> {
        lock(&self.open).values().cloned().collect()
    }
}

/// Why a request got an error instead of a session: the reference's codes, and our limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Code 0.
    UnknownTransport,
    /// Code 1.
    UnknownSession,
    /// Code 2: a session begins with GET.
    BadMethod,
    /// Code 3.
    BadRequest,
    /// Code 4, for the caller's own gate.
    Forbidden,
    /// Code 5: only Engine.IO 4 is spoken.
    UnsupportedVersion,
    /// [`Config::connections_max`] is reached: 503.
    TooManyConnections,
    /// The address begins sessions too fast, see [`Config::handshakes_per_s`]: 429.
    TooManyHandshakes,
    /// The server is shutting down, or has no random numbers: 503.
    Unavailable,
}

impl Refusal {
    /// The number and the words in the answer.
    pub fn code_and_message(self) -> (u8, &'static str) {
        match self {
            Self::UnknownTransport => (0, "Transport unknown"),
            Self::UnknownSession => (1, "Session ID unknown"),
            Self::BadMethod => (2, "Bad handshake method"),
            Self::BadRequest => (3, "Bad request"),
            Self::Forbidden => (4, "Forbidden"),
            Self::UnsupportedVersion => (5, "Unsupported protocol version"),
            Self::TooManyHandshakes => (4, "too many connections from this address, try again later"),
            Self::TooManyConnections => (4, "too many connections"),
            Self::Unavailable => (4, "the server is shutting down"),
        }
    }

    /// The HTTP answer: JSON `{"code":…,"message":…}` with status 400, 403, 429 or 503.
    pub fn response(self) -> Response<Full<Bytes>> {
        let (code, message) = self.code_and_message();
        let mut response = Response::new(Full::from(format!(r#"{{"code":{code},"message":"{message}"}}"#)));
        *response.status_mut() = match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooManyHandshakes => StatusCode::TOO_MANY_REQUESTS,
            Self::TooManyConnections | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// What a request asks for, once it is known to be allowed.
enum Asked {
    NewPolling,
    NewWebsocket(Response<Full<Bytes>>, Upgrade),
    Poll(Session),
    Post(Session),
    TakeOver(Session, Response<Full<Bytes>>, Upgrade),
}

impl Server {
    /// A server that asks `accept` about new sessions. It has no tasks before the first connection.
    pub fn new(config: Config, accept: impl Accept) -> Self {
        let rate = Rate::new(config.handshakes_burst, config.handshakes_per_s, Instant::now());
        let shared = Shared {
            rate: Mutex::new(rate),
            config: Arc::new(config),
            accept: Box::new(accept),
            sessions: Arc::default(),
            counters: Arc::default(),
            tasks: Tasks::default(),
            closing: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// The limits it was made with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Answers one request: GET and POST of polling, the WebSocket upgrade, OPTIONS (empty; CORS headers are the
    /// caller's). The path is not looked at. Runs inside a tokio runtime; dropping the future of a poll ends the
    /// session, as a broken connection does.
    pub async fn handle<B>(&self, mut request: Request<B>, info: ConnectionInfo) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
    {
        if request.method() == Method::OPTIONS {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        }
        let query = parse_query(request.uri().query().unwrap_or_default());
        let asked = self.sort(&mut request, &query);
        let (parts, body) = request.into_parts();
        let asked = match asked {
            Ok(Asked::Poll(session)) => return polling::get(&session).await,
            Ok(Asked::Post(session)) => return polling::post(&session, body).await,
            Ok(Asked::TakeOver(session, response, upgrade)) => {
                if session.begin_upgrade() {
                    self.shared.tasks.spawn(wire::take_over(session, upgrade));
                } else {
                    self.shared.tasks.spawn(wire::turn_away(session, upgrade));
                }
                return response;
            }
            other => other,
        };
        let handshake = Arc::new(Handshake::new(&parts, query, info));
        let begun = match asked {
            Ok(Asked::NewPolling) => self.open(&handshake, Transport::Polling).map(|session| (session, None)),
            Ok(Asked::NewWebsocket(response, upgrade)) => {
                self.open(&handshake, Transport::Websocket).map(|session| (session, Some((response, upgrade))))
            }
            // Proof: the other requests were answered above.
            Ok(Asked::Poll(_) | Asked::Post(_) | Asked::TakeOver(..)) => Err(Refusal::BadRequest),
            Err(refusal) => Err(refusal),
        };
        match begun {
            Ok((session, None)) => {
                self.shared.tasks.spawn(watch_polling(session.clone()));
                polling::get(&session).await
            }
            Ok((session, Some((response, upgrade)))) => {
                self.shared.tasks.spawn(wire::serve(session, upgrade));
                response
            }
            Err(refusal) => {
                self.shared.counters.refused.fetch_add(1, Relaxed);
                self.shared.accept.refused(refusal, &handshake);
                refusal.response()
            }
        }
    }

    /// The checks of the reference's `verify`, in its order.
    fn sort<B>(&self, request: &mut Request<B>, query: &[(String, String)]) -> Result<Asked, Refusal> {
        let transport = match parameter(query, "transport") {
            Some("polling") if self.shared.config.polling => Transport::Polling,
            Some("websocket") if self.shared.config.websocket => Transport::Websocket,
            _ => return Err(Refusal::UnknownTransport),
        };
        let upgrading = websocket::is_upgrade(request.headers());
        if upgrading != (transport == Transport::Websocket) {
            return Err(self.mismatch(query));
        }
        let version_4 = parameter(query, "EIO") == Some("4");
        if let Some(id) = parameter(query, "sid").filter(|id| !id.is_empty()) {
            let session = self.shared.sessions.get(id).ok_or(Refusal::UnknownSession)?;
            if !version_4 || (!upgrading && session.transport() != Transport::Polling) {
                return Err(Refusal::BadRequest);
            }
            if upgrading {
                let (response, upgrade) = websocket::upgrade(request).map_err(|_| Refusal::BadRequest)?;
                return Ok(Asked::TakeOver(session, response, upgrade));
            }
            return match *request.method() {
                Method::GET => Ok(Asked::Poll(session)),
                Method::POST => Ok(Asked::Post(session)),
                _ => Err(Refusal::BadRequest),
            };
        }
        if request.method() != Method::GET {
            return Err(Refusal::BadMethod);
        }
        if !version_4 {
            return Err(Refusal::UnsupportedVersion);
        }
        if !upgrading {
            return Ok(Asked::NewPolling);
        }
        let (response, upgrade) = websocket::upgrade(request).map_err(|_| Refusal::BadRequest)?;
        Ok(Asked::NewWebsocket(response, upgrade))
    }

    /// The `transport` does not fit the request; an unknown session is said first, as the reference does.
    fn mismatch(&self, query: &[(String, String)]) -> Refusal {
        match parameter(query, "sid").filter(|id| !id.is_empty()) {
            Some(id) if self.shared.sessions.get(id).is_none() => Refusal::UnknownSession,
            _ => Refusal::BadRequest,
        }
    }

    fn open(&self, handshake: &Arc<Handshake>, transport: Transport) -> Result<Session, Refusal> {
        let shared = &self.shared;
        if shared.closing.load(Relaxed) {
            return Err(Refusal::Unavailable);
        }
        let now = Instant::now();
        if handshake.remote.is_some_and(|remote| !lock(&shared.rate).allows(remote.ip(), now)) {
            return Err(Refusal::TooManyHandshakes);
        }
        let Ok(id) = SessionId::random() else { return Err(Refusal::Unavailable) };
        let config = Arc::clone(&shared.config);
        let (counters, sessions) = (Arc::clone(&shared.counters), Arc::clone(&shared.sessions));
        let session = Session::new(id, Arc::clone(handshake), transport, config, counters, sessions);
        if !shared.sessions.insert(&session, shared.config.connections_max) {
            return Err(Refusal::TooManyConnections);
        }
        shared.counters.opened.fetch_add(1, Relaxed);
        shared.counters.joined(transport);
        let packet = self.open_packet(id, transport);
        let frames = Frame::from_text(&packet).into();
        // A new session's queue is empty, so there is room.
        let _ = session.push(Entry { frames, tag: 0, owner: 0, keep: true, at: now });
        session.listen(shared.accept.open(&session));
        // `shutdown` closes what it sees; what it could not see closes itself.
        if shared.closing.load(Relaxed) {
            session.close(CloseReason::ServerShutdown);
        }
        Ok(session)
    }

    fn open_packet(&self, id: SessionId, transport: Transport) -> String {
        let config = &self.shared.config;
        let upgrades = if transport == Transport::Polling && config.websocket { r#"["websocket"]"# } else { "[]" };
        format!(
            r#"0{{"sid":"{}","upgrades":{upgrades},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
            id.secret(),
            config.ping_interval.as_millis(),
            config.ping_timeout.as_millis(),
            config.payload_bytes_max
        )
    }

    /// Ends every session: what waits is delivered, then clients see a normal close of their WebSocket, or a poll that
    /// fails with 503, and may reconnect elsewhere.
    /// New ones are refused. Returns when all tasks have ended, at the latest after [`Config::shutdown_max`].
    pub async fn shutdown(&self) {
        self.shared.closing.store(true, Relaxed);
        for session in self.shared.sessions.all() {
            session.close(CloseReason::ServerShutdown);
        }
        let ended = self.shared.tasks.end(self.shared.config.shutdown_max).await;
        if ended > 0 {
            tracing::warn!(connections = ended, "{ended} connections did not close in time and were ended");
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Keeps the time of a polling session, until it ends or WebSocket takes over.
async fn watch_polling(session: Session) {
    loop {
        let mut changed = std::pin::pin!(session.changed());
        changed.as_mut().enable();
        let Some(next) = session.tick_polling() else { return };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = changed => {}
        }
    }
}
