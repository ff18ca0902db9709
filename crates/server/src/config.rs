//! How a server is started, and what can stand in the way.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use event::prices::Prices;
pub use store::Keep;
use store::{Key, StoreError};

pub use crate::access::forwarded::Network;
use crate::live::admin::check_hash;
use crate::surroundings::Surroundings;

/// Live clients at a time, if the configuration says nothing: each costs about 10 KB.
pub const CONNECTIONS_MAX: usize = 10_000;

/// How often status goes out, if the configuration says nothing.
pub const METRICS_EVERY: Duration = Duration::from_secs(5);

/// All a server needs to know. Paths, environment and the user's wishes are read by whoever starts it.
#[derive(Clone)]
pub struct Config {
    /// The folder of the store.
    pub data_dir: PathBuf,
    /// The user's key; `None` keeps the store in plaintext.
    pub key: Option<Key>,
    /// What is kept of it.
    pub keep: Keep,
    /// The spools it reads, its own first.
    pub spools: Vec<Spool>,
    /// What clients have to bring, if anything.
    pub token: Option<String>,
    /// Whether it may listen beyond loopback without a token.
    pub insecure: bool,
    /// Origins of other web pages that may connect, such as `https://dash.example.com`.
    pub origins: Vec<String>,
    /// Whether web pages of this machine may connect, whatever their port.
    pub localhost_origins: bool,
    /// Host names, besides the loopback ones, under which clients may ask for it.
    pub hosts: Vec<String>,
    /// Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed.
    pub trusted_proxies: Vec<Network>,
    /// Below which path a proxy serves it, such as `/monitor`; empty for the root.
    pub path_prefix: String,
    /// Certificate and key with which it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Live clients at a time, Socket.IO and raw WebSocket together.
    pub connections_max: usize,
    /// Whether WebSocket is spoken: the raw API, and that transport of Socket.IO.
    pub websocket: bool,
    /// How often status goes out when nothing changes; `None` for no periodic status and no aggregates.
    pub metrics_every: Option<Duration>,
    /// Whether what its doors and clients do is logged, emission by emission, and its figures every minute.
    pub debug: bool,
    /// What becomes of file bodies.
    pub file_contents: FileContents,
    /// Whether the transcripts of sessions are read.
    pub transcripts: bool,
    /// What tokens cost where the client does not say.
    pub prices: Arc<Prices>,
    /// What may be asked about what lies around it.
    pub surroundings: Option<Arc<dyn Surroundings>>,
    /// Its version, as `/health` tells it.
    pub version: String,
    /// Who may join the namespace `/admin`; if none is named, whoever looks from this machine where no token is needed.
    pub admin: Option<Admin>,
}

/// `monitoring.admin`: who may watch and steer the clients with @socket.io/admin-ui.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The user's name.
    pub user: String,
    /// The bcrypt hash of the password.
    pub password_hash: String,
    /// How much is shown.
    pub mode: AdminMode,
    /// Whether clients can be watched alone.
    pub read_only: bool,
}

/// `monitoring.admin.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminMode {
    /// Every socket, room and event.
    #[default]
    Development,
    /// Figures alone.
    Production,
}

/// Where the certificate chain and its private key lie, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// A spool folder and the port whose hooks write into it.
#[derive(Clone, Debug)]
pub struct Spool {
    /// The port.
    pub port: u16,
    /// The folder.
    pub dir: PathBuf,
}

/// `monitoring.privacy.file_contents`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileContents {
    /// File bodies are not stored.
    Never,
    /// They are stored, and served to those who may read them.
    #[default]
    OnRequest,
    /// They go out with the events.
    Always,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or may not be used.
    #[error("listening on {address}: {source}")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The host has no address.
    #[error("{host:?} is no address of this machine: {source}")]
    Host {
        /// The name.
        host: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Without a token anybody on the network could read everything.
    #[error("listening on {host}, which other machines can reach, needs a token")]
    Exposed {
        /// The address asked for.
        host: String,
    },
    /// The token cannot be brought in a header.
    #[error("the token contains white space or control characters, or is empty")]
    BadToken,
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Certificate or key cannot be used.
    #[error("{file}: {reason}")]
    Tls {
        /// Which file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The prefix is no path.
    #[error("the path prefix {0:?} must begin with a slash and have no white space, \"?\" or \"#\"")]
    PathPrefix(String),
    /// The admin's password could never be right.
    #[error("monitoring.admin.password_hash cannot be used: {0}")]
    AdminPassword(String),
    /// No thread for the recorder.
    #[error("starting the recorder's thread: {0}")]
    Thread(std::io::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// The runtime stopped in the middle.
    #[error("the start was interrupted")]
    Interrupted,
}

impl Config {
    /// The configuration, if it is safe to start with.
    pub(crate) fn checked(self, host: &str) -> Result<Config, StartError> {
        if let Some(token) = &self.token
            && (token.is_empty() || token.chars().any(|letter| letter.is_whitespace() || letter.is_control()))
        {
            return Err(StartError::BadToken);
        }
        let prefix = self.path_prefix.trim_end_matches('/').to_owned();
        if !prefix.is_empty()
            && (!prefix.starts_with('/')
                || prefix.contains(|letter: char| letter.is_whitespace() || "?#".contains(letter)))
        {
            return Err(StartError::PathPrefix(self.path_prefix));
        }
        if self.token.is_none() && !self.insecure && !is_loopback(host) {
            return Err(StartError::Exposed { host: host.to_owned() });
        }
        if let Some(admin) = &self.admin {
            check_hash(&admin.password_hash).map_err(StartError::AdminPassword)?;
        }
        Ok(Config { path_prefix: prefix, ..self })
    }
}

/// Whether a host can be reached from this machine alone, as far as its name tells.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The address that `host` and `port` make, for messages.
pub(crate) fn shown(host: &str, port: u16) -> String {
    host.parse::<IpAddr>().map_or_else(|_| format!("{host}:{port}"), |ip| SocketAddr::new(ip, port).to_string())
}

/// 16 random bytes in hexadecimal.
pub(crate) fn random_id() -> Result<String, StartError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Random(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
