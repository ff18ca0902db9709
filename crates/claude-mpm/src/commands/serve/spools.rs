//! Which spools a monitor reads: its own, and that of a port that a stranger has.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt as _;
use std::time::{Duration, Instant};

use server::Spool;

use crate::daemon::plan::Plan;

/// How long a monitor waits for another one to leave its spool, which that one was told to.
const SPOOL_LOCK_MAX: Duration = Duration::from_secs(2);

/// The spools to read, and the locks that say that they are read here: its own, and that of a port that a stranger has.
pub(super) fn spools(plan: &Plan, port: u16) -> (Vec<Spool>, Vec<File>) {
    let mut spools = vec![Spool { port, dir: plan.home.spool(port) }];
    let mut locks = Vec::new();
    match spool_lock(plan, port, SPOOL_LOCK_MAX) {
        Ok(lock) => locks.push(lock),
        // Its own it reads in any case: the lock on the store keeps out every other monitor of that port.
        Err(error) => tracing::warn!("another monitor still reads the spool of port {port}: {error}"),
    }
    if let Some(other) = plan.drains.filter(|other| *other != port) {
        match spool_lock(plan, other, Duration::ZERO) {
            Ok(lock) => {
                locks.push(lock);
                spools.push(Spool { port: other, dir: plan.home.spool(other) });
                tracing::info!("hooks for port {other}, which another program has, are read, too");
            }
            Err(error) => tracing::info!("another monitor reads the spool of port {other}: {error}"),
        }
    }
    (spools, locks)
}

/// Beside the spool's folder, because what lies in it is for hooks.
fn spool_lock(plan: &Plan, port: u16, wait_max: Duration) -> std::io::Result<File> {
    let path = plan.home.spool(port).with_extension("lock");
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let lock = File::options().create(true).truncate(false).write(true).open(path)?;
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if began.elapsed() >= wait_max => {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
