//! Events out of a store and into one: NDJSON, one event a line as history shows it, and CSV for spreadsheets.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use ::store::{Batch, Direction, Options, PageQuery, Reader, Record, Store};
use bytes::Bytes;
use event::event::Time;
use event::filter::Filter;
use event::wire::table;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Place, failed};
use crate::cli::{ExportArgs, ExportFormat};
use crate::report::{self, Failure};

/// Events read at a time.
const PAGE: usize = 1_000;

/// Events in one commit of an import.
const BATCH: usize = 1_000;

/// The longest line of an import: an event with its bodies is far smaller.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// Writes what is stored now.
pub(super) fn export(place: &Place, options: &ExportArgs) -> Result<(), Failure> {
    const FAILED: &str = "The events were not exported";
    place.must_exist(FAILED)?;
    let now = Time::from_ms(now_ms());
    let filter = Filter::parse(options.query.as_deref().unwrap_or_default(), now)
        .map_err(|error| Failure::new(FAILED, error, "docs/monitor.md says what queries are made of").with_code(2))?;
    let reader = Reader::open(&place.dir, place.key.as_ref()).map_err(|error| failed(FAILED, &error))?;
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write_all(&reader, &filter, options, &mut out);
    match written {
        // A reader that has gone away (`| head`) wants no more.
        Err(Broken::Out(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Broken::Out(error)) => Err(Failure::new(FAILED, error, "Free space where the output goes")),
        Err(Broken::Store(error)) => Err(failed("Not all events were exported", &error)),
        Ok(()) => Ok(()),
    }
}

enum Broken {
    Out(io::Error),
    Store(::store::StoreError),
}

fn write_all(reader: &Reader, filter: &Filter, options: &ExportArgs, out: &mut impl Write) -> Result<(), Broken> {
    if options.format == ExportFormat::Csv {
        table::write_head(out, options.content).map_err(Broken::Out)?;
    }
    let mut after = 0;
    loop {
        let query = PageQuery::new(Direction::Oldest { after }, PAGE, Instant::now() + Duration::from_secs(60));
        let page = reader.page(&query, &mut |json| filter.wants_json(json)).map_err(Broken::Store)?;
        for json in &page.events {
            let content = if options.content { content_of(reader, json).map_err(Broken::Store)? } else { None };
            match options.format {
                ExportFormat::Ndjson => write_line(out, json, content.as_deref()),
                ExportFormat::Csv => table::write_row(out, json, options.content.then_some(content.as_deref())),
            }
            .map_err(Broken::Out)?;
        }
        let Some(next) = page.next else { break };
        after = next;
    }
    out.flush().map_err(Broken::Out)
}

fn content_of(reader: &Reader, json: &[u8]) -> Result<Option<Bytes>, ::store::StoreError> {
    match serde_json::from_slice::<Line<'_>>(json).ok().and_then(|line| line.seq) {
        Some(seq) => reader.content(seq),
        None => Ok(None),
    }
}

/// The event as it is stored, and its bodies behind it.
fn write_line(out: &mut impl Write, json: &[u8], content: Option<&[u8]>) -> io::Result<()> {
    match (content, json.strip_suffix(b"}")) {
        (Some(content), Some(open)) => {
            out.write_all(open)?;
            out.write_all(b",\"content\":")?;
            out.write_all(content)?;
            out.write_all(b"}\n")
        }
        _ => {
            out.write_all(json)?;
            out.write_all(b"\n")
        }
    }
}

/// What an import needs to know of a line.
#[derive(Deserialize)]
struct Line<'a> {
    seq: Option<u64>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// Reads an export into a store that has nothing in it: the events are the same, their numbers too.
pub(super) fn import(place: &Place, file: &Path) -> Result<(), Failure> {
    const FAILED: &str = "The events were not imported";
    let shown = file.display();
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        let opened = File::open(file);
        Box::new(opened.map_err(|error| Failure::new(FAILED, format!("opening {shown}: {error}"), "Name an export"))?)
    };
    let encrypted = place.settings.monitoring.store.encrypted;
    let key = match (&place.key, encrypted) {
        (Some(key), true) => Some(key.clone()),
        (None, true) => {
            let made = ::store::key::load_or_create(&place.home.key());
            Some(made.map_err(|error| failed(FAILED, &error))?)
        }
        (_, false) => None,
    };
    let mut importer =
        Importer { place, key, encrypted, store: None, waiting: Vec::new(), day_ms: 0, last: 0, events: 0 };
    if !::store::inspect::days(&place.dir, importer.key.as_ref()).unwrap_or_default().is_empty() {
        return Err(Failure::new(
            FAILED,
            format!("there are events in {} already, and numbers are never used twice", place.dir.display()),
            "Name the port of an empty store with --port, or move that folder away",
        ));
    }
    let before = entries(&place.dir);
    let done = importer.take_all(BufReader::new(input), &shown.to_string());
    let Some(store) = importer.store else {
        done?;
        report::line("There are no events in it; nothing was imported.");
        return Ok(());
    };
    if let Err(failure) = done {
        // Half an export is no store: the next try finds it as this one did. While the store is ours: what a monitor makes
        // there before or after is its own.
        forget(&place.dir, before.as_ref());
        return Err(failure);
    }
    store.close().map_err(|error| failed(FAILED, &error))?;
    report::line(format_args!("Imported {} events into {}.", importer.events, place.dir.display()));
    Ok(())
}

