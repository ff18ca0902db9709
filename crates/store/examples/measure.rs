//! Measures the store: `cargo run --release -p store --example measure -- [events] [folder] [lines of JSON to use as payloads]`.
//!
//! Prints CPU seconds per million events, commit latency, size, open time and page times.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::{Batch, Direction, Options, PageQuery, Record, Store};

const BATCH: u64 = 1_000;
const NOW_MS: i64 = 1_795_185_067_950;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let events: u64 = arguments.next().map_or(200_000, |text| text.parse().unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let dir = arguments.next().map_or_else(|| scratch.path().join("store"), PathBuf::from);
    let lines: Vec<String> = arguments
        .next()
        .map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect())
        .unwrap_or_default();
    for encrypted in [true, false] {
        println!("== {events} events, encrypted: {encrypted}");
        measure(&dir.join(if encrypted { "encrypted" } else { "plain" }), events, encrypted, &lines);
    }
}

fn measure(dir: &Path, events: u64, encrypted: bool, lines: &[String]) {
    let key = store::Key::from_bytes([7; 32]);
    let options = Options { encrypted, ..Options::default() };
    let mut store = Store::open(dir, Some(&key), options.clone(), NOW_MS).unwrap();
    let mut random = Random(42);
    let (mut latencies, mut cpu, mut bytes) = (Vec::new(), 0.0, 0);
    let start = Instant::now();
    for first in (1..=events).step_by(BATCH as usize) {
        let records: Vec<_> = (first..first + BATCH).map(|seq| record(seq, &mut random, lines)).collect();
        bytes += records.iter().map(|record| record.json.len()).sum::<usize>();
        let batch = Batch { records, positions: vec![("spool".into(), Some(vec![0; 24]))], ..Batch::default() };
        let (before, at) = (cpu_seconds(), Instant::now());
        store.write(&batch, NOW_MS).unwrap();
        latencies.push(at.elapsed());
        cpu += cpu_seconds() - before;
    }
    println!(
        "ingest: {:.2} CPU s per million, {:.0} events/s of wall time",
        cpu / events as f64 * 1e6,
        events as f64 / start.elapsed().as_secs_f64()
    );
    report("commit of 1000", &mut latencies);
    let mut latencies: Vec<_> = (0..1_000)
        .map(|_| {
            let batch = Batch { records: vec![record(store.next_seq(), &mut random, lines)], ..Batch::default() };
            let at = Instant::now();
            store.write(&batch, NOW_MS).unwrap();
            at.elapsed()
        })
        .collect();
    report("commit of 1", &mut latencies);
    let at = Instant::now();
    store.close().unwrap();
    let size: u64 = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    println!(
        "close {:.1} ms; {} B of JSON an event, {} B on disk",
        ms(at.elapsed()),
        bytes as u64 / events,
        size / events
    );
    let at = Instant::now();
    let store = Store::open(dir, Some(&key), options, NOW_MS).unwrap();
    println!("open {:.2} ms", ms(at.elapsed()));
    pages(&store);
}

