//! Tables that somebody else made or filled: the recorded databases of the reference, and rows that are amiss.

use std::path::Path;
use std::sync::Arc;

use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use bulla_database::{Database, Engine, MySql, PoolSettings, Postgres, Row, Statement};
use ring::rand::SystemRandom;
use tuf_schema::key::KeyId;
use tuf_schema::sign::{SecretKey, SecretKind, SigningKey as _};
use tuf_schema::signature::Signature;
use tuf_schema::{Gun, Role, UtcTime};

use super::keys::SqlKeyStore;
use super::scratch::{Scratch, Server};
use super::{OpenStoreError, open_mysql, open_postgres, open_sqlite};
use crate::backend::{KeyBackend as _, OpenedKeys, SoftwareKeys};
use crate::clock::SystemClock;
use crate::config::Environment;
use crate::seal::passphrase::{Alias, Passphrases};
use crate::seal::{KeyWrap, SealedKey, Sealing};
use crate::store::{Algorithm, KeyKind, KeyRecord, KeyStore, Purpose, StoreError};

fn recorded(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/db").join(name);
    std::fs::read_to_string(file).unwrap()
}

/// A database as the reference's signer left it.
async fn recorded_postgres() -> Option<Scratch> {
    let scratch = Server::Postgres.scratch().await?;
    scratch.run(&recorded("notarysigner.postgres.sql")).await;
    Some(scratch)
}

async fn recorded_mysql() -> Option<Scratch> {
    let scratch = Server::MySql.scratch().await?;
    scratch.run(&recorded("notarysigner.mariadb.sql")).await;
    Some(scratch)
}

async fn postgres(scratch: &Scratch) -> SqlKeyStore<Postgres> {
    let dsn = PostgresDsn::parse(&scratch.address()).unwrap();
    open_postgres(&dsn, PoolSettings::default()).await.unwrap()
}

async fn mysql(scratch: &Scratch) -> SqlKeyStore<MySql> {
    let dsn = MySqlDsn::parse(&scratch.address()).unwrap();
    open_mysql(&dsn, PoolSettings::default()).await.unwrap()
}

fn time(seconds: i64) -> UtcTime {
    UtcTime::from_unix_seconds(seconds).unwrap()
}

fn record(gun: &str, role: Role) -> KeyRecord {
    let secret = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
    KeyRecord {
        key: secret.public().clone(),
        purpose: Purpose { gun: Gun::parse(gun).ok(), role: Some(role) },
        alias: alias(),
        sealed: SealedKey::from_row(KeyWrap::Passphrase, "sealed".to_owned()),
        last_used: None,
        retired: None,
    }
}

fn alias() -> Alias {
    Alias::parse("alias_one").unwrap()
}

/// Opens, signs and verifies with every key of the recording.
async fn every_key_signs(store: &dyn KeyStore, expected: usize) {
    let variable = ("NOTARY_SIGNER_ALIAS_ONE".to_owned(), "fixture-alias-pass-1".to_owned());
    let passphrases = Passphrases::from_environment(Environment::new([variable]), &[]);
    let backend = SoftwareKeys::new(
        Arc::new(Sealing::with_passphrases(passphrases)),
        alias(),
        OpenedKeys::default(),
        Arc::new(SystemClock),
        Arc::new(SystemRandom::new()),
    );
    let keys = store.sealed_under(&alias(), 100).await.unwrap();
    assert_eq!(keys.len(), expected);
    for key in keys {
        assert_eq!(store.find(key.key.id()).await.unwrap().as_ref(), Some(&key));
        let signed = backend.sign(&key, b"message").await.unwrap();
        let signature = Signature { key_id: key.key.id().clone(), method: signed.method, bytes: signed.bytes };
        assert!(key.key.verifies(b"message", &signature), "{:?}", key.key);
    }
}

/// The recorded keys with what the reference knew of each.
async fn is_as_expected(store: &dyn KeyStore) {
    let expected: Vec<std::collections::BTreeMap<String, String>> =
        serde_json::from_str(&recorded("expected-keys.json")).unwrap();
    assert_eq!(expected.len(), 27);
    for expected in expected {
        let found = store.find(&KeyId::from_wire(&expected["key_id"])).await.unwrap().unwrap();
        assert_eq!(hex::encode(found.key.public_bytes()), expected["public_hex"]);
        assert_eq!(found.key.key_type().name(), expected["algorithm"]);
        assert_eq!((found.purpose.gun_text(), found.purpose.role_text()), (&*expected["gun"], &*expected["role"]));
        assert_eq!(found.alias.as_str(), expected["alias"]);
    }
}

