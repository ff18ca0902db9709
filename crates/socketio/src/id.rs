//! Random identifiers: 15 random bytes as 20 characters of URL-safe base64, as the reference's ids look.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

const RANDOM_BYTES: usize = 15;
const CHARACTERS: usize = 20;

/// The id of a [`crate::Socket`]: random, different in every namespace, unrelated to the connection's secret id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId([u8; CHARACTERS]);

/// The machine gave no randomness, so no id can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gave no random bytes for an id")
    }
}

impl std::error::Error for NoRandomness {}

impl SocketId {
    /// A new id.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn random() -> Result<Self, NoRandomness> {
        random().map(Self)
    }

    /// The id with this text: 20 characters of URL-safe base64; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let id = <[u8; CHARACTERS]>::try_from(text.as_bytes()).ok()?;
        id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).then_some(Self(id))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        text(&self.0)
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of a connection. A secret: who knows it can speak for the client, so it is shown only in part.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; CHARACTERS]);

impl SessionId {
    pub(crate) fn random() -> Result<Self, NoRandomness> {
        random().map(Self)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        <[u8; CHARACTERS]>::try_from(text.as_bytes()).ok().map(Self)
    }

    /// The whole secret, for the open packet.
    pub(crate) fn secret(&self) -> &str {
        text(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.secret().get(..4).unwrap_or_default())
    }
}

/// So many random bytes as URL-safe base64.
pub(crate) fn random_text<const BYTES: usize>() -> Result<String, NoRandomness> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn random() -> Result<[u8; CHARACTERS], NoRandomness> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    let mut id = [b'0'; CHARACTERS];
    // Fifteen bytes are exactly twenty characters, so the slice is long enough.
    URL_SAFE_NO_PAD.encode_slice(bytes, &mut id).map_err(|_| NoRandomness)?;
    Ok(id)
}

/// Only base64 characters, or text from a request, ever get in; anything else reads as empty.
fn text(id: &[u8; CHARACTERS]) -> &str {
    std::str::from_utf8(id).unwrap_or_default()
}
