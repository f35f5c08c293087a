//! The configuration file as a flat table of dotted lower-case keys, with the environment laid over it.
//!
//! The reference's rules: keys are compared without case; `storage.db_url` is overridden by
//! `NOTARY_SERVER_STORAGE_DB_URL`; relative paths are relative to the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{ConfigError, Warning};

/// What the names of overriding environment variables start with.
pub const ENVIRONMENT_PREFIX: &str = "NOTARY_SERVER_";

/// The section that is never passed over.
const AUTH: &str = "auth";

/// The key whose emptiness opens the server to every name.
const GUN_PREFIXES: &str = "repositories.gun_prefixes";

/// Every key that is read. The overlay is driven by this list, because a `_` in a variable's name may stand for
/// `.` or for itself.
const KNOWN_KEYS: &[&str] = &[
    "logging.level",
    GUN_PREFIXES,
    "trust_service.type",
    "trust_service.hostname",
    "trust_service.port",
    "trust_service.key_algorithm",
    "trust_service.tls_ca_file",
    "trust_service.tls_client_cert",
    "trust_service.tls_client_key",
    "trust_service.ephemeral",
    "storage.backend",
    "storage.db_url",
    "caching.max_age.current_metadata",
    "caching.max_age.consistent_metadata",
    "server.http_addr",
    "server.tls_cert_file",
    "server.tls_key_file",
    "server.client_ca_file",
    "auth.type",
    "auth.options.realm",
    "auth.options.service",
    "auth.options.issuer",
    "auth.options.rootcertbundle",
    "auth.options.autoredirect",
    "limits.document_bytes",
    "limits.upload_memory_bytes",
    "limits.parts",
    "limits.token_bytes",
    "limits.version_step",
    "limits.connections",
    "limits.handshake_seconds",
    "limits.header_seconds",
    "limits.request_seconds",
    "limits.stop_seconds",
];

/// What the reference reads and this server does not.
const UNSUPPORTED_KEYS: &[&str] = &[
    "reporting.bugsnag.api_key",
    "reporting.bugsnag.release_stage",
    "reporting.bugsnag.endpoint",
    "storage.database",
    "storage.username",
    "storage.password",
    "storage.tls_ca_file",
    "storage.client_cert_file",
    "storage.client_key_file",
];

/// The values of a configuration, by dotted lower-case key.
pub(super) struct Document {
    values: BTreeMap<String, Value>,
    /// Where the file has an object, be it empty.
    sections: BTreeSet<String>,
    directory: PathBuf,
}

impl Document {
    /// Reads the file and lays the environment over it.
    pub(super) fn read(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        let text = std::fs::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let value: Value =
            serde_json::from_slice(&text).map_err(|source| ConfigError::NotJson { path: path.to_owned(), source })?;
        if !value.is_object() {
            return Err(ConfigError::NotAnObject { path: path.to_owned() });
        }
        let (mut values, mut sections) = (BTreeMap::new(), BTreeSet::new());
        flatten("", value, &mut values, &mut sections)?;
        check_shape(&values, &sections)?;
        let mut warnings: Vec<Warning> = values.keys().filter_map(|key| warning_for(key)).collect();
        let empty = sections.iter().filter(|section| !values.keys().any(|key| is_within(key, section)));
        let unknown = empty.filter(|section| !reads_within(section));
        warnings.extend(unknown.map(|section| Warning::UnknownKey(section.clone())));
        for (name, text) in environment {
            let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            if rest == "AUTH" || rest.starts_with("AUTH_") {
                sections.insert(AUTH.to_owned());
            }
            match KNOWN_KEYS.iter().find(|key| variable_part(key) == rest) {
                // to the reference an empty variable is none; it must take nothing away that the file sets, and where
                // it might be meant to, it is refused below
                Some(&key) if text.is_empty() && key != GUN_PREFIXES => {}
                Some(key) => drop(values.insert((*key).to_owned(), Value::String(text))),
                None => warnings.push(Warning::UnknownVariable(name)),
            }
        }
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok((Self { values, sections, directory }, warnings))
    }

    /// Whether `auth` or anything below it occurs, of whatever type: who writes it wants authentication.
    pub(super) fn mentions_auth(&self) -> bool {
        self.sections.contains(AUTH) || self.values.keys().any(|key| key == AUTH || is_within(key, AUTH))
    }

