//! The raw WebSocket API: one JSON object a frame, channels to subscribe to, commands with answers.

mod client;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use socketio::websocket::{self, Error, Message, Opcode, Upgrade, code, server_frame};
use tokio::time::Instant;
use tracing::debug;

use crate::access::{self, Granted, Visitor};
use crate::api::problem::Problem;
use crate::app::App;
use crate::live::replay::{Follower, Step};
use crate::live::roster;
use client::Client;

/// The longest message that a client may send, in bytes.
const MESSAGE_BYTES_MAX: usize = 1_000_000;

/// Bytes that may wait for one client before it reads no further; what then passes by is read from the store later.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// A client that takes no byte for so long is let go.
const WRITE_STALL_MAX: Duration = Duration::from_secs(15);

/// A client that sends nothing is asked for a sign of life this often.
const PING_EVERY: Duration = Duration::from_secs(25);

/// A client that gives no sign of life for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How long a client has to bring the token.
const AUTH_MAX: Duration = Duration::from_secs(45);

/// Answers an upgrade at `/` or `/ws`.
pub(crate) async fn upgrade(State(app): State<Arc<App>>, mut request: Request) -> Response {
    let (Some(visitor), Some(granted)) =
        (request.extensions().get::<Visitor>().cloned(), request.extensions().get::<Granted>().copied())
    else {
        return Problem::token().into_response();
    };
    if !app.config.websocket {
        return Problem::new(StatusCode::NOT_FOUND, "websocket_disabled", "this monitor speaks no WebSocket")
            .suggest("Set monitoring.websocket.enabled to true, or connect with Socket.IO and polling")
            .into_response();
    }
    if app.clients() >= app.config.connections_max as u64 {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", "too many connections")
            .into_response();
    }
    let (response, upgrade) = match websocket::upgrade(&mut request) {
        Ok(upgraded) => upgraded,
        Err(refused) => return refused.response().into_response(),
    };
    let (serving, peer) = (Arc::clone(&app), visitor.peer);
    let guest = roster::enter(&app, peer, request.headers(), "raw websocket");
    app.tasks.spawn(async move {
        serving.websocket_clients.fetch_add(1, Relaxed);
        tokio::select! {
            served = serve(&serving, upgrade, granted, visitor) => {
                if let Err(error) = served {
                    debug!("raw WebSocket client {peer}: {error}");
                }
            }
            () = guest.sent_away() => debug!("raw WebSocket client {peer} was sent away"),
        }
        drop(guest);
        serving.websocket_clients.fetch_sub(1, Relaxed);
    });
    response.into_response()
}

async fn serve(app: &Arc<App>, upgrade: Upgrade, granted: Granted, visitor: Visitor) -> Result<(), Error> {
    let (mut reader, mut writer) = upgrade.open(MESSAGE_BYTES_MAX).await?;
    let (mut client, mut answers) = Client::new(granted, visitor);
    // A client that wants nothing yet must not keep what others have read.
    let mut follower: Option<Follower> = None;
    let mut heard_at = Instant::now();
    let joined_at = Instant::now();
    let mut interval = tokio::time::interval_at(joined_at + PING_EVERY, PING_EVERY);
    if client.is_authenticated() {
        writer.text(&client::hello(app));
    }
    loop {
        client.follow(app, &mut follower);
        let has_room = writer.waiting_bytes() < WAITING_BYTES_MAX;
        tokio::select! {
            () = app.stopped.cancelled() => {
                writer.close(code::AWAY, "the server is stopping");
                let _ = tokio::time::timeout(Duration::from_secs(1), writer.flush()).await;
                return Ok(());
            }
            // One that does not read is not listened to either: its answers would fill the memory.
            message = reader.next(), if has_room => {
                heard_at = Instant::now();
                match message {
                    Ok(Message::Text(text)) => {
                        for answer in client.take(app, &text) {
                            writer.text(&answer);
                        }
                        if let Some(reason) = client.refused() {
                            writer.close(code::POLICY, reason);
                            let _ = tokio::time::timeout(Duration::from_secs(1), writer.flush()).await;
                            return Ok(());
                        }
                    }
                    Ok(Message::Binary(_)) => writer.text(&client::error("binary messages mean nothing here; send JSON text", None)),
                    Ok(Message::Ping(payload)) => writer.pong(&payload),
                    Ok(Message::Pong(_)) => {}
                    Ok(Message::Close(_)) => {
                        writer.close(code::NORMAL, "");
                        let _ = tokio::time::timeout(Duration::from_secs(1), writer.flush()).await;
                        return Ok(());
                    }
                    Err(error) => {
                        if let Some(code) = error.close_code() {
                            writer.close(code, &error.to_string());
                            let _ = tokio::time::timeout(Duration::from_secs(1), writer.flush()).await;
                        }
                        return Err(error);
                    }
                }
            }
            Some(answer) = answers.recv() => writer.text(&answer),
            step = next_step(follower.as_mut()), if has_room => match step {
                Step::Events(events) => {
                    for frame in events.iter().flat_map(|published| client.frames(app, published)) {
                        writer.push(frame);
                    }
                }
                Step::Gap { from, to, reason } => writer.text(&client::gap(from, to, &reason)),
                Step::Live => {
                    if let Some(told) = client.caught_up(follower.as_ref().map_or(0, Follower::seq)) {
                        writer.text(&told);
                    }
                }
                // The server stops, and the next turn says so.
                Step::Closed => follower = None,
            },
            flushed = writer.flush(), if !writer.is_empty() => flushed?,
            _ = interval.tick() => {
                if !client.is_authenticated() && joined_at.elapsed() > AUTH_MAX {
                    writer.close(code::POLICY, access::INVALID_TOKEN);
                    let _ = tokio::time::timeout(Duration::from_secs(1), writer.flush()).await;
                    return Ok(());
                }
                let stalled = !writer.is_empty() && writer.progress_at().elapsed() > WRITE_STALL_MAX;
                if stalled || heard_at.elapsed() > SILENCE_MAX {
                    return Err(Error::Ended);
                }
                if let Some(follower) = follower.as_mut().filter(|_| !has_room) {
                    follower.wait_in_store();
                }
                writer.ping(b"");
            }
        }
    }
}

async fn next_step(follower: Option<&mut Follower>) -> Step {
    match follower {
        Some(follower) => follower.next().await,
        None => std::future::pending().await,
    }
}

fn text_frame(value: &Value) -> Bytes {
    server_frame(Opcode::Text, value.to_string().as_bytes())
}

/// What a frame says when its event is too large for one.
fn cut_frame(kind: &str, seq: Option<u64>, bytes: usize) -> Value {
    json!({ "type": kind, "data": { "seq": seq, "cut": true, "bytes": bytes } })
}
