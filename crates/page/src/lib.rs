//! The built dashboard as bytes.
//!
//! A wall, because building it takes Node and half a minute: nothing but its build and this table is in here, so that
//! no change elsewhere builds it again.

/// One file of the page.
#[derive(Debug)]
pub struct File {
    /// Its path below the root, without a leading slash.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// The same, compressed with brotli.
    pub brotli: Option<&'static [u8]>,
    /// The same, compressed with gzip.
    pub gzip: Option<&'static [u8]>,
    /// Its media type.
    pub content_type: &'static str,
    /// Changes when its bytes do; quoted, as the header wants it.
    pub etag: &'static str,
    /// Whether its name changes when its bytes do.
    pub immutable: bool,
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));
