//! Everything hooks write is read exactly once, whatever happens to either side.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event::frame::{self, Frame, HEAD_BYTES, HEADER_BYTES, Stamp};
use server::ingest::spool::SpoolReader;

const CAP_BYTES: u64 = 256 << 20;
const HOME: &str = "SPOOL_TEST_HOME";

/// A spool folder that goes away with the test.
struct Spool {
    temp: tempfile::TempDir,
}

impl Spool {
    fn new() -> Spool {
        Spool { temp: tempfile::tempdir().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.temp.path().join("spool/8765")
    }

    fn open(&self, position: Option<&[u8]>) -> SpoolReader {
        SpoolReader::open(&self.dir(), position).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn sealed(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; HEAD_BYTES];
    frame.extend_from_slice(payload);
    frame::seal(&mut frame, Stamp { time_ns: 7, parent_pid: 11, ..Stamp::default() });
    frame
}

fn hook(dir: &Path, payload: impl AsRef<[u8]>) {
    hook::spool::append(dir, CAP_BYTES, &sealed(payload.as_ref())).unwrap();
}

fn texts(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(|frame| String::from_utf8_lossy(&frame.payload).into_owned()).collect()
}

fn all(reader: &mut SpoolReader) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let frames = reader.read(100_000).unwrap();
        if frames.is_empty() {
            return found;
        }
        found.extend(texts(&frames));
    }
}

/// Counts what it is given and fails on what came twice.
#[derive(Default)]
struct Once(HashMap<String, u32>);

impl Once {
    fn add(&mut self, frames: &[Frame]) {
        for text in texts(frames) {
            let times = self.0.entry(text).or_default();
            *times += 1;
            assert_eq!(*times, 1, "a frame came twice");
        }
    }
}

#[test]
fn what_is_behind_the_reader_is_counted_in_bytes() {
    let spool = Spool::new();
    let mut reader = spool.open(None);
    for payload in ["one", "two", "three"] {
        hook(&spool.dir(), payload);
    }
    assert_eq!(texts(&reader.read(1).unwrap()), ["one"]);
    let frame = |payload: &str| sealed(payload.as_bytes()).len() as u64;
    assert_eq!(reader.unread_bytes(), frame("two") + frame("three"));
    reader.read(1 << 20).unwrap();
    assert_eq!(reader.unread_bytes(), 0);
}

#[test]
fn frames_come_in_order_with_what_the_hook_knew() {
    let spool = Spool::new();
    let mut reader = spool.open(None);
    assert_eq!(reader.read(1_000).unwrap(), []);
    for turn in 0..2_000 {
        hook(&spool.dir(), format!("{{\"turn\":{turn}}}"));
    }
    let first = reader.read(1).unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].time_ns, first[0].parent_pid, first[0].is_cut), (7, 11, false));
    let expected: Vec<_> = (1..2_000).map(|turn| format!("{{\"turn\":{turn}}}")).collect();
    assert_eq!(all(&mut reader), expected);
    assert_eq!((reader.torn_frames(), reader.given_up()), (0, 0));
}

#[test]
fn a_reader_that_starts_again_goes_on_where_its_last_stored_position_was() {
    let spool = Spool::new();
    let mut once = Once::default();
    let mut stored: Option<Vec<u8>> = None;
    for turn in 0..300_u32 {
        hook(&spool.dir(), format!("{turn}"));
        let mut reader = spool.open(stored.as_deref());
        if turn % 7 == 0 {
            reader.read(1).unwrap();
            reader.retire(true).unwrap();
        }
        // Now and then it dies before it has stored what it read, or before it has removed what it stored.
        if turn % 3 == 0 {
            reader.read(100_000).unwrap();
            continue;
        }
        let mut reader = spool.open(stored.as_deref());
        once.add(&reader.read(100).unwrap());
        stored = Some(reader.position());
        if turn % 2 == 0 {
            reader.committed(&reader.position()).unwrap();
        }
    }
    let mut reader = spool.open(stored.as_deref());
    loop {
        let frames = reader.read(1_000).unwrap();
        if frames.is_empty() {
            break;
        }
        once.add(&frames);
    }
    assert_eq!(once.0.len(), 300);
    reader.committed(&reader.position()).unwrap();
    assert!(spool.names().iter().all(|name| !name.ends_with(".retired")), "{:?}", spool.names());
    assert!(reader.position().len() < 100);
}

