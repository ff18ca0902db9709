//! The store: ingest with and without its index, and searches, beside plain SQLite with FTS5 on the same events.
//!
//! Events are made up from a fixed seed: eight sessions at a time, tools, paths, identifiers, and words as frequent as words
//! are (Zipf), about a kilobyte each.

mod events;
mod fts5;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use event::event::Time;
use event::filter::{self, Filter};
use store::{Batch, Direction, Key, Needle, Options, PageQuery, Reader, Store, Words};

use crate::table::{Table, number, percentile};
use events::{Generator, NOW_MS};

/// Events in a commit.
const BATCH: u64 = 1_000;

/// How often each query is asked, with other words each time.
const ROUNDS: usize = 40;

/// Runs it with so many events.
pub(crate) fn run(events: u64) -> Result<()> {
    let temp = tempfile::tempdir().context("making a folder")?;
    let mut table = Table::new(
        "store: ingest",
        &[
            "store",
            "events",
            "writer CPU s per million",
            "all CPU s per million",
            "events/s",
            "commit p50 ms",
            "commit p99 ms",
            "index behind at the end",
            "B of JSON",
            "B on disk an event",
        ],
    );
    let rounds = [
        ("monitor, no index", None, true),
        ("monitor, index", Some(words()), true),
        ("monitor, index, not encrypted", Some(words()), false),
    ];
    for (name, words, encrypted) in rounds {
        let dir = temp.path().join(name.replace([' ', ','], "-"));
        table.row(&ingest(name, &dir, events, words, encrypted)?);
    }
    let plain = temp.path().join("plain.db");
    table.row(&fts5::ingest(&plain, events)?);
    table.print();

    let mut table = Table::new(
        "store: queries",
        &["query", "monitor p50 ms", "p99 ms", "found", "partial", "SQLite FTS5 p50 ms", "p99 ms", "found"],
    );
    let dir = temp.path().join("monitor--index");
    let store = open(&dir, Some(words()), true)?;
    let reader = store.reader();
    let mut peer = fts5::Peer::open(&plain)?;
    for (name, ask) in queries() {
        let mut generator = Generator::new(7);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let (mut found, mut partial, mut peer_found) = (0, 0, 0);
        for _ in 0..ROUNDS {
            let (query, words) = ask(&mut generator);
            let at = Instant::now();
            let (count, late) = search(&reader, &query)?;
            ours.push(ms(at.elapsed()));
            found += count;
            partial += usize::from(late);
            if let Some(words) = words {
                let at = Instant::now();
                peer_found += peer.search(&words)?;
                theirs.push(ms(at.elapsed()));
            }
        }
        for times in [&mut ours, &mut theirs] {
            times.sort_by(f64::total_cmp);
        }
        table.row(&[
            name.to_owned(),
            number(percentile(&ours, 0.5), 2),
            number(percentile(&ours, 0.99), 2),
            number(found as f64 / ROUNDS as f64, 1),
            partial.to_string(),
            number(percentile(&theirs, 0.5), 2),
            number(percentile(&theirs, 0.99), 2),
            if theirs.is_empty() { String::new() } else { number(peer_found as f64 / ROUNDS as f64, 1) },
        ]);
    }
    table.print();
    drop(store);

    let mut table = Table::new("store: the rest", &["what", "value"]);
    let at = Instant::now();
    let store = open(&dir, Some(words()), true)?;
    table.row(&["open, ms".to_owned(), number(ms(at.elapsed()), 2)]);
    drop(store);
    table.row(&["peak memory of this process, MiB".to_owned(), number(peak_mib(), 0)]);
    table.print();
    Ok(())
}

/// A query as the monitor takes it, and as FTS5 does if it can be said there.
type Ask = fn(&mut Generator) -> (String, Option<String>);

fn queries() -> Vec<(&'static str, Ask)> {
    vec![
        ("newest page", |_| (String::new(), Some(String::new()))),
        ("tool:Edit is:error", |_| ("tool:Edit is:error".to_owned(), None)),
        ("session: (8,000 of all)", |generator| (format!("session:{}", generator.some_session()), None)),
        ("a frequent word", |generator| same(generator.word_of(0..50))),
        ("a usual word", |generator| same(generator.word_of(500..2_000))),
        ("a rare word", |generator| same(generator.word_of(15_000..20_000))),
        ("a word that is nowhere", |_| same("nonexistentword".to_owned())),
        ("two usual words", |generator| {
            let (one, two) = (generator.word_of(100..500), generator.word_of(100..500));
            (format!("{one} {two}"), Some(format!("{one}* AND {two}*")))
        }),
        ("a prefix of two letters", |generator| {
            let prefix: String = generator.word_of(0..20_000).chars().take(2).collect();
            (format!("{prefix}*"), Some(format!("{prefix}*")))
        }),
        ("a path", |generator| {
            let path = generator.path();
            (path.clone(), Some(format!("\"{path}\"")))
        }),
        ("a phrase of two usual words", |generator| {
            let phrase = format!("{} {}", generator.word_of(20..100), generator.word_of(20..100));
            (format!("\"{phrase}\""), Some(format!("\"{phrase}\"")))
        }),
        ("a phrase of one rare word", |generator| {
            let word = generator.word_of(15_000..20_000);
            (format!("\"{word}\""), None)
        }),
    ]
}

