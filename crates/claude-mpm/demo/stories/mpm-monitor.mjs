// mpm-monitor: a subagent works on a ring buffer, the main thread's context is compacted, a second subagent goes on.
import { agent, bash, edit, grep, read, todo, todoWrite, write } from '../calls.mjs';

const RING = `//! Keeps the newest events in memory, in columns.

pub struct Ring {
    times: Vec<u64>,
    kinds: Vec<u8>,
    sessions: Vec<u32>,
    written: u64,
    mask: u64,
}

impl Ring {
    pub fn with_rows(rows: usize) -> Self {
        assert!(rows.is_power_of_two());
        Self { times: vec![0; rows], kinds: vec![0; rows], sessions: vec![0; rows], written: 0, mask: rows as u64 - 1 }
    }

    pub fn push(&mut self, time: u64, kind: u8, session: u32) {
        let at = (self.written % self.times.len() as u64) as usize;
        self.times[at] = time;
        self.kinds[at] = kind;
        self.sessions[at] = session;
        self.written += 1;
    }

    pub fn oldest(&self) -> u64 {
        self.written.saturating_sub(self.times.len() as u64)
    }
}
`;

const SEARCH = `//! Finds rows whose words all match.

pub fn search(ring: &Ring, words: &[&str], limit: usize) -> Vec<u64> {
    let mut found = Vec::new();
    for row in (ring.oldest()..ring.written()).rev() {
        if words.iter().all(|word| ring.text(row).contains(word)) {
            found.push(row);
        }
        if found.len() == limit {
            break;
        }
    }
    found
}
`;

const ITEMS = [['Struct of arrays for the ring', 'Laying out the ring'], ['Test wrap-around at the mask', 'Testing wrap-around'], ['Index rows by session', 'Indexing by session'], ['Cut strings at 16 KiB', 'Cutting strings'], ['Name the bounds', 'Naming the bounds'], ['Drop the second copy of a row', 'Dropping copies'], ['Search from the newest row', 'Searching from the newest'], ['Wrap the ring at 2^20 rows', 'Wrapping the ring'], ['Clippy clean on all targets', 'Cleaning up'], ['Bench: 1 M events, search', 'Benchmarking search'], ['Bench: memory after an hour', 'Measuring memory'], ['Write decision page 0014', 'Writing the decision']];
const list = (done) => ITEMS.map(([content, activeForm], index) => todo(index < done ? 'completed' : index < done + 1 ? 'in_progress' : 'pending', content, activeForm));

export function mpmMonitor(recording) {
  const s = recording.session({ id: '91d2c7fe', project: 'mpm-monitor', at_ms: 1_500, pace_ms: 1_350, mode: 'acceptEdits', effort: 'high' });
  s.file('src/store/ring.rs', RING);
  s.file('src/store/search.rs', SEARCH);
  s.file('tests/ring.rs', '#[test]\nfn wraps_at_the_mask() {\n    let mut ring = Ring::with_rows(8);\n    (0..20).for_each(|n| ring.push(n, 0, 0));\n    assert_eq!(ring.oldest(), 12);\n}\n');
  const pm = s.main;
  s.start('startup', ['CLAUDE.md', 'crates/CLAUDE.md', '/home/dev/.claude/CLAUDE.md']);
  pm.prompt('The ring must hold 2^20 rows without a modulo on the hot path. Then make search read less.');
  pm.does(todoWrite(s, ...list(5)));
  pm.does(read(s, 'src/store/ring.rs'), read(s, 'src/store/search.rs'), read(s, 'tests/ring.rs'));
  pm.does(agent('rust-engineer', 'Wrap the ring at 2^20 rows', 'Replace the modulo of src/store/ring.rs by the mask, for 2^20 rows. Keep the columns. Show the test and the bench.', (engineer) => wrap(s, engineer)));
  pm.does(todoWrite(s, ...list(8)));
  s.compact('1. The ring of src/store/ring.rs uses its mask; 2^20 rows; 14 ns a push.\n2. tests/ring.rs covers the wrap at the mask.\n3. Next: clippy on all targets, then search that reads columns first, then the two benches.', 2_600);
  pm.does(read(s, 'src/store/search.rs'));
  pm.does(agent('rust-engineer', 'Search that reads less', 'Make src/store/search.rs look at the kind column before it touches text. Clippy must be clean on all targets. Bench with 1 M events.', (engineer) => searchLess(s, engineer)));
}

