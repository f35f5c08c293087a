//! What the keyring promises to callers, on a store that can be watched and can fail.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ring::rand::SystemRandom;
use tokio::sync::RwLock;
use tokio::time::timeout;
use tuf_schema::Gun;
use tuf_schema::signature::Signature;

use super::*;
use crate::audit::name::SignerName;
use crate::audit::{Materials, Trail};
use crate::backend::{OpenedKeys, SoftwareKeys};
use crate::clock::{SystemClock, TestClock};
use crate::config::{AuditSettings, Environment};
use crate::metrics::Metrics;
use crate::rate::CallerRates;
use crate::rights::{GunPrefix, Rights, SERVED};
use crate::seal::Sealing;
use crate::seal::passphrase::{Alias, Passphrases};
use crate::store::KeyRecord;
use crate::store::memory::MemoryKeyStore;
use crate::store::roles::Roleless;
use crate::store::wrapped::{AliasUse, Replacement, WrappedKey, WrappedKeys};

const SNAPSHOT: &[u8] = include_bytes!("../../testdata/snapshot.json");
const TIMESTAMP: &[u8] = include_bytes!("../../testdata/timestamp.json");

/// A store in memory that counts writes of uses, questions for a key and searches for samples, and fails when told to.
#[derive(Default)]
struct Watched {
    keys: MemoryKeyStore,
    marks: AtomicUsize,
    samples: AtomicUsize,
    finds: AtomicUsize,
    failing: AtomicBool,
    /// Another process deletes a key between its being found and its use being noted.
    deleting: AtomicBool,
    /// Keeps creations, signatures and deletions waiting while it is held for writing.
    gate: RwLock<()>,
}

/// A clock that is set, in milliseconds of one second.
struct AtMillisecond(AtomicI64);

impl Clock for AtMillisecond {
    fn now(&self) -> UtcTime {
        UtcTime::parse(&format!("2026-11-22T06:00:00.{:03}Z", self.0.load(Ordering::SeqCst))).unwrap()
    }
}

