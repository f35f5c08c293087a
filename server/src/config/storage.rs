//! `storage`: where metadata is kept.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bulla_database::PoolSettings;
use bulla_database::dsn::{MySqlDsn, PostgresDsn, Secret, Source, SourceError, sqlite_file};

use super::document::{Document, Origin};
use super::error::{ConfigError, Warning};
use super::key::Key;
use super::sections::TrustConfig;

const BACKEND: &str = "storage.backend";
const URL: &str = "storage.db_url";
const URL_FILE: &str = "storage.db_url_file";
const PASSWORD_FILE: &str = "storage.password_file";
const MAX_CONNECTIONS: &str = "storage.max_connections";
const TIMEOUT: &str = "storage.timeout_seconds";

pub(super) const KEYS: &[Key] = &[
    Key::new(BACKEND, "must be set").with_example("\"postgres\""),
    Key::new(URL, "not set").secret().with_example("\"server.db\""),
    Key::new(URL_FILE, "not set"),
    Key::new(PASSWORD_FILE, "not set"),
    Key::new(MAX_CONNECTIONS, "16"),
    Key::new(TIMEOUT, "5 for a connection, 10 for an answer"),
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
    /// In a PostgreSQL database.
    Postgres(Database<PostgresDsn>),
    /// In a MySQL or MariaDB database.
    MySql(Database<MySqlDsn>),
}

/// A database that is a server of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Database<D> {
    /// Where it is, and how it is told who asks.
    pub dsn: Arc<D>,
    /// `storage.max_connections`: how many connections this process may have open to it. Default 16.
    /// `storage.timeout_seconds`: how long a connection, and then an answer, is waited for. Default 5 and 10.
    pub pool: PoolSettings,
}

impl<D> Clone for Database<D> {
    fn clone(&self) -> Self {
        Self { dsn: Arc::clone(&self.dsn), pool: self.pool }
    }
}

impl StorageConfig {
    const ACCEPTED: &'static [&'static str] = &["postgres", "mysql", "sqlite", "memory"];

    pub(super) fn read(document: &Document, warnings: &mut Vec<Warning>) -> Result<Self, ConfigError> {
        const BECAUSE: &str = "postgres and mysql are databases, sqlite is a file, memory is lost at the end";
        let backend = document.required(BACKEND, BECAUSE)?;
        if matches!(backend.as_str(), "memory" | "sqlite") {
            warnings.extend(without_effect(document, &[URL_FILE, PASSWORD_FILE, MAX_CONNECTIONS, TIMEOUT], &backend));
        }
        match backend.as_str() {
            "memory" => Ok(Self::Memory),
            "sqlite" => match sqlite_path(document)? {
                Some(path) => Ok(Self::Sqlite { path }),
                None => Err(ConfigError::Missing { key: URL, because: "it names the SQLite file" }),
            },
            "postgres" => {
                const FORM: &str = "postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full";
                let dsn = source(document, warnings)?.postgres().map_err(|error| refused(error, "postgres", FORM))?;
                warnings.extend(dsn.warnings().iter().cloned().map(Warning::Database));
                Ok(Self::Postgres(Database::read(dsn, document)?))
            }
            "mysql" => {
                const FORM: &str = "USER:PASSWORD@tcp(HOST:3306)/DATABASE?parseTime=true";
                let dsn = source(document, warnings)?.mysql().map_err(|error| refused(error, "mysql", FORM))?;
                warnings.extend(dsn.warnings().iter().cloned().map(Warning::Database));
                Ok(Self::MySql(Database::read(dsn, document)?))
            }
            "rethinkdb" => Err(ConfigError::Backend {
                value: backend,
                instead: "move the metadata into PostgreSQL or MySQL, and set \"storage\": {\"backend\": \"postgres\", \
                          \"db_url\": \"postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full\"}",
            }),
            "sqlite3" => Err(ConfigError::Backend {
                value: backend,
                instead: "for a new file of this server's own set \"storage\": {\"backend\": \"sqlite\", \
                          \"db_url\": \"server.db\"}",
            }),
            other => Err(ConfigError::NotOneOf { key: BACKEND, value: other.to_owned(), accepted: Self::ACCEPTED }),
        }
    }
}

impl StorageConfig {
    /// Where the metadata is, without any password.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Memory => "memory".to_owned(),
            Self::Sqlite { path } => path.display().to_string(),
            Self::Postgres(database) => database.dsn.to_string(),
            Self::MySql(database) => database.dsn.to_string(),
        }
    }
}

