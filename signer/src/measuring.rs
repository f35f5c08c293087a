//! What the micro-benchmark reaches of this crate: opening a sealed key. There only with the feature `measuring`.

use std::collections::HashMap;

use tuf_schema::KeyId;

use crate::Randomness;
use crate::seal::passphrase::{Alias, Passphrases};
use crate::seal::{SealedKey, Sealing};

/// A secret sealed with a random passphrase, in the form and with the derivation of the reference.
pub struct SealedSecret {
    sealing: Sealing,
    alias: Alias,
    key: KeyId,
    sealed: SealedKey,
}

impl SealedSecret {
    /// Seals `secret`; `None` without randomness.
    pub async fn new(secret: &[u8], rng: Randomness) -> Option<Self> {
        let passphrases = Passphrases::ephemeral(rng.as_ref()).ok()?;
        let sealing = Sealing::new(passphrases, HashMap::new(), rng);
        let (alias, key) = (Alias::ephemeral(), KeyId::from_wire(&"0".repeat(64)));
        let sealed = sealing.seal(&alias, &key, secret).await.ok()?;
        Some(Self { sealing, alias, key, sealed })
    }

    /// Opens it and says how long the secret is.
    pub async fn open(&self) -> Option<usize> {
        let opened = self.sealing.open_sealed(&self.alias, &self.key, &self.sealed).await;
        Some(opened.ok()?.len())
    }
}