impl Watched {
    fn answer(&self) -> Result<(), StoreError> {
        if self.failing.load(Ordering::SeqCst) { Err(StoreError::Unavailable("told to fail".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl KeyStore for Watched {
    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        let _open = self.gate.read().await;
        self.finds.fetch_add(1, Ordering::SeqCst);
        self.keys.find(id).await
    }
    async fn pending(&self, purpose: &Purpose, kind: &KeyKind) -> Result<Option<KeyRecord>, StoreError> {
        let _open = self.gate.read().await;
        self.keys.pending(purpose, kind).await
    }
    async fn insert_unless_pending(&self, record: &KeyRecord, now: UtcTime) -> Result<Option<KeyRecord>, StoreError> {
        self.answer()?;
        self.keys.insert_unless_pending(record, now).await
    }
    async fn insert(&self, record: &KeyRecord, now: UtcTime) -> Result<(), StoreError> {
        self.keys.insert(record, now).await
    }
    async fn mark_used(&self, uses: &[(KeyId, UtcTime)]) -> Result<(), StoreError> {
        self.answer()?;
        self.marks.fetch_add(1, Ordering::SeqCst);
        if self.deleting.load(Ordering::SeqCst) {
            for (id, now) in uses {
                self.keys.delete(id, *now).await?;
            }
        }
        self.keys.mark_used(uses).await
    }
    async fn delete(&self, id: &KeyId, now: UtcTime) -> Result<bool, StoreError> {
        let _open = self.gate.read().await;
        self.keys.delete(id, now).await
    }
    async fn sealed_under(&self, alias: &Alias, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        self.samples.fetch_add(1, Ordering::SeqCst);
        self.keys.sealed_under(alias, limit).await
    }
    async fn probe(&self) -> Result<(), StoreError> {
        self.answer()
    }
}

#[async_trait]
impl WrappedKeys for Watched {
    async fn aliases(&self) -> Result<Vec<AliasUse>, StoreError> {
        self.keys.aliases().await
    }
    async fn page(&self, after: Option<&KeyId>, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
        self.keys.page(after, limit).await
    }
    async fn rewrap(&self, read: &KeyRecord, wrapping: &Replacement, now: UtcTime) -> Result<bool, StoreError> {
        self.keys.rewrap(read, wrapping, now).await
    }
}

#[async_trait]
impl KeyRoles for Watched {
    async fn taken(&self, id: &KeyId) -> Result<Option<Taken>, StoreError> {
        self.answer()?;
        self.keys.taken(id).await
    }
    async fn take(&self, id: &KeyId, taking: &Taken, now: UtcTime) -> Result<Taken, StoreError> {
        self.answer()?;
        self.keys.take(id, taking, now).await
    }
    async fn roleless(&self, limit: u32) -> Result<Roleless, StoreError> {
        self.keys.roleless(limit).await
    }
}

fn keyring(store: &Arc<Watched>, passphrase: &str) -> Arc<Keyring> {
    counting(store, passphrase, Arc::new(Metrics::new(false)))
}

fn counting(store: &Arc<Watched>, passphrase: &str, metrics: Arc<Metrics>) -> Arc<Keyring> {
    let (store, backend) = (Arc::clone(store), Box::new(software(passphrase)));
    let (clock, audit) = (Arc::new(SystemClock), Audit::new(metrics));
    Arc::new(Keyring::new(store.clone(), store.clone(), store, backend, clock, audit))
}

/// A keyring that believes records for half a second.
fn remembering(store: &Arc<Watched>, clock: &Arc<AtMillisecond>) -> Arc<Keyring> {
    let (store, audit) = (Arc::clone(store), Audit::new(Arc::new(Metrics::new(false))));
    let keyring = Keyring::new(
        store.clone(),
        store.clone(),
        store,
        Box::new(software("right")),
        Arc::clone(clock) as Arc<dyn Clock>,
        audit,
    );
    Arc::new(keyring.with_record_life(Duration::from_millis(500)))
}

fn software(passphrase: &str) -> SoftwareKeys {
    let environment = Environment::new([("NOTARY_SIGNER_K1".to_owned(), passphrase.to_owned())]);
    let (passphrases, alias) = (Passphrases::from_environment(environment, &[]), Alias::parse("k1").unwrap());
    SoftwareKeys::new(
        Arc::new(Sealing::with_passphrases(passphrases)),
        alias,
        OpenedKeys::default(),
        Arc::new(SystemClock),
        Arc::new(SystemRandom::new()),
    )
}

fn fresh() -> (Arc<Keyring>, Arc<Watched>) {
    let store = Arc::new(Watched::default());
    (keyring(&store, "right"), store)
}

fn purpose(gun: &str, role: Role) -> Purpose {
    Purpose { gun: Some(Gun::parse(gun).unwrap()), role: Some(role) }
}

/// Why keys cannot be made, if they cannot.
async fn amiss(keyring: &Keyring) -> Option<NotReady> {
    keyring.look().await.into_result(Service::KeyManagement).err()
}

async fn create(keyring: &Arc<Keyring>, role: Role) -> Result<PublicKey, KeyringError> {
    keyring.create(&Caller::for_test(), Algorithm::Ed25519, &purpose("registry.test/app", role)).await
}

async fn sign(keyring: &Arc<Keyring>, key: &PublicKey, content: &[u8]) -> Result<Signed, KeyringError> {
    keyring.sign(&Caller::for_test(), key.id(), None, content).await
}

#[tokio::test]
async fn a_key_is_handed_out_again_until_it_signs() {
    let (keyring, _) = fresh();
    let first = create(&keyring, Role::Snapshot).await.unwrap();
    assert_eq!(create(&keyring, Role::Snapshot).await.unwrap(), first);
    sign(&keyring, &first, SNAPSHOT).await.unwrap();
    assert_ne!(create(&keyring, Role::Snapshot).await.unwrap(), first);
}

#[tokio::test]
async fn repositories_and_roles_do_not_share_keys() {
    let (keyring, _) = fresh();
    let key = create(&keyring, Role::Snapshot).await.unwrap();
    assert_ne!(create(&keyring, Role::Timestamp).await.unwrap(), key);
    let elsewhere = purpose("registry.test/other", Role::Snapshot);
    assert_ne!(keyring.create(&Caller::for_test(), Algorithm::Ed25519, &elsewhere).await.unwrap(), key);
}

#[tokio::test(flavor = "multi_thread")]
async fn creations_at_the_same_time_end_with_one_key() {
    let keyring = fresh().0;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let keyring = Arc::clone(&keyring);
            tokio::spawn(async move { create(&keyring, Role::Timestamp).await.unwrap() })
        })
        .collect();
    let first = create(&keyring, Role::Timestamp).await.unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap(), first);
    }
}

/// Two signers on one store do not wait for each other, as the tasks of one signer do.
#[tokio::test(flavor = "multi_thread")]
async fn two_signers_that_are_asked_at_once_end_with_one_key() {
    let store = Arc::new(Watched::default());
    let signers = [keyring(&store, "right"), keyring(&store, "right")];
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let keyring = Arc::clone(&signers[number % 2]);
            tokio::spawn(async move { create(&keyring, Role::Timestamp).await.unwrap() })
        })
        .collect();
    let first = create(&signers[0], Role::Timestamp).await.unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap(), first);
    }
    assert_eq!(store.sealed_under(&Alias::parse("k1").unwrap(), 99).await.unwrap().len(), 1);
}

