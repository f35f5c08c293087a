//! Which key is made, and which is handed out again.

use super::*;

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
async fn a_key_that_cannot_be_stored_is_not_handed_out() {
    let (keyring, store) = fresh();
    assert!(amiss(&keyring).await.is_none());
    store.failing.store(true, Ordering::SeqCst);
    assert!(matches!(create(&keyring, Role::Timestamp).await, Err(KeyringError::CreationFailed(_))));
}
