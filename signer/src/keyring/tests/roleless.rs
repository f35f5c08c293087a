//! Keys of no role, which take one with their first document.

use super::rights::restricted;
use super::*;
use crate::store::KeyRecord;
use crate::store::roles::Roleless;

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
        super::keyring(&store, "right").sign(&Caller::for_test(), key.id(), None, second).await.unwrap_err();
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
