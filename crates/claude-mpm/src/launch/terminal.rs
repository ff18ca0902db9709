//! An agent in a pseudo terminal: every key, colour, resize and signal as without us, and a copy of what it prints.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group, waitpid};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::attendant::{Keys, press};
use super::teller::Teller;
use super::{Ended, LAST_WORDS_MAX};

/// Bytes read at a time.
const PIECE: usize = 64 * 1024;

/// Pieces that may wait to be told; when the telling is slower than the agent, it misses some.
const PIECES_MAX: usize = 64;

/// Runs it to its end, and leaves the terminal as it was.
pub(super) fn run(command: &Command, teller: Option<&Teller>) -> std::io::Result<Ended> {
    let other = |error: &dyn std::fmt::Display| std::io::Error::other(error.to_string());
    let pair = native_pty_system().openpty(size()).map_err(|error| other(&error))?;
    let mut built = CommandBuilder::new(command.get_program());
    built.args(command.get_args());
    built.cwd(std::env::current_dir()?);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => built.env(name, value),
            None => built.env_remove(name),
        }
    }
    if std::env::var_os("TERM").is_none() {
        built.env("TERM", OsString::from("xterm-256color"));
    }
    let reader = pair.master.try_clone_reader().map_err(|error| other(&error))?;
    let writer: Keys = Arc::new(Mutex::new(pair.master.take_writer().map_err(|error| other(&error))?));
    let child = pair.slave.spawn_command(built).map_err(|error| other(&error))?;
    drop(pair.slave);
    let pid =
        child.process_id().and_then(|pid| Pid::from_raw(pid as i32)).ok_or_else(|| other(&"it has no process"))?;
    if let Some(teller) = teller {
        teller.status("running", Some(pid.as_raw_nonzero().get() as u32), "The agent runs");
        teller.attend(pid, Some(Arc::clone(&writer)));
    }
    let raw = Raw::enter()?;
    // Nobody waits for this thread: it hangs in a read of the terminal until the process ends.
    std::thread::spawn(move || keys(&writer));
    let ended = std::thread::scope(|scope| {
        let (pieces, told) = std::sync::mpsc::sync_channel::<Vec<u8>>(PIECES_MAX);
        let quiet = Arc::new(AtomicBool::new(false));
        let screen = {
            let quiet = Arc::clone(&quiet);
            std::thread::spawn(move || screen(reader, &pieces, &quiet))
        };
        let is_over = Arc::clone(&quiet);
        scope.spawn(move || tell(&told, teller, &is_over));
        let ended = watch(pid, &*pair.master, &raw);
        if let Some(teller) = teller {
            teller.gone();
        }
        let deadline = std::time::Instant::now() + LAST_WORDS_MAX;
        while !screen.is_finished() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        // What it started may keep the terminal for ever; it writes into nothing from here on.
        quiet.store(true, Relaxed);
        drop(screen);
        ended
    });
    drop(raw);
    ended
}

/// From the agent to the person, and a copy to whoever tells.
fn screen(mut from: Box<dyn Read + Send>, pieces: &std::sync::mpsc::SyncSender<Vec<u8>>, quiet: &AtomicBool) {
    let mut stdout = std::io::stdout();
    let mut piece = vec![0; PIECE];
    while let Ok(length) = from.read(&mut piece) {
        if length == 0 || quiet.load(Relaxed) {
            return;
        }
        if stdout.write_all(&piece[..length]).and_then(|()| stdout.flush()).is_err() {
            return;
        }
        let _ = pieces.try_send(piece[..length].to_vec());
    }
}

/// Tells what was shown, until no more comes.
fn tell(shown: &std::sync::mpsc::Receiver<Vec<u8>>, teller: Option<&Teller>, is_over: &AtomicBool) {
    loop {
        match shown.recv_timeout(Duration::from_millis(100)) {
            Ok(piece) => {
                if let Some(teller) = teller {
                    teller.printed(&piece, "terminal");
                }
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) if !is_over.load(Relaxed) => {}
            Err(_) => return,
        }
    }
}

/// From the person to the agent.
fn keys(to: &Keys) {
    let mut stdin = std::io::stdin();
    let mut piece = [0; 4096];
    while let Ok(length) = stdin.read(&mut piece) {
        if length == 0 || press(to, &piece[..length]).is_err() {
            return;
        }
    }
}

/// What happens to the agent.
enum Life {
    Stopped,
    Ended(Ended),
}

/// Passes signals and sizes on until the agent ends; stops with it, and goes on with it.
fn watch(pid: Pid, master: &dyn MasterPty, raw: &Raw) -> std::io::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (lives, mut life) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("agent".to_owned()).spawn(move || {
        loop {
            let happened = match waitpid(Some(pid), WaitOptions::UNTRACED) {
                Ok(Some((_, status))) => of(status),
                Ok(None) => continue,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => Some(Life::Ended(Ended::Code(1))),
            };
            let is_end = matches!(happened, Some(Life::Ended(_)));
            if let Some(happened) = happened
                && (lives.send(happened).is_err() || is_end)
            {
                return;
            }
        }
    })?;
    runtime.block_on(async {
        let mut resized = signal(SignalKind::window_change())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut quit = signal(SignalKind::quit())?;
        loop {
            let passed = tokio::select! {
                happened = life.recv() => match happened {
                    Some(Life::Ended(ended)) => return Ok(ended),
                    Some(Life::Stopped) => {
                        suspend(raw);
                        Signal::CONT
                    }
                    None => return Ok(Ended::Code(1)),
                },
                _ = resized.recv() => {
                    let _ = master.resize(size());
                    continue;
                }
                _ = terminate.recv() => Signal::TERM,
                _ = hang_up.recv() => Signal::HUP,
                _ = interrupt.recv() => Signal::INT,
                _ = quit.recv() => Signal::QUIT,
            };
            // It leads a group of its own.
            if kill_process_group(pid, passed).is_err() {
                let _ = kill_process(pid, passed);
            }
            if passed == Signal::CONT {
                let _ = master.resize(size());
            }
        }
    })
}

fn of(status: WaitStatus) -> Option<Life> {
    if status.stopped() {
        return Some(Life::Stopped);
    }
    let code = status.exit_status().map(Ended::Code);
    code.or_else(|| status.terminating_signal().map(Ended::Signal)).map(Life::Ended)
}

/// Gives the terminal back and stops, as the agent has; returns when the shell lets both go on.
fn suspend(raw: &Raw) {
    raw.leave();
    let _ = kill_process(getpid(), Signal::STOP);
    raw.again();
}

/// The size of the terminal; a usual one where it has none.
fn size() -> PtySize {
    let size = tcgetwinsize(std::io::stdout()).or_else(|_| tcgetwinsize(std::io::stdin()));
    size.map_or(PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 }, |size| PtySize {
        rows: size.ws_row.max(1),
        cols: size.ws_col.max(1),
        pixel_width: size.ws_xpixel,
        pixel_height: size.ws_ypixel,
    })
}

/// The terminal in raw mode, in which every key goes to the agent; as it was when this is dropped.
struct Raw {
    before: Termios,
}

impl Raw {
    fn enter() -> std::io::Result<Raw> {
        let raw = Raw { before: tcgetattr(std::io::stdin())? };
        raw.again();
        Ok(raw)
    }

    fn again(&self) {
        let mut mode = self.before.clone();
        mode.make_raw();
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &mode);
    }

    fn leave(&self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.leave();
    }
}
