//! `claude-mpm-monitor`: the launcher, the same as bare `claude-mpm monitor`.

use std::process::ExitCode;

fn main() -> ExitCode {
    claude_mpm::run_launcher()
}
