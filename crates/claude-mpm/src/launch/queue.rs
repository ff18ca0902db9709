//! What waits to be told of a run, in its order: bounded, and never in the way of whoever fills it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::daemon::probe;

/// Pieces of output that wait for a monitor that does not answer; beyond it the oldest goes.
const OUTPUT_MAX: usize = 512;

/// Bytes of what waits; beyond it output and lines are dropped. How the agent is, is told in any case: a handful of events.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// What an event costs besides its text, in bytes.
const OVERHEAD: usize = 64;

/// Events in one request.
const AT_ONCE: usize = 64;

/// Bytes in one request, unless a single event has more.
const AT_ONCE_BYTES: usize = 4 * 1024 * 1024;

/// How long a monitor may take to store them.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Between two tries, while it does not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The run itself: told whatever happens.
    Run,
    /// What it printed, as text.
    Output,
    /// A line of JSON that it printed, which says something once.
    Line,
}

struct Event {
    json: Arc<str>,
    about: About,
}

impl Event {
    fn bytes(&self) -> usize {
        self.json.len() + OVERHEAD
    }
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    bytes: usize,
    /// How many of them are output.
    outputs: usize,
    /// Events on their way, at the front.
    sending: usize,
    closed: bool,
}

impl Waiting {
    fn remove(&mut self, place: usize) {
        if let Some(event) = self.events.remove(place) {
            self.bytes -= event.bytes();
            self.outputs -= usize::from(event.about == About::Output);
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event at the end, if there is room for one of its kind.
    pub(super) fn push(&self, json: String, about: About) {
        let event = Event { json: json.into(), about };
        let mut waiting = self.lock();
        if about != About::Run && waiting.bytes > BYTES_MAX {
            return;
        }
        if about == About::Output && waiting.outputs >= OUTPUT_MAX {
            let sending = waiting.sending;
            let oldest = waiting.events.iter().skip(sending).position(|event| event.about == About::Output);
            let Some(oldest) = oldest else { return };
            waiting.remove(sending + oldest);
        }
        waiting.bytes += event.bytes();
        waiting.outputs += usize::from(about == About::Output);
        waiting.events.push_back(event);
        drop(waiting);
        self.changed.notify_all();
    }

    /// Waits until all is told, for so long at most.
    pub(super) fn drain(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut waiting = self.lock();
        while !waiting.events.is_empty() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            waiting =
                self.changed.wait_timeout(waiting, left).map_or_else(|error| error.into_inner().0, |woken| woken.0);
        }
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Sends what waits, one request after the other, until the process ends or all is sent and nothing more can come.
    pub(super) fn send(&self, port: u16, path: &str) {
        while let Some(part) = self.next() {
            let body = format!("[{}]", part.join(","));
            let request = probe::post_text(port, path, body).ok();
            match request.and_then(|request| probe::ask(port, request, ANSWER_MAX)) {
                // It is stored, or will never be.
                Some((200 | 400 | 401 | 403 | 404 | 413, _)) => self.sent(),
                _ => {
                    self.lock().sending = 0;
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// The next that are to be sent together, once there are any; they stay until they are [`sent`](Queue::sent).
    fn next(&self) -> Option<Vec<Arc<str>>> {
        let mut waiting = self.lock();
        while waiting.events.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let fits = |event: &&Event| {
            bytes += event.bytes();
            bytes <= AT_ONCE_BYTES || bytes == event.bytes()
        };
        let part: Vec<_> =
            waiting.events.iter().take(AT_ONCE).take_while(fits).map(|event| Arc::clone(&event.json)).collect();
        waiting.sending = part.len();
        Some(part)
    }

    fn sent(&self) {
        let mut waiting = self.lock();
        for _ in 0..std::mem::take(&mut waiting.sending) {
            waiting.remove(0);
        }
        drop(waiting);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_the_agent_is_is_told_however_much_of_its_output_waits() {
        let queue = Queue::default();
        for number in 0..600 {
            queue.push(format!("\"line {number}\""), About::Line);
        }
        for number in 0..600 {
            queue.push(format!("\"output {number}\""), About::Output);
        }
        queue.push("\"ended\"".to_owned(), About::Run);
        let mut told = Vec::new();
        queue.close();
        while let Some(part) = queue.next() {
            assert!(part.len() <= AT_ONCE);
            told.extend(part);
            queue.sent();
        }
        let count = |word: &str| told.iter().filter(|json| json.contains(word)).count();
        assert_eq!((count("line"), count("output"), count("ended")), (600, OUTPUT_MAX, 1));
        assert!(told.iter().any(|json| &**json == "\"output 599\"") && &**told.last().unwrap() == "\"ended\"");
        let waiting = queue.lock();
        assert_eq!((waiting.bytes, waiting.outputs), (0, 0));
        drop(waiting);

        for _ in 0..3 {
            queue.push("x".repeat(BYTES_MAX / 2), About::Line);
        }
        queue.push("x".to_owned(), About::Output);
        queue.push("\"ended\"".to_owned(), About::Run);
        assert_eq!(queue.lock().events.len(), 3, "two lines, and the end");
    }
}
