//! The database and the signer that a configuration names, opened for one command.

use std::sync::Arc;

use super::error::AdminError;
use crate::app;
use crate::clock::Clock;
use crate::config::{StorageConfig, TrustConfig};
use crate::signer::RoleSigner;
use crate::store::MetadataStore;

/// Opens a database that is there; its tables are brought up to date as at a start.
pub(super) async fn existing(
    storage: &StorageConfig,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn MetadataStore>, AdminError> {
    match storage {
        StorageConfig::Sqlite { path } if !path.exists() => Err(AdminError::NoDatabase(path.clone())),
        _ => store(storage, clock).await,
    }
}

/// Opens a database; a SQLite file that is missing is made.
pub(super) async fn store(
    storage: &StorageConfig,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn MetadataStore>, AdminError> {
    match storage {
        StorageConfig::Memory => Err(AdminError::Memory),
        StorageConfig::Sqlite { .. } | StorageConfig::Postgres(_) | StorageConfig::MySql(_) => {
            Ok(app::open_storage(storage, clock).await?.0)
        }
    }
}

/// The signer, if the keys are not in the server's own memory.
pub(super) fn signer(trust: &TrustConfig) -> Result<Option<Arc<dyn RoleSigner>>, AdminError> {
    match trust {
        TrustConfig::Local => Ok(None),
        TrustConfig::Remote(_) => Ok(Some(app::signer(trust, None, &mut Vec::new())?.0)),
    }
}
