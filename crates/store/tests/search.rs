//! The full-text index finds what looking at every event finds, whatever happens to it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::{Batch, Direction, Needle, Options, PageQuery, Reader, Store, Words};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, far, key, numbers, record};

/// Letters and digits, as they are.
fn tell(json: &[u8], tell: &mut dyn FnMut(&str)) {
    let text = String::from_utf8_lossy(json);
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|token| !token.is_empty()).for_each(tell);
}

/// Which tokens events have.
pub(crate) const WORDS: Words = Words { version: 1, tell };

fn options(version: u32) -> Options {
    Options { words: Some(Words { version, tell }), ..Options::default() }
}

fn open(scratch: &Scratch) -> Store {
    open_indexed(&scratch.dir())
}

/// A store that keeps an index.
pub(crate) fn open_indexed(dir: &Path) -> Store {
    Store::open(dir, Some(&key()), options(1), NOW_MS).unwrap()
}

/// An event about its number's last digit, and one in a hundred about a needle.
fn json(seq: u64) -> Bytes {
    let rare = if seq.is_multiple_of(100) { "needle" } else { "hay" };
    Bytes::from(format!("{{\"seq\":{seq},\"data\":\"about{} {rare}stack\"}}", seq % 10))
}

fn write(store: &mut Store, count: u64, day: i64) {
    let first = store.next_seq();
    for from in (first..first + count).step_by(97) {
        let records =
            (from..(from + 97).min(first + count)).map(|seq| store::Record { json: json(seq), ..record(seq) });
        store.write(&Batch { records: records.collect(), ..Batch::default() }, NOW_MS + day * DAY_MS).unwrap();
    }
}

pub(crate) fn eventually_indexed(reader: &Reader) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while reader.unindexed() >= store::WIDE_EVENTS {
        assert!(Instant::now() < deadline, "{} events are not indexed", reader.unindexed());
        std::thread::yield_now();
    }
}

/// The numbers of the events that hold `text`, newest first, and how many events were looked at.
pub(crate) fn found(reader: &Reader, token: &str, text: &str) -> (Vec<u64>, usize) {
    let mut looked = 0;
    let needle = Needle { token: token.to_owned(), is_prefix: true };
    let query =
        PageQuery { needles: vec![vec![needle]], ..PageQuery::new(Direction::Newest { before: None }, 100_000, far()) };
    let page = reader
        .page(&query, &mut |json| {
            looked += 1;
            json.windows(text.len()).any(|part| part == text.as_bytes())
        })
        .unwrap();
    (numbers(&page), looked)
}

fn hundreds(last: u64) -> Vec<u64> {
    (1..=last / 100).rev().map(|hundred| hundred * 100).collect()
}

#[test]
fn a_rare_word_is_found_by_looking_at_few_events_and_at_the_tail() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    write(&mut store, 5_000, 0);
    write(&mut store, 3_000, 1);
    let reader = store.reader();
    // Complete at any time, however far the index is.
    assert_eq!(found(&reader, "needle", "needlestack").0, hundreds(8_000));
    eventually_indexed(&reader);
    let deadline = far();
    loop {
        let (numbers, looked) = found(&reader, "needle", "needlestack");
        assert_eq!(numbers, hundreds(8_000));
        // Yesterday's index is made after today's; then four events are looked at for each, and those not indexed.
        if looked <= 80 * 4 + store::WIDE_EVENTS as usize {
            break;
        }
        assert!(Instant::now() < deadline, "{looked} events were looked at for 80");
    }
    write(&mut store, 150, 1);
    assert_eq!(found(&reader, "needle", "needlestack").0, hundreds(8_150));
    assert_eq!(found(&reader, "never", "never").0, []);
}

