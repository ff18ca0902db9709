//! A page holds exactly the events that were asked for, in order, and says where to go on.

use std::time::{Duration, Instant};

use store::{Direction, PageQuery, Record, Store};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, all_numbers, batch, far, newest, number, numbers, oldest, page, record};

const EVENTS: u64 = 2_345;

/// Three days of events, in batches of uneven size.
fn filled(scratch: &Scratch) -> Store {
    let mut store = scratch.open();
    for part in 0.. {
        let left = EVENTS - store.seq_last();
        if left == 0 {
            break;
        }
        let day = (store.seq_last() / 900) as i64;
        store.write(&batch(&store, (part * 37 % 211 + 1).min(left)), NOW_MS + day * DAY_MS).unwrap();
    }
    store
}

#[test]
fn pages_follow_each_other_without_hole_or_overlap_in_both_directions() {
    let scratch = Scratch::new();
    let store = filled(&scratch);
    let reader = store.reader();
    let ascending: Vec<_> = (1..=EVENTS).collect();
    let descending: Vec<_> = ascending.iter().rev().copied().collect();
    for limit in [1, 7, 100, 5_000] {
        assert_eq!(all_numbers(&reader, &newest(limit)), descending);
        assert_eq!(all_numbers(&reader, &oldest(limit)), ascending);
    }
    assert_eq!(page(&reader, &newest(5_000)).next, None);
    assert_eq!(page(&reader, &newest(100)).next, Some(EVENTS - 99));
}

#[test]
fn a_page_is_full_by_its_bytes_too_and_says_where_to_go_on() {
    let scratch = Scratch::new();
    let store = filled(&scratch);
    let reader = store.reader();
    let query = |bytes_max| PageQuery { bytes_max, ..oldest(5_000) };

    let some = page(&reader, &query(4_096));
    let bytes: usize = some.events.iter().map(|event| event.len()).sum();
    let last = some.events.last().unwrap().len();
    assert!(bytes >= 4_096 && bytes - last < 4_096, "{bytes} bytes, the last event {last}");
    assert_eq!(some.next, Some(some.events.len() as u64));
    // Not even one event fits, and it goes on all the same.
    assert_eq!(numbers(&page(&reader, &query(1))), [1]);
    assert_eq!(all_numbers(&reader, &query(10_000)), (1..=EVENTS).collect::<Vec<_>>());
}

#[test]
fn every_filter_gives_what_looking_at_each_event_gives() {
    let scratch = Scratch::new();
    let store = filled(&scratch);
    let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let any = || newest(50);
    let asked: Vec<PageQuery> = vec![
        any(),
        PageQuery { kinds: some(&["turn.finished"]), ..any() },
        PageQuery { kinds: some(&["turn.finished", "tool_call.finished"]), ..any() },
        PageQuery { kinds: some(&["never.seen"]), ..any() },
        PageQuery { kinds: some(&["never.seen", "turn.finished"]), ..any() },
        PageQuery { namespaces: some(&["/system"]), tools: some(&["Bash"]), ..any() },
        PageQuery { sessions: some(&["session-2"]), ..any() },
        PageQuery { sessions: some(&["session-0", "session-4"]), agents: some(&["a1"]), ..any() },
        PageQuery { errors_only: true, ..any() },
        PageQuery { errors_only: true, tools: some(&["Read"]), ..any() },
        PageQuery { time_from_ms: Some(NOW_MS + 400), time_to_ms: Some(NOW_MS + 1_200), ..any() },
        PageQuery { time_from_ms: Some(NOW_MS + 1_000), agents: some(&["a1"]), ..any() },
        PageQuery { time_to_ms: Some(NOW_MS - 1), ..any() },
    ];
    for query in asked {
        let expected: Vec<_> = (1..=EVENTS).filter(|seq| fits(&query, &record(*seq))).collect();
        let forth = PageQuery { direction: Direction::Oldest { after: 0 }, ..query.clone() };
        assert_eq!(all_numbers(&store.reader(), &forth), expected, "{forth:?}");
        let expected: Vec<_> = expected.into_iter().rev().collect();
        assert_eq!(all_numbers(&store.reader(), &query), expected, "{query:?}");
    }
}

fn fits(query: &PageQuery, record: &Record) -> bool {
    let one_of =
        |asked: &[String], name: Option<&str>| asked.is_empty() || asked.iter().any(|of| Some(of.as_str()) == name);
    one_of(&query.kinds, Some(&record.kind))
        && one_of(&query.namespaces, Some(&record.namespace))
        && one_of(&query.sessions, record.session.as_deref())
        && one_of(&query.agents, record.agent.as_deref())
        && one_of(&query.tools, record.tool.as_deref())
        && (!query.errors_only || record.is_error)
        && query.time_from_ms.is_none_or(|from| record.time_ms >= from)
        && query.time_to_ms.is_none_or(|to| record.time_ms <= to)
}

#[test]
fn a_search_by_words_sees_the_json_of_every_candidate() {
    let scratch = Scratch::new();
    let store = filled(&scratch);
    let mut shown = 0;
    let mut odd = |json: &[u8]| {
        shown += 1;
        number(json) % 2 == 1
    };
    let found = store.reader().page(&newest(10), &mut odd).unwrap();
    assert_eq!(numbers(&found), (0..10).map(|at| EVENTS - 2 * at).collect::<Vec<_>>());
    assert_eq!(shown, 19);
}

#[test]
fn a_search_that_runs_out_of_time_gives_what_it_has_and_gets_further_each_time() {
    let scratch = Scratch::new();
    let store = filled(&scratch);
    for direction in [Direction::Newest { before: None }, Direction::Oldest { after: 0 }] {
        let mut query = PageQuery::new(direction, 5, Instant::now() - Duration::from_secs(1));
        let (mut found, mut pages) = (Vec::new(), 0);
        loop {
            let page = store.reader().page(&query, &mut |json| number(json).is_multiple_of(1_000)).unwrap();
            found.extend(numbers(&page));
            pages += 1;
            let Some(next) = page.next else { break };
            assert!(page.partial);
            query.direction = match direction {
                Direction::Newest { .. } => Direction::Newest { before: Some(next) },
                Direction::Oldest { .. } => Direction::Oldest { after: next },
            };
        }
        found.sort_unstable();
        assert_eq!(found, [1_000, 2_000]);
        assert!(pages > 10);
    }
}

#[test]
fn the_facts_of_a_session_are_known_newest_first_across_days() {
    let scratch = Scratch::new();
    let store = filled(&scratch);
    let known = store.reader().identities("session-1", 450).unwrap();
    let expected: Vec<_> = (550..1_000).rev().collect();
    assert_eq!(known.iter().map(|known| known.seq).collect::<Vec<_>>(), expected);
    assert!(known.iter().all(|known| known.identity == known.seq * 1_000 && known.source == "hook"));
    assert_eq!(store.reader().identities("nobody", 10).unwrap(), []);
}

#[test]
fn nothing_is_found_beyond_either_end() {
    let scratch = Scratch::new();
    let store = filled(&scratch);
    for direction in [
        Direction::Newest { before: Some(1) },
        Direction::Newest { before: Some(0) },
        Direction::Oldest { after: EVENTS },
        Direction::Oldest { after: u64::MAX },
    ] {
        let page = page(&store.reader(), &PageQuery::new(direction, 10, far()));
        assert_eq!((page.events.len(), page.next, page.partial), (0, None, false));
    }
    let empty = Scratch::new();
    assert_eq!(page(&empty.open().reader(), &newest(10)).events.len(), 0);
}
