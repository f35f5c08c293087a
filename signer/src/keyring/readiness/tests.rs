//! What makes a signer ready, and what it says that it is not.

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
        let made = keys(&BOTH, "k1").generate(Algorithm::Ed25519, &Purpose { gun: None, role: None }).await.unwrap();
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

/// As the reference allows: the passphrase was changed, and older rows stayed as they were.
#[tokio::test]
async fn rows_of_an_older_passphrase_lock_no_alias_as_long_as_one_sample_opens() {
    let (store, purpose) = (MemoryKeyStore::default(), Purpose { gun: None, role: None });
    let older = keys(&[("NOTARY_SIGNER_K1", "older")], "k1");
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(older.generate(Algorithm::Ed25519, &purpose).await.unwrap());
    }
    // this store gives samples in the order of their ids: the one that opens comes last
    let mut opens = keys(&BOTH, "k1").generate(Algorithm::Ed25519, &purpose).await.unwrap();
    while made.iter().any(|older| older.key.id() > opens.key.id()) {
        opens = keys(&BOTH, "k1").generate(Algorithm::Ed25519, &purpose).await.unwrap();
    }
    for older in &made {
        store.insert(older, time(1)).await.unwrap();
    }
    assert!(!look(&Readiness::default(), &store, &keys(&BOTH, "k1"), 1).await.is_ready(Service::KeyManagement));
    store.insert(&opens, time(1)).await.unwrap();
    assert_eq!(amiss(&look(&Readiness::default(), &store, &keys(&BOTH, "k1"), 1).await), [""; 0]);
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
