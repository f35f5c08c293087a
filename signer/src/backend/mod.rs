//! What holds secret halves: it makes keys and signs with them, and never shows one.

use async_trait::async_trait;
use tuf_schema::key::KeyId;
use tuf_schema::sign::{RawSignature, SecretKeyError, SignError};

use crate::excerpt::Excerpt;
use crate::seal::passphrase::Alias;
use crate::seal::{Away, Damage, Locked, OpenError, SealError};
use crate::store::{Algorithm, KeyKind, KeyRecord, Purpose};
use crate::token::{TokenError, TokenName};

#[cfg(test)]
mod golden;
mod on_token;
mod opened;
mod places;
mod software;
mod unseal;

pub(crate) use on_token::TokenKeys;
pub(crate) use opened::OpenedKeys;
pub(crate) use places::Places;
pub(crate) use software::SoftwareKeys;
pub(crate) use unseal::unseal;

/// Makes and uses keys. The records it makes are stored by its caller.
#[async_trait]
pub(crate) trait KeyBackend: Send + Sync {
    /// What kind of key would be made for a purpose.
    fn kind(&self, algorithm: Algorithm, purpose: &Purpose) -> Result<KeyKind, BackendError>;

    /// Makes a key for a purpose.
    async fn generate(&self, algorithm: Algorithm, purpose: &Purpose) -> Result<KeyRecord, BackendError>;

    /// Undoes [`KeyBackend::generate`]: the record was not stored, and is not going to be.
    async fn discard(&self, record: &KeyRecord);

    /// Whether the secret half of a stored key can be used.
    async fn prove(&self, record: &KeyRecord) -> Result<(), BackendError>;

    /// Opens a stored key anew, whatever is held open, and has it sign [`canary::MESSAGE`](crate::canary::MESSAGE). Nothing of
    /// it is kept, so that keys in use are not pushed out of memory.
    async fn try_anew(&self, record: &KeyRecord) -> Result<(), BackendError>;

    /// Signs `message` with a stored key.
    async fn sign(&self, record: &KeyRecord, message: &[u8]) -> Result<RawSignature, BackendError>;

    /// Whether a key could be sealed under an alias now, and opened again. Makes none.
    async fn prove_alias(&self, alias: &Alias) -> Result<(), BackendError>;

    /// Whether what seals under an alias is not in this process, so that it may stop answering.
    fn may_be_away(&self, alias: &Alias) -> bool;

    /// How each token fares: whether keys are made on it, and why it cannot be used if it cannot.
    async fn look_at_tokens(&self) -> Vec<TokenStanding>;

    /// The alias under which new keys are sealed.
    fn default_alias(&self) -> &Alias;

    /// Drops what is held in memory of a key.
    fn forget(&self, id: &KeyId);

    /// Drops what has been held in memory for too long.
    fn sweep(&self);
}

/// How a token fares.
#[derive(Debug)]
pub(crate) struct TokenStanding {
    /// The token.
    pub(crate) token: TokenName,
    /// Whether new keys are made on it.
    pub(crate) makes_keys: bool,
    /// Why it cannot be used, if it cannot.
    pub(crate) amiss: Option<BackendError>,
}

/// Why a secret half could not be made or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    /// What opens the key is missing or wrong.
    #[error("key {key} is locked")]
    Locked {
        /// The key.
        key: KeyId,
        /// What to change.
        source: Locked,
    },
    /// The provider that opens the key does not answer.
    #[error("key {key} cannot be opened now")]
    Away {
        /// The key.
        key: KeyId,
        /// Which provider.
        source: Away,
    },
    /// What new keys would be sealed with is missing or wrong.
    #[error("no key can be sealed")]
    NothingToSealWith(#[source] Locked),
    /// The sealed half is damaged.
    #[error("key {key}, sealed under alias {alias}, is damaged")]
    Damaged {
        /// The key.
        key: KeyId,
        /// The alias of its row.
        alias: Alias,
        /// How.
        source: Damage,
    },
    /// What was sealed is no key, or the secret half of another key.
    #[error("key {key} is damaged: what was sealed is not its secret half")]
    NotItsHalf {
        /// The key.
        key: KeyId,
    },
    /// Nothing makes keys of this algorithm; the text is the reference's.
    #[error("algorithm {} not supported for create key", .0.name())]
    Unsupported(Algorithm),
    /// The key is on a token that is not configured.
    #[error("key {key} is on token {token}, which is not configured: name it under tokens")]
    UnknownToken {
        /// The key.
        key: KeyId,
        /// The token, as the row names it.
        token: Excerpt,
    },
    /// The row says that a token has the key, and does not say which object it is.
    #[error("key {key} is damaged: its row names no object on a token")]
    NamesNoObject {
        /// The key.
        key: KeyId,
    },
    /// What the token gave is no signature of the key.
    #[error("key {key} is damaged: what token {token} signs with its object does not fit its public half")]
    WrongSignature {
        /// The key.
        key: KeyId,
        /// The token.
        token: TokenName,
    },
    /// The token did not sign.
    #[error("key {key} cannot sign")]
    Token {
        /// The key.
        key: KeyId,
        /// Why not.
        source: TokenError,
    },
    /// The token made no key.
    #[error("no key can be made")]
    MakeOnToken(#[source] TokenError),
    /// The token cannot be used.
    #[error(transparent)]
    TokenAway(TokenError),
    /// A key could not be sealed.
    #[error(transparent)]
    Seal(SealError),
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

impl BackendError {
    /// Whether it may pass without anybody changing a secret or the configuration.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Seal(SealError::Away(_)) | Self::Ended)
    }

    /// Why a stored key did not open.
    fn of_opening(record: &KeyRecord, error: OpenError) -> Self {
        let key = record.key.id().clone();
        match error {
            OpenError::Locked(source) => Self::Locked { key, source },
            OpenError::Away(source) => Self::Away { key, source },
            OpenError::Damaged(source) => Self::Damaged { key, alias: record.alias.clone(), source },
            OpenError::GivenUp => Self::Ended,
        }
    }
}

impl From<SealError> for BackendError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Locked(locked) => Self::NothingToSealWith(locked),
            error @ (SealError::Away(_) | SealError::Randomness | SealError::Encryption) => Self::Seal(error),
        }
    }
}
