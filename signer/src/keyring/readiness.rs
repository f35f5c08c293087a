//! Whether the signer can do its work: named conditions, each with what it is needed for and why it does not hold.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use tuf_schema::UtcTime;

use super::audited::Records;
use crate::audit::{AuditError, HeadTrouble};
use crate::backend::{BackendError, KeyBackend, TokenStanding};
use crate::causes::WithCauses;
use crate::seal::passphrase::Alias;
use crate::seal::{self, Locked};
use crate::store::wrapped::WrappedKeys;
use crate::store::{KeyRecord, KeyStore, StoreError};
use crate::token::TokenName;

/// How long the store may take to answer, so that whoever asks is told within 5 seconds that it does not.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long all canaries of one question may take; those that are left are for the next one.
const CANARY_PATIENCE: Duration = Duration::from_secs(4);
/// How many rows of an alias are looked at: a single row may be damaged.
const SAMPLES: u32 = 32;
/// How many of them a provider may fail at, otherwise than by not opening them, before the alias is given up.
const CANARIES: usize = 3;
/// How long an alias counts as locked before it is tried again, in seconds: anybody who reaches the port of readiness
/// may ask.
const LOCKED_SECONDS: i64 = 10;
/// How long a provider that did not answer is left alone, in seconds: asking it costs no more than a request.
const AWAY_SECONDS: i64 = 2;
/// How long a provider that answers is taken to go on with it, in seconds.
const ANSWERS_SECONDS: i64 = 10;
/// How long the aliases in use are remembered, in seconds: the store counts its rows for them.
const LISTED_SECONDS: i64 = 60;

/// What has to hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Condition {
    /// The key store answers.
    Store,
    /// What was sealed under this alias opens.
    Alias(Alias),
    /// What is done can be recorded, in this way.
    Audit(Records),
    /// Heads of the audit chain get where they should.
    Heads,
    /// The token is there and lets itself be logged in to.
    Token(TokenName),
}

/// What a signer does for its callers; each may be possible without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Making keys.
    KeyManagement,
    /// Signing with the keys that are there.
    Signer,
}

/// What was found out about one condition.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The condition.
    pub(crate) condition: Condition,
    /// What is not possible without it.
    pub(crate) needed_for: Vec<Service>,
    /// Why it does not hold, if it does not.
    pub(crate) amiss: Option<NotReady>,
}

/// What was found out about every condition.
#[derive(Debug)]
pub(crate) struct Report(pub(crate) Vec<Standing>);

/// Why a condition does not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReady {
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// The store takes too long.
    #[error("the key store does not answer within {} seconds", PATIENCE.as_secs())]
    StoreTooSlow,
    /// What is done cannot be recorded.
    #[error(transparent)]
    Audit(AuditError),
    /// Heads of the audit chain do not get where they should.
    #[error(transparent)]
    Heads(Arc<HeadTrouble>),
    /// Nothing that was sealed under an alias opens: its passphrase is missing or wrong, or its provider is away.
    #[error("nothing that is sealed under alias {alias} opens")]
    Locked {
        /// The alias.
        alias: Alias,
        /// Why a key under it did not open.
        source: Arc<BackendError>,
    },
    /// A token cannot be used.
    #[error(transparent)]
    Token(BackendError),
    /// It was not found out yet whether an alias opens.
    #[error("alias {alias} was not tried yet, or takes too long")]
    NotTried {
        /// The alias.
        alias: Alias,
    },
}

/// What has been found out so far.
#[derive(Default)]
pub(super) struct Readiness {
    /// Held while aliases are tried, so that those who ask at once share one try.
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    in_use: Vec<Alias>,
    /// When the store was last asked for them.
    listed: Option<UtcTime>,
    proofs: BTreeMap<Alias, Proof>,
}

enum Proof {
    /// The alias opened a key. Where the secret is in this process that stays so.
    Opens {
        since: UtcTime,
    },
    Locked {
        since: UtcTime,
        why: Arc<BackendError>,
    },
}

