//! What sealing anew does to keys, and what stops it.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use ring::rand::SystemRandom;
use tuf_schema::UtcTime;

use super::*;
use crate::audit::name::SignerName;
use crate::backend::KeyBackend as _;
use crate::clock::SystemClock;
use crate::config::Environment;
use crate::seal::passphrase::Passphrases;
use crate::seal::{ContentKey, KeyWrap, OpenError, WrappedKey, Wrapping};
use crate::store::heads::HeadStore as _;
use crate::store::memory::MemoryKeyStore;
use crate::store::wrapped::WrappedKeys as _;
use crate::store::{Algorithm, KeyStore as _, Purpose};

const ALL: [(&str, &str); 3] =
    [("NOTARY_SIGNER_OLD", "one"), ("NOTARY_SIGNER_NEW", "two"), ("NOTARY_SIGNER_OTHER", "three")];

fn alias(text: &str) -> Alias {
    Alias::parse(text).unwrap()
}

fn sealing(variables: &[(&str, &str)]) -> Arc<Sealing> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Arc::new(Sealing::with_passphrases(Passphrases::from_environment(Environment::new(variables), &[])))
}

fn backend(sealing: &Arc<Sealing>, under: &str) -> SoftwareKeys {
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRandom::new()));
    SoftwareKeys::new(Arc::clone(sealing), alias(under), OpenedKeys::default(), clock, rng)
}

async fn stored(store: &MemoryKeyStore, under: &str, algorithm: Algorithm) -> KeyRecord {
    let purpose = Purpose { gun: None, role: None };
    let record = backend(&sealing(&ALL), under).generate(algorithm, &purpose).await.unwrap();
    store.insert(&record, UtcTime::from_unix_seconds(1).unwrap()).await.unwrap();
    record
}

fn to_new() -> Request {
    Request { to: alias("new"), from: None, rate: None, limit: None, operator: "operator uid 0".to_owned() }
}

/// A run with these passphrases: how it ended, and the rows that were passed over.
async fn run(
    store: &MemoryKeyStore,
    variables: &[(&str, &str)],
    request: &Request,
) -> (Result<Progress, RewrapError>, Vec<String>) {
    let (sealing, audit, mut told) = (sealing(variables), Audit::of_operator(), Vec::new());
    let work = Rewrap { store, sealing: &sealing, audit: &audit, clock: &SystemClock, request, tokens: &[] };
    let mut tell = |event| {
        if let Event::Skipped { key, reason } = event {
            told.push(format!("{key}: {reason}"));
        }
    };
    let ended = match work.check(&backend(&sealing, request.to.as_str())).await {
        Err(error) => Err(error),
        Ok(()) => {
            work.run(&mut tell, &mut 0).await.map_err(|stop| RewrapError::Stopped { done: 0, source: stop.into() })
        }
    };
    (ended, told)
}

async fn under(store: &MemoryKeyStore, key: &KeyRecord) -> KeyRecord {
    store.find(key.key.id()).await.unwrap().unwrap()
}

#[tokio::test]
async fn every_key_opens_under_the_new_alias_alone_and_stays_the_same_key() {
    let store = MemoryKeyStore::default();
    let keys = [
        stored(&store, "old", Algorithm::Ecdsa).await,
        stored(&store, "old", Algorithm::Ed25519).await,
        stored(&store, "other", Algorithm::Ed25519).await,
        stored(&store, "new", Algorithm::Ed25519).await,
    ];
    let (ended, skipped) = run(&store, &ALL, &to_new()).await;
    assert_eq!((ended.unwrap(), skipped), (Progress { done: 3, left: 0, skipped: 0 }, vec![]));
    let only_new = sealing(&ALL[1..2]);
    for key in &keys {
        let anew = under(&store, key).await;
        assert_eq!(KeyRecord { alias: key.alias.clone(), sealed: key.sealed.clone(), ..anew.clone() }, *key);
        assert_eq!(anew.alias, alias("new"));
        unseal(&only_new, &anew).await.unwrap();
    }
    assert_eq!(under(&store, &keys[3]).await, keys[3], "it was there already");
    assert_eq!(run(&store, &ALL[1..2], &to_new()).await.0.unwrap(), Progress::default(), "nothing is left to do");
}

