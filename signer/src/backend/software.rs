//! Keys in software: sealed in records, opened in memory to sign.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use async_trait::async_trait;
use ring::rand::SecureRandom;
use tokio::sync::{Mutex, MutexGuard};
use tuf_schema::key::KeyId;
use tuf_schema::sign::{RawSignature, SecretKey, SecretKind, SigningKey as _};
use zeroize::Zeroizing;

use super::opened::OpenedKeys;
use super::unseal::unseal;
use super::{BackendError, KeyBackend, TokenStanding};
use crate::canary;
use crate::clock::Clock;
use crate::memory::stack;
use crate::seal::passphrase::Alias;
use crate::seal::{OpenError, SealError, Sealing};
use crate::store::{Algorithm, KeyKind, KeyRecord, Purpose};

/// Keys that can be opened at the same time; one key is always the same lane.
const LANES: usize = 64;

/// Software keys, sealed under aliases.
pub(crate) struct SoftwareKeys {
    sealing: Arc<Sealing>,
    default_alias: Alias,
    opened: OpenedKeys,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn SecureRandom + Send + Sync>,
    opening: [Mutex<()>; LANES],
}

impl SoftwareKeys {
    /// New keys are sealed under `default_alias`; stored ones open by their own alias.
    #[must_use]
    pub(crate) fn new(
        sealing: Arc<Sealing>,
        default_alias: Alias,
        opened: OpenedKeys,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn SecureRandom + Send + Sync>,
    ) -> Self {
        Self { sealing, default_alias, opened, clock, rng, opening: std::array::from_fn(|_| Mutex::new(())) }
    }

    /// The secret half of a record: held, or opened now.
    async fn secret(&self, record: &KeyRecord) -> Result<Arc<SecretKey>, BackendError> {
        let id = record.key.id();
        if let Some(key) = self.opened.find(id, self.clock.now()) {
            return Ok(key);
        }
        let _lane = self.lane(id).await;
        // another may have opened it meanwhile
        if let Some(key) = self.opened.find(id, self.clock.now()) {
            return Ok(key);
        }
        let mut secret = unseal(&self.sealing, record).await?.secret;
        stack::wiped(|| secret.prepare(self.rng.as_ref()))?;
        let secret = Arc::new(secret);
        self.opened.hold(id.clone(), Arc::clone(&secret), self.clock.now());
        Ok(secret)
    }

    /// Of those that need the same key one opens it, and the others then find it open.
    async fn lane(&self, id: &KeyId) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let index = usize::from(hasher.finish() as u8) % LANES;
        Some(self.opening.get(index)?.lock().await)
    }
}

#[async_trait]
impl KeyBackend for SoftwareKeys {
    fn kind(&self, algorithm: Algorithm, _purpose: &Purpose) -> Result<KeyKind, BackendError> {
        match algorithm {
            Algorithm::Ecdsa | Algorithm::Ed25519 => Ok(KeyKind::Software(algorithm)),
            Algorithm::Rsa => Err(BackendError::Unsupported(algorithm)),
        }
    }

    async fn generate(&self, algorithm: Algorithm, purpose: &Purpose) -> Result<KeyRecord, BackendError> {
        let rng = Arc::clone(&self.rng);
        let making = tokio::task::spawn_blocking(move || stack::wiped(|| make(algorithm, rng.as_ref())));
        let (mut secret, plaintext) = making.await.map_err(|_| BackendError::Ended)??;
        let sealed = self.sealing.seal(&self.default_alias, secret.public().id(), &plaintext).await?;
        stack::wiped(|| secret.prepare(self.rng.as_ref()))?;
        let record = KeyRecord {
            key: secret.public().clone(),
            purpose: purpose.clone(),
            alias: self.default_alias.clone(),
            sealed,
            last_used: None,
            retired: None,
        };
        self.opened.hold(record.key.id().clone(), Arc::new(secret), self.clock.now());
        Ok(record)
    }

    async fn discard(&self, record: &KeyRecord) {
        self.forget(record.key.id());
    }

    async fn prove(&self, record: &KeyRecord) -> Result<(), BackendError> {
        self.secret(record).await.map(|_| ())
    }

