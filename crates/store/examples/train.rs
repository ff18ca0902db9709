//! Trains the built-in dictionary: `cargo run --release -p store --example train -- crates/store/src/dictionary-1.zstd < events.ndjson`.
//!
//! Give it the public JSON of events, one a line, of recorded runs that hold no user's text. Files keep the dictionary
//! they were begun with, so a new one harms nothing.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::io::{self, BufRead};

/// More helps large events only; every file and every open connection carries it.
const DICTIONARY_BYTES: usize = 16 << 10;

/// What lies behind this in an event is content and repeats nowhere.
const SAMPLE_BYTES_MAX: usize = 2_000;

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let lines: Vec<String> = io::stdin().lock().lines().map(Result::unwrap).collect();
    let samples: Vec<&[u8]> = lines.iter().map(|line| &line.as_bytes()[..line.len().min(SAMPLE_BYTES_MAX)]).collect();
    let dictionary = zstd::dict::from_samples(&samples, DICTIONARY_BYTES).unwrap();
    std::fs::write(&path, &dictionary).unwrap();
    println!("{path}: {} bytes from {} events", dictionary.len(), samples.len());
}
