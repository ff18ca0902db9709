//! A client's whole life: connect, serve, wait, again; until it is closed or gives up.

use crate::backoff;
use crate::connection;
use crate::error::ConnectionError;
use crate::handle::Link;
use crate::own_work::OwnWork;
use crate::shared::Shared;
use std::sync::Arc;
use tokio::time::Instant;

/// Lives until the client is closed, or gives up.
pub(crate) async fn live(shared: Arc<Shared>) {
    // However this ends, by a runtime that shuts down too, whoever waits for the client is told.
    let mut end = End { shared: &shared, why: None };
    let mut failures = 0;
    loop {
        shared.link.send_replace(Link::Connecting);
        tokio::select! {
            biased;
            () = shared.shall_end() => return,
            () = shared.is_wanted() => {}
        }
        let began = Instant::now();
        let Some(ended) = attempt(&shared).await else { return };
        match ended {
            ConnectionError::ClosedByUs => return,
            // Nobody is waited for: the next attempt comes with the next namespace.
            ConnectionError::NotNeeded => continue,
            _ => {}
        }
        // A connection that lasted was none of a row of failures.
        if began.elapsed() > shared.config.backoff.max {
            failures = 0;
        }
        failures += 1;
        let why = Arc::new(ended);
        if shared.config.backoff.gives_up_after(failures) {
            end.why = Some(why);
            return;
        }
        let pause = shared.config.backoff.pause(failures, backoff::chance());
        tracing::debug!(error = %why, "no connection to {}: {why}", shared.target.authority);
        shared.link.send_replace(Link::Waiting { why, retry_in: pause });
        tokio::select! {
            biased;
            () = shared.shall_end() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One attempt, and the connection if it succeeds; `None` if the client shall end instead.
async fn attempt(shared: &Arc<Shared>) -> Option<ConnectionError> {
    let opened = tokio::select! {
        biased;
        () = shared.shall_end() => return None,
        opened = connection::open(shared) => opened,
    };
    let connection = match opened {
        Ok(connection) => connection,
        Err(error) => return Some(error),
    };
    shared.connected(connection.payload_bytes_max);
    let ended = connection.serve(shared).await;
    shared.disconnected(&ended);
    Some(ended)
}

struct End<'a> {
    shared: &'a Shared,
    why: Option<Arc<ConnectionError>>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let _mark = OwnWork::begin();
        self.shared.finish(self.why.take());
    }
}
