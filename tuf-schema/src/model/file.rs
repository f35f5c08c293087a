//! What one document says about another: its length and digests.

use crate::digest::{DigestMismatch, Digests};

/// The length and digests that a snapshot or a timestamp lists for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMeta {
    /// Length in bytes.
    pub length: u64,
    /// Digests by name.
    pub digests: Digests,
}

/// How a document differs from what another one lists for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileMismatch {
    /// The length differs.
    #[error("length did not match: expected {expected} bytes, found {found}")]
    Length {
        /// The listed length.
        expected: u64,
        /// The document's length.
        found: u64,
    },
    /// A digest differs.
    #[error(transparent)]
    Digest(#[from] DigestMismatch),
}

impl FileMeta {
    /// What the reference lists for `bytes`: the length and both digests.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { length: bytes.len() as u64, digests: Digests::of(bytes) }
    }

    /// Checks that `bytes` are the listed document.
    ///
    /// # Errors
    /// [`FileMismatch`] names what differs.
    pub fn check(&self, bytes: &[u8]) -> Result<(), FileMismatch> {
        // Digests first: they say more than a length, and the reference names them.
        self.digests.check(bytes)?;
        let found = bytes.len() as u64;
        if found != self.length {
            return Err(FileMismatch::Length { expected: self.length, found });
        }
        Ok(())
    }
}
