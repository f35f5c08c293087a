//! The store that a configuration names, as each subject asks for it.

use std::sync::Arc;

use super::OpenStoreError;
use super::backup::BackupStore;
use super::sql::{open_mysql, open_postgres, open_sqlite};
use super::stored::LifeStore;
use crate::config::Storage;

/// For reading and changing where keys are in their lives; `None` for keys in memory.
pub(crate) async fn open_life(storage: &Storage) -> Result<Option<Arc<dyn LifeStore>>, OpenStoreError> {
    Ok(Some(match storage {
        Storage::Memory => return Ok(None),
        Storage::Sqlite(file) => Arc::new(open_sqlite(file).await?),
        Storage::MySql(dsn, settings) => Arc::new(open_mysql(dsn, *settings).await?),
        Storage::Postgres(dsn, settings) => Arc::new(open_postgres(dsn, *settings).await?),
    }))
}

/// For a backup, or for what comes back from one; `None` for keys in memory.
pub(crate) async fn open_backups(storage: &Storage) -> Result<Option<Arc<dyn BackupStore>>, OpenStoreError> {
    Ok(Some(match storage {
        Storage::Memory => return Ok(None),
        Storage::Sqlite(file) => Arc::new(open_sqlite(file).await?),
        Storage::MySql(dsn, settings) => Arc::new(open_mysql(dsn, *settings).await?),
        Storage::Postgres(dsn, settings) => Arc::new(open_postgres(dsn, *settings).await?),
    }))
}
