//! `storage`: where sealed keys are kept, and how a database of another machine is named and used.

use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use bulla_database::PoolSettings;
use bulla_database::dsn::{MySqlDsn, PostgresDsn, Secret, Source, SourceError, sqlite_file};

use super::settings::Settings;
use super::{ConfigError, ConfigWarning, required};

/// Our keys that mean something for a database of another machine only.
const OF_SERVERS: [&str; 4] =
    ["storage.db_url_file", "storage.password_file", "storage.max_connections", "storage.timeout_seconds"];

const CONNECTIONS: RangeInclusive<u32> = 1..=10_000;
const SECONDS: RangeInclusive<u32> = 1..=3600;

/// Where sealed keys are kept.
#[derive(Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory: gone when the process ends.
    Memory,
    /// In an SQLite file. Our value.
    Sqlite(PathBuf),
    /// In a MySQL or MariaDB database.
    MySql(MySqlDsn, PoolSettings),
    /// In a PostgreSQL database.
    Postgres(PostgresDsn, PoolSettings),
}

impl Storage {
    /// Whether keys are there after a restart.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        !matches!(self, Self::Memory)
    }

    pub(super) fn read(settings: &Settings, warnings: &mut Vec<ConfigWarning>) -> Result<Self, ConfigError> {
        let backend = required(settings.text("storage.backend")?, "storage.backend")?;
        match backend.to_lowercase().as_str() {
            "memory" => {
                warn_of_what_servers_need(settings, warnings)?;
                Ok(Self::Memory)
            }
            "sqlite" => {
                warn_of_what_servers_need(settings, warnings)?;
                let url = required(settings.text("storage.db_url")?, "storage.db_url")?;
                let path = url.strip_prefix("sqlite:").unwrap_or(&url);
                let path = path.strip_prefix("//").unwrap_or(path);
                Ok(Self::Sqlite(settings.folder().join(sqlite_file(path)?)))
            }
            "mysql" => {
                let dsn = source(settings, warnings)?.mysql()?;
                warnings.extend(dsn.warnings().iter().cloned().map(ConfigWarning::Address));
                let pool = pool_settings(settings)?;
                Ok(Self::MySql(dsn, pool))
            }
            "postgres" => {
                let dsn = source(settings, warnings)?.postgres()?;
                warnings.extend(dsn.warnings().iter().cloned().map(ConfigWarning::Address));
                let pool = pool_settings(settings)?;
                Ok(Self::Postgres(dsn, pool))
            }
            _ => Err(ConfigError::UnknownBackend { found: backend }),
        }
    }
}

/// Where the address stands. What the environment says counts before what the file says, also where the one names a file
/// and the other is the address itself.
fn source(settings: &Settings, warnings: &mut Vec<ConfigWarning>) -> Result<Source, ConfigError> {
    let mut url = settings.text("storage.db_url")?.map(Secret::new);
    let mut url_file = settings.path("storage.db_url_file")?;
    let of_environment = |name| settings.is_of_environment(name);
    if url.is_some() && url_file.is_some() {
        match (of_environment("storage.db_url"), of_environment("storage.db_url_file")) {
            (true, false) => {
                url_file = None;
                warnings.push(ConfigWarning::Overridden("storage.db_url_file"));
            }
            (false, true) => {
                url = None;
                warnings.push(ConfigWarning::Overridden("storage.db_url"));
            }
            (true, true) | (false, false) => return Err(SourceError::Both.into()),
        }
    }
    let password_file = settings.path("storage.password_file")?;
    for (name, file) in [("storage.db_url_file", &url_file), ("storage.password_file", &password_file)] {
        let mode = file.as_ref().and_then(|file| std::fs::metadata(file).ok()).map(|data| data.permissions().mode());
        if mode.is_some_and(|mode| mode & 0o004 != 0) {
            warnings.push(ConfigWarning::ReadableByAll(name));
        }
    }
    Ok(Source { url, url_file, password_file })
}

/// `storage.timeout_seconds` is how long a connection, and then the answer to a statement, is waited for.
fn pool_settings(settings: &Settings) -> Result<PoolSettings, ConfigError> {
    let usual = PoolSettings::default();
    let timeout =
        settings.number("storage.timeout_seconds", SECONDS)?.map(|seconds| Duration::from_secs(seconds.into()));
    Ok(PoolSettings {
        max_connections: settings.number("storage.max_connections", CONNECTIONS)?.unwrap_or(usual.max_connections),
        acquire_timeout: timeout.unwrap_or(usual.acquire_timeout),
        statement_timeout: timeout.unwrap_or(usual.statement_timeout),
    })
}

