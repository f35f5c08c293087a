//! The composition root: what configuration names becomes what the server works with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ring::rand::SystemRandom;

use crate::auth::{Authenticator, BundleError, RootBundle, TokenRules};
use crate::clock::Clock;
use crate::config::{CacheAges, Config, GunPrefix, Limits, RemoteSigner, StorageConfig, TokenAuthConfig, TrustConfig};
use crate::http::{Health, UploadMemory};
use crate::keys::RoleKeys;
use crate::metrics::Metrics;
use crate::publish::Publisher;
use crate::rate::{Client, RateLimits, Shares};
use crate::read::Reader;
use crate::signer::grpc::{GrpcSettings, GrpcSettingsError, GrpcSigner};
use crate::signer::local::LocalSigner;
use crate::signer::{KeyAlgorithm, RoleSigner};
use crate::store::memory::MemoryStore;
use crate::store::sql::SqliteStore;
use crate::store::{MetadataStore, StoreError};

/// How long one question to the signer may take.
const SIGNER_DEADLINE: Duration = Duration::from_secs(10);

/// Why the server does not start, though its configuration can be read.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file that the configuration names cannot be read.
    #[error("cannot read {path}, named by {key}", path = .path.display())]
    Unreadable {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A PEM file holds nothing of what it should.
    #[error("{path}, named by {key}, holds no {what}", path = .path.display())]
    NoPem {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Certificate and key of the server do not go together, or are of a kind that TLS cannot use.
    #[error("the server's certificate and key cannot be used")]
    Tls(#[source] rustls::Error),
    /// The CA that clients must come from cannot be used.
    #[error("the certificates of server.client_ca_file cannot be used")]
    ClientCa(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The root bundle cannot be used.
    #[error("{path}, named by auth.options.rootcertbundle, cannot be used", path = .path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: BundleError,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {path}", path = .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: StoreError,
    },
    /// A kind of storage whose store is not there yet.
    #[error(
        "this build opens no such database yet: set \"storage\": {{\"backend\": \"sqlite\", \"db_url\": \"server.db\"}}"
    )]
    NoSuchStorage,
    /// The signer's address or certificates cannot be used.
    #[error("trust_service cannot be used")]
    Signer(#[from] GrpcSettingsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address as configured.
        address: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// Everything a request needs.
pub(crate) struct App {
    pub(crate) publisher: Publisher,
    pub(crate) reader: Reader,
    pub(crate) keys: RoleKeys,
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) signer: Arc<dyn RoleSigner>,
    pub(crate) authenticator: Authenticator,
    pub(crate) gun_prefixes: Vec<GunPrefix>,
    pub(crate) cache_ages: CacheAges,
    pub(crate) limits: Limits,
    pub(crate) upload_memory: UploadMemory,
    pub(crate) rates: RateLimits,
    pub(crate) connection_shares: Shares<Client>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    started_at: i64,
    requests: AtomicU64,
    database: Option<Arc<SqliteStore>>,
}

impl App {
    /// Puts the parts together. Reads the files that `config` names.
    ///
    /// # Errors
    /// [`StartError`] for the first that cannot be used.
    pub(crate) async fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let (signer, algorithm) = signer(&config.trust)?;
        let database = match &config.storage {
            StorageConfig::Memory => None,
            StorageConfig::Sqlite { path } => Some(open(path, &clock).await?),
            StorageConfig::Postgres(_) | StorageConfig::MySql(_) => return Err(StartError::NoSuchStorage),
        };
        let store: Arc<dyn MetadataStore> = match &database {
            Some(database) => Arc::clone(database) as _,
            None => Arc::new(MemoryStore::new(Arc::clone(&clock))),
        };
        let limits = config.limits;
        let is_remote = matches!(config.trust, TrustConfig::Remote(_));
        Ok(Self {
            publisher: Publisher::new(
                Arc::clone(&store),
                Arc::clone(&signer),
                Arc::clone(&clock),
                limits.publish,
                Arc::new(SystemRandom::new()),
            ),
            reader: Reader::new(Arc::clone(&store), Arc::clone(&signer), Arc::clone(&clock)),
            keys: RoleKeys::new(Arc::clone(&store), Arc::clone(&signer), algorithm),
            store,
            signer,
            authenticator: authenticator(config.auth, &limits)?,
            gun_prefixes: config.gun_prefixes,
            cache_ages: config.cache_ages,
            upload_memory: UploadMemory::new(&limits),
            rates: RateLimits::new(&limits.rates, &clock),
            connection_shares: Shares::default(),
            limits,
            started_at: clock.now().unix_seconds(),
            clock,
            metrics: Metrics::default(),
            health: Health::new(database.is_some(), is_remote),
            requests: AtomicU64::new(0),
            database,
        })
    }

    /// A name for a request, to find its lines in the log by.
    pub(crate) fn next_request_id(&self) -> String {
        format!("{:x}-{}", self.started_at, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// Closes what must be closed.
    pub(crate) async fn close(&self) {
        if let Some(database) = &self.database {
            database.close().await;
        }
    }
}

/// Reads a file that the configuration names.
pub(crate) fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, StartError> {
    std::fs::read(path).map_err(|source| StartError::Unreadable { key, path: path.to_owned(), source })
}

pub(crate) async fn open(path: &Path, clock: &Arc<dyn Clock>) -> Result<Arc<SqliteStore>, StartError> {
    match SqliteStore::open(path, Arc::clone(clock)).await {
        Ok(store) => Ok(Arc::new(store)),
        Err(source) => Err(StartError::Database { path: path.to_owned(), source }),
    }
}

pub(crate) fn signer(trust: &TrustConfig) -> Result<(Arc<dyn RoleSigner>, KeyAlgorithm), StartError> {
    match trust {
        // the reference's keys in memory are of this kind, whatever is configured
        TrustConfig::Local => Ok((Arc::new(LocalSigner::new(Arc::new(SystemRandom::new()))), KeyAlgorithm::Ed25519)),
        TrustConfig::Remote(remote) => Ok((Arc::new(GrpcSigner::new(settings(remote)?)?), remote.key_algorithm)),
    }
}

fn settings(remote: &RemoteSigner) -> Result<GrpcSettings, StartError> {
    let ca_pem = remote.ca_file.as_deref().map(|path| read("trust_service.tls_ca_file", path)).transpose()?;
    let client = match &remote.client {
        Some(client) => Some((
            read("trust_service.tls_client_cert", &client.certificate)?,
            read("trust_service.tls_client_key", &client.key)?,
        )),
        None => None,
    };
    Ok(GrpcSettings { host: remote.host.clone(), port: remote.port, ca_pem, client, deadline: SIGNER_DEADLINE })
}

fn authenticator(config: Option<TokenAuthConfig>, limits: &Limits) -> Result<Authenticator, StartError> {
    let Some(config) = config else { return Ok(Authenticator::Open) };
    let path = config.root_certificates;
    let pem = read("auth.options.rootcertbundle", &path)?;
    let bundle = RootBundle::from_pem(&pem).map_err(|source| StartError::Bundle { path, source })?;
    Ok(Authenticator::Token(Box::new(TokenRules {
        realm: config.realm,
        auto_redirect: config.auto_redirect,
        service: config.service,
        issuer: config.issuer,
        bundle,
        token_bytes: limits.token_bytes,
    })))
}
