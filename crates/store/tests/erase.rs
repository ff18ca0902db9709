//! A session that is erased is gone from every file, and all others are as before, also when the process dies meanwhile.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use store::{Batch, Erasing, Found, Keep, Options, PageQuery, Reader, Record, Store, inspect};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, all_numbers, newest, oldest, record};
use crate::search::{self, eventually_indexed, found, open_indexed};

const SECRET: &str = "secretsession";
const FOLDER: &str = "STORE_TEST_ERASE_FOLDER";

fn is_secret(seq: u64) -> bool {
    seq % 7 == 2 || (40..60).contains(&seq)
}

fn made(seq: u64) -> Record {
    let secret = is_secret(seq);
    let word = if secret { "secretword" } else { "plainword" };
    Record {
        session: Some(Arc::from(if secret { SECRET } else { "another" })),
        tool: Some(Arc::from(if secret { "secrettool" } else { "Bash" })),
        content: Some(Bytes::from(format!("{{\"whole\":\"{word} {seq}\"}}"))),
        json: Bytes::from(format!("{{\"seq\":{seq},\"data\":{{\"text\":\"{word} {seq}\"}}}}")),
        ..record(seq)
    }
}

fn fill(store: &mut Store, day: i64, count: u64) {
    let records = (store.next_seq()..store.next_seq() + count).map(made).collect();
    store.write(&Batch { records, ..Batch::default() }, NOW_MS + day * DAY_MS).unwrap();
}

fn begin(store: &mut Store, day: i64) {
    let mut batch = Batch::default();
    batch.erase(SECRET, store.next_seq());
    store.write(&batch, NOW_MS + day * DAY_MS).unwrap();
    store.begin_file().unwrap();
}

fn finish(store: &mut Store, day: i64) {
    let mut batch = Batch::default();
    batch.erased(SECRET);
    store.write(&batch, NOW_MS + day * DAY_MS).unwrap();
    while !store.eraser().empty_log().unwrap() {}
}

fn others(reader: &Reader) -> Vec<u64> {
    all_numbers(reader, &PageQuery { sessions: vec!["another".to_owned()], ..oldest(1_000) })
}

fn not_secret(last: u64) -> Vec<u64> {
    (1..=last).filter(|seq| !is_secret(*seq)).collect()
}

/// Everything but the session is there, and it is gone.
fn check(reader: &Reader, last: u64) {
    let left = not_secret(last);
    assert_eq!(all_numbers(reader, &oldest(70)), left);
    assert_eq!(all_numbers(reader, &newest(70)), left.iter().rev().copied().collect::<Vec<_>>());
    for seq in 1..=last {
        let found = reader.get(seq).unwrap();
        if is_secret(seq) {
            assert_eq!(found, Found::Gone { reason: "its session has been deleted".to_owned() }, "{seq}");
            assert_eq!(reader.content(seq).unwrap(), None);
        } else {
            assert_eq!(found, Found::Event(made(seq).json), "{seq}");
            assert_eq!(reader.content(seq).unwrap(), made(seq).content);
        }
    }
    assert!(!reader.has_session(SECRET).unwrap());
    assert_eq!(found(reader, "secretword", "secretword").0, []);
    assert_eq!(found(reader, "plainword", "plainword").0, left.into_iter().rev().collect::<Vec<_>>());
}

/// Files of the folder that hold one of the session's words.
fn telling(dir: &Path) -> Vec<String> {
    let mut telling = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        if bytes.windows(6).any(|part| part == b"secret") {
            telling.push(entry.file_name().into_string().unwrap());
        }
    }
    telling
}

