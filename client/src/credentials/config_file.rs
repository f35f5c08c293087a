//! Docker's `config.json`, as far as it is about credentials, and the like of it in an environment variable.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Credentials, CredentialsError};

/// What the file says.
#[derive(Default, Deserialize)]
pub(super) struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, AuthEntry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: String,
}

#[derive(Default, Deserialize)]
struct AuthEntry {
    #[serde(default)]
    auth: Zeroizing<String>,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: Zeroizing<String>,
    #[serde(default, rename = "identitytoken")]
    identity_token: Zeroizing<String>,
    #[serde(default, rename = "registrytoken")]
    registry_token: Zeroizing<String>,
}

impl ConfigFile {
    /// The file at `path`; one that is not there says nothing.
    pub(super) fn read(path: &Path) -> Result<Self, CredentialsError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(CredentialsError::Unreadable { path: path.to_owned(), source }),
        };
        Self::parse(&bytes, &path.display().to_string())
    }

    /// What `text` says, which comes from `origin`.
    pub(super) fn parse(text: &[u8], origin: &str) -> Result<Self, CredentialsError> {
        serde_json::from_slice(text).map_err(|e| CredentialsError::Malformed {
            origin: origin.to_owned(),
            line: e.line(),
            column: e.column(),
        })
    }

    /// The helper that keeps the credentials of `key`: its own, which may be none, else that of all.
    pub(super) fn helper(&self, key: &str) -> Option<&str> {
        self.helpers.get(key).or(Some(&self.store)).map(String::as_str).filter(|helper| !helper.is_empty())
    }

    /// The credentials that stand in the file, under `key` or, as old versions wrote it, under a URL with its host.
    pub(super) fn find(&self, key: &str) -> Result<Credentials, CredentialsError> {
        let same_host = || self.auths.iter().find(|(other, _)| host_of(other) == host_of(key)).map(|(_, entry)| entry);
        let entry = self.auths.get(key).or_else(same_host);
        entry.map_or(Ok(Credentials::Anonymous), |entry| entry.credentials(key))
    }
}

impl AuthEntry {
    fn credentials(&self, key: &str) -> Result<Credentials, CredentialsError> {
        if !self.registry_token.is_empty() {
            return Ok(Credentials::RegistryToken(self.registry_token.clone()));
        }
        if !self.identity_token.is_empty() {
            return Ok(Credentials::IdentityToken(self.identity_token.clone()));
        }
        if self.auth.is_empty() {
            return Ok(match self.username.as_str() {
                "" => Credentials::Anonymous,
                name => Credentials::Password { username: name.to_owned(), password: self.password.clone() },
            });
        }
        decode(&self.auth).ok_or_else(|| CredentialsError::Undecodable(key.to_owned()))
    }
}

/// Base64 of `user:password`.
pub(super) fn decode(auth: &str) -> Option<Credentials> {
    let bytes = Zeroizing::new(STANDARD.decode(auth.trim().as_bytes()).ok()?);
    let (username, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    // Docker's old clients filled the end with zeros.
    let password = Zeroizing::new(password.trim_end_matches('\0').to_owned());
    Some(Credentials::Password { username: username.to_owned(), password })
}

/// The host of a key: docker accepts keys with a scheme and a path, as old versions wrote them.
fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_file_is_read_or_refused_without_its_text(text in r#"[{}\[\]":, a-z]{0,60}|\{"auths":\{"a":(\{"auth":"[A-Za-z0-9=]{0,12}"\}|"zzzzzz"|7)\}\}"#) {
            match ConfigFile::parse(text.as_bytes(), "f") {
                Ok(file) => drop(file.find("a").map(|found| found.username().map(str::to_owned))),
                Err(e) => {
                    let told = format!("{e} {e:?}");
                    prop_assert!(!told.contains("zzzzzz"), "{}", told);
                }
            }
        }

        #[test]
        fn a_password_comes_out_as_it_went_in(username in "[^:\0]{0,10}", password in "[^\0]{0,20}") {
            let auth = STANDARD.encode(format!("{username}:{password}"));
            let expected = Credentials::Password { username, password: Zeroizing::new(password) };
            prop_assert_eq!(decode(&auth), Some(expected));
        }
    }
}
