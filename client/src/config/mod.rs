//! What the command line, the environment and notary's configuration decide: directories, the trust server, TLS files.
//!
//! Read once, at the start. What the command line says comes first, then docker's variables, then notary's file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tuf_schema::Gun;

mod document;
mod notary_file;
mod own_file;
mod pins;

pub use crate::keys::passphrase::EnvironmentPassphrases;
pub use pins::Pins;
pub(crate) use pins::{PinsOfFile, WrittenPins};

use crate::cache::Cache;
use crate::credentials;
use crate::image::{DOCKER_HUB, registry_of};
use crate::keys::token::Module;
use crate::paths::{DockerDirectory, TrustDirectory};
use crate::policy::{Policy, PolicyError};
use crate::proxy::Proxies;
use crate::remote::TrustServer;
use crate::tls::{ClientCertificate, Sources};
use crate::trust::Offline;
use notary_file::NotaryFile;
use own_file::OwnFile;
pub(crate) use own_file::pinned_files;

/// Docker's trust server for its own registry.
const DOCKER_HUB_TRUST_SERVER: &str = "https://notary.docker.io";

/// What the command line says of where things are.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Docker's configuration directory; docker's own option, not one of ours.
    pub docker_directory: Option<PathBuf>,
    /// The trust directory.
    pub trust_directory: Option<PathBuf>,
    /// notary's configuration file.
    pub notary_file: Option<PathBuf>,
    /// The trust server.
    pub server: Option<String>,
    /// The one authority of the trust server.
    pub authority: Option<PathBuf>,
    /// The certificate shown to the trust server.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The policy.
    pub policy: Option<PathBuf>,
}

impl Flags {
    /// The same as arguments, for a command that is to look at the same places.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let named = [
            ("--trust-dir", path(&self.trust_directory)),
            ("--config", path(&self.notary_file)),
            ("--server", self.server.clone()),
            ("--tlscacert", path(&self.authority)),
            ("--tlscert", path(&self.certificate)),
            ("--tlskey", path(&self.key)),
            ("--policy", path(&self.policy)),
        ];
        let given = named.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
        given.flatten().collect()
    }
}

/// The settings of one run.
#[derive(Debug)]
pub struct Config {
    /// Docker's configuration directory.
    pub docker: DockerDirectory,
    /// Keys and trusted metadata.
    pub trust: TrustDirectory,
    /// Unchecked: it is an error only when it is used.
    trust_server: Option<String>,
    authority: Option<PathBuf>,
    certificate: Option<ClientCertificate>,
    /// What must vouch for the roots of repositories.
    pub pins: Pins,
    /// Which images need which signers, if anything says so.
    pub policy: Option<Policy>,
    /// Whether our own file lets cached trust data do where the trust server cannot be reached.
    allow_cached: bool,
    /// The PKCS #11 library through which tokens are reached, if one is named.
    pub pkcs11_module: Option<Module>,
    /// Where credentials may be.
    pub credentials: credentials::Sources,
    /// Proxies on the way to others.
    pub proxies: Proxies,
    /// What the user should know of the settings.
    pub warnings: Vec<String>,
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
    /// A name that does not begin with a host, and nothing else says where its trust server is.
    #[error(
        "no trust server for {0}, whose name does not begin with a host: name one with --server, in \
         DOCKER_CONTENT_TRUST_SERVER, or in remote_server.url of notary's configuration"
    )]
    NoTrustServer(Gun),
    /// A file cannot be read.
    #[error("cannot read the configuration {path}: {why}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file is not what it should be.
    #[error("the configuration {path} cannot be used: {why}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The file of a pinned authority cannot be used (the reference's words).
    #[error("could not load root cert from CA path {path}: {why}; put the authority's certificate there, or change the pin", path = path.display())]
    PinnedAuthority {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A repository is pinned under another spelling of its host.
    #[error("{pinned} means {gun}, too, and spells its host otherwise: ask for {meant}, or pin {gun} as well")]
    PinnedSpelling {
        /// The repository, as it was named.
        gun: Gun,
        /// The pin, and where it stands.
        pinned: String,
        /// The repository as it is spelled there.
        meant: String,
    },
    /// The policy cannot be used, and nothing is decided without it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A client certificate without its key, or the reverse.
    #[error("a client certificate takes two files, its certificate and its key; only {path} is named", path = .0.display())]
    HalfClientCertificate(PathBuf),
}