#[test]
fn nothing_of_it_is_left_in_any_file_and_every_other_event_is_as_before() {
    let scratch = Scratch::new();
    let options = Options { encrypted: false, words: Some(search::WORDS), ..Options::default() };
    let open = || Store::open(&scratch.dir(), None, options.clone(), NOW_MS).unwrap();
    let mut store = open();
    for day in 0..4 {
        fill(&mut store, day, 600);
    }
    // One day is gone already, and the session was pinned.
    let mut pin = Batch::default();
    pin.pin(SECRET, true);
    store.write(&pin, NOW_MS + 3 * DAY_MS).unwrap();
    let today = NOW_MS + 3 * DAY_MS;
    let keeper = store.keeper(Keep { days: Some(2), bytes: None }, today).believing_clocks_after(Duration::ZERO);
    assert_eq!(keeper.sweep(today).len(), 1);
    assert!(matches!(store.reader().get(2).unwrap(), Found::Event(_)), "pinned");
    store.begin_sums(false).unwrap();
    store.sums().pending().of(store::sums::SESSIONS, SECRET, store.day(), today).events += 1;
    store.save_checkpoint(store.seq_last(), b"of secretsession").unwrap();
    eventually_indexed(&store.reader());
    assert!(telling(&scratch.dir()).len() >= 4, "{:?}", telling(&scratch.dir()));

    begin(&mut store, 3);
    store.save_checkpoint(store.seq_last(), b"of others").unwrap();
    let eraser = store.eraser();
    assert_eq!(eraser.waiting().unwrap(), [(SECRET.to_owned(), 2_401)]);
    let expected = (1..=2_400).filter(|seq| is_secret(*seq)).count() as u64;
    assert_eq!(eraser.erase(SECRET, 2_401, &|| false).unwrap(), Erasing::Done(expected));
    finish(&mut store, 3);
    assert_eq!(eraser.waiting().unwrap(), []);
    let reader = store.reader();
    assert_eq!(others(&reader), not_secret(2_400).into_iter().filter(|seq| *seq > 600).collect::<Vec<_>>());
    assert!(
        (1..=2_400).filter(|seq| is_secret(*seq)).all(|seq| matches!(reader.get(seq).unwrap(), Found::Gone { .. }))
    );
    assert_eq!(telling(&scratch.dir()), [""; 0], "while it is open");

    // Numbers go on, and the same id begins anew.
    fill(&mut store, 3, 10);
    assert!(reader.has_session(SECRET).unwrap());
    assert_eq!(store.seq_last(), 2_410);
    store.close().unwrap();
    assert!(inspect::verify(&scratch.dir(), None).unwrap().is_empty());
    let names: Vec<_> = inspect::days(&scratch.dir(), None).unwrap().into_iter().map(|day| day.name).collect();
    assert_eq!(names.last().unwrap(), "events-2026-11-23-2.db");
    assert_eq!(open().reader().get(2_410).unwrap(), Found::Event(made(2_410).json));
}

#[test]
fn what_is_enriched_while_its_file_is_written_anew_stays_enriched_and_events_go_on_coming_in() {
    let scratch = Scratch::new();
    let mut store = open_indexed(&scratch.dir());
    fill(&mut store, 0, 6_000);
    begin(&mut store, 0);
    let eraser = store.eraser();
    let (store, turns) = (RefCell::new(store), Cell::new(0));
    let enriched = Bytes::from_static(b"{\"seq\":1,\"enriched\":true}");
    let stop = || {
        turns.set(turns.get() + 1);
        if turns.get() == 4 {
            let mut store = store.borrow_mut();
            fill(&mut store, 0, 50);
            let rewritten = vec![(1, enriched.clone()), (2, enriched.clone())];
            store.write(&Batch { rewritten, ..Batch::default() }, NOW_MS).unwrap();
        }
        false
    };
    assert!(matches!(eraser.erase(SECRET, 6_001, &stop).unwrap(), Erasing::Done(_)));
    assert!(turns.get() > 4, "{}", turns.get());
    let reader = store.borrow().reader();
    assert_eq!(reader.get(1).unwrap(), Found::Event(enriched));
    assert!(matches!(reader.get(2).unwrap(), Found::Gone { .. }), "it was of the session");
    assert_eq!(store.borrow().seq_last(), 6_050);
    assert_eq!(reader.get(6_050).unwrap(), Found::Event(made(6_050).json));
}

#[test]
fn it_is_not_done_while_the_file_that_is_written_still_has_something_of_it() {
    let scratch = Scratch::new();
    let mut store = open_indexed(&scratch.dir());
    fill(&mut store, 0, 100);
    let mut batch = Batch::default();
    batch.erase(SECRET, store.next_seq());
    store.write(&batch, NOW_MS).unwrap();
    assert_eq!(store.erasing(SECRET), Some(101));
    let eraser = store.eraser();
    assert_eq!(eraser.erase(SECRET, 101, &|| false).unwrap(), Erasing::Newest);
    assert!(store.reader().has_session(SECRET).unwrap());
    store.begin_file().unwrap();
    assert!(matches!(eraser.erase(SECRET, 101, &|| false).unwrap(), Erasing::Done(_)));
    assert!(!store.reader().has_session(SECRET).unwrap());
    // Asked for again, it begins no file: the one that is written has nothing of the session.
    fill(&mut store, 0, 1);
    store.begin_file().unwrap();
    assert_eq!(inspect::days(&scratch.dir(), Some(&crate::scratch::key())).unwrap().len(), 2);
}

