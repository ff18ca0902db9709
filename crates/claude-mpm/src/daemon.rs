//! The processes of the monitor: which one runs on a port, whether it is ours, how one begins and ends.

pub(crate) mod answer;
pub(crate) mod browser;
pub(crate) mod control;
pub(crate) mod holder;
pub(crate) mod instance;
pub(crate) mod log_file;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod spawn;
pub(crate) mod supervisor;