impl Config {
    /// The settings of this process.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_process(flags: &Flags) -> Result<Self, ConfigError> {
        Self::read(flags, process_variable)
    }

    /// The settings that `flags` and `variable`, asked by name, tell. Empty variables count as unset, as in docker.
    ///
    /// notary's file is the one that the flags name, else `config.json` in the trust directory that they name.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(flags: &Flags, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let home = set(&variable, "HOME").map(PathBuf::from);
        let docker = match (&flags.docker_directory, set(&variable, "DOCKER_CONFIG"), &home) {
            (Some(directory), _, _) => directory.clone(),
            (None, Some(directory), _) => PathBuf::from(directory),
            (None, None, Some(home)) => home.join(".docker"),
            (None, None, None) => return Err(ConfigError::NoHome),
        };
        let docker = DockerDirectory::new(docker);
        let notary = notary_file(flags, home.as_deref())?;
        let trust_directory = flags.trust_directory.clone().or(notary.trust_directory);
        let authority = flags.authority.clone().or(notary.authority);
        // Both or neither of each: a key of the file does not fit a certificate of the command line.
        let certificate = match pair(flags.certificate.clone(), flags.key.clone())? {
            Some(certificate) => Some(certificate),
            None => pair(notary.certificate, notary.key)?,
        };
        let text = |name: &str| text(&variable, name);
        let proxies = Proxies::from_variables(text);
        let credentials = credentials::Sources::new(docker.config_file(), &variable);
        let trust = trust_directory.map_or_else(|| docker.trust(), TrustDirectory::new);
        let own = OwnFile::read(&trust.own_file())?;
        let policy = match &flags.policy {
            Some(path) => Some(Policy::named(path)?),
            None => Policy::if_there(&trust.policy_file())?,
        };
        let (policy, pinned) = policy.unzip();
        Ok(Self {
            pins: Pins::new(pinned.flatten().into_iter().chain(own.pins).chain(notary.pins)),
            policy,
            allow_cached: own.allow_cached,
            pkcs11_module: pkcs11_module(&variable, own.module),
            trust,
            docker,
            trust_server: flags.server.clone().or_else(|| text("DOCKER_CONTENT_TRUST_SERVER")).or(notary.server),
            authority,
            certificate,
            credentials,
            warnings: notary.warnings.into_iter().chain(proxies.unusable().iter().map(unusable_proxy)).collect(),
            proxies,
        })
    }

    /// The trust server for `gun`: the one set, else docker's for its own registry, else the host that the name begins
    /// with.
    ///
    /// # Errors
    /// [`ConfigError::TrustServer`] when it is no https URL, [`ConfigError::NoTrustServer`] when there is none.
    pub fn trust_server(&self, gun: &Gun) -> Result<TrustServer, ConfigError> {
        let url = match (&self.trust_server, registry_of(gun)) {
            (Some(url), _) => url.clone(),
            (None, Some(DOCKER_HUB)) => DOCKER_HUB_TRUST_SERVER.to_owned(),
            (None, Some(registry)) => format!("https://{registry}"),
            (None, None) => return Err(ConfigError::NoTrustServer(gun.clone())),
        };
        TrustServer::parse(&url).ok_or(ConfigError::TrustServer(url))
    }

    /// The cache of `gun` with what is pinned for it.
    ///
    /// # Errors
    /// [`ConfigError::PinnedAuthority`].
    pub fn cache(&self, gun: &Gun) -> Result<Cache, ConfigError> {
        Ok(Cache::new(self.trust.clone(), gun.clone()).pinned(self.pins.of(gun)?))
    }

    /// What a verb that reads does without the trust server: fails, unless its arguments or our own file allow the cache.
    #[must_use]
    pub fn offline(&self, allowed: bool) -> Offline {
        if allowed || self.allow_cached { Offline::UseCache } else { Offline::Refuse }
    }

    /// Where the TLS material for a trust server is: what flags or notary's file name, else docker's directory for it.
    #[must_use]
    pub fn trust_server_tls(&self, server: &TrustServer) -> Sources {
        Sources {
            directories: vec![self.docker.tls(server.authority())],
            only_authority: self.authority.clone(),
            certificate: self.certificate.clone(),
        }
    }
}

