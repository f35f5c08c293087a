//! Where docker keeps what a client needs: configuration, TLS material, private keys and trusted metadata.

use std::path::{Path, PathBuf};

use tuf_schema::{Gun, KeyId, Role};

/// Docker's configuration directory: `$DOCKER_CONFIG`, else `~/.docker`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerDirectory(PathBuf);

impl DockerDirectory {
    /// The directory at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The directory itself.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// `config.json`: stored credentials and their helpers.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.0.join("config.json")
    }

    /// `tls/HOST:PORT`: certificate authorities and client certificates for one server.
    #[must_use]
    pub fn tls(&self, authority: &str) -> PathBuf {
        self.0.join("tls").join(authority)
    }

    /// `trust`: keys and metadata.
    #[must_use]
    pub fn trust(&self) -> TrustDirectory {
        TrustDirectory(self.0.join("trust"))
    }
}

/// `/etc/docker/certs.d/HOST:PORT`: certificate authorities of a registry, as the engine reads them.
#[must_use]
pub fn system_registry_certificates(authority: &str) -> PathBuf {
    Path::new("/etc/docker/certs.d").join(authority)
}

/// The trust directory that docker, notary and this client share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDirectory(PathBuf);

impl TrustDirectory {
    /// The directory at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The directory itself.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// Our own file: pins.
    #[must_use]
    pub fn own_file(&self) -> PathBuf {
        self.0.join("bulla.json")
    }

    /// Which images need which signers.
    #[must_use]
    pub fn policy_file(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    /// The directory of private keys.
    #[must_use]
    pub fn private(&self) -> PathBuf {
        self.0.join("private")
    }

    /// The file of one private key; `id` is that of the bare public key, for root keys too.
    #[must_use]
    pub fn private_key(&self, id: &KeyId) -> PathBuf {
        self.private().join(format!("{id}.key"))
    }

    /// The file that says where on a token a private key is.
    #[must_use]
    pub fn token_stub(&self, id: &KeyId) -> PathBuf {
        self.private().join(format!("{id}.token"))
    }

    /// The directory of the trusted documents of all repositories.
    #[must_use]
    pub fn metadata_of_all(&self) -> PathBuf {
        self.0.join("tuf")
    }

    /// The directory of what is kept of one repository; those of others may lie in it.
    #[must_use]
    pub fn repository(&self, gun: &Gun) -> PathBuf {
        self.metadata_of_all().join(gun.as_str())
    }

    /// The directory of the changes that are staged for one repository.
    #[must_use]
    pub fn changelist(&self, gun: &Gun) -> PathBuf {
        self.repository(gun).join("changelist")
    }

    /// The directory that holds the trusted documents of one repository.
    #[must_use]
    pub fn repository_metadata(&self, gun: &Gun) -> PathBuf {
        self.repository(gun).join("metadata")
    }

    /// The file that processes of this client lock while they publish to one repository.
    #[must_use]
    pub fn lock(&self, gun: &Gun) -> PathBuf {
        self.metadata_of_all().join(gun.as_str()).join(".bulla-publish.lock")
    }

    /// The file that holds the trusted document of one role.
    #[must_use]
    pub fn metadata(&self, gun: &Gun, role: &Role) -> PathBuf {
        self.repository_metadata(gun).join(format!("{role}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_lies_where_docker_looks_for_it() {
        let trust = DockerDirectory::new("/h/.docker".into()).trust();
        let gun = Gun::parse("registry.test:5000/library/nginx").unwrap();
        let role = Role::parse("targets/releases").unwrap();
        assert_eq!(
            trust.metadata(&gun, &role),
            Path::new("/h/.docker/trust/tuf/registry.test:5000/library/nginx/metadata/targets/releases.json")
        );
    }
}
