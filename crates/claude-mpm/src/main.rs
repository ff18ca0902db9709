//! `claude-mpm`: everything; the first word decides.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Runs at every tool call when the hook is installed as `claude-mpm hook`: nothing else may happen first.
    if std::env::args_os().nth(1).is_some_and(|first| first == "hook") {
        hook::run(std::env::args_os().skip(2), &|name| std::env::var_os(name));
        return ExitCode::SUCCESS;
    }
    claude_mpm::run()
}
