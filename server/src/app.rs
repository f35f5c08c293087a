//! The composition root: what configuration names becomes what the server works with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bulla_database::PoolUse;
use bulla_traces::Tracer;
use ring::rand::SystemRandom;

use crate::auth::{Authenticator, BundleError, RootBundle, SharedBundle, TokenRules};
use crate::catch_up::CatchUp;
use crate::clock::Clock;
use crate::config::{
    CacheAges, Config, Database, GunPrefix, Limits, RemoteSigner, StorageConfig, TokenAuthConfig, TrustConfig,
};
use crate::expiry::survey::Survey;
use crate::health::{Health, Standing};
use crate::http::{AnswerMemory, Compressed, LargeUploads, TokenFault, UploadMemory};
use crate::keys::RoleKeys;
use crate::metrics::{Expiry, Metrics, Others, SignerCalls};
use crate::publish::Publisher;
use crate::rate::RateLimits;
use crate::read::Reader;
use crate::signer::grpc::{GrpcSettings, GrpcSettingsError, GrpcSigner};
use crate::signer::local::LocalSigner;
use crate::signer::{KeyAlgorithm, RoleSigner};
use crate::store::memory::MemoryStore;
use crate::store::sql::{MySqlStore, PostgresStore, SqliteStore};
use crate::store::{MetadataStore, StoreError};
use crate::watched::{NamedFile, Watched};
use crate::webhooks::{SecretError, Webhooks};

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
    #[error("cannot open the database {address}")]
    Database {
        /// Where it is, without any password.
        address: String,
        /// What is wrong with it.
        #[source]
        source: StoreError,
    },
    /// A kind of storage whose store is not there yet.
    #[error(
        "this build opens no such database yet: set \"storage\": {{\"backend\": \"sqlite\", \"db_url\": \"server.db\"}}"
    )]
    NoSuchStorage,
    /// The file of the console's token holds none.
    #[error("{path}, named by {key}, holds no token: {fault}", path = .path.display())]
    ConsoleToken {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: TokenFault,
    },
    /// The signer's address or certificates cannot be used.
    #[error("trust_service cannot be used")]
    Signer(#[from] GrpcSettingsError),
    /// Spans cannot be sent to the collector.
    #[error("tracing cannot be used")]
    Tracing(#[from] bulla_traces::StartError),
    /// The secret of a webhook cannot be used.
    #[error("{path}, named by webhooks.secret_file, cannot be used", path = .path.display())]
    WebhookSecret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SecretError,
    },
    /// TLS towards webhooks is not there.
    #[error("TLS towards webhooks cannot be used")]
    WebhookTls(#[source] rustls::Error),
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
    pub(crate) catch_up: CatchUp,
    pub(crate) keys: RoleKeys,
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) signer: Arc<dyn RoleSigner>,
    pub(crate) authenticator: Authenticator,
    pub(crate) gun_prefixes: Vec<GunPrefix>,
    pub(crate) cache_ages: CacheAges,
    pub(crate) limits: Limits,
    pub(crate) upload_memory: UploadMemory,
    pub(crate) large_uploads: LargeUploads,
    pub(crate) answer_memory: AnswerMemory,
    pub(crate) compressed: Compressed,
    pub(crate) rates: RateLimits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Tracer,
    pub(crate) survey: Survey,
    pub(crate) webhooks: Webhooks,
    /// Whether the page of metrics does.
    names_repositories: bool,
    /// Whether it has an address of its own, so that it is nowhere else.
    pub(crate) has_metrics_apart: bool,
    pub(crate) health: Health,
    started_at: i64,
    requests: AtomicU64,
    database: Option<Opened>,
}

/// What an [`App`] stands on.
pub(crate) struct Foundations {
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) signer: Arc<dyn RoleSigner>,
    /// Of the keys that the signer is asked for.
    pub(crate) algorithm: KeyAlgorithm,
    pub(crate) health: Health,
    pub(crate) database: Option<Opened>,
    pub(crate) metrics: Metrics,
}

impl App {
    /// Puts the parts together. Reads the files that `config` names, and says which of them may be read again.
    ///
    /// # Errors
    /// [`StartError`] for the first that cannot be used.
    pub(crate) async fn new(mut config: Config, clock: Arc<dyn Clock>) -> Result<(Self, Vec<Watched>), StartError> {
        let mut watched = Vec::new();
        let metrics = Metrics::new(Arc::clone(&clock));
        let (signer, algorithm) = signer(&config.trust, Some(&metrics.signer_calls), &mut watched)?;
        let (store, database) = open_storage(&config.storage, &clock).await?;
        if let Some(longest) = database.as_ref().and_then(Opened::longest_file)
            && config.limits.document_bytes > longest
        {
            let (asked, got) = (config.limits.document_bytes, longest);
            tracing::info!(
                asked,
                got,
                "limits.document_bytes is lowered to what max_allowed_packet of the database lets in"
            );
            config.limits.document_bytes = longest;
        }
        let is_remote = matches!(config.trust, TrustConfig::Remote(_));
        let health = Health::new(database.is_some(), is_remote);
        let foundations = Foundations { store, signer, algorithm, health, database, metrics };
        let app = Self::on(foundations, config, clock, &mut watched)?;
        Ok((app, watched))
    }

