//! What people read: plain lines on stdout, and errors in three lines on stderr.

use std::fmt;
use std::io::Write;

/// A failure as a person reads it: printed whole, or as Error, Reason, Suggestion.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    /// The exit code: 1 failed, 2 wrong usage, 3 not running.
    pub(crate) code: u8,
}

impl Failure {
    /// A text that a document prints, word for word.
    pub(crate) fn printed(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), code: 1 }
    }

    /// The three lines.
    pub(crate) fn new(error: impl fmt::Display, reason: impl fmt::Display, suggestion: impl fmt::Display) -> Failure {
        Failure { text: format!("Error: {error}\nReason: {reason}\nSuggestion: {suggestion}"), code: 1 }
    }

    /// Nothing more to say than the exit code does.
    pub(crate) fn silent(code: u8) -> Failure {
        Failure { text: String::new(), code }
    }

    /// The same failure with another exit code.
    pub(crate) fn with_code(mut self, code: u8) -> Failure {
        self.code = code;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Prints one line. A reader that has gone away (`| head`) is no error.
pub(crate) fn line(text: impl fmt::Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Says something beside the output, such as what a person is asked.
pub(crate) fn aside(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Prints a failure.
pub(crate) fn failure(failure: &Failure) {
    if !failure.text.is_empty() {
        let _ = writeln!(std::io::stderr(), "{}", failure.text);
    }
}