#[test]
fn pages_in_both_directions_follow_each_other_with_an_index_too() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    write(&mut store, 2_000, 0);
    write(&mut store, 1_111, 2);
    eventually_indexed(&store.reader());
    write(&mut store, 77, 2);
    let needles = || {
        vec![
            vec![Needle { token: "about7".into(), is_prefix: false }],
            vec![Needle { token: "hay".into(), is_prefix: true }],
        ]
    };
    let expected: Vec<u64> = (1..=3_188).filter(|seq| seq % 10 == 7).collect();
    for limit in [1, 13, 500] {
        for forth in [true, false] {
            // Both a clock with time and one that is always late must get through.
            for deadline in [far(), Instant::now() - Duration::from_secs(1)] {
                let mut direction =
                    if forth { Direction::Oldest { after: 0 } } else { Direction::Newest { before: None } };
                let mut all = Vec::new();
                loop {
                    let query = PageQuery { needles: needles(), ..PageQuery::new(direction, limit, deadline) };
                    let page =
                        store.reader().page(&query, &mut |json| json.windows(6).any(|part| part == b"about7")).unwrap();
                    all.extend(numbers(&page));
                    let Some(next) = page.next else { break };
                    direction = if forth {
                        Direction::Oldest { after: next }
                    } else {
                        Direction::Newest { before: Some(next) }
                    };
                }
                if !forth {
                    all.reverse();
                }
                assert_eq!(all, expected, "limit {limit}, forth {forth}");
            }
        }
    }
}

#[test]
fn an_event_that_is_enriched_is_found_by_its_new_words_at_once_and_after_a_restart() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    write(&mut store, 1_000, 0);
    write(&mut store, 1_000, 1);
    eventually_indexed(&store.reader());
    let enriched = |seq: u64| (seq, Bytes::from(format!("{{\"seq\":{seq},\"data\":\"enriched\"}}")));
    let rewritten = vec![enriched(5), enriched(1_500), enriched(2_000)];
    store.write(&Batch { rewritten, ..Batch::default() }, NOW_MS + DAY_MS).unwrap();
    assert_eq!(found(&store.reader(), "enriched", "enriched").0, [2_000, 1_500, 5]);
    store.close().unwrap();
    let store = open(&scratch);
    let deadline = far();
    loop {
        let (numbers, looked) = found(&store.reader(), "enriched", "enriched");
        assert_eq!(numbers, [2_000, 1_500, 5]);
        if looked <= 3 * 4 + store::WIDE_EVENTS as usize {
            break;
        }
        assert!(Instant::now() < deadline, "{looked} events are looked at");
    }
}

#[test]
fn an_index_that_is_deleted_damaged_or_of_other_tokens_is_built_anew() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    write(&mut store, 3_000, 0);
    eventually_indexed(&store.reader());
    store.close().unwrap();
    let path = scratch.dir().join("index-2026-11-20.db");
    let harm: [(&str, &dyn Fn()); 5] = [
        ("deleted", &|| fs::remove_file(&path).unwrap()),
        ("deleted with its key", &|| {
            fs::remove_file(&path).unwrap();
            fs::remove_file(path.with_extension("key")).unwrap();
        }),
        ("without its key", &|| fs::remove_file(path.with_extension("key")).unwrap()),
        ("a byte flipped in every page", &|| {
            let mut bytes = fs::read(&path).unwrap();
            for at in (2_000..bytes.len()).step_by(4_096) {
                bytes[at] ^= 1;
            }
            fs::write(&path, bytes).unwrap();
        }),
        ("something else", &|| fs::write(&path, "nonsense".repeat(10_000)).unwrap()),
    ];
    for (what, harm) in harm {
        harm();
        let store = open(&scratch);
        let deadline = far();
        loop {
            let (numbers, looked) = found(&store.reader(), "needle", "needlestack");
            assert_eq!(numbers, hundreds(3_000), "{what}");
            if looked < 600 {
                break;
            }
            assert!(Instant::now() < deadline, "{what}: it is not built anew");
        }
        store.close().unwrap();
    }
    let store = Store::open(&scratch.dir(), Some(&key()), options(2), NOW_MS).unwrap();
    eventually_indexed(&store.reader());
    assert_eq!(found(&store.reader(), "needle", "needlestack").0, hundreds(3_000));
}

#[test]
fn an_index_that_is_damaged_while_it_is_used_costs_no_result() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    write(&mut store, 20_000, 0);
    eventually_indexed(&store.reader());
    store.close().unwrap();
    let path = scratch.dir().join("index-2026-11-20.db");
    let mut bytes = fs::read(&path).unwrap();
    // Its first pages stay whole, so that it opens.
    for at in (8 * 4_096 + 100..bytes.len()).step_by(4_096) {
        bytes[at] ^= 1;
    }
    fs::write(&path, bytes).unwrap();
    let mut store = open(&scratch);
    let deadline = far();
    loop {
        let (numbers, looked) = found(&store.reader(), "needle", "needlestack");
        assert_eq!(numbers, hundreds(store.seq_last()));
        if looked < 5_000 {
            break;
        }
        // What is committed makes the indexer look.
        write(&mut store, 1, 0);
        assert!(Instant::now() < deadline, "it is not built anew");
    }
}

