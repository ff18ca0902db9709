//! The WebSocket transport: one task per connection that reads, writes, and keeps the time.

use super::packet::Packet;
use super::session::{Outgoing, Session};
use super::state::PollEnd;
use super::{CloseReason, Frame, polling};
use crate::websocket::{self, Message, Reader, Stream, Upgrade, Writer, code};
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until, timeout};

/// Frames taken from the queue at a time: one full vectored write.
pub(super) const BATCH_FRAMES_MAX: usize = 64;

/// Bytes taken from the queue at a time: about what a socket's send buffer takes at once. What is taken cannot be
/// dropped any more.
pub(super) const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Pings of a client that are answered before the writer has to catch up; others need no answer (RFC 6455, 5.5.3).
const PONGS_WAITING_MAX: u8 = 8;

/// Runs a session that began as WebSocket.
pub(super) async fn serve(session: Session, upgrade: Upgrade) {
    let _guard = EndGuard { session: &session };
    let Some(wire) = open(&session, upgrade).await else { return };
    wire.run().await;
}

/// Runs a WebSocket that wants to take over a polling session.
pub(super) async fn take_over(session: Session, upgrade: Upgrade) {
    let Some(mut wire) = open(&session, upgrade).await else {
        session.cancel_upgrade();
        return;
    };
    let patience = session.inner.config.upgrade_timeout;
    let probe = async {
        tokio::select! {
            agreed = wire.probe() => agreed,
            () = over(&session) => false,
        }
    };
    let agreed = timeout(patience, probe).await.unwrap_or(false);
    if !agreed || !session.finish_upgrade() {
        session.cancel_upgrade();
        wire.goodbye(code::NORMAL).await;
        return;
    }
    let _guard = EndGuard { session: &session };
    wire.run().await;
}

/// Refuses a WebSocket that may not take over, the way the reference does: open it, then close it.
pub(super) async fn turn_away(session: Session, upgrade: Upgrade) {
    if let Some(wire) = open(&session, upgrade).await {
        wire.goodbye(code::NORMAL).await;
    }
}

async fn open(session: &Session, upgrade: Upgrade) -> Option<Wire> {
    let config = &session.inner.config;
    let opened = timeout(config.upgrade_timeout, upgrade.open(config.payload_bytes_max)).await;
    let (reader, writer) = opened.ok()?.ok()?;
    Some(Wire { session: session.clone(), reader, writer, batch: Vec::new(), much_waits: false, pongs_waiting: 0 })
}

/// Completes when the session is over, or must be.
async fn over(session: &Session) {
    loop {
        let mut changed = std::pin::pin!(session.changed());
        changed.as_mut().enable();
        if session.is_ending() {
            return;
        }
        changed.await;
    }
}

/// However the task ends, by a panic in a handler too, the session ends with it.
struct EndGuard<'a> {
    session: &'a Session,
}

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        self.session.abort(CloseReason::TransportError, PollEnd::Close);
    }
}

/// Writes what waits in the queue, until it is empty or the stream takes no more.
fn drain(
    session: &Session,
    writer: &mut Writer<WriteHalf<Stream>>,
    batch: &mut Vec<Frame>,
    much_waits: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Drained> {
    if !writer.is_empty() {
        return writer.poll_flush(cx).map(|written| if written.is_ok() { Drained::Flushed } else { Drained::Broken });
    }
    loop {
        let Outgoing::Frames(taken) = ready!(session.poll_outgoing(cx, batch)) else {
            return Poll::Ready(Drained::End);
        };
        *much_waits = taken.much;
        batch.drain(..).for_each(|frame| writer.push(frame.into_websocket()));
        match writer.poll_flush(cx) {
            Poll::Ready(Ok(())) if taken.more => {}
            // The queue was empty when it was looked at, and whoever fills it will wake us.
            Poll::Ready(Ok(())) => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Drained::Broken),
            Poll::Pending => {
                session.blocked(writer.waiting_bytes(), writer.waiting_frames(), taken.since);
                return Poll::Ready(Drained::Blocked);
            }
        }
    }
}

struct Wire {
    session: Session,
    reader: Reader<ReadHalf<Stream>>,
    writer: Writer<WriteHalf<Stream>>,
    /// Empty between two uses; kept for its memory.
    batch: Vec<Frame>,
    /// So many answers wait that the client is not read while they are written.
    much_waits: bool,
    pongs_waiting: u8,
}

/// How sending what waits ended; while it is neither, there is nothing to send.
enum Drained {
    /// What the stream had not taken at once, it has taken now.
    Flushed,
    /// The stream takes no more for now.
    Blocked,
    /// The stream is broken.
    Broken,
    /// Nothing will come any more.
    End,
}

