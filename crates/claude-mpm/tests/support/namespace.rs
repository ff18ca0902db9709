//! A network and a list of processes of one's own: there the documents' default ports are free, and everything ends with
//! the script.

use std::path::PathBuf;

use super::{Home, program_on_path};

/// Before the script: a step's words, output and code are kept under its name, and a program can be waited for.
const PRELUDE: &str = r#"
ip link set lo up
mkdir -p "$HOME/out"
# step NAME COMMAND...: runs it, keeps what it said.
step() {
  local name=$1 code=0
  shift
  "$@" >"$HOME/out/$name.out" 2>"$HOME/out/$name.err" </dev/null || code=$?
  echo $code >"$HOME/out/$name.code"
}
# occupy PORT [PROGRAM]: a stranger that listens; returns when it does, its process is $STRANGER.
occupy() {
  mkfifo "$HOME/ready"
  "${2:-$HOME/stranger.py}" "$1" "$HOME/ready" &
  STRANGER=$!
  read -r < "$HOME/ready"
  rm "$HOME/ready"
}
cat >"$HOME/stranger.py" <<'PROGRAM'
#!/usr/bin/env python3
import socket, sys, threading
sockets = [socket.create_server(("127.0.0.1", int(sys.argv[1])))]
open(sys.argv[2], "w").write("listening\n")
threading.Event().wait()
PROGRAM
chmod +x "$HOME/stranger.py"
"#;

/// What the steps of a script left.
pub(crate) struct Steps {
    folder: PathBuf,
}

/// What one step said.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Steps {
    pub(crate) fn get(&self, name: &str) -> Step {
        let read = |end: &str| std::fs::read_to_string(self.folder.join(format!("{name}.{end}"))).expect(name);
        Step { out: read("out"), err: read("err"), code: read("code").trim().parse().unwrap() }
    }

    /// What a step said as JSON.
    pub(crate) fn json(&self, name: &str) -> serde_json::Value {
        let step = self.get(name);
        serde_json::from_str(&step.out).unwrap_or_else(|error| panic!("{name}: {error}: {step:?}"))
    }
}

/// Runs a script of bash; `$MPM` is the program and `$LAUNCHER` the launcher. `None` where the system allows no namespaces.
pub(crate) fn run(home: &Home, script: &str) -> Option<Steps> {
    program_on_path("unshare")?;
    program_on_path("ip")?;
    let mut command = home.command("unshare", &["-rnpf", "--mount-proc", "--kill-child", "bash", "-euc"]);
    command.arg(format!("{PRELUDE}\n{script}"));
    command.env("MPM", env!("CARGO_BIN_EXE_claude-mpm")).env("LAUNCHER", env!("CARGO_BIN_EXE_claude-mpm-monitor"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.starts_with("unshare: ") {
        assert!(std::env::var_os("CI").is_none(), "{said}");
        eprintln!("skipped: this system allows no namespaces: {said}");
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(Steps { folder: home.path().join("out") })
}
