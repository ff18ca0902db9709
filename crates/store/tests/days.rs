//! One file for each day, numbers that go on across them, and positions that come along.

use std::fs;
use std::path::Path;

use store::{Batch, Found, Options, Store, StoreError};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, all_numbers, batch, key, newest};

fn day_files(scratch: &Scratch) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(scratch.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("events-") && name.ends_with(".db"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_day_gets_its_own_file_and_takes_over_numbers_and_positions() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    let epoch = store.epoch().to_owned();
    let first = Batch { positions: vec![("spool".into(), Some(b"here".to_vec()))], ..batch(&store, 10) };
    store.write(&first, NOW_MS).unwrap();
    store.write(&batch(&store, 10), NOW_MS + DAY_MS).unwrap();
    store.close().unwrap();
    assert_eq!(day_files(&scratch), ["events-2026-11-20.db", "events-2026-11-21.db"]);

    let mut store = Store::open(&scratch.dir(), Some(&key()), Options::default(), NOW_MS + 9 * DAY_MS).unwrap();
    assert_eq!((store.seq_first(), store.next_seq(), store.epoch()), (1, 21, epoch.as_str()));
    assert_eq!(store.position("spool").as_deref(), Some(&b"here"[..]));
    store.write(&batch(&store, 1), NOW_MS + 9 * DAY_MS).unwrap();
    assert_eq!(all_numbers(&store.reader(), &newest(4)), (1..=21).rev().collect::<Vec<_>>());
    assert_eq!(day_files(&scratch).len(), 3);
}

#[test]
fn a_clock_that_goes_back_goes_on_in_the_newest_file() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 1), NOW_MS).unwrap();
    store.write(&batch(&store, 1), NOW_MS - 30 * DAY_MS).unwrap();
    store.close().unwrap();
    let mut store = Store::open(&scratch.dir(), Some(&key()), Options::default(), NOW_MS - 30 * DAY_MS).unwrap();
    store.write(&batch(&store, 1), NOW_MS - 30 * DAY_MS).unwrap();
    assert_eq!(day_files(&scratch), ["events-2026-11-20.db"]);
    assert_eq!(store.seq_last(), 3);
}

#[test]
fn an_event_of_an_older_day_can_be_enriched() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 3), NOW_MS).unwrap();
    let rewritten = bytes::Bytes::from_static(b"{\"seq\":2,\"sources\":[\"hook\",\"transcript\"]}");
    store.write(&Batch { rewritten: vec![(2, rewritten.clone())], ..batch(&store, 1) }, NOW_MS + DAY_MS).unwrap();
    assert_eq!(store.reader().get(2).unwrap(), Found::Event(rewritten));
}

#[test]
fn events_of_a_removed_day_are_gone_and_not_unknown() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    for day in 0..3 {
        store.write(&batch(&store, 10), NOW_MS + day * DAY_MS).unwrap();
    }
    store.close().unwrap();
    fs::remove_file(scratch.dir().join("events-2026-11-20.db")).unwrap();
    let store = scratch.open();
    assert_eq!((store.seq_first(), store.next_seq()), (11, 31));
    assert!(matches!(store.reader().get(10).unwrap(), Found::Gone { .. }));
    assert_eq!(store.reader().get(31).unwrap(), Found::Unknown);
    assert_eq!(all_numbers(&store.reader(), &newest(100)), (11..=30).rev().collect::<Vec<_>>());
    store.close().unwrap();

    fs::remove_file(scratch.dir().join("events-2026-11-21.db")).unwrap();
    let store = scratch.open();
    assert!(matches!(store.reader().get(15).unwrap(), Found::Gone { .. }));
    assert_eq!((store.seq_first(), store.next_seq()), (21, 31));
}

