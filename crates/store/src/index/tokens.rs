//! The tokens of some events, each once, as one text.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Tokens, each once.
#[derive(Default)]
pub(super) struct Tokens {
    known: HashSet<Box<str>, BuildHasherDefault<Folded>>,
    text: String,
}

impl Tokens {
    pub(super) fn add(&mut self, token: &str) {
        if !self.known.contains(token) {
            self.known.insert(token.into());
            self.text.push_str(token);
            self.text.push(' ');
        }
    }

    /// All of them, with white space between, in the order in which they came; begins anew.
    pub(super) fn take(&mut self) -> String {
        self.known.clear();
        std::mem::take(&mut self.text)
    }
}

/// A quick hash: what it is asked for most is the same words again. Whoever sends words with one hash slows the index of a few
/// events down, and nothing that waits for it.
#[derive(Default)]
struct Folded(u64);

impl Folded {
    fn fold(&mut self, value: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(ODD);
    }
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.fold(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        if let Some(part) = last.get_mut(..rest.len()) {
            part.copy_from_slice(rest);
        }
        self.fold(u64::from_le_bytes(last));
    }

    fn finish(&self) -> u64 {
        // A table looks at the upper bits and at the lower ones; multiplying mixes upwards alone.
        self.0 ^ (self.0 >> 32)
    }
}
