//! Streams `tracing` events to a namespace, `/log`, without ever holding up or calling back into who logs.

use crate::emitter::Emitter;
use crate::own_work::OwnWork;
use serde_json::{Value, json};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The longest message, in bytes: a log line is for reading, and one must not fill the queue.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Crates that send what we send. What they log is not sent: it would make them log again.
const SENDERS: [&str; 6] = ["client", "socketio", "hyper", "mio", "rustls", "tokio"];

/// A layer that emits each log event as `message` on `/log`:
///
/// ```json
/// {"timestamp": "2025-01-31T14:31:30.456Z", "level": "INFO", "logger": "claude_mpm.core.claude_runner",
///  "message": "Claude session started successfully", "module": "claude_runner", "function": "start_session",
///  "line": 145, "thread": 3, "thread_name": "main"}
/// ```
///
/// `logger` is the event's target, `function` the innermost span, `thread` a number that this process gave the thread.
/// Levels have the names that log readers expect (`ERROR`, `WARNING`, `INFO`, `DEBUG`). Fields follow the message.
///
/// It never waits: the [`Emitter`] queues, and drops the oldest when it must. It never recurses: what the client's own
/// tasks log, and what is logged while an event is handed over, is not sent. If the server runs in the same process and
/// logs what it receives, name its crates to [`LogLayer::ignoring`].
///
/// ```no_run
/// use client::{ClientProxy, Config, LogLayer};
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let proxy = ClientProxy::connect_in_thread("http://localhost:8765", Config::default())?;
/// let subscriber = tracing_subscriber::registry().with(LogLayer::new(proxy));
/// tracing::subscriber::set_global_default(subscriber)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LogLayer<E> {
    emitter: E,
    namespace: String,
    level_max: LevelFilter,
    ignored: Vec<String>,
}

impl<E: Emitter + 'static> LogLayer<E> {
    /// Sends events of level `INFO` and graver to `/log`.
    pub fn new(emitter: E) -> Self {
        let ignored = SENDERS.map(str::to_owned).to_vec();
        Self { emitter, namespace: "/log".to_owned(), level_max: LevelFilter::INFO, ignored }
    }

    /// Sends events of this level and graver.
    pub fn with_level(mut self, level_max: LevelFilter) -> Self {
        self.level_max = level_max;
        self
    }

    /// Sends nothing with this target, or one below it.
    pub fn ignoring(mut self, target: impl Into<String>) -> Self {
        self.ignored.push(target.into());
        self
    }

    /// Sends to another namespace than `/log`.
    pub fn to_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    fn is_sent(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let is_below = |ignored: &String| {
            target.strip_prefix(ignored.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        *metadata.level() <= self.level_max && !self.ignored.iter().any(is_below)
    }
}

impl<S, E> Layer<S> for LogLayer<E>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    E: Emitter + 'static,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !self.is_sent(event.metadata()) || OwnWork::is_going_on() {
            return;
        }
        let _mark = OwnWork::begin();
        let function = context.event_span(event).map_or("(unknown function)", |span| span.name());
        // There is nobody to tell: a log that fails is not worth failing for, and the client counts what it drops.
        let _ = self.emitter.emit_event(&self.namespace, "message", &payload(event, function));
    }
}

/// The event as document 5 prints it.
fn payload(event: &Event<'_>, function: &str) -> Value {
    let metadata = event.metadata();
    let module = metadata.module_path().unwrap_or(metadata.target());
    let thread = std::thread::current();
    let number = thread_number();
    let thread_name = thread.name().map_or_else(|| format!("thread-{number}"), str::to_owned);
    json!({
        "timestamp": format!("{:.3}", jiff::Timestamp::now()),
        "level": level_name(metadata.level()),
        "logger": metadata.target().replace("::", "."),
        "message": message(event),
        "module": module.rsplit("::").next().unwrap_or(module),
        "function": function,
        "line": metadata.line(),
        "thread": number,
        "thread_name": thread_name,
    })
}

fn level_name(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

/// This thread's number; the system's own is not to be had without unsafe code.
fn thread_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static NUMBER: u64 = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    }
    NUMBER.try_with(|number| *number).unwrap_or(0)
}

fn message(event: &Event<'_>) -> String {
    let mut text = Text::default();
    event.record(&mut text);
    let mut message = text.message + &text.fields;
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
    }
    message
}

/// The message, and the other fields as ` name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String fails only if the value's own Debug does; then its part is missing.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            _ => self.record_debug(field, &value),
        }
    }
}
