//! `storage`: where metadata is kept.

use std::path::PathBuf;

use super::document::Document;
use super::error::ConfigError;
use super::key::Key;
use super::sections::TrustConfig;

const BACKEND: &str = "storage.backend";
const URL: &str = "storage.db_url";

pub(super) const KEYS: &[Key] = &[
    Key::new(BACKEND, "must be set").with_example("\"sqlite\""),
    Key::new(URL, "not set").secret().with_example("\"server.db\""),
];

/// `storage`: where metadata is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageConfig {
    /// In this process's memory, lost at its end.
    Memory,
    /// In a SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
}

impl StorageConfig {
    const ACCEPTED: &'static [&'static str] = &["sqlite", "memory"];

    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        match document.required(BACKEND, "sqlite keeps metadata in a file, memory until the server stops")?.as_str() {
            "memory" => Ok(Self::Memory),
            "sqlite" => {
                let missing = ConfigError::Missing { key: URL, because: "it names the SQLite file" };
                Ok(Self::Sqlite { path: document.path(URL)?.ok_or(missing)? })
            }
            value @ ("mysql" | "postgres" | "rethinkdb" | "sqlite3") => {
                Err(ConfigError::NotSupported { key: BACKEND, value: value.to_owned(), accepted: Self::ACCEPTED })
            }
            other => Err(ConfigError::NotOneOf { key: BACKEND, value: other.to_owned(), accepted: Self::ACCEPTED }),
        }
    }
}

/// Refuses keys that die with the process where metadata signed by them lives on.
pub(super) fn check_keys_outlive_metadata(
    document: &Document,
    trust: &TrustConfig,
    storage: &StorageConfig,
) -> Result<(), ConfigError> {
    let accepted = document.flag("trust_service.ephemeral")?;
    match (trust, storage) {
        (TrustConfig::Local, StorageConfig::Sqlite { .. }) if !accepted => Err(ConfigError::KeysForgotten),
        _ => Ok(()),
    }
}
