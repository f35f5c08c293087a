//! The files that TLS is made of, read again when they change, and what is in force of them.
//!
//! Certificates are renewed every few weeks, often by a program that writes one file after the other. Each look reads
//! the content, which is a few kilobytes, because times and inodes say nothing certain on the file systems that
//! container platforms mount. What cannot be used leaves what was there before in force.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::CertificateDer;
use tokio_rustls::TlsAcceptor;
use tuf_schema::{Sha256, UtcTime};
use zeroize::Zeroizing;

use super::{TlsError, certificates, end, server_config, verifier};
use crate::causes::WithCauses;
use crate::config::{ClientTrust, Config};

/// A file and the key of the configuration that names it.
#[derive(Debug)]
pub(super) struct NamedFile {
    pub(super) key: &'static str,
    pub(super) path: PathBuf,
}

/// What a file holds; it may be a private key.
pub(super) struct Content<'a> {
    pub(super) file: &'a NamedFile,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// What connections are accepted with.
pub(crate) struct Tls {
    files: Files,
    in_force: ArcSwap<InForce>,
    /// What the files held at the last look, whether or not it could be used.
    seen: Mutex<Fingerprints>,
}

struct Files {
    certificate: NamedFile,
    key: NamedFile,
    /// Absent where any certificate is let in.
    authorities: Option<NamedFile>,
}

/// The files as they were read at one time.
struct Read<'a> {
    certificate: Result<Content<'a>, TlsError>,
    key: Result<Content<'a>, TlsError>,
    authorities: Option<Result<Content<'a>, TlsError>>,
}

/// So that no second copy of a private key stays in memory. `None` is of a file that cannot be read.
type Fingerprints = [Option<Sha256>; 3];

/// What a connection was accepted with.
pub(crate) struct InForce {
    config: Arc<ServerConfig>,
    clients: Arc<dyn ClientCertVerifier>,
    /// Until when the certificates of each file are valid, by the configuration key that names it: of several the first.
    ends: Vec<(&'static str, UtcTime)>,
}

/// What a look at the files found.
#[derive(Debug)]
enum Look {
    /// What the last one found.
    Same,
    /// Something new, which is in force now.
    Renewed,
    /// Something new that cannot be used; what was there before stays in force.
    Refused(TlsError),
}

impl Tls {
    /// Reads the files and puts them in force.
    ///
    /// # Errors
    /// [`TlsError`] names the configuration key and the file.
    pub(crate) fn start(config: &Config) -> Result<Self, TlsError> {
        let files = Files::of(config);
        let read = files.read();
        let seen = Mutex::new(read.fingerprints());
        let in_force = ArcSwap::from_pointee(read.in_force()?);
        Ok(Self { files, in_force, seen })
    }

    /// What new connections are accepted with.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Reads the files again, and puts what they hold in force if it is new and can be used.
    fn look(&self) -> Look {
        let read = self.files.read();
        let found = read.fingerprints();
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == found {
                return Look::Same;
            }
            *seen = found;
        }
        match read.in_force() {
            Ok(new) => {
                self.in_force.store(Arc::new(new));
                Look::Renewed
            }
            Err(error) => Look::Refused(error),
        }
    }

    /// Looks, and tells the log what was found.
    pub(crate) fn look_and_tell(&self) {
        match self.look() {
            Look::Same => {}
            Look::Renewed => tracing::info!("certificates, key and authorities are read again, as they have changed"),
            Look::Refused(error) => tracing::error!(
                error = %WithCauses(&error),
                "certificates, key or authorities have changed and cannot be used: what was there before stays in force"
            ),
        }
    }
}

impl InForce {
    /// An acceptor for one connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    /// Until when the certificates of each file are valid, by the configuration key that names it.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&'static str, UtcTime)> {
        self.ends.iter().copied()
    }

    /// Whether a client with this certificate and these intermediates would be let in now.
    pub(crate) fn takes(&self, chain: &[CertificateDer<'_>]) -> bool {
        let (Some((end_entity, intermediates)), Some(now)) =
            (chain.split_first(), self.config.time_provider.current_time())
        else {
            return false;
        };
        self.clients.verify_client_cert(end_entity, intermediates, now).is_ok()
    }
}

impl Files {
    fn of(config: &Config) -> Self {
        let named = |key, path: &PathBuf| NamedFile { key, path: path.clone() };
        Self {
            certificate: named("server.tls_cert_file", &config.certificate_file),
            key: named("server.tls_key_file", &config.key_file),
            authorities: match &config.clients {
                ClientTrust::Authority { file, .. } => Some(named("server.client_ca_file", file)),
                ClientTrust::AnyCertificate => None,
            },
        }
    }

    fn read(&self) -> Read<'_> {
        let authorities = self.authorities.as_ref().map(NamedFile::read);
        Read { certificate: self.certificate.read(), key: self.key.read(), authorities }
    }
}

impl Read<'_> {
    fn fingerprints(&self) -> Fingerprints {
        let of = |read: &Result<Content<'_>, TlsError>| read.as_ref().ok().map(|content| Sha256::of(&content.bytes));
        [of(&self.certificate), of(&self.key), self.authorities.as_ref().and_then(of)]
    }

    fn in_force(self) -> Result<InForce, TlsError> {
        let (authorities, certificate) = (self.authorities.transpose()?, self.certificate?);
        let clients = verifier(authorities.as_ref())?;
        let config = server_config(&certificate, &self.key?, Arc::clone(&clients))?;
        let mut ends = Vec::new();
        for content in [Some(&certificate), authorities.as_ref()].into_iter().flatten() {
            ends.extend(end(&certificates(content)?).map(|end| (content.file.key, end)));
        }
        Ok(InForce { config: Arc::new(config), clients, ends })
    }
}

impl NamedFile {
    fn read(&self) -> Result<Content<'_>, TlsError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(Content { file: self, bytes: Zeroizing::new(bytes) }),
            Err(source) => Err(TlsError::Unreadable { key: self.key, file: self.path.clone(), source }),
        }
    }
}
