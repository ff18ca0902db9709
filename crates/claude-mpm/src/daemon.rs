//! The processes of the monitor: which one runs on a port, and whether it is ours.

pub(crate) mod browser;
pub(crate) mod instance;
pub(crate) mod probe;
