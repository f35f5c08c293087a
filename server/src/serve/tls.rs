//! TLS from the files that the configuration names: 1.2 and 1.3, HTTP/1.1 only, as the reference.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::NoServerSessionStorage;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::app::{self, StartError};
use crate::config::TlsFiles;

pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, StartError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(StartError::Tls)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("server.client_ca_file", path)? {
                roots.add(certificate).map_err(|error| StartError::ClientCa(error.into()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| StartError::ClientCa(error.into()))?)
        }
    };
    let chain = certificates("server.tls_cert_file", &files.certificate)?;
    let key = private_key("server.tls_key_file", &files.key)?;
    let mut config = builder.with_single_cert(chain, key).map_err(StartError::Tls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // docker opens a connection for each request and resumes none (measured): tickets would be made for nobody.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let pem = app::read(key, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(StartError::NoPem { key, path: path.to_owned(), what: "PEM certificate" }),
    }
}

fn private_key(key: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, StartError> {
    let pem = app::read(key, path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| StartError::NoPem {
        key,
        path: path.to_owned(),
        what: "unencrypted PEM private key",
    })
}
