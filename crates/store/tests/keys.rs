//! The user's key: made once, for its user alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use store::{Options, Store, StoreError, key};

use crate::scratch::NOW_MS;

#[test]
fn a_key_is_made_once_and_only_its_user_can_read_it() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("private/store.key");
    let first = key::load_or_create(&path).unwrap();
    assert_eq!(format!("{first:?}"), "Key(…)");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.trim().len(), 64);
    key::load_or_create(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn many_at_once_end_with_one_key() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("private/store.key");
    let dir = temp.path().join("store");
    let keys: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| key::load_or_create(&path).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for key in keys {
        Store::open(&dir, Some(&key), Options::default(), NOW_MS).unwrap().close().unwrap();
    }
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "a temporary file stayed behind");
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_helps() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("store.key");
    key::load_or_create(&path).unwrap();
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = key::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains(&format!("chmod 600 '{}'", path.display())), "{error}");
    }
}

#[test]
fn a_key_file_with_anything_else_in_it_is_refused_and_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("store.key");
    for content in ["", "short", &"g".repeat(64), &"a".repeat(66), &"ä".repeat(32)] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(key::load_or_create(&path).unwrap_err(), StoreError::KeyFile { .. }));
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}
