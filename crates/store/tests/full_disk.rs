//! A full disk is an error, never half an event, and it works again when there is room.

use std::path::Path;
use std::process::Command;

use store::{Found, Options, Store};

use crate::scratch::{NOW_MS, Scratch, all_numbers, batch, json, key, oldest};

const FOLDER: &str = "STORE_TEST_TMPFS";

#[test]
fn a_file_that_may_not_grow_gives_an_error_and_nothing_half_written() {
    let scratch = Scratch::new();
    let small = Options { file_bytes_max: 300_000, ..Options::default() };
    let mut store = Store::open(&scratch.dir(), Some(&key()), small, NOW_MS).unwrap();
    let written = fill(&mut store);
    store.close().unwrap();
    let mut store = scratch.open();
    assert_eq!(store.seq_last(), written);
    store.write(&batch(&store, 1_000), NOW_MS).unwrap();
    assert_eq!(all_numbers(&store.reader(), &oldest(500)), (1..=written + 1_000).collect::<Vec<_>>());
}

/// Writes until the disk is full, and checks that the failure left no trace. Gives the last number.
fn fill(store: &mut Store) -> u64 {
    let error = loop {
        let batch = batch(store, 200);
        if let Err(error) = store.write(&batch, NOW_MS) {
            break error;
        }
        assert!(store.seq_last() < 1_000_000, "it never got full");
    };
    assert!(error.is_full(), "{error}");
    let last = store.seq_last();
    let reader = store.reader();
    assert_eq!((reader.seq_last(), store.next_seq()), (last, last + 1));
    assert_eq!(reader.get(last + 1).unwrap(), Found::Unknown);
    assert_eq!(reader.get(last).unwrap(), Found::Event(json(last)));
    last
}

#[test]
fn a_full_file_system_gives_an_error_and_works_again_when_there_is_room() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.dir()).unwrap();
    let test =
        format!("'{}' --exact full_disk::fills_its_file_system --ignored", std::env::current_exe().unwrap().display());
    let script = format!("mount -t tmpfs -o size=2m none '{}' || exit 77; exec {test}", scratch.dir().display());
    let ran = Command::new("unshare").args(["-rm", "sh", "-c", &script]).env(FOLDER, scratch.dir()).output();
    match ran {
        Ok(output) if output.status.success() => {
            assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "nothing was tested");
        }
        Ok(output) if output.status.code() == Some(101) => panic!("{}", String::from_utf8_lossy(&output.stdout)),
        _ => println!("not run: this machine permits no file system of its own (unshare -rm)"),
    }
}

/// Not a test of its own: runs where the folder is a file system of 2 MB.
#[test]
#[ignore = "run by the test above"]
fn fills_its_file_system() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let dir = Path::new(&dir);
    let ballast = dir.join("ballast");
    std::fs::write(&ballast, vec![0; 700_000]).unwrap();
    let store_dir = dir.join("store");
    let mut store = Store::open(&store_dir, Some(&key()), Options::default(), NOW_MS).unwrap();
    let written = fill(&mut store);
    for _ in 0..20 {
        let batch = batch(&store, 200);
        assert!(store.write(&batch, NOW_MS).unwrap_err().is_full());
    }
    std::fs::remove_file(ballast).unwrap();
    store.write(&batch(&store, 200), NOW_MS).unwrap();
    store.close().unwrap();
    let store = Store::open(&store_dir, Some(&key()), Options::default(), NOW_MS).unwrap();
    assert_eq!(all_numbers(&store.reader(), &oldest(500)), (1..=written + 200).collect::<Vec<_>>());
}
