//! A monitor, or a peer, as a process of its own, in a home of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// A running server.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    /// From the start of the process to the first 200 on `/health`.
    pub(crate) launch: Duration,
}

/// The program that is measured.
pub(crate) fn program() -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding the benchmark's own path")?;
    let program = own.with_file_name("claude-mpm");
    if !program.is_file() {
        bail!("{} is not there; build it with `cargo build --release`", program.display());
    }
    Ok(program)
}

/// The program, in this home.
pub(crate) fn command(home: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.args(arguments).env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    Ok(command)
}

impl Server {
    /// Starts a monitor in this home; port 0 for any free one.
    pub(crate) fn monitor(home: &TempDir, port: u16) -> Result<Server> {
        let port = if port == 0 { free_port()? } else { port };
        let command =
            command(home.path(), &["monitor", "start", "--foreground", "--no-dashboard", "--port", &port.to_string()])?;
        Server::start(command, port)
    }

    /// Starts a peer that prints one line when it listens on the port in its environment variable `PORT`.
    pub(crate) fn peer(mut command: Command) -> Result<Server> {
        let port = free_port()?;
        command.env("PORT", port.to_string());
        Server::start(command, port)
    }

    fn start(mut command: Command, port: u16) -> Result<Server> {
        let began = Instant::now();
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        if let Some(stdout) = process.stdout.take() {
            // Read on, so that it never blocks on a full pipe.
            std::thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).for_each(drop));
        }
        let mut server = Server { process, port, launch: Duration::ZERO };
        while crate::http::get_blocking(port, "/health").is_none_or(|status| status != 200) {
            if began.elapsed() > Duration::from_secs(60) {
                bail!("{command:?} does not answer on port {port}");
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        server.launch = began.elapsed();
        Ok(server)
    }

    /// CPU seconds used so far, by all its threads.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))
            .context("reading the server's CPU time")?;
        // After the name, which may hold spaces: state is field 3, utime 14, stime 15, in clock ticks of 10 ms.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(ticks as f64 / 100.0)
    }

    /// Memory that it alone answers for, in MiB: its proportional set size.
    pub(crate) fn pss_mib(&self) -> f64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.process.id())).unwrap_or_default();
        let kib =
            rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().split(' ').next()?.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("finding a free port")?;
    Ok(listener.local_addr()?.port())
}