fn same(word: String) -> (String, Option<String>) {
    let asked = format!("{word}*");
    (word, Some(asked))
}

fn words() -> Words {
    Words { version: filter::TOKENS_VERSION, tell: filter::tokens_of }
}

fn open(dir: &Path, words: Option<Words>, encrypted: bool) -> Result<Store> {
    let options = Options { encrypted, words, ..Options::default() };
    Store::open(dir, Some(&Key::from_bytes([7; 32])), options, NOW_MS).context("opening the store")
}

fn ingest(name: &str, dir: &Path, events: u64, words: Option<Words>, encrypted: bool) -> Result<Vec<String>> {
    let is_indexed = words.is_some();
    let mut store = open(dir, words, encrypted)?;
    let mut generator = Generator::new(42);
    let (mut commits, mut own, mut bytes, mut making) = (Vec::new(), 0.0, 0, 0.0);
    let (began, all) = (Instant::now(), process_seconds()?);
    for first in (1..=events).step_by(BATCH as usize) {
        let before = thread_seconds()?;
        let records: Vec<_> = (first..first + BATCH).map(|seq| generator.record(seq)).collect();
        bytes += records.iter().map(|record| record.json.len()).sum::<usize>();
        let batch = Batch { records, ..Batch::default() };
        making += thread_seconds()? - before;
        let (at, cpu) = (Instant::now(), thread_seconds()?);
        store.write(&batch, NOW_MS).context("writing a batch")?;
        commits.push(ms(at.elapsed()));
        own += thread_seconds()? - cpu;
    }
    let took = began.elapsed().as_secs_f64();
    let behind = if is_indexed { store.reader().unindexed() } else { 0 };
    while is_indexed && store.reader().unindexed() >= store::WIDE_EVENTS {
        std::thread::sleep(Duration::from_millis(20));
    }
    let all = process_seconds()? - all - making;
    store.close().context("closing the store")?;
    commits.sort_by(f64::total_cmp);
    Ok(row(
        name,
        events,
        [own, all, took, percentile(&commits, 0.5), percentile(&commits, 0.99)],
        behind,
        bytes,
        size_of(dir)?,
    ))
}

/// One line of the first table: seconds of the writer, of all, and of the clock, and the commits' percentiles.
fn row(name: &str, events: u64, measured: [f64; 5], behind: u64, bytes: usize, on_disk: u64) -> Vec<String> {
    let [own, all, took, p50, p99] = measured;
    let million = events as f64 / 1e6;
    vec![
        name.to_owned(),
        events.to_string(),
        number(own / million, 1),
        number(all / million, 1),
        number(events as f64 / took, 0),
        number(p50, 2),
        number(p99, 2),
        behind.to_string(),
        (bytes as u64 / events).to_string(),
        (on_disk / events).to_string(),
    ]
}

fn search(reader: &Reader, text: &str) -> Result<(usize, bool)> {
    let filter = Filter::parse(text, Time::from_ms(NOW_MS)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let asked = |needle: filter::Needle| Needle { token: needle.token, is_prefix: needle.is_prefix };
    let needles = filter.needles().into_iter().map(|one_of| one_of.into_iter().map(asked).collect()).collect();
    let deadline = Instant::now() + Duration::from_millis(400);
    let query = PageQuery { needles, ..PageQuery::new(Direction::Newest { before: None }, 100, deadline) };
    let page = reader.page(&query, &mut |json| filter.wants_json(json)).context("searching")?;
    Ok((page.events.len(), page.partial))
}

fn size_of(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).context("reading the folder")? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// CPU seconds of this thread.
fn thread_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").context("reading the scheduler's statistics")?;
    let nanos = stat.split_whitespace().next().and_then(|first| first.parse::<f64>().ok()).unwrap_or_default();
    Ok(nanos / 1e9)
}

/// CPU seconds of this process, to a hundredth.
fn process_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("reading the process's statistics")?;
    let fields: Vec<&str> = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    Ok((ticks(11) + ticks(12)) / 100.0)
}

fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
