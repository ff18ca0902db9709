//! What people read: plain lines on stdout, and errors in three lines on stderr.

use std::fmt;
use std::io::{IsTerminal, Write};

/// A failure as a person reads it: printed whole, or as Error, Reason, Suggestion.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    /// Whether somebody else has the port, which two documents tell of in different words.
    about_port: bool,
    /// The exit code: 1 failed, 2 wrong usage, 3 not running.
    pub(crate) code: u8,
}

impl Failure {
    /// A text that a document prints, word for word.
    pub(crate) fn printed(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), about_port: false, code: 1 }
    }

    /// The three lines.
    pub(crate) fn new(error: impl fmt::Display, reason: impl fmt::Display, suggestion: impl fmt::Display) -> Failure {
        Failure::printed(format!("Error: {error}\nReason: {reason}\nSuggestion: {suggestion}"))
    }

    /// Nothing more to say than the exit code does.
    pub(crate) fn silent(code: u8) -> Failure {
        Failure { text: String::new(), about_port: false, code }
    }

    /// Whether it says that somebody else has the port.
    pub(crate) fn is_about_port(&self) -> bool {
        self.about_port
    }

    /// The same failure, marked as saying that somebody else has the port.
    pub(crate) fn about_port(mut self) -> Failure {
        self.about_port = true;
        self
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

/// What helps where something could not be written.
pub(crate) fn way_out(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => "That disk is full: free space there, then try again",
        ReadOnlyFilesystem => "Nothing can be written there; set CLAUDE_MPM_HOME to a folder on another disk",
        _ => "Check who owns it and its permissions",
    }
}

/// Whether colours are wanted, as far as the environment says.
pub(crate) fn may_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var("TERM").map_or(true, |terminal| terminal != "dumb")
}

/// Text of somebody else's, such that a terminal shows it and does nothing else: control characters, and those that turn
/// the direction of writing, are written out.
pub(crate) fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ if is_harmful(letter) => safe.push_str(&format!("\\u{{{:x}}}", u32::from(letter))),
            _ => safe.push(letter),
        }
    }
    safe
}

/// JSON, such that a terminal does nothing with it: the same characters in JSON's own escapes.
pub(crate) fn harmless_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            safe.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            safe.push(letter);
        }
    }
    safe
}

fn is_harmful(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1 client`, `2 clients`.
pub(crate) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Prints one line. A reader that has gone away (`| head`) is no error.
pub(crate) fn line(text: impl fmt::Display) {
    let mut stdout = std::io::stdout().lock();
    let text = text.to_string();
    let text = if stdout.is_terminal() && may_colour() { coloured(&text) } else { text };
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// The marks in colour: what is well, what is not, what is taken.
fn coloured(text: &str) -> String {
    text.replace('✓', "\u{1b}[32m✓\u{1b}[0m").replace('✗', "\u{1b}[31m✗\u{1b}[0m").replace('•', "\u{1b}[33m•\u{1b}[0m")
}

/// Says something beside the output, such as what a person is asked.
pub(crate) fn aside(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Prints a line beside the output, which belongs to another program.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a failure.
pub(crate) fn failure(failure: &Failure) {
    if failure.text.is_empty() {
        return;
    }
    let mut stderr = std::io::stderr().lock();
    let is_coloured = stderr.is_terminal() && may_colour();
    let text = if is_coloured {
        failure.text.replacen("Error:", "\u{1b}[31mError:\u{1b}[0m", 1)
    } else {
        failure.text.clone()
    };
    let _ = writeln!(stderr, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_steers_no_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\n\tc"), "a\\u{1b}[2Jb\\r\\n\\tc");
        assert_eq!(harmless("\u{9b}31m \u{7f} \u{202e}txt"), "\\u{9b}31m \\u{7f} \\u{202e}txt");
        assert_eq!(harmless("naïve ✓ 漢字"), "naïve ✓ 漢字");
        let json = harmless_json(&serde_json::json!({ "a": "\u{9b}\u{1b}\u{202e}" }).to_string());
        assert!(json.is_ascii(), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["a"], "\u{9b}\u{1b}\u{202e}");
    }
}
