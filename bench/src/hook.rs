//! What one hook costs: process start to exit, in turn with `/bin/true`, with the monitor up and down.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::monitor::{self, Server};
use crate::table::{Table, percentile};

/// Runs of each program; every round runs each once, so that noise hits all alike.
const ROUNDS: usize = 400;

pub(crate) fn run() -> Result<()> {
    let home = tempfile::tempdir()?;
    // The program that users run: written by the installer, from the binary that embeds it.
    let installed = monitor::command(home.path(), &["hooks", "install"])?.stdout(Stdio::null()).status()?;
    anyhow::ensure!(installed.success(), "`claude-mpm hooks install` failed");
    let hook = home.path().join(".claude-mpm/bin/claude-mpm-hook");

    let mut table =
        Table::new("hook", &["program", "stdin", "monitor", "p50 ms", "mean ms", "ratio to /bin/true (p50)"]);
    for stdin_bytes in [2 * 1024, 64 * 1024] {
        let input = payload(stdin_bytes);
        let server = Server::monitor(&home, 0)?;
        let port = server.port.to_string();
        let (mut bare, mut up, mut down) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(once(Path::new("/bin/true"), &[], home.path(), &input)?);
            up.push(once(&hook, &["--port", &port], home.path(), &input)?);
            down.push(once(&hook, &["--port", "1"], home.path(), &input)?);
        }
        for times in [&mut bare, &mut up, &mut down] {
            times.sort_by(f64::total_cmp);
        }
        let base = percentile(&bare, 0.5);
        for (program, state, times) in
            [("/bin/true", "-", &bare), ("claude-mpm-hook", "up", &up), ("claude-mpm-hook", "down", &down)]
        {
            let p50 = percentile(times, 0.5);
            let mean = times.iter().sum::<f64>() / times.len() as f64;
            table.row(&[
                program.into(),
                format!("{} KB", stdin_bytes / 1024),
                state.into(),
                format!("{p50:.3}"),
                format!("{mean:.3}"),
                format!("{:.2}", p50 / base),
            ]);
        }
    }
    table.print();
    Ok(())
}

fn payload(bytes: usize) -> Vec<u8> {
    let filler = "x".repeat(bytes.saturating_sub(200));
    format!(r#"{{"session_id":"b","hook_event_name":"PostToolUse","cwd":"/w","tool_name":"Bash","tool_use_id":"toolu_b","tool_input":{{"command":"true"}},"tool_response":{{"stdout":"{filler}"}}}}"#).into_bytes()
}

/// Milliseconds from start to exit, with the input on stdin.
fn once(program: &Path, arguments: &[&str], home: &Path, input: &[u8]) -> Result<f64> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let mut process = command.spawn().with_context(|| format!("starting {}", program.display()))?;
    if let Some(mut stdin) = process.stdin.take() {
        // `/bin/true` does not read; a broken pipe is part of the comparison.
        let _ = stdin.write_all(input);
    }
    process.wait()?;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}
