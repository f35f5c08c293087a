//! What is missing at a start: keys that the stored roots name and the signer does not hold. The server serves what is
//! stored all the same; only what has to be signed fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tuf_schema::{Gun, Role};

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

/// After each of how many questions the signer is left to others for a moment.
const BREATH: Duration = Duration::from_millis(1);

/// What was looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
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
    let mut told = false;
    loop {
        match look(store, signer, clock).await {
            Ok(missing) => return missing.tell(),
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
}

/// Why it cannot be told what is missing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signer.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

pub(crate) async fn look(
    store: &dyn MetadataStore,
    signer: &dyn RoleSigner,
    clock: &Arc<dyn Clock>,
) -> Result<Missing, LookError> {
    signer.check().await?;
    let roots = TrustedRoots::new();
    let mut missing = Missing::default();
    let mut after = None;
    loop {
        let page = store.guns(after.as_ref(), PAGE).await?;
        for gun in &page {
            if missing.looked_at >= LOOKED_AT {
                return Ok(missing);
            }
            missing.looked_at = missing.looked_at.saturating_add(1);
            let now = clock.now();
            let root = match store.latest(gun, &Role::Root).await {
                Ok(Some(stored)) => roots.believe(gun, &stored, now),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            // What is damaged is for `admin verify` to tell.
            let root = match root {
                Err(StoreError::Corrupt { .. }) => continue,
                root => root?,
            };
            match can_sign_timestamps(signer, gun, root.model(), now).await {
                Ok(true) => {}
                Ok(false) => missing.note(gun),
                Err(error @ (SignerError::Unavailable(_) | SignerError::Deadline(_))) => return Err(error.into()),
                Err(_) => missing.note(gun),
            }
            tokio::time::sleep(BREATH).await;
        }
        after = page.last().cloned();
        if after.is_none() {
            missing.is_all = true;
            return Ok(missing);
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
