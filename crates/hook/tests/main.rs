//! The promises of the hook, proven on the real program.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod faults;
mod home;
mod records;