#[tokio::test]
async fn keys_that_sign_heads_of_audit_chains_are_sealed_anew_with_the_others() {
    let store = MemoryKeyStore::default();
    let (signer, other) = (SignerName::parse("signer-1").unwrap(), SignerName::parse("signer-2").unwrap());
    let purpose = Purpose { gun: None, role: None };
    for (signer, under) in [(&signer, "old"), (&other, "other")] {
        let key = backend(&sealing(&ALL), under).generate(Algorithm::Ed25519, &purpose).await.unwrap();
        store.insert_audit_key(signer, &key, UtcTime::from_unix_seconds(1).unwrap()).await.unwrap();
    }
    let (key, stays) = (store.audit_key(&signer).await.unwrap().unwrap(), store.audit_key(&other).await.unwrap());
    stored(&store, "old", Algorithm::Ed25519).await;
    let request = |limit| Request { from: Some(alias("old")), limit: NonZeroU64::new(limit), ..to_new() };
    let ended = run(&store, &ALL[..2], &request(1)).await.0.unwrap();
    assert_eq!(ended, Progress { done: 1, left: 1, skipped: 0 }, "within the limit");
    let ended = run(&store, &ALL[..2], &request(9)).await.0.unwrap();
    assert_eq!(ended, Progress { done: 1, left: 0, skipped: 0 });
    let anew = store.audit_key(&signer).await.unwrap().unwrap();
    assert_eq!((&anew.key, &anew.alias), (&key.key, &alias("new")));
    unseal(&sealing(&ALL[1..2]), &anew).await.unwrap();
    assert_eq!(store.audit_key(&other).await.unwrap(), stays);
}

#[tokio::test]
async fn keys_of_an_alias_that_was_not_named_stay() {
    let store = MemoryKeyStore::default();
    let (old, other) =
        (stored(&store, "old", Algorithm::Ed25519).await, stored(&store, "other", Algorithm::Ed25519).await);
    let request = Request { from: Some(alias("old")), ..to_new() };
    // and their passphrase is not asked for
    assert_eq!(run(&store, &ALL[..2], &request).await.0.unwrap(), Progress { done: 1, left: 0, skipped: 0 });
    assert_eq!(under(&store, &old).await.alias, alias("new"));
    assert_eq!(under(&store, &other).await, other);
}

#[tokio::test]
async fn no_more_keys_are_sealed_anew_than_asked_for() {
    let store = MemoryKeyStore::default();
    for _ in 0..3 {
        stored(&store, "old", Algorithm::Ed25519).await;
    }
    let request = Request { limit: NonZeroU64::new(2), ..to_new() };
    assert_eq!(run(&store, &ALL, &request).await.0.unwrap(), Progress { done: 2, left: 1, skipped: 0 });
    assert_eq!(run(&store, &ALL, &request).await.0.unwrap(), Progress { done: 1, left: 0, skipped: 0 });
}

#[tokio::test]
async fn a_key_that_does_not_open_is_named_and_stays_as_it_is() {
    let store = MemoryKeyStore::default();
    stored(&store, "old", Algorithm::Ed25519).await;
    let lost = stored(&store, "old", Algorithm::Ed25519).await;
    // the sealed half of another key
    let damaged = KeyRecord { sealed: stored(&store, "old", Algorithm::Ed25519).await.sealed, ..lost.clone() };
    let replacement = Replacement { alias: damaged.alias.clone(), sealed: damaged.sealed.clone() };
    let now = UtcTime::from_unix_seconds(2).unwrap();
    assert!(store.rewrap(&lost, &replacement, now).await.unwrap());
    let (ended, skipped) = run(&store, &ALL, &to_new()).await;
    assert_eq!(ended.unwrap(), Progress { done: 2, left: 1, skipped: 1 });
    let id = lost.key.id();
    assert_eq!(skipped, [format!("{id}: key {id} is damaged: what was sealed is not its secret half")]);
    assert_eq!(under(&store, &lost).await, damaged);
}

