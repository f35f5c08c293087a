//! Sealed keys in an SQLite file: WAL, and every commit on the disk before it is answered.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row as _, SqlStr};
use tokio::sync::Mutex;
use tuf_schema::key::{KeyId, KeyType, PublicKey};
use tuf_schema::{Gun, Role, UtcTime};

use crate::seal::passphrase::Alias;
use crate::seal::{CONTENT_ENCRYPTION, KEY_WRAP, SealedKey};
use crate::store::{Algorithm, KeyRecord, KeyStore, Purpose, StoreError};

const MIGRATIONS: [(i64, &str, SqlStr); 1] =
    [(1, "private_keys", SqlStr::from_static(include_str!("../../../migrations/sqlite/0001_private_keys.sql")))];

/// How long a writer waits for another one, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a question waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read; SQLite lets one of them write at a time.
const CONNECTIONS: u32 = 4;

const FIND: &str = "SELECT key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, role, \
     last_used FROM private_keys WHERE key_id = $1 AND deleted_at IS NULL";
const PENDING: &str = "SELECT key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, \
     role, last_used FROM private_keys WHERE gun = $1 AND role = $2 AND algorithm = $3 AND last_used IS NULL \
     AND deleted_at IS NULL ORDER BY key_id LIMIT 1";
const SEALED_UNDER: &str = "SELECT key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, \
     gun, role, last_used FROM private_keys WHERE passphrase_alias = $1 AND deleted_at IS NULL ORDER BY key_id LIMIT $2";
const INSERT: &str = "INSERT INTO private_keys (created_at, updated_at, key_id, encryption_alg, keywrap_alg, algorithm, \
     passphrase_alias, public, private, gun, role, last_used) VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const MARK_USED: &str = "UPDATE private_keys SET last_used = $1, updated_at = $1 WHERE key_id = $2 \
     AND deleted_at IS NULL AND (last_used IS NULL OR last_used < $1)";
const DELETE: &str =
    "UPDATE private_keys SET deleted_at = $1, updated_at = $1 WHERE key_id = $2 AND deleted_at IS NULL";
const PROBE: &str = "SELECT count(*) FROM private_keys WHERE id = 0";

