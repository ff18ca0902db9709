//! Promises of the program, kept by running it.
