//! Other people's clients as child processes: what they print, line by line, and what they are told.

use crate::peers::within;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A client that prints one JSON line for each thing that happens; it ends with this value.
pub(crate) struct Program {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Open, or the client would end.
    stdin: ChildStdin,
}

/// A script of `tests/clients`, run by Node with the packages that `cargo xtask test` installs.
pub(crate) fn node(script: &str, arguments: &[&str]) -> Option<Program> {
    let folder = tool("CLAUDE_MPM_TEST_NODE_CLIENTS")?;
    Some(start(Command::new("node").arg(folder.join(script)).args(arguments)))
}

/// The same with Python.
pub(crate) fn python(script: &str, arguments: &[&str]) -> Option<Program> {
    let python = tool("CLAUDE_MPM_TEST_PYTHON")?;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients").join(script);
    Some(start(Command::new(python).arg(script).args(arguments)))
}

/// What `cargo xtask test` has named. Without it the test is skipped, and says so; where `CI` is set, that is a failure.
fn tool(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} is not set, and a skip is a failure in CI");
        eprintln!("skipped: {variable} is not set; run `cargo xtask test`");
    }
    found
}

fn start(command: &mut Command) -> Program {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let stdin = child.stdin.take().unwrap();
    Program { _child: child, lines, stdin }
}

impl Program {
    /// The next line.
    pub(crate) async fn line(&mut self, what: &str) -> Value {
        let line = within(what, self.lines.next_line()).await.unwrap();
        serde_json::from_str(&line.unwrap_or_else(|| panic!("the client ended before {what}"))).unwrap()
    }

    /// Tells it something, as one line.
    pub(crate) async fn tell(&mut self, line: &Value) {
        within("a client to read", self.stdin.write_all(format!("{line}\n").as_bytes())).await.unwrap();
    }

    /// The data of the next event of this name; others are skipped.
    pub(crate) async fn data(&mut self, event: &str) -> Value {
        loop {
            let mut line = self.line(event).await;
            if line["event"] == event {
                return line["data"].take();
            }
        }
    }
}
