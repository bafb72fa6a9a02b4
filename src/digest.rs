//! A SHA-256 sized digest: 32 bytes, written as 64 lower-case hex digits. A leaf: touches nothing.

use std::fmt;
use std::str::FromStr;

/// 32 bytes of a hash: a SHA-256, or a Dropbox content hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// SHA-256 of no bytes. The Dropbox content hash of an empty file is the same value, because it has no block.
    pub const EMPTY: Digest = Digest([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// The SHA-256 of `bytes`.
    pub fn sha256(bytes: impl AsRef<[u8]>) -> Digest {
        use sha2::Digest as _;
        Digest(sha2::Sha256::digest(bytes.as_ref()).into())
    }

    /// The 32 bytes, or `None` for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Digest> {
        bytes.try_into().ok().map(Digest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not 64 hex digits.
#[derive(Debug, thiserror::Error)]
#[error("not a hash: 64 hex digits expected")]
pub struct NotADigest;

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotADigest)?;
        Ok(Digest(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_digest_is_sha256_of_nothing_and_survives_text() {
        assert_eq!(Digest::EMPTY, Digest::sha256(b""));
        assert_eq!(Digest::EMPTY.to_string().parse::<Digest>().expect("hex"), Digest::EMPTY);
        assert!("abc".parse::<Digest>().is_err());
    }
}
