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
use crate::seal;
use crate::seal::passphrase::Alias;
use crate::store::wrapped::WrappedKeys;
use crate::store::{KeyRecord, KeyStore, StoreError};
use crate::token::TokenName;

/// How long the store may take to answer, so that whoever asks is told within 5 seconds that it does not.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long all canaries of one question may take; those that are left are for the next one.
const CANARY_PATIENCE: Duration = Duration::from_secs(4);
/// How many rows of an alias are looked at: a single row may be damaged.
const SAMPLES: u32 = 32;
/// How many of them are opened before the alias is taken for locked: each costs a key derivation.
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
    let mut why = None;
    let samples = store.sealed_under(alias, SAMPLES).await?;
    let has_form = |sample: &KeyRecord| seal::check_form(&sample.sealed).is_ok();
    for sample in samples.into_iter().filter(has_form).take(CANARIES) {
        match backend.prove(&sample).await {
            Ok(()) => return Ok(Ok(())),
            // the alias opened it, and what was in it is not the key: told elsewhere
            Err(BackendError::Damaged { .. } | BackendError::NotItsHalf { .. }) => {}
            Err(error) => why = Some(error),
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
mod tests {
    use ring::rand::SystemRandom;
    use tuf_schema::key::KeyId;

    use super::*;
    use crate::backend::{OpenedKeys, SoftwareKeys};
    use crate::clock::SystemClock;
    use crate::config::Environment;
    use crate::seal::passphrase::Passphrases;
    use crate::seal::{Away, ContentKey, KeyWrap, OpenError, SealError, SealedKey, Sealing, WrappedKey, Wrapping};
    use crate::store::memory::MemoryKeyStore;
    use crate::store::{Algorithm, Purpose};

    fn time(seconds: i64) -> UtcTime {
        UtcTime::from_unix_seconds(seconds).unwrap()
    }

    fn alias(text: &str) -> Alias {
        Alias::parse(text).unwrap()
    }

    fn keys(variables: &[(&str, &str)], default_alias: &str) -> SoftwareKeys {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let passphrases = Passphrases::from_environment(Environment::new(variables), &[]);
        SoftwareKeys::new(
            Arc::new(Sealing::with_passphrases(passphrases)),
            alias(default_alias),
            OpenedKeys::default(),
            Arc::new(SystemClock),
            Arc::new(SystemRandom::new()),
        )
    }

    const BOTH: [(&str, &str); 2] = [("NOTARY_SIGNER_K1", "one"), ("NOTARY_SIGNER_K2", "two")];

    async fn stored(store: &MemoryKeyStore, default_alias: &str) -> KeyRecord {
        let purpose = Purpose { gun: None, role: None };
        let record = keys(&BOTH, default_alias).generate(Algorithm::Ed25519, &purpose).await.unwrap();
        store.insert(&record, time(1)).await.unwrap();
        record
    }

    async fn look(readiness: &Readiness, store: &MemoryKeyStore, backend: &SoftwareKeys, seconds: i64) -> Report {
        readiness.look(store, store, backend, time(seconds)).await
    }

    fn amiss(report: &Report) -> Vec<String> {
        report.amiss().map(Standing::to_string).collect()
    }

    #[tokio::test]
    async fn a_missing_passphrase_of_an_alias_in_use_is_named_and_stops_signing_but_not_making_keys() {
        let store = MemoryKeyStore::default();
        stored(&store, "k1").await;
        let locked = stored(&store, "k2").await;
        let report = look(&Readiness::default(), &store, &keys(&BOTH[..1], "k1"), 1).await;
        assert!(report.is_ready(Service::KeyManagement) && !report.is_ready(Service::Signer));
        let expected = format!(
            "alias k2 (to sign): nothing that is sealed under alias k2 opens: key {} is locked: the passphrase of alias \
             k2 is missing: set NOTARY_SIGNER_K2, or NOTARY_SIGNER_K2_FILE to a file that holds it",
            locked.key.id()
        );
        assert_eq!(amiss(&report), [expected]);
        assert!(look(&Readiness::default(), &store, &keys(&BOTH, "k1"), 1).await.amiss().next().is_none());
    }

    #[tokio::test]
    async fn a_default_alias_that_nothing_is_sealed_under_yet_must_seal() {
        let store = MemoryKeyStore::default();
        stored(&store, "k1").await;
        let report = look(&Readiness::default(), &store, &keys(&BOTH[..1], "k2"), 1).await;
        assert!(!report.is_ready(Service::KeyManagement) && report.is_ready(Service::Signer));
        let report = look(&Readiness::default(), &store, &keys(&BOTH, "k2"), 1).await;
        assert!(report.is_ready(Service::KeyManagement));
    }

    #[tokio::test]
    async fn what_was_proved_stays_proved_and_what_comes_into_use_is_asked_within_a_minute() {
        let (store, readiness, backend) = (MemoryKeyStore::default(), Readiness::default(), keys(&BOTH[..1], "k1"));
        stored(&store, "k1").await;
        assert!(look(&readiness, &store, &backend, 100).await.amiss().next().is_none());
        stored(&store, "k2").await;
        assert!(look(&readiness, &store, &backend, 159).await.amiss().next().is_none());
        assert!(!look(&readiness, &store, &backend, 160).await.is_ready(Service::Signer));
        // an alias that opened once is not tried again, so that a wrong passphrase would not be noticed here
        let wrong = keys(&[("NOTARY_SIGNER_K1", "wrong"), BOTH[1]], "k1");
        assert!(look(&readiness, &store, &wrong, 170).await.amiss().next().is_none());
    }

    #[tokio::test]
    async fn rows_that_no_passphrase_opens_lock_no_alias() {
        let store = MemoryKeyStore::default();
        for row in ["", "a.b.c.d.e", "-----BEGIN EC PRIVATE KEY-----"] {
            let made =
                keys(&BOTH, "k1").generate(Algorithm::Ed25519, &Purpose { gun: None, role: None }).await.unwrap();
            let foreign = KeyRecord {
                alias: alias("foreign"),
                sealed: SealedKey::from_row(KeyWrap::Passphrase, row.to_owned()),
                ..made
            };
            store.insert(&foreign, time(1)).await.unwrap();
        }
        let report = look(&Readiness::default(), &store, &keys(&BOTH, "k1"), 1).await;
        assert_eq!(amiss(&report), [""; 0]);
        assert!(report.0.iter().any(|standing| standing.condition == Condition::Alias(alias("foreign"))));
    }

    /// A provider that is away when it is told to, and hides nothing.
    #[derive(Default)]
    struct Remote(std::sync::atomic::AtomicBool);

    impl Remote {
        fn answer(&self) -> Result<(), Away> {
            let is_away = self.0.load(std::sync::atomic::Ordering::SeqCst);
            if is_away { Err(Away { alias: alias("remote"), source: "told to be away".into() }) } else { Ok(()) }
        }
    }

    #[async_trait::async_trait]
    impl Wrapping for Arc<Remote> {
        fn method(&self) -> KeyWrap {
            KeyWrap::Vault
        }
        fn key_name(&self) -> Option<&str> {
            Some("remote")
        }
        fn may_be_away(&self) -> bool {
            true
        }
        async fn wrap(&self, content_key: &ContentKey, _key: &KeyId) -> Result<WrappedKey, SealError> {
            self.answer()?;
            Ok(WrappedKey::Vault { key_name: "remote".to_owned(), ciphertext: hex::encode(content_key.expose()) })
        }
        async fn unwrap(&self, wrapped: WrappedKey, _key: &KeyId) -> Result<ContentKey, OpenError> {
            self.answer()?;
            let WrappedKey::Vault { ciphertext, .. } = wrapped else { panic!("asked for another method") };
            Ok(ContentKey::from_bytes(&hex::decode(ciphertext).unwrap()).unwrap())
        }
    }

    #[tokio::test]
    async fn a_provider_is_asked_again_after_10_seconds_and_when_it_is_away_after_2() {
        let (store, readiness, remote) = (MemoryKeyStore::default(), Readiness::default(), Arc::new(Remote::default()));
        let configured = [(alias("remote"), Arc::new(Arc::clone(&remote)) as Arc<dyn Wrapping>)].into();
        let rng = Arc::new(SystemRandom::new());
        let passphrases = Passphrases::from_environment(Environment::new([]), &[]);
        let sealing = Arc::new(Sealing::new(passphrases, configured, rng.clone()));
        let backend =
            SoftwareKeys::new(sealing, alias("remote"), OpenedKeys::default(), Arc::new(SystemClock), rng.clone());
        // one that is open goes on signing, and does not hide it
        let key = backend.generate(Algorithm::Ed25519, &Purpose { gun: None, role: None }).await.unwrap();
        store.insert(&key, time(1)).await.unwrap();
        assert!(look(&readiness, &store, &backend, 100).await.is_ready(Service::Signer));
        remote.0.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(look(&readiness, &store, &backend, 109).await.is_ready(Service::Signer));
        let report = look(&readiness, &store, &backend, 110).await;
        assert!(!report.is_ready(Service::Signer) && !report.is_ready(Service::KeyManagement));
        assert!(amiss(&report)[0].contains("the provider of alias remote does not answer: told to be away"));
        remote.0.store(false, std::sync::atomic::Ordering::SeqCst);
        assert!(!look(&readiness, &store, &backend, 111).await.is_ready(Service::Signer));
        assert!(look(&readiness, &store, &backend, 112).await.is_ready(Service::Signer));
    }

    #[test]
    fn a_reason_is_repeated_as_long_as_it_is_young() {
        for (now, expected) in [(99, false), (100, true), (109, true), (110, false)] {
            assert_eq!(is_within(time(100), 10, time(now)), expected, "{now}");
        }
    }
}
