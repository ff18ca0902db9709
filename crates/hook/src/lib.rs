//! What Claude Code runs at each hook: read stdin, stamp the time, append one frame to the spool of a port.
//!
//! A wall, because its whole cost is felt at every tool call: std and the frame format, nothing else. It is a library
//! so that `claude-mpm hook` is the same code. It prints nothing, starts nothing, ends within seconds, and the caller
//! exits 0, whatever happens (I6).
//!
//! # Layout
//!
//! * [`run`]: the whole of it; [`about`]: what a person at a terminal is told instead
//! * `place.rs`: which spool, from the arguments and the environment; no file is read to find out
//! * `input.rs`: stdin, up to a size and until a deadline
//! * [`spool`]: the append; `timing.rs`: how long it took, for who asks

mod input;
mod place;
pub mod spool;
mod timing;

use std::ffi::OsString;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, SystemTime};

use event::frame::{self, Stamp};

pub use place::Place;
use timing::Timing;

/// How long to wait for the end of stdin; what has come by then is kept. Claude Code writes it at once.
const INPUT_DEADLINE: Duration = Duration::from_secs(2);

/// What to print instead of recording anything: for a person who asks what this program is.
pub fn about(arguments: &[OsString]) -> Option<&'static str> {
    match arguments.first()?.to_str()? {
        "--help" | "-h" => Some(concat!(
            "Records one hook of Claude Code from stdin, for the monitor of a port. Claude Code runs it.\n\n",
            "Usage: claude-mpm-hook [--port PORT] [--home FOLDER] [--cap-bytes BYTES]\n\n",
            "  --port PORT        the monitor's port [default: CLAUDE_MPM_SOCKETIO_PORT, SOCKETIO_PORT or 8765]\n",
            "  --home FOLDER      where the spool lies, as an absolute path [default: CLAUDE_MPM_HOME or ~/.claude-mpm]\n",
            "  --cap-bytes BYTES  largest size of the spool while no monitor runs [default: 268435456]\n\n",
            "Install it with: claude-mpm hooks install",
        )),
        "--version" | "-V" => Some(concat!("claude-mpm-hook ", env!("CARGO_PKG_VERSION"))),
        _ => None,
    }
}

/// Records one hook. `arguments` without the program's name; `environment` gives a variable's value.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &dyn Fn(&str) -> Option<OsString>) {
    let time_ns = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let arguments: Vec<_> = arguments.into_iter().collect();
    // Claude Code shows what a hook prints, and an exit code other than 0: even a bug must stay silent.
    panic::set_hook(Box::new(|_| {}));
    let _ = panic::catch_unwind(AssertUnwindSafe(|| record(time_ns, &arguments, environment)));
}

fn record(time_ns: u64, arguments: &[OsString], environment: &dyn Fn(&str) -> Option<OsString>) {
    let mut timing = Timing::start();
    let input = input::read(INPUT_DEADLINE);
    timing.input_read();
    let Some(place) = Place::find(arguments, environment) else { return };
    let mut frame = input.frame;
    let parent_pid = std::os::unix::process::parent_id();
    frame::seal(&mut frame, Stamp { time_ns, parent_pid, is_cut: input.is_cut, is_late: input.is_late });
    let appended = spool::append(&place.dir, place.cap_bytes, &frame);
    if appended.is_err() {
        spool::give_up(&place.dir);
    }
    let outcome = appended.map_or_else(|error| format!("given up: {error}"), |_| "in the spool".to_owned());
    timing.tell(&place.dir, environment, frame.len(), &outcome);
}
