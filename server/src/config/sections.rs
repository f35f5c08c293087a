//! The sections of the configuration, each read into a struct of its own.

use std::path::PathBuf;

use crate::signer::KeyAlgorithm;

use super::document::Document;
use super::error::{ConfigError, Warning};
use super::key::Key;

pub(super) const KEYS: &[Key] = &[
    Key::new("logging.level", "error").with_example("\"error\""),
    Key::new("repositories.gun_prefixes", "none: every name is dealt with").with_example("[\"example.com/\"]"),
    Key::new("trust_service.type", "must be set").with_example("\"remote\""),
    Key::new("trust_service.hostname", "not set").with_example("\"notarysigner\""),
    Key::new("trust_service.port", "not set").with_example("\"7899\""),
    Key::new("trust_service.key_algorithm", "not set").with_example("\"ecdsa\""),
    Key::new("trust_service.tls_ca_file", "the system's authorities"),
    Key::new("trust_service.tls_client_cert", "not set: the signer is shown no certificate"),
    Key::new("trust_service.tls_client_key", "not set"),
    Key::new("trust_service.ephemeral", "false"),
    Key::new("caching.max_age.current_metadata", "300"),
    Key::new("caching.max_age.consistent_metadata", "2592000"),
    Key::new("server.http_addr", "must be set").with_example("\":4443\""),
    Key::new("server.tls_cert_file", "not set: plain HTTP").with_example("\"server.crt\""),
    Key::new("server.tls_key_file", "not set").with_example("\"server.key\""),
    Key::new("server.client_ca_file", "not set: no client certificate is asked for"),
    Key::new("auth.type", "not set: everybody may do everything").with_example("\"token\""),
    Key::new("auth.options.realm", "not set").with_example("\"https://HOST/service/token\""),
    Key::new("auth.options.service", "not set"),
    Key::new("auth.options.issuer", "not set"),
    Key::new("auth.options.rootcertbundle", "not set").with_example("\"/path/of/root.crt\""),
    Key::new("auth.options.autoredirect", "false"),
];

/// `logging.level`: what is written to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What needs an operator. The reference's `error`, `fatal` and `panic`; the default.
    Error,
    /// What an operator should look at some time.
    Warning,
    /// One line per request.
    Info,
    /// What helps to find a defect.
    Debug,
}

impl LogLevel {
    /// In the order of how much is written.
    const ALL: [Self; 4] = [Self::Error, Self::Warning, Self::Info, Self::Debug];

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// One level more; the last has none.
    #[must_use]
    pub fn louder(self) -> Self {
        Self::ALL.into_iter().skip_while(|level| *level != self).nth(1).unwrap_or(self)
    }

    /// One level less; the first has none.
    #[must_use]
    pub fn quieter(self) -> Self {
        Self::ALL.into_iter().take_while(|level| *level != self).last().unwrap_or(self)
    }
}

/// `repositories.gun_prefixes`: the start of names the server deals with. Ends in `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GunPrefix(String);

/// `trust_service`: who holds the server's keys.
#[derive(Debug, Clone)]
pub enum TrustConfig {
    /// A signer at the other end of a gRPC connection.
    Remote(RemoteSigner),
    /// Keys in this process's memory, forgotten at its end.
    Local,
}

/// How the signer is reached.
#[derive(Debug, Clone)]
pub struct RemoteSigner {
    /// The name its certificate must bear.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What kind of key it is asked to make.
    pub key_algorithm: KeyAlgorithm,
    /// The CA of its certificate; the system's if absent.
    pub ca_file: Option<PathBuf>,
    /// What this server shows of itself.
    pub client: Option<ClientCertificate>,
}

/// A certificate and its key, shown to the signer.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// PEM file of the certificate.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}

/// `caching.max_age`, in seconds; 0 forbids caching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheAges {
    /// For what is asked for by name and changes. Default 300.
    pub current: u32,
    /// For what is asked for by hash or version and never changes. Default 2 592 000, 30 days.
    pub consistent: u32,
}

/// `server`: where to listen, and how.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// `host:port` as the reference takes it: without a host on every address.
    pub address: String,
    /// Without it the server speaks plain HTTP.
    pub tls: Option<TlsFiles>,
}

/// Certificate and key of the server.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// PEM file of the certificate chain.
    pub certificate: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
    /// PEM file of the CA whose certificates clients must show; none are asked for if absent.
    pub client_ca: Option<PathBuf>,
}

/// `auth` of type `token`.
#[derive(Debug, Clone)]
pub struct TokenAuthConfig {
    /// Where clients get a token.
    pub realm: String,
    /// The audience a token must be made out to.
    pub service: String,
    /// The issuer a token must come from.
    pub issuer: String,
    /// PEM file of the certificates that tokens must lead to.
    pub root_certificates: PathBuf,
    /// Whether the realm is `/auth/token` at the host the client asked.
    pub auto_redirect: bool,
}

impl LogLevel {
    const KEY: &'static str = "logging.level";
    const ACCEPTED: &'static [&'static str] = &["panic", "fatal", "error", "warning", "info", "debug"];

    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        let Some(value) = document.text(Self::KEY)? else { return Ok(Self::Error) };
        match value.to_lowercase().as_str() {
            "panic" | "fatal" | "error" => Ok(Self::Error),
            "warning" | "warn" => Ok(Self::Warning),
            "info" => Ok(Self::Info),
            "debug" | "trace" => Ok(Self::Debug),
            _ => Err(ConfigError::NotOneOf { key: Self::KEY, value, accepted: Self::ACCEPTED }),
        }
    }
}

