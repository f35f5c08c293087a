//! `wrapping`: a list of aliases and what wraps their keys, beside the reference's passphrases in the environment.
//!
//! A list, because aliases are told apart by case and keys of the configuration are not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use super::settings::{HANDED_OVER, Settings};
use super::{ConfigError, ConfigWarning, Environment};
use crate::seal::passphrase::{Alias, is_anothers};
use crate::seal::{MAX_KEY_NAME_BYTES, PassphraseCommand, is_readable_by_all};
use crate::token::{TokenName, TokenSettings};

/// The key of this section.
pub(super) const KEY: &str = "wrapping";

/// How long Vault may take to answer, in seconds.
const VAULT_SECONDS: u64 = 5;
const MAX_VAULT_SECONDS: u64 = 60;

/// What wraps the keys of one alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// A passphrase in the first line of a file, read at each use.
    PassphraseFile(PathBuf),
    /// A passphrase that a program prints, which is run at each use.
    PassphraseCommand(PassphraseCommand),
    /// A key of Vault's transit engine.
    Vault(VaultSettings),
    /// An AES key that stays in a PKCS #11 token.
    Token {
        /// The token's name under `tokens`.
        token: TokenName,
        /// The label of the key.
        key_label: String,
    },
}

/// A key of Vault's transit engine, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSettings {
    /// Scheme, host and port.
    pub address: Url,
    /// Where the transit engine is mounted.
    pub mount: String,
    /// The name of the key.
    pub key: String,
    /// Who the signer is to Vault.
    pub login: VaultLogin,
    /// The authorities of Vault's certificate; without it the system's.
    pub authority_file: Option<PathBuf>,
    /// The namespace of Vault's enterprise edition.
    pub namespace: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Who the signer is to Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultLogin {
    /// A token in the first line of a file, read at each request: an agent may renew it.
    TokenFile(PathBuf),
    /// An AppRole, whose ids stand in the first lines of two files, read at each login.
    AppRole {
        /// Where the method is mounted below `auth/`.
        mount: String,
        /// The role's id.
        role_id_file: PathBuf,
        /// The secret to it.
        secret_id_file: PathBuf,
    },
}

/// Why the section `wrapping` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WrappingError {
    /// It is no list of objects.
    #[error("wrapping must be a list of objects, each with an alias and a provider, and stand in the file")]
    NotAList,
    /// An object has members that are missing, not known or of the wrong kind.
    #[error("wrapping[{index}] cannot be used")]
    Entry {
        /// Which object, from 0.
        index: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// An alias that does not fit the reference's column.
    #[error("wrapping[{index}].alias is empty or longer than {limit} characters", limit = Alias::MAX_CHARACTERS)]
    NoAlias {
        /// Which object, from 0.
        index: usize,
    },
    /// Two objects for one alias, or for two that some databases do not tell apart.
    #[error("wrapping has alias {alias} twice (upper and lower case count as the same here)")]
    Twice {
        /// The second of them.
        alias: Alias,
    },
    /// The environment has a passphrase for it, too.
    #[error("alias {alias} stands in wrapping and {variable} is set: keep one")]
    AlsoInEnvironment {
        /// The alias.
        alias: Alias,
        /// The variable.
        variable: String,
    },
    /// A member is not what it must be.
    #[error("wrapping of alias {alias}: {member} must be {expected}")]
    Member {
        /// The alias.
        alias: Alias,
        /// The member.
        member: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

/// One object of the list, its members in lower case.
#[derive(Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase", deny_unknown_fields)]
enum Entry {
    Passphrase {
        alias: String,
        file: Option<PathBuf>,
        command: Option<Vec<String>>,
    },
    Vault {
        alias: String,
        address: String,
        mount: Option<String>,
        key: String,
        token_file: Option<PathBuf>,
        approle_mount: Option<String>,
        role_id_file: Option<PathBuf>,
        secret_id_file: Option<PathBuf>,
        ca_file: Option<PathBuf>,
        namespace: Option<String>,
        timeout_seconds: Option<u64>,
    },
    Pkcs11 {
        alias: String,
        token: String,
        key_label: String,
    },
}

/// The providers of the aliases that the section names.
pub(super) fn read(
    settings: &Settings,
    environment: &Environment,
    tokens: &[TokenSettings],
    warnings: &mut Vec<ConfigWarning>,
) -> Result<Vec<(Alias, Provider)>, ConfigError> {
    let mut found: Vec<(Alias, Provider)> = Vec::new();
    for (index, entry) in entries(settings)?.into_iter().enumerate() {
        let entry = serde_json::from_value(entry).map_err(|source| WrappingError::Entry { index, source })?;
        let (alias, provider) = provider(entry, index, settings.folder(), environment, tokens)?;
        let lower = alias.as_str().to_lowercase();
        if found.iter().any(|(other, _)| other.as_str().to_lowercase() == lower) {
            return Err(WrappingError::Twice { alias }.into());
        }
        let variable = alias.variable();
        let variables = [format!("{variable}_FILE"), variable];
        let is_set = |variable: &String| environment.value(variable).is_some() && !is_anothers(variable);
        if let Some(variable) = variables.into_iter().find(is_set) {
            return Err(WrappingError::AlsoInEnvironment { alias, variable }.into());
        }
        warn_of_readable_files(&alias, &provider, warnings);
        found.push((alias, provider));
    }
    Ok(found)
}

/// The objects of the list with the names of their members in lower case.
fn entries(settings: &Settings) -> Result<Vec<Value>, WrappingError> {
    let items = match settings.raw(KEY) {
        // an object is taken apart before it comes here
        None if settings.has_below(KEY) => return Err(WrappingError::NotAList),
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(WrappingError::NotAList),
    };
    let lower = |item: Value| match item {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name.to_lowercase(), value));
            Ok(Value::Object(members.collect()))
        }
        _ => Err(WrappingError::NotAList),
    };
    items.into_iter().map(lower).collect()
}

