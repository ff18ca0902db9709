//! What the monitor lets an authorised client tell the agent: interrupt, stop, a prompt.
//!
//! A thread asks the monitor again and again whether there is something to do; the monitor answers when there is. A monitor
//! that goes away and comes back is found again by the next question.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::daemon::probe;

/// How long the monitor may take with its answer; it says so after 25 seconds when there is nothing to do.
const ANSWER_MAX: Duration = Duration::from_secs(40);

/// Between two questions while no monitor answers; the monitor forgets a run that does not ask for three seconds.
const PAUSE: Duration = Duration::from_millis(500);

/// Between a pasted prompt and the key that sends it: what came together would be one paste.
const BEFORE_ENTER: Duration = Duration::from_millis(150);

/// The keys of an agent's terminal.
pub(super) type Keys = Arc<Mutex<Box<dyn Write + Send>>>;

/// What can be done with an agent.
pub(super) struct Hands {
    pub(super) pid: Pid,
    /// Its terminal's keys, if it has a terminal of ours.
    pub(super) keys: Option<Keys>,
    /// Whether it is Claude Code, which Escape interrupts, and which knows a paste from typing.
    pub(super) is_claude: bool,
    /// Whether the person at its terminal lets others type, too.
    pub(super) allow_input: bool,
}

#[derive(Deserialize)]
struct Answer {
    orders: Vec<Order>,
}

#[derive(Deserialize)]
struct Order {
    order: u64,
    command: String,
    text: Option<String>,
    #[serde(default)]
    force: bool,
    /// Whoever asked has been told that nobody answered, in milliseconds since 1970.
    until_ms: u64,
}

/// The thread that asks.
pub(super) struct Attendant {
    ended: Arc<AtomicBool>,
}

impl Attendant {
    /// Asks the monitor of `port` for `launch`, until the process ends. `about` says who runs.
    pub(super) fn start(port: u16, launch: &str, mut about: Value, hands: Hands) -> Attendant {
        about["pid"] = json!(hands.pid.as_raw_nonzero().get());
        about["commands"] = json!(hands.commands());
        let path = format!("/api/v1/runs/{launch}/attend");
        let attendant = Attendant { ended: Arc::default() };
        let ended = Arc::clone(&attendant.ended);
        // Without the thread the agent cannot be told anything, and runs all the same.
        let _ = std::thread::Builder::new()
            .name("attendant".to_owned())
            .spawn(move || attend(port, &path, &about, &ended, &hands));
        attendant
    }

    /// The agent is gone, and its process id may become another's: nothing is done any more.
    pub(super) fn end(&self) {
        self.ended.store(true, Relaxed);
    }
}

fn attend(port: u16, path: &str, about: &Value, ended: &AtomicBool, hands: &Hands) {
    let mut done = Vec::new();
    while !ended.load(Relaxed) {
        let mut said = about.clone();
        said["done"] = json!(done);
        let asked = Instant::now();
        let answered = probe::post(port, path, &said).ok().and_then(|request| probe::ask(port, request, ANSWER_MAX));
        let orders = match answered {
            Some((200, body)) => {
                serde_json::from_slice::<Answer>(&body).map(|answer| answer.orders).unwrap_or_default()
            }
            // A monitor that knows no runs, or does not trust us, will not learn to.
            Some((401 | 403 | 404, _)) => return,
            _ => {
                std::thread::sleep(PAUSE);
                continue;
            }
        };
        if orders.is_empty() && asked.elapsed() < PAUSE {
            // It would have waited if it had us on its list.
            std::thread::sleep(PAUSE);
        }
        let take = |order: &Order| {
            let refused = match ended.load(Relaxed) || order.is_late() {
                true => Some("the agent has ended, or the command came too late".to_owned()),
                false => hands.take(order).err().map(|error| error.to_string()),
            };
            json!({ "order": order.order, "refused": refused })
        };
        done = orders.iter().map(take).collect();
    }
}

impl Order {
    fn is_late(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_millis() > u128::from(self.until_ms)
    }
}

impl Hands {
    /// What the agent can be told.
    fn commands(&self) -> Vec<&'static str> {
        let typed = self.keys.is_some() && self.allow_input;
        ["interrupt", "stop"].into_iter().chain(typed.then_some("prompt")).collect()
    }

    fn take(&self, order: &Order) -> std::io::Result<()> {
        match (order.command.as_str(), &order.text) {
            ("interrupt", _) => self.interrupt(),
            ("stop", _) => self.signal(if order.force { Signal::KILL } else { Signal::TERM }),
            ("prompt", Some(text)) if self.allow_input => self.prompt(text),
            _ => Err(std::io::Error::other("this run does not do that")),
        }
    }

    /// As the person at the terminal would: Escape for Claude Code, Ctrl-C for others; a signal where there is no terminal.
    fn interrupt(&self) -> std::io::Result<()> {
        match &self.keys {
            Some(keys) => press(keys, if self.is_claude { b"\x1b" } else { b"\x03" }),
            None => kill_process(self.pid, Signal::INT).map_err(Into::into),
        }
    }

    fn signal(&self, signal: Signal) -> std::io::Result<()> {
        match self.keys {
            // It leads a group of its own.
            Some(_) => kill_process_group(self.pid, signal),
            None => kill_process(self.pid, signal),
        }
        .map_err(Into::into)
    }

    fn prompt(&self, text: &str) -> std::io::Result<()> {
        let keys = self.keys.as_ref().ok_or_else(|| std::io::Error::other("this run has no terminal"))?;
        // What ends a paste, or moves a cursor, is no text.
        let text: String =
            text.chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')).collect();
        // Whole, however much the person types: their keys wait for a moment.
        let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut type_in = |pressed: &[u8]| keys.write_all(pressed).and_then(|()| keys.flush());
        if self.is_claude {
            type_in(format!("\x1b[200~{text}\x1b[201~").as_bytes())?;
            std::thread::sleep(BEFORE_ENTER);
        } else {
            type_in(text.replace('\n', "\r").as_bytes())?;
        }
        type_in(b"\r")
    }
}

/// Sends keys to the agent, between two of the person's.
pub(super) fn press(keys: &Keys, pressed: &[u8]) -> std::io::Result<()> {
    let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
    keys.write_all(pressed).and_then(|()| keys.flush())
}
