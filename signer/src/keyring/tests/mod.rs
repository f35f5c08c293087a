//! What the keyring promises to callers, on a store that can be watched and can fail.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ring::rand::SystemRandom;
use tuf_schema::Gun;

use super::*;
use crate::backend::{OpenedKeys, SoftwareKeys};
use crate::clock::SystemClock;
use crate::config::Environment;
use crate::metrics::Metrics;
use crate::rights::{Rights, SERVED};
use crate::seal::Sealing;
use crate::seal::passphrase::{Alias, Passphrases};

mod creating;
mod deleting;
mod opening;
mod rates;
mod recording;
mod rights;
mod roleless;
mod signing;
pub(super) mod watched;

use watched::Watched;

const SNAPSHOT: &[u8] = include_bytes!("../../../testdata/snapshot.json");
const TIMESTAMP: &[u8] = include_bytes!("../../../testdata/timestamp.json");

pub(super) fn keyring(store: &Arc<Watched>, passphrase: &str) -> Arc<Keyring> {
    counting(store, passphrase, Arc::new(Metrics::new(false)))
}

fn counting(store: &Arc<Watched>, passphrase: &str, metrics: Arc<Metrics>) -> Arc<Keyring> {
    let (store, backend) = (Arc::clone(store), Box::new(software(passphrase)));
    let (clock, audit) = (Arc::new(SystemClock), Audit::new(metrics));
    Arc::new(Keyring::new(store.clone(), store.clone(), store, backend, clock, audit))
}

pub(super) fn software(passphrase: &str) -> SoftwareKeys {
    let environment = Environment::new([("NOTARY_SIGNER_K1".to_owned(), passphrase.to_owned())]);
    let (passphrases, alias) = (Passphrases::from_environment(environment, &[]), Alias::parse("k1").unwrap());
    SoftwareKeys::new(
        Arc::new(Sealing::with_passphrases(passphrases)),
        alias,
        OpenedKeys::default(),
        Arc::new(SystemClock),
        Arc::new(SystemRandom::new()),
    )
}

fn fresh() -> (Arc<Keyring>, Arc<Watched>) {
    let store = Arc::new(Watched::default());
    (keyring(&store, "right"), store)
}

fn purpose(gun: &str, role: Role) -> Purpose {
    Purpose { gun: Some(Gun::parse(gun).unwrap()), role: Some(role) }
}

/// Why keys cannot be made, if they cannot.
async fn amiss(keyring: &Keyring) -> Option<NotReady> {
    keyring.look().await.into_result(Service::KeyManagement).err()
}

async fn create(keyring: &Arc<Keyring>, role: Role) -> Result<PublicKey, KeyringError> {
    keyring.create(&Caller::for_test(), Algorithm::Ed25519, &purpose("registry.test/app", role)).await
}

async fn sign(keyring: &Arc<Keyring>, key: &PublicKey, content: &[u8]) -> Result<Signed, KeyringError> {
    keyring.sign(&Caller::for_test(), key.id(), None, content).await
}
