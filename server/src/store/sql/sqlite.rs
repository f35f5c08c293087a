//! SQLite: one writer, several readers, and nothing answered before it is on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row, SqlSafeStr, SqlStr};
use tuf_schema::{Gun, Role, Sha256, UtcTime, Version};

use super::group::GroupCommit;
use super::{from_micros, is_unique_violation, statements, to_micros, to_sha256, to_version, unavailable};
use crate::clock::Clock;
use crate::publish::{Origin, ValidatedUpdate};
use crate::store::{
    Aging, Change, ChangeCategory, ChangeQuery, ChangeWindow, FileRow, Floors, Lease, MetadataStore, Newest,
    StoreError, Stored, decisive_roles, follows,
};

/// How long a connection waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that only read.
const READERS: u32 = 4;

/// Metadata in one SQLite file.
pub struct SqliteStore {
    clock: Arc<dyn Clock>,
    /// A pool of one: writers queue here and not at the file's lock.
    writer: SqlitePool,
    groups: GroupCommit,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, makes it (mode 0600) when it is missing, and brings its tables up to date; `clock` dates what
    /// is written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be made, opened or migrated.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        create_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: in WAL mode NORMAL would lose answered commits when the power goes.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer =
            SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.map_err(unavailable)?;
        migrations().run(&writer).await.map_err(unavailable)?;
        add_own_tables(&writer).await.map_err(unavailable)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "on"))
            .await
            .map_err(unavailable)?;
        let groups = GroupCommit::start(writer.clone(), clock.clone());
        Ok(Self { clock, writer, groups, readers })
    }

    async fn floors(&self, gun: &Gun) -> Result<Floors, StoreError> {
        let query = sqlx::query(statements::FLOORS).bind(gun.as_str());
        let Some(row) = query.fetch_optional(&self.readers).await.map_err(unavailable)? else {
            return Ok(Floors::default());
        };
        let floor = |column| match row.try_get::<i64, _>(column).map_err(unavailable)? {
            0 => Ok(None),
            number => to_version(number).map(Some),
        };
        Ok(Floors { snapshot: floor(0)?, timestamp: floor(1)? })
    }

    async fn note_use_of(&self, gun: &Gun, at: UtcTime, only_unknown: bool) -> Result<(), StoreError> {
        let statement = if only_unknown { statements::NOTE_UNKNOWN } else { statements::NOTE_USE };
        let query = sqlx::query(statement).bind(gun.as_str()).bind(to_micros(at));
        query.execute(&self.writer).await.map(|_| ()).map_err(unavailable)
    }

    /// Waits for what is being written and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl MetadataStore for SqliteStore {
    async fn latest(&self, gun: &Gun, role: &Role) -> Result<Option<Stored>, StoreError> {
        let query = sqlx::query(statements::LATEST).bind(gun.as_str()).bind(role.as_str());
        let row = query.fetch_optional(&self.readers).await.map_err(unavailable)?;
        row.as_ref().map(to_stored).transpose()
    }

    async fn newest(&self, gun: &Gun) -> Result<Newest, StoreError> {
        let query = sqlx::query(statements::NEWEST).bind(gun.as_str());
        let mut newest = Newest { floors: self.floors(gun).await?, ..Newest::default() };
        for row in query.fetch_all(&self.readers).await.map_err(unavailable)? {
            let stored = Some(to_stored(&row)?);
            match row.try_get::<&str, _>("role").map_err(unavailable)? {
                "root" => newest.root = stored,
                "targets" => newest.targets = stored,
                "snapshot" => newest.snapshot = stored,
                _ => newest.timestamp = stored,
            }
        }
        Ok(newest)
    }

    async fn newest_of(
        &self,
        gun: &Gun,
        roles: &BTreeSet<Role>,
    ) -> Result<BTreeMap<Role, (Version, Sha256)>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(unavailable)?;
        newest_of(&mut connection, gun, roles).await
    }

    async fn by_version(&self, gun: &Gun, role: &Role, version: Version) -> Result<Option<Stored>, StoreError> {
        let query = sqlx::query(statements::BY_VERSION).bind(gun.as_str()).bind(role.as_str());
        let row = query.bind(i64::from(version.number())).fetch_optional(&self.readers).await.map_err(unavailable)?;
        row.as_ref().map(to_stored).transpose()
    }

    async fn by_sha256(&self, gun: &Gun, role: &Role, sha256: &Sha256) -> Result<Option<Stored>, StoreError> {
        let query = sqlx::query(statements::BY_SHA256).bind(gun.as_str()).bind(role.as_str());
        let row = query.bind(sha256.to_hex()).fetch_optional(&self.readers).await.map_err(unavailable)?;
        row.as_ref().map(to_stored).transpose()
    }

    async fn commit(&self, update: &ValidatedUpdate) -> Result<(), StoreError> {
        self.groups.commit(update).await
    }

    async fn delete(&self, gun: &Gun) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
        let now = self.clock.now();
        sqlx::query(statements::RAISE_FLOORS)
            .bind(gun.as_str())
            .bind(to_micros(now))
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        sqlx::query(statements::DELETE_RENEWALS)
            .bind(gun.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let deleted = sqlx::query(statements::DELETE_FILES)
            .bind(gun.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
        let removed = deleted.rows_affected() > 0;
        if removed {
            write_change(&mut transaction, now, gun, 0, "", ChangeCategory::Deletion).await?;
        }
        transaction.commit().await.map_err(unavailable)?;
        Ok(removed)
    }

    async fn changes(&self, query: &ChangeQuery) -> Result<Vec<Change>, StoreError> {
        let window = query.window();
        let (statement, edge, limit) = match (window, &query.gun) {
            (ChangeWindow::Forward { after, limit }, None) => (statements::CHANGES_FORWARD, after, limit),
            (ChangeWindow::Forward { after, limit }, Some(_)) => (statements::CHANGES_FORWARD_OF_GUN, after, limit),
            (ChangeWindow::Backward { before, limit }, None) => {
                (statements::CHANGES_BACKWARD, before.unwrap_or(i64::MAX), limit)
            }
            (ChangeWindow::Backward { before, limit }, Some(_)) => {
                (statements::CHANGES_BACKWARD_OF_GUN, before.unwrap_or(i64::MAX), limit)
            }
        };
        let mut statement = sqlx::query(statement).bind(edge).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        if let Some(gun) = &query.gun {
            statement = statement.bind(gun.as_str());
        }
        let rows = statement.fetch_all(&self.readers).await.map_err(unavailable)?;
        let mut changes = rows.iter().map(to_change).collect::<Result<Vec<_>, _>>()?;
        changes.sort_by_key(|change| change.id);
        Ok(changes)
    }

    async fn aging(&self, query: &Aging) -> Result<Vec<Gun>, StoreError> {
        let now = self.clock.now();
        let rows = sqlx::query(statements::AGING)
            .bind(after_text(query.after.as_ref()))
            .bind(to_micros(query.before))
            .bind(i64::from(query.limit))
            .bind(to_micros(query.used_since))
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        let page = rows.iter().map(to_gun).collect::<Result<Vec<_>, _>>()?;
        for gun in &page {
            // Without a row: known from now on. With one: before its last use already.
            self.note_use_of(gun, now, true).await?;
        }
        Ok(page)
    }

    async fn note_use(&self, guns: &[Gun], at: UtcTime) -> Result<(), StoreError> {
        for gun in guns {
            self.note_use_of(gun, at, false).await?;
        }
        Ok(())
    }

    async fn take_lease(&self, lease: Lease, holder: &str, now: UtcTime, seconds: u32) -> Result<bool, StoreError> {
        let taken = sqlx::query(statements::TAKE_LEASE)
            .bind(lease.as_str())
            .bind(holder)
            .bind(to_micros(now.plus_seconds(seconds.into())))
            .bind(to_micros(now))
            .execute(&self.writer)
            .await
            .map_err(unavailable)?;
        Ok(taken.rows_affected() > 0)
    }

    async fn drop_superseded(&self, before: UtcTime, limit: u32) -> Result<u64, StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
        let query = sqlx::query(statements::SUPERSEDED).bind(to_micros(before)).bind(i64::from(limit));
        let mut dropped = 0_u64;
        for row in query.fetch_all(&mut *transaction).await.map_err(unavailable)? {
            let (gun, version): (&str, i64) =
                (row.try_get(0).map_err(unavailable)?, row.try_get(1).map_err(unavailable)?);
            for (statement, counts) in [(statements::DROP_TIMESTAMP, true), (statements::DROP_RENEWAL, false)] {
                let query = sqlx::query(statement).bind(gun).bind(version);
                let done = query.execute(&mut *transaction).await.map_err(unavailable)?;
                dropped = dropped.saturating_add(if counts { done.rows_affected() } else { 0 });
            }
        }
        transaction.commit().await.map_err(unavailable)?;
        Ok(dropped)
    }

    async fn guns(&self, after: Option<&Gun>, limit: u32) -> Result<Vec<Gun>, StoreError> {
        let query = sqlx::query(statements::GUNS).bind(after_text(after)).bind(i64::from(limit));
        query.fetch_all(&self.readers).await.map_err(unavailable)?.iter().map(to_gun).collect()
    }

    async fn files(&self, gun: &Gun, after: Option<i64>, limit: u32) -> Result<Vec<FileRow>, StoreError> {
        let query = sqlx::query(statements::FILES).bind(gun.as_str()).bind(after.unwrap_or(0)).bind(i64::from(limit));
        query.fetch_all(&self.readers).await.map_err(unavailable)?.iter().map(to_file_row).collect()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.groups.check()?;
        sqlx::query(statements::CHECK).fetch_one(&self.readers).await.map(|_| ()).map_err(unavailable)
    }
}

