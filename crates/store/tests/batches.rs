//! A batch is written whole or not at all.

use bytes::Bytes;
use store::{Batch, Found, StoreError};

use crate::scratch::{NOW_MS, Scratch, batch, json, record};

#[test]
fn what_is_written_is_read_back_at_once_and_after_opening_again() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    assert_eq!((store.next_seq(), store.seq_first(), store.seq_last()), (1, 1, 0));
    let reader = store.reader();
    store.write(&batch(&store, 1_000), NOW_MS).unwrap();
    assert_eq!(reader.get(777).unwrap(), Found::Event(json(777)));
    assert_eq!(reader.content(775).unwrap().unwrap(), "{\"whole\":775}");
    assert_eq!(reader.content(777).unwrap(), None);
    assert_eq!((reader.get(0).unwrap(), reader.get(1_001).unwrap()), (Found::Unknown, Found::Unknown));
    let epoch = store.epoch().to_owned();
    store.close().unwrap();

    let store = scratch.open();
    assert_eq!((store.next_seq(), store.seq_first(), store.seq_last()), (1_001, 1, 1_000));
    assert_eq!(store.epoch(), epoch);
    assert_eq!(store.reader().get(777).unwrap(), Found::Event(json(777)));
}

#[test]
fn payloads_of_every_size_come_back_as_they_were() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    let noise: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let payloads: Vec<Bytes> = [0, 1, 31, 32, 33, 1_000, 100_000, 3_000_000]
        .into_iter()
        .flat_map(|bytes| [Bytes::from(noise[..bytes].to_vec()), Bytes::from(vec![b'a'; bytes])])
        .collect();
    for payload in &payloads {
        let mut batch = batch(&store, 1);
        batch.records[0].json = payload.clone();
        batch.records[0].content = Some(payload.clone());
        store.write(&batch, NOW_MS).unwrap();
    }
    for (seq, payload) in (1..).zip(&payloads) {
        assert_eq!(store.reader().get(seq).unwrap(), Found::Event(payload.clone()));
        assert_eq!(store.reader().content(seq).unwrap(), Some(payload.clone()));
    }
}

#[test]
fn numbers_go_on_without_a_hole_or_the_batch_is_refused() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 3), NOW_MS).unwrap();
    for numbers in [vec![3], vec![5], vec![4, 6], vec![4, 4]] {
        let batch = Batch { records: numbers.into_iter().map(record).collect(), ..Batch::default() };
        assert!(matches!(store.write(&batch, NOW_MS), Err(StoreError::Numbers { .. })));
    }
    assert_eq!(store.next_seq(), 4);
    store.write(&batch(&store, 1), NOW_MS).unwrap();
    assert_eq!(store.seq_last(), 4);
}

#[test]
fn positions_are_kept_with_their_events_and_forgotten_on_request() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    let at = |position: Option<&[u8]>| vec![("spool".to_owned(), position.map(<[u8]>::to_vec))];
    let first = Batch { positions: at(Some(b"one")), ..batch(&store, 2) };
    store.write(&first, NOW_MS).unwrap();
    let second = Batch { positions: at(Some(b"two")), ..Batch::default() };
    store.write(&second, NOW_MS).unwrap();
    store.close().unwrap();

    let mut store = scratch.open();
    assert_eq!(store.position("spool").as_deref(), Some(&b"two"[..]));
    assert_eq!(store.position("transcripts"), None);
    store.write(&Batch { positions: at(None), ..Batch::default() }, NOW_MS).unwrap();
    assert_eq!(store.position("spool"), None);
}

#[test]
fn an_event_can_be_enriched_also_in_the_batch_that_brings_it() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    let rewritten = Bytes::from_static(b"{\"seq\":2,\"sources\":[\"hook\",\"otlp\"]}");
    store.write(&Batch { rewritten: vec![(2, rewritten.clone())], ..batch(&store, 2) }, NOW_MS).unwrap();
    assert_eq!(store.reader().get(2).unwrap(), Found::Event(rewritten.clone()));
    let later = Batch { rewritten: vec![(1, rewritten.clone()), (99, rewritten.clone())], ..Batch::default() };
    store.write(&later, NOW_MS).unwrap();
    assert_eq!(store.reader().get(1).unwrap(), Found::Event(rewritten));
    assert_eq!(store.reader().get(99).unwrap(), Found::Unknown);
}

#[test]
fn a_second_writer_is_told_who_holds_the_folder() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let second = store::Store::open(&scratch.dir(), Some(&crate::scratch::key()), store::Options::default(), NOW_MS);
    let Err(error @ StoreError::Locked { .. }) = second.map(|_| ()) else { panic!("it was let in") };
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(store);
    scratch.open();
}

#[test]
fn readers_work_while_the_writer_writes_and_see_no_half_batch() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    let reader = store.reader();
    let watching = std::thread::spawn(move || {
        let mut seen = 0;
        while seen < 20_000 {
            let last = reader.seq_last();
            assert_eq!(last % 100, 0, "a batch was half visible");
            assert!(last >= seen);
            if last > 0 {
                assert!(matches!(reader.get(last).unwrap(), Found::Event(_)));
                assert_eq!(crate::scratch::page(&reader, &crate::scratch::newest(5)).events.len(), 5);
            }
            seen = last;
        }
    });
    for _ in 0..200 {
        store.write(&batch(&store, 100), NOW_MS).unwrap();
    }
    watching.join().unwrap();
}
