//! The one gate before every door (I9): host name, origin, peer, token.
//!
//! Without a token only programs of this user on this machine get in. With one, everybody has to bring it, in a header
//! or in the first message of their protocol, never in a URL.

pub(crate) mod attempts;
pub(crate) mod forwarded;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use subtle::ConstantTimeEq;

use crate::api::problem::Problem;
use crate::app::App;
use crate::config::{self, Config};
use crate::peer::{self, Owner};
use attempts::Attempts;
use forwarded::Network;

/// What a refused client is told, word for word as the documents print it.
pub(crate) const INVALID_TOKEN: &str = "Invalid authentication token";

/// Who is at the other end of a connection; looked up once, when it first matters.
#[derive(Clone)]
pub(crate) struct Visitor {
    /// The client; behind a trusted proxy what the proxy says.
    pub(crate) peer: SocketAddr,
    local: SocketAddr,
    /// Whether the client speaks TLS, with us or with a trusted proxy.
    pub(crate) secure: bool,
    /// The host name that the client asked a trusted proxy for.
    host: Option<String>,
    owner: Arc<OnceLock<Owner>>,
}

impl Visitor {
    pub(crate) fn new(peer: SocketAddr, local: SocketAddr, secure: bool) -> Visitor {
        Visitor { peer, local, secure, host: None, owner: Arc::new(OnceLock::new()) }
    }

    fn owner(&self) -> Owner {
        *self.owner.get_or_init(|| peer::owner(self.peer, self.local))
    }
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is not the token.
    Wrong,
    /// Too many wrong ones came from that address; seconds until the next is looked at.
    TooOften(u64),
}

impl Refused {
    /// What the client is told.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Refused::Wrong => INVALID_TOKEN,
            Refused::TooOften(_) => "too many wrong tokens from this address; try again later",
        }
    }
}

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// It brought the token, or none is needed.
    pub(crate) token: bool,
    /// It may read what was withheld and act on processes: our own page, a program of this user, or the token.
    pub(crate) trusted: bool,
}

/// The gate's rules.
pub(crate) struct Access {
    token: Option<String>,
    insecure: bool,
    origins: Vec<String>,
    localhost_origins: bool,
    hosts: Vec<String>,
    proxies: Vec<Network>,
    loopback: bool,
    attempts: Attempts,
}

impl Granted {
    /// Refuses whoever may look and not act.
    pub(crate) fn may_act(self, what: &str) -> Result<(), Problem> {
        self.or_refused("not_yours_to_do", &format!("{what} is"))
    }

    /// Refuses whoever may not read what is withheld.
    pub(crate) fn may_read(self, what: &str) -> Result<(), Problem> {
        self.or_refused("content_withheld", &format!("{what} is"))
    }

    /// Refuses whoever may not know what lies around this monitor: paths and processes of the machine are for its user.
    pub(crate) fn may_look_around(self) -> Result<(), Problem> {
        self.or_refused("not_trusted", "that is")
    }

    fn or_refused(self, code: &'static str, what_is: &str) -> Result<(), Problem> {
        if self.trusted {
            return Ok(());
        }
        let message = format!("{what_is} for this monitor's own page and this user's programs");
        Err(Problem::new(StatusCode::FORBIDDEN, code, message)
            .suggest("Open the monitor's own page, or bring the token"))
    }
}

impl Access {
    pub(crate) fn new(config: &Config, host: &str) -> Access {
        Access {
            token: config.token.clone(),
            insecure: config.insecure,
            origins: config.origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect(),
            localhost_origins: config.localhost_origins,
            hosts: config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            proxies: config.trusted_proxies.clone(),
            loopback: config::is_loopback(host),
            attempts: Attempts::default(),
        }
    }

    /// Whether clients have to bring a token.
    pub(crate) fn needs_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether it listens where programs of this machine alone can reach it.
    pub(crate) fn is_private(&self) -> bool {
        self.loopback
    }

    /// Whether this is the token. Takes the same time for any wrong one of the same length.
    ///
    /// An address that has brought many wrong ones is not listened to for a while. Programs of this user are: they
    /// could read the token anyway, and one that is set up wrongly must not lock the others out.
    pub(crate) fn admits(&self, brought: &str, visitor: &Visitor) -> Result<(), Refused> {
        let Some(token) = &self.token else { return Ok(()) };
        let limited = visitor.owner() != Owner::Own;
        if limited && let Some(wait) = self.attempts.wait(visitor.peer.ip()) {
            return Err(Refused::TooOften(wait));
        }
        if token.as_bytes().ct_eq(brought.as_bytes()).into() {
            return Ok(());
        }
        if limited {
            self.attempts.failed(visitor.peer.ip());
        }
        tracing::debug!("{}: a wrong token", visitor.peer);
        Err(Refused::Wrong)
    }

