//! `metrics`: where the page of metrics is, and what it tells. Our own section; the reference's is on its one port, and
//! names no repository.

use super::document::Document;
use super::error::ConfigError;
use super::key::Key;

const HTTP_ADDR: &str = "metrics.http_addr";
const REPOSITORY_NAMES: &str = "metrics.repository_names";

pub(super) const KEYS: &[Key] = &[
    Key::new(HTTP_ADDR, "not set: metrics are told at server.http_addr").with_example("\"127.0.0.1:9443\""),
    Key::new(REPOSITORY_NAMES, "true without auth, else false").with_example("true"),
];

/// Where the page of metrics is, and what it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `http_addr`: where metrics, readiness and liveness are told over plain HTTP, as `server.http_addr` is written. The
    /// other address then tells no metrics.
    pub address: Option<String>,
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
        Ok(Self { address: document.text(HTTP_ADDR)?, repository_names })
    }
}
