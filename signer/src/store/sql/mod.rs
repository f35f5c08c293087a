//! Sealed keys in an SQL database: one table, the reference's, by the reference's column names.

mod sqlite;

pub use sqlite::OpenStoreError;
pub(crate) use sqlite::SqliteKeyStore;
