//! Configuration: the reference's JSON file, the environment over it, and our own keys beside the reference's.
//!
//! Everything is checked when it is read; below, nothing asks for a setting by name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::rate::CallerRates;
use crate::token::TokenSettings;

mod audit;
mod cache;
mod callers;
mod canary;
mod error;
mod limits;
mod sealing;
mod settings;
mod storage;
mod tokens;
mod tracing;
mod warning;
mod wrapping;

pub use audit::AuditSettings;
pub use cache::OpenedKeysLimits;
pub use callers::{Callers, CallersError};
pub use canary::CanarySettings;
pub use error::ConfigError;
pub use limits::Limits;
pub use sealing::Sealing;
use settings::Settings;
pub use settings::{Environment, HANDED_OVER, PREFIX};
pub use storage::Storage;
pub use tokens::{KeyPlaces, Place};
pub use tracing::TracingSettings;
pub use warning::ConfigWarning;
pub use wrapping::{Provider, VaultLogin, VaultSettings, WrappingError};

/// The `tracing` target of [`ConfigWarning`]s. They are written at every log level.
pub const WARNING_TARGET: &str = "configuration";

/// The keys that this signer reads.
const KNOWN: &[&str] = &[
    "server.grpc_addr",
    "server.tls_cert_file",
    "server.tls_key_file",
    "server.client_ca_file",
    "server.allowed_clients",
    "server.insecure_allow_any_client",
    "server.http_addr",
    "storage.backend",
    "storage.db_url",
    "storage.db_url_file",
    "storage.password_file",
    "storage.max_connections",
    "storage.timeout_seconds",
    "storage.default_alias",
    "storage.aliases",
    "default_alias",
    "logging.level",
    "cache.keys",
    "cache.seconds",
    "cache.record_milliseconds",
    "canary.seconds",
    "canary.keys",
    "callers",
    "limits.caller_requests",
    "limits.caller_new_keys",
    "limits.key_signatures",
    wrapping::KEY,
    "audit.directory",
    "audit.signer",
    "audit.second_place",
    "audit.sync",
    "audit.file_megabytes",
    "audit.head_seconds",
    "keys.backend",
    "keys.roles.snapshot",
    "keys.roles.timestamp",
    "keys.ecdsa_curve",
    "keys.rsa_bits",
    "tracing.otlp_endpoint",
    "tracing.sample_ratio",
    "tracing.tls_ca_file",
    "tracing.insecure_plain_http",
];

/// Everything the signer is told.
#[derive(Debug)]
pub struct Config {
    /// Where gRPC is served: `host:port`, or `:port` for every interface.
    pub grpc_address: String,
    /// Where metrics and readiness are served over plain HTTP; absent: nowhere. Our key.
    pub http_address: Option<String>,
    /// The signer's own certificate, with its chain, as PEM.
    pub certificate_file: PathBuf,
    /// The private key of that certificate, as PEM.
    pub key_file: PathBuf,
    /// Who may connect.
    pub clients: ClientTrust,
    /// Where sealed keys are kept.
    pub storage: Storage,
    /// What keys are sealed with.
    pub sealing: Sealing,
    /// The PKCS #11 tokens that may hold keys. Ours.
    pub tokens: Vec<TokenSettings>,
    /// Where new keys are made. Ours.
    pub new_keys: KeyPlaces,
    /// How opened keys are held in memory.
    pub opened_keys: OpenedKeysLimits,
    /// How long a key's record is believed after it was asked for: so much later counts what another process deletes or
    /// retires. Zero asks for each signature.
    pub record_life: Duration,
    /// How often keys are tried, and how many; absent: never. Our section.
    pub canary: Option<CanarySettings>,
    /// How often callers may ask and keys may sign.
    pub limits: Limits,
    /// Where the chain of audit records is kept; absent: they are lines of the log only. Our section.
    pub audit: Option<AuditSettings>,
    /// What is logged; audit lines always are.
    pub log_level: LogLevel,
    /// Where spans of requests are sent to; absent: nothing is traced. Our section.
    pub tracing: Option<TracingSettings>,
    /// What an operator should be told at start.
    pub warnings: Vec<ConfigWarning>,
}

/// Which client certificates are let in. A certificate is always demanded.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientTrust {
    /// Certificates of the authorities in a PEM file.
    Authority {
        /// The authorities.
        file: PathBuf,
        /// Which of their certificates.
        allowed: AllowedClients,
    },
    /// Any certificate, also one that nobody vouches for: our key `server.insecure_allow_any_client`.
    AnyCertificate,
}

/// Which certificates of an accepted authority are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedClients {
    /// All of them, as in the reference.
    All,
    /// Those with one of these names as common name or DNS name: our key `server.allowed_clients`.
    Named(BTreeSet<String>),
    /// Those with one of the names of our list `callers`, each with its rights.
    Callers(Callers),
}

impl AllowedClients {
    /// The callers with rates of their own.
    pub(crate) fn own_rates(&self) -> Vec<(Arc<str>, CallerRates)> {
        match self {
            Self::All | Self::Named(_) => Vec::new(),
            Self::Callers(callers) => callers.rates().collect(),
        }
    }
}

/// How much is logged, by the reference's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `panic`, `fatal` and `error`.
    Error,
    /// `warning`.
    Warning,
    /// `info`, the default (the reference's is `error`).
    Info,
    /// `debug`.
    Debug,
}

impl Config {
    /// Reads the configuration file; relative paths in it are relative to it.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and what it should be.
    pub fn read(file: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let config = Self::read_without_passphrases(file, environment)?;
        config.prove()?;
        Ok(config)
    }

