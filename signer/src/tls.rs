//! TLS of the signer: its certificate, and which client certificates it takes. Without one there is no handshake.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tuf_schema::UtcTime;

use crate::config::{ClientTrust, Config};

mod clients;

/// The protocol of gRPC: HTTP/2 and no other.
const ALPN: &[u8] = b"h2";

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{key} {file} cannot be read")]
    Unreadable {
        /// The configuration key that names it.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no certificate, or no key, in PEM.
    #[error("{key} {file} holds no {wanted} in PEM")]
    Empty {
        /// The configuration key that names it.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// A certificate of an authority cannot be used.
    #[error("server.client_ca_file {file} holds a certificate that cannot be used")]
    Authority {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificate and the key do not make a server.
    #[error("server.tls_cert_file and server.tls_key_file cannot be used together")]
    Own(#[source] rustls::Error),
}

/// What TLS needs, read from the files of the configuration.
///
/// # Errors
/// [`TlsError`] names the configuration key and the file.
pub(crate) fn server_config(config: &Config) -> Result<ServerConfig, TlsError> {
    let chain = certificates("server.tls_cert_file", &config.certificate_file)?;
    let key = private_key("server.tls_key_file", &config.key_file)?;
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Own)?
        .with_client_cert_verifier(verifier(&config.clients)?)
        .with_single_cert(chain, key)
        .map_err(TlsError::Own)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Ok(tls)
}

/// Until when the certificates of each file are valid, by the configuration key that names it: of several the first that
/// ends. One that cannot be read says nothing here.
///
/// # Errors
/// [`TlsError`] names the configuration key and the file.
pub(crate) fn ends(config: &Config) -> Result<Vec<(&'static str, UtcTime)>, TlsError> {
    let mut files = vec![("server.tls_cert_file", config.certificate_file.as_path())];
    if let ClientTrust::Authority { file, .. } = &config.clients {
        files.push(("server.client_ca_file", file));
    }
    let mut ends = Vec::new();
    for (key, file) in files {
        let end = certificates(key, file)?.iter().filter_map(end_of).min();
        ends.extend(end.map(|end| (key, end)));
    }
    Ok(ends)
}

fn end_of(certificate: &CertificateDer<'_>) -> Option<UtcTime> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    UtcTime::from_unix_seconds(certificate.validity().not_after.timestamp())
}

fn verifier(clients: &ClientTrust) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let ClientTrust::Authority { file, .. } = clients else { return Ok(Arc::new(clients::AnyCertificate::new())) };
    let listed = certificates("server.client_ca_file", file)?;
    let listed = clients::Listed::new(listed).map_err(|source| TlsError::Authority { file: file.clone(), source })?;
    Ok(Arc::new(listed))
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::Empty { key, file: file.to_owned(), wanted: "certificate" }),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(key, file, "certificate", error)),
    }
}

fn private_key(key: &'static str, file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable(key, file, "private key", error))
}

fn unreadable(key: &'static str, file: &Path, wanted: &'static str, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(source) => TlsError::Unreadable { key, file: file.to_owned(), source },
        _ => TlsError::Empty { key, file: file.to_owned(), wanted },
    }
}
