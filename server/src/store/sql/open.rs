//! Opening a store: the tables brought up to date, and what has to be learned about them.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use bulla_database::{
    Database, Engine, MySql, Part, PoolSettings, Postgres, Sqlite, Statement, Step, first_sqlite_step, has_table,
    migrate, steps_done,
};

use super::rows::{number, text};
use super::store::SqlStore;
use super::unsettled::Feed;
use super::words::Names;
use super::{read_failed, unavailable};
use crate::clock::Clock;
use crate::store::StoreError;

/// Metadata in one SQLite file.
pub type SqliteStore = SqlStore<Sqlite>;

/// Metadata in a PostgreSQL database.
pub type PostgresStore = SqlStore<Postgres>;

/// Metadata in a MySQL or MariaDB database.
pub type MySqlStore = SqlStore<MySql>;

/// Whose steps they are, where the signer's tables are in the same database.
const COMPONENT: &str = "server";

/// Connections to a SQLite file that only read.
const READERS: u32 = 4;

/// The versions of the reference's tables that we know, as its own migration tool counts them.
const REFERENCE_ON_POSTGRES: i64 = 2;
const REFERENCE_ON_MYSQL: i64 = 5;

/// Of SQLite. Step 1 stands where the first release wrote it down; that release does not start on a database with later
/// ones in that place.
const SQLITE_STEPS: [Step; 2] = [
    Step {
        version: 2,
        name: "repositories",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/sqlite/0002_repositories.sql") }],
    },
    Step {
        version: 3,
        name: "webhooks",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/sqlite/0003_webhooks.sql") }],
    },
];

const POSTGRES_STEPS: [Step; 3] = [
    Step {
        version: 1,
        name: "tables",
        parts: &[
            Part { only_without: None, sql: include_str!("../../../migrations/postgres/0001_tables.sql") },
            Part {
                only_without: Some("schema_migrations"),
                sql: include_str!("../../../migrations/postgres/0001_bookkeeping.sql"),
            },
        ],
    },
    Step {
        version: 2,
        name: "repositories",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/postgres/0002_repositories.sql") }],
    },
    Step {
        version: 3,
        name: "webhooks",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/postgres/0003_webhooks.sql") }],
    },
];

const MYSQL_STEPS: [Step; 3] = [
    Step {
        version: 1,
        name: "tables",
        parts: &[
            Part { only_without: None, sql: include_str!("../../../migrations/mysql/0001_tables.sql") },
            Part {
                only_without: Some("schema_migrations"),
                sql: include_str!("../../../migrations/mysql/0001_bookkeeping.sql"),
            },
        ],
    },
    Step {
        version: 2,
        name: "repositories",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/mysql/0002_repositories.sql") }],
    },
    Step {
        version: 3,
        name: "webhooks",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/mysql/0003_webhooks.sql") }],
    },
];

/// The tables are of a version of the reference that is too old, or were left in the middle of a change.
#[derive(Debug, thiserror::Error)]
#[error(
    "the tables are of version {version} of the reference's{}; bring them to version {known} with its own migrations first",
    if *.dirty { ", and a change of them was broken off (dirty)" } else { "" }
)]
struct OldTables {
    version: i64,
    dirty: bool,
    known: i64,
}

impl SqlStore<Sqlite> {
    /// Opens the file, makes it (mode 0600) when it is missing, and brings its tables up to date; `clock` dates what
    /// is written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be made, opened or migrated.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        create_private(path)?;
        let database = Database::sqlite(path, READERS).await.map_err(unavailable)?;
        let first = include_str!("../../../migrations/sqlite/0001_tables.sql");
        first_sqlite_step(&database, "tables", first).await.map_err(unavailable)?;
        migrate(&database, COMPONENT, &SQLITE_STEPS).await.map_err(unavailable)?;
        // Readers never see a number whose writer has not come to its end.
        Ok(Self::over(database, Names::exact(), Feed::new(1, Duration::ZERO), clock))
    }
}