/// A variable of this process' environment.
#[must_use]
pub fn process_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn set(variable: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<OsString> {
    variable(name).filter(|value| !value.is_empty())
}

fn text(variable: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<String> {
    set(variable, name).and_then(|value| value.into_string().ok())
}

fn pkcs11_module(variable: &impl Fn(&str) -> Option<OsString>, of_directory: Option<PathBuf>) -> Option<Module> {
    let of_environment = set(variable, "BULLA_PKCS11_MODULE").map(|file| Module::OfEnvironment(file.into()));
    of_environment.or_else(|| of_directory.map(Module::OfDirectory))
}

fn notary_file(flags: &Flags, home: Option<&Path>) -> Result<NotaryFile, ConfigError> {
    if let Some(path) = &flags.notary_file {
        let missing = || ConfigError::Unreadable { path: path.clone(), why: "there is no such file".to_owned() };
        return NotaryFile::read(path, home)?.ok_or_else(missing);
    }
    let Some(directory) = &flags.trust_directory else { return Ok(NotaryFile::default()) };
    Ok(NotaryFile::read(&directory.join("config.json"), home)?.unwrap_or_default())
}

fn pair(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<ClientCertificate>, ConfigError> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(ClientCertificate { certificate, key })),
        (Some(path), None) | (None, Some(path)) => Err(ConfigError::HalfClientCertificate(path)),
        (None, None) => Ok(None),
    }
}