#[tokio::test]
async fn keys_of_root_and_targets_are_not_made() {
    let (keyring, _) = fresh();
    for role in [Role::Root, Role::Targets, Role::parse("targets/releases").unwrap()] {
        let refusal = create(&keyring, role.clone()).await.unwrap_err();
        assert!(matches!(refusal, KeyringError::RoleNotServed(refused) if refused == role));
    }
}

#[tokio::test]
async fn a_signature_verifies_and_content_of_another_role_gets_none() {
    let (keyring, _) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    let signed = sign(&keyring, &key, TIMESTAMP).await.unwrap();
    assert_eq!(signed.key, key);
    let Signed { signature, .. } = signed;
    let signature = Signature { key_id: key.id().clone(), method: signature.method, bytes: signature.bytes };
    assert!(key.verifies(TIMESTAMP, &signature));

    let refusal = sign(&keyring, &key, SNAPSHOT).await.unwrap_err();
    let expected = ContentRefusal::OtherRole { found: Role::Snapshot };
    assert!(matches!(refusal, KeyringError::ContentRefused { reason, .. } if reason == expected));
}

#[tokio::test]
async fn a_retired_key_signs_nothing_and_is_not_handed_out() {
    let made = software("right").generate(Algorithm::Ed25519, &purpose("registry.test/app", Role::Timestamp)).await;
    let retired = KeyRecord { retired: UtcTime::from_unix_seconds(1_700_000_000), ..made.unwrap() };
    let store = Arc::new(Watched::default());
    store.insert(&retired, SystemClock.now()).await.unwrap();
    let keyring = keyring(&store, "right");
    let refusal = sign(&keyring, &retired.key, TIMESTAMP).await.unwrap_err();
    assert!(matches!(&refusal, KeyringError::Retired { key, .. } if key == retired.key.id()));
    assert!(refusal.to_string().contains("was retired at 2023-11-14T22:13:20Z"), "{refusal}");
    assert_eq!(store.marks.load(Ordering::SeqCst), 0, "a refusal is no use");
    assert_ne!(create(&keyring, Role::Timestamp).await.unwrap(), retired.key);
    let described = keyring.describe(&Caller::for_test(), retired.key.id()).await.unwrap();
    assert_eq!(described.key, retired.key, "clients go on verifying with it");
}

#[tokio::test]
async fn refused_content_leaves_a_key_unused() {
    let (keyring, _) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    sign(&keyring, &key, SNAPSHOT).await.unwrap_err();
    assert_eq!(create(&keyring, Role::Timestamp).await.unwrap(), key);
}

#[tokio::test]
async fn no_signature_is_given_before_the_first_use_is_stored() {
    let (keyring, store) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    store.failing.store(true, Ordering::SeqCst);
    let refusal = sign(&keyring, &key, TIMESTAMP).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::Store(StoreError::Unavailable(_))), "{refusal}");
    store.failing.store(false, Ordering::SeqCst);
    sign(&keyring, &key, TIMESTAMP).await.unwrap();
    assert_eq!(store.marks.load(Ordering::SeqCst), 1);
}

/// The directory of the chain is taken away: each line would begin a file in it.
#[tokio::test]
async fn nothing_is_answered_that_is_not_on_record() {
    let (store, folder) = (Arc::new(Watched::default()), tempfile::tempdir().unwrap());
    let directory = folder.path().join("audit");
    let settings = AuditSettings {
        directory: directory.clone(),
        signer: SignerName::parse("signer-1").unwrap(),
        second_place: None,
        is_synced: true,
        file_bytes: 1,
        head_interval: Duration::from_secs(1),
    };
    let materials = Materials {
        store: Arc::new(MemoryKeyStore::default()),
        keys: software("right"),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRandom::new()),
    };
    let trail = Trail::open(&settings, None, materials).await.unwrap();
    let keyring = Arc::into_inner(keyring(&store, "right")).unwrap();
    let audit = Audit::new(Arc::new(Metrics::new(false))).with_trail(trail);
    let keyring = Arc::new(Keyring { audit, ..keyring });
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    sign(&keyring, &key, TIMESTAMP).await.unwrap();

    std::fs::remove_dir_all(&directory).unwrap();
    let answers = [
        sign(&keyring, &key, TIMESTAMP).await.map(|_| ()),
        sign(&keyring, &key, SNAPSHOT).await.map(|_| ()),
        create(&keyring, Role::Snapshot).await.map(|_| ()),
        keyring.delete(&Caller::for_test(), key.id()).await,
    ];
    for answer in answers {
        assert!(matches!(answer, Err(KeyringError::Audit(AuditError::Write(_)))), "{answer:?}");
    }
    assert!(store.find(key.id()).await.unwrap().is_some(), "it was not deleted");
}

