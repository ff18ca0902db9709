//! The promises of the store, one module for each.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod batches;
mod checkpoint;
mod copies;
mod crash;
mod days;
mod encryption;
mod erase;
mod full_disk;
mod keys;
mod pages;
mod pinned;
mod released;
mod retention;
mod scratch;
mod search;
mod sums;
