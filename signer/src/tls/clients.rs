//! Which client certificates are taken.

use std::error::Error as StdError;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

/// Takes certificates that chain to an authority of a file, and those that stand in the file themselves.
///
/// The second is what Go does with a file that holds a client's own certificate and not its issuer, as some
/// installations of the reference have it. Such a certificate vouches for itself only: path building looks neither at
/// what a trusted certificate may be used for nor at its dates, so whoever has its key could issue himself any name.
#[derive(Debug)]
pub(super) struct Listed {
    authorities: Vec<Authority>,
    listed: Vec<CertificateDer<'static>>,
    own: AnyCertificate,
}

/// A certificate of the file that may issue others.
#[derive(Debug)]
struct Authority {
    certificate: CertificateDer<'static>,
    chains: Arc<dyn ClientCertVerifier>,
}

/// Takes any certificate, if only the client has its key.
#[derive(Debug)]
pub(super) struct AnyCertificate(WebPkiSupportedAlgorithms);

impl Listed {
    /// # Errors
    /// When a certificate cannot be read, or an authority's not be used.
    pub(super) fn new(listed: Vec<CertificateDer<'static>>) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let mut authorities = Vec::new();
        for certificate in &listed {
            let (_, parsed) = X509Certificate::from_der(certificate)?;
            if is_authority(&parsed) {
                authorities.push(Authority::new(certificate.clone())?);
            }
        }
        Ok(Self { authorities, listed, own: AnyCertificate::new() })
    }

    /// Whether it chains to an authority that is valid now. What another authority says than that the certificate is
    /// not its own tells more.
    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut refusal = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        for authority in self.authorities.iter().filter(|authority| is_valid_at(&authority.certificate, now)) {
            match authority.chains.verify_client_cert(end_entity, intermediates, now) {
                Ok(verified) => return Ok(verified),
                Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

impl Authority {
    fn new(certificate: CertificateDer<'static>) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let mut anchor = RootCertStore::empty();
        anchor.add(certificate.clone())?;
        let provider = ring::default_provider().into();
        let chains = WebPkiClientVerifier::builder_with_provider(anchor.into(), provider).build()?;
        Ok(Self { certificate, chains })
    }
}

impl AnyCertificate {
    pub(super) fn new() -> Self {
        Self(ring::default_provider().signature_verification_algorithms)
    }
}

impl ClientCertVerifier for Listed {
    /// No hints: a client that finds its issuer missing among them would send nothing, and learn nothing.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.verify_chain(end_entity, intermediates, now) {
            Err(_) if self.listed.contains(end_entity) => verify_own(end_entity, now),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.own.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.own.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.own.supported_verify_schemes()
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Whether a certificate says that it may issue others; those of version 1 could not yet say so.
fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let is_self_signed = certificate.subject() == certificate.issuer();
    certificate.is_ca() || (certificate.version() == X509Version::V1 && is_self_signed)
}

fn is_valid_at(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let validity = certificate.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
}

/// Whether a certificate is valid now and, if it says what it is for, for clients.
fn verify_own(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<ClientCertVerified, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let for_clients = match parsed.extended_key_usage() {
        Ok(Some(usage)) => usage.value.client_auth || usage.value.any,
        Ok(None) => true,
        Err(_) => return Err(CertificateError::BadEncoding.into()),
    };
    if !for_clients {
        return Err(CertificateError::InvalidPurpose.into());
    }
    if !is_valid_at(certificate, now) {
        return Err(CertificateError::Expired.into());
    }
    Ok(ClientCertVerified::assertion())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    #[test]
    fn an_authority_counts_while_it_is_valid() {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        let client = params.signed_by(&KeyPair::generate().unwrap(), &authority).unwrap();
        let listed = Listed::new(vec![authority.der().clone()]).unwrap();

        let verify = |year| {
            let now = Duration::from_secs(rcgen::date_time_ymd(year, 6, 1).unix_timestamp().unsigned_abs());
            listed.verify_client_cert(client.der(), &[], UnixTime::since_unix_epoch(now)).map(|_| ())
        };
        let refusal = Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert_eq!(verify(2019), refusal);
        assert_eq!(verify(2025), Ok(()));
        assert_eq!(verify(2031), refusal);
    }
}
