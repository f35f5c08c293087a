//! What the configuration file says, checked when read: the reference's JSON with our own keys beside it.

mod console;
mod document;
mod error;
mod examine;
mod json;
mod key;
mod limits;
mod metrics;
mod network;
mod rates;
mod renewal;
mod sections;
mod storage;
mod tracing;
mod webhooks;

use std::path::Path;

pub use console::ConsoleConfig;
pub use document::{ENVIRONMENT_PREFIX, Origin};
pub use error::{ConfigError, Warning};
pub use examine::{Examination, Setting};
pub use limits::Limits;
pub use metrics::MetricsConfig;
pub use network::Network;
pub use rates::Rates;
pub use sections::{
    CacheAges, ClientCertificate, GunPrefix, ListenConfig, LogLevel, RemoteSigner, TlsFiles, TokenAuthConfig,
    TrustConfig,
};
pub use storage::{Database, StorageConfig};
pub use tracing::TracingConfig;
pub use webhooks::{Subscription, WebhookConfig, WebhooksError};

use crate::read::RenewalSettings;
use document::Document;

/// The whole configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// `logging`: the least level that is written.
    pub log_level: LogLevel,
    /// `repositories.gun_prefixes`: the names the server deals with; empty means all.
    pub gun_prefixes: Vec<GunPrefix>,
    /// `trust_service`: who holds the server's keys.
    pub trust: TrustConfig,
    /// `storage`: where metadata is kept.
    pub storage: StorageConfig,
    /// `caching.max_age`: how long answers may be kept by caches.
    pub cache_ages: CacheAges,
    /// `server`: address and TLS.
    pub listen: ListenConfig,
    /// `auth`: token authentication; without it everybody may do everything.
    pub auth: Option<TokenAuthConfig>,
    /// `limits`: our own bounds on what a client may use.
    pub limits: Limits,
    /// `renewal`: what is signed anew in the background.
    pub renewal: RenewalSettings,
    /// `metrics`: what the page of metrics tells.
    pub metrics: MetricsConfig,
    /// `console`: the pages for a browser, if there are to be any.
    pub console: Option<ConsoleConfig>,
    /// `tracing`: where spans of requests are sent to, if anywhere.
    pub tracing: Option<TracingConfig>,
    /// `webhooks`: who is told of what happens to repositories.
    pub webhooks: Vec<WebhookConfig>,
}

impl Config {
    /// Reads the file at `path`, lays `environment` over it and checks every value, in the order in which the
    /// reference does (`cmd/notary-server/config.go`).
    ///
    /// What has no effect, or is taken and better were not so, comes back as warnings, by name.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is missing or wrong.
    pub fn load(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        let (document, mut warnings) = Document::read(path, environment)?;
        Ok((Self::from_document(&document, &mut warnings)?, warnings))
    }

    fn from_document(document: &Document, warnings: &mut Vec<Warning>) -> Result<Self, ConfigError> {
        let log_level = LogLevel::read(document)?;
        let gun_prefixes = GunPrefix::read(document)?;
        let trust = TrustConfig::read(document)?;
        warnings.extend(trust.warning());
        let storage = StorageConfig::read(document, warnings)?;
        storage::check_keys_outlive_metadata(document, &trust, &storage)?;
        let cache_ages = CacheAges::read(document)?;
        let listen = ListenConfig::read(document)?;
        let auth = TokenAuthConfig::read(document)?;
        let limits = Limits::read(document)?;
        let renewal = renewal::read(document)?;
        let metrics = MetricsConfig::read(document)?;
        let console = ConsoleConfig::read(document)?;
        let tracing = TracingConfig::read(document)?;
        let webhooks = webhooks::read(document, warnings)?;
        Ok(Self {
            log_level,
            gun_prefixes,
            trust,
            storage,
            cache_ages,
            listen,
            auth,
            limits,
            renewal,
            metrics,
            console,
            tracing,
            webhooks,
        })
    }

    /// Everything that is refused, not only the first; sections do not depend on each other.
    fn refusals(document: &Document) -> Vec<ConfigError> {
        let refused = [
            LogLevel::read(document).err(),
            GunPrefix::read(document).err(),
            TrustConfig::read(document).err(),
            StorageConfig::read(document, &mut Vec::new()).err(),
            CacheAges::read(document).err(),
            ListenConfig::read(document).err(),
            TokenAuthConfig::read(document).err(),
            Limits::read(document).err(),
            renewal::read(document).err(),
            MetricsConfig::read(document).err(),
            ConsoleConfig::read(document).err(),
            TracingConfig::read(document).err(),
            webhooks::read(document, &mut Vec::new()).err(),
        ];
        refused.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
