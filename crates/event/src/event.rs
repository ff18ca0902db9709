//! The two nouns everything else speaks of: a fact (something happened) and an event (a fact with its place in
//! history).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bodies::Cut;
use crate::vocabulary::Kind;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 in UTC with three fractional digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// 0000-01-01T00:00:00Z: years before it are written in another form.
const YEAR_0: Time = Time(-62_167_219_200_000);

impl Time {
    /// The moment `ms` milliseconds after the epoch.
    pub const fn from_ms(ms: i64) -> Time {
        Time(ms)
    }

    /// The moment `ns` nanoseconds after the epoch; what is finer than a millisecond is cut off.
    pub const fn from_ns(ns: u64) -> Time {
        Time((ns / 1_000_000) as i64)
    }

    /// Milliseconds since the epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 with any offset; `None` when it is none, or lies outside the years 0 to 9999.
    pub fn parse(text: &str) -> Option<Time> {
        let at: jiff::Timestamp = text.trim().parse().ok()?;
        Some(Time(at.as_millisecond())).filter(|time| *time >= YEAR_0)
    }

    /// This time, as its sender says it, unless that cannot be: then now.
    pub fn believed(self, now: Time) -> Time {
        let possible = EARLIEST_MS..=now.ms().saturating_add(AHEAD_MS_MAX);
        if possible.contains(&self.ms()) { self } else { now }
    }

    /// How many milliseconds after `earlier` this is; 0 if it is not.
    pub fn since(self, earlier: Time) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: jiff::fmt::temporal::DateTimePrinter =
            jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        f.write_str(&PRINTER.timestamp_to_string(&at))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        Time::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no RFC 3339 time")))
    }
}

/// The door through which a fact was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Our own hook program, through the spool.
    Hook,
    /// claude-mpm's own hook scripts, through `POST /api/events`.
    Http,
    /// `POST /emit`.
    Emit,
    /// A Socket.IO client.
    Socketio,
    /// A client of the raw WebSocket API.
    Websocket,
    /// OTLP.
    Otlp,
    /// A transcript on disk.
    Transcript,
    /// The launcher.
    Launcher,
    /// This server: it saw or concluded it itself.
    Server,
}

impl Source {
    /// Its name, as in `sources`.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Hook => "hook",
            Source::Http => "http",
            Source::Emit => "emit",
            Source::Socketio => "socketio",
            Source::Websocket => "websocket",
            Source::Otlp => "otlp",
            Source::Transcript => "transcript",
            Source::Launcher => "launcher",
            Source::Server => "server",
        }
    }

    /// The door of this name.
    pub fn named(name: &str) -> Option<Source> {
        use Source::{Emit, Hook, Http, Launcher, Otlp, Server, Socketio, Transcript, Websocket};
        [Hook, Http, Emit, Socketio, Websocket, Otlp, Transcript, Launcher, Server]
            .into_iter()
            .find(|door| door.name() == name)
    }
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It did what it was asked to.
    Ok,
    /// It ran and failed, or could not run at all.
    Error,
    /// Somebody or some rule refused it.
    Denied,
    /// It was stopped before its end.
    Interrupted,
    /// It is over, and nothing told how it ended.
    Unknown,
}

impl Outcome {
    /// Whether a person would call it a failure.
    pub const fn is_error(self) -> bool {
        matches!(self, Outcome::Error)
    }
}

/// The address of an event that the vocabulary has no row for: a namespace with its slash, and an event name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// A Socket.IO namespace, such as `/system`.
    pub namespace: String,
    /// An event name, such as `custom_event`.
    pub event: String,
}

/// Something that happened, as one door told it; not yet in the order of events.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What kind of thing happened.
    pub kind: Kind,
    /// When it happened, by the clock of whoever saw it.
    pub time: Time,
    /// Where it goes out, if not where the vocabulary says.
    pub route: Option<Route>,
    /// The Socket.IO room whose members alone get it live, if whoever emitted it named one.
    pub room: Option<String>,
    /// Claude Code's session id.
    pub session_id: Option<String>,
    /// The subagent it happened in; `None` is the main thread.
    pub agent_id: Option<String>,
    /// The kind of agent, `Explore` for example; on the main thread only with `--agent`.
    pub agent_type: Option<String>,
    /// The tool, for whatever concerns one.
    pub tool_name: Option<String>,
    /// The tool call; the same in hooks, OTLP, transcripts and stream-json.
    pub tool_use_id: Option<String>,
    /// The prompt that led to it.
    pub prompt_id: Option<String>,
    /// The session's working directory at that moment.
    pub cwd: Option<String>,
    /// The run of our launcher it belongs to.
    pub launch_id: Option<String>,
    /// How it ended, for kinds that end something.
    pub outcome: Option<Outcome>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// What a person reads in one row: at most 160 characters of one line, without control characters.
    pub summary: String,
    /// The doors that told it, the first one first.
    pub sources: Vec<Source>,
    /// What was withheld or shortened in `data`.
    pub cut: Vec<Cut>,
    /// Its own payload, without what the fields above hold and without file bodies.
    pub data: Value,
    /// The payload with nothing withheld, if something is.
    pub whole: Option<Value>,
    /// What makes two tellings the same fact.
    pub identity: Identity,
}