#[test]
fn events_of_an_earlier_time_than_their_index_are_indexed_anew() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    write(&mut store, 500, 0);
    store.close().unwrap();
    let path = scratch.dir().join("events-2026-11-20.db");
    let earlier = fs::read(&path).unwrap();
    let mut store = open(&scratch);
    write(&mut store, 500, 0);
    eventually_indexed(&store.reader());
    store.close().unwrap();
    fs::write(&path, earlier).unwrap();
    let mut store = open(&scratch);
    assert_eq!(store.seq_last(), 500);
    write(&mut store, 300, 0);
    eventually_indexed(&store.reader());
    assert_eq!(found(&store.reader(), "needle", "needlestack").0, hundreds(800));
}

#[test]
fn no_token_lies_open_in_the_index() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    write(&mut store, 3_000, 0);
    eventually_indexed(&store.reader());
    let check = || {
        for entry in fs::read_dir(scratch.dir()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(6).any(|part| part == b"needle"), "{}", path.display());
        }
    };
    check();
    store.close().unwrap();
    check();
}

#[test]
fn what_lies_on_both_sides_of_an_end_of_a_part_is_found_in_order_from_both_sides() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    // An index has a part for each 262,144 events.
    let (end, first) = (1 << 18, (1 << 18) - 3_000);
    store.skip_to(first).unwrap();
    write(&mut store, 6_000, 0);
    eventually_indexed(&store.reader());
    // Told better later, in the one part and in the other.
    let better = |seq: u64| (seq, Bytes::from(format!("{{\"seq\":{seq},\"data\":\"a needlestack\"}}")));
    store.write(&Batch { rewritten: vec![better(end - 7), better(end + 7)], ..Batch::default() }, NOW_MS).unwrap();
    let mut wanted: Vec<u64> = (first..first + 6_000).filter(|seq| seq % 100 == 0 || seq.abs_diff(end) == 7).collect();
    let reader = store.reader();
    for limit in [3, 1_000] {
        let mut all = Vec::new();
        let mut direction = Direction::Oldest { after: 0 };
        loop {
            let needles = vec![vec![Needle { token: "needle".to_owned(), is_prefix: true }]];
            let query = PageQuery { needles, ..PageQuery::new(direction, limit, far()) };
            let page = reader.page(&query, &mut |json| json.windows(6).any(|part| part == b"needle")).unwrap();
            all.extend(numbers(&page));
            let Some(next) = page.next else { break };
            direction = Direction::Oldest { after: next };
        }
        assert_eq!(all, wanted, "{limit}");
    }
    wanted.reverse();
    let (numbers, looked) = found(&reader, "needle", "needlestack");
    assert_eq!(numbers, wanted);
    assert!(looked <= wanted.len() + 2 * store::WIDE_EVENTS as usize, "{looked} were looked at");
}

#[test]
fn a_search_whose_time_is_up_in_what_is_not_indexed_says_where_that_begins() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    write(&mut store, 6_400, 0);
    let reader = store.reader();
    eventually_indexed(&reader);
    // An unfinished row of the index waits for the rest of it.
    write(&mut store, 20, 0);
    let indexed_to = 6_420 - reader.unindexed() + 1;
    let page = |before: Option<u64>| {
        let needles = vec![vec![Needle { token: "nowhere".to_owned(), is_prefix: false }]];
        let late = Instant::now() - Duration::from_secs(1);
        let query = PageQuery { needles, ..PageQuery::new(Direction::Newest { before }, 10, late) };
        reader.page(&query, &mut |_| false).unwrap()
    };
    let in_tail = page(None);
    assert_eq!((in_tail.partial, in_tail.indexed_to), (true, Some(indexed_to)), "{in_tail:?}");
    assert!(in_tail.next.unwrap() >= indexed_to);
    let beyond = page(Some(indexed_to));
    assert_eq!(beyond.indexed_to, None, "{beyond:?}");
}
