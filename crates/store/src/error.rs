//! What can go wrong with the store: each says what was tried on what.

use std::io;
use std::path::PathBuf;

/// A failure of the store. Nothing half-written stays behind any of them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as "reading".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// SQLite refused: a full disk, a damaged file, an I/O error.
    #[error("{action} {}: {source}", path.display())]
    Sql {
        /// What was tried, as "committing to".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// Somebody else writes to this folder.
    #[error("the store {} is in use by process {holder}; stop that monitor first, or choose another folder", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
        /// The process id that holds it, or "unknown".
        holder: String,
    },
    /// The key does not open the file.
    #[error("the key does not open {}; it belongs to another key, or the file is damaged. Nothing was changed", path.display())]
    WrongKey {
        /// The wrapped key that it does not open.
        path: PathBuf,
    },
    /// An encrypted store was opened without a key.
    #[error("{} is encrypted and no key was given", path.display())]
    KeyMissing {
        /// The file, or the folder that is to be encrypted.
        path: PathBuf,
    },
    /// The folder is encrypted and was not asked to be, or the other way round.
    #[error("{} {}, and the configuration says otherwise; a store is never switched by itself: set it back, or move the folder away", path.display(), if *encrypted { "is encrypted" } else { "is not encrypted" })]
    Encryption {
        /// The file that differs.
        path: PathBuf,
        /// What it is.
        encrypted: bool,
    },
    /// The key file is not what it should be.
    #[error("the key file {} {problem}; {suggestion}", path.display())]
    KeyFile {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        suggestion: String,
    },
    /// The file was written by a newer program.
    #[error("{} has schema version {found}, and this program knows versions up to {known}: it was written by a newer release. Nothing was changed", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// A batch whose numbers do not go on where the store ended.
    #[error("a batch came with number {found} where {expected} is next")]
    Numbers {
        /// The number that is next.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The file is not part of the store any more: its day has been removed, or it was damaged and set aside.
    #[error("{} is not in the store any more", path.display())]
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// A payload on disk cannot be read back.
    #[error("event {seq} in {} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The event's number.
        seq: u64,
        /// What is wrong with it.
        problem: String,
    },
}

impl StoreError {
    /// Whether the file is not what was written there: a flipped byte, a torn page.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self, StoreError::Sql { source, .. }
            if matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)))
    }

    /// Whether the disk, a quota or a size limit is full: writing works again when there is room.
    pub fn is_full(&self) -> bool {
        match self {
            StoreError::Sql { source, .. } => source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            StoreError::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }
}