#[test]
fn what_comes_after_the_last_file_of_a_day_goes_into_the_next_days() {
    let scratch = Scratch::new();
    let options = Options { encrypted: false, ..Options::default() };
    let open = || Store::open(&scratch.dir(), None, options.clone(), NOW_MS).unwrap();
    let mut store = open();
    fill(&mut store, 0, 100);
    store.close().unwrap();
    let named = |name: &str| scratch.dir().join(name);
    std::fs::rename(named("events-2026-11-20.db"), named("events-2026-11-20-1000.db")).unwrap();
    let mut store = open();
    begin(&mut store, 0);
    fill(&mut store, 0, 10);
    assert!(matches!(store.eraser().erase(SECRET, 101, &|| false).unwrap(), Erasing::Done(_)));
    fill(&mut store, 1, 10);
    let names: Vec<_> = inspect::days(&scratch.dir(), None).unwrap().into_iter().map(|day| day.name).collect();
    assert_eq!(names, ["events-2026-11-20-1000.db", "events-2026-11-21.db"]);
    assert_eq!(others(&store.reader()), not_secret(120));
}

#[test]
fn a_catalog_that_cannot_be_written_leaves_it_undone() {
    let scratch = Scratch::new();
    let options = Options { encrypted: false, ..Options::default() };
    let mut store = Store::open(&scratch.dir(), None, options, NOW_MS).unwrap();
    fill(&mut store, 0, 100);
    store.begin_sums(false).unwrap();
    store.sums().pending().of(store::sums::SESSIONS, SECRET, store.day(), NOW_MS).events += 1;
    store.save_checkpoint(store.seq_last(), b"state").unwrap();
    begin(&mut store, 0);
    let catalog = scratch.dir().join("catalog.db");
    let other = rusqlite::Connection::open(&catalog).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.eraser().erase(SECRET, 101, &|| false).unwrap_err();
    assert!(error.to_string().contains("catalog.db"), "{error}");
    assert!(telling(&scratch.dir()).contains(&"catalog.db".to_owned()) || catalog.with_extension("db-wal").exists());
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    assert!(matches!(store.eraser().erase(SECRET, 101, &|| false).unwrap(), Erasing::Done(0)));
    finish(&mut store, 0);
    assert_eq!(telling(&scratch.dir()), [""; 0]);
}

#[test]
fn killed_in_the_middle_it_goes_on_and_loses_nothing_else() {
    let scratch = Scratch::new();
    let mut store = open_indexed(&scratch.dir());
    for day in 0..6 {
        fill(&mut store, day, 1_000);
    }
    begin(&mut store, 5);
    store.close().unwrap();
    for run in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "erase::erases_until_it_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, scratch.dir())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Early and late: the moment is what is tested, and there is nothing to wait for.
        std::thread::sleep(Duration::from_millis(8 * run));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open_indexed(&scratch.dir());
        assert_eq!(others(&store.reader()), not_secret(6_000), "run {run}");
    }
    let mut store = open_indexed(&scratch.dir());
    let eraser = store.eraser();
    eraser.remove_leftovers();
    for (session, below) in eraser.waiting().unwrap() {
        assert!(matches!(eraser.erase(&session, below, &|| false).unwrap(), Erasing::Done(_)));
        finish(&mut store, 5);
    }
    check(&store.reader(), 6_000);
    let mut files = std::fs::read_dir(scratch.dir()).unwrap().map(|entry| entry.unwrap().path());
    assert!(files.all(|path| !path.to_string_lossy().contains(".new")));
}

/// Not a test of its own: the process that the test above kills.
#[test]
#[ignore = "run by the test above"]
fn erases_until_it_is_killed() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let mut store = open_indexed(Path::new(&dir));
    let eraser = store.eraser();
    for (session, below) in eraser.waiting().unwrap() {
        if eraser.erase(&session, below, &|| false).unwrap() != Erasing::Stopped {
            finish(&mut store, 5);
        }
    }
}
