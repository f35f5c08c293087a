//! The trail of one process: its chain, the heads that are signed of it, and what was turned away before it got to a key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tuf_schema::UtcTime;
use tuf_schema::key::PublicKey;

use super::AuditError;
use super::chain::Tip;
use super::courier::{self, Courier};
use super::entry::{Entry, Event};
use super::files::{Files, Manner};
use super::head::{Head, HeadError, Unsigned};
use super::name::{ChainId, SignerName};
use super::recovery::OpenChainError;
use super::second::{SecondPlace, SecondPlaceError};
use super::turned_away::TurnedAway;
use super::writer::Writer;
use crate::Randomness;
use crate::backend::{BackendError, KeyBackend, SoftwareKeys};
use crate::causes::WithCauses;
use crate::clock::Clock;
use crate::config::AuditSettings;
use crate::seal::passphrase::Alias;
use crate::store::heads::HeadStore;
use crate::store::{Algorithm, KeyRecord, Purpose, StoreError};

/// How long the last records and the last head may take: whoever ends the process kills it soon after.
const END: Duration = Duration::from_secs(10);

/// A chain that this process writes, and all that belongs to it.
pub(crate) struct Trail {
    signer: SignerName,
    writer: Writer,
    clock: Arc<dyn Clock>,
    keys: SoftwareKeys,
    key: KeyRecord,
    store: Arc<dyn HeadStore>,
    second: Option<Courier>,
    head_interval: Duration,
    is_synced: bool,
    heads: Mutex<Heads>,
    turned_away: Mutex<TurnedAway>,
}

/// How far heads have got.
#[derive(Default)]
struct Heads {
    last: Option<Tip>,
    /// Why the last head did not get to the database, or to the second place.
    trouble: [Option<Arc<HeadTrouble>>; 2],
}

/// What a trail is made with.
pub(crate) struct Materials {
    /// Where heads and the key that signs them are kept.
    pub(crate) store: Arc<dyn HeadStore>,
    /// What seals and opens that key.
    pub(crate) keys: SoftwareKeys,
    /// The time of entries.
    pub(crate) clock: Arc<dyn Clock>,
    /// For the id of a new chain.
    pub(crate) rng: Randomness,
}