#[tokio::test]
async fn every_key_of_the_recorded_postgres_signs() {
    let Some(scratch) = recorded_postgres().await else { return };
    let store = postgres(&scratch).await;
    every_key_signs(&store, 27).await;
    is_as_expected(&store).await;
}

#[tokio::test]
async fn every_key_of_the_recorded_mariadb_signs() {
    let Some(scratch) = recorded_mysql().await else { return };
    every_key_signs(&mysql(&scratch).await, 5).await;
}

/// Two of the recorded keys have never signed; the reference would hand out these, and so do we.
#[tokio::test]
async fn a_pending_key_of_the_reference_is_handed_out() {
    let Some(scratch) = recorded_postgres().await else { return };
    let store = postgres(&scratch).await;
    let keys = store.sealed_under(&alias(), 100).await.unwrap();
    let unused: Vec<_> = keys.iter().filter(|key| key.last_used.is_none()).collect();
    assert_eq!(unused.len(), 2);
    for key in unused {
        let algorithm = Algorithm::parse(key.key.key_type().name()).unwrap();
        let pending = store.pending(&key.purpose, &KeyKind::Software(algorithm)).await.unwrap().unwrap();
        assert_eq!(pending.purpose, key.purpose);
        let other = KeyRecord { purpose: key.purpose.clone(), ..record("x", Role::Timestamp) };
        if algorithm == Algorithm::Ed25519 {
            assert_eq!(store.insert_unless_pending(&other, time(1)).await.unwrap(), Some(pending));
        }
    }
}

/// What is in the reference's table, as far as it does not change by being used.
async fn content<E: Engine>(store: &SqlKeyStore<E>) -> Vec<Row> {
    let statement = "SELECT id, created_at, updated_at, deleted_at, key_id, encryption_alg, keywrap_alg, algorithm, \
                     passphrase_alias, public, private, gun, role, last_used FROM private_keys ORDER BY id";
    store.database.fetch(&Statement::new(statement), &[]).await.unwrap()
}

async fn noted<E: Engine>(store: &SqlKeyStore<E>) -> Vec<Option<i64>> {
    let rows = store.database.fetch(&Statement::new("SELECT version FROM schema_migrations"), &[]).await.unwrap();
    rows.iter().map(|row| row.number(0).unwrap()).collect()
}

#[tokio::test]
async fn opening_a_recorded_database_changes_no_row_of_the_reference() {
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema IN (DATABASE()) ORDER BY 1";
    if let Some(scratch) = recorded_mysql().await {
        // as the dump leaves them, before anything of ours is there
        let before = open_raw(&scratch).await;
        let store = mysql(&scratch).await;
        assert_eq!(content(&store).await, content(&before).await);
        let names = store.database.fetch(&Statement::new(tables), &[]).await.unwrap();
        let names = names.iter().map(|row| row.text(0).unwrap().unwrap());
        let of_the_reference: Vec<_> = names.filter(|name| !name.starts_with("bulla_")).collect();
        assert_eq!(of_the_reference, ["private_keys", "schema_migrations"]);
        assert_eq!(noted(&store).await, [Some(2)]);
        mysql(&scratch).await;
    }
    if let Some(scratch) = recorded_postgres().await {
        let store = postgres(&scratch).await;
        assert_eq!(content(&store).await.len(), 27);
        assert_eq!(noted(&store).await, [Some(1)]);
        postgres(&scratch).await;
    }
}

/// The database without our tables.
async fn open_raw(scratch: &Scratch) -> SqlKeyStore<MySql> {
    let dsn = MySqlDsn::parse(&scratch.address()).unwrap();
    SqlKeyStore::new(Database::mysql(&dsn, PoolSettings::default()).await.unwrap())
}

#[tokio::test]
async fn a_new_database_has_the_reference_s_table_and_its_note() {
    if let Some(scratch) = Server::Postgres.scratch().await {
        let store = postgres(&scratch).await;
        assert_eq!((content(&store).await.len(), noted(&store).await), (0, vec![Some(1)]));
    }
    if let Some(scratch) = Server::MySql.scratch().await {
        let store = mysql(&scratch).await;
        assert_eq!((content(&store).await.len(), noted(&store).await), (0, vec![Some(2)]));
    }
}

/// Two signers that are started at once on an empty database.
#[tokio::test(flavor = "multi_thread")]
async fn tables_are_made_once() {
    if let Some(scratch) = Server::Postgres.scratch().await {
        let stores = tokio::join!(postgres(&scratch), postgres(&scratch), postgres(&scratch));
        assert_eq!(noted(&stores.0).await, [Some(1)]);
    }
    if let Some(scratch) = Server::MySql.scratch().await {
        let stores = tokio::join!(mysql(&scratch), mysql(&scratch), mysql(&scratch));
        assert_eq!(noted(&stores.0).await, [Some(2)]);
    }
}

