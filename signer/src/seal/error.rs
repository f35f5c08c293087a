//! Why a key was not sealed or opened: locked, its provider away, or damaged. What each means to a caller is decided in
//! `grpc/status.rs`.

use std::error::Error;

use tuf_schema::key::KeyId;

use super::envelope::MAX_BYTES;
use super::header::MAX_ROUNDS;
use super::passphrase::{Alias, PassphraseError};
use super::wrapping::KeyWrap;
use crate::excerpt::Excerpt;

/// Why a key could not be sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// What would seal is missing, or is not ours to use.
    #[error(transparent)]
    Locked(#[from] Locked),
    /// The provider does not answer.
    #[error(transparent)]
    Away(#[from] Away),
    /// The source of randomness gave none.
    #[error("no randomness to seal with")]
    Randomness,
    /// The cryptographic library refused, or the process is ending.
    #[error("the key could not be encrypted")]
    Encryption,
}

/// Why a sealed key did not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// What would open it is missing, wrong, or not ours to use.
    #[error(transparent)]
    Locked(#[from] Locked),
    /// The provider does not answer.
    #[error(transparent)]
    Away(#[from] Away),
    /// The sealed key is not as it was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// There was no randomness for a trial, or the process is ending.
    #[error("the work was given up")]
    GivenUp,
}

impl From<SealError> for OpenError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Locked(locked) => Self::Locked(locked),
            SealError::Away(away) => Self::Away(away),
            SealError::Randomness | SealError::Encryption => Self::GivenUp,
        }
    }
}

/// Why what is sealed under an alias stays shut, and an operator can change it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Locked {
    /// The passphrase is not there.
    #[error(transparent)]
    NoPassphrase(#[from] PassphraseError),
    /// The secret is there and is not the one that sealed it.
    #[error("{named} does not open it")]
    DoesNotOpen {
        /// The secret as the operator named it, never itself.
        named: String,
    },
    /// The secret is another one than was found first: what is sealed with it would not open together with the rest.
    #[error("{named} has changed since the start, so nothing is sealed with it; put the old one back, or start again")]
    Changed {
        /// The secret as the operator named it.
        named: String,
    },
    /// Another kind of provider is configured than the one that wrapped the key. Rows name aliases, so whoever writes to
    /// the database could have exchanged either: neither is guessed to be right.
    #[error(
        "alias {alias} is configured for {configured} and the key was sealed with {found}; configure the one that sealed it"
    )]
    OtherProvider {
        /// The alias of the row.
        alias: Alias,
        /// What the configuration says.
        configured: KeyWrap,
        /// What the envelope says.
        found: KeyWrap,
    },
    /// The provider is the right kind, and holds another key than the one that wrapped this.
    #[error(
        "alias {alias} is configured for wrapping key {configured:?} and the key was sealed with {found}; configure the one that sealed it"
    )]
    OtherKey {
        /// The alias of the row.
        alias: Alias,
        /// What the configuration says.
        configured: String,
        /// What the envelope says.
        found: Excerpt,
    },
    /// The provider answers, and will not do it.
    #[error("the provider of alias {alias} refuses")]
    Refused {
        /// The alias.
        alias: Alias,
        /// In the provider's words.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The provider of an alias does not answer now; later it may.
#[derive(Debug, thiserror::Error)]
#[error("the provider of alias {alias} does not answer")]
pub(crate) struct Away {
    /// The alias.
    pub(crate) alias: Alias,
    /// What happened.
    pub(crate) source: Box<dyn Error + Send + Sync>,
}

/// How a sealed key differs from what a signer writes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// Not five parts of base64url with the lengths they must have.
    #[error("a sealed key is not a compact JWE")]
    Form,
    /// Longer than any that is written.
    #[error("a sealed key has {found} bytes; up to {MAX_BYTES} are accepted")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The header is not JSON, or names methods that nobody writes.
    #[error("a sealed key names methods that are not supported: {header}")]
    Header {
        /// The beginning of the header.
        header: Excerpt,
    },
    /// The header asks for a number of rounds out of bounds.
    #[error("a sealed key asks for {found} rounds of key derivation; 1 to {MAX_ROUNDS} are accepted")]
    Rounds {
        /// The number found.
        found: u64,
    },
    /// The row's column and the envelope name different methods.
    #[error("a sealed key is of {header} and its column says {column}")]
    Column {
        /// What the column says.
        column: KeyWrap,
        /// What the envelope says.
        header: KeyWrap,
    },
    /// The envelope was made for another key.
    #[error("a sealed key was made for key {found}")]
    OtherKeys {
        /// The key it was made for, as it names it.
        found: KeyId,
    },
    /// The content key unwraps, so the secret is right, and the content was altered.
    #[error("a sealed key was altered")]
    Altered,
}