fn unusable_proxy(variable: &&'static str) -> String {
    format!("{variable} names no http or https proxy and is not used: what it is for goes straight")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &Flags, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(flags, |name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
    }

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        read(&Flags::default(), variables)
    }

    fn server(variables: &[(&str, &str)], gun: &str) -> Result<String, ConfigError> {
        let variables = [variables, &[("HOME", "/h")]].concat();
        Ok(config(&variables)?.trust_server(&Gun::parse(gun).unwrap())?.to_string())
    }

    /// A directory with notary's configuration, as `config.json`.
    fn notary(text: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), text).unwrap();
        directory
    }

    #[test]
    fn dockers_directory_is_below_home_unless_docker_config_is_set() {
        assert_eq!(config(&[("HOME", "/h")]).unwrap().docker, DockerDirectory::new("/h/.docker".into()));
        let both = [("HOME", "/h"), ("DOCKER_CONFIG", "/d")];
        assert_eq!(config(&both).unwrap().docker, DockerDirectory::new("/d".into()));
        let flags = Flags { docker_directory: Some("/o".into()), ..Flags::default() };
        assert_eq!(read(&flags, &both).unwrap().docker, DockerDirectory::new("/o".into()));
        assert_eq!(config(&[("HOME", "")]).unwrap_err(), ConfigError::NoHome);
    }

    #[test]
    fn the_host_of_the_name_is_the_default_trust_server() {
        assert_eq!(server(&[], "registry.test:5000/app").unwrap(), "https://registry.test:5000");
        assert_eq!(server(&[], "docker.io/library/nginx").unwrap(), "https://notary.docker.io");
        let set = [("DOCKER_CONTENT_TRUST_SERVER", "https://n.test:4443/path")];
        assert_eq!(server(&set, "docker.io/library/nginx").unwrap(), "https://n.test:4443/path");
        assert_eq!(server(&set, "collection").unwrap(), "https://n.test:4443/path");
    }

    #[test]
    fn a_name_without_a_host_needs_a_trust_server() {
        for name in ["collection", "team/app", "me@evil.test/app", "a b.test/c"] {
            let gun = Gun::parse(name).unwrap();
            assert_eq!(server(&[], name), Err(ConfigError::NoTrustServer(gun)), "{name}");
        }
    }

    #[test]
    fn a_trust_server_without_https_is_refused_in_dockers_words() {
        for url in ["http://n.test", "http://localhost:4443", "n.test", "ftp://n.test", "https://"] {
            let error = server(&[("DOCKER_CONTENT_TRUST_SERVER", url)], "a.test/b").unwrap_err();
            assert_eq!(error.to_string(), format!("valid https URL required for trust server, got {url}"));
        }
    }

    #[test]
    fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
        let file = notary(r#"{"trust_dir": "/t", "remote_server": {"url": "https://file.test"}}"#);
        let flags = Flags { notary_file: Some(file.path().join("config.json")), ..Flags::default() };
        let gun = Gun::parse("a.test/b").unwrap();
        let used = |flags: &Flags, variables: &[(&str, &str)]| {
            let config = read(flags, variables).unwrap();
            (config.trust_server(&gun).unwrap().to_string(), config.trust.as_path().display().to_string())
        };
        assert_eq!(used(&flags, &[("HOME", "/h")]), ("https://file.test".into(), "/t".into()));
        let variables = [("HOME", "/h"), ("DOCKER_CONTENT_TRUST_SERVER", "https://variable.test")];
        assert_eq!(used(&flags, &variables), ("https://variable.test".into(), "/t".into()));
        let (server, trust_directory) = (Some("https://flag.test".to_owned()), Some("/d".into()));
        let flags = Flags { server, trust_directory, ..flags };
        assert_eq!(used(&flags, &variables), ("https://flag.test".into(), "/d".into()));
    }

    #[test]
    fn a_trust_directory_that_is_named_brings_the_configuration_in_it() {
        let directory = notary(r#"{"remote_server": {"url": "https://file.test"}}"#);
        let flags = Flags { trust_directory: Some(directory.path().to_owned()), ..Flags::default() };
        let server = |flags: &Flags, home: &str| {
            let gun = Gun::parse("a.test/b").unwrap();
            read(flags, &[("HOME", home)]).unwrap().trust_server(&gun).unwrap().to_string()
        };
        assert_eq!(server(&flags, "/h"), "https://file.test");
        // Docker's own directory may have a file of this name, which is not notary's.
        std::fs::create_dir_all(directory.path().join(".docker/trust")).unwrap();
        std::fs::copy(directory.path().join("config.json"), directory.path().join(".docker/config.json")).unwrap();
        assert_eq!(server(&Flags::default(), directory.path().to_str().unwrap()), "https://a.test");
    }

    #[test]
    fn the_cache_is_read_by_permission_only() {
        let offline = |text: Option<&str>, asked: bool| {
            let directory = tempfile::tempdir().unwrap();
            if let Some(text) = text {
                std::fs::write(directory.path().join("bulla.json"), text).unwrap();
            }
            let flags = Flags { trust_directory: Some(directory.path().to_owned()), ..Flags::default() };
            read(&flags, &[("HOME", "/h")]).unwrap().offline(asked)
        };
        assert_eq!(offline(None, false), Offline::Refuse);
        assert_eq!(offline(None, true), Offline::UseCache);
        assert_eq!(offline(Some(r#"{"allow_cached": true}"#), false), Offline::UseCache);
        assert_eq!(offline(Some(r#"{"allow_cached": false}"#), false), Offline::Refuse);
        // The command line comes before the file.
        assert_eq!(offline(Some(r#"{"allow_cached": false}"#), true), Offline::UseCache);
    }

    #[test]
    fn a_configuration_that_is_named_must_be_there() {
        let flags = Flags { notary_file: Some("/nonexistent/c.json".into()), ..Flags::default() };
        let error = read(&flags, &[("HOME", "/h")]).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the configuration /nonexistent/c.json: there is no such file");
    }

    #[test]
    fn tls_files_of_the_command_line_replace_those_of_the_file() {
        let file = notary(r#"{"remote_server": {"root_ca": "ca.pem", "tls_client_cert": "c", "tls_client_key": "k"}}"#);
        let place = |name: &str| file.path().join(name);
        let flags = Flags { notary_file: Some(place("config.json")), ..Flags::default() };
        let sources = |flags: &Flags| {
            let config = read(flags, &[("HOME", "/h")]).unwrap();
            config.trust_server_tls(&TrustServer::parse("https://n.test:1/x").unwrap())
        };
        let found = sources(&flags);
        assert_eq!(found.directories, [PathBuf::from("/h/.docker/tls/n.test:1")]);
        assert_eq!(found.only_authority, Some(place("ca.pem")));
        assert_eq!(found.certificate, Some(ClientCertificate { certificate: place("c"), key: place("k") }));
        let pair = |text: &str| Some(PathBuf::from(text));
        let flags = Flags { authority: pair("a"), certificate: pair("b"), key: pair("c"), ..flags };
        let found = sources(&flags);
        assert_eq!(found.only_authority, pair("a"));
        assert_eq!(found.certificate, Some(ClientCertificate { certificate: "b".into(), key: "c".into() }));
        let flags = Flags { key: None, ..flags };
        let error = read(&flags, &[("HOME", "/h")]).unwrap_err();
        assert_eq!(error, ConfigError::HalfClientCertificate("b".into()));
    }
}
