//! TLS of the signer: its certificate, and which client certificates it takes. Without one there is no handshake.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tuf_schema::UtcTime;

mod clients;
mod files;

use files::Content;
pub(crate) use files::{InForce, Tls};

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

fn server_config(
    certificate: &Content<'_>,
    key: &Content<'_>,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, TlsError> {
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Own)?
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates(certificate)?, private_key(key)?)
        .map_err(TlsError::Own)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Ok(tls)
}

/// Until when the first of some certificates is valid. One that cannot be read says nothing here.
fn end(certificates: &[CertificateDer<'_>]) -> Option<UtcTime> {
    let end_of = |certificate: &CertificateDer<'_>| {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        UtcTime::from_unix_seconds(certificate.validity().not_after.timestamp())
    };
    certificates.iter().filter_map(end_of).min()
}

/// Of the authorities' file; without one any certificate is let in.
fn verifier(authorities: Option<&Content<'_>>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let Some(content) = authorities else { return Ok(Arc::new(clients::AnyCertificate::new())) };
    let listed = clients::Listed::new(certificates(content)?);
    Ok(Arc::new(listed.map_err(|source| TlsError::Authority { file: content.file.path.clone(), source })?))
}

fn certificates(content: &Content<'_>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content.bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(empty(content, "certificate")),
    }
}

fn private_key(content: &Content<'_>) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&content.bytes).map_err(|_| empty(content, "private key"))
}

fn empty(content: &Content<'_>, wanted: &'static str) -> TlsError {
    TlsError::Empty { key: content.file.key, file: content.file.path.clone(), wanted }
}
