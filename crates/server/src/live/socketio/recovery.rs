//! Clients that come back: what they missed comes from the store, once and in order, before anything newer.
//!
//! By the protocol's connection state recovery for those that ask for it with `auth.recovery`, and for all others by
//! `auth.since`, the number of the last event they saw.

use std::sync::Arc;

use serde_json::{Value, json};
use socketio::{CatchUp, Encoded, Json, NoRandomness, RecoveryId, Restored, Socket, SocketId};
use tracing::debug;

use super::{forward, rooms};
use crate::app::App;
use crate::clock;
use crate::live::replay::{Follower, Step};

/// How far a client has read: `"<seq>.<n>"`, the n-th packet of an event, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    seq: u64,
    /// Packets of that event that it has seen; `None` for all.
    packets: Option<usize>,
}

/// Makes a socket what it was, its rooms and its query, if its client asks for that and can have it.
pub(super) fn take_back(app: &Arc<App>, socket: &Socket, auth: &Value) -> bool {
    let Some((catch_up, seen)) = asks(auth).then(|| restore(app, socket, auth)).flatten() else { return false };
    start(app, catch_up, seen);
    stays(app, socket);
    true
}

/// Begins with a socket that is in its rooms and has its query: it may come back later, or wants what it says it missed.
pub(super) fn begin(app: &Arc<App>, socket: &Socket, auth: &Value) -> Result<(), NoRandomness> {
    if asks(auth) {
        socket.offer_recovery()?;
        stays(app, socket);
    } else if let Some(since) = number(auth.get("since"))
        && let Some(catch_up) = socket.catch_up()
    {
        start(app, catch_up, Seen { seq: since, packets: None });
    }
    Ok(())
}

/// Refuses a `since` that is no number of an event: taken in silence, its client would believe that it missed nothing.
pub(super) fn check(auth: &Value) -> Result<(), &'static str> {
    match auth.get("since") {
        None | Some(Value::Null) => Ok(()),
        since if number(since).is_some() => Ok(()),
        Some(_) => Err("\"since\" must be the number of an event; 0 is before the first"),
    }
}

/// Whether a client asks for connection state recovery.
fn asks(auth: &Value) -> bool {
    auth.get("recovery") == Some(&Value::Bool(true))
}

/// Remembers a socket as it is now, if its client asked for recovery.
pub(super) fn stays(app: &App, socket: &Socket) {
    remember(app, socket, false);
}

/// Remembers that a socket is away from now on, if its client asked for recovery.
pub(super) fn left(app: &App, socket: &Socket) {
    remember(app, socket, true);
}

fn remember(app: &App, socket: &Socket, left: bool) {
    let Some(pid) = socket.recovery_id() else { return };
    let id = socket.id().to_string();
    let rooms = socket.rooms().into_iter().filter(|room| *room != id).collect();
    let left = left.then(clock::now);
    for note in app.returning.remember(pid.secret(), id, socket.namespace(), rooms, left) {
        app.recorder.note(note);
    }
}

fn restore(app: &App, socket: &Socket, auth: &Value) -> Option<(CatchUp, Seen)> {
    let pid = auth.get("pid")?.as_str()?;
    let seen = Seen::parse(auth.get("offset")?.as_str()?)?;
    // A number that is not ours, or one after which something is gone, cannot be made good.
    if seen.seq > app.hub.state().seq || seen.seq.saturating_add(1) < app.reader.seq_first() {
        return None;
    }
    let client = app.returning.take(pid, socket.namespace(), clock::now())?;
    let id = SocketId::parse(&client.sid)?;
    let catch_up = socket.restore(Restored { id, pid: RecoveryId::known(pid), rooms: client.rooms })?;
    Some((catch_up, seen))
}

fn start(app: &Arc<App>, catch_up: CatchUp, seen: Seen) {
    let task = Arc::clone(app);
    app.tasks.spawn(async move {
        let stopped = task.stopped.clone();
        tokio::select! {
            () = stopped.cancelled() => {}
            caught_up = replay(&task, catch_up, seen) => if caught_up.is_none() {
                debug!("a client left while it caught up");
            }
        }
    });
}

/// Sends what was missed until nothing is; `None` when the client is gone.
async fn replay(app: &App, mut catch_up: CatchUp, mut seen: Seen) -> Option<()> {
    let namespace = catch_up.socket().namespace().to_owned();
    let newest = app.hub.state().seq;
    if seen.seq > newest {
        let reason = format!("there is no event {} yet: this is another monitor, or its store began anew", seen.seq);
        catch_up.send(&gap(&namespace, newest + 1, seen.seq, &reason)).await.ok()?;
        seen = Seen { seq: newest, packets: None };
    }
    // The event that was seen in part is read again.
    let since = if seen.packets.is_some() { seen.seq.saturating_sub(1) } else { seen.seq };
    let mut follower = Follower::new(app, since, Arc::new(rooms::query(catch_up.socket())));
    loop {
        match follower.next().await {
            Step::Events(events) => {
                for published in events.iter().filter(|published| published.event.seq.is_some()) {
                    let before = seen.packets.filter(|_| published.event.seq == Some(seen.seq)).unwrap_or(0);
                    for packet in forward::missed(published, before, catch_up.socket()) {
                        catch_up.send(&packet).await.ok()?;
                    }
                }
            }
            Step::Gap { from, to, reason } => {
                catch_up.send(&gap(&namespace, from, to, &reason)).await.ok()?;
            }
            Step::Live => {}
            Step::Closed => return None,
        }
        if follower.is_live() {
            match catch_up.finish(follower.seq()) {
                Ok(()) => return Some(()),
                Err(behind) => catch_up = behind.catch_up,
            }
        }
    }
}

fn gap(namespace: &str, from: u64, to: u64, reason: &str) -> Encoded {
    Encoded::event(namespace, "gap", &[Json::Value(&json!({ "from": from, "to": to, "reason": reason }))]).kept()
}

fn number(value: Option<&Value>) -> Option<u64> {
    value?.as_u64().or_else(|| value?.as_str()?.parse().ok())
}

impl Seen {
    fn parse(offset: &str) -> Option<Seen> {
        let (seq, packet) = offset.split_once('.')?;
        let packet: usize = packet.parse().ok()?;
        Some(Seen { seq: seq.parse().ok()?, packets: Some(packet.checked_add(1)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_a_number_and_a_packet() {
        assert_eq!(Seen::parse("7.0"), Some(Seen { seq: 7, packets: Some(1) }));
        for wrong in ["", "7", "7.", ".1", "-1.0", "7.x", "7.18446744073709551615"] {
            assert_eq!(Seen::parse(wrong), None, "{wrong}");
        }
    }
}