    async fn try_anew(&self, record: &KeyRecord) -> Result<(), BackendError> {
        let secret = unseal(&self.sealing, record).await?.secret;
        let signature = stack::wiped(|| secret.signature(canary::MESSAGE, self.rng.as_ref()))?;
        let not_its_half = || BackendError::NotItsHalf { key: record.key.id().clone() };
        record.key.verifies(canary::MESSAGE, &signature).then_some(()).ok_or_else(not_its_half)
    }

    async fn sign(&self, record: &KeyRecord, message: &[u8]) -> Result<RawSignature, BackendError> {
        let secret = self.secret(record).await?;
        Ok(stack::wiped(|| secret.sign(message, self.rng.as_ref()))?)
    }

    async fn prove_alias(&self, alias: &Alias) -> Result<(), BackendError> {
        self.sealing.prove(alias).await.map_err(|error| match error {
            OpenError::Locked(locked) => BackendError::NothingToSealWith(locked),
            OpenError::Away(away) => BackendError::Seal(SealError::Away(away)),
            OpenError::Damaged(_) => BackendError::Seal(SealError::Encryption),
            OpenError::GivenUp => BackendError::Ended,
        })
    }

    fn may_be_away(&self, alias: &Alias) -> bool {
        self.sealing.may_be_away(alias)
    }

    async fn look_at_tokens(&self) -> Vec<TokenStanding> {
        Vec::new()
    }

    fn default_alias(&self) -> &Alias {
        &self.default_alias
    }

    fn forget(&self, id: &KeyId) {
        self.opened.forget(id);
    }

    fn sweep(&self) {
        self.opened.sweep(self.clock.now());
    }
}

