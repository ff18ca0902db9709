//! The owner of every task of a server, so that each one ends.

use crate::sync::lock;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;
use tokio::task::JoinSet;

/// The running tasks. The mutex is held for a spawn or a reap only, never across an await.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: Mutex<JoinSet<()>>,
}

impl Tasks {
    /// Starts a task, and forgets those that have ended.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut running = lock(&self.running);
        while running.try_join_next().is_some() {}
        running.spawn(task);
    }

    /// Waits for all tasks, at most so long; then ends the rest. Returns how many had to be ended.
    pub(crate) async fn end(&self, limit: Duration) -> usize {
        let mut running = std::mem::take(&mut *lock(&self.running));
        let waited = tokio::time::timeout(limit, async { while running.join_next().await.is_some() {} }).await;
        let stuck = if waited.is_ok() { 0 } else { running.len() };
        running.shutdown().await;
        stuck
    }
}
