//! Metadata in SQL; the only place of the server that knows a database.

mod group;
mod sqlite;
mod statements;

pub use sqlite::SqliteStore;

use sqlx::error::ErrorKind;
use tuf_schema::{Sha256, UtcTime, Version};

use super::StoreError;

/// Microseconds since 1970, as time columns hold them.
fn to_micros(time: UtcTime) -> i64 {
    time.to_utc().timestamp_micros()
}

fn from_micros(micros: i64) -> Result<UtcTime, StoreError> {
    let time = chrono::DateTime::from_timestamp_micros(micros);
    time.map(UtcTime::from_utc).ok_or_else(|| StoreError::Corrupt { what: format!("time {micros}") })
}

fn to_version(number: i64) -> Result<Version, StoreError> {
    Version::new(number).map_err(|error| StoreError::Corrupt { what: error.to_string() })
}

fn to_sha256(text: &str) -> Result<Sha256, StoreError> {
    Sha256::from_hex(text).ok_or_else(|| StoreError::Corrupt { what: format!("sha256 {text:?}") })
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(error.into())
}

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.kind() == ErrorKind::UniqueViolation)
}