impl GunPrefix {
    pub(super) fn read(document: &Document) -> Result<Vec<Self>, ConfigError> {
        document.list("repositories.gun_prefixes")?.into_iter().map(Self::parse).collect()
    }

    fn parse(prefix: String) -> Result<Self, ConfigError> {
        let clean = prefix
            .strip_suffix('/')
            .is_some_and(|path| path.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
        if clean { Ok(Self(prefix)) } else { Err(ConfigError::Prefix { prefix }) }
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TrustConfig {
    const ACCEPTED: &'static [&'static str] = &["remote", "local"];

    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        const KEY: &str = "trust_service.type";
        match document.required(KEY, "remote names a signer, local keeps the keys in memory")?.as_str() {
            "remote" => RemoteSigner::read(document).map(Self::Remote),
            "local" => Ok(Self::Local),
            other => Err(ConfigError::NotOneOf { key: KEY, value: other.to_owned(), accepted: Self::ACCEPTED }),
        }
    }
}

impl TrustConfig {
    /// What is taken and works with some signers only.
    pub(super) fn warning(&self) -> Option<Warning> {
        let rsa = matches!(self, Self::Remote(signer) if signer.key_algorithm == KeyAlgorithm::Rsa);
        rsa.then_some(Warning::RsaOnTokensOnly)
    }
}

impl RemoteSigner {
    fn read(document: &Document) -> Result<Self, ConfigError> {
        const BECAUSE: &str = "trust_service.type is \"remote\"";
        const PORT: &str = "trust_service.port";
        let host = document.required("trust_service.hostname", BECAUSE)?;
        document.required(PORT, BECAUSE)?;
        let port = document.number(PORT, 1, u64::from(u16::MAX))?.and_then(|n| u16::try_from(n).ok());
        let port = port.ok_or(ConfigError::Missing { key: PORT, because: BECAUSE })?;
        let client = document.pair("trust_service.tls_client_cert", "trust_service.tls_client_key")?;
        Ok(Self {
            host,
            port,
            key_algorithm: read_key_algorithm(document, BECAUSE)?,
            ca_file: document.path("trust_service.tls_ca_file")?,
            client: client.map(|(certificate, key)| ClientCertificate { certificate, key }),
        })
    }
}

fn read_key_algorithm(document: &Document, because: &'static str) -> Result<KeyAlgorithm, ConfigError> {
    const KEY: &str = "trust_service.key_algorithm";
    const ACCEPTED: &[&str] = &["ecdsa", "ed25519", "rsa"];
    let value = document.required(KEY, because)?;
    // The reference's server takes the same three and starts; its signer, as ours without a token, answers the first
    // key of the last with "algorithm rsa not supported for create key".
    KeyAlgorithm::parse(&value).ok_or(ConfigError::NotOneOf { key: KEY, value, accepted: ACCEPTED })
}

impl CacheAges {
    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        // one year, as the reference bounds it
        let age = |key, default| -> Result<u32, ConfigError> {
            Ok(document.number(key, 0, 31_536_000)?.and_then(|n| u32::try_from(n).ok()).unwrap_or(default))
        };
        Ok(Self {
            current: age("caching.max_age.current_metadata", 300)?,
            consistent: age("caching.max_age.consistent_metadata", 2_592_000)?,
        })
    }
}

impl ListenConfig {
    pub(super) fn read(document: &Document) -> Result<Self, ConfigError> {
        const CLIENT_CA: &str = "server.client_ca_file";
        let address = document.required("server.http_addr", "")?;
        let client_ca = document.path(CLIENT_CA)?;
        let tls = match (document.pair("server.tls_cert_file", "server.tls_key_file")?, client_ca) {
            (Some((certificate, key)), client_ca) => Some(TlsFiles { certificate, key, client_ca }),
            (None, None) => None,
            (None, Some(_)) => return Err(ConfigError::Half { given: CLIENT_CA, missing: "server.tls_cert_file" }),
        };
        Ok(Self { address, tls })
    }
}

impl TokenAuthConfig {
    /// The reference starts without authentication when `auth.type` is anything but `token`; here that is an error.
    pub(super) fn read(document: &Document) -> Result<Option<Self>, ConfigError> {
        const KEY: &str = "auth.type";
        const BECAUSE: &str = "auth.type is \"token\"";
        if !document.mentions_auth() {
            return Ok(None);
        }
        let value = document.text(KEY)?.unwrap_or_default();
        if value != "token" {
            return Err(if value.is_empty() { ConfigError::NoAuthType } else { ConfigError::AuthType { value } });
        }
        let bundle = document.required("auth.options.rootcertbundle", BECAUSE)?;
        // the reference takes this one path from the working directory
        let as_given = PathBuf::from(&bundle);
        let root_certificates = if as_given.exists() { as_given } else { document.beside_file(&bundle) };
        Ok(Some(Self {
            realm: document.required("auth.options.realm", BECAUSE)?,
            service: document.required("auth.options.service", BECAUSE)?,
            issuer: document.required("auth.options.issuer", BECAUSE)?,
            root_certificates,
            auto_redirect: document.flag("auth.options.autoredirect")?,
        }))
    }
}
