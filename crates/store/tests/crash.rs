//! kill -9 at any moment: what was acknowledged is there, and no number stands for two events.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use store::{Batch, Found};

use crate::scratch::{DAY_MS, NOW_MS, Scratch, all_numbers, batch, oldest};
use crate::search::{found, open_indexed};

const FOLDER: &str = "STORE_TEST_FOLDER";
const RUN: &str = "STORE_TEST_RUN";

#[test]
fn what_was_acknowledged_survives_kill_9_and_numbers_are_never_used_twice() {
    let scratch = Scratch::new();
    let mut acknowledged: Vec<(u64, u64)> = Vec::new();
    for run in 0..50 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, scratch.dir())
            .env(RUN, run.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let kill_after = acknowledged.len() + 20 + (run as usize * 7) % 30;
        let mut told = |line: String| {
            if let Some(seq) = line.strip_prefix("acknowledged ") {
                acknowledged.push((run, seq.parse().unwrap()));
            }
            acknowledged.len()
        };
        for line in lines.by_ref() {
            if told(line.unwrap()) >= kill_after {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died counts as well.
        lines.map_while(Result::ok).for_each(|line| {
            told(line);
        });
        check(&scratch.dir(), &acknowledged);
    }
}

fn check(dir: &Path, acknowledged: &[(u64, u64)]) {
    let store = open_indexed(dir);
    let reader = store.reader();
    let last = acknowledged.iter().map(|(_, seq)| *seq).max().unwrap_or(0);
    assert!(store.seq_last() >= last, "{} is missing", last);
    for (run, seq) in acknowledged {
        let Found::Event(json) = reader.get(*seq).unwrap() else { panic!("event {seq} is missing") };
        assert!(json.ends_with(format!("\"run\":{run}}}").as_bytes()), "{seq} is another event: {json:?}");
    }
    let expected: Vec<_> = (1..=store.seq_last()).collect();
    assert_eq!(all_numbers(&reader, &oldest(1_000)), expected, "a hole, or half a batch");
    // What was being indexed when it died is found all the same, each event once.
    for (run, _) in acknowledged.iter().rev().step_by(40).take(1) {
        let text = format!("\"run\":{run}}}");
        let of_run =
            |seq: &u64| matches!(reader.get(*seq).unwrap(), Found::Event(json) if json.ends_with(text.as_bytes()));
        let expected: Vec<_> = (1..=store.seq_last()).rev().filter(of_run).collect();
        assert_eq!(found(&reader, &format!("run{run}x"), &text).0, expected, "events of run {run}");
    }
    assert_eq!(store.position("spool"), Some(store.seq_last().to_le_bytes().to_vec()), "events without their position");
}

/// Not a test of its own: the process that the test above kills.
#[test]
#[ignore = "run by the test above"]
fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let run = std::env::var(RUN).unwrap();
    let mut store = open_indexed(Path::new(&dir));
    for turn in 0..100_000_i64 {
        let mut batch = batch(&store, 1 + turn as u64 % 40);
        for record in &mut batch.records {
            record.json = Bytes::from(format!("{{\"seq\":{},\"token\":\"run{run}x\",\"run\":{run}}}", record.seq));
        }
        let last = store.seq_last() + batch.records.len() as u64;
        let batch = Batch { positions: vec![("spool".into(), Some(last.to_le_bytes().to_vec()))], ..batch };
        // A new day now and then, so that it also dies while a file is being made.
        let day = run.parse::<i64>().unwrap() * 4 + turn / 15;
        store.write(&batch, NOW_MS + day * DAY_MS).unwrap();
        println!("\nacknowledged {last}");
        std::io::stdout().flush().unwrap();
    }
}
