//! Canaries: now and then a few keys are opened anew and have to sign, so that what is wrong with a key is told before a
//! publish or a renewal needs it.
//!
//! The cost of a round is bounded, however many keys there are. Nothing that is learnt here decides whether a key is used.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::timeout;
use tuf_schema::UtcTime;
use tuf_schema::key::KeyId;

use super::{BackendError, KeyBackend, KeyStore, StoreError};
use crate::causes::WithCauses;
use crate::excerpt::Excerpt;
use crate::seal::Locked;
use crate::seal::passphrase::Alias;
use crate::store::KeyRecord;
use crate::store::wrapped::WrappedKeys;

mod ledger;
#[cfg(test)]
mod tests;

pub(crate) use ledger::{Kind, Told};
use ledger::{Ledger, Noted};

/// How long one key may take: a provider that hangs must not hold up the round.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many rows of an alias that was not met yet are looked at, for a key of each algorithm.
const SAMPLES: u32 = 32;

/// Which keys are tried next, and what became of those before.
pub(super) struct Canaries {
    ledger: Ledger,
    /// How far the walk through all keys has come, in the order of their ids. One at the end begins anew.
    walked: Option<KeyId>,
}

/// What a round asks.
pub(super) struct Asked<'a> {
    pub(super) store: &'a dyn KeyStore,
    pub(super) wrapped: &'a dyn WrappedKeys,
    pub(super) backend: &'a dyn KeyBackend,
}

/// Why a key is not sound.
#[derive(Debug, thiserror::Error)]
enum Unsound {
    /// Its row is not that of a key.
    #[error(transparent)]
    Row(StoreError),
    /// It does not open, or does not sign.
    #[error(transparent)]
    Secret(#[from] BackendError),
    /// What opens it takes too long.
    #[error("it has not signed within {} seconds", PATIENCE.as_secs())]
    TooSlow,
}

impl Canaries {
    /// The walk begins behind `start`, another place in each process, so that signers that are often started anew, or share
    /// a store, do not all try the same keys.
    pub(super) fn new(start: Option<KeyId>) -> Self {
        Self { ledger: Ledger::default(), walked: start }
    }

    /// Tries `at_once` keys at most and says how keys of each kind stand.
    ///
    /// # Errors
    /// When the store fails: nothing is found out about keys then.
    pub(super) async fn round(
        &mut self,
        asked: &Asked<'_>,
        at_once: u32,
        now: UtcTime,
    ) -> Result<Vec<Told>, StoreError> {
        // aliases whose provider is away: more of their keys would only wait for it
        let mut given_up = BTreeSet::new();
        for id in self.choose(asked, at_once).await? {
            match asked.store.find(&id).await {
                Ok(Some(record)) if record.retired.is_none() => {
                    self.try_key(&record, asked.backend, &mut given_up, now).await;
                }
                // it is deleted, or signs no more
                Ok(_) => self.ledger.forget(&id),
                Err(error @ StoreError::Damaged { .. }) => {
                    let kind = self.ledger.kind_of(&id).cloned().unwrap_or_else(Kind::unknown);
                    self.note(kind, &id, Some(&Unsound::Row(error)), now);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.ledger.told())
    }

    /// Those that failed, the newest ones, one of each kind, and for the rest of the round those that were not looked at for
    /// the longest, which in a walk in one order are the next ones. None but the last may take more than a quarter.
    async fn choose(&mut self, asked: &Asked<'_>, at_once: u32) -> Result<Vec<KeyId>, StoreError> {
        let quarter = at_once / 4;
        let share = usize::try_from(quarter).unwrap_or(usize::MAX);
        let mut chosen: Vec<KeyId> = Vec::new();
        let mut add = |ids: &mut dyn Iterator<Item = KeyId>| {
            for id in ids {
                if !chosen.contains(&id) {
                    chosen.push(id);
                }
            }
            chosen.len()
        };
        add(&mut self.ledger.failing().into_iter().take(share));
        add(&mut asked.store.newest(quarter).await?.into_iter());
        let unmet = self.unmet(asked).await?;
        let taken = add(&mut unmet.into_iter().chain(self.ledger.sound()).take(share));
        let left = at_once.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        let page = asked.wrapped.page(self.walked.as_ref(), left).await?;
        let is_whole = u32::try_from(page.len()).is_ok_and(|length| length == left);
        self.walked = page.last().filter(|_| is_whole).map(|last| last.id.clone());
        add(&mut page.into_iter().map(|row| row.id));
        Ok(chosen)
    }

    /// A key of each algorithm under each alias of which none was met so far.
    async fn unmet(&self, asked: &Asked<'_>) -> Result<Vec<KeyId>, StoreError> {
        let mut unmet = Vec::new();
        for of_alias in asked.wrapped.aliases().await?.into_iter().filter(|of_alias| of_alias.keys > 0) {
            if self.ledger.has_met(&of_alias.alias) || self.ledger.is_full() {
                continue;
            }
            let mut algorithms = BTreeSet::new();
            for record in asked.store.sealed_under(&of_alias.alias, SAMPLES).await? {
                if record.retired.is_none() && algorithms.insert(Kind::of(&record)) {
                    unmet.push(record.key.id().clone());
                }
            }
        }
        Ok(unmet)
    }

    async fn try_key(
        &mut self,
        record: &KeyRecord,
        backend: &dyn KeyBackend,
        given_up: &mut BTreeSet<Alias>,
        now: UtcTime,
    ) {
        if given_up.contains(&record.alias) {
            return;
        }
        let tried = match timeout(PATIENCE, backend.try_anew(record)).await {
            Ok(tried) => tried.map_err(Unsound::from),
            Err(_) => Err(Unsound::TooSlow),
        };
        if tried.as_ref().err().is_some_and(Unsound::is_of_every_key) {
            given_up.insert(record.alias.clone());
        }
        self.note(Kind::of(record), record.key.id(), tried.as_ref().err(), now);
    }

    /// Notes what became of a key, and tells the log what is new.
    fn note(&mut self, kind: Kind, id: &KeyId, unsound: Option<&Unsound>, now: UtcTime) {
        let reason = unsound.map(|unsound| WithCauses(unsound).to_string());
        let (algorithm, alias) = (kind.algorithm, kind.alias.clone());
        // an id may come out of a row that no signer wrote
        let key = Excerpt::of_sentence(id.as_str());
        match self.ledger.note(kind, id, reason.as_deref(), now) {
            Noted::Fails => {
                let reason = reason.unwrap_or_default();
                tracing::error!(%key, algorithm, alias, reason, "a key that was tried does not sign");
            }
            Noted::SignsAgain => tracing::info!(%key, algorithm, alias, "a key that did not sign signs again"),
            Noted::NothingNew => {}
        }
    }
}

impl Unsound {
    /// Whether the next key under the same alias would fail, too, and for the same reason.
    fn is_of_every_key(&self) -> bool {
        match self {
            Self::TooSlow => true,
            Self::Secret(BackendError::Locked { source: Locked::NoPassphrase(_), .. }) => true,
            Self::Secret(BackendError::UnknownToken { .. }) => true,
            Self::Secret(error) => error.may_pass(),
            Self::Row(_) => false,
        }
    }
}
