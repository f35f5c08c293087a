//! Ed25519 keys and signatures.

use ring::signature::{ED25519, UnparsedPublicKey};

/// The length of a public key in bytes.
pub(crate) const PUBLIC_BYTES: usize = 32;

/// What stands before the 32 bytes in a SubjectPublicKeyInfo (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key.
pub(super) struct VerifyingKey {
    spki: Vec<u8>,
}

impl VerifyingKey {
    /// A key of exactly 32 bytes.
    pub(super) fn from_bytes(public: &[u8]) -> Option<Self> {
        (public.len() == PUBLIC_BYTES).then(|| Self { spki: [&SPKI_PREFIX, public].concat() })
    }

    /// The SubjectPublicKeyInfo of RFC 8410.
    pub(super) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether `signature`, 64 bytes, was made over the message itself.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = self.spki.get(SPKI_PREFIX.len()..).unwrap_or_default();
        UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
    }
}