#[tokio::test]
async fn later_uses_are_written_down_together() {
    let (keyring, store) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    for _ in 0..5 {
        sign(&keyring, &key, TIMESTAMP).await.unwrap();
    }
    assert_eq!(store.marks.load(Ordering::SeqCst), 1, "only the first use");
    store.failing.store(true, Ordering::SeqCst);
    keyring.tidy().await.unwrap_err();
    store.failing.store(false, Ordering::SeqCst);
    keyring.tidy().await.unwrap();
    keyring.tidy().await.unwrap();
    assert_eq!(store.marks.load(Ordering::SeqCst), 2, "the rest at once, although the first try failed");
}

#[tokio::test]
async fn a_deleted_key_signs_no_more_and_one_only_is_deleted() {
    let (keyring, _) = fresh();
    let (snapshot, timestamp) =
        (create(&keyring, Role::Snapshot).await.unwrap(), create(&keyring, Role::Timestamp).await.unwrap());
    sign(&keyring, &snapshot, SNAPSHOT).await.unwrap();
    keyring.delete(&Caller::for_test(), snapshot.id()).await.unwrap();
    keyring.delete(&Caller::for_test(), snapshot.id()).await.unwrap();
    let refusal = sign(&keyring, &snapshot, SNAPSHOT).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::SigningKeyNotFound(id) if id == *snapshot.id()));
    sign(&keyring, &timestamp, TIMESTAMP).await.unwrap();
}

#[tokio::test]
async fn a_key_that_another_process_deletes_signs_until_its_record_is_old_and_no_longer() {
    let (store, clock) = (Arc::new(Watched::default()), Arc::new(AtMillisecond(AtomicI64::new(0))));
    let keyring = remembering(&store, &clock);
    let key = create(&keyring, Role::Snapshot).await.unwrap();
    sign(&keyring, &key, SNAPSHOT).await.unwrap();
    sign(&keyring, &key, SNAPSHOT).await.unwrap();

    store.delete(key.id(), clock.now()).await.unwrap();
    clock.0.store(499, Ordering::SeqCst);
    sign(&keyring, &key, SNAPSHOT).await.unwrap();
    clock.0.store(500, Ordering::SeqCst);
    let refusal = sign(&keyring, &key, SNAPSHOT).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::SigningKeyNotFound(id) if id == *key.id()));
}

#[tokio::test]
async fn signatures_with_one_key_ask_the_store_once_after_its_first_use() {
    let (store, clock) = (Arc::new(Watched::default()), Arc::new(AtMillisecond(AtomicI64::new(0))));
    let keyring = remembering(&store, &clock);
    let key = create(&keyring, Role::Snapshot).await.unwrap();
    for expected in [2, 3, 3, 3] {
        sign(&keyring, &key, SNAPSHOT).await.unwrap();
        // whether the row took the first use is asked, and once more for the record that tells of it
        assert_eq!(store.finds.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn a_key_deleted_here_signs_no_more_at_once() {
    let (store, clock) = (Arc::new(Watched::default()), Arc::new(AtMillisecond(AtomicI64::new(0))));
    let keyring = remembering(&store, &clock);
    let key = create(&keyring, Role::Snapshot).await.unwrap();
    for _ in 0..2 {
        sign(&keyring, &key, SNAPSHOT).await.unwrap();
    }
    keyring.delete(&Caller::for_test(), key.id()).await.unwrap();
    let refusal = sign(&keyring, &key, SNAPSHOT).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::SigningKeyNotFound(id) if id == *key.id()));
}

#[tokio::test]
async fn a_pending_key_that_does_not_open_is_neither_handed_out_nor_replaced() {
    let (keyring, store) = fresh();
    create(&keyring, Role::Timestamp).await.unwrap();
    let locked = self::keyring(&store, "wrong");
    let refusal = create(&locked, Role::Timestamp).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::Backend(BackendError::Locked { .. })), "{refusal}");
    assert_eq!(store.sealed_under(&Alias::parse("k1").unwrap(), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn no_key_is_made_under_a_passphrase_that_opens_none_of_the_stored_keys() {
    let (keyring, store) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    sign(&keyring, &key, TIMESTAMP).await.unwrap();
    let locked = self::keyring(&store, "wrong");
    let refusal = create(&locked, Role::Timestamp).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::NotReady(NotReady::Locked { .. })), "{refusal}");
    assert!(matches!(amiss(&locked).await, Some(NotReady::Locked { .. })));
    assert_eq!(
        store.sealed_under(&Alias::parse("k1").unwrap(), 9).await.unwrap(),
        [store.find(key.id()).await.unwrap().unwrap()]
    );
    assert!(amiss(&self::keyring(&store, "right")).await.is_none());
}

