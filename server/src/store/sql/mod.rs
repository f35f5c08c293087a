//! Metadata in SQL; the only place of the server that knows a database.
//!
//! One store for SQLite, PostgreSQL and MySQL: [`SqlStore`]. The engines differ in words (`words`) and in how a
//! transaction begins (`group` on SQLite), not in rules.

mod at_once;
pub(crate) mod backup_file;
mod by_hash;
pub(crate) mod copy;
mod group;
mod newest_timestamp;
mod old_files;
mod open;
mod overview;
mod renewals;
mod rows;
mod statements;
mod store;
#[cfg(test)]
mod tests;
mod together;
mod unsettled;
mod webhooks;
mod words;
mod write;

pub use copy::CopyError;
pub use open::{MySqlStore, PostgresStore, SqliteStore};
pub(crate) use open::{refuse_old_mysql_tables, refuse_old_postgres_tables};
pub use store::SqlStore;

use std::sync::Arc;

use bulla_database::Failure;
use tuf_schema::{Gun, Role};

use super::{Misfit, StoreError};

/// One failure of all that was done together.
#[derive(Debug, thiserror::Error)]
#[error("what was asked of the database together failed")]
struct SharedFailure(#[source] Arc<Failure>);

/// What a write that failed comes to.
fn write_failed(failure: Failure, gun: &Gun) -> StoreError {
    match failure {
        // Who was first and with which version is asked afterwards.
        Failure::Conflict(_) => StoreError::Conflict { role: Role::Timestamp, current: None },
        Failure::DoesNotFit(error) => match gun.as_str().chars().find(|character| !character.is_ascii()) {
            Some(character) => {
                StoreError::DoesNotFit { reason: Misfit::Character { character, set: "of the database".to_owned() } }
            }
            None => unavailable(Failure::DoesNotFit(error)),
        },
        other => unavailable(other),
    }
}

/// What a read that failed comes to.
fn read_failed(failure: Failure) -> StoreError {
    unavailable(failure)
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(error.into())
}
