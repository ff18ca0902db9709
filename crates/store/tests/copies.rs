//! Copies of a running store, a new key, and every flipped byte found.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use store::{Found, Key, Options, Reader, Store, StoreError, Words, backup, inspect};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, all_numbers, batch, key, oldest, open};

fn filled(scratch: &Scratch) -> Store {
    let mut store = scratch.open();
    for day in 0..3 {
        store.write(&batch(&store, 500), NOW_MS + day * DAY_MS).unwrap();
    }
    store
}

#[test]
fn a_backup_of_a_store_that_is_being_written_holds_all_that_was_acknowledged_before() {
    let scratch = Scratch::new();
    let mut store = filled(&scratch);
    let over = AtomicBool::new(false);
    let to = scratch.dir().with_file_name("copies");
    std::thread::scope(|scope| {
        let copying = scope.spawn(|| {
            let mut copies = Vec::new();
            for turn in 0..8 {
                let least = Reader::open(&scratch.dir(), Some(&key())).unwrap().seq_last();
                let copy = to.join(turn.to_string());
                let copied = backup::backup(&scratch.dir(), &copy, Some(&key())).unwrap();
                assert!(copied.faults.is_empty(), "{:?}", copied.faults);
                copies.push((copy, least));
            }
            over.store(true, Ordering::Relaxed);
            copies
        });
        let mut turn = 0;
        while !over.load(Ordering::Relaxed) {
            turn += 1;
            store.write(&batch(&store, 1 + turn % 50), NOW_MS + (2 + turn as i64 / 300) * DAY_MS).unwrap();
        }
        for (copy, least) in copying.join().unwrap() {
            let restored = copy.with_extension("restored");
            backup::restore(&copy, &restored, Some(&key())).unwrap();
            let store = open(&restored);
            assert!(store.seq_last() >= least, "{} of {least}", store.seq_last());
            assert_eq!(all_numbers(&store.reader(), &oldest(5_000)), (1..=store.seq_last()).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_backup_is_put_into_no_folder_that_has_something_in_it() {
    let scratch = Scratch::new();
    filled(&scratch).close().unwrap();
    let copy = scratch.dir().with_file_name("copy");
    backup::backup(&scratch.dir(), &copy, Some(&key())).unwrap();
    for error in [
        backup::backup(&scratch.dir(), &copy, Some(&key())).unwrap_err(),
        backup::restore(&copy, &scratch.dir(), Some(&key())).unwrap_err(),
    ] {
        assert!(error.to_string().contains("something in it"), "{error}");
    }
    let running = scratch.open();
    let error = backup::restore(&copy, &scratch.dir(), Some(&key())).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    drop(running);
}

#[test]
fn a_new_key_opens_everything_and_the_old_one_nothing_even_if_it_was_cut_short() {
    let scratch = Scratch::new();
    filled(&scratch).close().unwrap();
    let new = Key::from_bytes([9; 32]);
    // Cut short after the first file.
    let other = scratch.dir().with_file_name("other");
    fs::create_dir(&other).unwrap();
    for name in ["events-2026-11-21.db", "events-2026-11-21.key"] {
        fs::copy(scratch.dir().join(name), other.join(name)).unwrap();
    }
    backup::rotate(&other, &key(), &new).unwrap();
    fs::copy(other.join("events-2026-11-21.key"), scratch.dir().join("events-2026-11-21.key")).unwrap();

    assert_eq!(backup::rotate(&scratch.dir(), &key(), &new).unwrap(), 3);
    let error = Store::open(&scratch.dir(), Some(&key()), Options::default(), NOW_MS).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    let store = Store::open(&scratch.dir(), Some(&new), Options::default(), NOW_MS).unwrap();
    assert_eq!(all_numbers(&store.reader(), &oldest(5_000)).len(), 1_500);
    let error = backup::rotate(&scratch.dir(), &new, &key()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
}

fn tell(json: &[u8], tell: &mut dyn FnMut(&str)) {
    tell(if json.ends_with(b"7\"}}") { "seven" } else { "other" });
}

#[test]
fn a_flipped_byte_in_any_file_is_found_and_named_and_the_other_days_are_served() {
    let scratch = Scratch::new();
    filled(&scratch).close().unwrap();
    let options = Options { words: Some(Words { version: 1, tell }), ..Options::default() };
    let mut store = Store::open(&scratch.dir(), Some(&key()), options, NOW_MS).unwrap();
    store.save_checkpoint(1_500, b"state").unwrap();
    let deadline = crate::scratch::far();
    while store.reader().unindexed() >= store::WIDE_EVENTS || !scratch.dir().join("index-2026-11-20.key").exists() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    store.close().unwrap();
    assert!(inspect::verify(&scratch.dir(), Some(&key())).unwrap().is_empty());

    let mut names: Vec<String> =
        fs::read_dir(scratch.dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "store.lock");
    names.sort();
    assert!(names.len() >= 12, "{names:?}");
    for name in &names {
        let path = scratch.dir().join(name);
        let whole = fs::read(&path).unwrap();
        let mut harmed = whole.clone();
        let at = (whole.len() * 2 / 3).min(whole.len() - 2);
        harmed[at] ^= 1;
        fs::write(&path, &harmed).unwrap();
        let faults = inspect::verify(&scratch.dir(), Some(&key())).unwrap();
        assert!(faults.iter().any(|fault| fault.path == path), "byte {at} of {name}: {faults:?}");
        assert_eq!(faults[0].is_cache, !name.starts_with("events-"), "{name}");
        fs::write(&path, &whole).unwrap();
    }

    flip_pages(&scratch.dir().join("events-2026-11-21.db"));
    let store = scratch.open();
    let served = all_numbers(&store.reader(), &oldest(5_000));
    assert!(served.iter().filter(|seq| **seq <= 500 || **seq > 1_000).count() == 1_000, "{}", served.len());
    assert!(matches!(store.reader().get(750).unwrap(), Found::Gone { .. }));
    assert!(scratch.dir().join("damaged/events-2026-11-21.db").exists(), "it is set aside, not deleted");
    assert_eq!(all_numbers(&store.reader(), &oldest(5_000)).len(), 1_000);
}

fn flip_pages(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    for at in (4_096 + 100..bytes.len()).step_by(4_096) {
        bytes[at] ^= 1;
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_torn_log_loses_nothing_before_the_tear_and_is_told() {
    let scratch = Scratch::new();
    let copy = scratch.dir().with_file_name("torn");
    let mut store = scratch.open();
    for _ in 0..40 {
        store.write(&batch(&store, 5), NOW_MS).unwrap();
    }
    // As a crash leaves it: the log is not emptied.
    fs::create_dir(&copy).unwrap();
    for name in ["events-2026-11-20.db", "events-2026-11-20.db-wal", "events-2026-11-20.key"] {
        fs::copy(scratch.dir().join(name), copy.join(name)).unwrap();
    }
    let log = copy.join("events-2026-11-20.db-wal");
    let whole = fs::read(&log).unwrap();
    assert!(whole.len() > 200_000, "{}", whole.len());
    assert!(inspect::verify(&copy, Some(&key())).unwrap().is_empty());

    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&log, &flipped).unwrap();
    let faults = inspect::verify(&copy, Some(&key())).unwrap();
    assert!(faults[0].problem.contains("-wal is damaged from frame"), "{faults:?}");

    // The machine died in the middle of a write: the tail is cut, or full of nothing.
    for torn in
        [whole[..whole.len() / 2 + 777].to_vec(), [&whole[..whole.len() / 2], &vec![0; whole.len() / 2]].concat()]
    {
        let dir = scratch.dir().with_file_name(format!("torn-{}", torn.len()));
        fs::create_dir(&dir).unwrap();
        for name in ["events-2026-11-20.db", "events-2026-11-20.key"] {
            fs::copy(scratch.dir().join(name), dir.join(name)).unwrap();
        }
        fs::write(dir.join("events-2026-11-20.db-wal"), torn).unwrap();
        let mut store = open(&dir);
        let last = store.seq_last();
        assert!(last > 20 && last < 200 && last.is_multiple_of(5), "whole batches: {last}");
        assert_eq!(all_numbers(&store.reader(), &oldest(500)), (1..=last).collect::<Vec<_>>());
        store.write(&batch(&store, 3), NOW_MS).unwrap();
    }
}

#[test]
fn a_restore_takes_nothing_of_what_was_there_before_into_the_store() {
    let scratch = Scratch::new();
    filled(&scratch).close().unwrap();
    let copy = scratch.dir().with_file_name("copy");
    backup::backup(&scratch.dir(), &copy, Some(&key())).unwrap();
    // A log, a key or something pinned of another store is no empty store, whatever its days are.
    for left in ["events-2026-11-20.db-wal", "events-2026-11-21.key", "pinned.db"] {
        let dir = scratch.dir().with_file_name("occupied");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(left), b"of before").unwrap();
        let error = backup::restore(&copy, &dir, Some(&key())).unwrap_err();
        assert!(error.to_string().contains("there is something in it already"), "{error}");
        assert_eq!(fs::read(dir.join(left)).unwrap(), b"of before");
        fs::remove_dir_all(&dir).unwrap();
    }
    let dir = scratch.dir().with_file_name("restored");
    fs::create_dir(&dir).unwrap();
    for left in ["index-2026-11-20.db", "index-2026-11-20.key", "index-2026-11-20.db-wal", "catalog.db"] {
        fs::write(dir.join(left), b"of before").unwrap();
    }
    backup::restore(&copy, &dir, Some(&key())).unwrap();
    assert!(!dir.join("index-2026-11-20.db-wal").exists());
    assert_eq!(fs::read(dir.join("damaged/catalog.db")).unwrap(), b"of before");
    assert_eq!(all_numbers(&open(&dir).reader(), &oldest(500)).len(), 1_500);
}

#[test]
fn a_restore_that_fails_leaves_no_half_of_a_store() {
    let scratch = Scratch::new();
    filled(&scratch).close().unwrap();
    let copy = scratch.dir().with_file_name("copy");
    backup::backup(&scratch.dir(), &copy, Some(&key())).unwrap();
    // The last day's key is of another file.
    fs::copy(copy.join("events-2026-11-20.key"), copy.join("events-2026-11-22.key")).unwrap();
    let dir = scratch.dir().with_file_name("restored");
    backup::restore(&copy, &dir, Some(&key())).unwrap_err();
    let left: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["store.lock"]);
}
