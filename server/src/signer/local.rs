//! Keys in this process's memory, for tests and trials: they end with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ring::rand::SecureRandom;
use tuf_schema::sign::{SecretKey, SecretKind};
use tuf_schema::{Gun, KeyId, PublicKey, Signature, SigningKey as _};

use super::{BadAnswer, Custody, KeyAlgorithm, RoleSigner, ServerRole, SignerError};

/// Makes and holds keys in memory.
pub struct LocalSigner {
    rng: Arc<dyn SecureRandom + Send + Sync>,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: BTreeMap<KeyId, Arc<SecretKey>>,
    /// Keys that have not signed yet: they are handed out again, so that asking for keys does not fill the memory.
    pending: BTreeMap<(Gun, ServerRole, &'static str), KeyId>,
}

impl LocalSigner {
    /// Holds no key yet; keys are drawn from `rng`.
    #[must_use]
    pub fn new(rng: Arc<dyn SecureRandom + Send + Sync>) -> Self {
        Self { rng, keys: Mutex::default() }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RoleSigner for LocalSigner {
    async fn create_key(&self, gun: &Gun, role: ServerRole, algorithm: KeyAlgorithm) -> Result<PublicKey, SignerError> {
        let refused = |message| SignerError::Refused { code: "Unknown".to_owned(), message };
        let kind = match algorithm {
            KeyAlgorithm::Ecdsa => SecretKind::EcdsaP256,
            KeyAlgorithm::Ed25519 => SecretKind::Ed25519,
            KeyAlgorithm::Rsa => {
                return Err(refused(format!("algorithm {} not supported for create key", algorithm.as_str())));
            }
        };
        let purpose = (gun.clone(), role, algorithm.as_str());
        let mut keys = self.keys();
        if let Some(waiting) = keys.pending.get(&purpose).and_then(|id| keys.by_id.get(id)) {
            return Ok(waiting.public().clone());
        }
        let key = SecretKey::generate(kind, &*self.rng).map_err(|error| refused(error.to_string()))?;
        let public = key.public().clone();
        keys.pending.insert(purpose, public.id().clone());
        keys.by_id.insert(public.id().clone(), Arc::new(key));
        Ok(public)
    }

    async fn public_key(&self, id: &KeyId) -> Result<Option<PublicKey>, SignerError> {
        Ok(self.keys().by_id.get(id).map(|key| key.public().clone()))
    }

    async fn sign(&self, _: &Gun, key: &PublicKey, content: &[u8]) -> Result<Signature, SignerError> {
        let secret = self.keys().by_id.get(key.id()).cloned();
        let secret = secret.ok_or_else(|| SignerError::NotHeld(key.id().clone()))?;
        let refused = |message| SignerError::Refused { code: "Internal".to_owned(), message };
        let signature = secret.signature(content, &*self.rng).map_err(|error| refused(error.to_string()))?;
        self.keys().pending.retain(|_, waiting| waiting != key.id());
        if key.verifies(content, &signature) {
            Ok(signature)
        } else {
            Err(SignerError::BadAnswer(BadAnswer::BadSignature(key.id().clone())))
        }
    }

    async fn check(&self) -> Result<(), SignerError> {
        Ok(())
    }

    fn custody(&self) -> Custody {
        Custody::Local
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;

    fn signer() -> LocalSigner {
        LocalSigner::new(Arc::new(SystemRandom::new()))
    }

    fn gun(text: &str) -> Gun {
        Gun::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_key_is_handed_out_again_until_it_signs() {
        let signer = signer();
        let create = || signer.create_key(&GUN, ServerRole::Timestamp, KeyAlgorithm::Ed25519);
        static GUN: std::sync::LazyLock<Gun> = std::sync::LazyLock::new(|| gun("g"));
        let first = create().await.unwrap();
        assert_eq!(create().await.unwrap(), first);
        signer.sign(&GUN, &first, b"content").await.unwrap();
        assert_ne!(create().await.unwrap(), first);
        assert_eq!(signer.public_key(first.id()).await.unwrap(), Some(first));
    }

    #[tokio::test]
    async fn keys_of_other_guns_roles_and_algorithms_are_others() {
        let signer = signer();
        let mut ids = std::collections::BTreeSet::new();
        for name in ["g", "h"] {
            for role in ServerRole::ALL {
                for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
                    ids.insert(signer.create_key(&gun(name), role, algorithm).await.unwrap().id().clone());
                }
            }
        }
        assert_eq!(ids.len(), 8);
    }

    #[tokio::test]
    async fn rsa_keys_are_not_made() {
        let made = signer().create_key(&gun("g"), ServerRole::Snapshot, KeyAlgorithm::Rsa).await;
        assert!(matches!(made, Err(SignerError::Refused { message, .. }) if message.contains("algorithm rsa")));
    }

    #[tokio::test]
    async fn a_key_of_somebody_else_is_not_held() {
        let foreign = tuf_schema::testing::secret_key();
        let signer = signer();
        assert_eq!(signer.public_key(foreign.public().id()).await.unwrap(), None);
        let signed = signer.sign(&gun("g"), foreign.public(), b"content").await;
        assert!(matches!(signed, Err(SignerError::NotHeld(id)) if id == *foreign.public().id()));
    }
}
