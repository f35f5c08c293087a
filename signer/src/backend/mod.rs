//! What holds secret halves: it makes keys and signs with them, and never shows one.

use async_trait::async_trait;
use tuf_schema::key::KeyId;
use tuf_schema::sign::{RawSignature, SecretKeyError, SignError};

use crate::seal::passphrase::{Alias, PassphraseError};
use crate::seal::{OpenError, SealError};
use crate::store::{Algorithm, KeyRecord, Purpose};

#[cfg(test)]
mod golden;
mod opened;
mod software;

pub(crate) use opened::OpenedKeys;
pub(crate) use software::SoftwareKeys;

/// Makes and uses keys. The records it makes are stored by its caller.
#[async_trait]
pub(crate) trait KeyBackend: Send + Sync {
    /// Makes a key for a purpose.
    async fn generate(&self, algorithm: Algorithm, purpose: &Purpose) -> Result<KeyRecord, BackendError>;

    /// Whether the secret half of a stored key can be used.
    async fn prove(&self, record: &KeyRecord) -> Result<(), BackendError>;

    /// Signs `message` with a stored key.
    async fn sign(&self, record: &KeyRecord, message: &[u8]) -> Result<RawSignature, BackendError>;

    /// The alias under which new keys are sealed.
    fn default_alias(&self) -> &Alias;

    /// Drops what is held in memory of a key.
    fn forget(&self, id: &KeyId);

    /// Drops what has been held in memory for too long.
    fn sweep(&self);
}

/// Why a secret half could not be made or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    /// The passphrase of the key's alias is not there.
    #[error("key {key} is locked")]
    NoPassphrase {
        /// The key.
        key: KeyId,
        /// Which variable is missing.
        source: PassphraseError,
    },
    /// The passphrase of the key's alias is not the one it was sealed with.
    #[error("key {key} is locked: the passphrase in {variable} does not open it", variable = alias.variable())]
    WrongPassphrase {
        /// The key.
        key: KeyId,
        /// Its alias.
        alias: Alias,
    },
    /// The passphrase under which new keys would be sealed is not there.
    #[error("no key can be sealed")]
    NoDefaultPassphrase(#[source] PassphraseError),
    /// The sealed half is damaged.
    #[error("key {key} is damaged")]
    Damaged {
        /// The key.
        key: KeyId,
        /// How.
        source: OpenError,
    },
    /// What was sealed is no key, or the secret half of another key.
    #[error("key {key} is damaged: what was sealed is not its secret half")]
    NotItsHalf {
        /// The key.
        key: KeyId,
    },
    /// A key could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A key could not be made.
    #[error(transparent)]
    Make(#[from] SecretKeyError),
    /// A key could not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The process is ending.
    #[error("the work was given up")]
    Ended,
}
