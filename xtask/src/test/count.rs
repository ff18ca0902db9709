//! Counts test cases in what test programs print.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Add;

/// Test cases that were run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl Counts {
    /// Adds up every summary in the output of `cargo test`, Vitest and `node --test`.
    pub(super) fn read(output: &str) -> Counts {
        output.lines().map(|line| Counts::of_line(plain(line).trim())).fold(Counts::default(), Counts::add)
    }

    fn of_line(line: &str) -> Counts {
        // `test result: ok. 12 passed; 0 failed; 0 ignored; …`, and `Tests  1 failed | 56 passed (57)`
        if line.starts_with("test result:") || line.starts_with("Tests  ") {
            return Counts { passed: before(line, "passed"), failed: before(line, "failed") };
        }
        // `# pass 7` from one reporter of Node, `ℹ pass 7` from the other
        let Some(summary) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) else {
            return Counts::default();
        };
        match summary.split_once(' ').map(|(name, count)| (name, count.parse().unwrap_or(0))) {
            Some(("pass", count)) => Counts { passed: count, failed: 0 },
            Some(("fail" | "cancelled", count)) => Counts { passed: 0, failed: count },
            _ => Counts::default(),
        }
    }
}

/// What tests say they left out: each line that begins with `skipped`, once.
pub(super) fn skipped(output: &str) -> BTreeSet<&str> {
    output.lines().map(str::trim).filter(|line| line.starts_with("skipped:")).collect()
}

/// The number that stands before a word.
fn before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> =
        line.split(|letter: char| !letter.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let at = words.iter().position(|part| *part == word);
    at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
}

/// A line without the colours of a terminal.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().find(|letter| letter.is_ascii_alphabetic());
        } else {
            plain.push(letter);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, passed: u64, failed: u64) {
        assert_eq!(Counts::read(output), Counts { passed, failed }, "{output}");
    }

    #[test]
    fn the_summaries_of_three_test_programs_are_added_up() {
        check("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s", 12, 0);
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", 3, 2);
        check("\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m57 passed\u{1b}[39m\u{1b}[22m (57)", 57, 0);
        check("      Tests  1 failed | 56 passed (57)", 56, 1);
        check("# tests 9\n# suites 0\n# pass 7\n# fail 1\n# cancelled 1\n# skipped 0", 7, 2);
        check("ℹ tests 4\nℹ pass 4\nℹ fail 0", 4, 0);
        check(" Test Files  11 passed (11)\n      Tests  40 passed (40)", 40, 0);
        check("test result: ok. 1 passed; 0 failed;\ntest result: ok. 2 passed; 1 failed;", 3, 1);
    }

    #[test]
    fn what_was_left_out_is_told_once() {
        let output = "---- a stdout ----\nskipped: no browser\n---- b stdout ----\nskipped: no browser\ntest skipped_lines ... ok";
        assert_eq!(skipped(output).into_iter().collect::<Vec<_>>(), ["skipped: no browser"]);
    }
}
