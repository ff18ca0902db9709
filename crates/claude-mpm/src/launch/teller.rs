//! What the monitor is told of a run: that it starts, how it is, what it prints, how it ends. Nothing here waits but the
//! end of a run, for a second at most.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Pid;
use serde_json::{Value, json};

use super::attendant::{Attendant, Hands, Keys};
use super::lines::Lines;
use super::plain::Plain;
use super::queue::{About, Queue};
use super::{Ended, Launch};

/// Bytes of output in one event.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;

/// Output is gathered for so long.
const OUTPUT_EVERY: Duration = Duration::from_millis(250);

/// Bytes of output that are told of one run; a screen that is drawn all day is of no use to anybody.
const RUN_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long the end of a run may wait for what was told to be stored.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Tells the monitor of one run.
pub(crate) struct Teller {
    queue: Arc<Queue>,
    identity: Value,
    is_claude: bool,
    launch: String,
    port: u16,
    allow_input: bool,
    /// Takes what the agent is told, once it runs.
    attendant: OnceLock<Attendant>,
    began: Instant,
    output: Mutex<Output>,
    /// The lines of its stdout, if they are JSON that says what it does.
    lines: Option<Mutex<Lines>>,
}

struct Output {
    plain: Plain,
    waiting: String,
    stream: &'static str,
    since: Instant,
    told: usize,
}

impl Teller {
    pub(super) fn new(launch: &Launch, port: u16, how: &str) -> Teller {
        let queue = Arc::new(Queue::default());
        let (sending, path) = (Arc::clone(&queue), format!("/api/v1/runs/{}/events", launch.id));
        // Without the thread nothing is told, and the agent runs all the same.
        let _ = std::thread::Builder::new().name("teller".to_owned()).spawn(move || sending.send(port, &path));
        let output = Output {
            plain: Plain::default(),
            waiting: String::new(),
            stream: "terminal",
            since: Instant::now(),
            told: 0,
        };
        let teller = Teller {
            queue,
            identity: launch.identity(how),
            is_claude: launch.is_claude,
            launch: launch.id.clone(),
            port,
            allow_input: launch.allow_input,
            attendant: OnceLock::new(),
            began: Instant::now(),
            output: Mutex::new(output),
            lines: launch.prints_json().then(Mutex::default),
        };
        if !teller.is_claude {
            // Claude Code's hooks tell when its session starts; nobody tells of another program.
            teller.tell("/session", "start", json!({ "source": "startup" }));
        }
        teller
    }

    /// From now on the agent can be told something, by its keys if it has a terminal of ours, else by signals.
    pub(super) fn attend(&self, pid: Pid, keys: Option<Keys>) {
        let hands = Hands { pid, keys, is_claude: self.is_claude, allow_input: self.allow_input };
        self.attendant.get_or_init(|| Attendant::start(self.port, &self.launch, self.identity.clone(), hands));
    }

    /// How the agent is: `starting`, `running`, `stopped`, `error`.
    pub(crate) fn status(&self, status: &str, pid: Option<u32>, message: &str) {
        self.tell("/claude", "status_changed", json!({ "status": status, "pid": pid, "message": message }));
    }

    /// What it printed on this stream: `terminal`, `stdout` or `stderr`.
    pub(crate) fn printed(&self, bytes: &[u8], stream: &'static str) {
        if let Some(lines) = self.lines.as_ref().filter(|_| stream == "stdout") {
            let lines = lines.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
            return lines.into_iter().for_each(|line| self.line(line));
        }
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if output.stream != stream {
            self.flush(&mut output);
            output.stream = stream;
        }
        if output.told > RUN_BYTES_MAX {
            return;
        }
        let text = output.plain.take(bytes);
        output.waiting.push_str(&text);
        if output.waiting.len() >= OUTPUT_BYTES_MAX || output.since.elapsed() >= OUTPUT_EVERY {
            self.flush(&mut output);
        }
    }

    /// A line of JSON, which the monitor understands.
    fn line(&self, line: String) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let time_ms = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(0));
        self.queue.push(json!({ "stream_json": line, "time_ms": time_ms }).to_string(), About::Line);
    }

    fn flush(&self, output: &mut Output) {
        output.since = Instant::now();
        let text = std::mem::take(&mut output.waiting);
        if text.trim().is_empty() {
            return;
        }
        output.told += text.len();
        let mut data = json!({ "content": text, "stream": output.stream });
        if output.told > RUN_BYTES_MAX {
            data["truncated"] = json!("further output of this run is not told");
        }
        self.tell("/claude", "output", data);
    }

    /// The agent is at its end.
    pub(super) fn ended(&self, ended: Ended) {
        self.gone();
        if let Some(lines) = &self.lines
            && let Some(last) = lines.lock().unwrap_or_else(PoisonError::into_inner).end()
        {
            self.line(last);
        }
        self.flush(&mut self.output.lock().unwrap_or_else(PoisonError::into_inner));
        let (status, message) = match ended {
            Ended::Code(0) => ("stopped", "The agent ended".to_owned()),
            Ended::Code(code) => ("error", format!("The agent ended with exit code {code}")),
            Ended::Signal(signal) => ("error", format!("The agent was ended by signal {signal}")),
        };
        let (code, signal) = match ended {
            Ended::Code(code) => (Some(code), None),
            Ended::Signal(signal) => (None, Some(signal)),
        };
        let duration = self.began.elapsed().as_secs_f64();
        let data = json!({ "status": status, "pid": Value::Null, "message": message, "exit_code": code,
            "signal": signal, "duration_seconds": duration });
        self.tell("/claude", "status_changed", data);
        if !self.is_claude {
            self.tell("/session", "end", json!({ "reason": status, "duration_seconds": duration }));
        }
    }

    /// The agent's process is gone: nothing can be done with it any more.
    pub(super) fn gone(&self) {
        if let Some(attendant) = self.attendant.get() {
            attendant.end();
        }
    }

    /// Lets what was told so far be stored, for a second at most.
    pub(super) fn drain(&self) {
        self.queue.drain(CLOSE_MAX);
    }

    /// The same, and nothing more will be told.
    pub(super) fn close(&self) {
        self.queue.close();
        self.drain();
    }

    fn tell(&self, namespace: &str, event: &str, mut data: Value) {
        if let (Value::Object(data), Value::Object(identity)) = (&mut data, &self.identity) {
            data.extend(
                identity.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())),
            );
        }
        let about = if event == "output" { About::Output } else { About::Run };
        self.queue.push(json!({ "namespace": namespace, "event": event, "data": data }).to_string(), about);
    }
}
