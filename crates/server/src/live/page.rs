//! The page's own namespace, `/monitor`: whole events in batches, gaps, and the sessions that changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use event::session::State;
use serde_json::{Value, json};
use socketio::{Encoded, Json};
use tokio::time::Instant;

use crate::app::App;
use crate::clock;
use crate::hub::Published;
use crate::hub::outbox::Next;

/// The namespace.
pub(crate) const NAMESPACE: &str = "/monitor";

/// Events in one packet.
const BATCH_EVENTS_MAX: usize = 256;

/// Under load a packet leaves this often; a single event leaves at once.
const BATCH_EVERY: Duration = Duration::from_millis(40);

/// Sessions are told at most this often: a permission prompt is seen well within 250 ms.
const STATE_EVERY: Duration = Duration::from_millis(100);

/// How often silence is looked at: it makes sessions stuck or idle.
const SILENCE_EVERY: u32 = 10;

/// How often it is looked whether a page has come, while there is none. A page asks for the state itself when it opens.
const NOBODY_EVERY: Duration = Duration::from_millis(500);

/// What a page is told first: from where on events are live.
pub(crate) fn hello(app: &App) -> Value {
    json!({
        "instance": app.hub.instance,
        "epoch": app.hub.epoch,
        "seq_first": app.reader.seq_first(),
        "seq_last": app.hub.state().seq,
        "server_time": clock::now(),
        "version": app.config.version,
        "port": app.port,
    })
}

/// Sends events to pages.
pub(crate) async fn forward(app: Arc<App>) {
    let mut cursor = app.hub.outbox.subscribe();
    let mut last_seq = app.hub.state().seq;
    let mut sent_at = Instant::now();
    loop {
        let Next::Events { mut events, mut lost } = app.hub.outbox.next(&mut cursor, BATCH_EVENTS_MAX).await else {
            return;
        };
        if sent_at.elapsed() < BATCH_EVERY && events.len() < BATCH_EVENTS_MAX {
            tokio::time::sleep_until(sent_at + BATCH_EVERY).await;
            let more =
                tokio::time::timeout(Duration::ZERO, app.hub.outbox.next(&mut cursor, BATCH_EVENTS_MAX - events.len()));
            match more.await {
                Ok(Next::Events { events: more, lost: 0 }) => events.extend(more),
                Ok(Next::Events { events: more, lost: between }) => {
                    send(&app, &events, &mut last_seq);
                    (events, lost) = (more, between);
                }
                Ok(Next::Closed) | Err(_) => {}
            }
        }
        if lost > 0 {
            let first = events.iter().find_map(|published| published.event.seq);
            let to = first.map_or(last_seq + lost, |first| first - 1);
            emit(
                &app,
                "gap",
                &json!({ "from": last_seq + 1, "to": to, "reason": "the server was too busy to send them" }),
            );
        }
        send(&app, &events, &mut last_seq);
        sent_at = Instant::now();
    }
}

fn send(app: &App, events: &[Arc<Published>], last_seq: &mut u64) {
    let seqs = events.iter().filter_map(|published| published.event.seq);
    *last_seq = seqs.max().unwrap_or(*last_seq);
    if app.io.sockets(NAMESPACE).is_empty() {
        return;
    }
    let mut json = String::with_capacity(events.iter().map(|published| published.json.len() + 1).sum::<usize>() + 2);
    json.push('[');
    for published in events {
        // Our own JSON is always UTF-8.
        let Ok(event) = std::str::from_utf8(&published.json) else { continue };
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(event);
    }
    json.push(']');
    let packet = Encoded::event(NAMESPACE, "events", &[Json::Raw(&json)]).tagged(*last_seq);
    app.io.to(NAMESPACE).emit(&packet);
}

/// Sends the sessions that changed: because of events, or because time went by.
pub(crate) async fn tell_state(app: Arc<App>) {
    let mut told: HashMap<String, Told> = HashMap::new();
    let mut interval = tokio::time::interval(STATE_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last_seq = 0;
    let mut ticks = 0_u32;
    let mut events_then = (Instant::now(), app.hub.state().totals.events);
    let mut events_per_s = 0.0;
    loop {
        tokio::select! {
            () = app.stopped.cancelled() => return,
            _ = interval.tick() => {}
        }
        ticks = ticks.wrapping_add(1);
        let second = ticks.is_multiple_of(SILENCE_EVERY);
        let (seq, events) = {
            let state = app.hub.state();
            (state.seq, state.totals.events)
        };
        if second {
            events_per_s = (events - events_then.1) as f64 / events_then.0.elapsed().as_secs_f64();
            events_then = (Instant::now(), events);
        }
        if app.io.sockets(NAMESPACE).is_empty() {
            told.clear();
            let _ = tokio::time::timeout(NOBODY_EVERY, app.stopped.cancelled()).await;
            continue;
        }
        if seq == last_seq && !second {
            continue;
        }
        last_seq = seq;
        if let Some(state) = changes(&app, &mut told, events_per_s) {
            emit(&app, "state", &state);
        }
    }
}

/// What tells whether a session has to be told again: how often it changed, its state, whether a question is unsure, and
/// whether it is pinned.
type Told = (u64, State, bool, bool);

/// The sessions that differ from what was told; `None` when none does.
fn changes(app: &App, told: &mut HashMap<String, Told>, events_per_s: f64) -> Option<Value> {
    let now = clock::now();
    let (seq, sessions) = app.hub.listed(now);
    let mut changed = Vec::new();
    for session in &sessions {
        let unsure = session.needs().iter().any(|need| app.is_unsure(need.seq));
        let is = (session.revision, session.state(now).0, unsure, session.pinned);
        if told.get(&session.session_id) != Some(&is) {
            told.insert(session.session_id.clone(), is);
            changed.push(app.shown(session, now));
        }
    }
    let gone: Vec<String> =
        told.keys().filter(|id| !sessions.iter().any(|session| session.session_id == **id)).cloned().collect();
    for id in &gone {
        told.remove(id);
    }
    if changed.is_empty() && gone.is_empty() {
        return None;
    }
    let per_s = (events_per_s * 10.0).round() / 10.0;
    Some(json!({ "seq": seq, "sessions": changed, "removed": gone, "clients": app.clients(), "events_per_s": per_s }))
}

fn emit(app: &App, name: &str, payload: &Value) {
    app.io.to(NAMESPACE).emit(&Encoded::event(NAMESPACE, name, &[Json::Value(payload)]));
}