#[tokio::test]
async fn a_passphrase_that_opens_nothing_is_tried_once_in_ten_seconds() {
    let (keyring, store) = fresh();
    create(&keyring, Role::Timestamp).await.unwrap();
    let (readiness, wrong) = (Readiness::default(), software("wrong"));
    let before = store.samples.load(Ordering::SeqCst);
    // the clock is set back in the end
    for (seconds, tries) in [(100, 1), (109, 1), (110, 2), (119, 2), (109, 3)] {
        let now = UtcTime::from_unix_seconds(seconds).unwrap();
        let report = readiness.look(store.as_ref(), store.as_ref(), &wrong, now).await;
        let amiss = report.into_result(Service::KeyManagement);
        assert!(matches!(amiss, Err(NotReady::Locked { .. })), "{seconds}: {amiss:?}");
        assert_eq!(store.samples.load(Ordering::SeqCst) - before, tries, "{seconds}");
    }
}

#[tokio::test]
async fn a_key_that_does_not_open_is_not_called_absent() {
    let (keyring, store) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    let locked = self::keyring(&store, "wrong");
    let refusal = sign(&locked, &key, TIMESTAMP).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::Backend(BackendError::Locked { .. })), "{refusal}");
    assert_eq!(locked.describe(&Caller::for_test(), key.id()).await.unwrap().key, key);
}

#[tokio::test]
async fn readiness_ends_and_returns_with_the_store() {
    let (keyring, store) = fresh();
    assert!(amiss(&keyring).await.is_none());
    store.failing.store(true, Ordering::SeqCst);
    assert!(matches!(amiss(&keyring).await, Some(NotReady::Store(_))));
    store.failing.store(false, Ordering::SeqCst);
    assert!(amiss(&keyring).await.is_none());
}

#[tokio::test]
async fn a_key_that_cannot_be_stored_is_not_handed_out() {
    let (keyring, store) = fresh();
    assert!(amiss(&keyring).await.is_none());
    store.failing.store(true, Ordering::SeqCst);
    assert!(matches!(create(&keyring, Role::Timestamp).await, Err(KeyringError::CreationFailed(_))));
}

#[tokio::test]
async fn what_a_client_began_is_done_and_recorded_although_it_goes_away() {
    let (store, metrics) = (Arc::new(Watched::default()), Arc::new(Metrics::new(false)));
    let keyring = counting(&store, "right", Arc::clone(&metrics));
    let key = create(&keyring, Role::Snapshot).await.unwrap();

    let gate = store.gate.write().await;
    let going_away = Duration::ZERO;
    timeout(going_away, create(&keyring, Role::Timestamp)).await.unwrap_err();
    timeout(going_away, sign(&keyring, &key, TIMESTAMP)).await.unwrap_err();
    timeout(going_away, keyring.delete(&Caller::for_test(), key.id())).await.unwrap_err();
    drop(gate);

    let lines = [
        r#"create",role="snapshot",outcome="ok"} 1"#,
        r#"create",role="timestamp",outcome="ok"} 1"#,
        r#"sign",role="snapshot",outcome="refused"} 1"#,
        r#"delete",role="none",outcome="ok"} 1"#,
    ];
    let all_recorded = async {
        while !lines.iter().all(|line| metrics.text().contains(line)) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), all_recorded).await.unwrap_or_else(|_| panic!("{}", metrics.text()));
}

fn restricted(guns: &[&str], roles: &[Role]) -> Caller {
    let guns = guns.iter().map(|text| GunPrefix::parse(text).unwrap()).collect();
    Caller::with_rights("other", Rights { guns: Some(guns), roles: Some(roles.to_vec()), ..Rights::default() })
}

