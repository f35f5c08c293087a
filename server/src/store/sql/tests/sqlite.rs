//! SQLite: what is answered is on the disk, and the file belongs to its owner.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bulla_database::{Statement, Value};
use tuf_schema::{Gun, Role, Sha256};

use crate::clock::SystemClock;
use crate::store::sql::SqliteStore;
use crate::store::{MetadataStore, StoreError};

async fn store(directory: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&directory.path().join("server.db"), Arc::new(SystemClock)).await.unwrap()
}

async fn pragma(store: &SqliteStore, statement: &str) -> String {
    let mut transaction = store.database.begin().await.unwrap();
    let rows = transaction.session().unwrap().fetch(&Statement::new(statement), &[]).await.unwrap();
    let row = rows.first().unwrap();
    row.number(0)
        .map(|number| number.unwrap().to_string())
        .or_else(|_| row.text(0).map(|t| t.unwrap().to_owned()))
        .unwrap()
}

#[tokio::test]
async fn the_writer_waits_for_the_disk_at_each_commit() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    const FULL: &str = "2";
    assert_eq!(pragma(&store, "PRAGMA synchronous").await, FULL);
    assert_eq!(pragma(&store, "PRAGMA journal_mode").await, "wal");
    assert_eq!(pragma(&store, "PRAGMA foreign_keys").await, "1");
    assert_eq!(pragma(&store, "PRAGMA busy_timeout").await, "10000");
}

#[tokio::test]
async fn readers_cannot_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let statement = Statement::new("DELETE FROM changefeed WHERE id = $1");
    assert!(store.database.fetch(&statement, &[Value::Number(1)]).await.is_err());
    assert!(store.database.execute(&statement, &[Value::Number(1)]).await.is_ok());
}

#[tokio::test]
async fn the_file_and_its_side_files_belong_to_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let _store = store(&directory).await;
    for name in ["server.db", "server.db-wal", "server.db-shm"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// What is remembered by its hash is for every repository, so it must be what the hash says.
#[tokio::test]
async fn bytes_that_are_not_of_their_hash_are_served_to_no_other_repository() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let sha256 = Sha256::of(b"right");
    for (gun, bytes) in [("wrong", b"wrong"), ("right", b"right")] {
        let insert = Statement::new(
            "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
             VALUES (0, 0, $1, 'targets', 1, $2, $3)",
        );
        let values = [Value::Text(gun), Value::Text(&sha256.to_hex()), Value::Bytes(bytes)];
        store.database.execute(&insert, &values).await.unwrap();
    }
    for name in ["wrong", "right", "right"] {
        let stored = store.by_sha256(&Gun::parse(name).unwrap(), &Role::Targets, &sha256).await.unwrap().unwrap();
        assert_eq!(stored.bytes, name);
    }
}

#[tokio::test]
async fn a_change_of_unknown_category_is_refused_by_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let insert =
        Statement::new("INSERT INTO changefeed (created_at, gun, version, category) VALUES (0, 'g', 0, 'other')");
    assert!(store.database.execute(&insert, &[]).await.is_err());
}

#[tokio::test]
async fn a_directory_that_is_missing_is_an_error() {
    let path = Path::new("/nonexistent/directory/server.db");
    let opened = SqliteStore::open(path, Arc::new(SystemClock)).await;
    assert!(matches!(opened, Err(StoreError::Unavailable(_))));
}

/// The first release refuses to start when the driver's table names a step that it does not know.
#[tokio::test]
async fn the_drivers_table_of_steps_stays_as_the_first_release_left_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    assert_eq!(pragma(&store, "SELECT group_concat(version) FROM _sqlx_migrations").await, "1");
    assert_eq!(pragma(&store, "SELECT group_concat(component || version) FROM bulla_migrations").await, "server2");
}