fn pages(store: &Store) {
    let reader = store.reader();
    let last = store.seq_last();
    let newest = || PageQuery::new(Direction::Newest { before: None }, 100, Instant::now() + Duration::from_secs(60));
    let some = |text: &str| vec![text.to_owned()];
    let ask = |name: &str, query: &dyn Fn(u64) -> PageQuery, needle: Option<&[u8]>| {
        let mut found = 0;
        let mut times: Vec<_> = (0..10)
            .map(|turn| {
                let at = Instant::now();
                let mut matches =
                    |json: &[u8]| needle.is_none_or(|needle| json.windows(needle.len()).any(|part| part == needle));
                found = reader.page(&query(turn), &mut matches).unwrap().events.len();
                at.elapsed()
            })
            .collect();
        report(&format!("{name} ({found})"), &mut times);
    };
    ask("newest page", &|_| newest(), None);
    ask(
        "page in the middle",
        &|turn| PageQuery { direction: Direction::Newest { before: Some(last / 11 * (turn + 1)) }, ..newest() },
        None,
    );
    ask("oldest 5000", &|_| PageQuery { direction: Direction::Oldest { after: 0 }, limit: 5_000, ..newest() }, None);
    ask("one session", &|turn| PageQuery { sessions: some(&session(last / BATCH / 11 * turn)), ..newest() }, None);
    ask("a common tool", &|_| PageQuery { tools: some("Bash"), ..newest() }, None);
    ask("a rare kind (1 in 10,000)", &|_| PageQuery { kinds: some("session.ended"), ..newest() }, None);
    ask("errors (1 in 100)", &|_| PageQuery { errors_only: true, ..newest() }, None);
    ask(
        "rare kind and tool, never both",
        &|_| PageQuery { kinds: some("session.ended"), tools: some("Bash"), ..newest() },
        None,
    );
    ask(
        "common kind and tool, never both",
        &|_| PageQuery { kinds: some("turn.finished"), tools: some("Bash"), ..newest() },
        None,
    );
    let at = Instant::now();
    for turn in 1..=1_000 {
        reader.get(last / 1_001 * turn).unwrap();
    }
    println!("get: {:.3} ms each", ms(at.elapsed()) / 1_000.0);
    let at = Instant::now();
    let known = reader.identities(&session(last / BATCH / 2), 1_000).unwrap().len();
    println!("identities of a session: {:.1} ms ({known})", ms(at.elapsed()));
    let at = Instant::now();
    let mut looked = 0;
    let query = PageQuery { limit: 1, deadline: Instant::now() + Duration::from_millis(500), ..newest() };
    let page = reader
        .page(&query, &mut |_| {
            looked += 1;
            false
        })
        .unwrap();
    println!(
        "scan of payloads: {:.2} µs each (partial: {})",
        ms(at.elapsed()) * 1_000.0 / f64::from(looked),
        page.partial
    );
}

fn session(number: u64) -> String {
    format!("c01bd4e7-22aa-4f19-8c3d-{number:012x}")
}

/// Eight sessions at a time, each for about eight thousand events.
fn record(seq: u64, random: &mut Random, lines: &[String]) -> Record {
    let session = session(seq / 8_000 * 8 + random.below(8));
    let tool = ["Bash", "Read", "Edit", "Write", "Grep", "WebFetch"][random.below(6) as usize];
    let pick = random.below(10_000);
    let (kind, tool) = match pick {
        0 => ("session.ended", None),
        1..500 => ("turn.finished", None),
        500..5_000 => ("tool_call.started", Some(tool)),
        _ => ("tool_call.finished", Some(tool)),
    };
    let json = if lines.is_empty() {
        text(seq, kind, tool, &session, random)
    } else {
        lines[random.below(lines.len() as u64) as usize].clone()
    };
    Record {
        seq,
        time_ms: NOW_MS + seq as i64 * 20,
        recorded_ms: NOW_MS + seq as i64 * 20 + 3,
        kind: kind.into(),
        namespace: "/hook".into(),
        event: "post_tool".into(),
        session: Some(Arc::from(session)),
        agent: (random.below(4) == 0).then(|| Arc::from(format!("a{:x}", seq / 2_000))),
        tool: tool.map(Arc::from),
        is_error: random.below(100) == 0,
        source: "hook".into(),
        identity: random.next().max(1),
        json: Bytes::from(json),
        content: None,
    }
}

/// About a kilobyte, of words that repeat as words in tool calls do.
fn text(seq: u64, kind: &str, tool: Option<&str>, session: &str, random: &mut Random) -> String {
    let mut json = format!(
        r#"{{"seq":{seq},"time":"2026-11-20T14:31:07.950Z","recorded_at":"2026-11-20T14:31:07.953Z","kind":"{kind}","namespace":"/hook","event":"post_tool","session_id":"{session}","tool_name":"{}","tool_use_id":"toolu_{:016x}","prompt_id":"{:016x}","cwd":"/home/dev/checkout-service","outcome":"ok","duration_ms":{},"sources":["hook"],"data":{{"permission_mode":"default","tool_input":{{"command":""#,
        tool.unwrap_or("-"),
        random.next(),
        random.next(),
        random.below(9_000)
    );
    while json.len() < 1_000 {
        let word = random.below(700);
        json.push_str(["src/", "test ", "cargo ", "handle", "Request", ".rs ", "error: ", "in "][word as usize % 8]);
        json.push_str(&word.to_string());
        json.push(' ');
    }
    json.push_str(r#""}}}"#);
    json
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }
}

fn report(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: usize| ms(times[(times.len() * part / 1_000).min(times.len() - 1)]);
    println!("{name}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(500), at(990), at(1_000));
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// User and system time of this process, to a hundredth of a second.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap();
    stat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}