impl Fact {
    /// A fact of `kind` that `source` told of `time`, with everything else empty.
    pub fn new(kind: Kind, time: Time, source: Source, data: Value) -> Fact {
        Fact {
            kind,
            time,
            route: None,
            room: None,
            session_id: None,
            agent_id: None,
            agent_type: None,
            tool_name: None,
            tool_use_id: None,
            prompt_id: None,
            cwd: None,
            launch_id: None,
            outcome: None,
            duration_ms: None,
            summary: String::new(),
            sources: vec![source],
            cut: Vec::new(),
            data,
            whole: None,
            identity: Identity::Unique,
        }
    }

    /// A fact that follows from `self`: same moment, session, agent and prompt, told by the same doors.
    pub fn implies(&self, kind: Kind, data: Value) -> Fact {
        Fact {
            session_id: self.session_id.clone(),
            agent_id: self.agent_id.clone(),
            agent_type: self.agent_type.clone(),
            prompt_id: self.prompt_id.clone(),
            cwd: self.cwd.clone(),
            launch_id: self.launch_id.clone(),
            sources: self.sources.clone(),
            ..Fact::new(kind, self.time, Source::Server, data)
        }
    }

    /// The Socket.IO namespace it goes out on, with its slash.
    pub fn namespace(&self) -> &str {
        self.route.as_ref().map_or_else(|| self.kind.row().namespace, |route| &route.namespace)
    }

    /// The Socket.IO event name it goes out under.
    pub fn event_name(&self) -> &str {
        self.route.as_ref().map_or_else(|| self.kind.row().event, |route| &route.event)
    }

    /// Whether a person would call it an error.
    pub fn is_error(&self) -> bool {
        self.outcome.is_some_and(Outcome::is_error)
            || matches!(self.kind, Kind::TurnFailed | Kind::SystemError | Kind::HookUnreadable)
            || (self.kind == Kind::LogMessage && matches!(self.text("level"), Some("ERROR" | "CRITICAL")))
    }

    /// A string in its payload.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key).and_then(Value::as_str)
    }
}

/// A fact with its place in history.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number, the cursor for paging and resuming; `None` for what is not kept (I1).
    pub seq: Option<u64>,
    /// When the server took it in.
    pub recorded_at: Time,
    /// What happened.
    pub fact: Fact,
}

/// How far a sender's clock may be ahead of ours, in milliseconds: a time far ahead would keep a session alive for
/// ever.
const AHEAD_MS_MAX: i64 = 3_600_000;

/// 2020: nobody's agent wrote hooks before, and a clock that was never set says 1970.
const EARLIEST_MS: i64 = 1_577_836_800_000;

/// What makes two tellings the same fact (I2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nobody else tells it.
    Unique,
    /// It happens once: the same key again is the same fact.
    Once(u64),
    /// It may happen again: the n-th telling by one door is the same fact as the n-th by another.
    Repeatable(u64),
}

impl Identity {
    /// The key that the store keeps, 0 for none.
    pub const fn key(self) -> u64 {
        match self {
            Identity::Unique => 0,
            Identity::Once(key) | Identity::Repeatable(key) => key,
        }
    }

    /// A key over `parts`, the same in every release: the first eight bytes of a SHA-256.
    pub fn key_of(parts: &[&[u8]]) -> u64 {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        // 0 means "no identity" in the store.
        u64::from_be_bytes(first).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_three_digits_and_read_with_any_offset() {
        assert_eq!(Time::from_ms(1_738_333_852_123).to_string(), "2025-01-31T14:30:52.123Z");
        assert_eq!(Time::from_ms(1_738_333_852_000).to_string(), "2025-01-31T14:30:52.000Z");
        assert_eq!(Time::parse("2025-01-31T15:30:52.123456+01:00"), Some(Time::from_ms(1_738_333_852_123)));
        assert_eq!(Time::parse("yesterday"), None);
        assert_eq!(Time::parse("0000-01-01T00:00:00Z"), Some(YEAR_0));
        assert_eq!(Time::parse("-000001-12-31T00:00:00Z"), None);
    }
}
