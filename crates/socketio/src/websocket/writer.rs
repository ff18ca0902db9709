//! The writing half: frames wait in order and leave with as few vectored writes as possible.

use super::Role;
use super::frame::{self, CONTROL_BYTES_MAX, Opcode};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Frames that one system call takes: enough for every burst seen, and 1 KiB of stack.
const WRITE_FRAMES_MAX: usize = 64;

/// Writes frames to one side of a WebSocket connection.
///
/// Nothing is sent before [`Writer::flush`]. The queue in here is not bounded: push only what you bounded elsewhere,
/// for instance when [`Writer::is_empty`].
#[derive(Debug)]
pub struct Writer<W> {
    io: W,
    role: Role,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    progress_at: Instant,
    close_sent: bool,
    mask_state: u64,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Writes to `io`.
    pub fn new(io: W, role: Role) -> Self {
        Self {
            io,
            role,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            progress_at: Instant::now(),
            close_sent: false,
            mask_state: mask_seed(role),
        }
    }

    /// Queues a whole frame that was encoded before with [`super::server_frame`].
    pub fn push(&mut self, frame: Bytes) {
        if self.close_sent {
            return;
        }
        if self.waiting.is_empty() {
            self.progress_at = Instant::now();
        }
        self.waiting_bytes += frame.len();
        self.waiting.push_back(frame);
    }

    /// Queues a text message.
    pub fn text(&mut self, text: &str) {
        self.frame(Opcode::Text, text.as_bytes());
    }

    /// Queues a binary message.
    pub fn binary(&mut self, payload: &[u8]) {
        self.frame(Opcode::Binary, payload);
    }

    /// Queues a ping; the payload is cut at 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) {
        self.frame(Opcode::Ping, &payload[..payload.len().min(CONTROL_BYTES_MAX)]);
    }

    /// Queues a pong; the payload is cut at 125 bytes.
    pub fn pong(&mut self, payload: &[u8]) {
        self.frame(Opcode::Pong, &payload[..payload.len().min(CONTROL_BYTES_MAX)]);
    }

    /// Queues a close frame, once; what is pushed afterwards is ignored. The reason is cut at 123 bytes.
    pub fn close(&mut self, code: u16, reason: &str) {
        let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
        let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
        self.frame(Opcode::Close, &payload);
        self.close_sent = true;
    }

    fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let frame = match self.role {
            Role::Server => frame::server_frame(opcode, payload),
            Role::Client => frame::client_frame(opcode, payload, self.next_mask()),
        };
        self.push(frame);
    }

    /// Whether nothing waits to be written.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes not yet taken by the stream.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    pub(crate) fn waiting_frames(&self) -> usize {
        self.waiting.len()
    }

    /// When the stream last took a byte, or the first of the waiting frames came; meaningless while empty.
    pub fn progress_at(&self) -> Instant {
        self.progress_at
    }

    /// Writes everything that waits. Safe to cancel: what the stream has taken is not sent again.
    ///
    /// # Errors
    /// The stream failed, or takes no more bytes; the connection is lost.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = ready!(self.poll_write(cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.waiting.len() == 1
            && let Some(frame) = self.waiting.front()
        {
            return Pin::new(&mut self.io).poll_write(cx, frame);
        }
        let mut slices = [IoSlice::new(&[]); WRITE_FRAMES_MAX];
        let count = self.waiting.len().min(WRITE_FRAMES_MAX);
        for (slice, frame) in slices.iter_mut().zip(&self.waiting) {
            *slice = IoSlice::new(frame);
        }
        Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, mut written: usize) {
        self.waiting_bytes = self.waiting_bytes.saturating_sub(written);
        while let Some(front) = self.waiting.front_mut() {
            if written < front.len() {
                front.advance(written);
                self.progress_at = Instant::now();
                return;
            }
            written -= front.len();
            self.waiting.pop_front();
        }
    }

    /// Ends the stream in our direction, after a flush.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }

    /// A new masking key (splitmix64): it keeps proxies from being fooled, it is not a secret.
    fn next_mask(&mut self) -> [u8; 4] {
        self.mask_state = self.mask_state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.mask_state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed >> 32) as u32).to_ne_bytes()
    }
}

/// A random start for a client's masks; a server needs none.
fn mask_seed(role: Role) -> u64 {
    match role {
        Role::Server => 0,
        Role::Client => getrandom::u64().unwrap_or(0x5DEE_CE66),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything, and notes how many slices each write had.
    #[derive(Default)]
    struct Taker(Vec<usize>);

    impl AsyncWrite for Taker {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.push(1);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.0.push(slices.len());
            Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn waiting_frames_leave_in_one_write() {
        let mut writer = Writer::new(Taker::default(), Role::Server);
        let frame = frame::server_frame(Opcode::Text, b"42[\"x\"]");
        for frames in [1, WRITE_FRAMES_MAX, WRITE_FRAMES_MAX + 2] {
            (0..frames).for_each(|_| writer.push(frame.clone()));
            writer.flush().await.unwrap();
            assert!(writer.is_empty() && writer.waiting_bytes() == 0);
        }
        assert_eq!(writer.io.0, [1, WRITE_FRAMES_MAX, WRITE_FRAMES_MAX, 2]);
    }
}