#[test]
fn retired_segments_are_removed_only_when_all_of_them_is_committed() {
    let spool = Spool::new();
    let mut reader = spool.open(None);
    hook(&spool.dir(), "one");
    hook(&spool.dir(), "two");
    assert_eq!(texts(&reader.read(1).unwrap()), ["one"]);
    let half = reader.position();
    assert!(reader.retire(true).unwrap());
    assert_eq!(texts(&reader.read(1).unwrap()), ["two"]);
    reader.committed(&half).unwrap();
    assert_eq!(spool.names().len(), 1);
    let whole = reader.position();
    reader.committed(&whole).unwrap();
    assert_eq!(spool.names().len(), 0);
    hook(&spool.dir(), "three");
    assert_eq!(all(&mut reader), ["three"]);
    assert_eq!(all(&mut spool.open(Some(&whole))), ["three"]);
}

#[test]
fn what_is_wiped_is_zeros_and_hooks_go_on_behind_it() {
    let spool = Spool::new();
    let mut reader = spool.open(None);
    hook(&spool.dir(), "a secret");
    hook(&spool.dir(), "another");
    assert_eq!(texts(&reader.read(1).unwrap()), ["a secret"]);
    let stored = reader.position();
    reader.wipe().unwrap();
    let left = std::fs::read(spool.dir().join("current")).unwrap();
    let has = |word: &[u8]| left.windows(word.len()).any(|part| part == word);
    assert!(!has(b"secret") && has(b"another"));
    hook(&spool.dir(), "and one more");
    assert_eq!(all(&mut spool.open(Some(&stored))), ["another", "and one more"]);
    assert_eq!(all(&mut reader), ["another", "and one more"]);
    // Whoever has lost its position finds what was not yet taken.
    assert_eq!(all(&mut spool.open(None)), ["another", "and one more"]);
}

#[test]
fn a_quiet_segment_stays_and_a_large_one_is_retired_by_reading() {
    let spool = Spool::new();
    let mut reader = spool.open(None);
    assert!(!reader.retire(false).unwrap());
    assert!(!reader.retire(true).unwrap(), "there is nothing to retire");
    hook(&spool.dir(), "small");
    assert_eq!(all(&mut reader), ["small"]);
    assert!(!reader.retire(false).unwrap());
    assert_eq!(spool.names(), ["current"]);
    (0..3).for_each(|_| hook(&spool.dir(), vec![b'x'; 3 << 20]));
    assert_eq!(all(&mut reader).len(), 3);
    assert!(!spool.names().contains(&"current".to_owned()));
    reader.committed(&reader.position()).unwrap();
    assert_eq!(spool.names().len(), 0);
}

#[test]
fn what_is_torn_is_passed_over_and_counted() {
    let spool = Spool::new();
    let mut reader = spool.open(None);
    let append = |bytes: &[u8]| {
        OpenOptions::new().append(true).open(spool.dir().join("current")).unwrap().write_all(bytes).unwrap();
    };
    hook(&spool.dir(), "before");
    append(&sealed(&[b't'; 500_000])[..400_000]);
    assert_eq!(all(&mut reader), ["before"]);
    assert_eq!(reader.torn_frames(), 1, "nobody holds the lock, so nobody will finish it");
    hook(&spool.dir(), "between");
    append(b"garbage that looks like \xFEcm\xFF a frame");
    append(&[0; 10_000]);
    append(&frame::MAGIC);
    append(&sealed(b"torn")[..HEAD_BYTES + 2]);
    hook(&spool.dir(), "after");
    assert_eq!(all(&mut reader), ["between", "after"]);
    assert!(reader.torn_frames() >= 2);
    assert_eq!(all(&mut spool.open(None)), ["before", "between", "after"]);
}