/// Writes the files of `update` and its change record, or says why it does not follow on what is stored.
pub(super) async fn write_update(
    transaction: &mut SqliteConnection,
    update: &ValidatedUpdate,
    now: UtcTime,
) -> Result<(), StoreError> {
    let gun = update.gun();
    follows(update, &newest_of(transaction, gun, &decisive_roles(update)).await?)?;
    for file in update.files() {
        sqlx::query(statements::INSERT_FILE)
            .bind(to_micros(now))
            .bind(gun.as_str())
            .bind(file.role().as_str())
            .bind(i64::from(file.version().number()))
            .bind(file.sha256().to_hex())
            .bind(file.bytes().as_ref())
            .execute(&mut *transaction)
            .await
            .map_err(|error| conflict_or_unavailable(file.role(), error))?;
    }
    let timestamp = update.timestamp();
    let note = match update.origin() {
        Origin::Publish => sqlx::query(statements::NOTE_USE).bind(gun.as_str()).bind(to_micros(now)),
        Origin::Renewal => {
            let version = i64::from(timestamp.version().number());
            sqlx::query(statements::INSERT_RENEWAL).bind(gun.as_str()).bind(version)
        }
    };
    note.execute(&mut *transaction).await.map_err(unavailable)?;
    let (version, sha256) = (timestamp.version().number(), timestamp.sha256().to_hex());
    write_change(transaction, now, gun, version, &sha256, ChangeCategory::Update).await
}