impl<D> Database<D> {
    fn read(dsn: D, document: &Document) -> Result<Self, ConfigError> {
        let mut pool = PoolSettings::default();
        if let Some(most) = document.number(MAX_CONNECTIONS, 1, 10_000)?.and_then(|n| u32::try_from(n).ok()) {
            pool.max_connections = most;
        }
        if let Some(seconds) = document.number(TIMEOUT, 1, 3600)? {
            pool.statement_timeout = Duration::from_secs(seconds);
            pool.acquire_timeout = pool.statement_timeout;
        }
        Ok(Self { dsn: Arc::new(dsn), pool })
    }
}

/// Where the address stands. What the environment says counts before what the file says, also where the one names a
/// file and the other is the address itself.
fn source(document: &Document, warnings: &mut Vec<Warning>) -> Result<Source, ConfigError> {
    let mut url = document.text(URL)?.map(Secret::new);
    let mut url_file = document.path(URL_FILE)?;
    if url.is_some() && url_file.is_some() {
        match (document.origin(URL), document.origin(URL_FILE)) {
            (Origin::Environment(variable), Origin::File) => {
                url_file = None;
                warnings.push(Warning::Overridden { key: URL_FILE, variable });
            }
            (Origin::File, Origin::Environment(variable)) => {
                url = None;
                warnings.push(Warning::Overridden { key: URL, variable });
            }
            _ => return Err(ConfigError::Database(SourceError::Both)),
        }
    }
    let password_file = document.path(PASSWORD_FILE)?;
    for (key, file) in [(URL_FILE, &url_file), (PASSWORD_FILE, &password_file)] {
        let Some(file) = file else { continue };
        if std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0) {
            warnings.push(Warning::ReadableByAll { key, path: file.clone() });
        }
    }
    Ok(Source { url, url_file, password_file })
}

/// The SQLite file. The address of a server, left over from another backend, is refused before anything shows it.
fn sqlite_path(document: &Document) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(setting) = document.text(URL)? {
        sqlite_file(&setting)?;
    }
    document.path(URL)
}

fn refused(error: SourceError, backend: &'static str, form: &'static str) -> ConfigError {
    match error {
        SourceError::Missing => ConfigError::NoAddress { backend, form },
        error => ConfigError::Database(error),
    }
}

fn without_effect(document: &Document, keys: &[&'static str], backend: &str) -> Vec<Warning> {
    let is_set = |key: &&&'static str| document.origin(key) != Origin::Default;
    let warning = |key: &&'static str| Warning::OfOtherBackends { key, backend: backend.to_owned() };
    keys.iter().filter(is_set).map(warning).collect()
}

/// Refuses keys that die with the process where metadata signed by them lives on.
pub(super) fn check_keys_outlive_metadata(
    document: &Document,
    trust: &TrustConfig,
    storage: &StorageConfig,
) -> Result<(), ConfigError> {
    let accepted = document.flag("trust_service.ephemeral")?;
    match (trust, storage) {
        (TrustConfig::Remote(_), _) | (TrustConfig::Local, StorageConfig::Memory) => Ok(()),
        (TrustConfig::Local, _) if accepted => Ok(()),
        (TrustConfig::Local, _) => Err(ConfigError::KeysForgotten),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn the_address_of_a_server_is_no_sqlite_file_and_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.json");
        let config = serde_json::json!({
            "server": {"http_addr": "127.0.0.1:0"}, "trust_service": {"type": "local", "ephemeral": true},
            "storage": {"backend": "sqlite", "db_url": "server.db"},
        });
        std::fs::write(&path, config.to_string()).unwrap();
        let variable = "NOTARY_SERVER_STORAGE_DB_URL".to_owned();
        assert!(Config::examine(&path, [(variable.clone(), "other.db".to_owned())]).unwrap().outcome.is_ok());
        for address in ["postgres://u:geheim@h/d", "u:geheim@tcp(h)/d", "u:geheim@unix(/run/s)/d"] {
            let examined = Config::examine(&path, [(variable.clone(), address.to_owned())]).unwrap();
            let shown = format!("{examined:?}");
            let refusals = examined.outcome.unwrap_err();
            let said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            assert!(said.join("\n").starts_with("storage.db_url is the address of a database server"), "{said:?}");
            assert!(!shown.contains("geheim") && !said.join("").contains("geheim"), "{shown}");
        }
    }
}
