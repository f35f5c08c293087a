//! The signer: alone holds the keys a content-trust server signs snapshots and timestamps with, and signs for it over
//! gRPC with the contract of Notary v1.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bulla_traces::Export;
use ring::rand::SecureRandom;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tuf_schema::key::KeyId;

pub mod audit;
mod backend;
pub mod backup;
mod canary;
mod causes;
pub mod clock;
pub mod config;
mod excerpt;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod grpc;
mod http;
mod keyring;
pub mod life;
pub mod listen;
#[cfg(feature = "measuring")]
pub mod measuring;
pub mod memory;
mod metrics;
mod rate;
pub mod rewrap;
mod rights;
pub mod seal;
mod spans;
mod store;
mod tls;
pub mod token;

use audit::{Audit, Materials, OpenTrailError, Trail};
use backend::{KeyBackend, OpenedKeys, Places, SoftwareKeys, TokenKeys};
use causes::WithCauses;
use clock::Clock;
use config::{AllowedClients, CanarySettings, ClientTrust, Config};
use grpc::Measure;
use keyring::Keyring;
use metrics::Metrics;
use prometheus_client::metrics::gauge::Gauge;
use rate::RateLimits;
use seal::ProviderError;
use seal::passphrase::Alias;
pub use spans::TracingError;
pub use store::OpenStoreError;
use store::Store;
use tls::Tls;
pub use tls::TlsError;
use token::Token;

/// How often it is looked whether opened keys have been held for too long.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How often uses of keys are written down.
const TIDY_INTERVAL: Duration = Duration::from_secs(60);
/// How often the warning that any client is let in is repeated.
const WARNING_INTERVAL: Duration = Duration::from_secs(3600);

/// Where randomness comes from.
pub type Randomness = Arc<dyn SecureRandom + Send + Sync>;

/// A signer that is ready to serve.
pub struct Signer {
    keyring: Arc<Keyring>,
    measure: Measure,
    tls: Arc<Tls>,
    looks: Option<mpsc::Receiver<()>>,
    allowed: AllowedClients,
    canary: Option<CanarySettings>,
    export: Option<Export>,
}

/// The sockets a signer serves on.
pub struct Listeners {
    /// For gRPC over mutual TLS.
    pub grpc: TcpListener,
    /// For metrics and readiness over plain HTTP.
    pub http: Option<TcpListener>,
}

