//! Sealing keys at rest with a passphrase, byte for byte as the reference does.

mod envelope;
pub mod passphrase;

pub(crate) use envelope::{CONTENT_ENCRYPTION, KEY_WRAP, OpenError, SealError, SealedKey, open, seal};
