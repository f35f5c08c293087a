//! What is missing at a start: keys that the stored roots name and the signer does not hold. The server serves what is
//! stored all the same; only what has to be signed fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tuf_schema::{Gun, Role, UtcTime};

use super::keys::can_sign_timestamps;
use crate::clock::Clock;
use crate::logging::STARTUP;
use crate::publish::roots::TrustedRoots;
use crate::signer::{Custody, RoleSigner, SignerError};
use crate::store::{MetadataStore, StoreError};

/// How many repositories are asked for at a time.
const PAGE: u32 = 100;

/// How many repositories are looked at; `admin verify` looks at all.
const LOOKED_AT: usize = 10_000;

/// How many repositories are named.
const NAMED: usize = 5;

/// How long a signer or a database that does not answer is left alone.
const PAUSE: Duration = Duration::from_secs(60);

/// How often in all they may fail to answer. The signer may be started much later than the server, so this is a day.
const MAX_FAILURES: u32 = 24 * 60;

/// After each of how many questions the signer is left to others for a moment.
const BREATH: Duration = Duration::from_millis(1);

/// What was looked at.
#[derive(Debug, Default, PartialEq, Eq)]
struct Missing {
    looked_at: usize,
    is_all: bool,
    /// Repositories whose timestamp cannot be signed anew, the first few by name.
    without_key: usize,
    named: BTreeSet<Gun>,
}

