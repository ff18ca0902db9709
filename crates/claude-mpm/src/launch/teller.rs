//! What the monitor is told of a run: that it starts, how it is, what it prints, how it ends. Nothing here waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::Pid;
use serde_json::{Value, json};

use super::attendant::{Attendant, Hands, Keys};
use super::lines::Lines;
use super::plain::Plain;
use super::{Ended, Launch};
use crate::daemon::probe;

/// Bytes of output in one event.
const OUTPUT_BYTES_MAX: usize = 16 * 1024;

/// Output is gathered for so long.
const OUTPUT_EVERY: Duration = Duration::from_millis(250);

/// Bytes of output that are told of one run; a screen that is drawn all day is of no use to anybody.
const RUN_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Events that wait for a monitor that does not answer; beyond it the oldest output goes first.
const WAITING_MAX: usize = 512;

/// Bytes of what waits, as far as it is no output; beyond it what comes is dropped.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Events in one request.
const AT_ONCE: usize = 64;

/// Bytes in one request, unless a single event has more.
const AT_ONCE_BYTES: usize = 4 * 1024 * 1024;

/// How long a monitor may take to store them.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Between two tries, while it does not answer.
const PAUSE: Duration = Duration::from_millis(500);

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

/// What waits to be told, in its order.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<(Value, usize)>,
    bytes: usize,
    /// Events on their way, at the front.
    sending: usize,
    closed: bool,
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
        let bytes = line.len();
        self.queue.push(json!({ "stream_json": line, "time_ms": time_ms }), bytes);
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
        if let Some(attendant) = self.attendant.get() {
            attendant.end();
        }
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

    /// Lets what was told be stored, for a second at most.
    pub(super) fn close(&self) {
        let until = Instant::now() + CLOSE_MAX;
        let mut waiting = self.queue.lock();
        waiting.closed = true;
        self.queue.changed.notify_all();
        while !waiting.events.is_empty() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            waiting = self
                .queue
                .changed
                .wait_timeout(waiting, left)
                .map_or_else(|error| error.into_inner().0, |woken| woken.0);
        }
    }

    fn tell(&self, namespace: &str, event: &str, mut data: Value) {
        if let (Value::Object(data), Value::Object(identity)) = (&mut data, &self.identity) {
            data.extend(
                identity.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())),
            );
        }
        let bytes = data["content"].as_str().map_or(0, str::len);
        self.queue.push(json!({ "namespace": namespace, "event": event, "data": data }), bytes);
    }
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Value, bytes: usize) {
        let mut waiting = self.lock();
        if waiting.bytes > WAITING_BYTES_MAX {
            return;
        }
        if waiting.events.len() >= WAITING_MAX {
            // What the agent printed is dropped before what became of it.
            let sending = waiting.sending;
            let output = waiting.events.iter().skip(sending).position(|(event, _)| event["event"] == "output");
            let oldest = output.map(|at| at + sending);
            match oldest {
                Some(oldest) => {
                    let removed = waiting.events.remove(oldest).map_or(0, |(_, bytes)| bytes);
                    waiting.bytes -= removed;
                }
                // Lines are not dropped for their number: what they say is said once.
                None if event.get("stream_json").is_some() => {}
                None => return,
            }
        }
        waiting.events.push_back((event, bytes));
        waiting.bytes += bytes;
        drop(waiting);
        self.changed.notify_all();
    }

    /// Sends what waits, one request after the other, until the process ends or all is sent and nothing more can come.
    fn send(&self, port: u16, path: &str) {
        loop {
            let mut waiting = self.lock();
            while waiting.events.is_empty() {
                if waiting.closed {
                    return;
                }
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let mut bytes = 0;
            let fits = |(_, more): &&(Value, usize)| {
                bytes += more;
                bytes <= AT_ONCE_BYTES || bytes == *more
            };
            let part: Vec<Value> =
                waiting.events.iter().take(AT_ONCE).take_while(fits).map(|(event, _)| event.clone()).collect();
            let sending = part.len();
            waiting.sending = sending;
            drop(waiting);
            let answered = probe::post(port, path, &Value::from(part))
                .ok()
                .and_then(|request| probe::ask(port, request, ANSWER_MAX));
            let mut waiting = self.lock();
            waiting.sending = 0;
            match answered {
                // It is stored, or will never be.
                Some((200 | 400..500, _)) => {
                    let sent: usize = waiting.events.drain(..sending).map(|(_, bytes)| bytes).sum();
                    waiting.bytes -= sent;
                    drop(waiting);
                    self.changed.notify_all();
                }
                _ => {
                    drop(waiting);
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }
}
