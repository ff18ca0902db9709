//! Where events are kept: encrypted SQLite files, one for each UTC day, in one folder.
//!
//! A wall, because it is the only room that knows SQL and the disk. It is blocking, knows nothing of what an event
//! means, and is handed the time. One thread owns the [`Store`], which writes; any number of threads read through
//! clones of its [`Reader`], which see what is committed and never hold the writer up.
//!
//! # Layout
//!
//! * [`Store`] (`writer.rs`): open, write a [`Batch`] in one transaction, roll over to the next day
//! * `begun.rs`: where the writer begins, also when the newest file is damaged
//! * [`Reader`] (`reader.rs`, `page.rs`): one event, its withheld bodies, a page of history
//! * [`key`]: the user's key; `vault.rs`: the key of each file, wrapped by the user's
//! * `folder.rs`: the day files, their number ranges, the lock; `day.rs`: their names and order; `schema.rs`: what is in one
//! * `heads.rs`: what a filter can ask for of an event, and the blocks that let it skip; `codec.rs`: payloads on disk
//! * `index.rs`: the full-text index beside each day; its own thread writes it
//! * `retention.rs`: what leaves the store: days that are too old or too much, and damaged ones
//! * `pinned.rs`: what of them is copied before, to stay
//! * `erase.rs`: sessions that are to be gone from every file
//! * [`inspect`], [`backup`]: what a store holds, whether it is whole, copies of it; also while another process writes
//! * `catalog.rs`: the checkpoint of the live state and notes, a cache; beside them [`sums`], what is counted by the minute
//!
//! # Files
//!
//! | file | what |
//! | --- | --- |
//! | `events-2026-11-20.db` (`-wal`, `-shm`) | the events committed on that day, a contiguous range of numbers |
//! | `events-2026-11-20-2.db` | more of that day: what came after a session of it was erased, or the first turned out damaged |
//! | `events-2026-11-20.key` | its random key, wrapped by the user's; absent when the store is not encrypted |
//! | `index-2026-11-20.db`, `index-2026-11-20.key` | that day's full-text index; may be deleted while nothing runs |
//! | `pinned.db`, `pinned.key` | the events of pinned sessions whose days are gone |
//! | `catalog.db`, `catalog.key` | the live state, and the sums over time: those of days that are gone are nowhere else |
//! | `damaged/` | files that could not be read, set aside |
//! | `store.lock` | locked by the process that writes, and its pid |

pub mod backup;
mod batch;
mod begun;
mod catalog;
mod codec;
mod day;
mod erase;
mod error;
mod folder;
mod heads;
mod index;
pub mod inspect;
pub mod key;
mod page;
mod pinned;
mod reader;
mod retention;
mod schema;
pub mod sums;
mod vault;
mod writer;

pub use batch::{Batch, Record};
pub use catalog::Note;
pub use erase::{Eraser, Erasing};
pub use error::StoreError;
pub use index::{Needle, Tell, WIDE_EVENTS, Words};
pub use key::Key;
pub use page::{Decide, Direction, Page, PageQuery};
pub use reader::{Found, Known, Reader};
pub use retention::{Keep, Keeper};
pub use writer::{Options, Store};
