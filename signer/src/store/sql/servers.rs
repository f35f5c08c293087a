//! Sealed keys in a PostgreSQL, MySQL or MariaDB database, taken over from the reference or made here.

use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use bulla_database::{Database, Engine, MySql, Part, PoolSettings, Postgres, Step, migrate};

use super::OpenStoreError;
use super::keys::SqlKeyStore;

/// Whose the steps are in the bookkeeping of a database.
pub(super) const COMPONENT: &str = "signer";
/// The reference's table: what is there is never changed.
const TAKEN_OVER: Option<&str> = Some("private_keys");

const POSTGRES: &[Step] = &[
    Step {
        version: 1,
        name: "private_keys and key lanes",
        parts: &[
            Part { only_without: TAKEN_OVER, sql: include_str!("../../../migrations/postgres/0001_private_keys.sql") },
            Part { only_without: None, sql: include_str!("../../../migrations/postgres/0001_key_lanes.sql") },
        ],
    },
    Step {
        version: 2,
        name: "key roles",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/postgres/0002_key_roles.sql") }],
    },
    Step {
        version: 3,
        name: "audit heads",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/postgres/0003_audit_heads.sql") }],
    },
    Step {
        version: 4,
        name: "key life",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/postgres/0004_key_life.sql") }],
    },
];

const MYSQL: &[Step] = &[
    Step {
        version: 1,
        name: "private_keys and key lanes",
        parts: &[
            Part { only_without: TAKEN_OVER, sql: include_str!("../../../migrations/mysql/0001_private_keys.sql") },
            Part { only_without: None, sql: include_str!("../../../migrations/mysql/0001_key_lanes.sql") },
        ],
    },
    Step {
        version: 2,
        name: "key roles",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/mysql/0002_key_roles.sql") }],
    },
    Step {
        version: 3,
        name: "audit heads",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/mysql/0003_audit_heads.sql") }],
    },
    Step {
        version: 4,
        name: "key life",
        parts: &[Part { only_without: None, sql: include_str!("../../../migrations/mysql/0004_key_life.sql") }],
    },
];

/// Opens a PostgreSQL database and brings its tables up to date.
///
/// # Errors
/// [`OpenStoreError`] names the database, without its password.
pub(crate) async fn open_postgres(
    dsn: &PostgresDsn,
    settings: PoolSettings,
) -> Result<SqlKeyStore<Postgres>, OpenStoreError> {
    let place = dsn.to_string();
    let database = Database::postgres(dsn, settings).await;
    let database = database.map_err(|source| OpenStoreError::Open { place: place.clone(), source })?;
    store_in(database, POSTGRES, place).await
}

/// Opens a MySQL or MariaDB database and brings its tables up to date.
///
/// # Errors
/// [`OpenStoreError`] names the database, without its password.
pub(crate) async fn open_mysql(dsn: &MySqlDsn, settings: PoolSettings) -> Result<SqlKeyStore<MySql>, OpenStoreError> {
    let place = dsn.to_string();
    let database = Database::mysql(dsn, settings).await;
    let database = database.map_err(|source| OpenStoreError::Open { place: place.clone(), source })?;
    store_in(database, MYSQL, place).await
}

async fn store_in<E: Engine>(
    database: Database<E>,
    steps: &[Step],
    place: String,
) -> Result<SqlKeyStore<E>, OpenStoreError> {
    let migrated = migrate(&database, COMPONENT, steps).await;
    migrated.map_err(|source| OpenStoreError::Migrate { place: place.clone(), source })?;
    let store = SqlKeyStore::new(database);
    store.read_table().await.map_err(|source| OpenStoreError::Table { place, source })?;
    Ok(store)
}