    /// A text; numbers and booleans read as their text, as the reference does. An empty text counts as absent.
    pub(super) fn text(&self, key: &'static str) -> Result<Option<String>, ConfigError> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
            Some(Value::Array(_) | Value::Object(_)) => Err(ConfigError::WrongType { key, expected: "a text" }),
        }
    }

    /// A text that must be there.
    pub(super) fn required(&self, key: &'static str, because: &'static str) -> Result<String, ConfigError> {
        self.text(key)?.ok_or(ConfigError::Missing { key, because })
    }

    /// A whole number within `min` and `max`.
    pub(super) fn number(&self, key: &'static str, min: u64, max: u64) -> Result<Option<u64>, ConfigError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let value = text
            .trim()
            .parse()
            .map_err(|_| ConfigError::WrongType { key, expected: "a whole number that is not negative" })?;
        if (min..=max).contains(&value) {
            Ok(Some(value))
        } else {
            Err(ConfigError::OutOfRange { key, value, min, max })
        }
    }

    /// True or false; false when absent.
    pub(super) fn flag(&self, key: &'static str) -> Result<bool, ConfigError> {
        match self.text(key)?.as_deref() {
            None => Ok(false),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(ConfigError::WrongType { key, expected: "true or false" }),
        }
    }

    /// A list of texts; a single text is split at blanks, as the reference does with the environment. What is there
    /// and names nothing is refused, other than an empty list: it may stand for what somebody believes is set.
    pub(super) fn list(&self, key: &'static str) -> Result<Vec<String>, ConfigError> {
        let wrong = || ConfigError::WrongType { key, expected: "a list of texts" };
        match self.values.get(key) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) if !text.trim().is_empty() => {
                Ok(text.split_whitespace().map(str::to_owned).collect())
            }
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    /// A path, relative to the configuration file.
    pub(super) fn path(&self, key: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        Ok(self.text(key)?.map(|text| self.beside_file(&text)))
    }

    /// `text` as a path relative to the configuration file.
    pub(super) fn beside_file(&self, text: &str) -> PathBuf {
        self.directory.join(text)
    }

    /// Two paths that are set together or not at all.
    pub(super) fn pair(
        &self,
        first: &'static str,
        second: &'static str,
    ) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        match (self.path(first)?, self.path(second)?) {
            (Some(a), Some(b)) => Ok(Some((a, b))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(ConfigError::Half { given: first, missing: second }),
            (None, Some(_)) => Err(ConfigError::Half { given: second, missing: first }),
        }
    }
}

fn flatten(
    prefix: &str,
    value: Value,
    into: &mut BTreeMap<String, Value>,
    sections: &mut BTreeSet<String>,
) -> Result<(), ConfigError> {
    let Value::Object(members) = value else {
        return match into.insert(prefix.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(ConfigError::Twice { key: prefix.to_owned() }),
        };
    };
    for (name, member) in members {
        let name = name.to_lowercase();
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        if member.is_object() {
            sections.insert(key.clone());
        }
        flatten(&key, member, into, sections)?;
    }
    Ok(())
}

/// Refuses a known key that is a section, and a known section that is none: either would be passed over in silence.
fn check_shape(values: &BTreeMap<String, Value>, sections: &BTreeSet<String>) -> Result<(), ConfigError> {
    for &key in KNOWN_KEYS {
        if sections.contains(key) {
            return Err(ConfigError::WrongType { key, expected: "a value, not a section" });
        }
        let mut outer = key;
        while let Some((section, _)) = outer.rsplit_once('.') {
            // what is wrong with `auth` as a whole is told together with what it must say
            if section != AUTH && values.contains_key(section) {
                return Err(ConfigError::WrongType { key: section, expected: "a section" });
            }
            outer = section;
        }
    }
    Ok(())
}

fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a section may hold anything that this server or the reference reads.
fn reads_within(section: &str) -> bool {
    KNOWN_KEYS.iter().chain(UNSUPPORTED_KEYS).any(|key| is_within(key, section))
}

fn warning_for(key: &str) -> Option<Warning> {
    if KNOWN_KEYS.contains(&key) {
        None
    } else if UNSUPPORTED_KEYS.contains(&key) {
        Some(Warning::UnsupportedKey(key.to_owned()))
    } else {
        Some(Warning::UnknownKey(key.to_owned()))
    }
}

fn variable_part(key: &str) -> String {
    key.replace('.', "_").to_uppercase()
}