/// Looks once, as soon as database and signer answer, and writes one line if something is missing.
pub(crate) async fn tell_missing(store: &dyn MetadataStore, signer: &dyn RoleSigner, clock: &Arc<dyn Clock>) {
    // Keys in this process's memory are new at each start.
    if signer.custody() == Custody::Local {
        return;
    }
    let (mut look, mut told) = (Look::new(), false);
    for _ in 0..MAX_FAILURES {
        match look.go_on(store, signer, clock).await {
            Ok(()) => return look.missing.tell(),
            Err(LookError::Signer(error)) if !told => {
                told = true;
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(target: STARTUP, error, "the signer does not answer: reads are served, publishes are 503");
            }
            // What goes on not to answer is said by health and by the renewer.
            Err(error) => tracing::debug!(%error, "cannot look for missing keys yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!(
        looked_at = look.missing.looked_at,
        "gave up looking for timestamp keys that the signer does not hold; `bulla-server -config FILE admin verify` looks \
         for them"
    );
}

/// Why it cannot be told what is missing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signer.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// A look that goes on where it was broken off.
struct Look {
    missing: Missing,
    /// The last repository that was looked at.
    after: Option<Gun>,
    roots: TrustedRoots,
}

impl Look {
    fn new() -> Self {
        Self { missing: Missing::default(), after: None, roots: TrustedRoots::new() }
    }

    /// Looks at what has not been looked at.
    ///
    /// # Errors
    /// [`LookError`], after which it may be called again.
    async fn go_on(
        &mut self,
        store: &dyn MetadataStore,
        signer: &dyn RoleSigner,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), LookError> {
        signer.check().await?;
        loop {
            let page = store.guns(self.after.as_ref(), PAGE).await?;
            if page.is_empty() {
                self.missing.is_all = true;
                return Ok(());
            }
            for gun in page {
                if self.missing.looked_at >= LOOKED_AT {
                    return Ok(());
                }
                if !self.is_served(store, signer, &gun, clock.now()).await? {
                    self.missing.note(&gun);
                }
                self.missing.looked_at = self.missing.looked_at.saturating_add(1);
                self.after = Some(gun);
                tokio::time::sleep(BREATH).await;
            }
        }
    }

    /// Whether the signer can sign timestamps of a repository. What is damaged or gone is for `admin verify` to tell.
    async fn is_served(
        &self,
        store: &dyn MetadataStore,
        signer: &dyn RoleSigner,
        gun: &Gun,
        now: UtcTime,
    ) -> Result<bool, LookError> {
        let root = match store.latest(gun, &Role::Root).await {
            Ok(Some(stored)) => self.roots.believe(gun, &stored, now),
            Ok(None) => return Ok(true),
            Err(error) => Err(error),
        };
        let root = match root {
            Err(StoreError::Corrupt { .. }) => return Ok(true),
            root => root?,
        };
        match can_sign_timestamps(signer, gun, root.model(), now).await {
            Ok(can_sign) => Ok(can_sign),
            Err(error @ (SignerError::Unavailable(_) | SignerError::Deadline(_) | SignerError::Busy { .. })) => {
                Err(error.into())
            }
            Err(_) => Ok(false),
        }
    }
}

impl Missing {
    fn note(&mut self, gun: &Gun) {
        self.without_key = self.without_key.saturating_add(1);
        if self.named.len() < NAMED {
            self.named.insert(gun.clone());
        }
    }

    fn tell(&self) {
        if self.without_key == 0 {
            tracing::info!(
                repositories = self.looked_at,
                "the signer holds the timestamp keys that the stored roots name"
            );
            return;
        }
        let first: Vec<&str> = self.named.iter().map(Gun::as_str).collect();
        tracing::warn!(
            target: STARTUP,
            repositories = self.without_key,
            looked_at = self.looked_at,
            all_looked_at = self.is_all,
            first = ?first,
            "the signer does not hold the timestamp keys of some repositories: is its database older than this one, or \
             another's? They are served as stored and cannot be published to; `bulla-server -config FILE admin verify` \
             names each, and what to do"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use tuf_schema::testing::{Publisher, secret_key};
    use tuf_schema::{KeyId, PublicKey, Signature, SigningKey as _, Version};

    use super::*;
    use crate::clock::TestClock;
    use crate::publish::{NewFile, ValidatedUpdate};
    use crate::signer::{KeyAlgorithm, ServerRole};
    use crate::store::memory::MemoryStore;

    /// Holds no key, and does not answer the question with this number.
    struct Forgetful {
        silent_at: u32,
        questions: AtomicU32,
    }

    #[async_trait]
    impl RoleSigner for Forgetful {
        async fn create_key(&self, _: &Gun, _: ServerRole, _: KeyAlgorithm) -> Result<PublicKey, SignerError> {
            Err(SignerError::Unavailable("nothing is made here".into()))
        }

        async fn public_key(&self, _: &KeyId) -> Result<Option<PublicKey>, SignerError> {
            if self.questions.fetch_add(1, Ordering::SeqCst) + 1 == self.silent_at {
                return Err(SignerError::Unavailable("connection refused".into()));
            }
            Ok(None)
        }

        async fn sign(&self, _: &Gun, key: &PublicKey, _: &[u8]) -> Result<Signature, SignerError> {
            Err(SignerError::NotHeld(key.id().clone()))
        }

        async fn check(&self) -> Result<(), SignerError> {
            Ok(())
        }

        fn custody(&self) -> Custody {
            Custody::Remote
        }
    }

    #[tokio::test]
    async fn a_look_that_was_broken_off_goes_on_and_counts_nothing_twice() {
        let clock: Arc<dyn Clock> = TestClock::at("2026-11-21T21:05:00Z");
        let store = MemoryStore::new(Arc::clone(&clock));
        for name in ["a", "b", "c"] {
            let gun = Gun::parse(name).unwrap();
            let key = secret_key();
            let author = Publisher::new(&gun, key.public(), key.public(), clock.now());
            let root = NewFile::new(Role::Root, Version::FIRST, author.root_bytes());
            let timestamp = NewFile::new(Role::Timestamp, Version::FIRST, "timestamp".into());
            store.commit(&ValidatedUpdate::for_store_tests(&gun, None, timestamp, vec![root])).await.unwrap();
        }
        let signer = Forgetful { silent_at: 2, questions: AtomicU32::new(0) };
        let mut look = Look::new();
        let broken_off = look.go_on(&store, &signer, &clock).await;
        assert!(matches!(broken_off, Err(LookError::Signer(SignerError::Unavailable(_)))), "{broken_off:?}");
        assert_eq!((look.missing.looked_at, look.missing.without_key), (1, 1));
        look.go_on(&store, &signer, &clock).await.unwrap();
        let named = ["a", "b", "c"].map(|name| Gun::parse(name).unwrap()).into();
        assert_eq!(look.missing, Missing { looked_at: 3, is_all: true, without_key: 3, named });
        assert_eq!(signer.questions.load(Ordering::SeqCst), 4);
    }
}