fn provider(
    entry: Entry,
    index: usize,
    folder: &Path,
    environment: &Environment,
    tokens: &[TokenSettings],
) -> Result<(Alias, Provider), WrappingError> {
    let (Entry::Passphrase { alias, .. } | Entry::Vault { alias, .. } | Entry::Pkcs11 { alias, .. }) = &entry;
    let alias = Alias::parse(alias).ok_or(WrappingError::NoAlias { index })?;
    let must = |member, expected| WrappingError::Member { alias: alias.clone(), member, expected };
    let provider = match entry {
        Entry::Passphrase { file: Some(file), command: None, .. } => Provider::PassphraseFile(folder.join(file)),
        Entry::Passphrase { file: None, command: Some(words), .. } => {
            let mut words = words.into_iter();
            let program = words.next().map(PathBuf::from).filter(|program| program.is_absolute());
            let program =
                program.ok_or_else(|| must("command", "a list that begins with a program's absolute path"))?;
            let hidden_variables = environment.names().chain([HANDED_OVER]).map(str::to_owned).collect();
            Provider::PassphraseCommand(PassphraseCommand { program, arguments: words.collect(), hidden_variables })
        }
        Entry::Pkcs11 { token, key_label, .. } => {
            let token = TokenName::parse(&token).filter(|name| tokens.iter().any(|token| token.name == *name));
            let token = token.ok_or_else(|| must("token", "the name of a token under tokens"))?;
            if !(1..=MAX_KEY_NAME_BYTES).contains(&key_label.len()) {
                return Err(must("key_label", "the label of a key, of at most 255 bytes"));
            }
            Provider::Token { token, key_label }
        }
        Entry::Passphrase { .. } => return Err(must("file or command", "given, and not both of them")),
        Entry::Vault {
            address,
            mount,
            key,
            token_file,
            approle_mount,
            role_id_file,
            secret_id_file,
            ca_file,
            namespace,
            timeout_seconds,
            ..
        } => {
            let mount = mount.unwrap_or_else(|| "transit".to_owned());
            let approle_mount = approle_mount.unwrap_or_else(|| "approle".to_owned());
            for (member, path) in
                [("mount", Some(&mount)), ("approle_mount", Some(&approle_mount)), ("namespace", namespace.as_ref())]
            {
                if !path.is_none_or(|path| path.split('/').all(is_name)) {
                    return Err(must(member, "names of letters, digits, -, _ and . with / between them"));
                }
            }
            if !is_name(&key) {
                return Err(must("key", "a name of letters, digits, -, _ and ."));
            }
            let login = match (token_file, role_id_file, secret_id_file) {
                (Some(file), None, None) => VaultLogin::TokenFile(folder.join(file)),
                (None, Some(role_id), Some(secret_id)) => VaultLogin::AppRole {
                    mount: approle_mount,
                    role_id_file: folder.join(role_id),
                    secret_id_file: folder.join(secret_id),
                },
                _ => return Err(must("token_file", "given, or role_id_file and secret_id_file in its place")),
            };
            let seconds = timeout_seconds.unwrap_or(VAULT_SECONDS);
            if !(1..=MAX_VAULT_SECONDS).contains(&seconds) {
                return Err(must("timeout_seconds", "a whole number from 1 to 60"));
            }
            Provider::Vault(VaultSettings {
                address: vault_address(&address).ok_or_else(|| {
                    must("address", "https://HOST:PORT without a path (http only for an agent on this machine)")
                })?,
                mount,
                key,
                login,
                authority_file: ca_file.map(|file| folder.join(file)),
                namespace,
                timeout: Duration::from_secs(seconds),
            })
        }
    };
    Ok((alias, provider))
}

/// Whether a text is a name of Vault's, of which nothing has a meaning in a URL.
fn is_name(text: &str) -> bool {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    (1..=MAX_KEY_NAME_BYTES).contains(&text.len()) && text.chars().all(is_plain) && !text.chars().all(|c| c == '.')
}

/// An address to which a token may be sent.
fn vault_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && matches!(url.path(), "" | "/");
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    (is_bare && (url.scheme() == "https" || url.scheme() == "http" && is_here)).then_some(url)
}

fn warn_of_readable_files(alias: &Alias, provider: &Provider, warnings: &mut Vec<ConfigWarning>) {
    let (member, file) = match provider {
        Provider::PassphraseFile(file) => ("file", file),
        Provider::Vault(VaultSettings { login: VaultLogin::TokenFile(file), .. }) => ("token_file", file),
        Provider::Vault(VaultSettings { login: VaultLogin::AppRole { secret_id_file, .. }, .. }) => {
            ("secret_id_file", secret_id_file)
        }
        Provider::PassphraseCommand(_) | Provider::Token { .. } => return,
    };
    if is_readable_by_all(file) {
        warnings.push(ConfigWarning::SecretReadableByAll { alias: alias.clone(), member });
    }
}

#[cfg(test)]
mod tests;