/// Why a signer does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// TLS cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The key store cannot be used.
    #[error(transparent)]
    Store(#[from] OpenStoreError),
    /// There is nothing to seal with.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The audit chain cannot be gone on with.
    #[error(transparent)]
    Audit(#[from] OpenTrailError),
    /// Requests cannot be traced as the configuration says.
    #[error(transparent)]
    Tracing(#[from] TracingError),
    /// The system gives no threads to ask tokens on.
    #[error("no thread can be started to ask tokens on")]
    Threads(#[source] io::Error),
}

/// Whether the files that the configuration names can be used. Asks no database.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn check(config: &Config) -> Result<(), TlsError> {
    Tls::start(config).map(|_| ())
}

/// The newest head of each signer's audit chain in the key database, as they are stored.
///
/// # Errors
/// When the database cannot be opened or read.
pub async fn stored_heads(config: &Config) -> Result<Vec<String>, StoredHeadsError> {
    let store = store::open(&config.storage).await?;
    store.heads().await.map_err(|error| StoredHeadsError::Read(Box::new(error)))
}

/// Why heads cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredHeadsError {
    /// The key store cannot be used.
    #[error(transparent)]
    Open(#[from] OpenStoreError),
    /// It does not answer.
    #[error("the heads of audit chains cannot be read")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Signer {
    /// Reads certificates and opens the key store.
    ///
    /// A passphrase that does not open the stored keys does not stop the start: keys of other aliases still sign,
    /// health says what is amiss, and no new key is made.
    ///
    /// # Errors
    /// [`StartError`] names the file or the variable.
    pub async fn open(config: &Config, clock: Arc<dyn Clock>, rng: Randomness) -> Result<Self, StartError> {
        let tls = Arc::new(Tls::start(config)?);
        let allowed = match &config.clients {
            ClientTrust::Authority { allowed, .. } => allowed.clone(),
            ClientTrust::AnyCertificate => AllowedClients::All,
        };
        let store = store::open(&config.storage).await?;
        let (tracer, export) = spans::start(config.tracing.as_ref(), &config.clients, &clock, &rng)?;
        let metrics = Metrics::new(config.clients == ClientTrust::AnyCertificate).telling_of(tracer.counts());
        let metrics = Arc::new(metrics);
        note_ends(&tls, &metrics);
        let limits = RateLimits::new(&config.limits.0, allowed.own_rates(), &clock);
        let audit = audit(config, &metrics, None, store.clone(), Arc::clone(&clock), Arc::clone(&rng)).await?;
        let trying_from = some_key_id(rng.as_ref());
        let backend = backend(config, &metrics, Arc::clone(&clock), rng)?;
        let keyring = Keyring::new(store.clone(), store.clone(), store, backend, Arc::clone(&clock), audit);
        let keyring = keyring.with_record_life(config.record_life).limited_by(limits);
        let keyring = keyring.trying_from(trying_from);
        for standing in keyring.look().await.amiss() {
            tracing::error!(%standing, "the signer is not ready; it starts, and what is locked neither signs nor is replaced");
        }
        keyring.tell_roleless().await;
        Ok(Self {
            keyring: Arc::new(keyring),
            measure: Measure { metrics, clock, tracer },
            tls,
            looks: None,
            allowed,
            canary: config.canary,
            export,
        })
    }

    /// The same signer, reading the files of TLS again whenever `looks` says so. New connections are accepted with what is
    /// new; open ones go on if their clients' certificates would be let in now, too.
    #[must_use]
    pub fn looking_at_files(self, looks: mpsc::Receiver<()>) -> Self {
        Self { looks: Some(looks), ..self }
    }

    /// Serves until `shutdown` completes; then ends what is under way and writes down what is in memory only.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn serve(self, listeners: Listeners, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
        let Self { keyring, measure, tls, looks, allowed, canary, export } = self;
        let metrics = Arc::clone(&measure.metrics);
        let any_client = metrics.lets_any_client_in();
        let serving =
            grpc::serve(Arc::clone(&keyring), any_client, measure, listeners.grpc, Arc::clone(&tls), allowed, shutdown);
        let served = tokio::select! {
            served = serving => served,
            () = tidy(&keyring) => Ok(()),
            () = sweep(&keyring) => Ok(()),
            () = look_at_rows(&keyring, &metrics) => Ok(()),
            () = try_keys(&keyring, canary, &metrics) => Ok(()),
            () = look_at_files(&tls, looks, &metrics) => Ok(()),
            () = warn(any_client) => Ok(()),
            () = keyring.audit().keep() => Ok(()),
            () = http::serve(listeners.http, Arc::clone(&keyring), Arc::clone(&metrics)) => Ok(()),
        };
        if let Err(error) = keyring.tidy().await {
            tracing::warn!(error = %WithCauses(&error), "the last uses of keys were not written down");
        }
        keyring.audit().close().await;
        if let Some(export) = export {
            export.end().await;
        }
        served
    }
}

/// Where uses of keys are recorded: a chain, if there is a directory for it. More than one process must not write one chain,
/// so that each but the one that serves is a `part` with a chain of its own.
async fn audit(
    config: &Config,
    metrics: &Arc<Metrics>,
    part: Option<&str>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    rng: Randomness,
) -> Result<Audit, StartError> {
    let audit = Audit::new(Arc::clone(metrics));
    let Some(settings) = &config.audit else {
        tracing::warn!(target: config::WARNING_TARGET, "{}", config::ConfigWarning::NoAuditChain);
        return Ok(audit);
    };
    let (alias, sealing) = sealing(config, &clock, Arc::clone(&rng))?;
    let opened = OpenedKeys::new(config.opened_keys, Gauge::default());
    let keys = SoftwareKeys::new(sealing, alias, opened, Arc::clone(&clock), Arc::clone(&rng));
    let trail = Trail::open(settings, part, Materials { store, keys, clock, rng }).await?;
    Ok(audit.with_trail(trail))
}

/// Where what an operator does beside running signers is recorded, in a chain by the name of the verb. Of two that are at
/// the same at once one gets it.
async fn operator_audit(
    config: &Config,
    verb: &str,
    clock: Arc<dyn Clock>,
    rng: Randomness,
) -> Result<Audit, StartError> {
    let metrics = Arc::new(Metrics::new(false));
    if config.audit.is_none() {
        return Ok(Audit::new(metrics));
    }
    audit(config, &metrics, Some(verb), store::open(&config.storage).await?, clock, rng).await
}

/// What makes and opens keys as the configuration says.
fn backend(
    config: &Config,
    metrics: &Metrics,
    clock: Arc<dyn Clock>,
    rng: Randomness,
) -> Result<Box<dyn KeyBackend>, StartError> {
    let (alias, sealing) = sealing(config, &clock, Arc::clone(&rng))?;
    let opened = OpenedKeys::new(config.opened_keys, metrics.opened_keys());
    let tokens = TokenKeys::new(&config.tokens, &clock, Arc::clone(&rng)).map_err(StartError::Threads)?;
    let software = SoftwareKeys::new(sealing, alias, opened, clock, rng);
    Ok(Box::new(Places::new(software, tokens, config.new_keys.clone())))
}

/// What keys are sealed with and opened by, and the alias of new ones.
fn sealing(
    config: &Config,
    clock: &Arc<dyn Clock>,
    rng: Randomness,
) -> Result<(Alias, Arc<seal::Sealing>), StartError> {
    // threads and sessions of their own, and none where no alias names the token
    let mut tokens = BTreeMap::new();
    for settings in config.tokens.iter().filter(|settings| config.sealing.wraps_with(&settings.name)) {
        let token = Token::new(settings.clone(), Arc::clone(clock)).map_err(StartError::Threads)?;
        tokens.insert(settings.name.clone(), Arc::new(token));
    }
    let (sealing, alias) = seal::Sealing::from_config(&config.sealing, &tokens, rng)?;
    Ok((alias, Arc::new(sealing)))
}

/// Looks at the files of TLS whenever it is told to, for ever.
async fn look_at_files(tls: &Tls, looks: Option<mpsc::Receiver<()>>, metrics: &Metrics) {
    if let Some(mut looks) = looks {
        while looks.recv().await.is_some() {
            tls.look_and_tell();
            note_ends(tls, metrics);
        }
    }
    std::future::pending().await
}

fn note_ends(tls: &Tls, metrics: &Metrics) {
    tls.in_force().ends().for_each(|(key, end)| metrics.note_certificate(key, end));
}

/// Tidies the keyring for ever.
async fn tidy(keyring: &Keyring) {
    let mut ticks = tokio::time::interval(TIDY_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = keyring.tidy().await {
            tracing::warn!(error = %WithCauses(&error), "uses of keys were not written down; the next time they will be");
        }
    }
}

/// Looks once whether there are rows that no secret opens, beside the serving: they may be many.
async fn look_at_rows(keyring: &Keyring, metrics: &Metrics) {
    if let Some(count) = keyring.tell_unreadable().await {
        metrics.note_unreadable_keys(count);
    }
    std::future::pending().await
}

/// Tries a few keys now and then, for ever, if that is wanted.
async fn try_keys(keyring: &Keyring, canary: Option<CanarySettings>, metrics: &Metrics) {
    let Some(CanarySettings { interval, keys }) = canary else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match keyring.try_keys(keys).await {
            Ok(told) => metrics.note_canaries(&told),
            Err(error) => tracing::warn!(error = %WithCauses(&error), "no keys were tried; the next time they will be"),
        }
    }
}

/// A place among the ids of keys. Without randomness the first one: nothing secret hangs on it.
fn some_key_id(rng: &dyn SecureRandom) -> KeyId {
    let mut bytes = [0; 4];
    let _ = rng.fill(&mut bytes);
    KeyId::from_wire(&hex::encode(bytes))
}

/// Drops opened keys at the end of their time, for ever.
async fn sweep(keyring: &Keyring) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        keyring.sweep();
    }
}

/// Warns for ever, if there is something to warn of. The first warning is given at start, with the others.
async fn warn(any_client: bool) {
    let mut ticks = tokio::time::interval(WARNING_INTERVAL);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if any_client {
            tracing::warn!(target: config::WARNING_TARGET, "{}", config::ConfigWarning::AnyClient);
        }
    }
}