#[test]
fn a_file_of_a_newer_release_is_refused_with_a_clear_sentence() {
    let scratch = Scratch::new();
    let plain = Options { encrypted: false, ..Options::default() };
    Store::open(&scratch.dir(), None, plain.clone(), NOW_MS).unwrap().close().unwrap();
    let path = scratch.dir().join("events-2026-11-20.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let before = fs::read(&path).unwrap();
    let Err(error @ StoreError::Newer { found: 9, .. }) = Store::open(&scratch.dir(), None, plain, NOW_MS).map(|_| ())
    else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("written by a newer release"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_was_not_finished_being_made_is_finished() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    let first = Batch { positions: vec![("spool".into(), Some(b"here".to_vec()))], ..batch(&store, 10) };
    store.write(&first, NOW_MS).unwrap();
    store.close().unwrap();
    fs::write(scratch.dir().join("events-2026-11-21.db"), b"").unwrap();
    // Who only reads does without it.
    assert_eq!(store::Reader::open(&scratch.dir(), Some(&key())).unwrap().seq_last(), 10);
    assert!(store::inspect::verify(&scratch.dir(), Some(&key())).unwrap().is_empty());
    assert_eq!(store::inspect::days(&scratch.dir(), Some(&key())).unwrap()[1].problem, None);
    let mut store = scratch.open();
    assert_eq!(store.next_seq(), 11);
    assert_eq!(store.position("spool").as_deref(), Some(&b"here"[..]));
    store.write(&batch(&store, 1), NOW_MS).unwrap();
    assert_eq!(all_numbers(&store.reader(), &newest(100)).len(), 11);
}

#[test]
fn a_damaged_older_day_does_not_hold_up_new_events() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 3), NOW_MS).unwrap();
    store.write(&batch(&store, 3), NOW_MS + DAY_MS).unwrap();
    store.close().unwrap();
    fs::write(scratch.dir().join("events-2026-11-20.db"), [0x5A; 40_000]).unwrap();
    let mut store = scratch.open();
    let rewritten =
        vec![(2, bytes::Bytes::from_static(b"{\"seq\":2}")), (5, bytes::Bytes::from_static(b"{\"seq\":5}"))];
    store.write(&Batch { rewritten, ..batch(&store, 1) }, NOW_MS + DAY_MS).unwrap();
    assert_eq!(store.reader().get(5).unwrap(), Found::Event(bytes::Bytes::from_static(b"{\"seq\":5}")));
    assert!(matches!(store.reader().get(2).unwrap(), Found::Gone { .. }));
    assert!(scratch.dir().join("damaged/events-2026-11-20.db").exists());
    assert!(scratch.dir().join("damaged/events-2026-11-20.key").exists());
    assert_eq!(store.seq_last(), 7);
}

/// What befalls the newest day before a start.
type Damage = (&'static str, fn(&Path));
const DAMAGES: [Damage; 6] = [
    ("its first page is overwritten", |path| change(path, |bytes| bytes[..4_096].fill(0x5A))),
    ("a bit of its header is flipped", |path| change(path, |bytes| bytes[5] ^= 1)),
    ("it is cut to half", |path| change(path, |bytes| bytes.truncate(bytes.len() / 2))),
    ("it is cut within its first page", |path| change(path, |bytes| bytes.truncate(1_000))),
    ("all of its pages are flipped", |path| {
        change(path, |bytes| (100..bytes.len()).step_by(4_096).for_each(|at| bytes[at] ^= 1));
    }),
    ("it is empty, and its log is not", |path| {
        fs::write(path, b"").unwrap();
        fs::write(path.with_extension("db-wal"), [7; 5_000]).unwrap();
    }),
];

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_newest_day_that_is_damaged_is_set_aside_at_the_start_and_no_number_is_given_out_twice() {
    for encrypted in [true, false] {
        for (what, damage) in DAMAGES {
            let scratch = Scratch::new();
            let options = Options { encrypted, ..Options::default() };
            let open = |day: i64| Store::open(&scratch.dir(), Some(&key()), options.clone(), NOW_MS + day * DAY_MS);
            let mut store = open(0).unwrap();
            let first = Batch { positions: vec![("spool".into(), Some(b"then".to_vec()))], ..batch(&store, 300) };
            store.write(&first, NOW_MS).unwrap();
            let second = Batch { positions: vec![("spool".into(), Some(b"later".to_vec()))], ..batch(&store, 700) };
            store.write(&second, NOW_MS + DAY_MS).unwrap();
            let epoch = store.epoch().to_owned();
            store.close().unwrap();
            let path = scratch.dir().join("events-2026-11-21.db");
            damage(&path);
            let harmed = fs::read(&path).unwrap();

            let mut store = open(1).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(store.epoch(), epoch, "{what}");
            assert!(store.next_seq() > 1_000 && store.next_seq() < 2_000_000, "{what}: {}", store.next_seq());
            let aside = scratch.dir().join("damaged/events-2026-11-21.db");
            assert_eq!(fs::read(&aside).unwrap(), harmed, "{what}: as it was found");
            assert_eq!(aside.with_extension("key").exists(), encrypted);
            assert_eq!(store.position("spool").as_deref(), Some(&b"then"[..]), "{what}");
            assert_eq!(all_numbers(&store.reader(), &newest(100)), (1..=300).rev().collect::<Vec<_>>(), "{what}");
            assert!(matches!(store.reader().get(700).unwrap(), Found::Gone { .. }), "{what}");
            let from = store.next_seq();
            store.write(&batch(&store, 5), NOW_MS + DAY_MS).unwrap();
            store.close().unwrap();
            let store = open(1).unwrap();
            assert_eq!(store.next_seq(), from + 5, "{what}");
            assert_eq!(all_numbers(&store.reader(), &newest(100)).len(), 305, "{what}");
            assert!(store::inspect::verify(&scratch.dir(), Some(&key())).unwrap().is_empty(), "{what}");
        }
    }
}

#[test]
fn a_damaged_only_day_is_set_aside_and_its_numbers_are_known_from_the_live_state() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 50), NOW_MS).unwrap();
    store.save_checkpoint(50, b"state").unwrap();
    let epoch = store.epoch().to_owned();
    store.close().unwrap();
    fs::write(scratch.dir().join("events-2026-11-20.db"), [0x5A; 9_000]).unwrap();
    let mut store = scratch.open();
    assert_eq!(store.epoch(), epoch);
    assert!(store.next_seq() > 50);
    store.write(&batch(&store, 1), NOW_MS).unwrap();
    assert!(scratch.dir().join("damaged/events-2026-11-20.db").exists());
    assert!(scratch.dir().join("events-2026-11-20-2.db").exists());
}

