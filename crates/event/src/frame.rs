//! The bytes that a hook writes into the spool.
//!
//! A segment is a file: a [`Header`], then frames until its end. Several processes append to it at once, one write for
//! each frame, and any of them can die half-way; so a frame begins with bytes that no text holds, says its length, and
//! carries a checksum over all of it. A reader that meets anything else looks for the next beginning.
//!
//! All numbers are little-endian.
//!
//! | bytes of a frame | what |
//! | --- | --- |
//! | 4 | [`MAGIC`] |
//! | 1 | version, 1 |
//! | 1 | flags: 1 the input was cut at its size limit, 2 the input did not end in time |
//! | 2 | zero |
//! | 4 | length of the payload |
//! | 4 | CRC-32 of everything else but the magic |
//! | 8 | when the hook started, in nanoseconds since 1970 |
//! | 4 | process id of the hook's parent |
//! | … | the payload: the hook's stdin |

/// How a frame begins. The outer bytes occur in no UTF-8 text.
pub const MAGIC: [u8; 4] = [0xFE, b'c', b'm', 0xFF];

/// Bytes of a frame before its payload.
pub const HEAD_BYTES: usize = 28;

/// Longest payload; a frame that says more is none.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 32;

const VERSION: u8 = 1;
const CUT: u8 = 1;
const LATE: u8 = 2;

/// How a segment begins: seven letters and the version of what follows.
const SEGMENT_MAGIC: [u8; 8] = *b"cmspool\x01";

/// The beginning of a segment: what tells it from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Random.
    pub id: [u8; 16],
    /// When it was created, in nanoseconds since 1970.
    pub created_ns: u64,
}

impl Header {
    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..24].copy_from_slice(&self.id);
        bytes[24..].copy_from_slice(&self.created_ns.to_le_bytes());
        bytes
    }

    /// Reads it from a segment's first bytes; `None` when they are something else.
    pub fn decode(bytes: &[u8]) -> Option<Header> {
        let rest = bytes.get(..HEADER_BYTES)?.strip_prefix(&SEGMENT_MAGIC)?;
        let (id, created_ns) = rest.split_first_chunk::<16>()?;
        Some(Header { id: *id, created_ns: u64::from_le_bytes(*created_ns.first_chunk()?) })
    }

    /// The name of the segment when nobody appends to it any more. Names sort by age.
    pub fn retired_name(&self) -> String {
        let mut name = format!("{:020}-", self.created_ns);
        for byte in self.id {
            name.push_str(&format!("{byte:02x}"));
        }
        name + RETIRED_SUFFIX
    }
}

/// The segment that hooks append to.
pub const CURRENT_NAME: &str = "current";

/// How the names of retired segments end.
pub const RETIRED_SUFFIX: &str = ".retired";

/// One byte for each event that a hook had to give up.
pub const GIVEN_UP_NAME: &str = "given-up";

/// What a hook knows besides its stdin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// When the hook started, in nanoseconds since 1970.
    pub time_ns: u64,
    /// The process that started it; 0 if unknown.
    pub parent_pid: u32,
    /// Whether the input was larger than a hook takes, and its end is missing.
    pub is_cut: bool,
    /// Whether the input had not ended when the hook's time was up.
    pub is_late: bool,
}

/// What one hook left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When the hook started, in nanoseconds since 1970.
    pub time_ns: u64,
    /// The process that started it; 0 if unknown.
    pub parent_pid: u32,
    /// Whether the input was larger than a hook takes, and its end is missing.
    pub is_cut: bool,
    /// Whether the input had not ended when the hook's time was up.
    pub is_late: bool,
    /// Its stdin.
    pub payload: Vec<u8>,
}

/// Makes a frame of `frame`, whose first [`HEAD_BYTES`] bytes are room for the head and whose rest is the payload.
///
/// Done in place, so that a large payload is not copied. Anything beyond [`PAYLOAD_BYTES_MAX`] is cut off, and so said.
pub fn seal(frame: &mut Vec<u8>, stamp: Stamp) {
    if frame.len() < HEAD_BYTES {
        frame.resize(HEAD_BYTES, 0);
    }
    let is_cut = stamp.is_cut || frame.len() > HEAD_BYTES + PAYLOAD_BYTES_MAX;
    frame.truncate(HEAD_BYTES + PAYLOAD_BYTES_MAX);
    let payload_bytes = (frame.len() - HEAD_BYTES) as u32;
    frame[..4].copy_from_slice(&MAGIC);
    frame[4] = VERSION;
    frame[5] = if is_cut { CUT } else { 0 } | if stamp.is_late { LATE } else { 0 };
    frame[6..8].fill(0);
    frame[8..12].copy_from_slice(&payload_bytes.to_le_bytes());
    frame[16..24].copy_from_slice(&stamp.time_ns.to_le_bytes());
    frame[24..HEAD_BYTES].copy_from_slice(&stamp.parent_pid.to_le_bytes());
    let checksum = checksum(frame);
    frame[12..16].copy_from_slice(&checksum.to_le_bytes());
}

/// What lies at the beginning of some bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A frame; its payload is `bytes[HEAD_BYTES..frame_bytes]`.
    Frame {
        /// What the hook knew besides.
        stamp: Stamp,
        /// Where the frame ends.
        frame_bytes: usize,
    },
    /// What may be the beginning of a frame.
    Incomplete {
        /// How many bytes are needed to tell more.
        wanted_bytes: usize,
    },
    /// No frame: a torn one, or something else.
    Torn {
        /// Where the next one may begin; at least 1.
        skip_bytes: usize,
    },
}

