//! What people read: lines on stdout, problems on stderr.

use std::fmt::Display;
use std::io::Write;

/// Prints one line. A reader that has gone away (`| head`) is no error.
pub(crate) fn line(text: impl Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Prints what went wrong.
pub(crate) fn problem(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "error: {text}");
}
