//! TLS from the files that the configuration names: 1.2 and 1.3, with HTTP/2 for clients that ask for it.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS13_AES_128_GCM_SHA256,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::app::StartError;
use crate::config::TlsFiles;
use crate::watched::{NamedFile, Watched};

const CERTIFICATE: &str = "server.tls_cert_file";
const KEY: &str = "server.tls_key_file";
const CLIENT_CA: &str = "server.client_ca_file";

/// HTTP/2 and HTTP/1.1 as handshakes name them (RFC 7301), the one that is taken first.
const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// What new connections are accepted with. Those that are open keep what they began with.
pub(crate) struct Tls(ArcSwap<ServerConfig>);

impl Tls {
    /// Reads the files, and says how to read them again.
    pub(crate) fn start(files: &TlsFiles) -> Result<(Arc<Self>, Watched), StartError> {
        let named = named(files);
        let contents: Vec<_> = named.iter().map(NamedFile::read).collect::<Result<_, _>>()?;
        let tls = Arc::new(Self(ArcSwap::from_pointee(server_config(files, &contents)?)));
        let (shared, files) = (Arc::clone(&tls), files.clone());
        let watched = Watched::start(named, move |contents| {
            shared.0.store(Arc::new(server_config(&files, contents)?));
            Ok(())
        })?;
        Ok((tls, watched))
    }

    /// An acceptor for one connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

/// Whether client and server agreed on HTTP/2. Who asks for nothing, as docker and notary do, speaks HTTP/1.1.
pub(super) fn is_http2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

/// The files in the order in which [`server_config`] takes their contents.
fn named(files: &TlsFiles) -> Vec<NamedFile> {
    let mut named = vec![NamedFile::new(CERTIFICATE, &files.certificate), NamedFile::new(KEY, &files.key)];
    named.extend(files.client_ca.as_ref().map(|path| NamedFile::new(CLIENT_CA, path)));
    named
}

fn server_config(files: &TlsFiles, contents: &[Vec<u8>]) -> Result<ServerConfig, StartError> {
    let content = |n: usize| contents.get(n).map(Vec::as_slice).unwrap_or_default();
    let provider = Arc::new(provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(StartError::Tls)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(CLIENT_CA, path, content(2))? {
                roots.add(certificate).map_err(|error| StartError::ClientCa(error.into()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| StartError::ClientCa(error.into()))?)
        }
    };
    let chain = certificates(CERTIFICATE, &files.certificate, content(0))?;
    let key = private_key(KEY, &files.key, content(1))?;
    let mut config = builder.with_single_cert(chain, key).map_err(StartError::Tls)?;
    config.ignore_client_order = true;
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
    // Proxies resume sessions, which saves them and us a signature for each connection; docker does not (measured), so one
    // ticket is enough. Nothing is kept here: a ticket is sealed under keys that change every six hours and end with these
    // files. A resumed session sees no certificate of the client, which may have expired since.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    if files.client_ca.is_none() {
        config.ticketer = ring::Ticketer::new().map_err(StartError::Tls)?;
        config.send_tls13_tickets = 1;
    }
    Ok(config)
}

/// What the library offers, AES with 128 bits first, as the reference takes for clients that have AES in hardware: the
/// handshake is mostly hashing and key exchange, and processors have instructions for SHA-256 and none for SHA-384.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    let first =
        [TLS13_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    provider.cipher_suites.sort_by_key(|suite| !first.contains(suite));
    provider
}

fn certificates(key: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(StartError::NoPem { key, path: path.to_owned(), what: "PEM certificate" }),
    }
}

fn private_key(key: &'static str, path: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, StartError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| StartError::NoPem {
        key,
        path: path.to_owned(),
        what: "unencrypted PEM private key",
    })
}
