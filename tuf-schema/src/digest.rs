//! Digests and lengths: what a document or a target must match.

use std::borrow::Cow;
use std::fmt;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        out.copy_from_slice(digest.as_ref());
        Self(out)
    }

    /// Reads 64 lower-case hexadecimal characters.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let mut out = [0; 32];
        (lower && hex::decode_to_slice(text, &mut out).is_ok()).then_some(Self(out))
    }

    /// 64 lower-case hexadecimal characters.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// A hash function whose digests metadata may list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// SHA-256; the one that snapshots and timestamps must list.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The name in metadata.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn digest(self, bytes: &[u8]) -> ring::digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &ring::digest::SHA256,
            Self::Sha512 => &ring::digest::SHA512,
        };
        ring::digest::digest(algorithm, bytes)
    }
}

/// The digests that metadata lists for one file, by name of the hash function.
///
/// Unknown names are kept and ignored; at least one known digest must be there and every known one must match.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Digests(Vec<(Cow<'static, str>, Vec<u8>)>); // in the order of the names, each of them once

/// How a file differs from what metadata lists for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestMismatch {
    /// No hash function that we know is listed.
    #[error("no sha256 or sha512 checksum is listed")]
    NoKnownAlgorithm,
    /// A listed digest differs.
    #[error("{algorithm} checksum did not match: expected {expected}, found {found}", algorithm = algorithm.name())]
    Differs {
        /// The hash function.
        algorithm: HashAlgorithm,
        /// The listed digest, in hexadecimal.
        expected: String,
        /// The file's digest, in hexadecimal.
        found: String,
    },
}

impl Digests {
    /// Digests as read from metadata.
    #[must_use]
    pub fn new<N: AsRef<str>>(by_name: impl IntoIterator<Item = (N, Vec<u8>)>) -> Self {
        let mut listed: Vec<_> = by_name.into_iter().map(|(name, bytes)| (kept_name(name.as_ref()), bytes)).collect();
        // Of two of one name the later one stays.
        listed.reverse();
        listed.sort_by(|(a, _), (b, _)| a.cmp(b));
        listed.dedup_by(|(a, _), (b, _)| a == b);
        Self(listed)
    }

    /// Both digests of `bytes`, as the reference writes them.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(HashAlgorithm::ALL.map(|a| (a.name(), a.digest(bytes).as_ref().to_vec())))
    }

    /// A single SHA-256 digest, as a signed tag has it.
    #[must_use]
    pub fn from_sha256(digest: &Sha256) -> Self {
        Self::new([(HashAlgorithm::Sha256.name(), digest.0.to_vec())])
    }

    /// The SHA-256 digest, if one of the right length is listed.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256> {
        self.get(HashAlgorithm::Sha256)?.try_into().ok().map(Sha256)
    }

    /// The digests in the order of their names, unknown names among them.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (name.as_ref(), bytes.as_slice()))
    }

    fn get(&self, algorithm: HashAlgorithm) -> Option<&[u8]> {
        self.by_name().find(|(name, _)| *name == algorithm.name()).map(|(_, bytes)| bytes)
    }

    /// Checks `bytes` against every known digest.
    ///
    /// # Errors
    /// [`DigestMismatch`] for the first that differs, or when none is known.
    pub fn check(&self, bytes: &[u8]) -> Result<(), DigestMismatch> {
        let mut known = false;
        for algorithm in HashAlgorithm::ALL {
            let Some(expected) = self.get(algorithm) else { continue };
            known = true;
            let found = algorithm.digest(bytes);
            if found.as_ref() != expected {
                return Err(DigestMismatch::Differs {
                    algorithm,
                    expected: hex::encode(expected),
                    found: hex::encode(found),
                });
            }
        }
        if known { Ok(()) } else { Err(DigestMismatch::NoKnownAlgorithm) }
    }
}

/// The name to be kept; a copy of an unknown one only.
fn kept_name(name: &str) -> Cow<'static, str> {
    let known = HashAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name);
    known.map_or_else(|| Cow::Owned(name.to_owned()), |algorithm| Cow::Borrowed(algorithm.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_digest_must_match() {
        let right = Digests::of(b"content");
        assert_eq!(right.check(b"content"), Ok(()));
        let wrong = ("sha512", vec![0; 64]);
        let listed = Digests::new(right.by_name().map(|(name, bytes)| (name, bytes.to_vec())).chain([wrong]));
        assert!(matches!(
            listed.check(b"content"),
            Err(DigestMismatch::Differs { algorithm: HashAlgorithm::Sha512, .. })
        ));
    }

    #[test]
    fn digests_are_kept_in_the_order_of_their_names_and_the_last_of_each() {
        let listed = Digests::new([("sha512", vec![1]), ("md5", vec![2]), ("sha512", vec![3]), ("sha256", vec![4])]);
        let kept: Vec<_> = listed.by_name().collect();
        assert_eq!(kept, [("md5", [2].as_slice()), ("sha256", &[4]), ("sha512", &[3])]);
        assert_eq!(listed, Digests::new([("md5", vec![2]), ("sha256", vec![4]), ("sha512", vec![3])]));
    }

    #[test]
    fn unknown_names_alone_are_not_enough() {
        let listed = Digests::new([("md5", vec![1])]);
        assert_eq!(listed.check(b"content"), Err(DigestMismatch::NoKnownAlgorithm));
    }

    #[test]
    fn upper_case_hexadecimal_is_no_digest_name() {
        let hex = Sha256::of(b"x").to_hex();
        assert_eq!(Sha256::from_hex(&hex), Some(Sha256::of(b"x")));
        assert_eq!(Sha256::from_hex(&hex.to_uppercase()), None);
    }
}
