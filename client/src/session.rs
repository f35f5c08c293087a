//! One repository's trust server, reached with the settings and credentials of docker or notary.

use ring::rand::SecureRandom;
use tuf_schema::{Gun, UtcTime};

use crate::cache::Cache;
use crate::config::{Config, ConfigError};
use crate::credentials::CredentialsError;
use crate::image::{ImageName, Tag, registry_of};
use crate::paths::system_registry_certificates;
use crate::registry::{Manifest, Reference, Registry, RegistryError};
use crate::remote::{Action, HttpRemote, Remote, RemoteError, TrustServer};
use crate::tls::{self, Scheme, Sources, TlsError};
use crate::trust::{Offline, UpdateError, Updated, update};

/// A trust server for one repository, or the reason why no connection came up, and the repository's cache.
pub struct Session {
    /// The repository.
    pub gun: Gun,
    /// The address.
    pub server: TrustServer,
    /// The server, or why no connection came up.
    pub remote: Result<HttpRemote, NoConnection>,
    /// The cache.
    pub cache: Cache,
    /// The user of the registry, if the stored credentials name one.
    pub user: Option<String>,
}

/// No connection came up: the one case that counts as being offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoConnection {
    /// Host and port.
    pub server: String,
    /// What the network said.
    pub why: String,
}

/// Why a server could not be talked to.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The settings say no usable address.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Stored credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The server refused, or could not prove who it is.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The registry did not name a manifest.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Session {
    /// Connects to the trust server of `gun`, which need not name an image.
    ///
    /// Credentials are those of the registry that the name begins with, else of the trust server itself.
    ///
    /// # Errors
    /// [`SessionError`]; that no connection came up is none yet.
    pub async fn open(config: &Config, gun: &Gun, action: Action) -> Result<Self, SessionError> {
        let server = config.trust_server(gun)?;
        let client = tls::client(&config.trust_server_tls(&server), Scheme::HttpsOnly, &config.proxies)?;
        let registry = registry_of(gun).unwrap_or(server.authority());
        let credentials = config.credentials.of_trust_server(registry).await?;
        let user = credentials.username().map(str::to_owned);
        let remote = match HttpRemote::connect(client, &server, gun, credentials, action).await {
            Err(RemoteError::Unreachable { server, why }) => Err(NoConnection { server, why }),
            other => Ok(other?),
        };
        let cache = config.cache(gun)?;
        Ok(Self { gun: gun.clone(), server, remote, cache, user })
    }

    /// Brings the repository's metadata up to date.
    ///
    /// # Errors
    /// [`UpdateError`].
    pub async fn update(&self, offline: Offline, now: UtcTime, rng: &dyn SecureRandom) -> Result<Updated, UpdateError> {
        let remote = self.remote.as_ref().map(|remote| remote as &dyn Remote).map_err(|no| no.clone().into());
        update(&self.gun, remote, &self.cache, offline, now, rng).await
    }
}

impl From<NoConnection> for RemoteError {
    fn from(NoConnection { server, why }: NoConnection) -> Self {
        Self::Unreachable { server, why }
    }
}

/// The repository of `image` in its registry.
///
/// # Errors
/// [`SessionError`].
pub async fn registry(config: &Config, image: &ImageName, action: Action) -> Result<Registry, SessionError> {
    let directories = vec![config.docker.tls(image.domain()), system_registry_certificates(image.domain())];
    let sources = Sources { directories, ..Sources::default() };
    let scheme = if image.is_loopback_registry() { Scheme::PlainOnLoopback } else { Scheme::HttpsOnly };
    let client = tls::client(&sources, scheme, &config.proxies)?;
    let credentials = config.credentials.of_registry(image.domain()).await?;
    Ok(Registry::new(client, image, credentials, action))
}

/// The manifest that `tag` names in the registry of `image` now.
///
/// # Errors
/// [`SessionError`].
pub async fn resolve(config: &Config, image: &ImageName, tag: &Tag) -> Result<Manifest, SessionError> {
    let registry = registry(config, image, Action::Pull).await?;
    Ok(registry.read(&Reference::Tag(tag.clone())).await?.manifest)
}
