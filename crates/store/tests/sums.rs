//! Sums over time: kept with the checkpoint, by hours after a while, and for ever.

use store::sums::{Asked, Binned, Sum, Sums};
use store::{Options, Store};

use crate::scratch::{NOW_MS, Scratch, batch};

const HOUR: i64 = 60;
const GROUP: u8 = 3;

/// 2026-11-20T14:00, in minutes since 1970.
const TWO: i64 = (NOW_MS - NOW_MS % 3_600_000) / 60_000;

fn count(store: &Store, name: &str, part: i64, minute: i64, took_ms: u64) {
    let sums = store.sums();
    let mut pending = sums.pending();
    let sum = pending.of(GROUP, name, part, minute * 60_000 + 7);
    sum.events += 1;
    sum.cost_micros = Some(sum.cost_micros.unwrap_or(0) + 5);
    sum.took(took_ms, 1);
}

fn ask(sums: &Sums, from: i64, to: i64, step: i64) -> Binned {
    sums.ask(&Asked { group: GROUP, from, to, step }).unwrap()
}

fn save(store: &mut Store) {
    let seq = store.seq_last();
    store.save_checkpoint(seq, b"state").unwrap();
}

fn total(binned: &Binned, name: &str) -> Sum {
    let mut total = Sum::default();
    binned.names.get(name).into_iter().flat_map(|bins| bins.values()).for_each(|sum| total.add(sum));
    total
}

#[test]
fn what_is_counted_is_seen_at_once_and_after_it_was_written_in_the_same_bins() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 3), NOW_MS).unwrap();
    assert!(!store.begin_sums(false).unwrap(), "nothing was counted before");
    store.sums().completed();
    for minute in [0, 1, 1, 7] {
        count(&store, "Bash", store.day(), TWO + minute, 100);
    }
    count(&store, "Read", store.day(), TWO + 61, 3);
    let bins = |binned: &Binned| -> Vec<(String, u32, i64)> {
        let all = binned.names.iter().flat_map(|(name, bins)| bins.iter().map(move |(bin, sum)| (name, bin, sum)));
        all.map(|(name, bin, sum)| (name.clone(), *bin, sum.events)).collect()
    };
    let wanted = vec![("Bash".to_owned(), 0, 3), ("Bash".to_owned(), 1, 1), ("Read".to_owned(), 12, 1)];
    let sums = store.sums();
    assert_eq!(bins(&ask(&sums, TWO, TWO + 120, 5)), wanted);
    save(&mut store);
    assert_eq!(bins(&ask(&sums, TWO, TWO + 120, 5)), wanted);
    count(&store, "Bash", store.day(), TWO, 100);
    save(&mut store);
    assert_eq!(total(&ask(&sums, TWO, TWO + 1, 1), "Bash").events, 2);
    assert_eq!(bins(&ask(&sums, TWO + 1, TWO + 7, 60)), [("Bash".to_owned(), 0, 2)], "the end is not in it");
    store.close().unwrap();

    let mut store = scratch.open();
    assert!(store.begin_sums(false).unwrap(), "all of it was counted");
    let read = total(&ask(&store.sums(), TWO, TWO + 120, 5), "Bash");
    assert_eq!((read.events, read.cost_micros, read.took_ms, read.durations.count()), (5, Some(25), 500, 5));
    assert!((read.durations.quantile(0.5).unwrap() - 100.0).abs() < 10.0);
}

#[test]
fn minutes_become_hours_after_eight_days_and_nothing_is_lost() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.begin_sums(false).unwrap();
    let first = TWO - 9 * 24 * HOUR;
    for minute in (first..TWO).step_by(11) {
        count(&store, "Bash", minute / 1_440, minute, (minute % 5_000) as u64);
    }
    save(&mut store);
    let sums = store.sums();
    let before = total(&ask(&sums, first, TWO, 24 * HOUR), "Bash");
    assert_eq!(ask(&sums, first, TWO, 1).minutes_from, 0);
    for _ in 0..40 {
        store.fold_sums(NOW_MS).unwrap();
    }
    let after = ask(&sums, first, TWO, HOUR);
    assert_eq!(after.minutes_from, TWO - 8 * 24 * HOUR);
    assert_eq!(total(&after, "Bash"), before);
    let old = ask(&sums, first, after.minutes_from, 1);
    assert_eq!(old.names["Bash"].len(), 24, "one an hour");
    // What comes late counts into its hour.
    count(&store, "Bash", 1, first + 3, 9);
    save(&mut store);
    let late = ask(&sums, first, after.minutes_from, 1);
    assert_eq!((late.names["Bash"].len(), total(&late, "Bash").events), (24, total(&old, "Bash").events + 1));
}

