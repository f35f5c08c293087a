//! Keys that do not open, and when a signer says that it is not ready.

use super::*;

#[tokio::test]
async fn a_pending_key_that_does_not_open_is_neither_handed_out_nor_replaced() {
    let (keyring, store) = fresh();
    create(&keyring, Role::Timestamp).await.unwrap();
    let locked = super::keyring(&store, "wrong");
    let refusal = create(&locked, Role::Timestamp).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::Backend(BackendError::Locked { .. })), "{refusal}");
    assert_eq!(store.sealed_under(&Alias::parse("k1").unwrap(), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn no_key_is_made_under_a_passphrase_that_opens_none_of_the_stored_keys() {
    let (keyring, store) = fresh();
    let key = create(&keyring, Role::Timestamp).await.unwrap();
    sign(&keyring, &key, TIMESTAMP).await.unwrap();
    let locked = super::keyring(&store, "wrong");
    let refusal = create(&locked, Role::Timestamp).await.unwrap_err();
    assert!(matches!(refusal, KeyringError::NotReady(NotReady::Locked { .. })), "{refusal}");
    assert!(matches!(amiss(&locked).await, Some(NotReady::Locked { .. })));
    assert_eq!(
        store.sealed_under(&Alias::parse("k1").unwrap(), 9).await.unwrap(),
        [store.find(key.id()).await.unwrap().unwrap()]
    );
    assert!(amiss(&super::keyring(&store, "right")).await.is_none());
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
    let locked = super::keyring(&store, "wrong");
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
