//! Databases of any engine, opened for a copy.

use std::path::Path;
use std::time::Duration;

use bulla_database::dsn::{MySqlDsn, PostgresDsn};
use bulla_database::{Database, Engine, Failure, MySql, PoolSettings, Postgres, Sqlite};

use super::{CopyError, Progress, copy};

/// How long one statement may take, and how long the source may be left alone while the target writes: a copy takes as
/// long as it takes.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// A database whose tables are up to date.
pub(crate) enum Opened {
    Sqlite(Database<Sqlite>),
    Postgres(Database<Postgres>),
    MySql(Database<MySql>),
}

impl Opened {
    pub(crate) async fn sqlite(path: &Path) -> Result<Self, Failure> {
        Ok(Self::Sqlite(Database::sqlite(path, 1).await?))
    }

    pub(crate) async fn postgres(dsn: &PostgresDsn) -> Result<Self, Failure> {
        Ok(Self::Postgres(Database::postgres(dsn, settings()).await?))
    }

    pub(crate) async fn mysql(dsn: &MySqlDsn) -> Result<Self, Failure> {
        Ok(Self::MySql(Database::mysql(dsn, settings()).await?))
    }

    /// Copies everything into `target`.
    pub(crate) async fn copy_into(
        &self,
        target: &Self,
        progress: &mut (dyn FnMut(Progress) -> std::io::Result<()> + Send),
    ) -> Result<(), CopyError> {
        match self {
            Self::Sqlite(source) => copy_from(source, target, progress).await,
            Self::Postgres(source) => copy_from(source, target, progress).await,
            Self::MySql(source) => copy_from(source, target, progress).await,
        }
    }
}

async fn copy_from<A: Engine>(
    source: &Database<A>,
    target: &Opened,
    progress: &mut (dyn FnMut(Progress) -> std::io::Result<()> + Send),
) -> Result<(), CopyError> {
    match target {
        Opened::Sqlite(target) => copy(source, target, progress).await,
        Opened::Postgres(target) => copy(source, target, progress).await,
        Opened::MySql(target) => copy(source, target, progress).await,
    }
}

fn settings() -> PoolSettings {
    PoolSettings { max_connections: 2, statement_timeout: PATIENCE, ..PoolSettings::default() }
}
