//! Marks a thread while it does the client's own work, so that what is logged there is not sent by the client again.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Until it is dropped, this thread does the client's own work.
pub(crate) struct OwnWork(());

impl OwnWork {
    pub(crate) fn begin() -> Self {
        // A thread that ends has no marks any more, and logs nothing that we could send.
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
        Self(())
    }

    /// Whether this thread does it now.
    pub(crate) fn is_going_on() -> bool {
        DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(true)
    }
}

impl Drop for OwnWork {
    fn drop(&mut self) {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}

/// The future, with each of its steps marked, whatever library it calls.
pub(crate) async fn marked<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(move |cx| {
        let _mark = OwnWork::begin();
        future.as_mut().poll(cx)
    })
    .await
}
