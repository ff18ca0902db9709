//! `claude-mpm monitor tail`: events in a terminal, from history and then as they happen.

use std::io::Write;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::cli::{self, TailArgs};
use crate::daemon::answer::{self, Words};
use crate::daemon::{instance, probe};
use crate::paths::Home;
use crate::report::{self, Failure};
use crate::settings::Settings;

/// The largest page of history that is read, in bytes: 5,000 events of 4 KiB, and some more.
const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The longest line of the stream, in bytes; an event without its file bodies is at most 512 KiB.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Between two attempts to reach a monitor that has gone.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// Why nothing is shown.
const FAILED: &str = "No events can be shown";

/// Where the events come from.
struct Server {
    host: String,
    port: u16,
    query: String,
}

/// Runs it.
pub(crate) fn run(options: &TailArgs) -> Result<(), Failure> {
    let home = Home::find()?;
    let running = instance::meant(&home, options.port, cli::port(None, &Settings::load(&home)?))?;
    let server = Server { host: running.known.plan.host, port: running.known.port, query: options.query.join(" ") };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FAILED, error, "Close other programs and try again"))?;
    runtime.block_on(async {
        let Some(seq) = server.latest(options).await? else { return Ok(()) };
        if options.follow { server.follow(seq, options.json).await } else { Ok(()) }
    })
}

impl Server {
    async fn answer(&self, path: &str) -> Result<http::Response<hyper::body::Incoming>, Failure> {
        let unreachable = |reason: String| {
            Failure::new(FAILED, reason, "Look at the monitor: claude-mpm monitor status --verbose").with_code(3)
        };
        let request =
            probe::get(self.port, path).body(Full::default()).map_err(|error| answer::unsendable(FAILED, error))?;
        let begun = probe::begin(&self.host, self.port, request).await;
        let (answer, _) = begun
            .map_err(|error| unreachable(format!("the monitor on port {} does not answer: {error}", self.port)))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let said = whole(answer).await.unwrap_or_default();
        let words = Words { failed: FAILED, nobody: "", help: "See docs/monitor.md for the terms of a query" };
        Err(answer::refused(&format!("the monitor answered {status}"), &said, words))
    }

    /// Prints the latest events, oldest first; the number from which on the rest is to come, or `None` to stop here.
    async fn latest(&self, options: &TailArgs) -> Result<Option<u64>, Failure> {
        let broken = |reason: &str| Failure::new(FAILED, reason, "Try again, or with a smaller --lines");
        // Also with no line wanted: a query that means nothing is told of at once.
        let mut rest = options.lines.max(1);
        let mut events: Vec<Value> = Vec::new();
        let mut last = None;
        let mut before = String::new();
        loop {
            let path = format!("/api/v1/events?limit={rest}&q={}{before}", answer::encoded(&self.query));
            let body = whole(self.answer(&path).await?).await.ok_or_else(|| broken("the answer ended early"))?;
            let page: Value = serde_json::from_slice(&body).map_err(|_| broken("the answer is no JSON"))?;
            last = last.or_else(|| page["seq_last"].as_u64());
            let found = page["events"].as_array().cloned().unwrap_or_default();
            rest = rest.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            events.extend(found);
            // A page that ran out of time says where to go on.
            match page["next"].as_u64() {
                Some(next) if rest > 0 => before = format!("&before={next}"),
                _ => break,
            }
        }
        for event in events.iter().take(options.lines as usize).rev() {
            if !print(event, options.json) {
                return Ok(None);
            }
        }
        Ok(Some(last.unwrap_or(0)))
    }

    /// Prints what comes, until it is ended. A monitor that restarts is waited for, and nothing is missed.
    async fn follow(&self, mut seq: u64, json: bool) -> Result<(), Failure> {
        let mut first = true;
        loop {
            let path = format!("/api/v1/stream?since={seq}&q={}", answer::encoded(&self.query));
            match self.answer(&path).await {
                Ok(answer) => {
                    if !self.read(answer, &mut seq, json).await {
                        return Ok(());
                    }
                    report::aside("The monitor is gone; waiting for it.\n");
                }
                Err(failure) if first => return Err(failure),
                Err(_) => {}
            }
            first = false;
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }

    /// Prints one stream to its end; `false` when nobody reads what is printed.
    async fn read(&self, answer: http::Response<hyper::body::Incoming>, seq: &mut u64, json: bool) -> bool {
        let mut body = answer.into_body();
        let (mut waiting, mut name) = (BytesMut::new(), String::new());
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            waiting.extend_from_slice(&data);
            while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                let line = waiting.split_to(end);
                waiting.advance(1);
                let line = String::from_utf8_lossy(&line);
                if line.is_empty() {
                    name.clear();
                } else if let Some(said) = line.strip_prefix("event: ") {
                    name = said.to_owned();
                } else if let Some(data) = line.strip_prefix("data: ")
                    && !told(&name, data, seq, json)
                {
                    return false;
                }
            }
            if waiting.len() > LINE_BYTES_MAX {
                return true;
            }
        }
        true
    }
}

/// Prints one message of the stream.
fn told(name: &str, data: &str, seq: &mut u64, json: bool) -> bool {
    let Ok(data) = serde_json::from_str::<Value>(data) else { return true };
    match name {
        "hello" | "live" => true,
        "gap" => {
            report::aside(&format!("Events {} to {} are gone: {}\n", data["from"], data["to"], data["reason"]));
            true
        }
        "reset" => {
            report::aside("The monitor has another history now; it follows from its beginning.\n");
            *seq = 0;
            true
        }
        _ => {
            *seq = data["seq"].as_u64().unwrap_or(*seq);
            print(&data, json)
        }
    }
}

/// Prints an event; `false` when nobody reads.
fn print(event: &Value, json: bool) -> bool {
    let line = if json { report::harmless_json(&event.to_string()) } else { in_words(event) };
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).is_ok()
}

/// `14:09:38  tool_call.failed  web-shop 399a673b  exit 1 · pnpm test checkout`
fn in_words(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let time = text("time").parse::<Timestamp>().map_or_else(
        |_| text("time").to_owned(),
        |time| time.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string(),
    );
    let project = text("cwd").rsplit('/').next().unwrap_or_default();
    let session: String = text("session_id").chars().take(8).collect();
    let place = [project, session.as_str()].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let line = format!("{time}  {:<22}  {place:<24}  {}", text("kind"), text("summary"));
    report::harmless(line.trim_end())
}

async fn whole(answer: http::Response<hyper::body::Incoming>) -> Option<Bytes> {
    Some(Limited::new(answer.into_body(), PAGE_BYTES_MAX).collect().await.ok()?.to_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let event = json!({ "time": "2026-11-20T15:09:38.306Z", "kind": "tool_call.failed", "cwd": "/home/dev/web-shop",
            "session_id": "399a673b-503b", "summary": "exit 1\n\u{1b}[2J" });
        let line = in_words(&event);
        assert!(line.ends_with("tool_call.failed        web-shop 399a673b         exit 1\\n\\u{1b}[2J"), "{line}");
    }
}