#[tokio::test]
async fn a_caller_uses_keys_within_its_rights_only_and_learns_nothing_of_others() {
    let (keyring, store) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    for stranger in [restricted(&["registry.test/other/"], &SERVED), restricted(&["registry.test/"], &[Role::Snapshot])]
    {
        let refusals = [
            keyring.describe(&stranger, key.id()).await.map(|_| ()),
            keyring.sign(&stranger, key.id(), None, TIMESTAMP).await.map(|_| ()),
            // what the key would sign is not told either
            keyring.sign(&stranger, key.id(), None, SNAPSHOT).await.map(|_| ()),
            keyring.delete(&stranger, key.id()).await,
        ];
        for refusal in refusals {
            let error = refusal.unwrap_err();
            assert!(matches!(&error, KeyringError::NotYours { key: refused, .. } if refused == key.id()), "{error}");
            assert_eq!(error.to_string(), format!("key {} is not this caller's to use", key.id()));
        }
        let made = keyring.create(&stranger, Algorithm::Ed25519, &purpose("registry.test/app", Role::Timestamp)).await;
        assert!(matches!(made, Err(KeyringError::NotYoursToMake(_))), "{made:?}");
    }
    assert!(store.find(key.id()).await.unwrap().unwrap().last_used.is_none(), "it did not sign");
    let own = restricted(&["registry.test/"], &[Role::Timestamp]);
    keyring.describe(&own, key.id()).await.unwrap();
    keyring.sign(&own, key.id(), None, TIMESTAMP).await.unwrap();
    keyring.delete(&own, key.id()).await.unwrap();
}

/// What the record says counts, whatever repository the caller names.
#[tokio::test]
async fn a_caller_cannot_talk_itself_into_a_key() {
    let (keyring, _) = fresh();
    let nobodys = Purpose { gun: None, role: Some(Role::Timestamp) };
    let key = keyring.create(&Caller::for_test(), Algorithm::Ed25519, &nobodys).await.unwrap();
    let stranger = restricted(&["registry.test/"], &SERVED);
    let named = Gun::parse("registry.test/app").unwrap();
    let refusal = keyring.sign(&stranger, key.id(), Some(named), TIMESTAMP).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::NotYours { source: Outside::Repository, .. }), "{refusal}");
    let made = keyring.create(&stranger, Algorithm::Ed25519, &nobodys).await;
    assert!(matches!(made, Err(KeyringError::NotYoursToMake(Outside::Repository))), "{made:?}");
}

#[tokio::test]
async fn a_key_of_no_role_signs_for_a_caller_documents_of_its_roles_only() {
    let (keyring, _) = fresh();
    let roleless = Purpose { gun: Some(Gun::parse("registry.test/app").unwrap()), role: None };
    let key = keyring.create(&Caller::for_test(), Algorithm::Ed25519, &roleless).await.unwrap();
    let caller = restricted(&["registry.test/"], &[Role::Timestamp]);
    let refusal = keyring.sign(&caller, key.id(), None, SNAPSHOT).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::NotYours { source: Outside::Role, .. }), "{refusal}");
    assert!(keyring.delete(&caller, key.id()).await.is_err(), "it may be a snapshot's");
    assert!(keyring.create(&caller, Algorithm::Ed25519, &roleless).await.is_err(), "it would sign snapshots, too");
    keyring.sign(&caller, key.id(), None, TIMESTAMP).await.unwrap();
}

#[tokio::test]
async fn an_unknown_key_is_absent_for_every_caller() {
    let (keyring, _) = fresh();
    let (caller, id) = (restricted(&["registry.test/"], &SERVED), KeyId::from_wire("absent"));
    assert!(matches!(keyring.describe(&caller, &id).await, Err(KeyringError::KeyNotFound(_))));
    assert!(matches!(keyring.sign(&caller, &id, None, TIMESTAMP).await, Err(KeyringError::SigningKeyNotFound(_))));
    keyring.delete(&caller, &id).await.unwrap();
}

