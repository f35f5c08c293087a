//! The certificate authorities that the system trusts, for connections that are verified without a named authority.
//!
//! The driver brings the public ones; a private one that an operator gave to the whole machine is the reference's way of
//! naming it, and would be missed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The system's authorities as PEM, without those that the driver would stumble over.
pub(super) fn of_the_system() -> Vec<u8> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some certificate authorities of the system cannot be read");
    }
    let usable = |certificate: &&rustls_pki_types::CertificateDer<'static>| {
        rustls::RootCertStore::empty().add((*certificate).clone()).is_ok()
    };
    let mut pem = String::new();
    for certificate in found.certs.iter().filter(usable) {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        pem.push_str(&STANDARD.encode(certificate));
        pem.push_str("\n-----END CERTIFICATE-----\n");
    }
    pem.into_bytes()
}
