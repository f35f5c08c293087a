//! Certificates in keys.

/// The SubjectPublicKeyInfo of the first certificate of a PEM text.
pub(super) fn first_certificate_spki(pem: &[u8]) -> Option<Vec<u8>> {
    let block = pem::parse(pem).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(block.contents()).ok()?;
    Some(certificate.tbs_certificate.subject_pki.raw.to_vec())
}