/// What is in a folder; `None` for no folder.
fn entries(dir: &Path) -> Option<HashSet<OsString>> {
    Some(std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.file_name()).collect())
}

/// Removes what came into a folder since.
fn forget(dir: &Path, before: Option<&HashSet<OsString>>) {
    let Some(before) = before else {
        let _ = std::fs::remove_dir_all(dir);
        return;
    };
    for name in entries(dir).unwrap_or_default().difference(before) {
        let path = dir.join(name);
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
}

/// The event of a line, byte for byte as it was exported.
fn record_of(text: &[u8]) -> Result<Record, String> {
    let line: Line<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let Some(content) = line.content else { return server::stored_record(Bytes::copy_from_slice(text), None) };
    let tail = format!(",\"content\":{}}}", content.get());
    let open = text.strip_suffix(tail.as_bytes()).ok_or("its content does not stand at its end")?;
    let json = [open, b"}"].concat();
    server::stored_record(Bytes::from(json), Some(Bytes::copy_from_slice(content.get().as_bytes())))
}

struct Importer<'a> {
    place: &'a Place,
    key: Option<::store::Key>,
    encrypted: bool,
    store: Option<Store>,
    waiting: Vec<Record>,
    /// When the waiting ones were recorded: their day's file gets them.
    day_ms: i64,
    /// The number of the latest one.
    last: u64,
    events: usize,
}

impl Importer<'_> {
    fn take_all(&mut self, mut input: impl BufRead, shown: &str) -> Result<(), Failure> {
        const FAILED: &str = "The events were not imported";
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if read.map_err(|error| Failure::new(FAILED, format!("reading {shown}: {error}"), "Try again"))? == 0 {
                break;
            }
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let wrong =
                |reason: String, help: &str| Failure::new(FAILED, format!("line {number} of {shown}: {reason}"), help);
            let record = record_of(text)
                .map_err(|reason| wrong(reason, "Mend that line, and run this again; nothing was kept"))?;
            if record.seq <= self.last {
                return Err(wrong(
                    format!(
                        "its number {} comes after {}, and lines must be in the order of seq",
                        record.seq, self.last
                    ),
                    "Put the lines into the order in which they were exported; nothing was kept",
                ));
            }
            self.last = record.seq;
            self.take(record)?;
        }
        self.flush()
    }

    fn take(&mut self, record: Record) -> Result<(), Failure> {
        const DAY_MS: i64 = 86_400_000;
        let follows = self.waiting.last().is_none_or(|last| last.seq + 1 == record.seq);
        let is_of_day = record.recorded_ms.div_euclid(DAY_MS) == self.day_ms.div_euclid(DAY_MS);
        if !follows || !is_of_day || self.waiting.len() >= BATCH {
            self.flush()?;
        }
        self.day_ms = record.recorded_ms;
        self.waiting.push(record);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        const FAILED: &str = "The events were not imported";
        let (Some(first), day_ms) = (self.waiting.first().map(|record| record.seq), self.day_ms) else { return Ok(()) };
        let store = match &mut self.store {
            Some(store) => store,
            None => {
                let options = Options { encrypted: self.encrypted, ..Options::default() };
                let opened = Store::open(&self.place.dir, self.key.as_ref(), options, day_ms);
                self.store.insert(opened.map_err(|error| failed(FAILED, &error))?)
            }
        };
        // What an export leaves out is a gap here.
        store.skip_to(first).map_err(|error| failed(FAILED, &error))?;
        let batch = Batch { records: std::mem::take(&mut self.waiting), ..Batch::default() };
        store.write(&batch, day_ms).map_err(|error| failed(FAILED, &error))?;
        self.events += batch.records.len();
        Ok(())
    }
}

pub(super) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
