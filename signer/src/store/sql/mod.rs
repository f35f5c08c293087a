//! Sealed keys in an SQL database: one table, the reference's, by the reference's column names.

use std::io;
use std::path::PathBuf;

use bulla_database::{Failure, MigrateError};

mod backup;
mod heads;
mod keys;
mod record;
mod roles;
#[cfg(test)]
pub(crate) mod scratch;
mod servers;
mod sqlite;
mod statements;
mod stored;
#[cfg(test)]
mod taken_over;
mod wrapped;

pub(crate) use backup::sound;
pub(crate) use servers::{open_mysql, open_postgres};
pub(crate) use sqlite::open_sqlite;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// The file is not there and cannot be made.
    #[error("key store {file} cannot be made")]
    Create {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database does not open the way it was named.
    #[error("key store {place} cannot be opened")]
    Open {
        /// The file, or the host and the name of the database.
        place: String,
        /// What the database said.
        source: Failure,
    },
    /// The tables cannot be made, or the first ones of a file are those of another release.
    #[error("the tables of key store {place} cannot be brought up to date")]
    Migrate {
        /// The file, or the host and the name of the database.
        place: String,
        /// What went wrong.
        source: MigrateError,
    },
    /// There is a table with the reference's name and other columns, such as an older release's, or no right to read it.
    #[error("the table private_keys of key store {place} cannot be read as Notary 0.7 leaves it")]
    Table {
        /// The file, or the host and the name of the database.
        place: String,
        /// What the database said.
        source: Failure,
    },
}