/// Why a head did not get where it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadTrouble {
    /// The database failed.
    #[error("the head of the audit chain is not in the key database")]
    Store(#[source] StoreError),
    /// The name of the chain is another's.
    #[error("another process writes an audit chain of the same name; give each signer its own audit.signer")]
    Superseded,
    /// It could not be signed.
    #[error("the head of the audit chain cannot be signed")]
    Sign(#[source] BackendError),
    /// The second place failed.
    #[error("the head of the audit chain is not in the second place")]
    Second(#[source] SecondPlaceError),
}

/// Why there is no trail.
#[derive(Debug, thiserror::Error)]
pub enum OpenTrailError {
    /// The chain cannot be gone on with.
    #[error(transparent)]
    Chain(#[from] OpenChainError),
    /// What stands in the database in the place of the chain's head is none.
    #[error(
        "the key database holds something else for the audit chain of {signer} than its head. Bring the database back, or \
         begin another chain under another audit.signer"
    )]
    Head {
        /// Whose chain.
        signer: SignerName,
        /// What it is.
        source: HeadError,
    },
    /// The second place cannot be read.
    #[error(transparent)]
    Second(#[from] SecondPlaceError),
    /// The key database failed.
    #[error("the head of the audit chain cannot be read")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The key that signs heads is there and does not open.
    #[error(
        "the key that signs heads of the audit chain of {signer} does not open under alias {alias}: set what opens it. If \
         that is lost, begin another chain under another audit.signer"
    )]
    Locked {
        /// Whose chain.
        signer: SignerName,
        /// What the key is sealed under.
        alias: Alias,
        /// Why it does not open.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no key to sign heads with.
    #[error("no key can be made that signs heads of the audit chain")]
    Key(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system did not start the thread that writes, or gave no randomness.
    #[error("the audit chain cannot be written")]
    Thread(#[source] std::io::Error),
}

impl Trail {
    /// Opens the chain that `settings` name, for the process `part` of the signer: more than one process must not write one
    /// chain. Holds it against the heads in the database and in the second place.
    ///
    /// # Errors
    /// [`OpenTrailError`], also if the chain does not have what the heads tell of.
    pub(crate) async fn open(
        settings: &AuditSettings,
        part: Option<&str>,
        materials: Materials,
    ) -> Result<Self, OpenTrailError> {
        let signer = settings.signer.of_part(part);
        let second = settings.second_place.as_ref().map(|directory| SecondPlace::new(directory, &signer));
        let second = second.map(|place| Courier::start(place, courier::PATIENCE)).transpose();
        Self::open_with(settings, signer, second.map_err(OpenTrailError::Thread)?, materials).await
    }

    async fn open_with(
        settings: &AuditSettings,
        signer: SignerName,
        second: Option<Courier>,
        materials: Materials,
    ) -> Result<Self, OpenTrailError> {
        let Materials { store, keys, clock, rng } = materials;
        let key = audit_key(store.as_ref(), &keys, &signer, clock.now()).await?;
        let heads = known_heads(store.as_ref(), second.as_ref(), &signer, key.key.clone()).await?;
        let is_synced = settings.is_synced;
        let manner = Manner { file_bytes: settings.file_bytes, is_synced };
        let no_randomness = || OpenTrailError::Thread(std::io::Error::other("no randomness"));
        let fresh = ChainId::random(rng.as_ref()).ok_or_else(no_randomness)?;
        let (directory, name, now) = (settings.directory.clone(), signer.clone(), clock.now());
        let opening =
            tokio::task::spawn_blocking(move || Files::open(&directory, &name, fresh, manner, &heads, now)).await;
        let (files, cut) = opening.map_err(|error| OpenTrailError::Thread(std::io::Error::other(error)))??;
        let chain = files.chain().clone();
        let writer = Writer::start(files, chain, is_synced, Arc::clone(&clock)).map_err(OpenTrailError::Thread)?;
        let head_interval = settings.head_interval;
        let (heads, turned_away) = (Mutex::default(), Mutex::default());
        let trail =
            Self { signer, writer, clock, keys, key, store, second, head_interval, is_synced, heads, turned_away };
        let events = cut.map(|bytes| Event::Cut { bytes }).into_iter();
        for event in events.chain([Event::Started { version: env!("CARGO_PKG_VERSION"), is_synced }]) {
            // on a full disk the signer starts, is not ready, and goes on by itself when there is room
            if let Err(error) = trail.append(Entry::of_event(trail.clock.now(), event)).await {
                tracing::error!(error = %WithCauses(&error), "the start is not recorded");
            }
        }
        tracing::info!(
            signer = trail.signer.as_str(),
            chain = trail.writer.chain().as_str(),
            public_key = hex::encode(trail.key.key.public_bytes()),
            count = trail.writer.state().tip.count,
            "audit chain; keep the public key elsewhere: what verifies the chain asks for it"
        );
        trail.sign_head().await;
        Ok(trail)
    }

    /// Puts an entry into the chain.
    pub(super) async fn append(&self, entry: Entry) -> Result<(), AuditError> {
        self.writer.append(entry).await
    }

    /// The time for an entry.
    pub(super) fn now(&self) -> UtcTime {
        self.clock.now()
    }

    /// Why records cannot be written, if they cannot.
    pub(crate) fn trouble(&self) -> Option<AuditError> {
        self.writer.trouble()
    }

    /// Whether records are on the disk before answers leave.
    pub(crate) fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Where heads do not get to.
    pub(crate) fn head_trouble(&self) -> Vec<Arc<HeadTrouble>> {
        self.heads().trouble.iter().flatten().cloned().collect()
    }

    /// What was turned away before it got to a key, to count one more; each caller's gets an entry once a minute.
    pub(super) fn turned_away(&self) -> MutexGuard<'_, TurnedAway> {
        self.turned_away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs heads, and records what was turned away, for ever.
    pub(crate) async fn keep(&self) {
        let mut ticks = tokio::time::interval(self.head_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.record_turned_away(false).await;
            self.sign_head().await;
        }
    }

    /// Records the end, and signs the last head. Neither a disk nor a database that hangs keeps the process from ending.
    pub(crate) async fn close(&self) {
        self.close_within(END).await;
    }

    async fn close_within(&self, bound: Duration) {
        if tokio::time::timeout(bound, self.record_end()).await.is_err() {
            tracing::error!(
                "the end of the audit chain takes too long: its last records or its last head may be missing"
            );
        }
    }

    async fn record_end(&self) {
        self.record_turned_away(true).await;
        if let Err(error) = self.append(Entry::of_event(self.now(), Event::Stopped)).await {
            tracing::error!(error = %WithCauses(&error), "the end is not recorded");
        }
        self.sign_head().await;
    }

    async fn record_turned_away(&self, is_end: bool) {
        let now = self.now();
        let due = self.turned_away().due(now, is_end);
        for summary in due {
            if let Err(error) = self.append(Entry::of_event(now, Event::TurnedAway(&summary))).await {
                let number = summary.number;
                tracing::warn!(error = %WithCauses(&error), number, "what was turned away is not recorded");
            }
        }
    }

    /// Signs a head of what is on the disk, if the chain has got further since the last.
    async fn sign_head(&self) {
        let is_settled = self.is_synced && self.writer.state().failure.is_none();
        let state = if is_settled { self.writer.state() } else { self.writer.settle().await };
        let (last, had_trouble) = {
            let heads = self.heads();
            (heads.last, heads.trouble.iter().any(Option::is_some))
        };
        if last == Some(state.tip) && !had_trouble {
            return;
        }
        let (chain, key) = (self.writer.chain().clone(), self.key.key.clone());
        let unsigned = Unsigned::new(self.signer.clone(), chain, state.tip, self.now(), key);
        let trouble = match self.keys.sign(&self.key, unsigned.message()).await {
            Err(error) => [Some(HeadTrouble::Sign(error)), None],
            Ok(signature) => {
                let head = unsigned.signed(&signature);
                let (stored, appended) = tokio::join!(self.to_store(&head), self.to_second_place(head.clone()));
                [stored.err(), appended.err()]
            }
        };
        self.note(state.tip, trouble.map(|trouble| trouble.map(Arc::new)));
    }

    async fn to_store(&self, head: &Head) -> Result<(), HeadTrouble> {
        let is_put = self.store.put_head(head).await.map_err(HeadTrouble::Store)?;
        if is_put { Ok(()) } else { Err(HeadTrouble::Superseded) }
    }

    async fn to_second_place(&self, head: Head) -> Result<(), HeadTrouble> {
        let Some(second) = &self.second else { return Ok(()) };
        second.append(head).await.map_err(HeadTrouble::Second)
    }

    fn note(&self, tip: Tip, trouble: [Option<Arc<HeadTrouble>>; 2]) {
        let mut heads = self.heads();
        for (before, now) in heads.trouble.iter().zip(&trouble) {
            match (before, now) {
                (None, Some(trouble)) => tracing::error!(error = %WithCauses(trouble.as_ref()), "audit"),
                (Some(_), None) => tracing::info!("heads of the audit chain get where they should again"),
                (None, None) | (Some(_), Some(_)) => {}
            }
        }
        (heads.last, heads.trouble) = (Some(tip), trouble);
    }

    fn heads(&self) -> MutexGuard<'_, Heads> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that signs heads: the stored one, or a new one if there is none. One that does not open is not replaced:
/// whoever took its passphrase away could have another chain believed in.
async fn audit_key(
    store: &dyn HeadStore,
    keys: &SoftwareKeys,
    signer: &SignerName,
    now: UtcTime,
) -> Result<KeyRecord, OpenTrailError> {
    if let Some(stored) = store.audit_key(signer).await.map_err(store_failed)? {
        let locked = |source| OpenTrailError::Locked {
            signer: signer.clone(),
            alias: stored.alias.clone(),
            source: Box::new(source),
        };
        keys.prove(&stored).await.map_err(locked)?;
        return Ok(stored);
    }
    let made = keys.generate(Algorithm::Ed25519, &Purpose { gun: None, role: None }).await;
    let made = made.map_err(|error| OpenTrailError::Key(Box::new(error)))?;
    store.insert_audit_key(signer, &made, now).await.map_err(store_failed)?;
    Ok(made)
}

/// What is known of the chain from outside.
async fn known_heads(
    store: &dyn HeadStore,
    second: Option<&Courier>,
    signer: &SignerName,
    key: PublicKey,
) -> Result<Vec<Head>, OpenTrailError> {
    let stored = store.head(signer).await.map_err(store_failed)?;
    let stored = stored.map(|text| Head::read(text.as_bytes())).transpose();
    let stored = stored.map_err(|source| OpenTrailError::Head { signer: signer.clone(), source })?;
    let appended = match second {
        Some(second) => second.last().await?,
        None => None,
    };
    let heads: Vec<_> = stored.into_iter().chain(appended).collect();
    for head in heads.iter().filter(|head| head.key != key || head.signer != *signer) {
        tracing::warn!(
            key = hex::encode(head.key.public_bytes()),
            count = head.tip.count,
            "a head of the audit chain is signed with another key than this signer's"
        );
    }
    Ok(heads)
}

fn store_failed(error: StoreError) -> OpenTrailError {
    OpenTrailError::Store(Box::new(error))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::audit::courier::tests::{SHORT, hanging};
    use crate::audit::writer;
    use crate::backend::OpenedKeys;
    use crate::clock::TestClock;
    use crate::config::Environment;
    use crate::seal::Sealing;
    use crate::seal::passphrase::Passphrases;
    use crate::store::memory::MemoryKeyStore;

    fn keys(variables: &[(&str, &str)], alias: &str) -> SoftwareKeys {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let passphrases = Passphrases::from_environment(Environment::new(variables), &[]);
        let (sealing, alias) = (Arc::new(Sealing::with_passphrases(passphrases)), Alias::parse(alias).unwrap());
        let clock = TestClock::at("2026-11-22T06:00:00Z");
        SoftwareKeys::new(sealing, alias, OpenedKeys::default(), clock, Arc::new(SystemRandom::new()))
    }

    #[tokio::test]
    async fn a_key_of_heads_that_does_not_open_is_named_by_its_alias_and_never_replaced() {
        let (store, signer) = (MemoryKeyStore::default(), SignerName::parse("signer-1").unwrap());
        let now = UtcTime::from_unix_seconds(1).unwrap();
        let old = keys(&[("NOTARY_SIGNER_OLD", "one")], "old");
        let made = audit_key(&store, &old, &signer, now).await.unwrap();
        for variables in
            [&[("NOTARY_SIGNER_NEW", "two")][..], &[("NOTARY_SIGNER_NEW", "two"), ("NOTARY_SIGNER_OLD", "2")]]
        {
            let refusal = audit_key(&store, &keys(variables, "new"), &signer, now).await.unwrap_err();
            assert!(matches!(&refusal, OpenTrailError::Locked { alias, .. } if alias.as_str() == "old"), "{refusal}");
            assert_eq!(store.audit_key(&signer).await.unwrap(), Some(made.clone()));
        }
        assert_eq!(audit_key(&store, &old, &signer, now).await.unwrap(), made);
    }
    /// Heads are signed when the test says so.
    async fn opened(
        place: &std::path::Path,
        second: Courier,
        store: &Arc<MemoryKeyStore>,
    ) -> Result<Trail, OpenTrailError> {
        let settings = AuditSettings {
            directory: place.join("audit"),
            signer: SignerName::parse("signer-1").unwrap(),
            second_place: None,
            is_synced: true,
            file_bytes: 1 << 20,
            head_interval: Duration::from_secs(3600),
        };
        let materials = Materials {
            store: Arc::<MemoryKeyStore>::clone(store),
            keys: keys(&[("NOTARY_SIGNER_K1", "one")], "k1"),
            clock: TestClock::at("2026-11-22T06:00:00Z"),
            rng: Arc::new(SystemRandom::new()),
        };
        Trail::open_with(&settings, settings.signer.clone(), Some(second), materials).await
    }

    #[tokio::test]
    async fn heads_go_on_to_the_database_while_the_second_place_hangs() {
        let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeyStore::default()));
        let (place, tell, arrived) = hanging();
        // the question for the last head is answered, in time also on a busy machine; the first append is not
        tell.send(()).unwrap();
        let courier = Courier::start(place, Duration::from_secs(1)).unwrap();
        let trail = opened(folder.path(), courier, &store).await.unwrap();
        let signer = SignerName::parse("signer-1").unwrap();
        for _ in 0..3 {
            trail.append(Entry::of_event(trail.now(), Event::Cut { bytes: 1 })).await.unwrap();
            trail.sign_head().await;
            let stored = store.head(&signer).await.unwrap().unwrap();
            assert_eq!(Head::read(stored.as_bytes()).unwrap().tip, trail.writer.state().tip);
            let trouble = trail.head_trouble();
            let [trouble] = trouble.as_slice() else { panic!("{trouble:?}") };
            assert!(matches!(trouble.as_ref(), HeadTrouble::Second(SecondPlaceError::Late { .. })), "{trouble}");
        }
        // the end waits for it no longer than that, and is in the database
        trail.close().await;
        let stored = Head::read(store.head(&signer).await.unwrap().unwrap().as_bytes()).unwrap();
        assert_eq!(stored.tip.count, 6, "the first line, the start, three entries and the end");
        assert_eq!(arrived.try_iter().count(), 0);
        drop(tell);
    }

    #[tokio::test]
    async fn a_signer_does_not_start_without_what_the_second_place_tells_of() {
        let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeyStore::default()));
        let (place, tell, _arrived) = hanging();
        let refusal = opened(folder.path(), Courier::start(place, SHORT).unwrap(), &store).await.err().unwrap();
        assert!(matches!(refusal, OpenTrailError::Second(SecondPlaceError::Late { .. })), "{refusal}");
        drop(tell);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_does_not_keep_the_process_from_ending() {
        let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKeyStore::default()));
        let (place, tell_place, _arrived) = hanging();
        (0..2).for_each(|_| tell_place.send(()).unwrap());
        let trail = opened(folder.path(), Courier::start(place, Duration::from_secs(60)).unwrap(), &store).await;
        let (writer, asked, tell) = writer::tests::hanging(TestClock::at("2026-11-22T06:00:00Z"));
        let trail = Trail { writer, ..trail.unwrap() };
        let closing = tokio::time::timeout(Duration::from_secs(5), trail.close_within(SHORT)).await;
        assert!(closing.is_ok() && asked.try_recv().is_ok(), "{closing:?}");
        drop(tell);
    }
}
