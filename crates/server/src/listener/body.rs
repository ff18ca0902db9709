//! Request bodies with a deadline: who sends a byte a minute must not hold a place for ever.

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// A body that brings no byte for so long is given up.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A body that is not whole by then is given up, however steadily it drips: 32 MiB take that long at 280 kB/s.
const WHOLE_MAX: Duration = Duration::from_secs(120);

/// The client is too slow.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly: 10 s without a byte, or 2 minutes in all")]
pub(crate) struct Slow;

/// Whether a body could not be read because it came too slowly.
pub(crate) fn is_slow(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Slow>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A body, and the time it has.
pub(super) struct Timed {
    body: Incoming,
    whole_at: Instant,
    /// Until when the next byte has to come. Made when the body is first waited for: most come with their head.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    pub(super) fn new(body: Incoming) -> Timed {
        Timed { body, whole_at: Instant::now() + WHOLE_MAX, wait: None }
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            this.wait = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let until = this.whole_at.min(Instant::now() + IDLE_MAX);
        let wait = this.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        match wait.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Box::new(Slow)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
