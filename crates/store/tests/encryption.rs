//! Without the key nobody reads anything, and a wrong one changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use store::{Found, Key, Options, Reader, Store, StoreError};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, batch, json, key, open};

fn bytes_of(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

#[test]
fn no_byte_of_a_payload_lies_open_while_it_runs_or_after() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    let mut secret = batch(&store, 1);
    secret.records[0].json = "{\"prompt\":\"the-plaintext-of-a-prompt\"}".into();
    secret.records[0].session = Some("the-plaintext-of-a-session".into());
    secret.records[0].content = Some("the-plaintext-of-a-body".into());
    store.write(&secret, NOW_MS).unwrap();
    store.save_checkpoint(1, b"the-plaintext-of-the-state").unwrap();
    let hidden = |name: &str, bytes: &[u8]| {
        let found = bytes.windows(13).any(|part| part == b"the-plaintext" || part == b"SQLite format");
        assert!(!found, "{name} holds plaintext");
    };
    bytes_of(&scratch.dir()).iter().for_each(|(name, bytes)| hidden(name, bytes));
    store.close().unwrap();
    let files = bytes_of(&scratch.dir());
    assert!(files.len() >= 5, "{:?}", files.keys());
    files.iter().for_each(|(name, bytes)| hidden(name, bytes));
}

#[test]
fn only_the_user_can_read_the_files() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 1), NOW_MS).unwrap();
    store.save_checkpoint(1, b"state").unwrap();
    store.reader().get(1).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scratch.dir()), 0o700);
    for entry in fs::read_dir(scratch.dir()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_wrong_or_missing_key_is_a_clear_error_and_changes_nothing() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 10), NOW_MS).unwrap();
    store.close().unwrap();
    let before = bytes_of(&scratch.dir());
    let wrong = Key::from_bytes([8; 32]);
    let later = NOW_MS + DAY_MS;
    let error = Store::open(&scratch.dir(), Some(&wrong), Options::default(), later).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    let error = Store::open(&scratch.dir(), None, Options::default(), later).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::KeyMissing { .. }), "{error}");
    let plain = Options { encrypted: false, ..Options::default() };
    let error = Store::open(&scratch.dir(), None, plain, later).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Encryption { encrypted: true, .. }), "{error}");
    let mut after = bytes_of(&scratch.dir());
    after.insert("store.lock".to_owned(), before["store.lock"].clone());
    assert!(before == after, "something was changed: {:?}", after.keys());
    assert_eq!(open(&scratch.dir()).reader().get(10).unwrap(), Found::Event(json(10)));
}

#[test]
fn a_lost_wrapped_key_is_named() {
    let scratch = Scratch::new();
    scratch.open().close().unwrap();
    fs::remove_file(scratch.dir().join("events-2026-11-20.key")).unwrap();
    let error = Store::open(&scratch.dir(), Some(&key()), Options::default(), NOW_MS).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("events-2026-11-20.key is missing"), "{error}");
}

#[test]
fn wrapped_keys_cannot_be_swapped_between_files() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 1), NOW_MS + DAY_MS).unwrap();
    store.close().unwrap();
    fs::copy(scratch.dir().join("events-2026-11-20.key"), scratch.dir().join("events-2026-11-21.key")).unwrap();
    let error = Store::open(&scratch.dir(), Some(&key()), Options::default(), NOW_MS).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
}

#[test]
fn without_encryption_the_files_open_with_plain_sqlite_and_stay_so() {
    let scratch = Scratch::new();
    let plain = Options { encrypted: false, ..Options::default() };
    let mut store = Store::open(&scratch.dir(), None, plain, NOW_MS).unwrap();
    store.write(&batch(&store, 5), NOW_MS).unwrap();
    store.close().unwrap();
    let connection = rusqlite::Connection::open(scratch.dir().join("events-2026-11-20.db")).unwrap();
    let count: i64 = connection.query_row("SELECT count(*) FROM heads", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 5);
    let error = Store::open(&scratch.dir(), Some(&key()), Options::default(), NOW_MS).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Encryption { encrypted: false, .. }), "{error}");
}

#[test]
fn a_flipped_byte_is_an_error_that_names_the_file() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 5_000), NOW_MS).unwrap();
    store.close().unwrap();
    let path = scratch.dir().join("events-2026-11-20.db");
    let mut bytes = fs::read(&path).unwrap();
    for at in (8_192 + 100..bytes.len()).step_by(4_096) {
        bytes[at] ^= 1;
    }
    fs::write(&path, bytes).unwrap();
    // Nothing of it is taken for what was written.
    let error = Reader::open(&scratch.dir(), Some(&key())).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("events-2026-11-20.db"), "{error}");
    assert_eq!(scratch.open().reader().get(2_500).unwrap(), Found::Unknown);
    assert!(scratch.dir().join("damaged/events-2026-11-20.db").exists());
}
