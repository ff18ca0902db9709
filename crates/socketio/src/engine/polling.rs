//! HTTP long-polling: the GET that waits for packets and the POST that brings some.

use super::packet::{self, Packet, SEPARATOR};
use super::session::Session;
use super::state::{Phase, PollEnd, State, Transport, UpgradeStep};
use super::{CloseReason, Frame, Lost, Message, Refusal};
use crate::config::Config;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use std::task::{Context, Poll};
use std::time::Duration;

/// How long a poll waits during an upgrade before it is sent home, as in the reference: short, so that the client
/// can go over; not at once, so that it does not spin.
const PROBED_POLL: Duration = Duration::from_millis(100);

/// Answers `GET ?transport=polling&sid=…`: waits for packets.
pub(super) async fn get(session: &Session) -> Response<Full<Bytes>> {
    if session.tick(false).is_none() {
        return Refusal::UnknownSession.response();
    }
    let begun = session.with_state(|state| {
        if state.phase == Phase::Closed {
            return None;
        }
        let overlap = state.polling;
        state.polling = true;
        Some((overlap, state.upgrade == UpgradeStep::Probed))
    });
    let Some((overlap, probed)) = begun else { return Refusal::UnknownSession.response() };
    if overlap {
        session.abort(CloseReason::TransportError, PollEnd::Close);
        return Refusal::BadRequest.response();
    }
    let mut guard = PollGuard { session, answered: false };
    if probed && let Ok(response) = tokio::time::timeout(PROBED_POLL, answer(session)).await {
        guard.answered = true;
        return response;
    }
    if probed {
        session.with_state(|state| state.poll_end = state.poll_end.or(Some(PollEnd::Noop)));
    }
    let response = answer(session).await;
    guard.answered = true;
    response
}

/// A poll that is dropped before its answer means that the client's connection broke.
struct PollGuard<'a> {
    session: &'a Session,
    answered: bool,
}

impl Drop for PollGuard<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.session.with_state(|state| state.polling = false);
            self.session.abort(CloseReason::TransportError, PollEnd::Close);
        }
    }
}

async fn answer(session: &Session) -> Response<Full<Bytes>> {
    std::future::poll_fn(|cx| poll_answer(session, cx)).await
}

fn poll_answer(session: &Session, cx: &mut Context<'_>) -> Poll<Response<Full<Bytes>>> {
    let config = &session.inner.config;
    let Some(taken) = session.with_state(|state| take(state, config, cx)) else { return Poll::Pending };
    session.tell_room(taken.room);
    session.inner.counters.sent(taken.frames.len(), taken.bytes);
    session.tell_lost(taken.lost);
    let mut body = BytesMut::with_capacity(taken.bytes + taken.frames.len() + 2);
    for frame in &taken.frames {
        append(&mut body, &frame.polling());
    }
    match taken.end {
        Some(PollEnd::Noop) => append(&mut body, b"6"),
        Some(PollEnd::Close) => append(&mut body, b"1"),
        Some(PollEnd::Unavailable) | None => {}
    }
    if taken.last {
        session.abort(CloseReason::ServerClose, PollEnd::Close);
    }
    if body.is_empty() {
        return Poll::Ready(Refusal::Unavailable.response());
    }
    // After the last packets of a server that goes down, the next poll finds no session, which is as good.
    Poll::Ready(payload(body.freeze()))
}

/// What one poll is answered with.
#[derive(Default)]
struct Taken {
    frames: Vec<Frame>,
    bytes: usize,
    lost: Vec<(u32, Lost)>,
    /// Somebody waited for room in the queue and has it now.
    room: bool,
    end: Option<PollEnd>,
    /// The client has now been told of the end.
    last: bool,
}

/// The answer for the waiting poll, or `None` and a wake-up when there is one.
fn take(state: &mut State, config: &Config, cx: &Context<'_>) -> Option<Taken> {
    let mut taken = Taken::default();
    let closing = state.phase != Phase::Open;
    if state.transport == Transport::Websocket {
        state.poll_end = None;
        taken.end = Some(PollEnd::Noop);
    } else if let Some(end) = state.poll_end.take() {
        taken.end = Some(end);
        taken.last = closing;
    } else {
        taken.bytes = state.queue.take(config.poll_packets_max, config.payload_bytes_max, &mut taken.frames);
        taken.lost = state.queue.take_lost();
        taken.room = state.taken(taken.frames.len(), taken.bytes);
        taken.last = closing && state.queue.is_empty();
        taken.end = taken.last.then_some(state.last_poll_end);
        if taken.frames.is_empty() && !taken.last {
            state.consumer = Some(cx.waker().clone());
            return None;
        }
    }
    state.polling = false;
    Some(taken)
}

