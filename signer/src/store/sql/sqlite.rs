//! Sealed keys in an SQLite file: WAL, and every commit on the disk before it is answered.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use bulla_database::{Database, Part, Sqlite, Step, first_sqlite_step, migrate};

use super::OpenStoreError;
use super::keys::SqlKeyStore;
use super::servers::COMPONENT;

/// The tables of the first release.
const FIRST: &str = include_str!("../../../migrations/sqlite/0001_private_keys.sql");

/// What came after them.
const STEPS: &[Step] = &[
    Step {
        version: 2,
        name: "key roles",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/sqlite/0002_key_roles.sql") }],
    },
    Step {
        version: 3,
        name: "audit heads",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/sqlite/0003_audit_heads.sql") }],
    },
    Step {
        version: 4,
        name: "key life",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/sqlite/0004_key_life.sql") }],
    },
];

/// Connections that read.
const READERS: u32 = 4;

/// Opens the file, and makes it, readable by its owner only, when it is not there.
///
/// # Errors
/// [`OpenStoreError`] names the file.
pub(crate) async fn open_sqlite(file: &Path) -> Result<SqlKeyStore<Sqlite>, OpenStoreError> {
    create(file).map_err(|source| OpenStoreError::Create { file: file.to_owned(), source })?;
    let place = file.display().to_string();
    let database = Database::sqlite(file, READERS).await;
    let database = database.map_err(|source| OpenStoreError::Open { place: place.clone(), source })?;
    first_sqlite_step(&database, "private_keys", FIRST)
        .await
        .map_err(|source| OpenStoreError::Migrate { place: place.clone(), source })?;
    let migrated = migrate(&database, COMPONENT, STEPS).await;
    migrated.map_err(|source| OpenStoreError::Migrate { place: place.clone(), source })?;
    let store = SqlKeyStore::new(database);
    store.read_table().await.map_err(|source| OpenStoreError::Table { place, source })?;
    Ok(store)
}

/// Makes the file if it is not there. SQLite gives its log and its index the same rights.
fn create(file: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => {
            // the name must outlive a crash as surely as what is committed to the file later
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use bulla_database::Statement;

    use super::*;
    use crate::store::KeyStore as _;

    #[tokio::test]
    async fn a_commit_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = open_sqlite(&folder.path().join("keys.db")).await.unwrap();
        let mut transaction = store.database.begin().await.unwrap();
        let mut session = transaction.session().unwrap();
        let synchronous = session.fetch(&Statement::new("PRAGMA synchronous"), &[]).await.unwrap();
        assert_eq!(synchronous[0].number(0), Ok(Some(2)), "2 is FULL");
        let journal = session.fetch(&Statement::new("PRAGMA journal_mode"), &[]).await.unwrap();
        assert_eq!(journal[0].text(0), Ok(Some("wal")));
    }

    #[tokio::test]
    async fn first_tables_of_a_later_release_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.db");
        let store = open_sqlite(&file).await.unwrap();
        store.database.execute(&Statement::new("UPDATE _sqlx_migrations SET version = 99"), &[]).await.unwrap();
        drop(store);
        let refusal = open_sqlite(&file).await.err().unwrap();
        assert!(matches!(refusal, OpenStoreError::Migrate { .. }), "{refusal}");
    }

    #[tokio::test]
    async fn only_the_owner_reads_the_file_and_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let store = open_sqlite(&folder.path().join("keys.db")).await.unwrap();
        store.probe().await.unwrap();
        for name in ["keys.db", "keys.db-wal", "keys.db-shm"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn a_missing_directory_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = open_sqlite(&folder.path().join("absent/keys.db")).await.err().unwrap();
        assert!(matches!(refusal, OpenStoreError::Create { .. }), "{refusal}");
        assert!(!folder.path().join("absent").exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.db");
        std::fs::write(&file, "this is a letter to my mother, and not a database at all").unwrap();
        let refusal = open_sqlite(&file).await.err().unwrap();
        assert!(matches!(refusal, OpenStoreError::Open { .. } | OpenStoreError::Migrate { .. }), "{refusal}");
        assert!(std::fs::read_to_string(&file).unwrap().starts_with("this is a letter"));
    }
}
