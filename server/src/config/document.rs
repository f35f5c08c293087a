//! The configuration file as a flat table of dotted lower-case keys, with the environment laid over it.
//!
//! The reference's rules: keys are compared without case; `storage.db_url` is overridden by
//! `NOTARY_SERVER_STORAGE_DB_URL`, and an empty variable is none; relative paths are relative to the file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{ConfigError, Warning};
use super::json::Node;
use super::key::{self, UNSUPPORTED};

/// What the names of overriding environment variables start with.
pub const ENVIRONMENT_PREFIX: &str = "NOTARY_SERVER_";

/// The section that is never passed over.
const AUTH: &str = "auth";

/// The key whose emptiness opens the server to every name.
const GUN_PREFIXES: &str = "repositories.gun_prefixes";

/// The values of a configuration, by dotted lower-case key.
pub(super) struct Document {
    values: BTreeMap<String, Entry>,
    /// Where the file has an object, be it empty.
    sections: BTreeSet<String>,
    directory: PathBuf,
}

struct Entry {
    value: Value,
    origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File,
    /// The environment variable of this name.
    Environment(String),
    /// Nowhere: what holds without it.
    Default,
}

impl Document {
    /// Reads the file and lays the environment over it.
    pub(super) fn read(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        let text = std::fs::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let node: Node = serde_json::from_slice(&text).map_err(|source| not_json(path, source))?;
        let Node::Section(members) = node else { return Err(ConfigError::NotAnObject { path: path.to_owned() }) };
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        let mut document = Self { values: BTreeMap::new(), sections: BTreeSet::new(), directory };
        document.flatten("", members)?;
        document.check_shape()?;
        let mut warnings: Vec<Warning> = document.values.keys().filter_map(|key| warning_for(key)).collect();
        let is_empty = |section: &&String| !document.values.keys().any(|key| is_within(key, section));
        let unknown = document.sections.iter().filter(is_empty).filter(|section| !reads_within(section));
        warnings.extend(unknown.map(|section| Warning::UnknownKey(section.clone())));
        for (name, text) in environment {
            if name.starts_with(ENVIRONMENT_PREFIX) {
                warnings.extend(document.overlay(name, text));
            }
        }
        Ok((document, warnings))
    }

    fn flatten(&mut self, prefix: &str, members: Vec<(String, Node)>) -> Result<(), ConfigError> {
        for (name, member) in members {
            let name = name.to_lowercase();
            let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            let is_new = !self.values.contains_key(&key) && !self.sections.contains(&key);
            match member {
                _ if !is_new => return Err(ConfigError::Twice { key }),
                Node::Leaf(value) => drop(self.values.insert(key, Entry { value, origin: Origin::File })),
                Node::Section(members) => {
                    self.sections.insert(key.clone());
                    self.flatten(&key, members)?;
                }
            }
        }
        Ok(())
    }

    /// Lays one variable over the file.
    fn overlay(&mut self, name: String, text: String) -> Option<Warning> {
        let rest = name.strip_prefix(ENVIRONMENT_PREFIX)?;
        if rest == "AUTH" || rest.starts_with("AUTH_") {
            self.sections.insert(AUTH.to_owned());
        }
        // driven by the list of keys, because a `_` may stand for `.` or for itself
        match key::all().find(|key| key::variable(key.name) == name) {
            // to the reference an empty variable is none; it must take nothing away that the file sets, and where
            // it might be meant to, it is refused below
            Some(key) if text.is_empty() && key.name != GUN_PREFIXES => None,
            Some(key) => {
                let entry = Entry { value: Value::String(text), origin: Origin::Environment(name) };
                self.values.insert(key.name.to_owned(), entry);
                None
            }
            None if UNSUPPORTED.iter().any(|key| key::variable(key) == name) => {
                Some(Warning::UnsupportedVariable(name))
            }
            None => Some(Warning::UnknownVariable(name)),
        }
    }

    /// Refuses a known key that is a section, and a known section that is none: either would be passed over in silence.
    fn check_shape(&self) -> Result<(), ConfigError> {
        for key in key::all().map(|key| key.name) {
            if self.sections.contains(key) {
                return Err(ConfigError::WrongType { key, expected: "a value, not a section" });
            }
            let mut outer = key;
            while let Some((section, _)) = outer.rsplit_once('.') {
                // what is wrong with `auth` as a whole is told together with what it must say
                if section != AUTH && self.values.contains_key(section) {
                    return Err(ConfigError::WrongType { key: section, expected: "a section" });
                }
                outer = section;
            }
        }
        Ok(())
    }

    /// Whether `auth` or anything below it occurs, of whatever type: who writes it wants authentication.
    pub(super) fn mentions_auth(&self) -> bool {
        self.sections.contains(AUTH) || self.values.keys().any(|key| key == AUTH || is_within(key, AUTH))
    }

    /// Where the value of a key comes from.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::Default, |entry| entry.origin.clone())
    }

    /// What is written for a key, as text; empty where it is not set.
    pub(super) fn written(&self, key: &str) -> String {
        match self.values.get(key).map(|entry| &entry.value) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// The value of a key as it stands there.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key).map(|entry| &entry.value)
    }

    /// A text; numbers and booleans read as their text, as the reference does. An empty text counts as absent.
    pub(super) fn text(&self, key: &'static str) -> Result<Option<String>, ConfigError> {
        match self.values.get(key).map(|entry| &entry.value) {
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
        match self.values.get(key).map(|entry| &entry.value) {
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

/// The reference reads YAML and TOML too, by the ending of the file's name.
fn not_json(path: &Path, source: serde_json::Error) -> ConfigError {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_lowercase);
    match ending.as_deref() {
        Some("yaml" | "yml") => ConfigError::OtherFormat { path: path.to_owned(), format: "YAML" },
        Some("toml") => ConfigError::OtherFormat { path: path.to_owned(), format: "TOML" },
        _ => ConfigError::NotJson { path: path.to_owned(), source },
    }
}

fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a section may hold anything that this server or the reference reads.
fn reads_within(section: &str) -> bool {
    key::all().map(|key| key.name).chain(UNSUPPORTED.iter().copied()).any(|key| is_within(key, section))
}

fn warning_for(key: &str) -> Option<Warning> {
    if key::find(key).is_some() {
        None
    } else if UNSUPPORTED.contains(&key) {
        Some(Warning::UnsupportedKey(key.to_owned()))
    } else {
        Some(Warning::UnknownKey(key.to_owned()))
    }
}
