//! Whether the signer can do its work: the store answers, and the default alias opens what was sealed under it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tuf_schema::UtcTime;

use crate::backend::{BackendError, KeyBackend};
use crate::seal::passphrase::Alias;
use crate::store::{Algorithm, KeyStore, Purpose, StoreError};

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many keys are tried before the passphrase is taken for wrong: a single row may be damaged.
const SAMPLES: u32 = 3;

/// How long the default alias counts as locked before it is tried again, in seconds: a try costs key derivations, and
/// anybody who reaches the port of readiness may ask.
const LOCKED_SECONDS: i64 = 10;

/// What has been found out so far.
#[derive(Default)]
pub(super) struct Readiness {
    /// The default alias opened a key. Passphrases do not change while the process runs.
    proved: AtomicBool,
    /// When it last opened none. Held while it is tried, so that those who ask at once share one try.
    locked: Mutex<Option<UtcTime>>,
}

/// What is amiss.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReady {
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The store takes too long.
    #[error("the key store does not answer within {} seconds", PATIENCE.as_secs())]
    StoreTooSlow,
    /// The passphrase of the default alias opens none of the keys sealed under it.
    #[error("the passphrase of alias {alias} opens no key that was sealed under it; is {variable} right?", variable = alias.variable())]
    DefaultAliasLocked {
        /// The default alias.
        alias: Alias,
    },
    /// A key could not be sealed and opened.
    #[error("sealing fails")]
    Sealing(#[source] BackendError),
}

impl Readiness {
    /// Asks the store each time, and proves the default alias until that has succeeded once.
    pub(super) async fn check(
        &self,
        store: &dyn KeyStore,
        backend: &dyn KeyBackend,
        now: UtcTime,
    ) -> Result<(), NotReady> {
        tokio::time::timeout(PATIENCE, store.probe())
            .await
            .map_err(|_| NotReady::StoreTooSlow)?
            .map_err(NotReady::Store)?;
        if self.proved.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut locked = self.locked.lock().await;
        // a clock that was set back makes the last try old, not young
        let is_locked = locked.is_some_and(|since| (since..since.plus_seconds(LOCKED_SECONDS)).contains(&now));
        if is_locked {
            return Err(NotReady::DefaultAliasLocked { alias: backend.default_alias().clone() });
        }
        // another may have proved it meanwhile
        if !self.proved.load(Ordering::Relaxed) {
            let found = prove(store, backend).await;
            *locked = matches!(found, Err(NotReady::DefaultAliasLocked { .. })).then_some(now);
            found?;
            self.proved.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

async fn prove(store: &dyn KeyStore, backend: &dyn KeyBackend) -> Result<(), NotReady> {
    let alias = backend.default_alias();
    let samples = store.sealed_under(alias, SAMPLES).await.map_err(NotReady::Store)?;
    if samples.is_empty() {
        return prove_with_a_new_key(backend).await.map_err(NotReady::Sealing);
    }
    for sample in samples {
        if backend.prove(&sample).await.is_ok() {
            return Ok(());
        }
    }
    Err(NotReady::DefaultAliasLocked { alias: alias.clone() })
}

/// Seals a key that nobody gets, and opens it again.
async fn prove_with_a_new_key(backend: &dyn KeyBackend) -> Result<(), BackendError> {
    let trial = backend.generate(Algorithm::Ed25519, &Purpose { gun: None, role: None }).await?;
    backend.forget(trial.key.id());
    let opened = backend.prove(&trial).await;
    backend.forget(trial.key.id());
    opened
}
