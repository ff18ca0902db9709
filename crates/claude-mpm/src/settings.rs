//! `~/.claude-mpm/configuration.yaml`: its `monitoring:` section is ours, everything else in it belongs to claude-mpm.
//!
//! Source of the keys: the guide to the monitoring dashboard, and `docs/monitor.md` for those that go beyond it. A file
//! that is wrong stops the command with the place of the fault: a monitor that silently ignored its token's neighbours
//! would be worse than none.

pub(crate) mod edit;
mod fault;
pub(crate) mod keys;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use event::prices::Price;
use fault::Fault;
use serde::Deserialize;
use server::Network;

use crate::daemon::holder;
use crate::paths::Home;
use crate::report::Failure;

/// The largest file that is read, in bytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// What the file says, with the defaults for all it does not say.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Where it lies, whether or not it exists.
    pub(crate) file: PathBuf,
    /// Our section.
    pub(crate) monitoring: Monitoring,
    /// Keys of our section that mean nothing, such as `monitoring.prot`.
    pub(crate) unknown: Vec<String>,
    /// What the project's own file says, if it says a port.
    pub(crate) project_port: Option<u16>,
}

/// `monitoring:`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Monitoring {
    /// Whether agents are watched without being asked.
    pub(crate) enabled: Option<bool>,
    pub(crate) port: Option<u16>,
    pub(crate) host: Option<String>,
    pub(crate) websocket: WebSocket,
    pub(crate) metrics: Metrics,
    pub(crate) logging: Logging,
    pub(crate) cors: Cors,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) trusted_proxies: Vec<Proxy>,
    pub(crate) path_prefix: String,
    pub(crate) privacy: Privacy,
    /// Whether transcripts are read.
    pub(crate) transcripts: Option<bool>,
    /// What tokens cost, by the beginnings of models' names.
    pub(crate) prices: BTreeMap<String, Price>,
    pub(crate) store: StoreSettings,
    pub(crate) tls: Tls,
    pub(crate) admin: Option<Admin>,
    /// Names of scripts that may be ended to get a port.
    pub(crate) reclaim: Option<Vec<String>>,
}

/// `monitoring.websocket:`
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct WebSocket {
    pub(crate) enabled: bool,
    pub(crate) max_connections: Connections,
}

/// A count of at least one.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct Connections(pub(crate) usize);

/// `monitoring.metrics:`
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Metrics {
    pub(crate) enabled: bool,
    pub(crate) interval: Seconds,
}

/// From half a second to a day.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Seconds(pub(crate) f64);

/// `monitoring.logging:`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Logging {
    pub(crate) level: Option<Level>,
}

/// Python's names, which the documents print; also as `tracing` has them.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) enum Level {
    #[serde(rename = "DEBUG", alias = "debug", alias = "TRACE", alias = "trace")]
    Debug,
    #[serde(rename = "INFO", alias = "info")]
    Info,
    #[serde(rename = "WARNING", alias = "warning", alias = "WARN", alias = "warn")]
    Warning,
    #[serde(rename = "ERROR", alias = "error", alias = "CRITICAL", alias = "critical")]
    Error,
}

/// `monitoring.cors:`
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Cors {
    pub(crate) localhost: bool,
    pub(crate) origins: Vec<Origin>,
}

/// `https://example.com`, with its port if that is not the scheme's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Origin(pub(crate) String);

/// An address or a network in CIDR notation.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Proxy(pub(crate) Network);

/// `monitoring.privacy:`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Privacy {
    pub(crate) file_contents: FileContents,
}

/// `monitoring.store:`
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct StoreSettings {
    pub(crate) encrypted: bool,
    pub(crate) keep_days: Option<Days>,
    pub(crate) keep_gb: Option<Gigabytes>,
}

/// From one day to a thousand years.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct Days(pub(crate) u32);

/// More than nothing.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Gigabytes(pub(crate) f64);

impl Default for StoreSettings {
    fn default() -> StoreSettings {
        StoreSettings { encrypted: true, keep_days: None, keep_gb: None }
    }
}

impl StoreSettings {
    /// What a server is told to keep.
    pub(crate) fn keep(&self) -> server::Keep {
        server::Keep {
            days: self.keep_days.map(|days| days.0),
            bytes: self.keep_gb.map(|gigabytes| (gigabytes.0 * 1e9) as u64),
        }
    }
}

impl TryFrom<u32> for Days {
    type Error = &'static str;

    fn try_from(days: u32) -> Result<Days, &'static str> {
        if (1..=365_000).contains(&days) { Ok(Days(days)) } else { Err("from 1 to 365000 days") }
    }
}

impl TryFrom<f64> for Gigabytes {
    type Error = &'static str;

    fn try_from(gigabytes: f64) -> Result<Gigabytes, &'static str> {
        if gigabytes > 0.0 && gigabytes <= 1e6 { Ok(Gigabytes(gigabytes)) } else { Err("more than 0 gigabytes") }
    }
}

/// Whether bodies of files are kept and sent.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileContents {
    Never,
    #[default]
    OnRequest,
    Always,
}

