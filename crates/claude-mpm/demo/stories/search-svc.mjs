// search-svc: tests the merging of index segments; a permission is asked and answered in the middle.
import { agent, bash, edit, grep, read, todo, todoWrite, write } from '../calls.mjs';

const MERGE = `//! Merges small segments into larger ones.

pub fn pick(segments: &[Segment], policy: &Policy) -> Vec<SegmentId> {
    let mut by_size: Vec<_> = segments.iter().filter(|segment| segment.bytes < policy.bytes_max).collect();
    by_size.sort_by_key(|segment| segment.bytes);
    by_size.into_iter().take(policy.segments_at_once).map(|segment| segment.id).collect()
}
`;

const ITEMS = [['Read the old merge policy', 'Reading the old policy'], ['Name the two policies', 'Naming the policies'], ['Keep deletes while merging', 'Keeping deletes'], ['Merge segments by size', 'Merging by size'], ['Write tests for index merge', 'Writing merge tests'], ['Run the merge tests', 'Running the merge tests']];
const list = (done) => ITEMS.map(([content, activeForm], index) => todo(index < done ? 'completed' : index === done ? 'in_progress' : 'pending', content, activeForm));

export function searchSvc(recording) {
  const s = recording.session({ id: 'e4410b9c', project: 'search-svc', at_ms: 2_000, pace_ms: 1_500 });
  s.file('src/merge.rs', MERGE);
  s.file('src/policy.rs', 'pub struct Policy {\n    pub bytes_max: u64,\n    pub segments_at_once: usize,\n}\n');
  s.file('tests/index_merge.rs', '#[test]\nfn picks_the_smallest() {\n    let segments = segments(&[40, 10, 30, 20]);\n    assert_eq!(pick(&segments, &policy(2)), ids(&[10, 20]));\n}\n');
  const pm = s.main;
  s.start('resume');
  pm.prompt('Merging works by size now. Have it tested properly, deletes too, and run everything.');
  pm.does(todoWrite(s, ...list(4)), read(s, 'src/merge.rs'));
  pm.does(agent('qa', 'Test the merging of segments', 'Write tests for src/merge.rs in tests/index_merge.rs: order, limits, deletes, an empty index. Run them. Return what you found.', (qa) => testMerging(s, qa)));
  pm.does(todoWrite(s, ...list(5)));
  pm.does(agent('qa', 'Run everything', 'Run the whole suite three times and the soak test. Return the slowest tests.', (qa) => runEverything(s, qa)));
}

function testMerging(s, qa) {
  qa.does(read(s, 'tests/index_merge.rs'), read(s, 'src/merge.rs'), read(s, 'src/policy.rs'));
  qa.does(edit(s, 'tests/index_merge.rs', '    assert_eq!(pick(&segments, &policy(2)), ids(&[10, 20]));\n}\n', `    assert_eq!(pick(&segments, &policy(2)), ids(&[10, 20]));
}

#[test]
fn leaves_large_segments_alone() {
    let segments = segments(&[40, 5_000]);
    assert_eq!(pick(&segments, &policy(2)), ids(&[40]));
}

#[test]
fn has_nothing_to_do_in_an_empty_index() {
    assert!(pick(&[], &policy(2)).is_empty());
}
`));
  qa.does(bash('cargo nextest run index_merge', 'Run the merge tests', { took: 4_700, out: '    Starting 3 tests across 1 binary\n        PASS [   0.004s] search::index_merge picks_the_smallest\n        PASS [   0.003s] search::index_merge leaves_large_segments_alone\n        PASS [   0.003s] search::index_merge has_nothing_to_do_in_an_empty_index\n     Summary [   0.011s] 3 tests run: 3 passed, 0 skipped' }));
  qa.does(write(s, 'tests/merge_deletes.rs', `//! A deleted document stays deleted when its segment is merged.

#[test]
fn a_delete_survives_a_merge() {
    let mut index = Index::with(&["a", "b", "c"]);
    index.delete("b");
    index.merge_all();
    assert_eq!(index.search("b"), []);
}
`));
  qa.does(bash('cargo nextest run merge_deletes', 'Run the delete test', { took: 4_300, fails: 100, out: '        FAIL [   0.008s] search::merge_deletes a_delete_survives_a_merge\n\nassertion `left == right` failed\n  left: [Hit { id: "b", score: 1.0 }]\n right: []\n\n     Summary [   0.009s] 1 test run: 0 passed, 1 failed, 0 skipped' }));
  qa.does(grep(s, 'deletes', 'src', ['src/segment.rs:52:    pub deletes: BitSet,', 'src/merge.rs:9:    // deletes are applied by the reader', 'src/reader.rs:77:        .filter(|doc| !self.deletes.has(doc.id))']));
  s.file('src/writer.rs', 'pub fn merge(parts: &[Segment]) -> Segment {\n    let mut out = Segment::empty();\n    for part in parts {\n        out.append(part.documents());\n    }\n    out\n}\n');
  qa.does(read(s, 'src/writer.rs'));
  qa.does(edit(s, 'src/writer.rs', '        out.append(part.documents());', '        out.append(part.documents().filter(|document| !part.deletes.has(document.id)));'));
  qa.does(bash('cargo nextest run merge', 'Run both test files', { took: 5_100, out: '     Summary [   0.021s] 4 tests run: 4 passed, 0 skipped' }));
  qa.until(30_000);
  qa.does(bash('sudo systemctl restart search-dev', 'Restart the development index with the new writer', { took: 1_840, asks: { answered_after: 9_200, suggestions: [{ type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'sudo systemctl restart search-dev' }], behavior: 'allow', destination: 'localSettings' }] } }));
  qa.does(bash('curl -s localhost:7700/health', 'Is it up?', { took: 36, out: '{"status":"available","segments":14}' }));
  qa.does(bash('git add -A && git commit -qm "Leave deleted documents out of merged segments" && git log -1 --oneline', 'Commit', { took: 190, out: 'd02f6b1 Leave deleted documents out of merged segments' }));
  return 'Merging lost deletes: the writer copied deleted documents. Fixed in src/writer.rs, with a test that failed before.';
}

function runEverything(s, qa) {
  for (const [run, seconds] of [[1, 6.1], [2, 5.8], [3, 6.4]]) {
    qa.does(bash('cargo nextest run', `Whole suite, run ${run}`, { took: seconds * 1_000, out: `     Summary [   ${seconds}s] 218 tests run: 218 passed (1 slow), 2 skipped` }));
    qa.does(read(s, 'src/writer.rs'), grep(s, 'slow = true', 'tests', ['tests/soak.rs:12:// slow = true']));
  }
  for (const minutes of [1, 2, 3]) {
    qa.does(bash(`cargo run --release --bin soak -- --minutes ${minutes} --rate 400`, `Soak at 400 documents a second, part ${minutes}`, { took: 5_900, out: `${24_000 * minutes} documents, ${6 * minutes} merges, 0 lost, resident 212 MiB` }));
  }
  qa.does(bash('cargo nextest run --profile slow', 'The slow tests', { took: 12_000, out: '     Summary [  11.8s] 9 tests run: 9 passed, 211 skipped' }));
  return 'All green, three times.';
}
