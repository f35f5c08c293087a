//! What a caller may do with whose keys.

use super::*;
use crate::rights::GunPrefix;

pub(super) fn restricted(guns: &[&str], roles: &[Role]) -> Caller {
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