/// The recorded table compares without case and trailing blanks, as the reference left it.
#[tokio::test]
async fn on_a_table_that_knows_no_case_names_are_compared_byte_for_byte() {
    let Some(scratch) = recorded_mysql().await else { return };
    let store = mysql(&scratch).await;
    let key = record("registry.test/app", Role::Timestamp);
    store.insert(&key, time(1)).await.unwrap();
    for gun in ["Registry.test/app", "registry.test/APP", "registry.test/app "] {
        let other = record(gun, Role::Timestamp);
        assert_eq!(store.pending(&other.purpose, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap(), None, "{gun}");
        assert_eq!(store.insert_unless_pending(&other, time(1)).await.unwrap(), None, "{gun}");
        assert_eq!(
            store.pending(&other.purpose, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap(),
            Some(other),
            "{gun}"
        );
    }
    assert_eq!(store.pending(&key.purpose, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap(), Some(key.clone()));
    let id = key.key.id().as_str();
    for other in [id.to_uppercase(), format!("{id} ")] {
        let other = KeyId::from_wire(&other);
        assert_eq!(store.find(&other).await.unwrap(), None);
        assert!(!store.delete(&other, time(2)).await.unwrap());
        store.mark_used(&[(other, time(2))]).await.unwrap();
    }
    assert_eq!(store.find(key.key.id()).await.unwrap(), Some(key));
    assert_eq!(store.sealed_under(&Alias::parse("ALIAS_ONE").unwrap(), 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_name_outside_the_table_s_set_of_characters_does_not_fit() {
    let Some(scratch) = recorded_mysql().await else { return };
    let store = mysql(&scratch).await;
    let key = record("registry.test/\u{1f511}", Role::Timestamp);
    let refusal = store.insert_unless_pending(&key, time(1)).await;
    assert!(matches!(refusal, Err(StoreError::DoesNotFit(_))), "{refusal:?}");
    assert_eq!(store.pending(&key.purpose, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap(), None);
    let id = KeyId::from_wire("\u{1f511}");
    assert_eq!(store.find(&id).await.unwrap(), None);
    assert!(!store.delete(&id, time(1)).await.unwrap());
    // what the set has is held, of any script
    let key = record("registry.test/\u{e4}\u{5b57}", Role::Timestamp);
    store.insert_unless_pending(&key, time(1)).await.unwrap();
    assert_eq!(store.pending(&key.purpose, &KeyKind::Software(Algorithm::Ed25519)).await.unwrap(), Some(key));
}

/// A row with an empty id, which the reference would answer an empty question with.
#[tokio::test]
async fn no_row_is_found_by_an_empty_id() {
    let change = "UPDATE private_keys SET key_id = ''";
    for (_place, store) in stores_with_one_key().await {
        store.run(change).await;
        let store = store.as_store();
        assert_eq!(store.find(&KeyId::from_wire("")).await.unwrap(), None);
        assert!(!store.delete(&KeyId::from_wire(""), time(2)).await.unwrap());
        store.mark_used(&[(KeyId::from_wire(""), time(2))]).await.unwrap();
        let refusal = store
            .pending(&record("registry.test/app", Role::Timestamp).purpose, &KeyKind::Software(Algorithm::Ed25519))
            .await;
        assert!(matches!(refusal, Err(StoreError::Damaged { .. })), "unused and not deleted: {refusal:?}");
    }
}

#[tokio::test]
async fn a_damaged_row_is_told_from_an_absent_one() {
    for (_place, store) in stores_with_one_key().await {
        let id = store.as_store().sealed_under(&alias(), 1).await.unwrap().remove(0).key.id().clone();
        for (column, damage) in [
            ("public", "''"),
            ("algorithm", "'ecdsa'"),
            ("encryption_alg", "'A128GCM'"),
            ("keywrap_alg", "'dir'"),
            ("gun", "'a/../b'"),
            ("role", "'no such role'"),
            ("passphrase_alias", "''"),
        ] {
            store.run(&format!("CREATE TABLE kept AS SELECT {column} AS was FROM private_keys")).await;
            store.run(&format!("UPDATE private_keys SET {column} = {damage}")).await;
            let refusal = store.as_store().find(&id).await.unwrap_err();
            assert!(matches!(&refusal, StoreError::Damaged { key, .. } if *key == id), "{column}: {refusal}");
            assert_eq!(store.as_store().sealed_under(&alias(), 9).await.unwrap(), [], "{column}");
            store.run(&format!("UPDATE private_keys SET {column} = (SELECT was FROM kept)")).await;
            store.run("DROP TABLE kept").await;
            store.as_store().find(&id).await.unwrap().unwrap();
        }
    }
}

/// Each damage leaves the row among those that wait to be handed out.
#[tokio::test]
async fn no_key_takes_the_place_of_a_damaged_row_that_never_signed() {
    for (_place, store) in stores_with_one_key().await {
        let id = store.as_store().sealed_under(&alias(), 1).await.unwrap().remove(0).key.id().clone();
        let other = record("registry.test/app", Role::Timestamp);
        for (column, damage) in
            [("public", "''"), ("encryption_alg", "'A128GCM'"), ("keywrap_alg", "'dir'"), ("passphrase_alias", "''")]
        {
            store.run(&format!("CREATE TABLE kept AS SELECT {column} AS was FROM private_keys")).await;
            store.run(&format!("UPDATE private_keys SET {column} = {damage}")).await;
            let keys = store.as_store();
            let waiting = keys.pending(&other.purpose, &KeyKind::Software(Algorithm::Ed25519)).await;
            let inserted = keys.insert_unless_pending(&other, time(2)).await;
            for refusal in [waiting, inserted] {
                assert!(
                    matches!(&refusal, Err(StoreError::Damaged { key, .. }) if *key == id),
                    "{column}: {refusal:?}"
                );
            }
            assert_eq!(keys.find(other.key.id()).await.unwrap(), None, "{column}");
            store.run(&format!("UPDATE private_keys SET {column} = (SELECT was FROM kept)")).await;
            store.run("DROP TABLE kept").await;
        }
        assert_eq!(store.as_store().find(&id).await.unwrap().unwrap().key.id(), &id);
    }
}

#[tokio::test]
async fn a_table_that_is_not_the_reference_s_is_named() {
    let table = "CREATE TABLE private_keys (id int, key_id varchar(255))";
    if let Some(scratch) = Server::Postgres.scratch().await {
        scratch.run(table).await;
        let dsn = PostgresDsn::parse(&scratch.address()).unwrap();
        let refusal = open_postgres(&dsn, PoolSettings::default()).await.err().unwrap();
        assert!(matches!(refusal, OpenStoreError::Table { .. }), "{refusal:?}");
    }
    if let Some(scratch) = Server::MySql.scratch().await {
        scratch.run(table).await;
        let dsn = MySqlDsn::parse(&scratch.address()).unwrap();
        let refusal = open_mysql(&dsn, PoolSettings::default()).await.err().unwrap();
        assert!(matches!(refusal, OpenStoreError::Table { .. }), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    let dsn = MySqlDsn::parse("u:hunter2@tcp(127.0.0.1:1)/notarysigner?timeout=1s").unwrap();
    let refusal = open_mysql(&dsn, PoolSettings::default()).await.err().unwrap();
    let text = format!("{refusal} {refusal:?}");
    assert!(text.contains("127.0.0.1:1/notarysigner") && !text.contains("hunter2"), "{text}");
}

/// A store of any engine whose rows a test may change.
trait Changeable: Send + Sync {
    fn as_store(&self) -> &dyn KeyStore;
    fn run<'a>(&'a self, statement: &'a str) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;
}

impl<E: Engine> Changeable for SqlKeyStore<E> {
    fn as_store(&self) -> &dyn KeyStore {
        self
    }

    fn run<'a>(&'a self, statement: &'a str) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(async move {
            self.database.execute(&Statement::new(statement), &[]).await.unwrap();
        })
    }
}

/// What keeps the database of a store alive.
enum PlaceOfStore {
    Folder { _folder: tempfile::TempDir },
    Scratch { _scratch: Scratch },
}

async fn stores_with_one_key() -> Vec<(PlaceOfStore, Box<dyn Changeable>)> {
    let mut stores: Vec<(PlaceOfStore, Box<dyn Changeable>)> = Vec::new();
    let folder = tempfile::tempdir().unwrap();
    let sqlite = open_sqlite(&folder.path().join("keys.db")).await.unwrap();
    stores.push((PlaceOfStore::Folder { _folder: folder }, Box::new(sqlite)));
    if let Some(scratch) = Server::Postgres.scratch().await {
        let store = postgres(&scratch).await;
        stores.push((PlaceOfStore::Scratch { _scratch: scratch }, Box::new(store)));
    }
    if let Some(scratch) = Server::MySql.scratch().await {
        let store = mysql(&scratch).await;
        stores.push((PlaceOfStore::Scratch { _scratch: scratch }, Box::new(store)));
    }
    for (_, store) in &stores {
        store.as_store().insert(&record("registry.test/app", Role::Timestamp), time(1)).await.unwrap();
    }
    stores
}