#[test]
fn a_frame_that_is_being_written_is_waited_for() {
    let spool = Spool::new();
    hook(&spool.dir(), "before");
    let mut writer = OpenOptions::new().append(true).open(spool.dir().join("current")).unwrap();
    let mut reader = spool.open(None);
    let frame = sealed(b"slowly");
    writer.lock_shared().unwrap();
    writer.write_all(&frame[..20]).unwrap();
    assert_eq!(all(&mut reader), ["before"]);
    assert!(reader.retire(true).unwrap());
    assert_eq!(all(&mut reader), Vec::<String>::new());
    reader.committed(&reader.position()).unwrap();
    assert_eq!(spool.names().len(), 1, "it was removed under a hook's hands");
    writer.write_all(&frame[20..]).unwrap();
    writer.unlock().unwrap();
    assert_eq!(all(&mut reader), ["slowly"]);
    assert_eq!(reader.torn_frames(), 0);
    reader.committed(&reader.position()).unwrap();
    assert_eq!(spool.names().len(), 0);
}

#[test]
fn files_that_are_no_segments_do_no_harm() {
    let spool = Spool::new();
    fs::create_dir_all(spool.dir()).unwrap();
    fs::write(spool.dir().join("current"), b"somebody's notes").unwrap();
    fs::write(spool.dir().join("empty.retired"), b"").unwrap();
    fs::write(spool.dir().join("short.retired"), b"cmsp").unwrap();
    fs::write(spool.dir().join(".1f-unfinished.retired"), sealed(b"not yet")).unwrap();
    hook(&spool.dir(), "all the same");
    let mut reader = spool.open(None);
    assert_eq!(all(&mut reader), ["all the same"]);
    reader.committed(&reader.position()).unwrap();
    assert_eq!(spool.names(), [".1f-unfinished.retired", "current"]);
    assert_eq!(all(&mut spool.open(Some(&reader.position()))), Vec::<String>::new());
}

#[test]
fn a_spool_that_is_taken_away_while_it_is_read_is_begun_anew() {
    let spool = Spool::new();
    hook(&spool.dir(), "one");
    let mut reader = spool.open(None);
    assert_eq!(all(&mut reader), ["one"]);
    hook(&spool.dir(), "two");
    fs::remove_file(spool.dir().join("current")).unwrap();
    hook(&spool.dir(), "three");
    assert_eq!(all(&mut reader), ["two", "three"]);
    assert!(reader.retire(true).unwrap());
    reader.committed(&reader.position()).unwrap();
    assert_eq!(spool.names().len(), 0);
}

#[test]
fn a_position_of_something_else_is_refused() {
    let spool = Spool::new();
    for position in [&b""[..], b"\x02", b"\x01short"] {
        assert!(SpoolReader::open(&spool.dir(), Some(position)).is_err());
    }
    assert!(SpoolReader::open(&spool.dir(), Some(b"\x01")).is_ok());
}

#[test]
fn what_was_given_up_is_told_until_it_is_reset() {
    let spool = Spool::new();
    let mut reader = spool.open(None);
    assert!(hook::spool::append(&spool.dir(), 10, &sealed(b"too much")).is_err());
    (0..3).for_each(|_| hook::spool::give_up(&spool.dir()));
    assert_eq!(reader.given_up(), 3);
    hook::spool::give_up(&spool.dir());
    reader.reset_given_up(3);
    assert_eq!((reader.given_up(), spool.open(None).given_up()), (1, 1));
}

#[tokio::test]
async fn a_hook_wakes_the_reader() {
    let spool = Spool::new();
    let mut reader = spool.open(None);
    let changed = reader.changed();
    for turn in 0..3 {
        let told = changed.notified();
        hook(&spool.dir(), format!("{turn}"));
        tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
        // Creating a segment is several changes: there may be more to be told of.
        let mut frames = reader.read(1_000).unwrap();
        while frames.is_empty() {
            tokio::time::timeout(Duration::from_secs(10), changed.notified()).await.unwrap();
            frames = reader.read(1_000).unwrap();
        }
        assert_eq!(texts(&frames), [format!("{turn}")]);
    }
}

