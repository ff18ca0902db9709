//! The checkpoint of the live state is a cache: there or not, never in the way.

use std::fs;

use store::{Options, Store};

use crate::scratch::{NOW_MS, Scratch, batch};

#[test]
fn the_last_state_comes_back() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    assert_eq!(store.load_checkpoint(), None);
    store.write(&batch(&store, 10), NOW_MS).unwrap();
    store.save_checkpoint(5, b"five").unwrap();
    store.save_checkpoint(10, &vec![b'x'; 100_000]).unwrap();
    assert_eq!(store.load_checkpoint(), Some((10, vec![b'x'; 100_000])));
    store.close().unwrap();
    assert_eq!(scratch.open().load_checkpoint(), Some((10, vec![b'x'; 100_000])));
}

#[test]
fn a_damaged_or_removed_one_is_absent_and_made_anew() {
    for damage in ["catalog.db", "catalog.key"] {
        let scratch = Scratch::new();
        let mut store = scratch.open();
        store.write(&batch(&store, 10), NOW_MS).unwrap();
        store.save_checkpoint(10, b"ten").unwrap();
        store.close().unwrap();
        fs::write(scratch.dir().join(damage), b"not what it was, but long enough to be looked at twice").unwrap();

        let mut store = scratch.open();
        assert_eq!(store.load_checkpoint(), None);
        store.save_checkpoint(10, b"again").unwrap();
        assert_eq!(store.load_checkpoint(), Some((10, b"again".to_vec())));
        // It alone had the sums of days that are gone.
        let aside = fs::read(scratch.dir().join("damaged").join(damage)).unwrap();
        assert_eq!(aside, b"not what it was, but long enough to be looked at twice");
    }
}

#[test]
fn one_of_another_form_is_set_aside_each_time_under_another_name() {
    let scratch = Scratch::new();
    let plain = Options { encrypted: false, ..Options::default() };
    let mut store = Store::open(&scratch.dir(), None, plain, NOW_MS).unwrap();
    store.write(&batch(&store, 10), NOW_MS).unwrap();
    for name in ["damaged/catalog.db", "damaged/catalog-2.db"] {
        store.save_checkpoint(10, b"ten").unwrap();
        let other = rusqlite::Connection::open(scratch.dir().join("catalog.db")).unwrap();
        other.execute_batch("DROP TABLE checkpoint; CREATE TABLE checkpoint (another INTEGER)").unwrap();
        drop(other);
        store.save_checkpoint(10, b"again").unwrap_err();
        store.save_checkpoint(10, b"again").unwrap();
        assert_eq!(store.load_checkpoint(), Some((10, b"again".to_vec())));
        assert!(scratch.dir().join(name).exists(), "{name}");
    }
}

#[test]
fn one_that_is_busy_is_left_as_it_is() {
    let scratch = Scratch::new();
    let plain = Options { encrypted: false, ..Options::default() };
    let open = || Store::open(&scratch.dir(), None, plain.clone(), NOW_MS).unwrap();
    let mut store = open();
    store.write(&batch(&store, 10), NOW_MS).unwrap();
    store.save_checkpoint(10, b"ten").unwrap();
    store.close().unwrap();
    let path = scratch.dir().join("catalog.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE").unwrap();
    let mut store = open();
    assert!(store.save_checkpoint(10, b"busy").is_err());
    assert!(!scratch.dir().join("damaged").exists());
    drop(other);
    assert_eq!(store.load_checkpoint(), Some((10, b"ten".to_vec())));
    store.save_checkpoint(10, b"again").unwrap();
    assert_eq!(store.load_checkpoint(), Some((10, b"again".to_vec())));
}

#[test]
fn one_that_is_ahead_of_the_events_or_of_another_folder_does_not_count() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 10), NOW_MS).unwrap();
    store.save_checkpoint(11, b"ahead").unwrap();
    assert_eq!(store.load_checkpoint(), None);
    store.save_checkpoint(10, b"ten").unwrap();
    store.close().unwrap();

    let other = Scratch::new();
    let mut store = other.open();
    store.write(&batch(&store, 10), NOW_MS).unwrap();
    for name in ["catalog.db", "catalog.key"] {
        fs::copy(scratch.dir().join(name), other.dir().join(name)).unwrap();
    }
    assert_eq!(store.load_checkpoint(), None);
}
