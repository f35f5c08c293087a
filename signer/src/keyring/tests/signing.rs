//! What a key signs, and that its use is stored.

use tuf_schema::signature::Signature;

use super::*;
use crate::store::KeyRecord;

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
