//! How much one update may fetch, whatever sizes the metadata itself announces.
//!
//! Whoever holds a server's keys may list a document of any length; a reader must not run out of memory over it.

use tuf_schema::Role;
use tuf_schema::verify::limits::MAX_DOCUMENT_BYTES;

/// The largest root, in bytes. A root is fetched before anything is known of it; a thousand rotations fit.
const MAX_ROOT_BYTES: u64 = 16 << 20;
/// The most bytes of one update, all documents together.
const MAX_UPDATE_BYTES: u64 = 512 << 20;

/// What an update may still fetch.
pub(super) struct Allowance {
    left: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left: MAX_UPDATE_BYTES }
    }
}

impl Allowance {
    /// The most bytes that the next document, one of `role`, may have, when at most `wanted` are expected.
    pub(super) fn cap(&self, role: &Role, wanted: u64) -> u64 {
        let largest = if *role == Role::Root { MAX_ROOT_BYTES } else { MAX_DOCUMENT_BYTES };
        wanted.min(largest).min(self.left)
    }

    /// Takes note of a document that came.
    pub(super) fn spend(&mut self, document: &[u8]) {
        self.left = self.left.saturating_sub(document.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_document_may_be_larger_than_the_reference_reads() {
        let allowance = Allowance::default();
        assert_eq!(allowance.cap(&Role::Targets, 1 << 50), MAX_DOCUMENT_BYTES);
        assert_eq!(allowance.cap(&Role::Root, MAX_DOCUMENT_BYTES), MAX_ROOT_BYTES);
        assert_eq!(allowance.cap(&Role::Targets, 7), 7);
    }

    #[test]
    fn all_documents_together_have_a_limit() {
        let mut allowance = Allowance { left: 10 };
        allowance.spend(b"123456");
        assert_eq!(allowance.cap(&Role::Targets, 100), 4);
        allowance.spend(b"1234567");
        assert_eq!(allowance.cap(&Role::Targets, 100), 0);
    }
}