/// A new key, and what is sealed of it, in the reference's form.
fn make(algorithm: Algorithm, rng: &dyn SecureRandom) -> Result<(SecretKey, Zeroizing<Vec<u8>>), BackendError> {
    match algorithm {
        Algorithm::Ecdsa => {
            let secret = SecretKey::generate(SecretKind::EcdsaP256, rng)?;
            let plaintext = secret.to_sec1_der()?;
            Ok((secret, plaintext))
        }
        Algorithm::Ed25519 => {
            let secret = SecretKey::generate(SecretKind::Ed25519, rng)?;
            let plaintext = secret.to_ed25519_reference()?;
            Ok((secret, plaintext))
        }
        Algorithm::Rsa => Err(BackendError::Unsupported(algorithm)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ring::rand::SystemRandom;
    use tuf_schema::UtcTime;
    use tuf_schema::signature::Signature;

    use super::*;
    use crate::config::Environment;
    use crate::seal::passphrase::Passphrases;
    use crate::seal::{KeyWrap, Locked, SealedKey};

    struct SetClock(Mutex<i64>);

    impl Clock for SetClock {
        fn now(&self) -> UtcTime {
            UtcTime::from_unix_seconds(*self.0.lock().unwrap()).unwrap()
        }
    }

    const NO_PURPOSE: Purpose = Purpose { gun: None, role: None };

    fn keys(variables: &[(&str, &str)], default_alias: &str) -> (SoftwareKeys, Arc<SetClock>) {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let passphrases = Passphrases::from_environment(Environment::new(variables), &[]);
        let clock = Arc::new(SetClock(Mutex::new(1000)));
        let alias = Alias::parse(default_alias).unwrap();
        let sealing = Arc::new(Sealing::with_passphrases(passphrases));
        let rng = Arc::new(SystemRandom::new());
        (SoftwareKeys::new(sealing, alias, OpenedKeys::default(), Arc::clone(&clock) as Arc<dyn Clock>, rng), clock)
    }

    async fn record() -> KeyRecord {
        let (keys, _) = keys(&[("NOTARY_SIGNER_K1", "right")], "k1");
        keys.generate(Algorithm::Ed25519, &NO_PURPOSE).await.unwrap()
    }

    #[tokio::test]
    async fn another_signer_with_the_passphrase_signs_with_a_new_key() {
        let (maker, _) = keys(&[("NOTARY_SIGNER_K1", "right")], "k1");
        let (signer, _) = keys(&[("NOTARY_SIGNER_K1", "right"), ("NOTARY_SIGNER_K2", "new")], "k2");
        for algorithm in [Algorithm::Ecdsa, Algorithm::Ed25519] {
            let record = maker.generate(algorithm, &NO_PURPOSE).await.unwrap();
            assert_eq!(record.key.key_type().name(), algorithm.name());
            let signed = signer.sign(&record, b"message").await.unwrap();
            let signature = Signature { key_id: record.key.id().clone(), method: signed.method, bytes: signed.bytes };
            assert!(record.key.verifies(b"message", &signature));
        }
    }

    #[tokio::test]
    async fn a_wrong_passphrase_is_told_by_its_variable() {
        let (keys, _) = keys(&[("NOTARY_SIGNER_K1", "wrong")], "k1");
        let record = record().await;
        let refusal = keys.sign(&record, b"message").await.unwrap_err();
        let BackendError::Locked { key, source: Locked::DoesNotOpen { named } } = refusal else { panic!("{refusal}") };
        assert_eq!((&key, named.as_str()), (record.key.id(), "the passphrase in NOTARY_SIGNER_K1"));
    }

    #[tokio::test]
    async fn a_missing_passphrase_is_not_a_wrong_one() {
        let (keys, _) = keys(&[("NOTARY_SIGNER_K2", "other")], "k2");
        let refusal = keys.sign(&record().await, b"message").await.unwrap_err();
        assert!(matches!(refusal, BackendError::Locked { source: Locked::NoPassphrase(_), .. }), "{refusal}");
    }

    #[tokio::test]
    async fn the_sealed_half_of_another_key_is_not_used() {
        let (keys, _) = keys(&[("NOTARY_SIGNER_K1", "right")], "k1");
        let swapped = KeyRecord { sealed: record().await.sealed, ..record().await };
        let refusal = keys.sign(&swapped, b"message").await.unwrap_err();
        assert!(matches!(refusal, BackendError::NotItsHalf { .. }), "{refusal}");
    }

    #[tokio::test]
    async fn a_key_is_tried_by_its_row_and_not_by_what_is_held_open_of_it() {
        let (keys, _) = keys(&[("NOTARY_SIGNER_K1", "right")], "k1");
        for algorithm in [Algorithm::Ecdsa, Algorithm::Ed25519] {
            let record = keys.generate(algorithm, &NO_PURPOSE).await.unwrap();
            keys.try_anew(&record).await.unwrap();
            let unsealable = KeyRecord { sealed: SealedKey::from_row(KeyWrap::Passphrase, "x".to_owned()), ..record };
            keys.prove(&unsealable).await.unwrap();
            assert!(matches!(keys.try_anew(&unsealable).await, Err(BackendError::Damaged { .. })));
        }
    }

    #[tokio::test]
    async fn a_key_that_was_tried_is_not_held_open() {
        let (keys, _) = keys(&[("NOTARY_SIGNER_K1", "right")], "k1");
        let record = record().await;
        keys.try_anew(&record).await.unwrap();
        let unsealable = KeyRecord { sealed: SealedKey::from_row(KeyWrap::Passphrase, "x".to_owned()), ..record };
        assert!(matches!(keys.prove(&unsealable).await, Err(BackendError::Damaged { .. })));
    }

    #[tokio::test]
    async fn a_key_is_held_until_it_is_forgotten_or_too_old() {
        let (keys, clock) = keys(&[("NOTARY_SIGNER_K1", "right")], "k1");
        let record = keys.generate(Algorithm::Ed25519, &NO_PURPOSE).await.unwrap();
        // a sealed half that cannot be opened shows whether it is asked for
        let unsealable = KeyRecord { sealed: SealedKey::from_row(KeyWrap::Passphrase, "x".to_owned()), ..record };
        keys.prove(&unsealable).await.unwrap();
        *clock.0.lock().unwrap() += 599;
        keys.prove(&unsealable).await.unwrap();
        *clock.0.lock().unwrap() += 1;
        assert!(matches!(keys.prove(&unsealable).await, Err(BackendError::Damaged { .. })));
        *clock.0.lock().unwrap() -= 1;
        keys.forget(unsealable.key.id());
        assert!(matches!(keys.prove(&unsealable).await, Err(BackendError::Damaged { .. })));
    }
}