    /// The same for work that opens no key: passphrases may be missing.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and what it should be.
    pub fn read_without_passphrases(file: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        Self::parse_all_but_passphrases(&text, file.parent().unwrap_or(Path::new("")), environment)
    }

    /// Reads the text of a configuration file that stands in `folder`.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and what it should be.
    pub fn parse(text: &str, folder: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let config = Self::parse_all_but_passphrases(text, folder, environment)?;
        config.prove()?;
        Ok(config)
    }

    /// Whether the passphrase of the default alias and the PIN of each token are there.
    fn prove(&self) -> Result<(), ConfigError> {
        self.sealing.prove()?;
        tokens::prove(&self.tokens)
    }

    fn parse_all_but_passphrases(text: &str, folder: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let settings = Settings::parse(text, folder, environment)?;
        let unknown = settings.unknown(KNOWN).into_iter().filter(|name| !tokens::knows(name));
        let mut warnings: Vec<_> = unknown.map(ConfigWarning::UnknownKey).collect();
        let log_level = log_level(&settings)?;
        let limits = limits::read(&settings)?;
        let callers = callers::read(&settings, limits.0.of_caller, &mut warnings)?;
        let clients = client_trust(&settings, callers, &mut warnings)?;
        let storage = Storage::read(&settings, &mut warnings)?;
        let tokens = tokens::read(&settings, environment)?;
        let wrapping = wrapping::read(&settings, environment, &tokens, &mut warnings)?;
        let sealing = Sealing::read(&settings, &storage, environment, wrapping, &mut warnings)?;
        let new_keys = tokens::read_places(&settings, &tokens)?;
        if let Some(token) = tokens.iter().find(|token| sealing.names(token.name.as_str())) {
            return Err(ConfigError::TokenNamedAsAlias(token.name.clone()));
        }
        Ok(Self {
            grpc_address: required(settings.text("server.grpc_addr")?, "server.grpc_addr")?,
            http_address: settings.text("server.http_addr")?,
            certificate_file: required(settings.path("server.tls_cert_file")?, "server.tls_cert_file")?,
            key_file: required(settings.path("server.tls_key_file")?, "server.tls_key_file")?,
            clients,
            storage,
            sealing,
            tokens,
            new_keys,
            opened_keys: cache::read(&settings)?,
            record_life: cache::record_life(&settings)?,
            canary: canary::read(&settings)?,
            limits,
            audit: audit::read(&settings)?,
            log_level,
            tracing: tracing::read(&settings)?,
            warnings,
        })
    }
}

impl LogLevel {
    /// The name that `tracing` has for this level.
    #[must_use]
    pub fn as_filter(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl LogLevel {
    const ALL: [Self; 4] = [Self::Error, Self::Warning, Self::Info, Self::Debug];

    /// The next level that writes more, or this one if there is none.
    #[must_use]
    pub fn louder(self) -> Self {
        Self::ALL.into_iter().find(|level| *level > self).unwrap_or(self)
    }

    /// The next level that writes less, or this one if there is none.
    #[must_use]
    pub fn quieter(self) -> Self {
        Self::ALL.into_iter().rev().find(|level| *level < self).unwrap_or(self)
    }
}

/// Whether an environment variable sets one of the keys that this signer reads.
pub(crate) fn is_setting(variable: &str) -> bool {
    KNOWN.iter().any(|name| settings::variable(name) == variable) || tokens::is_variable(variable)
}

fn required<T>(value: Option<T>, name: &'static str) -> Result<T, ConfigError> {
    value.ok_or(ConfigError::Missing(name))
}

fn log_level(settings: &Settings) -> Result<LogLevel, ConfigError> {
    let Some(name) = settings.text("logging.level")? else { return Ok(LogLevel::Info) };
    match name.to_lowercase().as_str() {
        "panic" | "fatal" | "error" => Ok(LogLevel::Error),
        "warning" | "warn" => Ok(LogLevel::Warning),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        _ => Err(ConfigError::UnknownLogLevel { found: name }),
    }
}

fn client_trust(
    settings: &Settings,
    callers: Option<Callers>,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<ClientTrust, ConfigError> {
    let authority = settings.path("server.client_ca_file")?;
    let insecure = settings.flag("server.insecure_allow_any_client")?;
    let names = settings.list("server.allowed_clients")?;
    if names.as_ref().is_some_and(|names| names.iter().all(|name| name.trim().is_empty())) {
        return Err(ConfigError::NobodyAllowed);
    }
    if callers.is_some() && names.is_some() {
        return Err(CallersError::TwoLists.into());
    }
    if callers.is_some() && authority.is_none() {
        return Err(CallersError::WithoutAuthority.into());
    }
    match (authority, insecure) {
        (Some(file), insecure) => {
            if insecure {
                warnings.push(ConfigWarning::InsecureKeyWithoutEffect);
            }
            let allowed = match (callers, names) {
                (Some(callers), _) => AllowedClients::Callers(callers),
                (None, Some(names)) => {
                    AllowedClients::Named(names.into_iter().filter(|name| !name.is_empty()).collect())
                }
                (None, None) => {
                    warnings.push(ConfigWarning::NoAllowedClients);
                    AllowedClients::All
                }
            };
            Ok(ClientTrust::Authority { file, allowed })
        }
        (None, true) if names.is_some() => Err(ConfigError::NamesWithoutAuthority),
        (None, true) => {
            warnings.push(ConfigWarning::AnyClient);
            Ok(ClientTrust::AnyCertificate)
        }
        (None, false) => Err(ConfigError::NoClientAuthority),
    }
}

#[cfg(test)]
mod tests;