    /// The same on a store and a signer that are there.
    pub(crate) fn on(
        foundations: Foundations,
        config: Config,
        clock: Arc<dyn Clock>,
        watched: &mut Vec<Watched>,
    ) -> Result<Self, StartError> {
        let Foundations { store, signer, algorithm, health, database, metrics } = foundations;
        let limits = config.limits;
        Ok(Self {
            publisher: Publisher::new(
                Arc::clone(&store),
                Arc::clone(&signer),
                Arc::clone(&clock),
                limits.publish,
                Arc::new(SystemRandom::new()),
            ),
            reader: Reader::new(Arc::clone(&store), Arc::clone(&signer), Arc::clone(&clock)),
            catch_up: CatchUp::new(&limits),
            survey: Survey::new(Arc::clone(&store), Arc::clone(&clock)),
            webhooks: Webhooks::start(&config.webhooks, &store, &clock, watched)?,
            names_repositories: config.metrics.repository_names,
            has_metrics_apart: config.metrics.address.is_some(),
            keys: RoleKeys::new(Arc::clone(&store), Arc::clone(&signer), algorithm),
            store,
            signer,
            authenticator: authenticator(config.auth, &limits, watched)?,
            gun_prefixes: config.gun_prefixes,
            cache_ages: config.cache_ages,
            upload_memory: UploadMemory::new(&limits),
            large_uploads: LargeUploads::new(limits.large_uploads),
            answer_memory: AnswerMemory::new(&limits),
            compressed: Compressed::default(),
            rates: RateLimits::new(&limits.rates, &clock),
            limits,
            started_at: clock.now().unix_seconds(),
            clock,
            metrics,
            tracer: Tracer::off(),
            health,
            requests: AtomicU64::new(0),
            database,
        })
    }