#[tokio::test]
async fn nothing_is_sealed_under_an_alias_that_does_not_open_what_is_there() {
    let store = MemoryKeyStore::default();
    let old = stored(&store, "old", Algorithm::Ed25519).await;
    for variables in [&ALL[..1], &[ALL[0], ("NOTARY_SIGNER_NEW", "wrong")]] {
        if variables.len() > 1 {
            stored(&store, "new", Algorithm::Ed25519).await;
        }
        let ended = run(&store, variables, &to_new()).await.0;
        assert!(matches!(&ended, Err(RewrapError::To { alias: of, .. }) if *of == alias("new")), "{ended:?}");
        assert_eq!(under(&store, &old).await, old);
    }
}

/// A provider that is sound when it is looked at, and from then on wraps what it unwraps to something else.
struct GoesWrong {
    wrapped: AtomicU32,
}

#[async_trait]
impl Wrapping for GoesWrong {
    fn method(&self) -> KeyWrap {
        KeyWrap::Vault
    }
    fn key_name(&self) -> Option<&str> {
        Some("bulla")
    }
    fn may_be_away(&self) -> bool {
        false
    }
    async fn wrap(&self, content_key: &ContentKey, _key: &KeyId) -> Result<WrappedKey, SealError> {
        let is_sound = self.wrapped.fetch_add(1, Ordering::SeqCst) == 0;
        let bytes = if is_sound { *content_key.expose() } else { [0; 32] };
        Ok(WrappedKey::Vault { key_name: "bulla".to_owned(), ciphertext: hex::encode(bytes) })
    }
    async fn unwrap(&self, wrapped: WrappedKey, _key: &KeyId) -> Result<ContentKey, OpenError> {
        let WrappedKey::Vault { ciphertext, .. } = wrapped else { panic!("asked for another method") };
        Ok(ContentKey::from_bytes(&hex::decode(ciphertext).unwrap()).unwrap())
    }
}

#[tokio::test]
async fn a_key_that_would_not_open_under_its_new_alias_stays_under_the_old_one() {
    let store = MemoryKeyStore::default();
    let old = stored(&store, "old", Algorithm::Ed25519).await;
    let environment = Environment::new([("NOTARY_SIGNER_OLD".to_owned(), "one".to_owned())]);
    let wrong = Arc::new(GoesWrong { wrapped: AtomicU32::new(0) });
    let configured = [(alias("new"), wrong as Arc<dyn Wrapping>)].into();
    let passphrases = Passphrases::from_environment(environment, &[]);
    let sealing = Sealing::new(passphrases, configured, Arc::new(SystemRandom::new()));
    sealing.prove(&alias("new")).await.unwrap();
    let (audit, request) = (Audit::of_operator(), to_new());
    let work =
        Rewrap { store: &store, sealing: &sealing, audit: &audit, clock: &SystemClock, request: &request, tokens: &[] };
    let stop = work.run(&mut |_| (), &mut 0).await.unwrap_err();
    assert!(matches!(stop, Stop::Opening(BackendError::Damaged { .. })), "{stop}");
    assert_eq!(under(&store, &old).await, old);
}

#[tokio::test]
async fn nothing_is_done_where_the_old_passphrase_is_wrong() {
    let store = MemoryKeyStore::default();
    let keys = [stored(&store, "other", Algorithm::Ed25519).await, stored(&store, "old", Algorithm::Ed25519).await];
    let ended = run(&store, &[("NOTARY_SIGNER_OLD", "wrong"), ALL[1], ALL[2]], &to_new()).await.0;
    assert!(matches!(&ended, Err(RewrapError::From { alias: of, .. }) if *of == alias("old")), "{ended:?}");
    for key in &keys {
        assert_eq!(under(&store, key).await, *key);
    }
}

#[tokio::test]
async fn two_runs_at_once_seal_each_key_once() {
    let store = MemoryKeyStore::default();
    for _ in 0..10 {
        stored(&store, "old", Algorithm::Ed25519).await;
    }
    let (request, other) = (to_new(), to_new());
    let ((one, _), (other, _)) = tokio::join!(run(&store, &ALL, &request), run(&store, &ALL, &other));
    assert_eq!(one.unwrap().done + other.unwrap().done, 10);
    assert_eq!(store.sealed_under(&alias("new"), 99).await.unwrap().len(), 10);
}
