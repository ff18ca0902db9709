//! Days leave the store whole, oldest first, while events come in, and readers see a gap and no error.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use store::{Direction, Found, Keep, Keeper, PageQuery, Store};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, all_numbers, batch, far, newest, numbers, oldest};

/// A hundred events a day.
fn filled(store: &mut Store, days: i64) {
    for day in 0..days {
        store.write(&batch(store, 100), NOW_MS + day * DAY_MS).unwrap();
    }
}

fn keeper(store: &Store, keep: Keep, now_ms: i64) -> Keeper {
    store.keeper(keep, now_ms).believing_clocks_after(Duration::ZERO)
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn days_that_are_too_old_go_with_all_their_files() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    filled(&mut store, 6);
    let reader = store.reader();
    let today = NOW_MS + 5 * DAY_MS;
    let gone = keeper(&store, Keep { days: Some(2), bytes: None }, today).sweep(today);
    assert_eq!(gone, ["events-2026-11-20.db", "events-2026-11-21.db", "events-2026-11-22.db"]);
    assert!(!names(&scratch.dir()).iter().any(|name| name.contains("2026-11-22")), "{:?}", names(&scratch.dir()));
    assert_eq!(reader.seq_first(), 301);
    assert!(matches!(reader.get(300).unwrap(), Found::Gone { .. }));
    assert_eq!(all_numbers(&reader, &oldest(70)), (301..=600).collect::<Vec<_>>());
    assert_eq!(all_numbers(&reader, &newest(70)), (301..=600).rev().collect::<Vec<_>>());
    store.write(&batch(&store, 1), today).unwrap();
    store.close().unwrap();
    assert_eq!(scratch.open().seq_last(), 601);
}

#[test]
fn the_newest_day_stays_whatever_its_age_and_size() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    filled(&mut store, 3);
    let later = NOW_MS + 1_000 * DAY_MS;
    keeper(&store, Keep { days: Some(1), bytes: Some(1) }, later).sweep(later);
    assert_eq!(all_numbers(&store.reader(), &oldest(70)), (201..=300).collect::<Vec<_>>());
}

#[test]
fn a_store_that_is_too_large_loses_its_oldest_days() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    filled(&mut store, 8);
    let size =
        |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>();
    let half = size(&scratch.dir()) / 2;
    let gone = keeper(&store, Keep { days: None, bytes: Some(half) }, NOW_MS).sweep(NOW_MS);
    assert!(size(&scratch.dir()) <= half && (3..=5).contains(&gone.len()), "{gone:?}");
    assert_eq!(store.reader().seq_first(), gone.len() as u64 * 100 + 1);
}

#[test]
fn a_clock_that_jumps_removes_nothing_until_it_has_run_evenly() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    filled(&mut store, 3);
    let later = NOW_MS + 1_000 * DAY_MS;
    let keep = Keep { days: Some(30), bytes: None };
    let keeper = store.keeper(keep, NOW_MS).believing_clocks_after(Duration::from_millis(200));
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(keeper.sweep(later), [""; 0], "the clock has jumped just now");
    assert_eq!(keeper.sweep(NOW_MS), [""; 0], "and back");
    // The same clock, evenly for long enough: believed.
    keeper.sweep(later);
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(keeper.sweep(later + 250).len(), 2);
}

#[test]
fn parts_of_a_day_that_a_dying_process_left_are_removed() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    filled(&mut store, 2);
    let left = ["events-2026-11-01.key", "index-2026-11-01.db", "index-2026-11-01.key", "events-2026-11-01.db-wal"];
    let foreign = ["events-2026-11-30.key", "events-notes.txt", "index-2026-11-02.backup"];
    for name in left.iter().chain(&foreign) {
        fs::write(scratch.dir().join(name), "x").unwrap();
    }
    keeper(&store, Keep::default(), NOW_MS).sweep(NOW_MS);
    let names = names(&scratch.dir());
    assert!(left.iter().all(|name| !names.contains(*name)), "{names:?}");
    assert!(foreign.iter().all(|name| names.contains(*name)), "{names:?}");
}

#[test]
fn days_go_while_events_come_in_and_are_read_and_enriched() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    filled(&mut store, 30);
    let reader = store.reader();
    let over = AtomicBool::new(false);
    let keepers: Vec<_> =
        (0..30).map(|day| keeper(&store, Keep { days: Some(29 - day), bytes: None }, NOW_MS)).collect();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut pages = 0;
            while !over.load(Ordering::Relaxed) || pages < 20 {
                for direction in [Direction::Oldest { after: 0 }, Direction::Newest { before: None }] {
                    let page = reader.page(&PageQuery::new(direction, 5_000, far()), &mut |_| true).unwrap();
                    let mut numbers = numbers(&page);
                    assert!(numbers.len() >= 100);
                    if matches!(direction, Direction::Newest { .. }) {
                        numbers.reverse();
                    }
                    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
                }
                pages += 1;
            }
        });
        let sweeping = scope.spawn(|| {
            for keeper in &keepers {
                keeper.sweep(NOW_MS + 29 * DAY_MS);
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut turn = 0;
        while !over.load(Ordering::Relaxed) {
            turn += 37;
            let mut batch = batch(&store, 1);
            batch.rewritten.push((
                1 + turn % 2_999,
                bytes::Bytes::from(format!("{{\"seq\":{},\"enriched\":1}}", 1 + turn % 2_999)),
            ));
            store.write(&batch, NOW_MS + 29 * DAY_MS).unwrap();
        }
        sweeping.join().unwrap();
        reading.join().unwrap();
    });
    assert_eq!(reader.seq_first(), 2_901);
    let left = names(&scratch.dir());
    assert_eq!(left.iter().filter(|name| name.ends_with(".db") && name.starts_with("events")).count(), 1, "{left:?}");
    assert!(!left.contains("damaged"), "a file that is removed is not a damaged one");
}

#[test]
#[ignore = "a measurement: cargo test --release -p store retention::how_long -- --ignored --nocapture"]
fn how_long_a_commit_waits_while_a_large_day_goes() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    for day in 0..3 {
        for _ in 0..150 {
            store.write(&batch(&store, 1_000), NOW_MS + day * DAY_MS).unwrap();
        }
    }
    let commit = |store: &mut Store| {
        let batch = batch(store, 10);
        let started = std::time::Instant::now();
        store.write(&batch, NOW_MS + 2 * DAY_MS).unwrap();
        started.elapsed()
    };
    let mut alone: Vec<_> = (0..300).map(|_| commit(&mut store)).collect();
    let keeper = keeper(&store, Keep { days: Some(0), bytes: None }, NOW_MS);
    let over = AtomicBool::new(false);
    let (mut beside, swept) = std::thread::scope(|scope| {
        let sweeping = scope.spawn(|| {
            let started = std::time::Instant::now();
            assert_eq!(keeper.sweep(NOW_MS + 2 * DAY_MS).len(), 2);
            over.store(true, Ordering::Relaxed);
            started.elapsed()
        });
        let mut beside = Vec::new();
        while !over.load(Ordering::Relaxed) || beside.len() < 20 {
            beside.push(commit(&mut store));
        }
        (beside, sweeping.join().unwrap())
    });
    for (name, times) in [("alone", &mut alone), ("beside", &mut beside)] {
        times.sort();
        let (p50, slowest) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{name}: {} commits, p50 {p50:?}, slowest {slowest:?}", times.len());
    }
    println!("two days of {} events each went within {swept:?}", 150_000);
}