/// Keys in an SQLite file.
pub(crate) struct SqliteKeyStore {
    pool: SqlitePool,
    /// Held while writing. SQLite would make a second writer sleep and try again, and keep its connection from readers.
    writing: Mutex<()>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// The file cannot be made; its directory must exist.
    #[error("key store {file} cannot be created; does its directory exist?")]
    Create {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite does not open the file.
    #[error("key store {file} cannot be opened")]
    Open {
        /// The file.
        file: PathBuf,
        /// What SQLite said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The tables cannot be made or are those of a later release.
    #[error("the tables of key store {file} cannot be brought up to date")]
    Migrate {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SqliteKeyStore {
    /// Opens the file, and makes it, readable by its owner only, when it is not there.
    ///
    /// # Errors
    /// [`OpenStoreError`] names the file.
    pub(crate) async fn open(file: &Path) -> Result<Self, OpenStoreError> {
        create(file).map_err(|source| OpenStoreError::Create { file: file.to_owned(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(|source| OpenStoreError::Open { file: file.to_owned(), source: source.into() })?;
        migrate(&pool)
            .await
            .map_err(|source| OpenStoreError::Migrate { file: file.to_owned(), source: source.into() })?;
        Ok(Self { pool, writing: Mutex::new(()) })
    }
}

#[async_trait]
impl KeyStore for SqliteKeyStore {
    async fn find(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreError> {
        let row = sqlx::query(FIND).bind(id.as_str()).fetch_optional(&self.pool).await.map_err(unavailable)?;
        row.as_ref().map(record).transpose()
    }

    async fn pending(&self, purpose: &Purpose, algorithm: Algorithm) -> Result<Option<KeyRecord>, StoreError> {
        let row = sqlx::query(PENDING)
            .bind(purpose.gun_text())
            .bind(purpose.role_text())
            .bind(algorithm.name())
            .fetch_optional(&self.pool)
            .await
            .map_err(unavailable)?;
        row.as_ref().map(record).transpose()
    }

    async fn insert(&self, record: &KeyRecord, now: UtcTime) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let inserted = sqlx::query(INSERT)
            .bind(now.unix_seconds())
            .bind(record.key.id().as_str())
            .bind(CONTENT_ENCRYPTION)
            .bind(KEY_WRAP)
            .bind(record.key.key_type().name())
            .bind(record.alias.as_str())
            .bind(record.key.public_bytes())
            .bind(record.sealed.as_str().as_bytes())
            .bind(record.purpose.gun_text())
            .bind(record.purpose.role_text())
            .bind(record.last_used.map(|time| time.unix_seconds()))
            .execute(&self.pool)
            .await;
        match inserted {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(refusal)) if refusal.is_unique_violation() => {
                Err(StoreError::Duplicate(record.key.id().clone()))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn mark_used(&self, uses: &[(KeyId, UtcTime)]) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
        for (id, time) in uses {
            let mark = sqlx::query(MARK_USED).bind(time.unix_seconds()).bind(id.as_str());
            mark.execute(&mut *transaction).await.map_err(unavailable)?;
        }
        transaction.commit().await.map_err(unavailable)
    }

    async fn delete(&self, id: &KeyId, now: UtcTime) -> Result<bool, StoreError> {
        let _writing = self.writing.lock().await;
        let deleted = sqlx::query(DELETE)
            .bind(now.unix_seconds())
            .bind(id.as_str())
            .execute(&self.pool)
            .await
            .map_err(unavailable)?;
        Ok(deleted.rows_affected() > 0)
    }

    async fn sealed_under(&self, alias: &Alias, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query(SEALED_UNDER).bind(alias.as_str()).bind(limit).fetch_all(&self.pool).await;
        let sound = |read: &Result<_, StoreError>| !matches!(read, Err(StoreError::Damaged { .. }));
        rows.map_err(unavailable)?.iter().map(record).filter(sound).collect()
    }

    async fn probe(&self) -> Result<(), StoreError> {
        sqlx::query(PROBE).fetch_one(&self.pool).await.map(|_| ()).map_err(unavailable)
    }
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

async fn migrate(pool: &SqlitePool) -> Result<(), MigrateError> {
    let migration = |(version, name, sql): (i64, &'static str, SqlStr)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(MIGRATIONS.into_iter().map(migration).collect()).run(pool).await
}

fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// Reads a row, which may come from a database that was filled elsewhere: nothing in it is taken for granted.
fn record(row: &SqliteRow) -> Result<KeyRecord, StoreError> {
    let id: String = row.try_get("key_id").map_err(unavailable)?;
    let damaged = |fact| StoreError::Damaged { key: KeyId::from_wire(&id), fact };
    let text = |column: &'static str| row.try_get::<String, _>(column).map_err(|_| damaged(column));
    let bytes = |column: &'static str| row.try_get::<Vec<u8>, _>(column).map_err(|_| damaged(column));

    if text("encryption_alg")? != CONTENT_ENCRYPTION || text("keywrap_alg")? != KEY_WRAP {
        return Err(damaged("it is sealed by another method"));
    }
    let key = PublicKey::new(KeyType::parse(&text("algorithm")?), bytes("public")?);
    if key.id().as_str() != id {
        return Err(damaged("its public key is another key's"));
    }
    let gun = text("gun")?;
    let role = text("role")?;
    let purpose = Purpose {
        gun: optional(&gun, |gun| Gun::parse(gun).ok()).ok_or_else(|| damaged("its gun is none"))?,
        role: optional(&role, |role| Role::parse(role).ok()).ok_or_else(|| damaged("its role is none"))?,
    };
    let last_used: Option<i64> = row.try_get("last_used").map_err(|_| damaged("last_used"))?;
    Ok(KeyRecord {
        key,
        purpose,
        alias: Alias::parse(&text("passphrase_alias")?).ok_or_else(|| damaged("its alias is none"))?,
        sealed: SealedKey::from_row(String::from_utf8(bytes("private")?).map_err(|_| damaged("private"))?),
        last_used: last_used
            .map(|seconds| UtcTime::from_unix_seconds(seconds).ok_or_else(|| damaged("last_used")))
            .transpose()?,
    })
}

/// `Some(None)` for an empty text, `None` for one that does not parse.
fn optional<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::rand::SystemRandom;
    use tuf_schema::sign::{SecretKey, SecretKind, SigningKey as _};

    use super::*;

    async fn pragma(store: &SqliteKeyStore, question: &'static str) -> Vec<String> {
        // each connection has its own setting: ask all of them at once
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(store.pool.acquire().await.unwrap());
        }
        let mut answers = Vec::new();
        for connection in &mut connections {
            let row = sqlx::query(question).fetch_one(&mut **connection).await.unwrap();
            answers.push(
                row.try_get::<String, _>(0).or_else(|_| row.try_get::<i64, _>(0).map(|n| n.to_string())).unwrap(),
            );
        }
        answers
    }

    #[tokio::test]
    async fn every_connection_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteKeyStore::open(&folder.path().join("keys.db")).await.unwrap();
        assert_eq!(pragma(&store, "PRAGMA synchronous").await, ["2"; 4], "2 is FULL");
        assert_eq!(pragma(&store, "PRAGMA journal_mode").await, ["wal"; 4]);
    }

    /// A store with one key, and the row changed as `change` says.
    async fn altered(change: &'static str) -> (SqliteKeyStore, KeyId, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteKeyStore::open(&folder.path().join("keys.db")).await.unwrap();
        let secret = SecretKey::generate(SecretKind::Ed25519, &SystemRandom::new()).unwrap();
        let id = secret.public().id().clone();
        let record = KeyRecord {
            key: secret.public().clone(),
            purpose: Purpose { gun: None, role: Some(Role::Timestamp) },
            alias: Alias::parse("k1").unwrap(),
            sealed: SealedKey::from_row("sealed".to_owned()),
            last_used: None,
        };
        store.insert(&record, UtcTime::from_unix_seconds(1).unwrap()).await.unwrap();
        sqlx::query(change).execute(&store.pool).await.unwrap();
        (store, id, folder)
    }

    #[tokio::test]
    async fn a_damaged_row_is_told_from_an_absent_one() {
        for change in [
            "UPDATE private_keys SET public = x'00'",
            "UPDATE private_keys SET algorithm = 'ecdsa'",
            "UPDATE private_keys SET encryption_alg = 'A128GCM'",
            "UPDATE private_keys SET keywrap_alg = 'dir'",
            "UPDATE private_keys SET gun = 'a/../b'",
            "UPDATE private_keys SET role = 'no such role'",
            "UPDATE private_keys SET passphrase_alias = ''",
            "UPDATE private_keys SET private = x'ff'",
        ] {
            let (store, id, _folder) = altered(change).await;
            let refusal = store.find(&id).await.unwrap_err();
            assert!(matches!(&refusal, StoreError::Damaged { key, .. } if *key == id), "{change}: {refusal}");
        }
    }

    #[tokio::test]
    async fn a_damaged_row_is_no_sample_of_its_alias() {
        let (store, _, _folder) = altered("UPDATE private_keys SET public = x'00'").await;
        assert_eq!(store.sealed_under(&Alias::parse("k1").unwrap(), 9).await.unwrap(), []);
    }

    #[tokio::test]
    async fn tables_of_a_later_release_are_left_alone() {
        let (store, _, folder) = altered("UPDATE _sqlx_migrations SET version = 99").await;
        drop(store);
        let refusal = SqliteKeyStore::open(&folder.path().join("keys.db")).await.err().unwrap();
        assert!(matches!(refusal, OpenStoreError::Migrate { .. }), "{refusal}");
    }

    #[tokio::test]
    async fn only_the_owner_reads_the_file_and_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteKeyStore::open(&folder.path().join("keys.db")).await.unwrap();
        store.probe().await.unwrap();
        for name in ["keys.db", "keys.db-wal", "keys.db-shm"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn a_missing_directory_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = SqliteKeyStore::open(&folder.path().join("absent/keys.db")).await.err().unwrap();
        assert!(matches!(refusal, OpenStoreError::Create { .. }), "{refusal}");
        assert!(!folder.path().join("absent").exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.db");
        std::fs::write(&file, "this is a letter to my mother, and not a database at all").unwrap();
        let refusal = SqliteKeyStore::open(&file).await.err().unwrap();
        assert!(matches!(refusal, OpenStoreError::Open { .. } | OpenStoreError::Migrate { .. }), "{refusal}");
        assert!(std::fs::read_to_string(&file).unwrap().starts_with("this is a letter"));
    }
}