    /// The same, recording traces of its requests.
    pub(crate) fn traced_by(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// A name for a request, to find its lines in the log by.
    pub(crate) fn next_request_id(&self) -> String {
        format!("{:x}-{}", self.started_at, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// The page of metrics, with how what this server stands on was found.
    pub(crate) fn metrics_page(&self, conditions: &[Standing]) -> String {
        let pools = self.database.as_ref().map(Opened::pools).unwrap_or_default();
        let (now, expiries) = (self.clock.now(), &self.survey.expiries);
        let (expiring, rounds) = (expiries.expiring(now), expiries.rounds());
        let expiry = Expiry { now, expiring, rounds, by_name: self.names_repositories };
        self.metrics.text(&Others {
            pools,
            deltas: self.catch_up.deltas(),
            expiry,
            conditions,
            spans: self.tracer.counts(),
            webhooks: &self.webhooks.tallies,
            now,
        })
    }

    /// Closes what must be closed.
    pub(crate) async fn close(&self) {
        match &self.database {
            None => {}
            Some(Opened::Sqlite(store)) => store.close().await,
            Some(Opened::Postgres(store)) => store.close().await,
            Some(Opened::MySql(store)) => store.close().await,
        }
    }
}

/// Reads a file that the configuration names.
pub(crate) fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, StartError> {
    std::fs::read(path).map_err(|source| StartError::Unreadable { key, path: path.to_owned(), source })
}

/// A database that is to be closed at the end.
pub(crate) enum Opened {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
    MySql(Arc<MySqlStore>),
}

impl Opened {
    /// How many of its connections are in use now.
    fn pools(&self) -> Vec<PoolUse> {
        match self {
            Self::Sqlite(store) => store.pools(),
            Self::Postgres(store) => store.pools(),
            Self::MySql(store) => store.pools(),
        }
    }

    /// How long a file may be that the database takes, in bytes.
    fn longest_file(&self) -> Option<usize> {
        match self {
            Self::Sqlite(store) => store.longest_file(),
            Self::Postgres(store) => store.longest_file(),
            Self::MySql(store) => store.longest_file(),
        }
    }
}

/// Opens what the configuration names; a database gets its tables.
pub(crate) async fn open_storage(
    storage: &StorageConfig,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<dyn MetadataStore>, Option<Opened>), StartError> {
    let failed = |source| StartError::Database { address: storage.address(), source };
    Ok(match storage {
        StorageConfig::Memory => (Arc::new(MemoryStore::new(Arc::clone(clock))), None),
        StorageConfig::Sqlite { path } => {
            let store = open(path, clock).await?;
            (Arc::clone(&store) as _, Some(Opened::Sqlite(store)))
        }
        StorageConfig::Postgres(Database { dsn, pool }) => {
            let store = Arc::new(PostgresStore::open(dsn, *pool, Arc::clone(clock)).await.map_err(failed)?);
            (Arc::clone(&store) as _, Some(Opened::Postgres(store)))
        }
        StorageConfig::MySql(Database { dsn, pool }) => {
            let store = Arc::new(MySqlStore::open(dsn, *pool, Arc::clone(clock)).await.map_err(failed)?);
            (Arc::clone(&store) as _, Some(Opened::MySql(store)))
        }
    })
}

async fn open(path: &Path, clock: &Arc<dyn Clock>) -> Result<Arc<SqliteStore>, StartError> {
    match SqliteStore::open(path, Arc::clone(clock)).await {
        Ok(store) => Ok(Arc::new(store)),
        Err(source) => Err(StartError::Database { address: path.display().to_string(), source }),
    }
}

/// The signer that the configuration names; what is asked of a remote one is counted in `calls`.
pub(crate) fn signer(
    trust: &TrustConfig,
    calls: Option<&Arc<SignerCalls>>,
    watched: &mut Vec<Watched>,
) -> Result<(Arc<dyn RoleSigner>, KeyAlgorithm), StartError> {
    match trust {
        // the reference's keys in memory are of this kind, whatever is configured
        TrustConfig::Local => Ok((Arc::new(LocalSigner::new(Arc::new(SystemRandom::new()))), KeyAlgorithm::Ed25519)),
        TrustConfig::Remote(remote) => {
            let files = files_of_signer(remote);
            let contents: Vec<_> = files.iter().map(NamedFile::read).collect::<Result<_, _>>()?;
            let signer = GrpcSigner::new(settings(remote, &contents))?;
            let signer = Arc::new(match calls {
                Some(calls) => signer.counted_in(Arc::clone(calls)),
                None => signer,
            });
            if !files.is_empty() {
                let (shared, remote) = (Arc::clone(&signer), remote.clone());
                watched.push(Watched::start(files, move |contents| Ok(shared.replace(settings(&remote, contents))?))?);
            }
            Ok((signer, remote.key_algorithm))
        }
    }
}

/// The files in the order in which [`settings`] takes their contents.
pub(crate) fn files_of_signer(remote: &RemoteSigner) -> Vec<NamedFile> {
    let mut files = Vec::new();
    if let Some(client) = &remote.client {
        files.push(NamedFile::new("trust_service.tls_client_cert", &client.certificate));
        files.push(NamedFile::new("trust_service.tls_client_key", &client.key));
    }
    files.extend(remote.ca_file.as_ref().map(|path| NamedFile::new("trust_service.tls_ca_file", path)));
    files
}

pub(crate) fn settings(remote: &RemoteSigner, contents: &[Vec<u8>]) -> GrpcSettings {
    let (client, rest) = match (&remote.client, contents) {
        (Some(_), [certificate, key, rest @ ..]) => (Some((certificate.clone(), key.clone())), rest),
        (_, rest) => (None, rest),
    };
    let ca_pem = rest.first().cloned();
    GrpcSettings { host: remote.host.clone(), port: remote.port, ca_pem, client, deadline: SIGNER_DEADLINE }
}

fn authenticator(
    config: Option<TokenAuthConfig>,
    limits: &Limits,
    watched: &mut Vec<Watched>,
) -> Result<Authenticator, StartError> {
    let Some(config) = config else { return Ok(Authenticator::Open) };
    let file = NamedFile::new("auth.options.rootcertbundle", config.root_certificates);
    let path = file.path.clone();
    let read =
        move |pem: &[u8]| RootBundle::from_pem(pem).map_err(|source| StartError::Bundle { path: path.clone(), source });
    let bundle = Arc::new(SharedBundle::new(read(&file.read()?)?));
    let shared = Arc::clone(&bundle);
    watched.push(Watched::start(vec![file], move |contents| {
        shared.replace(read(contents.first().map(Vec::as_slice).unwrap_or_default())?);
        Ok(())
    })?);
    Ok(Authenticator::Token(Box::new(TokenRules {
        realm: config.realm,
        auto_redirect: config.auto_redirect,
        service: config.service,
        issuer: config.issuer,
        bundle,
        token_bytes: limits.token_bytes,
    })))
}
