//! Promises of the program, kept by running it: real processes, real sockets, temporary homes.

mod access;
mod claude;
mod contract;
mod disk;
mod documents;
mod doors;
mod kill;
mod launcher;
mod spool;
mod support;