#[test]
fn sixty_four_writers_at_once_lose_nothing_to_a_reader_that_retires_all_the_time() {
    let spool = Spool::new();
    let dir = spool.dir();
    let (written, retired, is_over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let end = Instant::now() + Duration::from_secs(60);
    let found = std::thread::scope(|scope| {
        let reading = scope.spawn(|| drain(&spool, &retired, &is_over));
        let write = |writer: u32| {
            // At least fifty each, and on until the reader has retired under their hands many times.
            for turn in 0.. {
                if turn >= 50 && (retired.load(Ordering::Acquire) >= 20 || Instant::now() > end) {
                    return;
                }
                hook(&dir, format!("{writer}-{turn}-{}", "x".repeat(turn % 100 * 37)));
                written.fetch_add(1, Ordering::AcqRel);
            }
        };
        let writers: Vec<_> = (0..64).map(|writer| scope.spawn(move || write(writer))).collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        is_over.store(true, Ordering::Release);
        reading.join().unwrap()
    });
    assert_eq!(found.0.len() as u64, written.into_inner());
    assert!(retired.into_inner() >= 20, "it was not retired often enough to prove anything");
}

/// Reads, stores and retires every 10 ms, and begins anew from its stored position now and then.
fn drain(spool: &Spool, retired: &AtomicU64, is_over: &AtomicBool) -> Once {
    let (mut once, mut turn) = (Once::default(), 0);
    let mut reader = spool.open(None);
    let mut last_retired = Instant::now();
    loop {
        let is_last = is_over.load(Ordering::Acquire);
        let frames = reader.read(200_000).unwrap();
        once.add(&frames);
        let position = reader.position();
        reader.committed(&position).unwrap();
        if last_retired.elapsed() >= Duration::from_millis(10) {
            last_retired = Instant::now();
            retired.fetch_add(u64::from(reader.retire(true).unwrap()), Ordering::AcqRel);
        }
        turn += 1;
        if turn % 50 == 0 {
            reader = spool.open(Some(&position));
        }
        if frames.is_empty() && is_last {
            assert_eq!(reader.torn_frames(), 0);
            return once;
        }
    }
}

#[test]
fn sixty_four_hook_processes_at_once_lose_nothing_to_a_reader_that_retires_all_the_time() {
    let spool = Spool::new();
    let (retired, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = std::thread::scope(|scope| {
        let reading = scope.spawn(|| drain(&spool, &retired, &is_over));
        for round in 0..4 {
            let mut children: Vec<_> = (0..64).map(|_| start_hook(spool.temp.path())).collect();
            for (at, child) in children.iter_mut().enumerate() {
                write!(child.stdin.take().unwrap(), "{round}-{at}-{}", "y".repeat(at * 1_000)).unwrap();
            }
            children.iter_mut().for_each(|child| assert!(child.wait().unwrap().success()));
        }
        is_over.store(true, Ordering::Release);
        reading.join().unwrap()
    });
    assert_eq!(found.0.len(), 256);
}

/// This test program again, as a hook.
fn start_hook(home: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "spool::is_a_hook", "--ignored"])
        .env(HOME, home)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: the hook's whole code, in a process of its own.
#[test]
#[ignore = "run by the test above"]
fn is_a_hook() {
    let Some(home) = std::env::var_os(HOME) else { return };
    hook::run([], &|name| (name == "CLAUDE_MPM_HOME").then(|| home.clone()));
}

#[test]
fn hooks_that_are_killed_cost_at_most_themselves() {
    let spool = Spool::new();
    let mut reader = spool.open(None);
    let mut found = Vec::new();
    for turn in 0..20_u64 {
        let mut victim = start_hook(spool.temp.path());
        let mut stdin = victim.stdin.take().unwrap();
        let _ = stdin.write_all(&vec![b'v'; 2_000_000]);
        drop(stdin);
        let until = Instant::now() + Duration::from_micros(turn * 150);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        hook(&spool.dir(), format!("{turn}"));
        found.extend(all(&mut reader));
    }
    let survivors: Vec<_> = found.iter().filter(|text| text.len() < 10).cloned().collect();
    assert_eq!(survivors, (0..20).map(|turn| format!("{turn}")).collect::<Vec<_>>());
    assert!(found.iter().all(|text| text.len() < 10 || text.len() == 2_000_000));
}

#[test]
fn a_header_alone_is_an_empty_spool() {
    let spool = Spool::new();
    hook(&spool.dir(), "one");
    let current = File::options().write(true).open(spool.dir().join("current")).unwrap();
    current.set_len(HEADER_BYTES as u64).unwrap();
    let mut reader = spool.open(None);
    assert_eq!(all(&mut reader), Vec::<String>::new());
    assert!(!reader.retire(false).unwrap());
}
