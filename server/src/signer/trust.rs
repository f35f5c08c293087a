//! Which certificate the signer may show.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

/// Takes certificates that chain to an authority of a file, and those that stand in the file themselves.
///
/// The second is what Go does with a file that holds the signer's own certificate and not its issuer, as some installations
/// of the reference have it. Such a certificate vouches for itself only, with its names and its dates: as an authority it
/// would let whoever has its key issue himself any other.
#[derive(Debug)]
pub(super) struct Listed {
    /// `None` where the file has no authority.
    chains: Option<Arc<WebPkiServerVerifier>>,
    listed: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Why a file of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A certificate cannot be read, or not be an authority as it says.
    #[error("trust_service.tls_ca_file holds a certificate that cannot be used")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is none, so that nobody would be trusted.
    #[error("trust_service.tls_ca_file holds no certificate in PEM")]
    Empty,
}

impl Listed {
    /// The certificates of a PEM file.
    ///
    /// # Errors
    /// [`TrustError`] when one cannot be read, or an authority's not be used.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let listed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        Self::new(listed.map_err(|error| TrustError::Unusable(error.into()))?)
    }

    fn new(listed: Vec<CertificateDer<'static>>) -> Result<Self, TrustError> {
        if listed.is_empty() {
            return Err(TrustError::Empty);
        }
        let mut authorities = RootCertStore::empty();
        for certificate in &listed {
            let (_, parsed) =
                X509Certificate::from_der(certificate).map_err(|error| TrustError::Unusable(error.into()))?;
            if is_authority(&parsed) {
                authorities.add(certificate.clone()).map_err(|error| TrustError::Unusable(error.into()))?;
            }
        }
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let chains = match authorities.is_empty() {
            true => None,
            false => {
                let built = WebPkiServerVerifier::builder_with_provider(authorities.into(), provider).build();
                Some(built.map_err(|error| TrustError::Unusable(error.into()))?)
            }
        };
        Ok(Self { chains, listed, algorithms })
    }
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_chain = match &self.chains {
            Some(chains) => chains.verify_server_cert(end_entity, intermediates, name, ocsp_response, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        match by_chain {
            Err(_) if self.listed.contains(end_entity) => verify_own(end_entity, name, now),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a certificate says that it may issue others; those of version 1 could not yet say so.
fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let is_self_signed = certificate.subject() == certificate.issuer();
    certificate.is_ca() || (certificate.version() == X509Version::V1 && is_self_signed)
}

/// Whether a certificate is valid now, has the name and, if it says what it is for, is for servers.
fn verify_own(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let for_servers = match parsed.extended_key_usage() {
        Ok(Some(usage)) => usage.value.server_auth || usage.value.any,
        Ok(None) => true,
        Err(_) => return Err(CertificateError::BadEncoding.into()),
    };
    if !for_servers {
        return Err(CertificateError::InvalidPurpose.into());
    }
    let (validity, now) = (parsed.validity(), i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    Ok(ServerCertVerified::assertion())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

    use super::*;

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        params
    }

    fn authority_params(name: &str) -> CertificateParams {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn root() -> Issuer {
        CertifiedIssuer::self_signed(authority_params("root"), KeyPair::generate().unwrap()).unwrap()
    }

    fn below(issuer: &Issuer, params: CertificateParams) -> Issuer {
        CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
    }

    fn verify_in(listed: &[&Issuer], shown: &Issuer, name: &str, year: i32) -> Result<(), Error> {
        let listed = Listed::new(listed.iter().map(|issuer| issuer.der().clone()).collect()).unwrap();
        let now = Duration::from_secs(rcgen::date_time_ymd(year, 6, 1).unix_timestamp().unsigned_abs());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        listed.verify_server_cert(shown.der(), &[], &name, &[], UnixTime::since_unix_epoch(now)).map(|_| ())
    }

    fn verify(listed: &[&Issuer], shown: &Issuer) -> Result<(), Error> {
        verify_in(listed, shown, "signer.test", 2026)
    }

    const UNKNOWN: Result<(), Error> = Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));

    #[test]
    fn a_signer_of_a_listed_authority_is_taken() {
        let root = root();
        let signer = below(&root, params("signer.test"));
        assert_eq!(verify(&[&root], &signer), Ok(()));
        assert_eq!(
            verify(&[&self::root()], &signer).unwrap_err(),
            Error::InvalidCertificate(CertificateError::BadSignature)
        );
    }

    #[test]
    fn a_file_without_a_certificate_is_refused_at_the_start() {
        for pem in ["", "no certificate\n"] {
            assert!(matches!(Listed::from_pem(pem.as_bytes()), Err(TrustError::Empty)), "{pem:?}");
        }
    }

    #[test]
    fn the_signer_s_own_certificate_may_stand_in_the_authority_s_place() {
        let root = root();
        let (signer, other) = (below(&root, params("signer.test")), below(&root, params("signer.test")));
        assert_eq!(verify(&[&signer], &signer), Ok(()));
        assert_eq!(verify(&[&signer], &other), UNKNOWN, "another certificate of the same authority");
        let self_signed = CertifiedIssuer::self_signed(params("signer.test"), KeyPair::generate().unwrap()).unwrap();
        assert_eq!(verify(&[&self_signed], &self_signed), Ok(()));
        // as `openssl req -x509` makes them
        let authority =
            CertifiedIssuer::self_signed(authority_params("signer.test"), KeyPair::generate().unwrap()).unwrap();
        assert_eq!(verify(&[&authority], &authority), Ok(()));
    }

    #[test]
    fn a_leaf_and_its_intermediate_may_stand_there_without_the_root() {
        let root = root();
        let intermediate = below(&root, authority_params("intermediate"));
        let signer = below(&intermediate, params("signer.test"));
        assert_eq!(verify(&[&signer, &intermediate], &signer), Ok(()));
        assert_eq!(verify(&[&intermediate], &signer), Ok(()));
        assert_eq!(verify(&[&signer, &intermediate], &below(&root, params("signer.test"))), UNKNOWN);
    }

    #[test]
    fn the_signer_s_own_certificate_vouches_for_no_other() {
        let signer = below(&root(), params("signer.test"));
        let usurper = below(&signer, params("signer.test"));
        assert_eq!(verify(&[&signer], &usurper), UNKNOWN);
    }

    #[test]
    fn names_and_dates_and_purposes_of_a_listed_certificate_count() {
        let root = root();
        let signer = below(&root, params("signer.test"));
        let other_name = verify_in(&[&signer], &signer, "other.test", 2026).unwrap_err();
        let is_name = matches!(
            other_name,
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            )
        );
        assert!(is_name, "{other_name:?}");
        let refused = |error: CertificateError| Err(Error::InvalidCertificate(error));
        assert_eq!(verify_in(&[&signer], &signer, "signer.test", 2031), refused(CertificateError::Expired));
        assert_eq!(verify_in(&[&signer], &signer, "signer.test", 2019), refused(CertificateError::NotValidYet));
        let mut for_clients = params("signer.test");
        for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = below(&root, for_clients);
        assert_eq!(verify(&[&client], &client), refused(CertificateError::InvalidPurpose));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Listed::from_pem(no_certificate.as_bytes()).is_err());
    }
}
