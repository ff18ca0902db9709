//! `claude-mpm-hook`: what Claude Code runs at each hook.

use std::ffi::OsString;
use std::io::Write;

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match hook::about(&arguments) {
        // A reader that has gone away is no error.
        Some(text) => drop(writeln!(std::io::stdout(), "{text}")),
        None => hook::run(arguments, &|name| std::env::var_os(name)),
    }
}
