//! Where sealed keys are kept: the few questions the signer asks, and what a record holds.
//!
//! `memory` is the specification; every engine passes the same suite, `conformance`.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tuf_schema::key::{KeyId, KeyShape, PublicKey};
use tuf_schema::{Gun, Role, UtcTime};

use crate::config::Storage;
use crate::seal::passphrase::Alias;
use crate::seal::{KeyWrap, SealedKey};
use crate::token::TokenName;

pub(crate) mod backup;
#[cfg(test)]
mod conformance;
pub(crate) mod heads;
#[cfg(test)]
mod life_conformance;
pub(crate) mod memory;
mod open;
pub(crate) mod roles;
mod sql;
pub(crate) mod stored;
pub(crate) mod wrapped;

use heads::HeadStore;
pub(crate) use open::{open_backups, open_life};
use roles::KeyRoles;
pub use sql::OpenStoreError;
#[cfg(test)]
pub(crate) use sql::scratch;
pub(crate) use sql::sound;
pub(crate) use sql::{open_mysql, open_postgres, open_sqlite};
use wrapped::WrappedKeys;

/// A store with everything that is asked of one.
pub(crate) trait Store: KeyStore + WrappedKeys + KeyRoles + HeadStore {}

impl<S: KeyStore + WrappedKeys + KeyRoles + HeadStore> Store for S {}

/// Opens the store that the configuration names.
///
/// # Errors
/// [`OpenStoreError`] names the file or the database.
pub(crate) async fn open(storage: &Storage) -> Result<Arc<dyn Store>, OpenStoreError> {
    Ok(match storage {
        Storage::Memory => Arc::new(memory::MemoryKeyStore::default()),
        Storage::Sqlite(file) => Arc::new(open_sqlite(file).await?),
        Storage::MySql(dsn, settings) => Arc::new(open_mysql(dsn, *settings).await?),
        Storage::Postgres(dsn, settings) => Arc::new(open_postgres(dsn, *settings).await?),
    })
}

/// A key at rest. Nothing in it is secret without the passphrase of its alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// The public half; its id names the record.
    pub(crate) key: PublicKey,
    /// What the key was made for.
    pub(crate) purpose: Purpose,
    /// Under whose passphrase the secret half is sealed, or which token has it.
    pub(crate) alias: Alias,
    /// The secret half, or the name of its object on a token.
    pub(crate) sealed: SealedKey,
    /// When the key last signed; `None` for a key that has not signed yet.
    pub(crate) last_used: Option<UtcTime>,
    /// Since when the key signs no more; `None` for one that is not retired.
    pub(crate) retired: Option<UtcTime>,
}

/// What a key was made for. The reference allows a key for no repository and no role in particular.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Purpose {
    /// The repository.
    pub(crate) gun: Option<Gun>,
    /// The role.
    pub(crate) role: Option<Role>,
}

/// Sealed keys by id. Deleted keys stay stored and answer no question.
#[async_trait]
pub(crate) trait KeyStore: Send + Sync {
    /// The key of this id.
    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError>;

    /// The unused key of this purpose and kind with the lowest id; a retired one is never handed out.
    async fn pending(&self, purpose: &Purpose, kind: &KeyKind) -> Result<Option<KeyRecord>, StoreError>;

    /// Adds a key, unless there is an unused one of its purpose and kind: then that one is given back, and none
    /// added. Of several signers that ask at once one adds, and the others get its key. Durable on return.
    /// [`StoreError::Duplicate`] if the id was ever stored before.
    async fn insert_unless_pending(&self, record: &KeyRecord, now: UtcTime) -> Result<Option<KeyRecord>, StoreError>;

    /// Adds a key beside whatever is there, as a signer of the reference may have done.
    #[cfg(test)]
    async fn insert(&self, record: &KeyRecord, now: UtcTime) -> Result<(), StoreError>;

    /// Notes when keys signed; durable on return. Earlier times than the one noted and unknown keys are passed over.
    async fn mark_used(&self, uses: &[(KeyId, UtcTime)]) -> Result<(), StoreError>;

    /// Deletes one key; durable on return. False if there was none.
    async fn delete(&self, id: &KeyId, now: UtcTime) -> Result<bool, StoreError>;

    /// Some of the keys that are sealed under an alias, at most `limit`; damaged rows are passed over.
    async fn sealed_under(&self, alias: &Alias, limit: u32) -> Result<Vec<KeyRecord>, StoreError>;