impl Wire {
    /// Waits for `2probe`, answers it, waits for `5`.
    async fn probe(&mut self) -> bool {
        if !matches!(self.reader.next().await, Ok(Message::Text(text)) if text == "2probe") {
            return false;
        }
        self.writer.text("3probe");
        if self.writer.flush().await.is_err() {
            return false;
        }
        self.session.probed();
        matches!(self.reader.next().await, Ok(Message::Text(text)) if text == "5")
    }

    /// The connection's life, until either side ends it. One poll of `drain` takes from the queue and writes; the other
    /// branches for writing are for a stream that is slow.
    async fn run(mut self) {
        let stall_max = self.session.inner.config.write_stall_max;
        let mut ending = false;
        let Some(first) = self.session.tick(false) else { return self.goodbye(code::NORMAL).await };
        let mut timer = std::pin::pin!(sleep_until(first));
        let code = loop {
            let writing = !self.writer.is_empty();
            let stalled_at = self.writer.progress_at() + stall_max;
            tokio::select! {
                biased;
                () = &mut timer => match self.session.tick(self.much_waits) {
                    Some(next) => timer.as_mut().reset(next),
                    None => break code::NORMAL,
                },
                drained = poll_fn(|cx| {
                    drain(&self.session, &mut self.writer, &mut self.batch, &mut self.much_waits, cx)
                }) => match drained {
                    Drained::Flushed => self.pongs_waiting = 0,
                    Drained::Blocked => {}
                    Drained::Broken => return self.session.abort(CloseReason::TransportError, PollEnd::Close),
                    Drained::End => break code::NORMAL,
                },
                // A timer is made only when this is polled: while the stream takes nothing.
                () = async { sleep_until(stalled_at).await }, if writing => {
                    if self.writer.progress_at() + stall_max <= Instant::now() {
                        return self.session.abort(CloseReason::WriteStalled, PollEnd::Close);
                    }
                },
                // Somebody ended the session while the stream takes nothing: the time is short now.
                () = over(&self.session), if writing && !ending => {
                    ending = true;
                    match self.session.tick(self.much_waits) {
                        Some(next) => timer.as_mut().reset(next),
                        None => break code::NORMAL,
                    }
                },
                message = self.reader.next(), if !(writing && self.much_waits) => match self.receive(message) {
                    Ok(()) => {
                        self.much_waits = self.session.much_waits();
                        tokio::task::consume_budget().await;
                    }
                    Err(code) => break code,
                },
            }
        };
        self.goodbye(code).await;
    }

    /// One message from the client; an error is the code to close with.
    fn receive(&mut self, message: Result<Message, websocket::Error>) -> Result<(), u16> {
        let packet = match message {
            Ok(Message::Text(text)) => Packet::decode_owned(text).map_err(|_| CloseReason::ParseError),
            Ok(Message::Binary(bytes)) => Ok(Packet::Binary(bytes)),
            Ok(Message::Ping(payload)) => {
                if self.pongs_waiting < PONGS_WAITING_MAX {
                    self.pongs_waiting += 1;
                    self.writer.pong(&payload);
                }
                return Ok(());
            }
            Ok(Message::Pong(_)) => return Ok(()),
            Ok(Message::Close(close)) => {
                self.session.abort(CloseReason::TransportClose, PollEnd::Close);
                return Err(close.map_or(code::NORMAL, |close| close.code));
            }
            Err(error) => {
                let reason = match error {
                    websocket::Error::Ended => CloseReason::TransportClose,
                    _ => CloseReason::TransportError,
                };
                self.session.abort(reason, PollEnd::Close);
                return Err(error.close_code().unwrap_or(code::NORMAL));
            }
        };
        // A `b` packet is for polling only; over WebSocket binary is a binary message. The reference takes both.
        packet.and_then(|packet| polling::handle(&self.session, packet)).map_err(|reason| {
            self.session.abort(reason, PollEnd::Close);
            code::NORMAL
        })
    }

    /// Sends what the writer holds and a close frame, and waits a little for the client's.
    async fn goodbye(mut self, code: u16) {
        let limit = Instant::now() + self.session.inner.config.close_max;
        self.writer.close(code, "");
        let farewell = async {
            self.writer.flush().await.ok()?;
            self.writer.shutdown().await.ok()?;
            while !matches!(self.reader.next().await, Ok(Message::Close(_)) | Err(_)) {}
            Some(())
        };
        // It is over either way; the stream closes when it is dropped.
        let _ = tokio::time::timeout_at(limit, farewell).await;
    }
}
