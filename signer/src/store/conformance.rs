//! What every store does alike: one suite, run on memory and on each engine.

use std::sync::Arc;

use bulla_database::PoolSettings;
use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use ring::rand::SystemRandom;
use tuf_schema::key::KeyId;
use tuf_schema::sign::{SecretKey, SecretKind, SigningKey as _};
use tuf_schema::{Gun, Role, UtcTime};

use super::memory::MemoryKeyStore;
use super::roles::{Roleless, Taken};
use super::sql::scratch::Server;
use super::sql::{open_mysql, open_postgres, open_sqlite};
use super::wrapped::{AliasUse, Replacement};
use super::{Algorithm, KeyKind, KeyRecord, KeyStore, Purpose, Store, StoreError};
use crate::seal::passphrase::Alias;
use crate::seal::{KeyWrap, SealedKey};

fn time(seconds: i64) -> UtcTime {
    UtcTime::from_unix_seconds(seconds).unwrap()
}

fn purpose(gun: &str, role: Option<Role>) -> Purpose {
    Purpose { gun: Gun::parse(gun).ok(), role }
}

fn record(purpose: Purpose) -> KeyRecord {
    let secret = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
    KeyRecord {
        key: secret.public().clone(),
        purpose,
        alias: Alias::parse("k1").unwrap(),
        sealed: SealedKey::from_row(KeyWrap::Passphrase, "sealed".to_owned()),
        last_used: None,
        retired: None,
    }
}

pub(super) fn timestamp_key() -> KeyRecord {
    record(purpose("registry.test/app", Some(Role::Timestamp)))
}

async fn pending(store: &dyn KeyStore, of: &KeyRecord) -> Option<KeyRecord> {
    store.pending(&of.purpose, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap()
}

async fn what_was_stored_comes_back(store: &dyn KeyStore) {
    for purpose in [purpose("registry.test/app", Some(Role::Snapshot)), purpose("", None)] {
        let stored = KeyRecord { last_used: Some(time(77)), ..record(purpose) };
        store.insert(&stored, time(1)).await.unwrap();
        assert_eq!(store.find(stored.key.id()).await.unwrap(), Some(stored));
    }
}

async fn an_unknown_id_and_an_empty_one_find_nothing(store: &dyn KeyStore) {
    store.insert(&timestamp_key(), time(1)).await.unwrap();
    for id in ["0000", "", "%", "'"] {
        assert_eq!(store.find(&KeyId::from_wire(id)).await.unwrap(), None);
    }
}

async fn an_id_is_stored_once(store: &dyn KeyStore) {
    let key = timestamp_key();
    store.insert(&key, time(1)).await.unwrap();
    let refusal = store.insert(&key, time(2)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Duplicate(id) if id == *key.key.id()));
}

async fn of_several_unused_keys_the_lowest_id_is_pending(store: &dyn KeyStore) {
    let mut keys: Vec<_> = (0..5).map(|_| timestamp_key()).collect();
    for key in &keys {
        store.insert(key, time(1)).await.unwrap();
    }
    keys.sort_by(|a, b| a.key.id().cmp(b.key.id()));
    assert_eq!(pending(store, &keys[0]).await.as_ref(), keys.first());
}

async fn a_key_is_added_unless_one_is_pending(store: &dyn KeyStore) {
    let (first, second) = (timestamp_key(), timestamp_key());
    assert_eq!(store.insert_unless_pending(&first, time(1)).await.unwrap(), None);
    assert_eq!(store.insert_unless_pending(&second, time(1)).await.unwrap(), Some(first.clone()));
    assert_eq!(store.find(second.key.id()).await.unwrap(), None);
    store.mark_used(&[(first.key.id().clone(), time(2))]).await.unwrap();
    assert_eq!(store.insert_unless_pending(&second, time(3)).await.unwrap(), None);
    assert_eq!(pending(store, &second).await.as_ref(), Some(&second));
    store.delete(second.key.id(), time(4)).await.unwrap();
    let refusal = store.insert_unless_pending(&second, time(5)).await.unwrap_err();
    assert!(matches!(refusal, StoreError::Duplicate(id) if id == *second.key.id()));
}

