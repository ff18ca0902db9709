//! The key of each file, wrapped by the user's key and kept beside the file.
//!
//! `events-2026-11-20.key` is one line: `claude-mpm store key 1 <nonce> <wrapped>`, both in hexadecimal. The wrapping
//! is AES-256-GCM with the file's name as associated data, so that two of them cannot be swapped. Changing the user's
//! key rewrites these lines and no event.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};

use crate::error::StoreError;
use crate::key::{self, Key};

const PREFIX: &str = "claude-mpm store key 1";

/// The key that a database file is encrypted with.
#[derive(Clone)]
pub(crate) struct FileKey([u8; 32]);

impl FileKey {
    /// As SQLCipher takes a key that needs no derivation.
    pub(crate) fn pragma(&self) -> String {
        format!("PRAGMA key = \"x'{}'\";", key::encode_hex(&self.0))
    }
}

/// Where the wrapped key of a database file lies.
pub(crate) fn path_of(database: &Path) -> PathBuf {
    database.with_extension("key")
}

/// The key of an existing file; `None` when the file has none, so is not encrypted.
pub(crate) fn load(database: &Path, user: Option<&Key>) -> Result<Option<FileKey>, StoreError> {
    let path = path_of(database);
    let line = match fs::read_to_string(&path) {
        Ok(line) => line,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Io { action: "reading the wrapped key", path, source }),
    };
    let user = user.ok_or_else(|| StoreError::KeyMissing { path: database.to_owned() })?;
    unwrap(&line, user, &path).map(Some)
}

/// Makes a key for a new file and keeps it, durably, before the file gets its first byte.
pub(crate) fn create(database: &Path, user: &Key) -> Result<FileKey, StoreError> {
    let path = path_of(database);
    let file_key = FileKey(key::random()?);
    let line = wrap(&file_key, user, &path)?;
    let placed = key::place(&path, line.as_bytes());
    placed.map_err(|source| StoreError::Io { action: "writing the wrapped key", path: path.clone(), source })?;
    // Read back and not taken from memory: if somebody was faster, theirs is the one that counts.
    load(database, Some(user))?.ok_or(StoreError::KeyMissing { path })
}

/// Wraps a file's key, which lies at `path`, with another user's key, in place and all at once. One that the new key opens
/// already is left as it is.
pub(crate) fn rewrap(path: &Path, old: &Key, new: &Key) -> Result<(), StoreError> {
    let io = |action| move |source| StoreError::Io { action, path: path.to_owned(), source };
    let line = fs::read_to_string(path).map_err(io("reading the wrapped key"))?;
    if unwrap(&line, new, path).is_ok() {
        return Ok(());
    }
    let line = wrap(&unwrap(&line, old, path)?, new, path)?;
    let temp = path.with_extension("key.new");
    let _ = fs::remove_file(&temp);
    let write = || {
        key::place(&temp, line.as_bytes())?;
        fs::rename(&temp, path)?;
        key::sync_folder_of(path)
    };
    write().map_err(io("replacing the wrapped key"))
}

fn wrap(file_key: &FileKey, user: &Key, path: &Path) -> Result<String, StoreError> {
    let nonce: [u8; 12] = key::random()?;
    let wrapped = cipher(user)
        .encrypt(&nonce.into(), Payload { msg: &file_key.0, aad: associated(path).as_bytes() })
        .map_err(|_| StoreError::WrongKey { path: path.to_owned() })?;
    Ok(format!("{PREFIX} {} {}\n", key::encode_hex(&nonce), key::encode_hex(&wrapped)))
}

fn unwrap(line: &str, user: &Key, path: &Path) -> Result<FileKey, StoreError> {
    let wrong = || StoreError::WrongKey { path: path.to_owned() };
    let (nonce, wrapped) =
        line.trim_end().strip_prefix(PREFIX).and_then(|rest| rest.trim_start().split_once(' ')).ok_or_else(wrong)?;
    let nonce: [u8; 12] = key::decode_hex(nonce).ok_or_else(wrong)?;
    let wrapped: [u8; 48] = key::decode_hex(wrapped).ok_or_else(wrong)?;
    let plain = cipher(user)
        .decrypt(&nonce.into(), Payload { msg: &wrapped, aad: associated(path).as_bytes() })
        .map_err(|_| wrong())?;
    plain.try_into().map(FileKey).map_err(|_| wrong())
}

fn cipher(user: &Key) -> Aes256Gcm {
    Aes256Gcm::new(&(*user.bytes()).into())
}

fn associated(path: &Path) -> String {
    format!("{PREFIX} {}", path.file_name().unwrap_or_default().to_string_lossy())
}
