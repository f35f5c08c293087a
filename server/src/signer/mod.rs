//! Who signs for the server: keys of the server's roles are held elsewhere and only asked to sign.

use std::error::Error as StdError;
use std::time::Duration;

use async_trait::async_trait;
use tuf_schema::{BaseRole, Gun, KeyId, KeyType, PublicKey, Role, Signature};

pub mod grpc;
pub mod local;
mod trust;

pub use trust::TrustError;

/// Holds the keys of the roles that the server signs.
#[async_trait]
pub trait RoleSigner: Send + Sync {
    /// Hands out the key that waits for its first use by this GUN and role, or makes one.
    async fn create_key(&self, gun: &Gun, role: ServerRole, algorithm: KeyAlgorithm) -> Result<PublicKey, SignerError>;

    /// The public half of a key; `None` when the signer does not hold it.
    ///
    /// A key that the signer holds and cannot open is an error and never `None`.
    async fn public_key(&self, id: &KeyId) -> Result<Option<PublicKey>, SignerError>;

    /// As [`Self::public_key`], for signing: an answer may be remembered from earlier, as signing finds out whether it
    /// still holds.
    async fn signing_key(&self, id: &KeyId) -> Result<Option<PublicKey>, SignerError> {
        self.public_key(id).await
    }

    /// Signs `content`, the canonical form of a signed part of a document of `gun`. The signature is checked with `key`
    /// before it is handed out.
    ///
    /// Documents do not say of which repository they are, so a signer that knows whose a key is compares.
    async fn sign(&self, gun: &Gun, key: &PublicKey, content: &[u8]) -> Result<Signature, SignerError>;

    /// Whether the signer can be reached and says that it works.
    async fn check(&self) -> Result<(), SignerError>;

    /// Where the keys are; the reference words its refusals by it.
    fn custody(&self) -> Custody;
}

/// The roles that the server signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerRole {
    /// Only where root names a snapshot key that the signer holds.
    Snapshot,
    /// Always.
    Timestamp,
}

/// The algorithm of new keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256.
    #[default]
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// RSA, which a signer makes on tokens only.
    Rsa,
}

/// Where a signer's keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Custody {
    /// In another process.
    Remote,
    /// In this process, in memory.
    Local,
}

/// Why the signer did not do what it was asked. None of these means that the key does not exist, except
/// [`SignerError::NotHeld`].
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// Asked to sign with a key that the signer does not hold.
    #[error("the signer does not hold key {0}")]
    NotHeld(KeyId),
    /// The signer cannot be reached or broke off.
    #[error("the signer cannot be reached")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// The signer did not answer in time.
    #[error("the signer did not answer within {} seconds", .0.as_secs())]
    Deadline(Duration),
    /// The signer holds a key and cannot open it.
    #[error("the signer cannot open a key: {message}")]
    WrongPassphrase {
        /// The signer's words.
        message: String,
    },
    /// The signer takes no more questions of this server, or none for this key, for a while.
    #[error("the signer takes no more questions for now: {message}")]
    Busy {
        /// The signer's words, with the time to wait.
        message: String,
    },
    /// The signer does not let this server do that, or failed.
    #[error("the signer refused with {code}: {message}")]
    Refused {
        /// The name of the gRPC status.
        code: String,
        /// The signer's words.
        message: String,
    },
    /// The signer's answer cannot be used.
    #[error("the signer's answer cannot be used: {0}")]
    BadAnswer(BadAnswer),
}

/// What is wrong with a signer's answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// A field that must be there is not.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// The id is not the hash of the key.
    #[error("it names key {named} where {expected} is meant")]
    OtherKey {
        /// The id in the answer.
        named: KeyId,
        /// The id asked for, or the hash of the key in the answer.
        expected: KeyId,
    },
    /// The signature does not verify with the key.
    #[error("key {0} did not make the signature")]
    BadSignature(KeyId),
}

impl ServerRole {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Snapshot, Self::Timestamp];

    /// The name in metadata, URLs and in the signer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }
}

impl From<ServerRole> for Role {
    fn from(role: ServerRole) -> Self {
        match role {
            ServerRole::Snapshot => Self::Snapshot,
            ServerRole::Timestamp => Self::Timestamp,
        }
    }
}

impl From<ServerRole> for BaseRole {
    fn from(role: ServerRole) -> Self {
        match role {
            ServerRole::Snapshot => Self::Snapshot,
            ServerRole::Timestamp => Self::Timestamp,
        }
    }
}

impl KeyAlgorithm {
    /// The algorithm that configuration names.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Ecdsa, Self::Ed25519, Self::Rsa].into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The name in configuration and in the signer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
        }
    }
}

impl From<KeyAlgorithm> for KeyType {
    fn from(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::Ecdsa => Self::Ecdsa,
            KeyAlgorithm::Ed25519 => Self::Ed25519,
            KeyAlgorithm::Rsa => Self::Rsa,
        }
    }
}
