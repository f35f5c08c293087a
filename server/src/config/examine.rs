//! A configuration as somebody would look at it: each value with where it comes from, and all that is refused.

use std::path::Path;

use super::document::{Document, Origin};
use super::error::{ConfigError, Warning};
use super::key::{self, Key, Shown};
use super::{Config, StorageConfig};

/// What stands for a value that may hold a password.
const NOT_SHOWN: &str = "(set, not shown)";

/// A key with the value that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key, dotted.
    pub key: &'static str,
    /// Its value; where it is not set, what holds instead. Never a password.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
}

/// What a start would make of a configuration.
#[derive(Debug)]
pub struct Examination {
    /// Every key that there is, in the order of the sections.
    pub settings: Vec<Setting>,
    /// What has no effect, or is taken and better were not so.
    pub warnings: Vec<Warning>,
    /// The configuration, or everything in it that is refused.
    pub outcome: Result<Config, Vec<ConfigError>>,
}

impl Config {
    /// Reads as [`Config::load`] does, and goes on where that stops.
    ///
    /// # Errors
    /// [`ConfigError`] when there is nothing to go on with.
    pub fn examine(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Examination, ConfigError> {
        let (document, mut warnings) = Document::read(path, environment)?;
        let outcome = Self::from_document(&document, &mut warnings).map_err(|first| match Self::refusals(&document) {
            all if all.is_empty() => vec![first],
            all => all,
        });
        let storage = outcome.as_ref().ok().map(|config| &config.storage);
        let settings = key::all().map(|key| setting(key, &document, storage)).collect();
        Ok(Examination { settings, warnings, outcome })
    }
}

fn setting(key: &'static Key, document: &Document, storage: Option<&StorageConfig>) -> Setting {
    let origin = document.origin(key.name);
    let value = match (&origin, key.shown, storage) {
        (Origin::Default, ..) => key.unset.to_owned(),
        (_, Shown::Address, Some(storage)) => storage.address(),
        (_, Shown::Address, None) | (_, Shown::Withheld, _) => NOT_SHOWN.to_owned(),
        (_, Shown::AsWritten, _) => document.written(key.name).escape_debug().to_string(),
    };
    Setting { key: key.name, value, origin }
}
