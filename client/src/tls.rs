//! TLS for one server, as docker sets it up: system roots, plus the certificates in the server's directory. Or as notary
//! does: one authority and no other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, Url, redirect};

use crate::image::is_loopback_authority;
use crate::proxy::Proxies;
use crate::remote::failure::{PlainResolver, REDIRECTS};

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may stay silent while it answers.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a whole answer may take: a server that sends byte by byte must not hold a client for ever.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(300);

/// What every path to trust metadata has in it, and no other: no part of a repository's name begins so.
const METADATA_PATH: &str = "/_trust/";

/// What is in every path to a manifest of a registry, which may lead to where its bytes lie, at another server.
const MANIFEST_PATH: &str = "/manifests/";

/// Whether plain http may be spoken at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Never.
    HttpsOnly,
    /// Only for registries on this machine, as docker does.
    PlainOnLoopback,
}

impl Scheme {
    /// Whether a redirect may be followed that leads to `url`, after requests to `before`.
    ///
    /// None from trust metadata: the reference follows none there, and an upload that is redirected becomes a GET, whose
    /// answer says nothing of whether anything was stored. And none to another server, but from a manifest of a registry:
    /// what a token service is shown must not be handed on.
    fn follows(self, url: &Url, before: &[Url]) -> bool {
        let at_home = |first: &Url| first.origin() == url.origin() || is_manifest(first);
        self.allows(url)
            && before.len() <= REDIRECTS
            && before.first().is_some_and(at_home)
            && !before.iter().any(|url| url.path().contains(METADATA_PATH))
    }

    /// Whether a redirect may lead to `url`: plain http is for this machine only, wherever it began.
    fn allows(self, url: &Url) -> bool {
        let here = || url.host_str().is_some_and(is_loopback_authority);
        url.scheme() == "https" || (self == Self::PlainOnLoopback && url.scheme() == "http" && here())
    }
}

/// Where the TLS material for one server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Directories as docker lays them out; those that do not exist are skipped.
    pub directories: Vec<PathBuf>,
    /// A file with the only authorities to be trusted: not the system's, nor those of the directories.
    pub only_authority: Option<PathBuf>,
    /// What to show to the server instead of what the directories have.
    pub certificate: Option<ClientCertificate>,
}

/// The two files of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why no TLS client can be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A directory or file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no certificate or key that can be used.
    #[error("{path} holds no usable certificate or key", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: reqwest::Error,
    },
    /// A file that should name authorities names none.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// A client certificate without its key (docker's words).
    #[error("missing key {key} for client certificate {certificate}. CA certificates must use the extension .crt")]
    MissingKey {
        /// The file that is there.
        certificate: String,
        /// The file that is not.
        key: String,
    },
    /// A client key without its certificate (docker's words).
    #[error("missing client certificate {certificate} for key {key}")]
    MissingCertificate {
        /// The file that is not there.
        certificate: String,
        /// The file that is.
        key: String,
    },
    /// The client could not be put together.
    #[error("cannot set up TLS")]
    Client(#[source] reqwest::Error),
}

/// What a server's directories hold.
#[derive(Default)]
struct Material {
    authorities: Vec<Certificate>,
    identity: Option<Identity>,
}

