//! The user's key: 32 random bytes, in a file that only the user can read.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::StoreError;

/// The user's key. It wraps the keys of the files and encrypts nothing else.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// A key from 32 bytes that came from somewhere else, a keyring for example.
    pub const fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// A key from its 64 hexadecimal digits; white space around them does not matter.
    pub fn from_hex(text: &str) -> Option<Key> {
        decode_hex(text.trim()).map(Key)
    }

    /// A new key, from the system's randomness.
    pub fn new_random() -> Result<Key, StoreError> {
        random().map(Key)
    }

    /// Its 64 hexadecimal digits. Whoever has them can read everything.
    pub fn to_hex(&self) -> String {
        encode_hex(&self.0)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Reads the key in the file at `path`, or makes one there: two processes at once end with the same key.
///
/// Refuses a file that others can read, and one that holds anything but 64 hexadecimal digits.
pub fn load_or_create(path: &Path) -> Result<Key, StoreError> {
    match load(path) {
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            load(path)
        }
        read => read,
    }
}

/// Reads the key in the file at `path`, and makes none.
pub fn load(path: &Path) -> Result<Key, StoreError> {
    let failed = |source| StoreError::Io { action: "reading the key file", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(StoreError::KeyFile {
            path: path.to_owned(),
            problem: format!("can be read or changed by others (mode {mode:03o})"),
            suggestion: format!("run: chmod 600 '{}'", path.display()),
        });
    }
    // A key has 65 bytes; more than this is something else and need not be read.
    let mut text = Vec::new();
    file.take(256).read_to_end(&mut text).map_err(failed)?;
    let key = std::str::from_utf8(&text).ok().and_then(Key::from_hex);
    key.ok_or_else(|| StoreError::KeyFile {
        path: path.to_owned(),
        problem: "does not hold 64 hexadecimal digits".to_owned(),
        suggestion: "restore it from a backup; without the right key the stored events cannot be read".to_owned(),
    })
}

fn create(path: &Path) -> Result<(), StoreError> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| StoreError::Io {
            action: "creating the folder of the key file",
            path: dir.to_owned(),
            source,
        })?;
    }
    let line = format!("{}\n", encode_hex(&random::<32>()?));
    place(path, line.as_bytes()).map(|_created| ()).map_err(|source| StoreError::Io {
        action: "creating the key file",
        path: path.to_owned(),
        source,
    })
}

/// Puts a new file there, whole or not at all, on disk when this returns; `false` if there is one already.
pub(crate) fn place(path: &Path, content: &[u8]) -> io::Result<bool> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unique = encode_hex(&random::<8>().map_err(|_| io::Error::other("no random numbers"))?);
    let temp = path.with_file_name(format!(".{name}.{unique}"));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    // A link and no rename: whoever comes second must not replace what the first already uses.
    let linked = written.and_then(|()| match fs::hard_link(&temp, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    });
    let removed = fs::remove_file(&temp);
    let created = linked?;
    removed?;
    sync_folder_of(path)?;
    Ok(created)
}

/// Makes names that were added to, or removed from, the folder of `path` durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        Some(dir) => File::open(dir)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Io {
        action: "reading random numbers from",
        path: "the operating system".into(),
        source: io::Error::other(error.to_string()),
    })?;
    Ok(bytes)
}

pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(crate) fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}
