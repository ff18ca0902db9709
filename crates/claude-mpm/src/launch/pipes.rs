//! An agent whose output goes somewhere: every byte passes through as it is, and a copy is told.

use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use super::teller::Teller;
use super::{Ended, LAST_WORDS_MAX};

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// Runs it to its end.
pub(super) fn run(mut command: Command, teller: Option<&Teller>) -> std::io::Result<Ended> {
    command.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Before it is there: a signal in between must not be lost.
    let signals = Forwarder::take_over()?;
    let waits = || tokio::runtime::Builder::new_current_thread().enable_io().build();
    let (of_stdout, of_stderr) = (waits()?, waits()?);
    let mut child = command.spawn()?;
    signals.to(&child);
    if let Some(teller) = teller {
        teller.status("running", Some(child.id()), "The agent runs");
        if let Some(pid) = Pid::from_raw(child.id() as i32) {
            teller.attend(pid, None);
        }
    }
    let stdout = child.stdout.take().map(OwnedFd::from);
    let stderr = child.stderr.take().map(OwnedFd::from);
    let (over, is_over) = watch::channel(false);
    let status = std::thread::scope(|scope| {
        let (end, ends) = std::sync::mpsc::channel::<()>();
        if let Some(stderr) = stderr {
            let (end, is_over) = (end.clone(), is_over.clone());
            scope.spawn(move || {
                of_stderr.block_on(pass(stderr, std::io::stderr(), is_over, teller, "stderr"));
                drop(end);
            });
        }
        if let Some(stdout) = stdout {
            scope.spawn(move || {
                of_stdout.block_on(pass(stdout, std::io::stdout(), is_over, teller, "stdout"));
                drop(end);
            });
        }
        let status = child.wait();
        if let Some(teller) = teller {
            teller.gone();
        }
        // Until both streams are at their end, unless something that the agent started keeps one open.
        let _ = ends.recv_timeout(LAST_WORDS_MAX);
        let _ = over.send(true);
        status
    })?;
    Ok(status.code().map_or_else(|| Ended::Signal(status.signal().unwrap_or(0)), Ended::Code))
}

/// Copies until either side ends, or it is over and all is copied that was written by then. A reader of ours that is gone
/// ends the copy, and so the agent's write, as without us.
async fn pass(
    from: OwnedFd,
    mut to: impl Write,
    mut is_over: watch::Receiver<bool>,
    teller: Option<&Teller>,
    stream: &'static str,
) {
    let Ok(from) = pipe::Receiver::from_owned_fd(from) else { return };
    let mut piece = vec![0; PIECE];
    // How much is still to be copied, once it is over: what comes later is not the agent's.
    let mut left: Option<u64> = None;
    loop {
        if left.is_none() && *is_over.borrow() {
            left = Some(rustix::io::ioctl_fionread(&from).unwrap_or(0));
        }
        let wanted = usize::try_from(left.unwrap_or(u64::MAX)).unwrap_or(PIECE).min(PIECE);
        if wanted == 0 {
            return;
        }
        match from.try_read(&mut piece[..wanted]) {
            Ok(0) => return,
            Ok(length) => {
                left = left.map(|left| left.saturating_sub(length as u64));
                if to.write_all(&piece[..length]).and_then(|()| to.flush()).is_err() {
                    return;
                }
                if let Some(teller) = teller {
                    teller.printed(&piece[..length], stream);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::select! {
                readable = from.readable() => if readable.is_err() { return },
                changed = is_over.changed(), if left.is_none() => if changed.is_err() { return },
            },
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Passes the signals that ask this process to end on to the agent, which decides.
pub(super) struct Forwarder {
    child: std::sync::Arc<std::sync::OnceLock<u32>>,
}

impl Forwarder {
    pub(super) fn take_over() -> std::io::Result<Forwarder> {
        use tokio::signal::unix::{SignalKind, signal};
        let child = std::sync::Arc::new(std::sync::OnceLock::new());
        let known = std::sync::Arc::clone(&child);
        let (ready, taken) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let (mut terminate, mut hang_up, mut interrupt) =
                    (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?);
                let _ = ready.send(());
                loop {
                    let passed = tokio::select! {
                        _ = terminate.recv() => Signal::TERM,
                        _ = hang_up.recv() => Signal::HUP,
                        // Ctrl-C reaches the agent by itself: it is in the same group. A signal to us alone does not.
                        _ = interrupt.recv() => Signal::INT,
                    };
                    if let Some(pid) = known.get().and_then(|pid| Pid::from_raw(*pid as i32))
                        && (passed != Signal::INT || !is_foreground())
                    {
                        let _ = kill_process(pid, passed);
                    }
                }
                #[allow(unreachable_code, reason = "the loop ends with the process")]
                Ok::<(), std::io::Error>(())
            })
        })?;
        taken.recv().map_err(|_| std::io::Error::other("the signals cannot be taken over"))?;
        Ok(Forwarder { child })
    }

    fn to(&self, child: &Child) {
        let _ = self.child.set(child.id());
    }
}

/// Whether this process is in the terminal's foreground, so that its keys reach the agent, too.
fn is_foreground() -> bool {
    let own = rustix::process::getpgrp();
    rustix::termios::tcgetpgrp(std::io::stdin()).is_ok_and(|group| group == own)
}
