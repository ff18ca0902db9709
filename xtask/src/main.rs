//! The project's own commands: `cargo xtask <verb>`, one file per verb.

mod bench;
mod command;
mod place;
mod say;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::anyhow;

const USAGE: &str = "\
cargo xtask test [--only STEP] [--verbose]   set up what the tests need, and run all of them
cargo xtask tidy                             the rules of this repository that a tool can check
cargo xtask bench [NAME] [OPTIONS]           measure, beside the peers where there are any
cargo xtask screenshots                      make the pictures of the page in docs/images, from the demo";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", options @ ..] => test::run(options),
        ["tidy"] => tidy::run().map(|()| true),
        ["bench", options @ ..] => bench::run(options).map(|()| true),
        ["screenshots"] => test::screenshots().map(|()| true),
        ["help" | "--help" | "-h"] => {
            say::line(USAGE);
            Ok(true)
        }
        _ => Err(anyhow!("what is to be done?\n{USAGE}")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::problem(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