impl Readiness {
    /// Asks the store each time; tries the default alias and every alias in use until each has opened something once.
    pub(super) async fn look(
        &self,
        store: &dyn KeyStore,
        wrapped: &dyn WrappedKeys,
        backend: &dyn KeyBackend,
        now: UtcTime,
    ) -> Report {
        let mut found = match self.ask(store, wrapped, now).await {
            Ok(found) => found,
            Err(amiss) => return Report(vec![Standing::of_store(Some(amiss))]),
        };
        let tokens = backend.look_at_tokens().await;
        let is_token = |alias: &Alias| tokens.iter().any(|standing| standing.token.as_str() == alias.as_str());
        let has_keys = |token: &TokenName| found.in_use.iter().any(|alias| alias.as_str() == token.as_str());
        let of_token = |standing: &TokenStanding| {
            let signs = has_keys(&standing.token).then_some(Service::Signer);
            standing.makes_keys.then_some(Service::KeyManagement).into_iter().chain(signs).collect()
        };
        let needs: Vec<Vec<Service>> = tokens.iter().map(of_token).collect();
        let mut aliases: BTreeMap<Alias, Vec<Service>> = BTreeMap::new();
        aliases.insert(backend.default_alias().clone(), vec![Service::KeyManagement]);
        for alias in found.in_use.iter().filter(|alias| !is_token(alias)) {
            aliases.entry(alias.clone()).or_default().push(Service::Signer);
        }
        // whatever is not tried in time keeps what is known of it
        let trying = found.try_all(aliases.keys(), store, backend, now);
        let store_amiss = match timeout(CANARY_PATIENCE, trying).await {
            Ok(Err(error)) => Some(NotReady::Store(error)),
            Ok(Ok(())) | Err(_) => None,
        };
        let of_alias = |(alias, needed_for): (Alias, Vec<Service>)| {
            let amiss = match found.proofs.get(&alias) {
                Some(Proof::Opens { .. }) => None,
                Some(Proof::Locked { why, .. }) => {
                    Some(NotReady::Locked { alias: alias.clone(), source: Arc::clone(why) })
                }
                None => Some(NotReady::NotTried { alias: alias.clone() }),
            };
            Standing { condition: Condition::Alias(alias), needed_for, amiss }
        };
        let aliases = aliases.into_iter().map(of_alias);
        let tokens = tokens.into_iter().zip(needs).map(|(TokenStanding { token, amiss, .. }, needed_for)| {
            let amiss = amiss.map(NotReady::Token);
            Standing { condition: Condition::Token(token), needed_for, amiss }
        });
        Report(std::iter::once(Standing::of_store(store_amiss)).chain(aliases).chain(tokens).collect())
    }

    /// Asks the store whether it answers and, now and then, which aliases are in use.
    async fn ask(
        &self,
        store: &dyn KeyStore,
        wrapped: &dyn WrappedKeys,
        now: UtcTime,
    ) -> Result<tokio::sync::MutexGuard<'_, Found>, NotReady> {
        let too_slow = |_| NotReady::StoreTooSlow;
        timeout(PATIENCE, store.probe()).await.map_err(too_slow)?.map_err(NotReady::Store)?;
        let mut found = self.found.lock().await;
        if !found.listed.is_some_and(|since| is_within(since, LISTED_SECONDS, now)) {
            let uses = timeout(PATIENCE, wrapped.aliases()).await.map_err(too_slow)?.map_err(NotReady::Store)?;
            let in_use = uses.into_iter().filter(|alias_use| alias_use.keys > 0);
            found.in_use = in_use.map(|alias_use| alias_use.alias).collect();
            found.listed = Some(now);
        }
        Ok(found)
    }
}

impl Found {
    async fn try_all(
        &mut self,
        aliases: impl Iterator<Item = &Alias>,
        store: &dyn KeyStore,
        backend: &dyn KeyBackend,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        for alias in aliases {
            let is_due = match self.proofs.get(alias) {
                Some(Proof::Opens { since }) => backend.may_be_away(alias) && !is_within(*since, ANSWERS_SECONDS, now),
                Some(Proof::Locked { since, why }) => {
                    let seconds = if why.may_pass() { AWAY_SECONDS } else { LOCKED_SECONDS };
                    !is_within(*since, seconds, now)
                }
                None => true,
            };
            if is_due {
                // what is known is too old to be told if the answer does not come in time
                self.proofs.remove(alias);
                let proof = match canary(alias, store, backend).await? {
                    Ok(()) => Proof::Opens { since: now },
                    Err(why) => Proof::Locked { since: now, why: Arc::new(why) },
                };
                self.proofs.insert(alias.clone(), proof);
            }
        }
        Ok(())
    }
}

