//! Files of every released form open, with all that is in them.
//!
//! `fixtures/form-1` is what a store of schema version 1 left behind, encrypted with the key of these tests and not. A release
//! that changes the form adds a folder of its own (`cargo test -p store -- --ignored released::makes_the_fixtures`) and keeps
//! the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use store::sums::{Asked, SESSIONS};
use store::{Batch, Erasing, Found, Keep, Note, Options, Record, Store, Words, inspect};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, all_numbers, batch, key, newest, record};
use crate::search::{self, eventually_indexed, found};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn options(encrypted: bool) -> Options {
    Options { encrypted, words: Some(Words { version: 1, ..search::WORDS }), ..Options::default() }
}

fn name(encrypted: bool) -> &'static str {
    if encrypted { "encrypted" } else { "plain" }
}

/// Events of three sessions: one is pinned, one is erased.
fn made(seq: u64) -> Record {
    let session = ["pinned", "erased", "other"][seq as usize % 3];
    Record {
        session: Some(session.into()),
        content: Some(Bytes::from(format!("{{\"whole\":\"of {seq}\"}}"))),
        json: Bytes::from(format!("{{\"seq\":{seq},\"data\":{{\"text\":\"word{seq} of {session}\"}}}}")),
        ..record(seq)
    }
}

/// Not a test: what is kept of this version's form.
#[test]
#[ignore = "writes into the source tree"]
fn makes_the_fixtures() {
    for encrypted in [true, false] {
        let scratch = Scratch::new();
        let today = NOW_MS + DAY_MS;
        let mut store = Store::open(&scratch.dir(), Some(&key()), options(encrypted), NOW_MS).unwrap();
        for day in 0..2 {
            let records = (store.next_seq()..store.next_seq() + 12).map(made).collect();
            let mut batch = Batch { records, ..Batch::default() };
            batch.positions.push(("spool/1".to_owned(), Some(vec![day as u8, 7])));
            batch.pin("pinned", true);
            store.write(&batch, NOW_MS + day * DAY_MS).unwrap();
        }
        let better = vec![(14, Bytes::from_static(b"{\"seq\":14,\"data\":\"told better\"}"))];
        store.write(&Batch { rewritten: better, ..Batch::default() }, today).unwrap();
        store.begin_sums(false).unwrap();
        store.sums().pending().of(SESSIONS, "other", store.day(), NOW_MS).events += 8;
        store.sums().completed();
        store.save_checkpoint(24, b"the live state").unwrap();
        store.keep_notes(&[Note { key: b"key".to_vec(), value: Some(b"value".to_vec()) }]).unwrap();
        let mut batch = Batch::default();
        batch.erase("erased", 25);
        store.write(&batch, today).unwrap();
        store.begin_file().unwrap();
        assert!(matches!(store.eraser().erase("erased", 25, &|| false).unwrap(), Erasing::Done(8)));
        let mut batch = Batch { records: (25..=26).map(made).collect(), ..Batch::default() };
        batch.erased("erased");
        store.write(&batch, today).unwrap();
        let keeper = store.keeper(Keep { days: Some(0), bytes: None }, today).believing_clocks_after(Duration::ZERO);
        assert_eq!(keeper.sweep(today), ["events-2026-11-20.db"]);
        store.close().unwrap();

        let to = fixtures().join("form-1").join(name(encrypted));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(scratch.dir()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() != "store.lock" && !entry.file_name().to_string_lossy().starts_with("index-") {
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }
}

#[test]
fn files_of_every_released_form_open_with_all_that_is_in_them() {
    for encrypted in [true, false] {
        let scratch = Scratch::new();
        fs::create_dir(scratch.dir()).unwrap();
        for entry in fs::read_dir(fixtures().join("form-1").join(name(encrypted))).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), scratch.dir().join(entry.file_name())).unwrap();
        }
        let user = encrypted.then(key);
        assert!(inspect::verify(&scratch.dir(), user.as_ref()).unwrap().is_empty());
        let names: Vec<_> =
            inspect::days(&scratch.dir(), user.as_ref()).unwrap().into_iter().map(|day| day.name).collect();
        assert_eq!(names, ["pinned.db", "events-2026-11-21.db", "events-2026-11-21-2.db"]);

        let mut store = Store::open(&scratch.dir(), user.as_ref(), options(encrypted), NOW_MS + DAY_MS).unwrap();
        assert_eq!(store.next_seq(), 27);
        assert_eq!(store.position("spool/1"), Some(vec![1, 7]));
        assert_eq!(store.pinned().into_iter().collect::<Vec<_>>(), ["pinned"]);
        assert_eq!(store.load_checkpoint(), Some((24, b"the live state".to_vec())));
        assert_eq!(store.notes(), [(b"key".to_vec(), b"value".to_vec())]);
        assert!(store.begin_sums(false).unwrap(), "nothing is counted again");
        let minute = NOW_MS / 60_000;
        let asked = Asked { group: SESSIONS, from: minute, to: minute + 1, step: 1 };
        assert_eq!(store.sums().ask(&asked).unwrap().names["other"][&0].events, 8);

        let reader = store.reader();
        let is_there = |seq: u64| seq > 24 || seq.is_multiple_of(3) || (seq > 12 && seq % 3 == 2);
        assert_eq!(all_numbers(&reader, &newest(5)), (1..=26).filter(|seq| is_there(*seq)).rev().collect::<Vec<_>>());
        for seq in 1..=26 {
            let found = reader.get(seq).unwrap();
            if !is_there(seq) {
                let reason = if seq > 12 { "its session has been deleted" } else { "it has been deleted, or" };
                assert!(matches!(&found, Found::Gone { reason: said } if said.starts_with(reason)), "{seq}: {found:?}");
                continue;
            }
            let json =
                if seq == 14 { Bytes::from_static(b"{\"seq\":14,\"data\":\"told better\"}") } else { made(seq).json };
            assert_eq!(found, Found::Event(json), "{seq}");
            assert_eq!(reader.content(seq).unwrap(), made(seq).content, "{seq}");
        }
        eventually_indexed(&reader);
        assert_eq!(found(&reader, "word15", "word15").0, [15]);
        store.write(&batch(&store, 5), NOW_MS + DAY_MS).unwrap();
        assert_eq!(store.seq_last(), 31);
    }
}