/// A row that is marked deleted holds its version still.
fn conflict_or_unavailable(role: &Role, error: sqlx::Error) -> StoreError {
    if is_unique_violation(&error) {
        StoreError::Conflict { role: role.clone(), current: None }
    } else {
        unavailable(error)
    }
}

async fn newest_of(
    connection: &mut SqliteConnection,
    gun: &Gun,
    roles: &BTreeSet<Role>,
) -> Result<BTreeMap<Role, (Version, Sha256)>, StoreError> {
    let mut newest = BTreeMap::new();
    for role in roles {
        let query = sqlx::query(statements::NEWEST_OF).bind(gun.as_str()).bind(role.as_str());
        if let Some(row) = query.fetch_optional(&mut *connection).await.map_err(unavailable)? {
            let version = to_version(row.try_get(0).map_err(unavailable)?)?;
            newest.insert(role.clone(), (version, to_sha256(row.try_get(1).map_err(unavailable)?)?));
        }
    }
    Ok(newest)
}

async fn write_change(
    transaction: &mut SqliteConnection,
    now: UtcTime,
    gun: &Gun,
    version: u32,
    sha256: &str,
    category: ChangeCategory,
) -> Result<(), StoreError> {
    sqlx::query(statements::INSERT_CHANGE)
        .bind(to_micros(now))
        .bind(gun.as_str())
        .bind(i64::from(version))
        .bind(sha256)
        .bind(category.as_str())
        .execute(transaction)
        .await
        .map(|_| ())
        .map_err(unavailable)
}

fn to_stored(row: &SqliteRow) -> Result<Stored, StoreError> {
    Ok(Stored {
        version: to_version(row.try_get("version").map_err(unavailable)?)?,
        sha256: to_sha256(row.try_get("sha256").map_err(unavailable)?)?,
        bytes: Bytes::from(row.try_get::<Vec<u8>, _>("data").map_err(unavailable)?),
        created_at: from_micros(row.try_get("created_at").map_err(unavailable)?)?,
    })
}