fn warn_of_what_servers_need(settings: &Settings, warnings: &mut Vec<ConfigWarning>) -> Result<(), ConfigError> {
    for name in OF_SERVERS {
        if settings.text(name)?.is_some() {
            warnings.push(ConfigWarning::WithoutEffect(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bulla_database::dsn::DsnWarning;

    use super::super::settings::Environment;
    use super::*;

    /// What the storage section with these members becomes, and the warnings.
    fn read(members: &str, variables: &[(&str, &str)]) -> Result<(Storage, Vec<ConfigWarning>), ConfigError> {
        let environment = Environment::new(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let text = format!(r#"{{"storage": {{{members}}}}}"#);
        let settings = Settings::parse(&text, Path::new("/etc/signer"), &environment).unwrap();
        let mut warnings = Vec::new();
        Storage::read(&settings, &mut warnings).map(|storage| (storage, warnings))
    }

    fn mysql(address: &str) -> MySqlDsn {
        MySqlDsn::parse(address).unwrap()
    }

    #[test]
    fn the_reference_s_sections_name_the_same_databases() {
        let address = "signer@tcp(mysql:3306)/notarysigner?parseTime=True";
        let section = format!(r#""backend": "mysql", "db_url": "{address}""#);
        assert_eq!(read(&section, &[]).unwrap(), (Storage::MySql(mysql(address), PoolSettings::default()), vec![]));
        let address = "postgres://signer@postgresql:5432/notarysigner?sslmode=disable";
        let section = format!(r#""backend": "postgres", "db_url": "{address}""#);
        let dsn = PostgresDsn::parse(address).unwrap();
        assert_eq!(read(&section, &[]).unwrap(), (Storage::Postgres(dsn, PoolSettings::default()), vec![]));
    }

    #[test]
    fn an_address_of_the_other_backend_is_refused_without_its_password() {
        for (backend, address) in [("mysql", "postgres://u:hunter2@db/n"), ("postgres", "u:hunter2@tcp(db)/n")] {
            let section = format!(r#""backend": "{backend}", "db_url": "{address}""#);
            let refusal = read(&section, &[]).unwrap_err();
            assert!(matches!(refusal, ConfigError::Address(_)), "{refusal}");
            assert!(!format!("{refusal} {refusal:?}").contains("hunter2"), "{refusal:?}");
        }
    }

    #[test]
    fn an_address_of_a_server_is_no_file_and_is_not_shown() {
        for address in ["postgres://u:hunter2@db/n", "u:hunter2@tcp(db)/n", "u:hunter2@unix(/run/db)/n"] {
            let section = format!(r#""backend": "sqlite", "db_url": "{address}""#);
            let refusal = read(&section, &[]).unwrap_err();
            assert!(matches!(refusal, ConfigError::Address(SourceError::NoFile)), "{refusal}");
            assert!(!format!("{refusal} {refusal:?}").contains("hunter2"), "{refusal:?}");
        }
    }

    #[test]
    fn address_and_password_may_stand_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (address, password) = (file("url", "u@tcp(db)/n\n"), file("password", "hush\n"));
        let expected = || Storage::MySql(mysql("u:hush@tcp(db)/n"), PoolSettings::default());
        let section = format!(r#""backend": "mysql", "db_url_file": "{address}", "password_file": "{password}""#);
        assert_eq!(read(&section, &[]).unwrap(), (expected(), vec![]));
        let variables =
            [("NOTARY_SIGNER_STORAGE_DB_URL_FILE", &*address), ("NOTARY_SIGNER_STORAGE_PASSWORD_FILE", &*password)];
        assert_eq!(read(r#""backend": "mysql""#, &variables).unwrap(), (expected(), vec![]));
        // over the address of a stock file
        let overridden = vec![ConfigWarning::Overridden("storage.db_url")];
        let stock = r#""backend": "mysql", "db_url": "other@/o""#;
        assert_eq!(read(stock, &variables).unwrap(), (expected(), overridden));
        let both = format!(r#"{stock}, "db_url_file": "{address}""#);
        assert!(matches!(read(&both, &[]), Err(ConfigError::Address(SourceError::Both))));
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read(&section, &[]).unwrap().1, [ConfigWarning::ReadableByAll("storage.password_file")]);
        assert!(!format!("{:?}", expected()).contains("hush"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let refusal = read(r#""backend": "mysql", "db_url": "u@/n", "password_file": "absent""#, &[]).unwrap_err();
        assert!(refusal.to_string().contains("/etc/signer/absent"), "{refusal}");
    }

    #[test]
    fn warnings_of_an_address_are_warnings_of_the_configuration() {
        let (_, warnings) = read(r#""backend": "mysql", "db_url": "u@/n?tls=skip-verify""#, &[]).unwrap();
        assert_eq!(warnings, [ConfigWarning::Address(DsnWarning::NotVerified { verified: "tls=true" })]);
    }

    #[test]
    fn connections_and_waiting_have_defaults_and_keys() {
        let pool =
            |members: &str| match read(&format!(r#""backend": "mysql", "db_url": "u@/n"{members}"#), &[]).unwrap().0 {
                Storage::MySql(_, pool) => pool,
                other => panic!("{other:?}"),
            };
        assert_eq!(pool(""), PoolSettings::default());
        let seconds = Duration::from_secs(5);
        let expected = PoolSettings { max_connections: 2, acquire_timeout: seconds, statement_timeout: seconds };
        assert_eq!(pool(r#", "timeout_seconds": 5, "max_connections": "2""#), expected);
    }

    #[test]
    fn bounds_have_bounds() {
        for member in [r#""max_connections": 0"#, r#""max_connections": 10001"#, r#""max_connections": "many""#] {
            let refusal = read(&format!(r#""backend": "mysql", "db_url": "u@/n", {member}"#), &[]).unwrap_err();
            assert!(
                matches!(refusal, ConfigError::OutOfRange { name: "storage.max_connections", .. }),
                "{member}: {refusal}"
            );
        }
        let section = r#""backend": "postgres", "db_url": "host=db", "timeout_seconds": -1"#;
        let refusal = read(section, &[]).unwrap_err();
        assert!(matches!(refusal, ConfigError::OutOfRange { name: "storage.timeout_seconds", .. }), "{refusal}");
    }

    #[test]
    fn a_file_database_has_no_use_for_what_servers_need() {
        let (_, warnings) = read(r#""backend": "sqlite", "db_url": "k.db", "password_file": "p""#, &[]).unwrap();
        assert_eq!(warnings, [ConfigWarning::WithoutEffect("storage.password_file")]);
    }

    #[test]
    fn without_an_address_both_keys_are_named() {
        for backend in ["mysql", "postgres"] {
            let text = read(&format!(r#""backend": "{backend}""#), &[]).unwrap_err().to_string();
            assert!(text.contains("storage.db_url ") && text.contains("storage.db_url_file"), "{text}");
        }
    }
}