/// `monitoring.tls:`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Tls {
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// `monitoring.admin:`
#[derive(Debug, Deserialize)]
pub(crate) struct Admin {
    pub(crate) user: String,
    pub(crate) password_hash: String,
    #[serde(default)]
    pub(crate) mode: AdminMode,
    #[serde(default)]
    pub(crate) read_only: bool,
}

/// How much admins see.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AdminMode {
    #[default]
    Development,
    Production,
}

impl Default for WebSocket {
    fn default() -> WebSocket {
        WebSocket { enabled: true, max_connections: Connections(server::CONNECTIONS_MAX) }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics { enabled: true, interval: Seconds(server::METRICS_EVERY.as_secs_f64()) }
    }
}

impl Default for Cors {
    fn default() -> Cors {
        Cors { localhost: true, origins: Vec::new() }
    }
}

impl TryFrom<u32> for Connections {
    type Error = &'static str;

    fn try_from(count: u32) -> Result<Connections, &'static str> {
        if count == 0 {
            Err("at least one connection, or websocket.enabled: false")
        } else {
            Ok(Connections(count as usize))
        }
    }
}

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Seconds, &'static str> {
        if (0.5..=86_400.0).contains(&seconds) { Ok(Seconds(seconds)) } else { Err("from 0.5 to 86400 seconds") }
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Origin, String> {
        let (scheme, authority) = text.split_once("://").unwrap_or_default();
        let bare = !authority.is_empty() && !authority.trim_end_matches('/').contains(['/', '*', ' ', '?', '#', '@']);
        if matches!(scheme, "http" | "https") && bare {
            return Ok(Origin(text));
        }
        Err(format!("{text:?} is no origin; write it as https://example.com or http://example.com:3000"))
    }
}

impl TryFrom<String> for Proxy {
    type Error = String;

    fn try_from(text: String) -> Result<Proxy, String> {
        text.parse().map(Proxy).map_err(|_| format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))
    }
}

/// The file, as far as it is ours.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    monitoring: Option<Monitoring>,
}

impl Settings {
    /// Reads the file; a missing or empty one says nothing.
    pub(crate) fn load(home: &Home) -> Result<Settings, Failure> {
        let file = home.path().join(FILE);
        let (mut monitoring, unknown) = match read(&file)? {
            Some(text) => checked(&file, &text)?,
            None => (Monitoring::default(), Vec::new()),
        };
        // A repository that somebody else wrote may say where its events go, and open nothing.
        let project_port = project_file(home).as_deref().map(project_port).transpose()?.flatten();
        monitoring.port = project_port.or(monitoring.port);
        Ok(Settings { file, monitoring, unknown, project_port })
    }

    /// The names of scripts that may be ended to get a port.
    pub(crate) fn reclaimed(&self) -> Vec<String> {
        let documented = || holder::RECLAIMED.iter().map(|name| (*name).to_owned()).collect();
        self.monitoring.reclaim.clone().unwrap_or_else(documented)
    }

    /// Certificate and key for TLS: the flags', else the file's. `None` where neither says anything.
    pub(crate) fn tls(
        &self,
        certificate: Option<&PathBuf>,
        key: Option<&PathBuf>,
    ) -> Result<Option<server::TlsFiles>, Failure> {
        let said = &self.monitoring.tls;
        match (certificate.or(said.cert.as_ref()), key.or(said.key.as_ref())) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                Ok(Some(server::TlsFiles { certificate: certificate.clone(), key: key.clone() }))
            }
            (only, _) => Err(Failure::new(
                "TLS needs a certificate and its private key",
                if only.is_some() { "only the certificate is named" } else { "only the key is named" },
                "Name both: --tls-cert and --tls-key, or monitoring.tls.cert and monitoring.tls.key",
            )
            .with_code(2)),
        }
    }
}

/// The file's name, in the user's folder and in a project's `.claude-mpm`.
pub(crate) const FILE: &str = "configuration.yaml";

/// The file's text; `None` for no file.
pub(crate) fn read(file: &Path) -> Result<Option<String>, Failure> {
    let unreadable = |reason: String| {
        Failure::new(
            format!("{} cannot be read", file.display()),
            reason,
            "Make it a readable text file, or move it away to go on with the defaults",
        )
    };
    match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
        Ok(found) if found.len() > BYTES_MAX => return Err(unreadable("it is larger than 1 MiB".to_owned())),
        Ok(_) => {}
    }
    std::fs::read_to_string(file).map(Some).map_err(|error| unreadable(error.to_string()))
}

/// What a file says, or where it is wrong.
pub(crate) fn checked(file: &Path, text: &str) -> Result<(Monitoring, Vec<String>), Failure> {
    parse(text).map_err(|fault| {
        Failure::new(
            format!("{} cannot be used", file.display()),
            format!("{}{}", fault.place, fault.what),
            "Correct that place; docs/operations.md lists every key of the monitoring section",
        )
    })
}

