//! How payloads lie on disk: as they are, or compressed.

use std::io;

use rusqlite::types::ValueRef;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

/// As it came.
const PLAIN: i64 = 0;
/// One zstd frame.
const ZSTD: i64 = 1;
/// One zstd frame made with the dictionary of its file.
const ZSTD_WITH_DICTIONARY: i64 = 2;

/// What new files compress with, trained on recorded runs (`examples/train.rs`); each file keeps a copy of its own.
///
/// Measured on recorded events of 640 bytes it had not seen: 1.5 µs and 24 % of the size, against 6.3 µs and 63 % without.
pub(crate) const DICTIONARY: &[u8] = include_bytes!("dictionary-1.zstd");

/// Level 3 costs a quarter more time and leaves 3 % fewer bytes.
const LEVEL: i32 = 1;

/// Below this nothing is ever gained.
const COMPRESS_BYTES_MIN: usize = 32;

/// A payload never unpacks to more; a larger one is damage.
const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// Working memory that is kept; a rare large payload's is given back.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// Packs payloads; keeps its working memory from one to the next.
pub(crate) struct Packer {
    compressor: Compressor<'static>,
    codec: i64,
    buffer: Vec<u8>,
}

impl Packer {
    /// A packer for a file with this dictionary; empty for none.
    pub(crate) fn new(dictionary: &[u8]) -> io::Result<Packer> {
        let codec = if dictionary.is_empty() { ZSTD } else { ZSTD_WITH_DICTIONARY };
        Ok(Packer { compressor: Compressor::with_dictionary(LEVEL, dictionary)?, codec, buffer: Vec::new() })
    }

    /// The codec and the bytes to keep for a payload: compressed only if that is smaller.
    pub(crate) fn pack<'a>(&'a mut self, payload: &'a [u8]) -> (i64, &'a [u8]) {
        if payload.len() < COMPRESS_BYTES_MIN {
            return (PLAIN, payload);
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.buffer.reserve(zstd_safe::compress_bound(payload.len()));
        match self.compressor.compress_to_buffer(payload, &mut self.buffer) {
            Ok(bytes) if bytes < payload.len() => (self.codec, &self.buffer[..bytes]),
            _ => (PLAIN, payload),
        }
    }
}

/// Unpacks payloads; keeps its working memory from one to the next, which is most of the time of a small payload.
pub(crate) struct Unpacker {
    plain: Decompressor<'static>,
    with_dictionary: Decompressor<'static>,
}

impl Unpacker {
    /// An unpacker for a file with this dictionary; empty for none.
    pub(crate) fn new(dictionary: &[u8]) -> io::Result<Unpacker> {
        Ok(Unpacker { plain: Decompressor::new()?, with_dictionary: Decompressor::with_dictionary(dictionary)? })
    }

    /// The payload that was packed, or what is wrong with it.
    pub(crate) fn unpack(&mut self, codec: i64, packed: ValueRef<'_>) -> Result<Vec<u8>, String> {
        let packed = packed.as_bytes().map_err(|_| "it is no blob".to_owned())?;
        let decompressor = match codec {
            PLAIN => return Ok(packed.to_vec()),
            ZSTD => &mut self.plain,
            ZSTD_WITH_DICTIONARY => &mut self.with_dictionary,
            _ => return Err(format!("codec {codec} is unknown")),
        };
        let bytes = zstd_safe::get_frame_content_size(packed).ok().flatten().ok_or("it is no zstd frame")?;
        let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX);
        decompressor.decompress(packed, bytes.ok_or("its size is out of range")?).map_err(|error| error.to_string())
    }
}
