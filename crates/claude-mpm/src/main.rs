//! `claude-mpm`: everything; the first word decides.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Runs at every tool call when the hook is installed as `claude-mpm hook`: nothing else may happen first.
    if std::env::args_os().nth(1).is_some_and(|first| first == "hook") {
        let arguments: Vec<OsString> = std::env::args_os().skip(2).collect();
        match hook::about(&arguments) {
            // A reader that has gone away is no error.
            Some(text) => drop(writeln!(std::io::stdout(), "{text}")),
            None => hook::run(arguments, &|name| std::env::var_os(name)),
        }
        return ExitCode::SUCCESS;
    }
    claude_mpm::run()
}