    /// Checks host and origin, which no token makes up for. Returns the origin to echo.
    fn check_address(&self, request: &Request, visitor: &Visitor) -> Result<Option<HeaderValue>, Problem> {
        let headers = request.headers();
        let host = named_host(request, visitor);
        if headers.get_all(header::HOST).iter().nth(1).is_some() {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "host_twice", "the request names two hosts"));
        }
        let Some(host) = host else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "host_missing", "the request names no host"));
        };
        // What a request line in absolute form asks for counts as much as `Host`.
        let asked = request.uri().authority().map(|authority| authority.as_str());
        let foreign = [Some(host), asked].into_iter().flatten().find(|host| !self.is_own_host(host, visitor));
        if let Some(host) = foreign {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "host_not_allowed",
                format!("this monitor is not called {host:?}"),
            )
            .suggest("Ask for it as localhost, or add the name to monitoring.allowed_hosts"));
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
            if site == Some("cross-site") && !may_be_cross_site(request) {
                return Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", "another web site asked for this"));
            }
            return Ok(None);
        };
        let name = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        if self.is_allowed_origin(&name, host) {
            return Ok(Some(origin.clone()));
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "origin_not_allowed", format!("web pages of {name} may not connect"))
            .suggest("Add the origin to monitoring.cors.origins"))
    }

    fn is_own_host(&self, host: &str, visitor: &Visitor) -> bool {
        let name = host_name(host).to_ascii_lowercase();
        if config::is_loopback(&name) || self.hosts.contains(&name) {
            return true;
        }
        // On a bind that others can reach, the address that they connected to is a name of this machine.
        !self.loopback && name.parse::<IpAddr>().is_ok_and(|ip| ip == visitor.local.ip().to_canonical())
    }

    fn is_allowed_origin(&self, origin: &str, host: &str) -> bool {
        if self.origins.iter().any(|allowed| allowed == origin) {
            return true;
        }
        let Some((_, authority)) = origin.split_once("://") else { return false };
        authority.eq_ignore_ascii_case(host) || (self.localhost_origins && is_local_page(host_name(authority)))
    }

    /// Checks who asks. Doors that take the token in their own protocol look at [`Granted::token`] later.
    fn check_peer(&self, headers: &HeaderMap, visitor: &Visitor) -> Result<Granted, Problem> {
        let brought = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        if self.needs_token() {
            return match brought {
                Some(brought) => match self.admits(brought, visitor) {
                    Ok(()) => Ok(Granted { token: true, trusted: true }),
                    Err(Refused::Wrong) => Err(Problem::token()),
                    Err(Refused::TooOften(wait)) => Err(Problem::too_many_attempts(wait)),
                },
                None => Ok(Granted { token: false, trusted: false }),
            };
        }
        let host = visitor.host.as_deref().or_else(|| headers.get(header::HOST)?.to_str().ok());
        let own_page = match (headers.get(header::ORIGIN), host) {
            (None, _) => true,
            (Some(origin), Some(host)) => {
                let origin = origin.to_str().unwrap_or_default();
                origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
            }
            (Some(_), None) => false,
        };
        match visitor.owner() {
            Owner::Own => Ok(Granted { token: true, trusted: own_page }),
            Owner::Unknown => Ok(Granted { token: true, trusted: false }),
            Owner::Stranger | Owner::Remote if self.insecure => Ok(Granted { token: true, trusted: false }),
            Owner::Stranger => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not_your_monitor",
                "this monitor belongs to another user of this machine",
            )),
            Owner::Remote => {
                Err(Problem::new(StatusCode::FORBIDDEN, "loopback_only", "only programs of this machine may connect, and not through a proxy")
                    .suggest("Start the monitor with a token in CLAUDE_MPM_SOCKETIO_TOKEN, and name the proxy in monitoring.trusted_proxies"))
            }
        }
    }
}

/// Runs before every route.
pub(crate) async fn gate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(mut visitor) = request.extensions().get::<Visitor>().cloned() else {
        return Problem::new(StatusCode::FORBIDDEN, "no_visitor", "the connection has no address").into();
    };
    if forwarded::apply(&app.access.proxies, request.headers(), &mut visitor) {
        request.extensions_mut().insert(visitor.clone());
    }
    let origin = match app.access.check_address(&request, &visitor) {
        Ok(origin) => origin,
        Err(problem) => return problem.into(),
    };
    if request.method() == Method::OPTIONS {
        return with_cors(preflight(), origin);
    }
    let granted = match app.access.check_peer(request.headers(), &visitor) {
        Ok(granted) => granted,
        Err(problem) => return with_cors(problem.into(), origin),
    };
    if !granted.token && !is_open_to_all(request.uri().path(), request.method()) && !brings_token_later(&request) {
        return with_cors(Problem::token().into(), origin);
    }
    request.extensions_mut().insert(granted);
    with_cors(next.run(request).await, origin)
}

/// The page itself (which asks for the token) and `/health` (which then tells less).
fn is_open_to_all(path: &str, method: &Method) -> bool {
    let data = ["/api/", "/socket.io", "/emit", "/status", "/agents", "/metrics", "/v1/", "/ws"];
    matches!(*method, Method::GET | Method::HEAD) && !data.iter().any(|prefix| path.starts_with(prefix))
}

/// Socket.IO brings it in `auth`, the raw API in its first frame.
fn brings_token_later(request: &Request) -> bool {
    let upgrades = request.headers().contains_key(header::UPGRADE);
    request.uri().path().starts_with("/socket.io") || (upgrades && matches!(request.uri().path(), "/" | "/ws"))
}

/// The name under which the client asked for this server.
fn named_host<'a>(request: &'a Request, visitor: &'a Visitor) -> Option<&'a str> {
    let forwarded = visitor.host.as_deref();
    let said = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    forwarded.or(said).or_else(|| request.uri().host())
}

fn may_be_cross_site(request: &Request) -> bool {
    let navigates = request.headers().get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    request.uri().path() == "/health"
        || (navigates && request.method() == Method::GET && is_open_to_all(request.uri().path(), request.method()))
}

fn preflight() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn with_cors(mut response: Response, origin: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-site"));
    // What is no page has nothing to run and stands in no frame, whatever a browser takes it for.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Where pages of this machine are served; no other address of the loopback is one that a person opens.
fn is_local_page(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

/// `localhost:8765` → `localhost`, `[::1]:8765` → `::1`.
fn host_name(authority: &str) -> &str {
    if let Some((v6, port)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_port = port.is_empty()
            || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        return if is_port { v6 } else { authority };
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(name, port)| if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { authority })
}