function wrap(s, engineer) {
  engineer.does(read(s, 'src/store/ring.rs'), grep(s, '% self', 'src/store', ['src/store/ring.rs:18:        let at = (self.written % self.times.len() as u64) as usize;']));
  engineer.does(bash('cargo bench --bench ring -- --quick', 'Measure before the change', { took: 5_300, out: 'push                    time:   [21.9 ns 22.1 ns 22.4 ns]\noldest                  time:   [1.1 ns 1.1 ns 1.2 ns]' }));
  engineer.does(edit(s, 'src/store/ring.rs', 'let at = (self.written % self.times.len() as u64) as usize;', 'let at = (self.written & self.mask) as usize;'));
  engineer.does(bash('cargo test --test ring', 'Test the wrap', { took: 3_900, out: 'running 6 tests\n......\ntest result: ok. 6 passed; 0 failed; finished in 0.01s' }));
  engineer.does(edit(s, 'src/store/ring.rs', '    pub fn with_rows(rows: usize) -> Self {', '    /// Rows that the live view keeps: an hour of a busy day, in 24 MiB.\n    pub const ROWS: usize = 1 << 20;\n\n    pub fn with_rows(rows: usize) -> Self {'));
  engineer.does(edit(s, 'tests/ring.rs', '    assert_eq!(ring.oldest(), 12);\n}\n', '    assert_eq!(ring.oldest(), 12);\n}\n\n#[test]\nfn keeps_the_newest_of_two_million() {\n    let mut ring = Ring::with_rows(Ring::ROWS);\n    (0..2_000_000).for_each(|n| ring.push(n, 0, 0));\n    assert_eq!(ring.oldest(), 2_000_000 - Ring::ROWS as u64);\n}\n'));
  engineer.does(bash('cargo test --test ring', 'Test with two million rows', { took: 4_400, out: 'running 7 tests\n.......\ntest result: ok. 7 passed; 0 failed; finished in 0.06s' }));
  engineer.does(bash('cargo bench --bench ring -- --quick', 'Measure after the change', { took: 5_600, out: 'push                    time:   [13.8 ns 14.0 ns 14.3 ns]\n                        change: [-37.2% -36.6% -36.0%]\noldest                  time:   [0.9 ns 0.9 ns 0.9 ns]' }));
  engineer.does(bash('git commit -qam "Wrap the ring by its mask" && git log -1 --oneline', 'Commit', { took: 160, out: '6be01d4 Wrap the ring by its mask' }));
  return 'The ring wraps by its mask. A push takes 14.0 ns instead of 22.1 ns. Seven tests pass, one of them with two million rows.';
}

function searchLess(s, engineer) {
  engineer.does(read(s, 'src/store/search.rs'), read(s, 'src/store/ring.rs'));
  engineer.does(bash('cargo clippy --all-targets -- -D warnings', 'Lint everything', { took: 6_200, fails: 101, out: 'error: this loop could be written as an iterator\n  --> src/store/search.rs:5:5\n   |\n 5 |     for row in (ring.oldest()..ring.written()).rev() {\n   |     ^^^ help: try `filter(..).take(limit).collect()`\n\nerror: could not compile `store` due to 1 previous error' }));
  engineer.does(write(s, 'src/store/search.rs', `//! Finds rows whose words all match, newest first.

/// Looks at the kind column first: text is touched only for rows that can match.
pub fn search(ring: &Ring, kinds: KindSet, words: &[&str], limit: usize) -> Vec<u64> {
    (ring.oldest()..ring.written())
        .rev()
        .filter(|row| kinds.has(ring.kind(*row)))
        .filter(|row| words.iter().all(|word| ring.text(*row).contains(word)))
        .take(limit)
        .collect()
}
`));
  engineer.does(bash('cargo clippy --all-targets -- -D warnings', 'Lint again', { took: 5_900, out: '    Finished `dev` profile in 5.71s' }));
  engineer.does(grep(s, 'search\\(', 'src', ['src/store/search.rs:4:pub fn search(ring: &Ring, kinds: KindSet, words: &[&str], limit: usize) -> Vec<u64> {', 'src/rest/events.rs:61:    let rows = search(&ring, query.kinds, &query.words, query.limit);']));
  engineer.does(bash('cargo bench --bench search -- --quick', 'Bench 1 M events', { took: 7_800, out: 'one word, all kinds     time:   [38.0 ms 38.4 ms 38.9 ms]\none word, one kind      time:   [2.6 ms 2.6 ms 2.7 ms]' }));
  for (const [name, out] of [['ring', '7 passed'], ['search', '12 passed'], ['spool', '31 passed'], ['segment', '18 passed']]) {
    engineer.does(bash(`cargo nextest run -p store ${name}`, `Run the ${name} tests`, { took: 2_900, out: `     Summary [   0.4s] ${out}, 0 skipped` }));
  }
  engineer.does(write(s, 'docs/decisions/0014.md', '# 0014: Search reads columns first\n\nText is the largest column and the slowest to touch. A query that names kinds now skips the rows of other kinds before it reads any text: 2.6 ms instead of 38 ms for one kind among a million rows.\n'));
  for (const minutes of [1, 5, 15, 30]) {
    engineer.does(bash(`./target/release/soak --rate 400 --simulated-minutes ${minutes}`, `Memory after ${minutes} simulated minutes`, { took: 2_400, out: `${24_000 * minutes} events, resident ${38 + Math.min(minutes, 12)} MiB, 0 dropped` }), grep(s, 'with_capacity', 'src/store', ['src/store/segment.rs:29:        let mut block = Vec::with_capacity(BLOCK_BYTES);']));
  }
  return 'Search looks at kinds first: 2.6 ms instead of 38 ms for one kind. Clippy is clean.';
}