async fn keys_of_another_gun_role_or_algorithm_are_not_pending(store: &dyn KeyStore) {
    let key = timestamp_key();
    store.insert(&key, time(1)).await.unwrap();
    for other in [
        purpose("registry.test/App", Some(Role::Timestamp)),
        purpose("registry.test/app", Some(Role::Snapshot)),
        purpose("registry.test/app", None),
        purpose("", Some(Role::Timestamp)),
    ] {
        assert_eq!(store.pending(&other, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap(), None, "{other:?}");
    }
    assert_eq!(store.pending(&key.purpose, &KeyKind::Software(Algorithm::Ecdsa)).await.unwrap(), None);
    assert_eq!(pending(store, &key).await, Some(key));
}

/// A key as a token made it: on P-256 or P-384.
fn key_on_token(token: &str, curve: SecretKind) -> KeyRecord {
    let secret = SecretKey::generate(curve, &SystemRandom::new()).unwrap();
    KeyRecord {
        key: secret.public().clone(),
        alias: Alias::parse(token).unwrap(),
        sealed: SealedKey::from_row(KeyWrap::Held, "pkcs11:token=t;id=%01;type=private".to_owned()),
        ..timestamp_key()
    }
}

async fn keys_in_software_and_of_each_kind_on_each_token_wait_apart(store: &dyn KeyStore) {
    let software = KeyRecord { alias: Alias::parse("hsm").unwrap(), ..timestamp_key() };
    let ecdsa = SecretKey::generate(SecretKind::EcdsaP256, &SystemRandom::new()).unwrap();
    let software_ecdsa = KeyRecord { key: ecdsa.public().clone(), ..timestamp_key() };
    let on_tokens = [
        key_on_token("hsm", SecretKind::EcdsaP256),
        key_on_token("hsm", SecretKind::EcdsaP384),
        key_on_token("other", SecretKind::EcdsaP256),
    ];
    let stored: Vec<_> = [software, software_ecdsa].into_iter().chain(on_tokens).collect();
    for key in &stored {
        assert_eq!(store.insert_unless_pending(key, time(1)).await.unwrap(), None, "{key:?}");
    }
    for key in &stored {
        assert_eq!(store.find(key.key.id()).await.unwrap().as_ref(), Some(key));
        let found = store.pending(&key.purpose, &key.kind().unwrap()).await.unwrap();
        assert_eq!(found.as_ref(), Some(key));
        let another = match key.sealed.key_wrap() {
            KeyWrap::Held => key_on_token(key.alias.as_str(), SecretKind::EcdsaP256),
            KeyWrap::Passphrase | KeyWrap::Token | KeyWrap::Vault => timestamp_key(),
        };
        if another.kind() == key.kind() {
            assert_eq!(store.insert_unless_pending(&another, time(2)).await.unwrap().as_ref(), Some(key));
        }
    }
}

async fn a_used_key_is_no_longer_pending(store: &dyn KeyStore) {
    let key = timestamp_key();
    store.insert(&key, time(1)).await.unwrap();
    store.mark_used(&[(key.key.id().clone(), time(50))]).await.unwrap();
    assert_eq!(pending(store, &key).await, None);
    assert_eq!(store.find(key.key.id()).await.unwrap().unwrap().last_used, Some(time(50)));
}

async fn the_time_of_use_never_goes_back(store: &dyn KeyStore) {
    let (key, other) = (timestamp_key(), timestamp_key());
    store.insert(&key, time(1)).await.unwrap();
    store.insert(&other, time(1)).await.unwrap();
    let uses = [(50, &key), (40, &key), (60, &other)].map(|(at, key)| (key.key.id().clone(), time(at)));
    store.mark_used(&uses).await.unwrap();
    store.mark_used(&[(KeyId::from_wire("unknown"), time(70))]).await.unwrap();
    assert_eq!(store.find(key.key.id()).await.unwrap().unwrap().last_used, Some(time(50)));
    assert_eq!(store.find(other.key.id()).await.unwrap().unwrap().last_used, Some(time(60)));
}

async fn a_deleted_key_answers_no_question_and_keeps_its_id(store: &dyn KeyStore) {
    let (key, other) = (timestamp_key(), timestamp_key());
    store.insert(&key, time(1)).await.unwrap();
    store.insert(&other, time(1)).await.unwrap();
    assert!(store.delete(key.key.id(), time(2)).await.unwrap());
    assert!(!store.delete(key.key.id(), time(3)).await.unwrap(), "it is gone");
    assert_eq!(store.find(key.key.id()).await.unwrap(), None);
    assert_eq!(store.sealed_under(&key.alias, 9).await.unwrap().len(), 1, "the other one");
    assert_eq!(pending(store, &key).await, Some(other));
    assert!(matches!(store.insert(&key, time(4)).await, Err(StoreError::Duplicate(_))));
}

async fn deleting_without_an_id_deletes_nothing(store: &dyn KeyStore) {
    let key = timestamp_key();
    store.insert(&key, time(1)).await.unwrap();
    assert!(!store.delete(&KeyId::from_wire(""), time(2)).await.unwrap());
    assert_eq!(store.find(key.key.id()).await.unwrap(), Some(key));
}

async fn keys_are_found_by_the_alias_they_are_sealed_under(store: &dyn KeyStore) {
    let (key, other) = (timestamp_key(), KeyRecord { alias: Alias::parse("K1").unwrap(), ..timestamp_key() });
    store.insert(&key, time(1)).await.unwrap();
    store.insert(&other, time(1)).await.unwrap();
    store.insert(&timestamp_key(), time(1)).await.unwrap();
    assert_eq!(store.sealed_under(&other.alias, 9).await.unwrap(), [other]);
    assert_eq!(store.sealed_under(&key.alias, 1).await.unwrap().len(), 1);
    store.probe().await.unwrap();
}

async fn the_keys_that_were_stored_last_come_first(store: &dyn KeyStore) {
    assert_eq!(store.newest(9).await.unwrap(), []);
    let keys: Vec<_> = (0..3).map(|_| timestamp_key()).collect();
    for key in &keys {
        store.insert(key, time(1)).await.unwrap();
    }
    let ids = |limit: usize| keys.iter().rev().take(limit).map(|key| key.key.id().clone()).collect::<Vec<_>>();
    assert_eq!(store.newest(2).await.unwrap(), ids(2));
    assert_eq!(store.newest(9).await.unwrap(), ids(9));
}

fn alias_use(alias: &str, keys: u64, deleted: u64) -> AliasUse {
    AliasUse { alias: Alias::parse(alias).unwrap(), keys, deleted }
}

async fn aliases_are_counted_byte_for_byte(store: &dyn Store) {
    assert_eq!(store.aliases().await.unwrap(), []);
    for alias in ["k1", "K1", "k1"] {
        let key = KeyRecord { alias: Alias::parse(alias).unwrap(), ..timestamp_key() };
        store.insert(&key, time(1)).await.unwrap();
    }
    let mut aliases = store.aliases().await.unwrap();
    aliases.sort_by(|one, other| one.alias.as_str().cmp(other.alias.as_str()));
    assert_eq!(aliases, [alias_use("K1", 1, 0), alias_use("k1", 2, 0)]);
}

async fn pages_have_every_key_once(store: &dyn Store) {
    let mut stored = Vec::new();
    for _ in 0..7 {
        let key = timestamp_key();
        store.insert(&key, time(1)).await.unwrap();
        stored.push(key);
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.page(after.as_ref(), 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        found.extend(page.into_iter().map(|key| key.record.unwrap()));
    }
    stored.sort_by(|one, other| one.key.id().cmp(other.key.id()));
    assert_eq!(found, stored);
}

fn other_wrapping() -> Replacement {
    Replacement {
        alias: Alias::parse("k2").unwrap(),
        sealed: SealedKey::from_row(KeyWrap::Vault, "sealed anew".to_owned()),
    }
}

async fn a_key_gets_another_wrapping_and_keeps_everything_else(store: &dyn Store) {
    let (key, other) = (KeyRecord { last_used: Some(time(5)), ..timestamp_key() }, timestamp_key());
    store.insert(&key, time(1)).await.unwrap();
    store.insert(&other, time(1)).await.unwrap();
    let wrapping = other_wrapping();
    assert!(store.rewrap(&key, &wrapping, time(9)).await.unwrap());
    let expected = KeyRecord { alias: wrapping.alias, sealed: wrapping.sealed, ..key.clone() };
    assert_eq!(store.find(key.key.id()).await.unwrap(), Some(expected));
    assert_eq!(store.find(other.key.id()).await.unwrap(), Some(other));
}

async fn what_changed_since_it_was_read_keeps_its_wrapping(store: &dyn Store) {
    let key = timestamp_key();
    store.insert(&key, time(1)).await.unwrap();
    for read in [
        KeyRecord { alias: Alias::parse("K1").unwrap(), ..key.clone() },
        KeyRecord { sealed: SealedKey::from_row(KeyWrap::Passphrase, "Sealed".to_owned()), ..key.clone() },
        timestamp_key(),
    ] {
        assert!(!store.rewrap(&read, &other_wrapping(), time(9)).await.unwrap());
    }
    assert_eq!(store.find(key.key.id()).await.unwrap().as_ref(), Some(&key));
    store.mark_used(&[(key.key.id().clone(), time(50))]).await.unwrap();
    assert!(store.rewrap(&key, &other_wrapping(), time(9)).await.unwrap(), "a use is no change");
    assert!(!store.rewrap(&key, &other_wrapping(), time(9)).await.unwrap(), "it is done");
    assert_eq!(store.find(key.key.id()).await.unwrap().unwrap().last_used, Some(time(50)));
}

/// Not in memory, where a deleted key is gone.
async fn deleted_keys_are_wrapped_too_and_stay_deleted(store: &dyn Store) {
    let key = timestamp_key();
    store.insert(&key, time(1)).await.unwrap();
    store.delete(key.key.id(), time(2)).await.unwrap();
    assert_eq!(store.aliases().await.unwrap(), [alias_use("k1", 0, 1)]);
    let page = store.page(None, 9).await.unwrap();
    assert_eq!(page.into_iter().map(|key| key.record.unwrap()).collect::<Vec<_>>(), std::slice::from_ref(&key));
    assert!(store.rewrap(&key, &other_wrapping(), time(9)).await.unwrap());
    assert_eq!(store.aliases().await.unwrap(), [alias_use("k2", 0, 1)]);
    assert_eq!(store.find(key.key.id()).await.unwrap(), None);
}

/// Two programs that wrap the same key anew: one does, and the other is told.
async fn of_two_that_rewrap_at_once_one_does(store: Arc<dyn Store>) {
    for _ in 0..8 {
        let key = timestamp_key();
        store.insert(&key, time(1)).await.unwrap();
        let writers: Vec<_> = (0..8)
            .map(|_| {
                let (store, key) = (Arc::clone(&store), key.clone());
                tokio::spawn(async move { store.rewrap(&key, &other_wrapping(), time(2)).await.unwrap() })
            })
            .collect();
        let mut done = 0;
        for writer in writers {
            done += usize::from(writer.await.unwrap());
        }
        assert_eq!(done, 1);
    }
}

/// Signers are asked for the same key at once, over connections of their own.
async fn of_keys_made_at_once_for_one_purpose_one_is_stored(store: Arc<dyn KeyStore>) {
    for round in 0..8 {
        let purpose = purpose(&format!("registry.test/round-{round}"), Some(Role::Timestamp));
        let makers: Vec<_> = (0..8)
            .map(|_| {
                let (store, key) = (Arc::clone(&store), record(purpose.clone()));
                tokio::spawn(async move {
                    let pending = store.insert_unless_pending(&key, time(1)).await.unwrap();
                    pending.unwrap_or(key).key.id().clone()
                })
            })
            .collect();
        let mut handed_out = Vec::new();
        for maker in makers {
            handed_out.push(maker.await.unwrap());
        }
        let stored = store.pending(&purpose, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap().unwrap();
        assert_eq!(handed_out, vec![stored.key.id().clone(); 8]);
    }
}

async fn what_a_key_takes_first_it_keeps(store: &dyn Store) {
    let (key, other) = (KeyId::from_wire("aa"), KeyId::from_wire("AA"));
    let first = Taken { role: Role::Snapshot, gun: Gun::parse("registry.test/\u{e4}/app").ok() };
    let second = Taken { role: Role::Timestamp, gun: None };
    assert_eq!(store.taken(&key).await.unwrap(), None);
    assert_eq!(store.take(&key, &first, time(1)).await.unwrap(), first);
    assert_eq!(store.take(&key, &second, time(2)).await.unwrap(), first);
    assert_eq!(store.taken(&key).await.unwrap(), Some(first));
    assert_eq!(store.taken(&other).await.unwrap(), None, "ids are compared byte for byte");
    assert_eq!(store.take(&other, &second, time(3)).await.unwrap(), second);
}

async fn keys_without_a_role_are_counted_until_they_have_taken_one(store: &dyn Store) {
    let keys: Vec<_> = (0..3).map(|_| record(purpose("", None))).collect();
    let deleted = record(purpose("registry.test/app", None));
    for key in keys.iter().chain([&deleted, &timestamp_key()]) {
        store.insert(key, time(1)).await.unwrap();
    }
    store.delete(deleted.key.id(), time(2)).await.unwrap();
    let found = store.roleless(2).await.unwrap();
    assert_eq!((found.count, found.some.len()), (3, 2));
    for key in &keys[..2] {
        store.take(key.key.id(), &Taken { role: Role::Snapshot, gun: None }, time(3)).await.unwrap();
    }
    let last = Roleless { count: 1, some: vec![keys[2].key.id().clone()] };
    assert_eq!(store.roleless(2).await.unwrap(), last);
}

/// Signers note at once, each what its own first document was.
async fn of_several_that_take_at_once_all_get_one(store: Arc<dyn Store>) {
    for round in 0..8 {
        let key = KeyId::from_wire(&format!("round {round}"));
        let takers: Vec<_> = (0..8)
            .map(|number| {
                let (store, key) = (Arc::clone(&store), key.clone());
                let role = if number % 2 == 0 { Role::Snapshot } else { Role::Timestamp };
                let gun = Gun::parse(&format!("registry.test/{number}")).ok();
                tokio::spawn(async move { store.take(&key, &Taken { role, gun }, time(1)).await.unwrap() })
            })
            .collect();
        let noted = store.take(&key, &Taken { role: Role::Snapshot, gun: None }, time(2)).await.unwrap();
        for taker in takers {
            assert_eq!(taker.await.unwrap(), noted);
        }
    }
}

/// Keys go in from many tasks at once, and each is either stored or said not to be.
async fn many_writers_at_once_lose_nothing(store: Arc<dyn KeyStore>) {
    let writers: Vec<_> = (0..16)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let key = timestamp_key();
                store.insert(&key, time(1)).await.unwrap();
                store.mark_used(&[(key.key.id().clone(), time(2))]).await.unwrap();
                key.key.id().clone()
            })
        })
        .collect();
    for writer in writers {
        let id = writer.await.unwrap();
        assert_eq!(store.find(&id).await.unwrap().unwrap().last_used, Some(time(2)));
    }
}