/// An HTTP client that trusts the system's roots and every `*.crt` in the directories, or the one file of authorities,
/// and shows the client certificate that is named, or `X.cert` with `X.key` of the directories.
///
/// # Errors
/// [`TlsError`].
pub fn client(sources: &Sources, scheme: Scheme, proxies: &Proxies) -> Result<Client, TlsError> {
    let material = Material::of(sources)?;
    let mut builder = Client::builder()
        .tls_certs_only(material.authorities)
        .https_only(scheme == Scheme::HttpsOnly)
        .http1_only()
        .redirect(redirect::Policy::custom(move |attempt| {
            if scheme.follows(attempt.url(), attempt.previous()) { attempt.follow() } else { attempt.stop() }
        }))
        .dns_resolver(std::sync::Arc::new(PlainResolver))
        .user_agent(concat!("bulla/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .timeout(TOTAL_TIMEOUT);
    if let Some(identity) = material.identity {
        builder = builder.identity(identity);
    }
    proxies.apply(builder).build().map_err(TlsError::Client)
}

impl Material {
    /// What `sources` hold, with the system's authorities where they count.
    fn of(sources: &Sources) -> Result<Self, TlsError> {
        let mut material = Self::default();
        for directory in &sources.directories {
            material.read(directory)?;
        }
        match &sources.only_authority {
            Some(path) => material.authorities = authorities(path)?,
            // A system root that cannot be parsed is skipped, as every TLS library does; having none at all is fine when
            // the server's directory names its authority.
            None => {
                let system = rustls_native_certs::load_native_certs().certs;
                material.authorities.extend(system.iter().filter_map(|der| Certificate::from_der(der).ok()));
            }
        }
        if let Some(ClientCertificate { certificate, key }) = &sources.certificate {
            material.identity = Some(identity(certificate, key)?);
        }
        Ok(material)
    }

    fn read(&mut self, directory: &Path) -> Result<(), TlsError> {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(unreadable(directory)(source)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(unreadable(directory))?.path());
        }
        paths.sort();
        for path in paths {
            let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match path.extension().and_then(|e| e.to_str()) {
                Some("crt") => self.authorities.extend(authorities(&path)?),
                Some("cert") => {
                    let key = path.with_extension("key");
                    if !key.exists() {
                        return Err(TlsError::MissingKey { certificate: name(&path), key: name(&key) });
                    }
                    self.identity = Some(identity(&path, &key)?);
                }
                Some("key") => {
                    let certificate = path.with_extension("cert");
                    if !certificate.exists() {
                        return Err(TlsError::MissingCertificate { certificate: name(&certificate), key: name(&path) });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a URL is that of a manifest in a registry.
fn is_manifest(url: &Url) -> bool {
    url.path().strip_prefix("/v2/").is_some_and(|rest| rest.contains(MANIFEST_PATH))
}

/// The certificates of a PEM file.
fn authorities(path: &Path) -> Result<Vec<Certificate>, TlsError> {
    let pem = std::fs::read(path).map_err(unreadable(path))?;
    let found = Certificate::from_pem_bundle(&pem);
    let found = found.map_err(|source| TlsError::Unusable { path: path.to_owned(), source })?;
    if found.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(found) }
}

/// A client certificate and its key, of two PEM files.
fn identity(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
    let mut pem = zeroize::Zeroizing::new(std::fs::read(certificate).map_err(unreadable(certificate))?);
    let key_pem = zeroize::Zeroizing::new(std::fs::read(key).map_err(unreadable(key))?);
    pem.push(b'\n');
    pem.extend_from_slice(&key_pem);
    Identity::from_pem(&pem).map_err(|source| TlsError::Unusable { path: certificate.to_owned(), source })
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::Unreadable { path, source }
}

#[cfg(test)]
pub(crate) mod tests_support {
    /// A client that trusts what the system trusts.
    pub(crate) fn client() -> reqwest::Client {
        client_of(super::Scheme::HttpsOnly)
    }

    /// The same for servers that a scheme allows.
    pub(crate) fn client_of(scheme: super::Scheme) -> reqwest::Client {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        super::client(&super::Sources::default(), scheme, &super::Proxies::default()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scripted, answer};

    fn read(files: &[(&str, &str)]) -> Result<Material, TlsError> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let mut material = Material::default();
        material.read(directory.path()).map(|()| material)
    }

    const CERTIFICATE: &str = include_str!("../../tests/fixtures/keys/alice.crt");

    #[test]
    fn every_crt_file_is_an_authority_and_others_are_not() {
        let two = format!("{CERTIFICATE}{CERTIFICATE}");
        let material = read(&[("a.crt", CERTIFICATE), ("b.crt", &two), ("c.pem", CERTIFICATE)]).unwrap();
        assert_eq!(material.authorities.len(), 3);
        assert!(material.identity.is_none());
    }

    #[test]
    fn a_client_certificate_needs_its_key_and_the_other_way_round() {
        let error = read(&[("me.cert", CERTIFICATE)]).err().unwrap();
        assert_eq!(
            error.to_string(),
            "missing key me.key for client certificate me.cert. CA certificates must use the extension .crt"
        );
        let error = read(&[("me.key", "x")]).err().unwrap();
        assert_eq!(error.to_string(), "missing client certificate me.cert for key me.key");
        let key = include_str!("../../tests/fixtures/keys/alice.pkcs8.pem");
        assert!(read(&[("me.cert", CERTIFICATE), ("me.key", key)]).unwrap().identity.is_some());
    }

    #[test]
    fn an_authority_that_is_named_is_the_only_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        file("a.crt", CERTIFICATE);
        let named = Sources {
            directories: vec![directory.path().to_owned()],
            only_authority: Some(file("only.pem", CERTIFICATE)),
            certificate: None,
        };
        let material = Material::of(&named).unwrap();
        assert_eq!((material.authorities.len(), material.identity.is_some()), (1, false));
        let others = Material::of(&Sources { only_authority: None, ..named.clone() }).unwrap();
        assert!(!others.authorities.is_empty());
        // A bundle in which no certificate stands would have nothing trusted, and no word said of it.
        for (name, text) in [("empty.pem", ""), ("key.pem", include_str!("../../tests/fixtures/keys/alice.pkcs8.pem"))]
        {
            let path = file(name, text);
            let error = Material::of(&Sources { only_authority: Some(path.clone()), ..named.clone() }).err().unwrap();
            assert!(matches!(&error, TlsError::NoCertificate(p) if *p == path), "{error}");
        }
        let key = include_str!("../../tests/fixtures/keys/alice.pkcs8.pem");
        let certificate = ClientCertificate { certificate: file("me.pem", CERTIFICATE), key: file("me-key.pem", key) };
        assert!(Material::of(&Sources { certificate: Some(certificate), ..named }).unwrap().identity.is_some());
    }

    #[test]
    fn a_redirect_leads_to_plain_http_on_this_machine_only() {
        let allowed = |scheme: Scheme, url| scheme.allows(&Url::parse(url).unwrap());
        for url in ["http://n.test/", "http://127.0.0.1.n.test/", "http://localhost.n.test/", "file:///etc/passwd"] {
            assert!(!allowed(Scheme::HttpsOnly, url) && !allowed(Scheme::PlainOnLoopback, url), "{url}");
        }
        for url in ["http://localhost:5000/", "http://127.0.0.1/", "http://[::1]:1/"] {
            assert!(!allowed(Scheme::HttpsOnly, url) && allowed(Scheme::PlainOnLoopback, url), "{url}");
        }
        assert!(allowed(Scheme::HttpsOnly, "https://n.test/"));
    }

    #[test]
    fn only_a_manifest_may_lie_at_another_server() {
        let url = |text: &str| Url::parse(text).unwrap();
        let follows = |before: &[&str], next: &str| {
            let before: Vec<_> = before.iter().map(|text| url(text)).collect();
            Scheme::HttpsOnly.follows(&url(next), &before)
        };
        let elsewhere = ["https://b.test/token", "https://a.test:444/token", "https://x.a.test/token"];
        for first in ["https://a.test/token", "https://a.test/v2/", "https://a.test/x/v2/y/manifests/1"] {
            assert!(follows(&[first], "https://a.test/other"), "{first}");
            assert!(follows(&[first], "https://a.test:443/other"), "{first}");
            for next in elsewhere {
                assert!(!follows(&[first], next), "{first} {next}");
                assert!(!follows(&[first, "https://a.test/v2/y/manifests/1"], next), "{first} {next}");
            }
        }
        for next in elsewhere {
            assert!(follows(&["https://a.test/v2/y/manifests/1"], next), "{next}");
        }
        assert!(!follows(&[], "https://a.test/"));
        let five = ["https://a.test/"; 5];
        assert!(follows(&five, "https://a.test/"));
        assert!(!follows(&[five.as_slice(), &["https://a.test/"]].concat(), "https://a.test/"));
    }

    #[tokio::test]
    async fn a_registry_on_this_machine_cannot_send_a_reader_to_plain_http_elsewhere() {
        let elsewhere = |_: &str| answer("302 Found", &[("Location", "http://registry.invalid/")], "");
        let server = Scripted::start(elsewhere).await;
        let client = tests_support::client_of(Scheme::PlainOnLoopback);
        let response = client.get(format!("http://{}/v2/a/manifests/1", server.address)).send().await.unwrap();
        assert_eq!(response.status(), 302);
    }

    #[test]
    fn a_directory_that_is_not_there_adds_nothing() {
        assert!(Material::default().read(Path::new("/nonexistent/tls")).is_ok());
    }
}
