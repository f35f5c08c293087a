//! Seals stored keys anew under another alias, from any provider to any, while signers sign with them.
//!
//! What is left to do is what is not under the new alias, so a run that was broken off needs nothing but another one. A
//! row is changed only if it still is what was read, and only by a wrapping that was opened again and found to hold the
//! secret half of the row's public half.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use tuf_schema::key::KeyId;

use crate::audit::{Actor, Audit, AuditError, KeyUse, Operation, Outcome};
use crate::backend::{BackendError, OpenedKeys, SoftwareKeys, unseal};
use crate::clock::Clock;
use crate::config::Config;
use crate::keyring::canary;
use crate::seal::passphrase::Alias;
use crate::seal::{SealError, Sealing};
use crate::store::wrapped::{AliasUse, Replacement, WrappedKey};
use crate::store::{KeyRecord, Store, StoreError};
use crate::token::TokenSettings;
use crate::{Randomness, StartError, operator_audit};

/// How many rows are in memory at a time.
const PAGE: u32 = 50;
/// How often all rows are gone through: again for keys that were made or changed meanwhile.
const PASSES: usize = 3;

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// The alias to seal under.
    pub to: Alias,
    /// Only keys under this one; without it, under every other alias.
    pub from: Option<Alias>,
    /// The most keys a second.
    pub rate: Option<NonZeroU32>,
    /// The most keys in all.
    pub limit: Option<NonZeroU64>,
    /// Who asks, for the record.
    pub operator: String,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Keys that were sealed anew.
    pub done: u64,
    /// Keys that are still under another alias, as far as it is asked for; those that were passed over among them.
    pub left: u64,
    /// Rows that were passed over because nothing can be done with them.
    pub skipped: u64,
}

/// What is told while it goes on.
#[derive(Debug)]
pub enum Event {
    /// After each page of rows.
    Progress(Progress),
    /// A row was passed over, and stays as it is.
    Skipped {
        /// The id of its key.
        key: String,
        /// Why.
        reason: String,
    },
}

