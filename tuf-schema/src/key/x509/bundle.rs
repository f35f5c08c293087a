//! Certificates as PEM text: reading a bundle, writing one.

use pkcs8::der::Decode as _;
use pkcs8::spki::SubjectPublicKeyInfoRef;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;

use super::CertificateError;

/// The label of a certificate's PEM block.
const CERTIFICATE: &str = "CERTIFICATE";

/// Certificates as PEM text in the reference's encoding: 64 columns, line feeds, nothing between the blocks.
#[must_use]
pub fn pem_text(certificates: &[&[u8]]) -> Vec<u8> {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let block = |der: &&[u8]| pem::encode_config(&pem::Pem::new(CERTIFICATE, *der), config);
    certificates.iter().map(block).collect::<String>().into_bytes()
}

/// The leaf, which must come first, and the certificate authorities after it.
pub(super) fn split(text: &[u8]) -> Result<(CertificateDer<'static>, Vec<CertificateDer<'static>>), CertificateError> {
    let blocks = pem::parse_many(text).map_err(|_| CertificateError::Unreadable)?;
    if blocks.is_empty() || blocks.iter().any(|block| block.tag() != CERTIFICATE) {
        return Err(CertificateError::Unreadable);
    }
    let mut leaves = 0;
    for (position, block) in blocks.iter().enumerate() {
        let certificate = parse(block.contents())?;
        if !certificate.is_ca() {
            leaves += 1;
        } else if position == 0 {
            return Err(CertificateError::FirstIsAuthority { common_name: common_name(&certificate) });
        }
    }
    if leaves > 1 {
        return Err(CertificateError::SeveralLeaves { count: leaves });
    }
    let encoded = pem_text(&blocks.iter().map(pem::Pem::contents).collect::<Vec<_>>());
    if encoded != text {
        return Err(CertificateError::UnusualEncoding);
    }
    let mut certificates = blocks.into_iter().map(|block| CertificateDer::from(block.into_contents()));
    let leaf = certificates.next().ok_or(CertificateError::Unreadable)?;
    Ok((leaf, certificates.collect()))
}

/// Reads one certificate and nothing after it.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateError::Unreadable),
    }
}

/// The name a certificate is issued to; the last one if there are several, and empty if there is none, as Go reads it.
pub(super) fn common_name(certificate: &X509Certificate<'_>) -> String {
    let last = certificate.subject().iter_common_name().last();
    last.and_then(|name| name.as_str().ok()).unwrap_or_default().to_owned()
}

/// The SubjectPublicKeyInfo of the first certificate of a PEM text.
pub(in crate::key) fn first_certificate_spki(text: &[u8]) -> Option<Vec<u8>> {
    let block = pem::parse(text).ok()?;
    let certificate = parse(block.contents()).ok()?;
    Some(certificate.tbs_certificate.subject_pki.raw.to_vec())
}

/// The key inside a SubjectPublicKeyInfo: a point, or RSA's two numbers.
pub(crate) fn subject_public_key(spki: &[u8]) -> Option<Vec<u8>> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    info.subject_public_key.as_bytes().map(<[u8]>::to_vec)
}