impl SqlStore<Postgres> {
    /// Opens a database, one of the reference as well as an empty one, and brings its tables up to date; `clock` dates
    /// what is written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not answer within `settings.acquire_timeout`, when its tables are older
    /// than the reference's last, or when they cannot be changed.
    pub async fn open(dsn: &PostgresDsn, settings: PoolSettings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let database = Database::postgres(dsn, settings).await.map_err(unavailable)?;
        refuse_old_postgres_tables(&database).await?;
        migrate(&database, COMPONENT, &POSTGRES_STEPS).await.map_err(unavailable)?;
        Ok(Self::over(database, Names::exact(), Feed::new(1, settings.statement_timeout), clock))
    }
}

impl SqlStore<MySql> {
    /// Opens a database, one of the reference as well as an empty one, and brings its tables up to date; `clock` dates
    /// what is written.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not answer within `settings.acquire_timeout`, when its tables are older
    /// than the reference's last, or when they cannot be changed.
    pub async fn open(dsn: &MySqlDsn, settings: PoolSettings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let database = Database::mysql(dsn, settings).await.map_err(unavailable)?;
        refuse_old_mysql_tables(&database).await?;
        migrate(&database, COMPONENT, &MYSQL_STEPS).await.map_err(unavailable)?;
        let learned = "SELECT CAST(character_set_name AS CHAR), CAST(collation_name AS CHAR), \
             @@SESSION.auto_increment_increment, CAST(@@SESSION.max_allowed_packet AS SIGNED) FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = 'tuf_files' AND column_name = 'gun'";
        let rows = database.fetch(&Statement::new(learned), &[]).await.map_err(read_failed)?;
        let Some(row) = rows.first() else { return Err(unavailable("the database does not show its own columns")) };
        let word = |place| -> Result<String, StoreError> {
            let word = text(row, place)?;
            let is_word = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if is_word { Ok(word.to_owned()) } else { Err(unavailable("the name of a collation is no word")) }
        };
        let charset = match word(0)? {
            none if none.is_empty() => "binary".to_owned(),
            charset => charset,
        };
        let names = Names { charset, collation: word(1)? };
        let feed = Feed::new(number(row, 2)?.max(1), settings.statement_timeout);
        let mut store = Self::over(database, names, feed, clock);
        store.longest_file = Some(usize::try_from(number(row, 3)?).unwrap_or_default().saturating_sub(BESIDE_A_FILE));
        Ok(store)
    }
}

/// What a packet to MySQL holds beside a file, at most: the statement and the names.
pub(super) const BESIDE_A_FILE: usize = 64 << 10;

/// Whether the tables are of a version of the reference that can be taken over, or not there yet. Only reads.
///
/// # Errors
/// [`StoreError::Unavailable`] names the version, or says what fails.
pub(crate) async fn refuse_old_postgres_tables(database: &Database<Postgres>) -> Result<(), StoreError> {
    refuse_old_tables(database, REFERENCE_ON_POSTGRES).await
}

/// The same on MySQL and MariaDB.
///
/// # Errors
/// As [`refuse_old_postgres_tables`].
pub(crate) async fn refuse_old_mysql_tables(database: &Database<MySql>) -> Result<(), StoreError> {
    refuse_old_tables(database, REFERENCE_ON_MYSQL).await
}

/// Tables that the reference made long ago lack columns, and only its own migrations know how to add them.
async fn refuse_old_tables<E: Engine>(database: &Database<E>, known: i64) -> Result<(), StoreError> {
    let is_ours = !steps_done(database, COMPONENT).await.map_err(read_failed)?.is_empty();
    for table in ["tuf_files", "schema_migrations"] {
        if is_ours || !has_table(database, table).await.map_err(read_failed)? {
            return Ok(());
        }
    }
    let rows = database.fetch(&Statement::new("SELECT version, dirty FROM schema_migrations"), &[]).await;
    for row in rows.map_err(read_failed)? {
        let (version, dirty) = (number(&row, 0)?, number(&row, 1)? != 0);
        if dirty || version < known {
            return Err(unavailable(OldTables { version, dirty, known }));
        }
    }
    Ok(())
}

/// Makes the file with the owner's rights only; SQLite gives its side files the same.
fn create_private(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unavailable(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}