/// Opens a few keys of an alias. Where there is none that could be opened with any secret, the default alias must seal,
/// and under any other nothing is locked.
pub(crate) async fn canary(
    alias: &Alias,
    store: &dyn KeyStore,
    backend: &dyn KeyBackend,
) -> Result<Result<(), BackendError>, StoreError> {
    // keys that are open already would hide it
    if backend.may_be_away(alias)
        && let Err(why) = backend.prove_alias(alias).await
    {
        return Ok(Err(why));
    }
    let (mut why, mut failed) = (None, 0);
    let samples = store.sealed_under(alias, SAMPLES).await?;
    let has_form = |sample: &KeyRecord| seal::check_form(&sample.sealed).is_ok();
    for sample in samples.into_iter().filter(has_form) {
        match backend.prove(&sample).await {
            Ok(()) => return Ok(Ok(())),
            // the alias opened it, and what was in it is not the key: told elsewhere
            Err(BackendError::Damaged { .. } | BackendError::NotItsHalf { .. }) => {}
            // an older secret may have sealed some: the alias is shut when none of the samples opens
            Err(error @ BackendError::Locked { source: Locked::DoesNotOpen { .. }, .. }) => why = Some(error),
            Err(error) => {
                (why, failed) = (Some(error), failed + 1);
                if failed == CANARIES {
                    break;
                }
            }
        }
    }
    Ok(match why {
        Some(why) => Err(why),
        None if alias == backend.default_alias() => backend.prove_alias(alias).await,
        None => Ok(()),
    })
}

/// A clock that was set back makes what was found out old, not young.
fn is_within(since: UtcTime, seconds: i64, now: UtcTime) -> bool {
    (since..since.plus_seconds(seconds)).contains(&now)
}

impl Report {
    /// Whether everything holds that a service needs.
    pub(crate) fn is_ready(&self, service: Service) -> bool {
        !self.amiss().any(|standing| standing.needed_for.contains(&service))
    }

    /// Whether everything holds that any service needs.
    pub(crate) fn is_all_ready(&self) -> bool {
        self.amiss().all(|standing| standing.needed_for.is_empty())
    }

    /// What does not hold.
    pub(crate) fn amiss(&self) -> impl Iterator<Item = &Standing> {
        self.0.iter().filter(|standing| standing.amiss.is_some())
    }

    /// Why a service cannot be used with keys in software, the first reason of several.
    pub(crate) fn into_result(self, service: Service) -> Result<(), NotReady> {
        let of_software = |standing: &Standing| !matches!(standing.condition, Condition::Token(_));
        let needed = self.0.into_iter().filter(of_software).filter(|standing| standing.needed_for.contains(&service));
        needed.filter_map(|standing| standing.amiss).next().map_or(Ok(()), Err)
    }
}

impl Standing {
    fn of_store(amiss: Option<NotReady>) -> Self {
        let needed_for = vec![Service::KeyManagement, Service::Signer];
        Self { condition: Condition::Store, needed_for, amiss }
    }
}

impl Condition {
    /// What kind of condition, for metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Alias(_) => "alias",
            Self::Audit(_) => "audit",
            Self::Heads => "audit_heads",
            Self::Token(_) => "token",
        }
    }

    /// Which one of its kind.
    pub(crate) fn of(&self) -> &str {
        match self {
            Self::Store | Self::Heads => "",
            Self::Alias(alias) => alias.as_str(),
            Self::Audit(records) => records.name(),
            Self::Token(token) => token.as_str(),
        }
    }
}

/// One line for an operator, without names of keys where they do not matter.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.condition {
            Condition::Store => f.write_str("store")?,
            Condition::Alias(alias) => write!(f, "alias {alias}")?,
            Condition::Audit(records) => f.write_str(records.told())?,
            Condition::Heads => f.write_str("audit heads")?,
            Condition::Token(token) => write!(f, "token {token}")?,
        }
        let needed_for = |service| self.needed_for.contains(&service);
        f.write_str(match (needed_for(Service::KeyManagement), needed_for(Service::Signer)) {
            (true, true) => " (to make keys and to sign): ",
            (true, false) => " (to make keys): ",
            (false, true) => " (to sign): ",
            (false, false) => ": ",
        })?;
        match &self.amiss {
            None => f.write_str("ok"),
            Some(amiss) => write!(f, "{}", WithCauses(amiss)),
        }
    }
}

#[cfg(test)]
mod tests;
