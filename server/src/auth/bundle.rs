//! The certificates that tokens must lead to, and the ways in which a token's key may do so.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use tuf_schema::UtcTime;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

use super::key::TokenKey;
use super::token::TokenError;

/// The certificates of `rootcertbundle`.
#[derive(Debug)]
pub struct RootBundle {
    roots: Vec<Root>,
}

/// The bundle in force, which may be replaced while tokens are checked.
#[derive(Debug)]
pub struct SharedBundle(ArcSwap<RootBundle>);

impl SharedBundle {
    /// Puts a bundle in force.
    #[must_use]
    pub fn new(bundle: RootBundle) -> Self {
        Self(ArcSwap::from_pointee(bundle))
    }

    /// Puts another one in its place; a token that is being checked is checked against the one it began with.
    pub fn replace(&self, bundle: RootBundle) {
        self.0.store(Arc::new(bundle));
    }

    pub(super) fn current(&self) -> Arc<RootBundle> {
        self.0.load_full()
    }
}

/// Why a bundle cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The text has no certificate.
    #[error("the bundle holds no PEM certificate")]
    Empty,
    /// A block of the text is no PEM.
    #[error("the bundle is not PEM")]
    NotPem,
    /// A certificate cannot be read.
    #[error("certificate {0} of the bundle cannot be read")]
    Unreadable(usize),
}

struct Root {
    certificate: CertificateDer<'static>,
    /// `None` for a key no token is signed with; the certificate may still issue others.
    key: Option<TokenKey>,
    subject: Vec<u8>,
    /// What webpki takes it for, if it may issue certificates.
    anchor: Option<TrustAnchor<'static>>,
    first_second: i64,
    last_second: i64,
}

impl RootBundle {
    /// Reads the PEM text of a bundle.
    ///
    /// # Errors
    /// [`BundleError`] when it has no certificate, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, BundleError> {
        let mut roots = Vec::new();
        for (n, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let certificate = certificate.map_err(|_| BundleError::NotPem)?;
            roots.push(Root::read(certificate).ok_or(BundleError::Unreadable(n.saturating_add(1)))?);
        }
        if roots.is_empty() { Err(BundleError::Empty) } else { Ok(Self { roots }) }
    }

    /// The key with this libtrust id, if it stands in the bundle.
    pub(super) fn key_by_id(&self, id: &str) -> Option<&TokenKey> {
        self.keys().find(|key| key.id() == id)
    }

    /// The keys that stand in the bundle.
    pub(super) fn keys(&self) -> impl Iterator<Item = &TokenKey> {
        self.roots.iter().filter_map(|root| root.key.as_ref())
    }

    /// The key of the first certificate of `chain`, if that certificate stands in the bundle or leads to it.
    ///
    /// Extended key usages do not matter, as with the reference.
    pub(super) fn key_of_chain(&self, chain: &[CertificateDer<'_>], now: UtcTime) -> Result<TokenKey, TokenError> {
        let (leaf, others) = chain.split_first().ok_or(TokenError::UnknownKey)?;
        let parsed = parse(leaf).ok_or(TokenError::Malformed("x5c"))?;
        let key = TokenKey::from_spki(parsed.public_key().raw).ok_or(TokenError::UnknownKey)?;
        let validity = parsed.validity();
        if !(validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now.unix_seconds()) {
            return Err(TokenError::CertificateOutOfTime);
        }
        let roots: Vec<&Root> = self.roots.iter().filter(|root| root.is_valid_at(now)).collect();
        let stands_there = roots.iter().any(|root| root.certificate.as_ref() == leaf.as_ref());
        if stands_there || roots.iter().any(|root| root.issued_plainly(&parsed)) || leads_to(&roots, leaf, others, now)
        {
            Ok(key)
        } else {
            Err(TokenError::UntrustedCertificate)
        }
    }
}

impl Root {
    fn read(certificate: CertificateDer<'static>) -> Option<Self> {
        let parsed = parse(&certificate)?;
        // with version 1 there is no telling; such roots are old, and the operator put them here
        let issues = match parsed.version() {
            X509Version::V1 => true,
            _ => parsed.basic_constraints().ok()?.is_some_and(|constraints| constraints.value.ca),
        };
        let anchor =
            if issues { webpki::anchor_from_trusted_cert(&certificate).ok().map(|a| a.to_owned()) } else { None };
        Some(Self {
            key: TokenKey::from_spki(parsed.public_key().raw),
            subject: parsed.subject().as_raw().to_vec(),
            anchor,
            first_second: parsed.validity().not_before.timestamp(),
            last_second: parsed.validity().not_after.timestamp(),
            certificate,
        })
    }

    fn is_valid_at(&self, now: UtcTime) -> bool {
        (self.first_second..=self.last_second).contains(&now.unix_seconds())
    }

    /// Whether this root itself signed `leaf`, a certificate of version 1.
    ///
    /// `openssl x509 -req` makes version 1 unless told otherwise, and token services use such certificates; webpki
    /// reads version 3 only. They cannot be CAs, so one link is all there is to check.
    fn issued_plainly(&self, leaf: &X509Certificate<'_>) -> bool {
        let oid = leaf.signature_algorithm.algorithm.to_id_string();
        leaf.version() == X509Version::V1
            && self.anchor.is_some()
            && leaf.issuer().as_raw() == self.subject
            && leaf.signature_algorithm == leaf.tbs_certificate.signature
            && self.key.as_ref().is_some_and(|key| {
                key.signed_certificate(&oid, leaf.tbs_certificate.as_ref(), &leaf.signature_value.data)
            })
    }
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Root").field("key", &self.key.as_ref().map(TokenKey::id)).finish_non_exhaustive()
    }
}

fn leads_to(roots: &[&Root], leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UtcTime) -> bool {
    let anchors: Vec<TrustAnchor<'_>> = roots.iter().filter_map(|root| root.anchor.clone()).collect();
    let Ok(seconds) = u64::try_from(now.unix_seconds()) else { return false };
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let Ok(leaf) = EndEntityCert::try_from(leaf) else { return false };
    leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, others, time, AnyUsage, None, None).is_ok()
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    match X509Certificate::from_der(der.as_ref()) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _usages: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
