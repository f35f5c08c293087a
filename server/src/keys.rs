//! Public keys of the roles that the server signs: what a client puts into its root.

use std::sync::Arc;

use tuf_schema::model::Root;
use tuf_schema::{PublicKey, Role};

use crate::auth::{Access, Admin, Push};
use crate::publish::load::unverified;
use crate::publish::regenerate::MAX_KEYS_ASKED;
use crate::signer::{KeyAlgorithm, RoleSigner, SignerError};
use crate::store::{MetadataStore, StoreError};

pub use crate::signer::ServerRole;

/// Hands out public keys for the server's roles.
pub struct RoleKeys {
    store: Arc<dyn MetadataStore>,
    signer: Arc<dyn RoleSigner>,
    algorithm: KeyAlgorithm,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The signer failed. This never leads to another key.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RoleKeys {
    /// New keys are made with `algorithm`.
    #[must_use]
    pub fn new(store: Arc<dyn MetadataStore>, signer: Arc<dyn RoleSigner>, algorithm: KeyAlgorithm) -> Self {
        Self { store, signer, algorithm }
    }

    /// The key that the stored root names for the role and that the signer holds; without one, a key that waits for
    /// its first use.
    ///
    /// # Errors
    /// [`KeyError`], also when the signer holds the key and cannot open it.
    pub async fn public_key(&self, access: &Access<Push>, role: ServerRole) -> Result<PublicKey, KeyError> {
        match self.held_key(access, role).await? {
            Some(key) => Ok(key),
            None => self.waiting_key(access, role).await,
        }
    }

    /// The key that the stored root names for the role, if the signer holds it.
    ///
    /// # Errors
    /// [`KeyError`], also when the signer holds the key and cannot open it.
    pub async fn held_key(&self, access: &Access<Push>, role: ServerRole) -> Result<Option<PublicKey>, KeyError> {
        if let Some(stored) = self.store.latest(access.gun(), &Role::Root).await? {
            let root = unverified::<Root>(&Role::Root, &stored)?;
            for id in root.claims().grant(role.into()).key_ids.iter().take(MAX_KEYS_ASKED) {
                if let Some(key) = self.signer.public_key(id).await? {
                    return Ok(Some(key));
                }
            }
        }
        Ok(None)
    }

    /// A key that waits for its first use; made if there is none.
    ///
    /// # Errors
    /// [`KeyError::Signer`].
    pub async fn waiting_key(&self, access: &Access<Push>, role: ServerRole) -> Result<PublicKey, KeyError> {
        Ok(self.signer.create_key(access.gun(), role, self.algorithm).await?)
    }

    /// A key that waits for its first use. Nothing changes until a root that names it is published.
    ///
    /// # Errors
    /// [`KeyError::Signer`].
    pub async fn rotate(&self, access: &Access<Admin>, role: ServerRole) -> Result<PublicKey, KeyError> {
        Ok(self.signer.create_key(access.gun(), role, self.algorithm).await?)
    }
}