macro_rules! suite {
    ($engine:ident, $empty:expr $(, also $rule:ident)*) => {
        mod $engine {
            use super::*;

            suite!(@tests $empty,
                what_was_stored_comes_back
                an_unknown_id_and_an_empty_one_find_nothing
                an_id_is_stored_once
                of_several_unused_keys_the_lowest_id_is_pending
                a_key_is_added_unless_one_is_pending
                keys_of_another_gun_role_or_algorithm_are_not_pending
                keys_in_software_and_of_each_kind_on_each_token_wait_apart
                a_used_key_is_no_longer_pending
                the_time_of_use_never_goes_back
                a_deleted_key_answers_no_question_and_keeps_its_id
                deleting_without_an_id_deletes_nothing
                keys_are_found_by_the_alias_they_are_sealed_under
                the_keys_that_were_stored_last_come_first
                aliases_are_counted_byte_for_byte
                pages_have_every_key_once
                a_key_gets_another_wrapping_and_keeps_everything_else
                what_changed_since_it_was_read_keeps_its_wrapping
                what_a_key_takes_first_it_keeps
                keys_without_a_role_are_counted_until_they_have_taken_one
                $($rule)*
            );

            #[tokio::test(flavor = "multi_thread")]
            async fn of_two_that_rewrap_at_once_one_does() {
                let Some((store, _place)) = $empty.await else { return };
                super::of_two_that_rewrap_at_once_one_does(Arc::new(store)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn of_several_that_take_at_once_all_get_one() {
                let Some((store, _place)) = $empty.await else { return };
                super::of_several_that_take_at_once_all_get_one(Arc::new(store)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn many_writers_at_once_lose_nothing() {
                let Some((store, _place)) = $empty.await else { return };
                super::many_writers_at_once_lose_nothing(Arc::new(store)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn of_keys_made_at_once_for_one_purpose_one_is_stored() {
                let Some((store, _place)) = $empty.await else { return };
                super::of_keys_made_at_once_for_one_purpose_one_is_stored(Arc::new(store)).await;
            }
        }
    };
    (@tests $empty:expr, $($rule:ident)*) => {
        $(
            #[tokio::test]
            async fn $rule() {
                let Some((store, _place)) = $empty.await else { return };
                super::$rule(&store).await;
            }
        )*
    };
}

suite!(memory, async { Some((MemoryKeyStore::default(), ())) });
suite!(sqlite, async {
    let folder = tempfile::tempdir().unwrap();
    Some((open_sqlite(&folder.path().join("keys.db")).await.unwrap(), folder))
}, also deleted_keys_are_wrapped_too_and_stay_deleted);
suite!(postgres, async {
    let scratch = Server::Postgres.scratch().await?;
    let dsn = PostgresDsn::parse(&scratch.address()).unwrap();
    Some((open_postgres(&dsn, PoolSettings::default()).await.unwrap(), scratch))
}, also deleted_keys_are_wrapped_too_and_stay_deleted);
suite!(mysql, async {
    let scratch = Server::MySql.scratch().await?;
    let dsn = MySqlDsn::parse(&scratch.address()).unwrap();
    Some((open_mysql(&dsn, PoolSettings::default()).await.unwrap(), scratch))
}, also deleted_keys_are_wrapped_too_and_stay_deleted);