/// The file of the project in the working directory, if it has one.
pub(crate) fn project_file(home: &Home) -> Option<PathBuf> {
    let folder = std::env::current_dir().ok()?.join(".claude-mpm");
    let file = folder.join(FILE);
    let is_users_own = match (std::fs::canonicalize(&folder), std::fs::canonicalize(home.path())) {
        (Ok(folder), Ok(home)) => folder == home,
        _ => false,
    };
    (!is_users_own && file.is_file()).then_some(file)
}

/// The one key that a project's file decides.
fn project_port(file: &Path) -> Result<Option<u16>, Failure> {
    Ok(match read(file)? {
        Some(text) => checked(file, &text)?.0.port,
        None => None,
    })
}

/// Everything in a file, for those who ask where a value comes from.
pub(crate) fn values(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap_or_default()
}

/// What is wrong with a text that is no file yet, or else `None`.
pub(crate) fn fault(text: &str) -> Option<String> {
    parse(text).err().map(|fault| fault.what)
}

/// Our section, and the keys in it that mean nothing. The error says where.
fn parse(text: &str) -> Result<(Monitoring, Vec<String>), Fault> {
    if text.trim().is_empty() {
        return Ok((Monitoring::default(), Vec::new()));
    }
    let file: Option<File> = serde_saphyr::from_str(text).map_err(|error| Fault::new(text, &error))?;
    // A second look, because a typed reading does not tell which keys it passed over.
    let all: serde_json::Value = serde_saphyr::from_str(text).unwrap_or_default();
    let mut unknown = Vec::new();
    if let Some(section) = all.get("monitoring") {
        unknown_keys(section, "", &mut unknown);
    }
    Ok((file.and_then(|file| file.monitoring).unwrap_or_default(), unknown))
}

fn unknown_keys(value: &serde_json::Value, below: &str, unknown: &mut Vec<String>) {
    let Some(fields) = value.as_object() else { return };
    for (name, value) in fields {
        let path = if below.is_empty() { name.clone() } else { format!("{below}.{name}") };
        if keys::is_known(&path) {
            unknown_keys(value, &path, unknown);
        } else {
            unknown.push(format!("monitoring.{path}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_the_guide_is_read_with_every_key() {
        let text = "monitoring:\n  enabled: true\n  port: 5000\n  host: \"localhost\"\n  websocket:\n    enabled: true\n    \
                    max_connections: 10\n  metrics:\n    enabled: true\n    interval: 5\n  logging:\n    level: INFO\n";
        let (said, unknown) = parse(text).unwrap();
        assert_eq!((said.port, said.host.as_deref()), (Some(5000), Some("localhost")));
        assert_eq!((said.websocket.enabled, said.websocket.max_connections.0), (true, 10));
        assert!(said.metrics.enabled && said.metrics.interval.0 == 5.0);
        assert!(matches!(said.logging.level, Some(Level::Info)));
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn other_sections_are_left_to_their_owner() {
        let (said, unknown) = parse("agents:\n  deploy: [a, {b: 1}]\n1: 2\nmonitoring:\n  port: 9000\n").unwrap();
        assert_eq!(said.port, Some(9000));
        assert!(unknown.is_empty());
        for nothing in ["", "# a comment\n", "monitoring:\n", "other: 1\n", "---\n"] {
            assert!(parse(nothing).is_ok(), "{nothing:?}");
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_its_line() {
        for (text, said) in [
            ("monitoring:\n  port: 70000\n", "2"),
            ("monitoring:\n  port: 80\n  metrics:\n    interval: soon\n", "4"),
            (
                "monitoring:\n  cors:\n    origins: [\"example.com\"]\n",
                "monitoring.cors.origins takes a list of origins",
            ),
            ("monitoring:\n  trusted_proxies: [somewhere]\n", "monitoring.trusted_proxies takes a list of addresses"),
            ("monitoring:\n  websocket:\n    max_connections: 0\n", "at least one connection"),
            ("monitoring:\n  store:\n    keep_days: 0\n", "365000"),
            ("monitoring:\n  store:\n    keep_gb: -1\n", "more than 0"),
            ("monitoring: [1, 2\n", "this is no YAML"),
            ("monitoring:\n  port: 1\n  port: 2\n", "port stands there twice"),
            ("monitoring:\n  reclaim: yes\n", "monitoring.reclaim takes a list"),
            ("monitoring:\n  websocket: on\n", "monitoring.websocket takes keys of its own"),
            ("monitoring:\n  admin:\n    user: ada\n", "needs both user and password_hash"),
        ] {
            let fault = parse(text).unwrap_err();
            let error = format!("{}{}", fault.place, fault.what);
            assert!(error.contains(said) && error.contains("line"), "{text:?}: {error}");
            for word in ["u16", "u32", "f64", "sequence", "mapping", "Policy", "Options"] {
                assert!(!error.contains(word), "a word of the reader's: {error}");
            }
        }
    }

    #[test]
    fn keys_that_mean_nothing_are_reported() {
        let (_, unknown) = parse("monitoring:\n  prot: 1\n  websocket:\n    max_conections: 2\n").unwrap();
        assert_eq!(unknown, ["monitoring.prot", "monitoring.websocket.max_conections"]);
    }
}