/// Why nothing more was done.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// What a start needs is not there.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Keys in memory are sealed with nothing that could be changed.
    #[error("storage.backend memory has no keys but those of the running signer")]
    InMemory,
    /// A token seals no keys: it holds its own.
    #[error("{0} is a token: keys are made on it, and cannot be moved there")]
    ToToken(Alias),
    /// Nothing would change.
    #[error("the keys of alias {0} are to be sealed under another one")]
    SameAlias(Alias),
    /// The alias to seal under is locked, or what is stored under it was sealed with something else.
    #[error("nothing was changed: alias {alias}, which the keys are to be sealed under, cannot be used")]
    To {
        /// The alias.
        alias: Alias,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Keys that were to be sealed anew do not open.
    #[error(
        "nothing was changed: no key under alias {alias} opens; set what opens them, or name another alias by --from"
    )]
    From {
        /// The alias.
        alias: Alias,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store failed, or what seals is gone. What was done stays, and another run goes on with the rest.
    #[error("stopped after {done} keys, which stay done; run it again for the rest")]
    Stopped {
        /// Keys that were sealed anew.
        done: u64,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Does it.
///
/// # Errors
/// [`RewrapError`]. Rows that cannot be sealed anew are no error: they are told, counted and left as they are.
pub async fn rewrap(
    config: &Config,
    request: &Request,
    clock: Arc<dyn Clock>,
    rng: Randomness,
    tell: &mut (dyn FnMut(Event) + Send),
) -> Result<Progress, RewrapError> {
    if !config.storage.is_durable() {
        return Err(RewrapError::InMemory);
    }
    if request.from.as_ref() == Some(&request.to) {
        return Err(RewrapError::SameAlias(request.to.clone()));
    }
    if config.tokens.iter().any(|token| token.name.as_str() == request.to.as_str()) {
        return Err(RewrapError::ToToken(request.to.clone()));
    }
    let (_, sealing) = crate::sealing(config, &clock, Arc::clone(&rng))?;
    let store = crate::store::open(&config.storage).await.map_err(StartError::Store)?;
    let audit = operator_audit(config, "rewrap", Arc::clone(&clock), Arc::clone(&rng)).await?;
    let work = Rewrap {
        store: store.as_ref(),
        sealing: &sealing,
        audit: &audit,
        clock: clock.as_ref(),
        request,
        tokens: &config.tokens,
    };
    let backend = SoftwareKeys::new(
        Arc::clone(&sealing),
        request.to.clone(),
        OpenedKeys::default(),
        Arc::clone(&clock),
        Arc::clone(&rng),
    );
    work.check(&backend).await?;
    let mut done = 0;
    let stopped = |done| move |source: Stop| RewrapError::Stopped { done, source: source.into() };
    let keeping = async {
        audit.keep().await;
        std::future::pending::<Infallible>().await
    };
    let ended = tokio::select! {
        ended = work.run(tell, &mut done) => ended,
        never = keeping => match never {},
    };
    audit.close().await;
    ended.map_err(stopped(done))
}

struct Rewrap<'a> {
    store: &'a dyn Store,
    sealing: &'a Sealing,
    audit: &'a Audit,
    clock: &'a dyn Clock,
    request: &'a Request,
    tokens: &'a [TokenSettings],
}

/// A run on its way.
struct Course {
    /// Keys that were to be sealed anew when it began: counting them costs the store a look at every row.
    at_first: u64,
    skipped: BTreeSet<KeyId>,
    /// One tick for each key, where there is a rate.
    pace: Option<Interval>,
}

impl Course {
    fn progress(&self, done: u64) -> Progress {
        let skipped = self.skipped.len().try_into().unwrap_or(u64::MAX);
        Progress { done, left: self.at_first.saturating_sub(done), skipped }
    }
}

/// So many a second, evenly, so that signers on the same machines and the database keep what they need.
fn pace(rate: NonZeroU32) -> Interval {
    let mut interval = interval(Duration::from_secs(1) / rate.get());
    // after a wait for something else nothing is made up for
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Where a row is.
#[derive(Clone, Copy)]
enum Table {
    /// Among the keys that sign documents.
    Keys,
    /// Among those that sign heads of audit chains.
    AuditKeys,
}

/// What became of a row.
enum Fate {
    Done,
    /// It is not the row any more that was read: another pass looks at it again.
    Changed,
    Skipped(BackendError),
}

/// What ends the whole run.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Opening(BackendError),
    #[error("no further key is sealed anew, as it cannot be recorded")]
    Audit(#[from] AuditError),
}

impl Rewrap<'_> {
    /// Whether what is to be read opens and what is to be written will.
    async fn check(&self, backend: &SoftwareKeys) -> Result<(), RewrapError> {
        let to = &self.request.to;
        let refused = |source| RewrapError::To { alias: to.clone(), source };
        let uses = self.store.aliases().await.map_err(|error| refused(error.into()))?;
        canary(to, self.store, backend).await.map_err(|error| refused(error.into()))?.map_err(|e| refused(e.into()))?;
        self.sealing.prove(to).await.map_err(|error| refused(error.into()))?;
        for AliasUse { alias, .. } in uses.into_iter().filter(|alias_use| self.is_asked_for(&alias_use.alias)) {
            let locked = |source| RewrapError::From { alias: alias.clone(), source };
            let opened = canary(&alias, self.store, backend).await.map_err(|error| locked(error.into()))?;
            opened.map_err(|error| locked(error.into()))?;
        }
        Ok(())
    }

    fn is_asked_for(&self, alias: &Alias) -> bool {
        // keys on a token are not sealed at all
        let is_token = self.tokens.iter().any(|token| token.name.as_str() == alias.as_str());
        *alias != self.request.to && !is_token && self.request.from.as_ref().is_none_or(|from| from == alias)
    }

    async fn run(&self, tell: &mut (dyn FnMut(Event) + Send), done: &mut u64) -> Result<Progress, Stop> {
        let mut course =
            Course { at_first: self.left().await?, skipped: BTreeSet::new(), pace: self.request.rate.map(pace) };
        for _ in 0..PASSES {
            let before = *done;
            self.pass(tell, done, &mut course).await?;
            if *done == before || self.is_enough(*done) {
                break;
            }
        }
        // one for each signer; at the end, as documents wait for the others
        for key in self.store.audit_keys().await? {
            self.look_at(key, Table::AuditKeys, tell, done, &mut course).await?;
        }
        let progress = Progress { left: self.left().await?, ..course.progress(*done) };
        tell(Event::Progress(progress));
        Ok(progress)
    }

    /// Goes through all rows once.
    async fn pass(
        &self,
        tell: &mut (dyn FnMut(Event) + Send),
        done: &mut u64,
        course: &mut Course,
    ) -> Result<(), Stop> {
        let mut after: Option<KeyId> = None;
        loop {
            let page = self.store.page(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id.clone());
            let before = *done;
            for key in page {
                self.look_at(key, Table::Keys, tell, done, course).await?;
            }
            if *done > before {
                tell(Event::Progress(course.progress(*done)));
            }
            if self.is_enough(*done) {
                return Ok(());
            }
        }
    }

    /// Seals one row anew, if it is asked for and can be.
    async fn look_at(
        &self,
        key: WrappedKey,
        table: Table,
        tell: &mut (dyn FnMut(Event) + Send),
        done: &mut u64,
        course: &mut Course,
    ) -> Result<(), Stop> {
        let WrappedKey { id, record } = key;
        let reason = match record {
            // a row without an alias that could be one is under none that was asked for
            Err(_) if self.request.from.is_some() => return Ok(()),
            Err(damage) => damage.to_string(),
            Ok(record) if !self.is_asked_for(&record.alias) => return Ok(()),
            Ok(_) if self.is_enough(*done) => return Ok(()),
            Ok(record) => {
                if let Some(pace) = &mut course.pace {
                    pace.tick().await;
                }
                match self.seal_anew(&record, table).await? {
                    Fate::Done => {
                        *done += 1;
                        return Ok(());
                    }
                    Fate::Changed => return Ok(()),
                    Fate::Skipped(reason) => crate::causes::WithCauses(&reason).to_string(),
                }
            }
        };
        if course.skipped.insert(id.clone()) {
            tell(Event::Skipped { key: id.as_str().to_owned(), reason });
        }
        Ok(())
    }

    async fn seal_anew(&self, record: &KeyRecord, table: Table) -> Result<Fate, Stop> {
        let key_use = KeyUse {
            key: Some(record.key.id()),
            purpose: Some(&record.purpose),
            ..KeyUse::new(Actor::Operator(&self.request.operator), Operation::Rewrap)
        };
        let replacement = match self.replacement(record).await {
            Ok(replacement) => replacement,
            Err(Failed::Row(reason)) => return Ok(Fate::Skipped(reason)),
            Err(Failed::All(stop)) => return Err(stop),
        };
        self.audit.record(&key_use, Outcome::Begun).await?;
        let written = match table {
            Table::Keys => self.store.rewrap(record, &replacement, self.clock.now()).await,
            Table::AuditKeys => self.store.rewrap_audit_key(record, &replacement).await,
        };
        match &written {
            Ok(true) => self.audit.record(&key_use, Outcome::Done).await?,
            // another program was first, and has its own record
            Ok(false) => {}
            Err(error) => self.audit.record(&key_use, Outcome::Refused(error)).await?,
        }
        Ok(if written? { Fate::Done } else { Fate::Changed })
    }

    /// The key under the new alias, opened again to see that it is.
    async fn replacement(&self, record: &KeyRecord) -> Result<Replacement, Failed> {
        let plaintext = unseal(self.sealing, record).await.map_err(Failed::of_opening)?.plaintext;
        let alias = self.request.to.clone();
        let sealed = self.sealing.seal(&alias, record.key.id(), &plaintext).await;
        let sealed = sealed.map_err(|error| Failed::All(error.into()))?;
        let anew = KeyRecord { alias, sealed, ..record.clone() };
        unseal(self.sealing, &anew).await.map_err(|error| Failed::All(Stop::Opening(error)))?;
        Ok(Replacement { alias: anew.alias, sealed: anew.sealed })
    }

    /// Keys that are still under another alias.
    async fn left(&self) -> Result<u64, StoreError> {
        let uses = self.store.aliases().await?;
        let left = uses.iter().filter(|alias_use| self.is_asked_for(&alias_use.alias));
        let left: u64 = left.map(|alias_use| alias_use.keys + alias_use.deleted).sum();
        let audit_keys = self.store.audit_keys().await?.into_iter().filter_map(|key| key.record.ok());
        let of_audit = audit_keys.filter(|record| self.is_asked_for(&record.alias)).count();
        Ok(left.saturating_add(of_audit.try_into().unwrap_or(u64::MAX)))
    }

    fn is_enough(&self, done: u64) -> bool {
        self.request.limit.is_some_and(|limit| done >= limit.get())
    }
}

/// Why a key has no new wrapping.
enum Failed {
    /// Its own row.
    Row(BackendError),
    /// Something that all keys need.
    All(Stop),
}

impl Failed {
    fn of_opening(error: BackendError) -> Self {
        match error {
            BackendError::Away { .. } | BackendError::Ended => Self::All(Stop::Opening(error)),
            error => Self::Row(error),
        }
    }
}

#[cfg(test)]
mod tests;
