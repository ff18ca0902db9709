//! Blanks out strings, comments and regular expressions, so that braces in them do not count. Line breaks stay.

use super::Language;

/// The text with everything that is no code turned into spaces, byte for byte.
pub(super) fn mask(text: &str, language: Language) -> String {
    let mut masked = Mask { text, code: Vec::with_capacity(text.len()), language };
    masked.code_until_end(0, None);
    // Only ASCII is written in place of anything else.
    String::from_utf8(masked.code).unwrap_or_default()
}

struct Mask<'a> {
    text: &'a str,
    /// What was read so far, as long as what was read.
    code: Vec<u8>,
    language: Language,
}

impl Mask<'_> {
    /// Reads code from `at` to the brace that closes `until`, or to the end; returns where it stopped.
    fn code_until_end(&mut self, mut at: usize, until: Option<u8>) -> usize {
        let mut depth = 0_usize;
        while let Some(&byte) = self.text.as_bytes().get(at) {
            if until == Some(byte) && depth == 0 {
                return at;
            }
            match byte {
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            at = match self.length_of_other(at) {
                0 => {
                    self.code.push(if byte.is_ascii() { byte } else { b' ' });
                    at + 1
                }
                length => {
                    self.blank(at, at + length);
                    at + length
                }
            };
            if byte == b'`' && self.language == Language::TypeScript {
                at = self.template(at);
            }
        }
        at
    }

    /// How many bytes at this place are no code: a comment, a string, a regular expression.
    fn length_of_other(&self, at: usize) -> usize {
        let rest = &self.text.as_bytes()[at..];
        match (rest[0], self.language) {
            (b'/', _) if rest.get(1) == Some(&b'/') => find(rest, b"\n").unwrap_or(rest.len()),
            (b'/', _) if rest.get(1) == Some(&b'*') => self.block_comment(rest),
            (b'/', Language::TypeScript) if self.may_be_regex() => regex(rest),
            (b'"', _) | (b'\'', Language::TypeScript) => quoted(rest, rest[0]),
            (b'\'', Language::Rust) => character(rest),
            (b'r', Language::Rust) if !self.is_in_word() => raw_string(rest),
            _ => 0,
        }
    }

    /// Rust's nest, JavaScript's do not.
    fn block_comment(&self, rest: &[u8]) -> usize {
        let (mut at, mut depth) = (2, 1);
        while at < rest.len() && depth > 0 {
            match &rest[at..] {
                [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
                [b'/', b'*', ..] if self.language == Language::Rust => (at, depth) = (at + 2, depth + 1),
                _ => at += 1,
            }
        }
        at
    }

    /// A slash divides after a value, and begins an expression after anything else.
    fn may_be_regex(&self) -> bool {
        let code = self.code.trim_ascii_end();
        let is_word = |word: &[u8]| code.ends_with(word);
        match code.last() {
            None => true,
            Some(_) if is_word(b"return") || is_word(b"typeof") || is_word(b"case") => true,
            Some(last) => !last.is_ascii_alphanumeric() && !b"_$)]}".contains(last),
        }
    }

    fn is_in_word(&self) -> bool {
        self.code.last().is_some_and(|last| last.is_ascii_alphanumeric() || *last == b'_')
    }

    /// The rest of a template, after its opening; code in it stays code.
    fn template(&mut self, mut at: usize) -> usize {
        while let Some(&byte) = self.text.as_bytes().get(at) {
            match (byte, self.text.as_bytes().get(at + 1)) {
                (b'`', _) => {
                    self.blank(at, at + 1);
                    return at + 1;
                }
                (b'\\', Some(_)) => {
                    self.blank(at, at + 2);
                    at += 2;
                }
                (b'$', Some(b'{')) => {
                    self.blank(at, at + 2);
                    at = self.code_until_end(at + 2, Some(b'}'));
                    if at < self.text.len() {
                        self.blank(at, at + 1);
                        at += 1;
                    }
                }
                _ => {
                    self.blank(at, at + 1);
                    at += 1;
                }
            }
        }
        at
    }

    fn blank(&mut self, from: usize, to: usize) {
        let bytes = &self.text.as_bytes()[from..to.min(self.text.len())];
        self.code.extend(bytes.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A string in quotes, with its escapes.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `'x'` and `'\n'`; a lifetime has no second quote near by.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return quoted(rest, b'\'');
    }
    // One character has at most four bytes.
    let closes = rest.iter().skip(2).take(4).position(|byte| *byte == b'\'').map(|at| at + 3);
    closes
        .filter(|end| std::str::from_utf8(&rest[1..end - 1]).is_ok_and(|inside| inside.chars().count() == 1))
        .unwrap_or(0)
}

/// `r"…"` and `r#"…"#`.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    let from = 2 + hashes;
    find(&rest[from..], &end).map_or(rest.len(), |at| from + at + end.len())
}

/// `/…/`, where a slash in brackets does not end it; 0 if it does not end on its line.
fn regex(rest: &[u8]) -> usize {
    let (mut at, mut in_class) = (1, false);
    while at < rest.len() && rest[at] != b'\n' {
        match rest[at] {
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => return at + 1,
            _ => {}
        }
        at += 1;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(language: Language, text: &str, expected: &str) {
        let masked = mask(text, language);
        assert_eq!(masked.len(), text.len());
        assert_eq!(masked.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
    }

    #[test]
    fn what_is_no_code_is_blanked() {
        check(Language::Rust, "a // {\nb /* { /* } */ { */ c", "a b c");
        check(
            Language::Rust,
            "let a = \"{\\\"\"; let b = '{'; let c = '\\''; fn d<'a>(e: &'a str) {}",
            "let a = ; let b = ; let c = ; fn d<'a>(e: &'a str) {}",
        );
        check(Language::Rust, "r#\"{\"{\"# + br\"{\" + for_ r\"\\\"", "+ br + for_");
        check(Language::Rust, "'ü' + 'ab", "+ 'ab");
        check(Language::TypeScript, "a = '{' + \"}\" + `x{${b({ c: `}` })}}` + d", "a = + + ` b({ c: ` }) + d");
        check(Language::TypeScript, "a = b / c; d = /[/{]\\/{/g; return /{/", "a = b / c; d = g; return");
    }
}
