//! What the environment decides: directories, the trust server, passphrases. Read once, at the start.

use std::ffi::OsString;
use std::path::PathBuf;

use tuf_schema::sign::Passphrase;

use crate::image::ImageName;
use crate::paths::DockerDirectory;
use crate::proxy::Proxies;
use crate::remote::TrustServer;

/// Docker's trust server for its own registry.
const DOCKER_HUB_TRUST_SERVER: &str = "https://notary.docker.io";

/// The settings of one run.
#[derive(Debug)]
pub struct Config {
    /// Docker's configuration directory.
    pub docker: DockerDirectory,
    /// `DOCKER_CONTENT_TRUST_SERVER`, unchecked: it is an error only when it is used.
    trust_server: Option<String>,
    /// Proxies on the way to others.
    pub proxies: Proxies,
    /// Passphrases that need not be asked for.
    pub passphrases: EnvironmentPassphrases,
}

/// Passphrases given in the environment; docker's variables come before notary's.
#[derive(Debug, Default)]
pub struct EnvironmentPassphrases {
    /// For root keys: `DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE`, `NOTARY_ROOT_PASSPHRASE`.
    pub root: Vec<Passphrase>,
    /// For targets keys: `DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE`, `NOTARY_TARGETS_PASSPHRASE`.
    pub targets: Vec<Passphrase>,
    /// For snapshot keys: `DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE`, `NOTARY_SNAPSHOT_PASSPHRASE`.
    pub snapshot: Vec<Passphrase>,
    /// For signers' keys: `DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE`, `NOTARY_DELEGATION_PASSPHRASE`.
    pub signer: Vec<Passphrase>,
}

/// Why the settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Neither `DOCKER_CONFIG` nor `HOME` says where docker's directory is.
    #[error("cannot find docker's directory: neither HOME nor DOCKER_CONFIG is set")]
    NoHome,
    /// A trust server that is not an https URL (docker's words).
    #[error("valid https URL required for trust server, got {0}")]
    TrustServer(String),
}

impl Config {
    /// The settings of this process.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`].
    pub fn from_process() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// The settings that `variable` tells, asked by name. Empty variables count as unset, as in docker.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`].
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let docker = match (set("DOCKER_CONFIG"), set("HOME")) {
            (Some(directory), _) => PathBuf::from(directory),
            (None, Some(home)) => PathBuf::from(home).join(".docker"),
            (None, None) => return Err(ConfigError::NoHome),
        };
        let passphrases =
            |names: [&str; 2]| names.into_iter().filter_map(text).map(Passphrase::from_text).collect::<Vec<_>>();
        const REPOSITORY: &str = "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE";
        Ok(Self {
            docker: DockerDirectory::new(docker),
            trust_server: text("DOCKER_CONTENT_TRUST_SERVER"),
            proxies: Proxies::from_variables(text),
            passphrases: EnvironmentPassphrases {
                root: passphrases(["DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "NOTARY_ROOT_PASSPHRASE"]),
                targets: passphrases([REPOSITORY, "NOTARY_TARGETS_PASSPHRASE"]),
                snapshot: passphrases([REPOSITORY, "NOTARY_SNAPSHOT_PASSPHRASE"]),
                signer: passphrases([REPOSITORY, "NOTARY_DELEGATION_PASSPHRASE"]),
            },
        })
    }

    /// The trust server for `image`: the one set, else docker's for its own registry, else the registry's host.
    ///
    /// # Errors
    /// [`ConfigError::TrustServer`] when it is no https URL.
    pub fn trust_server(&self, image: &ImageName) -> Result<TrustServer, ConfigError> {
        let url = match &self.trust_server {
            Some(url) => url.clone(),
            None if image.is_docker_hub() => DOCKER_HUB_TRUST_SERVER.to_owned(),
            None => format!("https://{}", image.domain()),
        };
        TrustServer::parse(&url).ok_or(ConfigError::TrustServer(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_variables(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
    }

    fn server(variables: &[(&str, &str)], image: &str) -> Result<String, ConfigError> {
        let variables = [variables, &[("HOME", "/h")]].concat();
        Ok(config(&variables)?.trust_server(&ImageName::parse(image).unwrap())?.to_string())
    }

    #[test]
    fn dockers_directory_is_below_home_unless_docker_config_is_set() {
        assert_eq!(config(&[("HOME", "/h")]).unwrap().docker, DockerDirectory::new("/h/.docker".into()));
        let both = [("HOME", "/h"), ("DOCKER_CONFIG", "/d")];
        assert_eq!(config(&both).unwrap().docker, DockerDirectory::new("/d".into()));
        assert_eq!(config(&[("HOME", "")]).unwrap_err(), ConfigError::NoHome);
    }

    #[test]
    fn the_registrys_host_is_the_default_trust_server() {
        assert_eq!(server(&[], "registry.test:5000/app").unwrap(), "https://registry.test:5000");
        assert_eq!(server(&[], "nginx").unwrap(), "https://notary.docker.io");
        let set = [("DOCKER_CONTENT_TRUST_SERVER", "https://n.test:4443/path")];
        assert_eq!(server(&set, "nginx").unwrap(), "https://n.test:4443/path");
    }

    #[test]
    fn a_trust_server_without_https_is_refused_in_dockers_words() {
        for url in ["http://n.test", "http://localhost:4443", "n.test", "ftp://n.test", "https://"] {
            let error = server(&[("DOCKER_CONTENT_TRUST_SERVER", url)], "a.test/b").unwrap_err();
            assert_eq!(error.to_string(), format!("valid https URL required for trust server, got {url}"));
        }
    }

    #[test]
    fn dockers_passphrase_comes_before_notarys() {
        let both = [
            ("HOME", "/h"),
            ("NOTARY_TARGETS_PASSPHRASE", "second"),
            ("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "first"),
        ];
        let passphrases = config(&both).unwrap().passphrases;
        let texts: Vec<_> = passphrases.targets.iter().map(|p| p.expose().to_vec()).collect();
        assert_eq!(texts, [b"first".to_vec(), b"second".to_vec()]);
        assert!(passphrases.root.is_empty());
    }
}
