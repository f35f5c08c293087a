//! That a deleted key signs no more, whoever deletes it and however long its record is believed.

use std::sync::atomic::AtomicI64;

use super::*;

/// A clock that is set, in milliseconds of one second.
struct AtMillisecond(AtomicI64);

impl Clock for AtMillisecond {
    fn now(&self) -> UtcTime {
        UtcTime::parse(&format!("2026-11-22T06:00:00.{:03}Z", self.0.load(Ordering::SeqCst))).unwrap()
    }
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
async fn a_key_that_is_deleted_before_its_first_use_is_noted_gives_no_signature() {
    let (keyring, store) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    store.deleting.store(true, Ordering::SeqCst);
    let refusal = sign(&keyring, &key, TIMESTAMP).await.unwrap_err();
    assert!(matches!(&refusal, KeyringError::SigningKeyNotFound(id) if id == key.id()), "{refusal}");
}