#[test]
fn when_all_is_counted_again_the_sums_of_days_that_are_gone_stay() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.begin_sums(false).unwrap();
    store.write(&batch(&store, 3), NOW_MS).unwrap();
    count(&store, "gone", store.day() - 400 * 1_000, TWO - 400 * 24 * HOUR, 1);
    count(&store, "gone", store.day(), TWO, 1);
    store.sums().completed();
    save(&mut store);
    store.close().unwrap();
    let mut store = scratch.open();
    assert!(!store.begin_sums(true).unwrap());
    assert!(!store.sums().is_complete());
    let left = ask(&store.sums(), TWO - 500 * 24 * HOUR, TWO + HOUR, 24 * HOUR);
    assert_eq!(total(&left, "gone").events, 1, "that of the day that is there is counted again by whoever asked");
    // Cut short before all of it was counted, counting begins again with the next start.
    count(&store, "gone", store.day(), TWO, 1);
    save(&mut store);
    store.close().unwrap();
    let mut store = scratch.open();
    assert!(!store.begin_sums(false).unwrap());
    let left = ask(&store.sums(), TWO - 500 * 24 * HOUR, TWO + HOUR, 24 * HOUR);
    assert_eq!(total(&left, "gone").events, 1);
}

#[test]
fn what_is_counted_again_because_counting_could_not_begin_is_not_counted_twice() {
    let scratch = Scratch::new();
    let plain = Options { encrypted: false, ..Options::default() };
    let open = || Store::open(&scratch.dir(), None, plain.clone(), NOW_MS).unwrap();
    let mut store = open();
    store.begin_sums(false).unwrap();
    store.write(&batch(&store, 3), NOW_MS).unwrap();
    count(&store, "gone", store.day() - 400 * 1_000, TWO, 1);
    (0..3).for_each(|_| count(&store, "here", store.day(), TWO, 1));
    store.sums().completed();
    save(&mut store);
    store.close().unwrap();
    let other = rusqlite::Connection::open(scratch.dir().join("catalog.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM sum_state").unwrap();
    let mut store = open();
    store.begin_sums(true).unwrap_err();
    other.execute_batch("ROLLBACK").unwrap();
    // Whoever could not begin counts everything again.
    (0..3).for_each(|_| count(&store, "here", store.day(), TWO, 1));
    store.sums().completed();
    save(&mut store);
    let events = |name| total(&ask(&store.sums(), TWO, TWO + HOUR, HOUR), name).events;
    assert_eq!((events("here"), events("gone")), (3, 1));
    assert!(store.sums().is_complete());
}

#[test]
fn a_long_project_of_a_deleted_session_goes_and_one_that_begins_alike_stays() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 3), NOW_MS).unwrap();
    store.begin_sums(false).unwrap();
    let project = |end: &str| format!("{}{end}", "p".repeat(110));
    for (session, project) in [("gone", project("one")), ("stays", project("two"))] {
        let sums = store.sums();
        let mut pending = sums.pending();
        let session = format!("{session}-{}", "s".repeat(30));
        let pair = format!("{session}{}{project}", store::sums::BETWEEN);
        for (group, name) in
            [(store::sums::SESSIONS, &session), (store::sums::PROJECTS, &project), (store::sums::PAIRS, &pair)]
        {
            pending.of(group, name, store.day(), NOW_MS).events += 1;
        }
    }
    save(&mut store);
    store.eraser().erase(&format!("gone-{}", "s".repeat(30)), 1, &|| false).unwrap();
    let asked = Asked { group: store::sums::PROJECTS, from: TWO, to: TWO + HOUR, step: HOUR };
    let left: Vec<_> = store.sums().ask(&asked).unwrap().names.into_keys().collect();
    assert_eq!(left, [project("two")]);
}

#[test]
fn a_year_of_sums_is_small_and_answers_in_milliseconds() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    store.write(&batch(&store, 1), NOW_MS).unwrap();
    store.begin_sums(false).unwrap();
    // Ten hours a day, forty names an hour, as in an ordinary year.
    let first = TWO - 365 * 24 * HOUR;
    for day in 0..365 {
        for hour in 0..10 {
            let minute = first + (day * 24 + hour) * HOUR;
            for name in 0..40_i64 {
                let group = (name % 7) as u8;
                let sums = store.sums();
                let mut pending = sums.pending();
                let name = format!("name-{}", if group == 6 { day * 100 + name } else { name });
                let sum = pending.of(group, &name, day, minute * 60_000);
                sum.events += 100;
                (0..20).for_each(|ms| sum.took(1 << (ms % 12), 1));
            }
        }
        save(&mut store);
    }
    store.fold_sums(NOW_MS).unwrap();
    let started = std::time::Instant::now();
    let found = ask(&store.sums(), first, TWO, 24 * HOUR);
    let took = started.elapsed();
    assert_eq!(total(&found, "name-3").events, 365_000);
    store.close().unwrap();
    let bytes = std::fs::metadata(scratch.dir().join("catalog.db")).unwrap().len();
    // Measured: 10 MB, 40 ms. Far from what would be wrong, for machines are shared.
    assert!(bytes < 40 << 20, "{bytes}");
    assert!(took.as_millis() < 2_000, "{took:?}");
    println!("a year of sums: {bytes} bytes, {took:?}");
}
