//! `metrics`: what the page of metrics tells. Our own section; the reference's names no repository.

use super::document::Document;
use super::error::ConfigError;
use super::key::Key;

const REPOSITORY_NAMES: &str = "metrics.repository_names";

pub(super) const KEYS: &[Key] = &[Key::new(REPOSITORY_NAMES, "true without auth, else false").with_example("true")];

/// What the page of metrics tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `repository_names`: whether repositories are named, to whoever reaches the port. Without `auth` everybody learns
    /// their names anyway, from the change feed; with it nobody does who is not told to, so that it must be asked for.
    pub repository_names: bool,
}

impl MetricsConfig {
    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        let repository_names = match document.text(REPOSITORY_NAMES)? {
            Some(_) => document.flag(REPOSITORY_NAMES)?,
            None => !document.mentions_auth(),
        };
        Ok(Self { repository_names })
    }
}
