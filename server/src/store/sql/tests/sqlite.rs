//! SQLite: what is answered is on the disk, and the file belongs to its owner.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bulla_database::{Sqlite, Statement, Value};
use tuf_schema::{BaseRole, Gun, Role, Sha256, Version};

use crate::clock::SystemClock;
use crate::store::sql::SqliteStore;
use crate::store::sql::by_hash::There;
use crate::store::sql::together::Question as _;
use crate::store::{MetadataStore, OverviewQuery, RepositoryRow, StoreError};

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

/// A repository of many versions is read by hash as fast as one of few.
#[tokio::test]
async fn a_digest_is_looked_up_by_its_index() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let file = format!("{:?}", store.statements.by_sha256);
    let there = There::statement::<Sqlite>(1, 1);
    for text in [file, there] {
        let statement = Statement::new(&format!("EXPLAIN QUERY PLAN {text}"));
        let rows = store.database.fetch(&statement, &["a.test/b", "root", "00"].map(Value::Text)).await.unwrap();
        let plan: Vec<_> = rows.iter().map(|row| row.text(3).unwrap().unwrap()).collect();
        assert!(
            plan.iter().any(|step| step.contains("tuf_files_sha256_idx (sha256=? AND gun=? AND role=?)")),
            "{plan:?}"
        );
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

/// Who asks by hash may be told of a deletion by nothing else; who asks for what is newest was told before.
#[tokio::test]
async fn a_file_by_hash_is_asked_for_each_time_and_what_the_newest_timestamp_leads_to_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let (gun, sha256) = (Gun::parse("a.test/b").unwrap(), Sha256::of(b"targets"));
    let row = "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
               VALUES (0, 0, 'a.test/b', 'targets', 1, $1, $2)";
    let values = [Value::Text(&sha256.to_hex()), Value::Bytes(b"targets")];
    store.database.execute(&Statement::new(row), &values).await.unwrap();
    let stored = store.listed(&gun, &Role::Targets, &sha256).await.unwrap();
    assert_eq!(stored.as_ref().map(|stored| stored.version), Some(Version::FIRST));
    store.database.execute(&Statement::new("DELETE FROM tuf_files"), &[]).await.unwrap();
    assert_eq!(store.listed(&gun, &Role::Targets, &sha256).await.unwrap(), stored);
    assert_eq!(store.by_sha256(&gun, &Role::Targets, &sha256).await.unwrap(), None);
    for (gun, role) in [("a.test/b", Role::Root), ("a.test/c", Role::Targets)] {
        assert_eq!(store.listed(&Gun::parse(gun).unwrap(), &role, &sha256).await.unwrap(), None, "{gun} {role}");
    }
}

/// Behind thousands of names a page is read as fast as the first one.
#[tokio::test]
async fn a_page_of_repositories_begins_at_its_first_name_and_its_files_are_found_by_their_index() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    let (page, one) = (&store.statements.overview, &store.statements.overview_of);
    for (statement, values, found) in [
        (page, &[Value::Text("a"), Value::Text("a"), Value::Number(1)][..], "(gun>?)"),
        (one, &[Value::Text("a")], "(gun=?)"),
    ] {
        let explain = Statement::new(&format!("EXPLAIN QUERY PLAN {statement:?}"));
        let rows = store.database.fetch(&explain, values).await.unwrap();
        let plan: Vec<_> = rows.iter().map(|row| row.text(3).unwrap().unwrap()).collect();
        assert!(plan.iter().any(|step| step.contains("bulla_repositories") && step.contains(found)), "{plan:?}");
        assert!(!plan.iter().any(|step| step.contains("SCAN t") || step.contains("TEMP B-TREE")), "{plan:?}");
    }
}

#[tokio::test]
async fn a_version_that_is_no_number_hides_no_other_repository_and_no_other_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory).await;
    for (gun, version) in [("a//b", Value::Text("first")), ("b", Value::Number(2))] {
        let insert = Statement::new(
            "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
             VALUES (0, 0, $1, 'root', $2, '', 'x')",
        );
        store.database.execute(&insert, &[Value::Text(gun), version]).await.unwrap();
    }
    store.adopt().await.unwrap();
    let page = store.overview(&OverviewQuery { limit: 10, ..OverviewQuery::default() }).await.unwrap();
    let version = |row: &RepositoryRow| (row.name.clone(), row.newest.get(&BaseRole::Root).unwrap().version);
    let found: Vec<_> = page.repositories.iter().map(version).collect();
    assert_eq!(found, [("a//b".to_owned(), None), ("b".to_owned(), Some(2))]);
    let keys = store.file_keys(&Gun::parse("b").unwrap(), None, 10).await.unwrap();
    assert_eq!(keys.first().and_then(|key| key.version), Some(2));
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
    assert_eq!(
        pragma(&store, "SELECT group_concat(component || version) FROM bulla_migrations").await,
        "server2,server3"
    );
}
