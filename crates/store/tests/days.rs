//! One file for each day, numbers that go on across them, and positions that come along.

use std::fs;

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