fn append(body: &mut BytesMut, packet: &[u8]) {
    if !body.is_empty() {
        body.extend_from_slice(&[SEPARATOR]);
    }
    body.extend_from_slice(packet);
}

/// An answer with packets in it.
pub(super) fn payload(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers `POST ?transport=polling&sid=…`: takes packets.
pub(super) async fn post<B>(session: &Session, body: B) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes>,
{
    let overlap = session.with_state(|state| std::mem::replace(&mut state.posting, true));
    if overlap {
        session.abort(CloseReason::TransportError, PollEnd::Close);
        return Refusal::BadRequest.response();
    }
    let mut guard = PostGuard { session, received: false };
    // A client that needs longer than this for a body would have lost its session to a ping by then.
    let patience = session.inner.config.ping_interval + session.inner.config.ping_timeout;
    let collected = tokio::time::timeout(patience, collect(body, session.inner.config.payload_bytes_max)).await;
    guard.received = true;
    match collected {
        Ok(Ok(body)) => receive(session, &body),
        Ok(Err(Unreadable::TooBig)) => status(StatusCode::PAYLOAD_TOO_LARGE),
        Ok(Err(Unreadable::Broken)) | Err(_) => {
            session.abort(CloseReason::TransportError, PollEnd::Close);
            status(StatusCode::BAD_REQUEST)
        }
    }
}

/// A POST that is dropped before its body was read means that the client's connection broke and packets are lost.
struct PostGuard<'a> {
    session: &'a Session,
    received: bool,
}

impl Drop for PostGuard<'_> {
    fn drop(&mut self) {
        self.session.with_state(|state| state.posting = false);
        if !self.received {
            self.session.abort(CloseReason::TransportError, PollEnd::Close);
        }
    }
}

enum Unreadable {
    TooBig,
    Broken,
}

async fn collect<B: Body<Data = Bytes>>(body: B, bytes_max: usize) -> Result<BytesMut, Unreadable> {
    let mut body = std::pin::pin!(body);
    let mut collected = BytesMut::new();
    while let Some(frame) = body.as_mut().frame().await {
        let Ok(frame) = frame else { return Err(Unreadable::Broken) };
        let Ok(part) = frame.into_data() else { continue };
        if collected.len() + part.len() > bytes_max {
            return Err(Unreadable::TooBig);
        }
        collected.extend_from_slice(&part);
    }
    Ok(collected)
}

fn receive(session: &Session, body: &[u8]) -> Response<Full<Bytes>> {
    let Ok(packets) = packet::decode_payload(body, session.inner.config.payload_packets_max) else {
        session.abort(CloseReason::ParseError, PollEnd::Close);
        return status(StatusCode::BAD_REQUEST);
    };
    for packet in packets {
        if !session.is_open() {
            break;
        }
        match handle(session, packet) {
            Ok(()) => {}
            Err(CloseReason::TransportClose) => session.leave(),
            Err(reason) => session.abort(reason, PollEnd::Close),
        }
    }
    let mut response = Response::new(Full::from("ok"));
    // Not text/plain: some old browsers would offer it as a download.
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Acts on a packet from either transport; an error ends the session.
pub(super) fn handle(session: &Session, packet: Packet) -> Result<(), CloseReason> {
    session.heard(matches!(packet, Packet::Pong(_)));
    let counters = &session.inner.counters;
    match packet {
        Packet::Text(text) => {
            counters.received(text.len() + 1);
            session.deliver(Message::Text(text));
        }
        Packet::Binary(bytes) => {
            counters.received(bytes.len());
            session.deliver(Message::Binary(bytes));
        }
        Packet::Close => return Err(CloseReason::TransportClose),
        // Since version 4 only servers ping.
        Packet::Ping(_) => return Err(CloseReason::TransportError),
        Packet::Pong(_) | Packet::Noop | Packet::Upgrade | Packet::Open(_) => counters.received(1),
    }
    Ok(())
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