/// Looks at the beginning of `bytes`.
pub fn decode(bytes: &[u8]) -> Decoded {
    let magic_bytes = bytes.len().min(MAGIC.len());
    if bytes[..magic_bytes] != MAGIC[..magic_bytes] {
        return torn(bytes);
    }
    let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
        return Decoded::Incomplete { wanted_bytes: HEAD_BYTES };
    };
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let payload_bytes = number(8) as usize;
    if head[4] != VERSION || head[6] != 0 || head[7] != 0 || payload_bytes > PAYLOAD_BYTES_MAX {
        return torn(bytes);
    }
    let frame_bytes = HEAD_BYTES + payload_bytes;
    let Some(frame) = bytes.get(..frame_bytes) else {
        return Decoded::Incomplete { wanted_bytes: frame_bytes };
    };
    if checksum(frame) != number(12) {
        return torn(bytes);
    }
    let stamp = Stamp {
        time_ns: u64::from(number(16)) | u64::from(number(20)) << 32,
        parent_pid: number(24),
        is_cut: head[5] & CUT != 0,
        is_late: head[5] & LATE != 0,
    };
    Decoded::Frame { stamp, frame_bytes }
}

/// Where the next frame may begin, if not here.
pub fn torn(bytes: &[u8]) -> Decoded {
    let next = (1..bytes.len()).find(|at| {
        let rest = &bytes[*at..];
        rest[0] == MAGIC[0] && rest[..rest.len().min(4)] == MAGIC[..rest.len().min(4)]
    });
    Decoded::Torn { skip_bytes: next.unwrap_or(bytes.len()).max(1) }
}

/// CRC-32 (as in zip and Ethernet) of a frame without its magic and without the place of the checksum itself.
fn checksum(frame: &[u8]) -> u32 {
    let head = crc(u32::MAX, &frame[4..12]);
    !crc(head, &frame[16..])
}

/// Tables for eight bytes at a time: one byte at a time, a large payload would cost more than all the rest of a hook.
const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        tables[0][at] = value;
        at += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut at = 0;
        while at < 256 {
            let before = tables[table - 1][at];
            tables[table][at] = before >> 8 ^ tables[0][(before & 255) as usize];
            at += 1;
        }
        table += 1;
    }
    tables
}

fn crc(mut crc: u32, bytes: &[u8]) -> u32 {
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        let low = u32::from_le_bytes([eight[0], eight[1], eight[2], eight[3]]) ^ crc;
        let [a, b, c, d] = low.to_le_bytes();
        crc = TABLES[7][a as usize]
            ^ TABLES[6][b as usize]
            ^ TABLES[5][c as usize]
            ^ TABLES[4][d as usize]
            ^ TABLES[3][eight[4] as usize]
            ^ TABLES[2][eight[5] as usize]
            ^ TABLES[1][eight[6] as usize]
            ^ TABLES[0][eight[7] as usize];
    }
    for byte in rest {
        crc = crc >> 8 ^ TABLES[0][(crc as u8 ^ byte) as usize];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; HEAD_BYTES];
        frame.extend_from_slice(payload);
        seal(&mut frame, Stamp { time_ns: u64::MAX - 7, parent_pid: 4_711, is_cut: false, is_late: true });
        frame
    }

    #[test]
    fn the_checksum_is_the_one_everybody_knows() {
        assert_eq!(!crc(u32::MAX, b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_frame_comes_back_as_it_was() {
        for payload_bytes in [0, 1, 7, 8, 9, 1_000, 70_000] {
            let frame = frame(&vec![b'x'; payload_bytes]);
            let Decoded::Frame { stamp, frame_bytes } = decode(&[frame.as_slice(), b"and more"].concat()) else {
                panic!("no frame of {payload_bytes}")
            };
            assert_eq!(frame_bytes, frame.len());
            assert_eq!(stamp, Stamp { time_ns: u64::MAX - 7, parent_pid: 4_711, is_cut: false, is_late: true });
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = frame(b"{\"session_id\":\"s1\"}");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(decode(&bad), Decoded::Frame { .. }), "bit {bit}");
        }
    }

    #[test]
    fn a_beginning_waits_for_its_end() {
        let frame = frame(b"payload");
        for bytes in 0..frame.len() {
            assert!(matches!(decode(&frame[..bytes]), Decoded::Incomplete { wanted_bytes } if wanted_bytes > bytes));
        }
    }

    #[test]
    fn the_next_frame_is_found_after_any_garbage() {
        let good = frame(b"payload");
        for garbage in [&b"x"[..], b"\xFE\xFEc", &MAGIC, &good[..good.len() - 1], &[0; 5_000]] {
            let bytes = [garbage, &good, &good].concat();
            let mut at = 0;
            let found = loop {
                match decode(&bytes[at..]) {
                    Decoded::Frame { .. } => break at,
                    Decoded::Torn { skip_bytes } => at += skip_bytes,
                    Decoded::Incomplete { .. } => at += 1,
                }
            };
            assert_eq!(found, garbage.len());
        }
    }

    #[test]
    fn a_header_comes_back_and_names_sort_by_age() {
        let old = Header { id: [0xAB; 16], created_ns: 999 };
        let new = Header { id: [0x01; 16], created_ns: 1_000 };
        assert_eq!(Header::decode(&old.encode()), Some(old));
        assert_eq!(Header::decode(b"something else, long enough to be one"), None);
        assert!(old.retired_name() < new.retired_name());
    }
}