#[tokio::test]
async fn only_a_caller_who_signs_any_document_has_another_one_signed() {
    let (keyring, _) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    let any = Caller::with_rights("any", Rights { signs_any_document: true, ..Rights::default() });
    for content in [SNAPSHOT, b"no document", br#"{"_type":"Root"}"#] {
        assert!(sign(&keyring, &key, content).await.is_err());
        keyring.sign(&any, key.id(), None, content).await.unwrap();
    }
    let elsewhere = Gun::parse("registry.test/other").unwrap();
    let refusal = keyring.sign(&any, key.id(), Some(elsewhere), TIMESTAMP).await.unwrap_err();
    assert!(
        matches!(refusal, KeyringError::ContentRefused { reason: ContentRefusal::OtherGun { .. }, .. }),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_key_that_is_deleted_before_its_first_use_is_noted_gives_no_signature() {
    let (keyring, store) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    store.deleting.store(true, Ordering::SeqCst);
    let refusal = sign(&keyring, &key, TIMESTAMP).await.unwrap_err();
    assert!(matches!(&refusal, KeyringError::SigningKeyNotFound(id) if id == key.id()), "{refusal}");
}

#[tokio::test]
async fn what_is_too_many_is_refused_before_anything_is_looked_at() {
    let store = Arc::new(Watched::default());
    let clock: Arc<dyn Clock> = TestClock::at("2026-11-22T06:00:00Z");
    let rates = Rates { of_caller: CallerRates { requests: 7, new_keys: 1 }, key_signatures: 2 };
    let limited = |keyring: Arc<Keyring>| {
        let limits = RateLimits::new(&rates, [], &clock);
        Arc::new(Arc::into_inner(keyring).unwrap().limited_by(limits))
    };
    let metrics = Arc::new(Metrics::new(false));
    let keyring = limited(counting(&store, "right", Arc::clone(&metrics)));
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    let too_many = |refused: Result<(), KeyringError>| matches!(refused, Err(KeyringError::TooMany(_)));
    assert!(too_many(create(&keyring, Role::Timestamp).await.map(|_| ())), "new keys");
    sign(&keyring, &key, TIMESTAMP).await.unwrap();
    sign(&keyring, &key, TIMESTAMP).await.unwrap();
    assert!(too_many(sign(&keyring, &key, TIMESTAMP).await.map(|_| ())), "signatures of a key");
    keyring.describe(&Caller::for_test(), key.id()).await.unwrap();
    keyring.describe(&Caller::for_test(), key.id()).await.unwrap();
    store.failing.store(true, Ordering::SeqCst);
    assert!(too_many(keyring.describe(&Caller::for_test(), key.id()).await.map(|_| ())), "requests of a caller");
    assert!(too_many(keyring.delete(&Caller::for_test(), key.id()).await), "requests of a caller");
    let other = Caller::with_rights("other", Rights::default());
    keyring.describe(&other, key.id()).await.unwrap();
    assert!(metrics.text().contains(r#"create",role="timestamp",outcome="refused"} 1"#), "{}", metrics.text());
}

#[tokio::test]
async fn who_may_not_use_a_key_does_not_use_up_its_signatures() {
    let store = Arc::new(Watched::default());
    let clock: Arc<dyn Clock> = TestClock::at("2026-11-22T06:00:00Z");
    let rates = Rates { of_caller: CallerRates { requests: 0, new_keys: 0 }, key_signatures: 1 };
    let keyring = Arc::into_inner(counting(&store, "right", Arc::new(Metrics::new(false)))).unwrap();
    let keyring = Arc::new(keyring.limited_by(RateLimits::new(&rates, [], &clock)));
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    let stranger = Caller::with_rights("stranger", Rights { roles: Some(vec![Role::Snapshot]), ..Rights::default() });
    for _ in 0..5 {
        let refusal = keyring.sign(&stranger, key.id(), None, TIMESTAMP).await.unwrap_err();
        assert!(matches!(refusal, KeyringError::NotYours { .. }), "{refusal}");
        let refusal = sign(&keyring, &key, SNAPSHOT).await.unwrap_err();
        assert!(matches!(refusal, KeyringError::ContentRefused { .. }), "{refusal}");
    }
    sign(&keyring, &key, TIMESTAMP).await.unwrap();
    let refusal = sign(&keyring, &key, TIMESTAMP).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::TooMany(_)), "{refusal}");
}

#[tokio::test]
async fn each_refusal_of_a_flood_is_counted() {
    let (store, metrics) = (Arc::new(Watched::default()), Arc::new(Metrics::new(false)));
    let clock: Arc<dyn Clock> = TestClock::at("2026-11-22T06:00:00Z");
    let rates = Rates { of_caller: CallerRates { requests: 1, new_keys: 0 }, key_signatures: 0 };
    let keyring = Arc::into_inner(counting(&store, "right", Arc::clone(&metrics))).unwrap();
    let keyring = Arc::new(keyring.limited_by(RateLimits::new(&rates, [], &clock)));
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    for _ in 0..100 {
        sign(&keyring, &key, TIMESTAMP).await.unwrap_err();
    }
    assert!(metrics.text().contains(r#"sign",role="none",outcome="refused"} 100"#), "{}", metrics.text());
}

/// A key as Notary's first signers on MySQL left it: of no role, and of no repository.
async fn roleless_key(store: &Watched) -> KeyRecord {
    let nobodys = Purpose { gun: None, role: None };
    let record = software("right").generate(Algorithm::Ed25519, &nobodys).await.unwrap();
    store.keys.insert(&record, SystemClock.now()).await.unwrap();
    record
}

#[tokio::test]
async fn a_key_without_a_role_takes_that_of_its_first_document() {
    let (keyring, store) = fresh();
    for (first, second, role) in [(SNAPSHOT, TIMESTAMP, Role::Snapshot), (TIMESTAMP, SNAPSHOT, Role::Timestamp)] {
        let key = roleless_key(&store).await.key;
        assert_eq!(keyring.describe(&Caller::for_test(), key.id()).await.unwrap().purpose.role, None);
        sign(&keyring, &key, first).await.unwrap();
        assert_eq!(keyring.describe(&Caller::for_test(), key.id()).await.unwrap().purpose.role, Some(role));
        let refusal = sign(&keyring, &key, second).await.unwrap_err();
        assert!(
            matches!(refusal, KeyringError::ContentRefused { reason: ContentRefusal::OtherRole { .. }, .. }),
            "{refusal}"
        );
        sign(&keyring, &key, first).await.unwrap();
        // also at a signer that has not seen it sign
        self::keyring(&store, "right").sign(&Caller::for_test(), key.id(), None, second).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_key_without_a_repository_takes_the_one_that_is_named_with_its_first_document() {
    let (keyring, store) = fresh();
    let key = roleless_key(&store).await.key;
    let [own, other] = ["registry.test/app", "registry.test/other"].map(|name| Gun::parse(name).ok());
    keyring.sign(&Caller::for_test(), key.id(), own.clone(), TIMESTAMP).await.unwrap();
    assert_eq!(keyring.describe(&Caller::for_test(), key.id()).await.unwrap().purpose.gun, own);
    let refusal = keyring.sign(&Caller::for_test(), key.id(), other, TIMESTAMP).await.unwrap_err();
    assert!(
        matches!(refusal, KeyringError::ContentRefused { reason: ContentRefusal::OtherGun { .. }, .. }),
        "{refusal}"
    );
    keyring.sign(&Caller::for_test(), key.id(), None, TIMESTAMP).await.unwrap();
    let within = restricted(&["registry.test/app"], &SERVED);
    keyring.sign(&within, key.id(), None, TIMESTAMP).await.unwrap();
}

/// Neither has heard of the other's signature when it signs.
#[tokio::test]
async fn of_two_signers_the_second_learns_which_role_the_key_has_taken() {
    let store = Arc::new(Watched::default());
    let key = roleless_key(&store).await;
    let (one, two) = (TakenRoles::new(store.clone()), TakenRoles::new(store.clone()));
    assert_eq!(one.purpose(&key).await.unwrap().role, None);
    assert_eq!(two.purpose(&key).await.unwrap().role, None);
    let taking = |role| Taken { role, gun: None };
    let now = SystemClock.now();
    assert_eq!(one.take(&key, &taking(Role::Snapshot), now).await.unwrap().role, Some(Role::Snapshot));
    assert_eq!(two.take(&key, &taking(Role::Timestamp), now).await.unwrap().role, Some(Role::Snapshot));
}

#[tokio::test]
async fn no_signature_is_given_before_the_role_that_the_key_takes_is_stored() {
    let (keyring, store) = fresh();
    let key = roleless_key(&store).await.key;
    store.failing.store(true, Ordering::SeqCst);
    assert!(matches!(sign(&keyring, &key, TIMESTAMP).await, Err(KeyringError::Store(_))));
    store.failing.store(false, Ordering::SeqCst);
    assert_eq!(store.keys.taken(key.id()).await.unwrap(), None);
    sign(&keyring, &key, SNAPSHOT).await.unwrap();
}

#[tokio::test]
async fn a_key_that_does_not_open_takes_no_role() {
    let (_, store) = fresh();
    let key = roleless_key(&store).await.key;
    sign(&keyring(&store, "wrong"), &key, TIMESTAMP).await.unwrap_err();
    assert_eq!(store.keys.taken(key.id()).await.unwrap(), None);
    assert_eq!(store.keys.roleless(9).await.unwrap(), Roleless { count: 1, some: vec![key.id().clone()] });
}

#[tokio::test]
async fn what_is_no_document_gives_a_key_no_role() {
    let (keyring, store) = fresh();
    let key = roleless_key(&store).await.key;
    let any = Caller::with_rights("any", Rights { signs_any_document: true, ..Rights::default() });
    keyring.sign(&any, key.id(), None, b"no document").await.unwrap();
    assert_eq!(store.keys.taken(key.id()).await.unwrap(), None);
}
