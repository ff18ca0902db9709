//! The plumbing of the tests: a monitor in a home of its own, and clients that are not ours.

pub(crate) mod namespace;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before a test gives up. Machines are shared and slow.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A home that goes away with the test.
pub(crate) struct Home {
    temp: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Home {
        Home { temp: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.temp.path()
    }

    /// The program, with this home and nothing of the tester's environment that could steer it.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_claude-mpm"), arguments)
    }

    /// The launcher.
    pub(crate) fn launcher(&self, arguments: &[&str]) -> Command {
        self.command(env!("CARGO_BIN_EXE_claude-mpm-monitor"), arguments)
    }

    /// Starts a monitor on any free port.
    pub(crate) fn monitor(&self) -> Monitor {
        Monitor::start(self.program(&["monitor", "start", "--foreground", "--no-dashboard", "--port", "0"]))
    }

    /// Starts a monitor on a port that an earlier one had.
    pub(crate) fn monitor_on(&self, port: u16) -> Monitor {
        Monitor::start(self.program(&[
            "monitor",
            "start",
            "--foreground",
            "--no-dashboard",
            "--port",
            &port.to_string(),
        ]))
    }

    /// Runs the hook with this on stdin, and waits for its end.
    pub(crate) fn hook(&self, port: u16, stdin: &[u8]) {
        let mut hook = self.start_hook(port);
        // A hook that has given up may have closed its stdin.
        let _ = hook.stdin.take().unwrap().write_all(stdin);
        assert!(hook.wait().unwrap().success());
    }

    /// Starts the hook; the caller writes its stdin.
    pub(crate) fn start_hook(&self, port: u16) -> Child {
        self.program(&["hook", "--port", &port.to_string()]).stdin(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("HOME", self.path()).env("PATH", std::env::var_os("PATH").unwrap());
        command
    }
}

/// A running monitor; killed when the test is over.
pub(crate) struct Monitor {
    process: Child,
    pub(crate) port: u16,
    /// What it said when it was ready.
    pub(crate) said: String,
}

impl Monitor {
    /// Starts it and waits until it says that it serves.
    pub(crate) fn start(mut command: Command) -> Monitor {
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        // From here on it is killed when anything fails.
        let mut monitor = Monitor { process, port: 0, said: String::new() };
        let lines = lines_of(monitor.process.stdout.take().unwrap());
        let deadline = Instant::now() + DEADLINE;
        while monitor.port == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).expect("the monitor says where it serves");
            if let Some(url) = line.trim().strip_prefix("- Server URL: ") {
                monitor.port = url.rsplit_once(':').unwrap().1.parse().unwrap();
            }
            monitor.said.push_str(&line);
            monitor.said.push('\n');
        }
        monitor
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.request("GET", path, &[], "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.request("POST", path, &[], body)
    }

    /// One request on a connection of its own.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        try_request(self.port, method, path, headers, body).expect("the monitor answers")
    }

    /// Everything in the history, oldest first.
    pub(crate) fn history(&self) -> Vec<Value> {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let page = self.get(&format!("/api/v1/events?after={after}&limit=5000"));
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            match page["next"].as_u64() {
                Some(next) => after = next,
                None => return events,
            }
        }
    }

    /// Waits until the history holds what `enough` wants, and returns it.
    pub(crate) fn history_when(&self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        eventually("the history holds what was sent", || Some(self.history()).filter(|events| enough(events)))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An HTTP request by hand, so that tests can send what no library would. `None` when nobody answers.
pub(crate) fn try_request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("host: localhost:{port}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((status, if chunked { unchunked(body) } else { body.to_owned() }))
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// Waits for something to come true.
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A client that prints a JSON line for each event it gets, such as `tests/clients/follow.mjs`.
pub(crate) struct Follower {
    process: Child,
    lines: Receiver<String>,
    seen: Vec<Value>,
    stdin: Option<ChildStdin>,
}

impl Follower {
    pub(crate) fn start(mut command: Command) -> Follower {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines_of(process.stdout.take().unwrap());
        let stdin = process.stdin.take();
        Follower { process, lines, seen: Vec::new(), stdin }
    }

    /// Sends a line to the client.
    pub(crate) fn tell(&mut self, line: &Value) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Sends a line that no [`Value`] can be.
    pub(crate) fn tell_raw(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line that `wanted` accepts.
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.seen.iter().find(|seen| wanted(seen)) {
            return found.clone();
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let Ok(said) = serde_json::from_str::<Value>(&line) else { continue };
                    self.seen.push(said.clone());
                    if wanted(&said) {
                        return said;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("{what}: not seen among {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("{what}: the client ended after {:#?}", self.seen),
            }
        }
    }

    /// Waits for an event of this name.
    pub(crate) fn event(&mut self, namespace: &str, event: &str) -> Value {
        self.wait(&format!("{namespace} {event}"), |said| said["namespace"] == namespace && said["event"] == event)
    }

    /// Takes what has come meanwhile.
    pub(crate) fn poll(&mut self) {
        self.seen.extend(self.lines.try_iter().filter_map(|line| serde_json::from_str(&line).ok()));
    }

    /// All lines so far.
    pub(crate) fn seen(&self) -> &[Value] {
        &self.seen
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The lines that a process prints, as they come.
pub(crate) fn lines_of(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A tool that `cargo xtask test` has set up, by its variable. Without it the test is skipped, and says so; where
/// `CI` is set, a skip is a failure.
pub(crate) fn tool(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} is not set, and a skip is a failure in CI");
        eprintln!("skipped: {variable} is not set; run `cargo xtask test`");
    }
    found
}

/// A client script of `tests/clients`, run by Node with the packages that xtask installed.
pub(crate) fn node(script: &str, arguments: &[&str]) -> Option<Command> {
    tool("CLAUDE_MPM_TEST_NODE_CLIENTS").map(|folder| {
        let mut command = Command::new("node");
        command.arg(folder.join(script)).args(arguments);
        command
    })
}

/// A client script of `tests/clients`, run by the Python that xtask prepared.
pub(crate) fn python(script: &str, arguments: &[&str]) -> Option<Command> {
    tool("CLAUDE_MPM_TEST_PYTHON").map(|interpreter| {
        let mut command = Command::new(interpreter);
        command.arg("-u").arg(repository().join("tests/clients").join(script)).args(arguments);
        command
    })
}

/// A real browser on the monitor's page, which prints the rows it shows.
pub(crate) fn browser(monitor: &Monitor) -> Option<Command> {
    tool("CLAUDE_MPM_TEST_CHROMIUM").map(|chromium| {
        let mut command = Command::new("node");
        command
            .arg(repository().join("dashboard/e2e/watch.mjs"))
            .env("CHROMIUM", chromium)
            .env("MONITOR_URL", monitor.url(""));
        command
    })
}

/// A program of the system. Without it the test is skipped, and says so; where `CI` is set, a skip is a failure.
pub(crate) fn program_on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{name} is not installed, and a skip is a failure in CI");
        eprintln!("skipped: {name} is not installed");
    }
    found
}