#[test]
fn damage_that_shows_while_events_are_written_begins_another_file() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 300), NOW_MS).unwrap();
    store.close().unwrap();
    let small = Options { page_cache_kib: 8, ..Options::default() };
    let mut store = Store::open(&scratch.dir(), Some(&key()), small, NOW_MS).unwrap();
    change(&scratch.dir().join("events-2026-11-20.db"), |bytes| {
        (4_096 + 100..bytes.len()).step_by(4_096).for_each(|at| bytes[at] ^= 1);
    });
    store.write(&batch(&store, 100), NOW_MS).unwrap();
    assert_eq!(store.seq_last(), 400);
    assert_eq!(all_numbers(&store.reader(), &newest(100)), (301..=400).rev().collect::<Vec<_>>());
    assert!(scratch.dir().join("damaged/events-2026-11-20.db").exists());
}

#[test]
fn a_file_that_could_not_be_begun_goes_on_where_the_one_before_ended() {
    let scratch = Scratch::new();
    let plain = Options { encrypted: false, ..Options::default() };
    let open = |dir: &Path| Store::open(dir, None, plain.clone(), NOW_MS).unwrap();
    let at = |position: &[u8]| vec![("spool".to_owned(), Some(position.to_vec()))];
    let mut store = open(&scratch.dir());
    store.write(&batch(&store, 10), NOW_MS).unwrap();
    // The next day's file as it is when only the last step failed.
    let half = scratch.dir().with_file_name("half");
    store.write(&Batch { positions: at(b"then"), ..Batch::default() }, NOW_MS + DAY_MS).unwrap();
    store.close().unwrap();
    fs::rename(scratch.dir().join("events-2026-11-21.db"), &half).unwrap();

    let mut store = open(&scratch.dir());
    store.write(&Batch { positions: at(b"later"), ..batch(&store, 7) }, NOW_MS).unwrap();
    fs::copy(&half, scratch.dir().join("events-2026-11-21.db")).unwrap();
    let started = scratch.dir().with_file_name("started");
    fs::create_dir(&started).unwrap();
    for entry in fs::read_dir(scratch.dir()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), started.join(entry.file_name())).unwrap();
    }
    // Tried again while it runs, and at a start.
    for (dir, mut store) in [(scratch.dir(), store), (started.clone(), open(&started))] {
        assert_eq!(store.next_seq(), 18);
        store.write(&batch(&store, 3), NOW_MS + DAY_MS).unwrap();
        assert_eq!(store.position("spool").as_deref(), Some(&b"later"[..]));
        assert_eq!(all_numbers(&store.reader(), &newest(100)), (1..=20).rev().collect::<Vec<_>>());
        (1..=20).for_each(|seq| assert!(matches!(store.reader().get(seq).unwrap(), Found::Event(_)), "{seq}"));
        store.close().unwrap();
        let store = open(&dir);
        assert_eq!((store.next_seq(), store.position("spool")), (21, Some(b"later".to_vec())));
    }
}
