//! An agent bare and under the launcher: how fast its output passes, and how long a key takes to come back.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::monitor::{Server, command};
use crate::table::{Table, percentile};

/// Bytes through a pipe.
const PIPE_BYTES: usize = 400_000_000;

/// Bytes through a terminal, which is slower by nature.
const TERMINAL_BYTES: usize = 20_000_000;

/// Keys for each measurement.
const KEYS: usize = 2_000;

/// Turns of bare and launched.
const ROUNDS: usize = 5;

/// What an agent is run by, and with what.
type CommandLine = (String, Vec<String>);

pub(crate) fn run() -> Result<()> {
    let home = tempfile::tempdir().context("making a home")?;
    let server = Server::monitor(&home, 0)?;
    let launched = |agent: &[&str]| -> Result<CommandLine> {
        let port = server.port.to_string();
        let launcher = ["run", "--port", &port, "--launch-method", "subprocess", "--agent-command"];
        let built = command(home.path(), &launcher)?;
        let words = launcher.iter().chain([&agent[0], &"--"]).chain(&agent[1..]).map(|word| (*word).to_owned());
        Ok((built.get_program().to_string_lossy().into_owned(), words.collect()))
    };
    let bare = |agent: &[&str]| -> Result<CommandLine> {
        Ok((agent[0].to_owned(), agent[1..].iter().map(|word| (*word).to_owned()).collect()))
    };
    let flood = format!("yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c {PIPE_BYTES}");
    let screen = format!("stty -opost; yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c {TERMINAL_BYTES}");
    let echo = "stty raw -echo; echo ready; exec cat";

    let mut table = Table::new("agent", &["what", "bare", "launched", "ratio"]);
    let (mut pipes, mut screens, mut keys) = ([vec![], vec![]], [vec![], vec![]], [vec![], vec![]]);
    for _ in 0..ROUNDS {
        for place in 0..2 {
            let line = |script: &str| {
                let agent = ["sh", "-c", script];
                if place == 0 { bare(&agent) } else { launched(&agent) }
            };
            pipes[place].push(through_pipe(&line(&flood)?, home.path())?);
            screens[place].push(through_terminal(&line(&screen)?, home.path())?);
            keys[place].extend(key_ms(&line(echo)?, home.path())?);
        }
    }
    for times in pipes.iter_mut().chain(&mut screens).chain(&mut keys) {
        times.sort_by(f64::total_cmp);
    }
    let mut row = |what: &str, of: &[Vec<f64>; 2], fraction: f64| {
        let (bare, launched) = (percentile(&of[0], fraction), percentile(&of[1], fraction));
        let cells = [bare, launched, launched / bare].map(|value| format!("{value:.3}"));
        table.row(&[&[what.to_owned()], cells.as_slice()].concat());
    };
    row("pipe, MB/s (p50)", &pipes, 0.5);
    row("terminal, MB/s (p50)", &screens, 0.5);
    row("key and back, ms (p50)", &keys, 0.5);
    row("key and back, ms (p99)", &keys, 0.99);
    table.print();
    Ok(())
}

/// Megabytes a second of an agent whose stdout is a pipe.
fn through_pipe((program, arguments): &CommandLine, home: &std::path::Path) -> Result<f64> {
    let mut command = std::process::Command::new(program);
    command.args(arguments).env("HOME", home).stdin(Stdio::null()).stdout(Stdio::piped());
    let began = Instant::now();
    let mut process = command.spawn().context("starting the agent")?;
    let mut stdout = process.stdout.take().context("the agent has no stdout")?;
    let bytes = drain(&mut stdout)?;
    process.wait().context("waiting for the agent")?;
    if bytes != PIPE_BYTES {
        bail!("{bytes} of {PIPE_BYTES} bytes came");
    }
    Ok(bytes as f64 / 1e6 / began.elapsed().as_secs_f64())
}

/// The same of one that has a terminal.
fn through_terminal(line: &CommandLine, home: &std::path::Path) -> Result<f64> {
    let began = Instant::now();
    let (_keys, mut shown, mut child) = terminal(line, home)?;
    let bytes = drain(&mut shown).unwrap_or(0);
    child.wait().context("waiting for the agent")?;
    if bytes < TERMINAL_BYTES {
        bail!("{bytes} of {TERMINAL_BYTES} bytes came");
    }
    Ok(bytes as f64 / 1e6 / began.elapsed().as_secs_f64())
}

/// How long each key takes to an agent that sends it back.
fn key_ms(line: &CommandLine, home: &std::path::Path) -> Result<Vec<f64>> {
    let (mut keys, mut shown, mut child) = terminal(line, home)?;
    let mut seen = Vec::new();
    let mut piece = [0; 4096];
    while !seen.windows(5).any(|bytes| bytes == b"ready") {
        let length = shown.read(&mut piece).context("reading the terminal")?;
        if length == 0 {
            bail!("the agent ended before it was ready");
        }
        seen.extend_from_slice(&piece[..length]);
    }
    // What follows that word is on its way yet.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let mut times = Vec::with_capacity(KEYS);
    for key in 0..KEYS {
        let pressed = b'a' + (key % 26) as u8;
        let began = Instant::now();
        keys.write_all(&[pressed]).context("pressing a key")?;
        loop {
            let length = shown.read(&mut piece).context("reading the terminal")?;
            if length == 0 {
                bail!("the agent ended after {key} keys");
            }
            if piece[..length].contains(&pressed) {
                break;
            }
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    child.kill().context("ending the agent")?;
    let _ = child.wait();
    Ok(times)
}

type Opened = (Box<dyn Write + Send>, Box<dyn Read + Send>, Box<dyn portable_pty::Child + Send + Sync>);

fn terminal((program, arguments): &CommandLine, home: &std::path::Path) -> Result<Opened> {
    let other = |error: anyhow::Error| anyhow!("opening a terminal: {error}");
    let pair =
        native_pty_system().openpty(PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 }).map_err(other)?;
    let mut built = CommandBuilder::new(program);
    built.args(arguments);
    built.env("HOME", home);
    built.env("TERM", "xterm-256color");
    let shown = pair.master.try_clone_reader().map_err(other)?;
    let keys = pair.master.take_writer().map_err(other)?;
    let child = pair.slave.spawn_command(built).map_err(other)?;
    Ok((keys, shown, child))
}

fn drain(from: &mut impl Read) -> Result<usize> {
    let mut piece = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes += length,
            // A terminal whose last process has ended.
            Err(error) if error.raw_os_error() == Some(5) => return Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("reading what the agent prints"),
        }
    }
}
