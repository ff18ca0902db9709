//! Answers `GET /metrics`: what Prometheus and its kin scrape.

mod text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use event::session::State as SessionState;
use http::{HeaderMap, header};
use socketio::engine::CloseReason;

use crate::app::App;
use crate::clock;
use text::Type::{Counter, Gauge};
use text::{OPEN_METRICS, PROMETHEUS, Text};

/// Every state, so that one without sessions is 0 and not absent.
const STATES: [(SessionState, &str); 6] = [
    (SessionState::Need, "need"),
    (SessionState::Failing, "failing"),
    (SessionState::Stuck, "stuck"),
    (SessionState::Working, "working"),
    (SessionState::Idle, "idle"),
    (SessionState::Ended, "ended"),
];

/// In OpenMetrics for those who take it, else in Prometheus' own format.
pub(crate) async fn answer(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let open = accepts.contains("application/openmetrics-text");
    let mut text = Text::new(open);
    events(&mut text, &app);
    usage(&mut text, &app);
    store(&mut text, &app);
    clients(&mut text, &app);
    socketio(&mut text, &app);
    process(&mut text, &app);
    let content_type = if open { OPEN_METRICS } else { PROMETHEUS };
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], text.finish()).into_response()
}

fn events(text: &mut Text, app: &App) {
    let totals = app.hub.state().totals.clone();
    text.metric("claude_mpm_events", Counter, "Events stored since the store began, by kind.");
    for (kind, count) in &totals.by_kind {
        text.sample(&[("kind", kind)], *count);
    }
    text.metric("claude_mpm_errors", Counter, "Events that a person would call an error.").sample(&[], totals.errors);
    text.metric("claude_mpm_tool_calls", Counter, "Tool calls begun.").sample(&[], totals.tool_calls);
    text.metric("claude_mpm_agent_invocations", Counter, "How often an agent was asked to do something, by its kind.");
    for (agent, count) in &totals.agents {
        text.sample(&[("agent", agent)], *count);
    }
    let now = clock::now();
    let (_, sessions) = app.hub.listed(now);
    let states: Vec<_> = sessions.iter().map(|session| session.state(now).0).collect();
    text.metric("claude_mpm_sessions", Gauge, "Sessions that the page lists, by state.");
    for (state, name) in STATES {
        text.sample(&[("state", name)], states.iter().filter(|is| **is == state).count());
    }
}

fn usage(text: &mut Text, app: &App) {
    let spent = app.hub.state().totals.spent.clone();
    text.metric("claude_mpm_tokens", Counter, "Tokens as clients reported them, by model and type.");
    for (model, spent) in &spent {
        let tokens = spent.tokens;
        for (name, count) in [
            ("input", tokens.input),
            ("output", tokens.output),
            ("cache_read", tokens.cache_read),
            ("cache_creation", tokens.cache_creation),
        ] {
            text.sample(&[("model", model), ("type", name)], count);
        }
    }
    text.metric("claude_mpm_cost_usd", Counter, "Cost in US dollars as clients reported it, by model.");
    for (model, cost) in spent.iter().filter_map(|(model, spent)| Some((model, spent.cost_micros?))) {
        text.sample(&[("model", model)], cost as f64 / 1e6);
    }
}

fn store(text: &mut Text, app: &App) {
    text.metric("claude_mpm_store_last_seq", Gauge, "The number of the newest stored event.")
        .sample(&[], app.reader.seq_last());
    let (failing, failures) = app.hub.store_health();
    text.metric("claude_mpm_store_writable", Gauge, "1, or 0 while the disk takes no events.")
        .sample(&[], u64::from(!failing));
    text.metric("claude_mpm_store_failures", Counter, "Commits that the disk did not take.").sample(&[], failures);
    text.metric("claude_mpm_recorder_queue", Gauge, "Tellings that wait to be stored.")
        .sample(&[], app.recorder.waiting());
    let (events, bytes) = app.hub.outbox.waiting();
    text.metric("claude_mpm_outbox_events", Gauge, "Stored events that wait for the slowest way out.")
        .sample(&[], events);
    text.metric("claude_mpm_outbox_bytes", Gauge, "Bytes of those events.").sample(&[], bytes);
    text.metric("claude_mpm_spool_backlog_bytes", Gauge, "Bytes that hooks have written and that are not stored yet.");
    for (spool, bytes) in app.config.spools.iter().zip(&app.spool_backlogs) {
        text.sample(&[("port", &spool.port.to_string())], bytes.load(Relaxed));
    }
}

fn clients(text: &mut Text, app: &App) {
    let io = app.io.stats();
    text.metric("claude_mpm_clients", Gauge, "Live clients by the way they are connected.");
    for (name, count) in [
        ("socketio_websocket", io.websocket_now),
        ("socketio_polling", io.polling_now),
        ("websocket", app.websocket_clients.load(Relaxed)),
        ("sse", app.streams.load(Relaxed)),
    ] {
        text.sample(&[("transport", name)], count);
    }
    text.metric("claude_mpm_sockets", Gauge, "Socket.IO sockets by namespace.");
    for (namespace, count) in app.io.namespaces() {
        text.sample(&[("namespace", &namespace)], count);
    }
    text.metric("claude_mpm_requests", Counter, "HTTP requests and what live clients asked.")
        .sample(&[], app.requests.load(Relaxed));
}

fn socketio(text: &mut Text, app: &App) {
    let io = app.io.stats();
    text.metric("claude_mpm_socketio_opened", Counter, "Socket.IO connections opened.").sample(&[], io.opened);
    // Two reasons share a name.
    let mut closed: BTreeMap<&str, u64> = BTreeMap::new();
    for reason in CloseReason::ALL {
        *closed.entry(reason.as_str()).or_default() += io.closed_for(reason);
    }
    text.metric("claude_mpm_socketio_closed", Counter, "Socket.IO connections ended, by reason.");
    for (reason, count) in closed {
        text.sample(&[("reason", reason)], count);
    }
    let counters = [
        ("refused", "Requests answered with an error instead of a connection.", io.refused),
        ("dropped_packets", "Packets dropped because a client was too slow.", io.dropped_packets),
        ("dropped_bytes", "Bytes of those packets.", io.dropped_bytes),
        ("stuck_clients", "Clients let go because they took nothing for too long.", io.stuck),
    ];
    for (name, help, count) in counters {
        text.metric(&format!("claude_mpm_socketio_{name}"), Counter, help).sample(&[], count);
    }
    for (name, help, into, out) in [
        ("packets", "Engine.IO packets.", io.packets_in, io.packets_out),
        ("bytes", "Payload bytes of Engine.IO.", io.bytes_in, io.bytes_out),
    ] {
        text.metric(&format!("claude_mpm_socketio_{name}"), Counter, help)
            .sample(&[("direction", "in")], into)
            .sample(&[("direction", "out")], out);
    }
}

fn process(text: &mut Text, app: &App) {
    text.metric("claude_mpm_build", Gauge, "Which version this is; always 1.")
        .sample(&[("version", &app.config.version)], 1_u64);
    text.metric("claude_mpm_start_time_seconds", Gauge, "When the monitor started, in seconds since 1970.")
        .sample(&[], app.started_at.ms() as f64 / 1e3);
    if let Some(bytes) = resident_bytes() {
        text.metric("process_resident_memory_bytes", Gauge, "Memory of the process.").sample(&[], bytes);
    }
}

/// Memory of this process, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
