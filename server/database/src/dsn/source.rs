//! Where an address is written: in the setting `storage.db_url`, or in a file, with the password in a file of its own.

use std::path::PathBuf;

use super::{DsnError, MySqlDsn, PostgresDsn, Secret};

/// The settings that name a database. The same for server and signer.
#[derive(Debug, Default)]
pub struct Source {
    /// `storage.db_url`.
    pub url: Option<Secret>,
    /// `storage.db_url_file`: a file whose first line is the address.
    pub url_file: Option<PathBuf>,
    /// `storage.password_file`: a file whose first line is the password.
    pub password_file: Option<PathBuf>,
}

/// Why the settings name no database.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Neither setting is there.
    #[error("the configuration lacks storage.db_url (or storage.db_url_file, a file that holds it)")]
    Missing,
    /// Both are.
    #[error("both storage.db_url and storage.db_url_file are set: keep one")]
    Both,
    /// A file cannot be read.
    #[error("file {file}, named by {setting}, cannot be read")]
    Unreadable {
        /// The setting.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file has nothing in its first line.
    #[error("file {file}, named by {setting}, is empty")]
    Empty {
        /// The setting.
        setting: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// The setting should name a SQLite file and holds the address of a server, which may have a password in it.
    #[error(
        "storage.db_url is the address of a database server, and with storage.backend \"sqlite\" it names a file: \
         change one of them"
    )]
    NoFile,
    /// The address is none.
    #[error("storage.db_url: {0}")]
    Dsn(#[from] DsnError),
}

/// The name of a SQLite file, if that is what a setting holds and not the address of a server.
///
/// # Errors
/// [`SourceError::NoFile`], without what the setting holds.
pub fn sqlite_file(setting: &str) -> Result<&str, SourceError> {
    let is_of_a_server = ["://", "@tcp(", "@unix("].iter().any(|sign| setting.contains(sign));
    if is_of_a_server { Err(SourceError::NoFile) } else { Ok(setting) }
}

impl Source {
    /// A MySQL or MariaDB database.
    ///
    /// # Errors
    /// [`SourceError`] names the setting.
    pub fn mysql(self) -> Result<MySqlDsn, SourceError> {
        let (address, password) = self.read()?;
        let dsn = MySqlDsn::parse(address.expose())?;
        Ok(match password {
            Some(password) => dsn.with_password(password)?,
            None => dsn,
        })
    }

    /// A PostgreSQL database.
    ///
    /// # Errors
    /// [`SourceError`] names the setting.
    pub fn postgres(self) -> Result<PostgresDsn, SourceError> {
        let (address, password) = self.read()?;
        let dsn = PostgresDsn::parse(address.expose())?;
        Ok(match password {
            Some(password) => dsn.with_password(password)?,
            None => dsn,
        })
    }

    fn read(self) -> Result<(Secret, Option<Secret>), SourceError> {
        let address = match (self.url, self.url_file) {
            (Some(url), None) => url,
            (None, Some(file)) => first_line("storage.db_url_file", file)?,
            (Some(_), Some(_)) => return Err(SourceError::Both),
            (None, None) => return Err(SourceError::Missing),
        };
        let password = self.password_file.map(|file| first_line("storage.password_file", file)).transpose()?;
        Ok((address, password))
    }
}

/// Blanks in it count: a password may end with one.
fn first_line(setting: &'static str, file: PathBuf) -> Result<Secret, SourceError> {
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => Secret::new(text),
        Err(source) => return Err(SourceError::Unreadable { setting, file, source }),
    };
    match text.expose().lines().next().unwrap_or("") {
        "" => Err(SourceError::Empty { setting, file }),
        line => Ok(Secret::new(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        std::fs::write(&file, text).unwrap();
        (folder, file)
    }

    fn url(text: &str) -> Option<Secret> {
        Some(Secret::new(text.to_owned()))
    }

    #[test]
    fn address_and_password_come_from_the_first_lines_of_files() {
        let (_a, url_file) = file("signer@tcp(db)/notarysigner\r\nnot this\n");
        let (_b, password_file) = file("pass word \n");
        let source =
            || Source { url: None, url_file: Some(url_file.clone()), password_file: Some(password_file.clone()) };
        let expected = MySqlDsn::parse("signer:pass word @tcp(db)/notarysigner").unwrap();
        assert_eq!(source().mysql().unwrap(), expected);
        assert!(matches!(source().postgres(), Err(SourceError::Dsn(_))), "another driver's address");
    }

    #[test]
    fn an_address_in_the_setting_takes_a_password_from_a_file() {
        let (_folder, password_file) = file("p");
        let source = Source { url: url("postgres://u@db/n"), url_file: None, password_file: Some(password_file) };
        assert_eq!(source.postgres().unwrap(), PostgresDsn::parse("postgres://u:p@db/n").unwrap());
    }

    #[test]
    fn two_addresses_and_none_are_refused() {
        let (_folder, url_file) = file("u@/n");
        let both = Source { url: url("u@/n"), url_file: Some(url_file), password_file: None };
        assert!(matches!(both.mysql(), Err(SourceError::Both)));
        assert!(matches!(Source::default().mysql(), Err(SourceError::Missing)));
    }

    #[test]
    fn a_file_that_is_not_there_or_empty_is_named_with_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let absent = Source { url: url("u@/n"), url_file: None, password_file: Some(folder.path().join("no")) };
        let refusal = absent.mysql().unwrap_err().to_string();
        assert!(refusal.contains("storage.password_file") && refusal.contains("/no"), "{refusal}");
        let (_folder, empty) = file("\nsecond");
        let refusal = Source { url: None, url_file: Some(empty), password_file: None }.mysql().unwrap_err();
        assert!(matches!(refusal, SourceError::Empty { setting: "storage.db_url_file", .. }), "{refusal}");
    }

    #[test]
    fn nothing_shows_the_address() {
        let source = Source { url: url("u:hunter2@/n"), url_file: None, password_file: None };
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
