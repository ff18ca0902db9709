//! Pinned sessions stay when their days go: the same events under the same numbers, found in the same way.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use store::{Batch, Found, Keep, PageQuery, Reader, Record, Store, backup, inspect};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, all_numbers, key, newest, oldest, record};

const PINNED: &str = "the-pinned-session";

fn is_pinned(seq: u64) -> bool {
    seq % 10 == 3
}

/// A hundred events a day, ten of them of the pinned session.
fn filled(store: &mut Store, days: i64) {
    filled_from(store, 0, days);
}

fn pin(store: &mut Store, pinned: bool, day: i64) {
    let mut batch = Batch::default();
    batch.pin(PINNED, pinned);
    store.write(&batch, NOW_MS + day * DAY_MS).unwrap();
}

fn sweep(store: &Store, days: u32, today: i64) -> usize {
    let now = NOW_MS + today * DAY_MS;
    let keeper = store.keeper(Keep { days: Some(days), bytes: None }, now).believing_clocks_after(Duration::ZERO);
    keeper.sweep(now).len()
}

fn of_session(session: &str, query: PageQuery) -> PageQuery {
    PageQuery { sessions: vec![session.to_owned()], ..query }
}

/// Six days of which three are gone.
fn check(reader: &Reader) {
    let wanted: Vec<u64> = (1..=600).filter(|seq| *seq > 300 || is_pinned(*seq)).collect();
    assert_eq!(all_numbers(reader, &oldest(70)), wanted);
    assert_eq!(all_numbers(reader, &newest(70)), wanted.iter().rev().copied().collect::<Vec<_>>());
    let of_pinned: Vec<u64> = (1..=600).filter(|seq| is_pinned(*seq)).collect();
    assert_eq!(all_numbers(reader, &of_session(PINNED, oldest(7))), of_pinned);
    let tools = PageQuery { tools: vec!["Bash".to_owned()], errors_only: false, ..of_session(PINNED, oldest(7)) };
    assert_eq!(all_numbers(reader, &tools), of_pinned.iter().filter(|seq| **seq % 3 == 0).copied().collect::<Vec<_>>());
    for seq in 1..=600 {
        let found = reader.get(seq).unwrap();
        if seq > 300 || is_pinned(seq) {
            assert_eq!(found, Found::Event(crate::scratch::json(seq)), "{seq}");
            assert_eq!(reader.content(seq).unwrap(), Some(Bytes::from(format!("{{\"whole\":{seq}}}"))));
        } else {
            assert!(matches!(found, Found::Gone { .. }), "{seq}");
        }
    }
    assert_eq!(reader.pinned().unwrap(), BTreeSet::from([PINNED.to_owned()]));
}

#[test]
fn what_is_pinned_is_found_as_before_when_its_days_are_gone_and_is_copied_checked_and_encrypted() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    filled(&mut store, 2);
    pin(&mut store, true, 1);
    assert!(store.reader().has_session(PINNED).unwrap() && !store.reader().has_session("nobody").unwrap());
    // The mark goes on from day to day.
    filled_from(&mut store, 2, 6);
    assert_eq!(sweep(&store, 3, 5), 2);
    assert_eq!(sweep(&store, 2, 5), 1);
    check(&store.reader());
    store.close().unwrap();

    let store = scratch.open();
    check(&store.reader());
    check(&Reader::open(&scratch.dir(), Some(&key())).unwrap());
    let bytes = fs::read(scratch.dir().join("pinned.db")).unwrap();
    assert!(!bytes.windows(PINNED.len()).any(|part| part == PINNED.as_bytes()) && !bytes.starts_with(b"SQLite"));
    let days = inspect::days(&scratch.dir(), Some(&key())).unwrap();
    assert_eq!((days[0].name.as_str(), days[0].events, days.len()), ("pinned.db", 30, 4));

    let copy = scratch.dir().with_file_name("copy");
    assert!(backup::backup(&scratch.dir(), &copy, Some(&key())).unwrap().faults.is_empty());
    let restored = scratch.dir().with_file_name("restored");
    backup::restore(&copy, &restored, Some(&key())).unwrap();
    check(&crate::scratch::open(&restored).reader());
    drop(store);

    let mut bytes = bytes;
    let at = bytes.len() - 2_000;
    bytes[at] ^= 1;
    fs::write(scratch.dir().join("pinned.db"), bytes).unwrap();
    let faults = inspect::verify(&scratch.dir(), Some(&key())).unwrap();
    assert!(faults.iter().any(|fault| fault.path.ends_with("pinned.db") && !fault.is_cache), "{faults:?}");
}

fn filled_from(store: &mut Store, from: i64, to: i64) {
    for day in from..to {
        let numbers = store.next_seq()..store.next_seq() + 100;
        let records = numbers.map(|seq| {
            let session = if is_pinned(seq) { PINNED } else { "another" };
            Record {
                session: Some(Arc::from(session)),
                content: Some(Bytes::from(format!("{{\"whole\":{seq}}}"))),
                ..record(seq)
            }
        });
        let batch = Batch { records: records.collect(), ..Batch::default() };
        store.write(&batch, NOW_MS + day * DAY_MS).unwrap();
    }
}

#[test]
fn what_is_pinned_no_longer_goes_with_the_next_look_and_only_of_days_that_are_gone() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    filled(&mut store, 4);
    pin(&mut store, true, 3);
    assert_eq!(sweep(&store, 1, 3), 2);
    let reader = store.reader();
    assert!(matches!(reader.get(3).unwrap(), Found::Event(_)));
    pin(&mut store, false, 3);
    sweep(&store, 1, 3);
    assert!(matches!(reader.get(3).unwrap(), Found::Gone { .. }));
    let left: Vec<u64> = (201..=400).filter(|seq| is_pinned(*seq)).collect();
    assert_eq!(all_numbers(&reader, &of_session(PINNED, oldest(70))), left);
    assert_eq!(store.pinned(), BTreeSet::new());
}

#[test]
fn a_day_whose_pinned_events_were_copied_when_the_process_died_is_shown_once_and_goes_later() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    filled(&mut store, 3);
    pin(&mut store, true, 2);
    let saved: Vec<_> =
        ["events-2026-11-20.db", "events-2026-11-20.key"].map(|name| (name, fs::read(scratch.dir().join(name)))).into();
    assert_eq!(sweep(&store, 1, 2), 1);
    store.close().unwrap();
    // As if it had died between copying and removing.
    for (name, bytes) in saved {
        fs::write(scratch.dir().join(name), bytes.unwrap()).unwrap();
    }
    let store = scratch.open();
    assert_eq!(all_numbers(&store.reader(), &oldest(70)), (1..=300).collect::<Vec<_>>());
    assert_eq!(sweep(&store, 1, 2), 1);
    let wanted: Vec<u64> = (1..=300).filter(|seq| *seq > 100 || is_pinned(*seq)).collect();
    assert_eq!(all_numbers(&store.reader(), &oldest(70)), wanted);
}