    /// The ids of the keys that were stored last, at most `limit`, the last one first; deleted ones too.
    async fn newest(&self, limit: u32) -> Result<Vec<KeyId>, StoreError>;

    /// Whether the store answers.
    async fn probe(&self) -> Result<(), StoreError>;
}

/// The algorithms of keys that the signer makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// RSA; only on a token.
    Rsa,
}

/// What kind of key is made for a purpose. A key that waits for its first use is handed out in place of a new one of its
/// own kind only: whoever asks for a key on a token does not get one in software that was left over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// Sealed in its row; of the one form that the reference makes.
    Software(Algorithm),
    /// On a token.
    OnToken {
        /// Which.
        token: TokenName,
        /// The curve, or the length of the modulus.
        shape: KeyShape,
    },
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The engine did not answer, or refused.
    #[error("the key store does not answer")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The table cannot hold the key as it is: a text is too long for it, or has a character outside its set.
    #[error("the key store's table cannot hold the key")]
    DoesNotFit(#[source] Box<dyn Error + Send + Sync>),
    /// A key of this id is or was stored.
    #[error("key {0} is already stored")]
    Duplicate(KeyId),
    /// A row holds what no signer writes.
    #[error("the stored row of key {key} is damaged: {fact}")]
    Damaged {
        /// The id in the row.
        key: KeyId,
        /// What is wrong.
        fact: &'static str,
    },
}

impl StoreError {
    /// The same failure for one more of those who asked together.
    pub(crate) fn again(self: &Arc<Self>) -> Self {
        match &**self {
            Self::Unavailable(_) => Self::Unavailable(Box::new(SharedCause(Arc::clone(self)))),
            Self::DoesNotFit(_) => Self::DoesNotFit(Box::new(SharedCause(Arc::clone(self)))),
            Self::Duplicate(id) => Self::Duplicate(id.clone()),
            Self::Damaged { key, fact } => Self::Damaged { key: key.clone(), fact },
        }
    }
}

/// What is behind a failure that several are told.
#[derive(Debug)]
struct SharedCause(Arc<StoreError>);

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.source().map_or(Ok(()), |cause| fmt::Display::fmt(cause, f))
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source().and_then(Error::source)
    }
}

impl Algorithm {
    /// The name in the contract and in rows.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
        }
    }

    /// The algorithm of this name, matched exactly as in the reference.
    #[must_use]
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "ecdsa" => Some(Self::Ecdsa),
            "ed25519" => Some(Self::Ed25519),
            "rsa" => Some(Self::Rsa),
            _ => None,
        }
    }
}

impl KeyKind {
    /// The algorithm's name in the contract and in rows.
    #[must_use]
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Software(algorithm) => *algorithm,
            Self::OnToken { shape: KeyShape::Ecdsa(_), .. } => Algorithm::Ecdsa,
            Self::OnToken { shape: KeyShape::Ed25519, .. } => Algorithm::Ed25519,
            Self::OnToken { shape: KeyShape::Rsa { .. }, .. } => Algorithm::Rsa,
        }
    }
}

impl KeyRecord {
    /// What kind of key it is; nothing for one that no signer makes.
    #[must_use]
    pub(crate) fn kind(&self) -> Option<KeyKind> {
        match self.sealed.key_wrap() {
            KeyWrap::Held => {
                Some(KeyKind::OnToken { token: TokenName::parse(self.alias.as_str())?, shape: self.key.shape()? })
            }
            KeyWrap::Passphrase | KeyWrap::Token | KeyWrap::Vault => {
                Algorithm::parse(self.key.key_type().name()).map(KeyKind::Software)
            }
        }
    }

    /// Whether the key may still be handed out: it has not signed, and may sign.
    fn is_unused(&self) -> bool {
        self.last_used.is_none() && self.retired.is_none()
    }
}

impl Purpose {
    /// Whether a record is an unused key, not retired, of this purpose and kind, compared byte for byte.
    #[must_use]
    pub(crate) fn is_pending(&self, kind: &KeyKind, record: &KeyRecord) -> bool {
        record.purpose == *self && record.kind().as_ref() == Some(kind) && record.is_unused()
    }

    /// The repository as rows and the contract write it: empty for none.
    #[must_use]
    pub(crate) fn gun_text(&self) -> &str {
        self.gun.as_ref().map_or("", Gun::as_str)
    }

    /// The role as rows and the contract write it: empty for none.
    #[must_use]
    pub(crate) fn role_text(&self) -> &str {
        self.role.as_ref().map_or("", Role::as_str)
    }
}