fn to_change(row: &SqliteRow) -> Result<Change, StoreError> {
    let version: i64 = row.try_get("version").map_err(unavailable)?;
    let category: &str = row.try_get("category").map_err(unavailable)?;
    Ok(Change {
        id: row.try_get("id").map_err(unavailable)?,
        created_at: from_micros(row.try_get("created_at").map_err(unavailable)?)?,
        gun: row.try_get("gun").map_err(unavailable)?,
        version: u32::try_from(version).map_err(|_| StoreError::Corrupt { what: format!("version {version}") })?,
        sha256: row.try_get("sha256").map_err(unavailable)?,
        category: [ChangeCategory::Update, ChangeCategory::Deletion]
            .into_iter()
            .find(|known| known.as_str() == category)
            .ok_or_else(|| StoreError::Corrupt { what: format!("change category {category:?}") })?,
    })
}

fn to_gun(row: &SqliteRow) -> Result<Gun, StoreError> {
    let text: &str = row.try_get("gun").map_err(unavailable)?;
    Gun::parse(text).map_err(|error| StoreError::Corrupt { what: format!("gun {text:?}: {error}") })
}

fn to_file_row(row: &SqliteRow) -> Result<FileRow, StoreError> {
    let created_at: Option<i64> = row.try_get("created_at").map_err(unavailable)?;
    Ok(FileRow {
        id: row.try_get("id").map_err(unavailable)?,
        role: row.try_get("role").map_err(unavailable)?,
        version: row.try_get("version").map_err(unavailable)?,
        sha256: row.try_get("sha256").map_err(unavailable)?,
        bytes: Bytes::from(row.try_get::<Vec<u8>, _>("data").map_err(unavailable)?),
        created_at: created_at.map(from_micros).transpose()?,
    })
}

/// No GUN is empty, so all of them come after "".
fn after_text(after: Option<&Gun>) -> &str {
    after.map_or("", Gun::as_str)
}

/// Makes the file with the owner's rights only; SQLite gives its side files the same.
fn create_private(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unavailable(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn migrations() -> Migrator {
    let steps = [(1, "tables", include_str!("../../../migrations/sqlite/0001_tables.sql"))];
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| -> Migration {
        let sql: SqlStr = sql.into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(steps.into_iter().map(migration).collect())
}

/// Later steps are not written down where the first release looks: it refuses to open what has steps it does not know.
async fn add_own_tables(writer: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(statements::CREATE_MIGRATIONS).execute(&mut *transaction).await?;
    let noted = sqlx::query(statements::NOTE_MIGRATION).bind(2_i64).bind("repositories");
    if noted.execute(&mut *transaction).await?.rows_affected() > 0 {
        let step = include_str!("../../../migrations/sqlite/0002_repositories.sql");
        sqlx::raw_sql(step).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::clock::SystemClock;

    async fn store(directory: &tempfile::TempDir) -> SqliteStore {
        SqliteStore::open(&directory.path().join("server.db"), Arc::new(SystemClock)).await.unwrap()
    }

    async fn pragma(pool: &SqlitePool, statement: &'static str) -> i64 {
        sqlx::query(statement).fetch_one(pool).await.unwrap().get(0)
    }

    #[tokio::test]
    async fn the_writer_waits_for_the_disk_at_each_commit() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory).await;
        const FULL: i64 = 2;
        assert_eq!(pragma(&store.writer, "PRAGMA synchronous").await, FULL);
        let mode: String = sqlx::query("PRAGMA journal_mode").fetch_one(&store.writer).await.unwrap().get(0);
        assert_eq!(mode, "wal");
        assert_eq!(pragma(&store.writer, "PRAGMA foreign_keys").await, 1);
        assert_eq!(pragma(&store.writer, "PRAGMA busy_timeout").await, 10_000);
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory).await;
        assert!(sqlx::query("DELETE FROM changefeed").execute(&store.readers).await.is_err());
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

    #[tokio::test]
    async fn a_change_of_unknown_category_is_refused_by_the_database() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory).await;
        let insert = "INSERT INTO changefeed (created_at, gun, version, category) VALUES (0, 'g', 0, 'other')";
        assert!(sqlx::query(insert).execute(&store.writer).await.is_err());
    }

    #[tokio::test]
    async fn a_directory_that_is_missing_is_an_error() {
        let path = Path::new("/nonexistent/directory/server.db");
        let opened = SqliteStore::open(path, Arc::new(SystemClock)).await;
        assert!(matches!(opened, Err(StoreError::Unavailable(_))));
    }
}
