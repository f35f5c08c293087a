//! The rules of root certificates.
//!
//! A root key is a PEM bundle: first the one certificate that is no authority, the leaf, then the authorities above
//! it. The leaf says which repository the key may be root of, and how long.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::Oid;
use x509_parser::der_parser::oid;

use super::{KeyType, PublicKey, RSA_MINIMUM_BITS, rsa};
use crate::gun::Gun;
use crate::time::UtcTime;

mod bundle;
mod chain;

pub use crate::sign::self_signed_root_certificate;
pub(super) use bundle::first_certificate_spki;
pub use bundle::pem_text;
pub(crate) use bundle::subject_public_key;

/// How long before its time a certificate is already accepted, for clocks that run late.
pub const GRACE_BEFORE_START_SECONDS: i64 = 24 * 60 * 60;

/// Hash functions whose collisions can be made; the reference refuses the SHA-1 ones.
const BROKEN_SIGNATURES: [(Oid<'static>, &str); 5] = [
    (oid!(1.2.840.113549.1.1.4), "MD5 with RSA"),
    (oid!(1.2.840.113549.1.1.5), "SHA-1 with RSA"),
    (oid!(1.3.14.3.2.29), "SHA-1 with RSA"),
    (oid!(1.2.840.10040.4.3), "SHA-1 with DSA"),
    (oid!(1.2.840.10045.4.1), "SHA-1 with ECDSA"),
];

/// Whether a certificate's time counts. It does not for certificates of a previous root, which only vouch for the
/// next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The certificate must be valid now.
    Checked,
    /// The certificate may be expired.
    Ignored,
}

/// The certificate of a root key that keeps every rule, made by [`leaf_for`] only.
#[derive(Clone, Debug)]
pub struct Leaf {
    certificate: CertificateDer<'static>,
    authorities: Vec<CertificateDer<'static>>,
    common_name: String,
    not_after: UtcTime,
}

/// Which rule of root certificates is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The key is a bare one.
    #[error("a key of type {0} has no certificate")]
    NoCertificate(KeyType),
    /// The bytes are no PEM text, or a block of it is no certificate.
    #[error("the key is not a text of PEM certificates")]
    Unreadable,
    /// The certificates are not written as the reference writes them, so its clients would know the key by another id.
    #[error("the key's certificates are not in the usual PEM encoding")]
    UnusualEncoding,
    /// The first certificate is a certificate authority, as `openssl req -x509` makes them.
    #[error("the key's first certificate (CN {common_name:?}) is a certificate authority")]
    FirstIsAuthority {
        /// The name it is issued to.
        common_name: String,
    },
    /// There are certificates of several keys.
    #[error("the key has {count} certificates that are no authorities, instead of one")]
    SeveralLeaves {
        /// How many.
        count: usize,
    },
    /// The certificate is for another repository.
    #[error("the certificate is for {common_name:?}, not for {gun}")]
    ForeignName {
        /// The name it is issued to.
        common_name: String,
        /// The repository.
        gun: Gun,
    },
    /// The certificate ends before it starts.
    #[error("the certificate for {common_name:?} ends before it starts")]
    ReversedValidity {
        /// The name it is issued to.
        common_name: String,
    },
    /// The certificate is not valid yet, with a day of grace.
    #[error("the certificate for {common_name:?} is not valid before {starts}")]
    NotYetValid {
        /// The name it is issued to.
        common_name: String,
        /// When it becomes valid.
        starts: UtcTime,
    },
    /// The certificate is not valid any more.
    #[error("the certificate for {common_name:?} expired at {expired}")]
    Expired {
        /// The name it is issued to.
        common_name: String,
        /// Its last second.
        expired: UtcTime,
    },
    /// The certificate is signed over a hash that can be forged.
    #[error("the certificate for {common_name:?} is signed by {algorithm}")]
    BrokenSignature {
        /// The name it is issued to.
        common_name: String,
        /// The signature algorithm.
        algorithm: &'static str,
    },
    /// The certificate's RSA key is too short.
    #[error(
        "the certificate for {common_name:?} has an RSA key of {bits} bits, at least {RSA_MINIMUM_BITS} are needed"
    )]
    RsaTooShort {
        /// The name it is issued to.
        common_name: String,
        /// The length of the modulus.
        bits: usize,
    },
    /// The certificate's key is not of the kind that the key type says, or of no kind that can sign.
    #[error("the certificate for {common_name:?} has no usable key of type {key_type}")]
    UnusableKey {
        /// The name it is issued to.
        common_name: String,
        /// The type in metadata.
        key_type: KeyType,
    },
    /// No chain leads to a pinned certificate authority.
    #[error("the certificate for {common_name:?} does not chain to a pinned certificate authority: {reason}")]
    NoChain {
        /// The name it is issued to.
        common_name: String,
        /// What the verifier says.
        reason: String,
    },
}

/// The leaf certificate of a root key, if it may be a root of `gun` at `now`.
///
/// # Errors
/// [`CertificateError`] for the first broken rule.
pub fn leaf_for(key: &PublicKey, gun: &Gun, now: UtcTime, expiry: Expiry) -> Result<Leaf, CertificateError> {
    if !key.key_type().is_x509() {
        return Err(CertificateError::NoCertificate(key.key_type().clone()));
    }
    let (leaf, authorities) = bundle::split(key.public_bytes())?;
    let parsed = bundle::parse(&leaf)?;
    let common_name = bundle::common_name(&parsed);
    if !name_covers(&common_name, gun) {
        return Err(CertificateError::ForeignName { common_name, gun: gun.clone() });
    }
    let not_after = check_validity(&parsed, &common_name, now, expiry)?;
    check_algorithms(&parsed, &common_name)?;
    if key.material().is_none() {
        return Err(CertificateError::UnusableKey { common_name, key_type: key.key_type().clone() });
    }
    Ok(Leaf { certificate: leaf, authorities, common_name, not_after })
}

impl Leaf {
    /// The certificate itself.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The name it is issued to: the GUN, or a prefix of it before a `*`.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The last second in which it is valid.
    #[must_use]
    pub fn not_after(&self) -> UtcTime {
        self.not_after
    }

    /// Checks that a chain leads from this certificate to one of `anchors`, over the authorities in the key's bundle.
    ///
    /// Every extended key usage is accepted, because what counts is that the pinned authority issued it. A leaf that
    /// is itself among the anchors needs no chain.
    ///
    /// # Errors
    /// [`CertificateError::NoChain`].
    pub fn verifies_to(&self, anchors: &[CertificateDer<'_>], now: UtcTime) -> Result<(), CertificateError> {
        chain::verify(&self.certificate, &self.authorities, anchors, now)
            .map_err(|reason| CertificateError::NoChain { common_name: self.common_name.clone(), reason })
    }
}

/// Whether a certificate for `common_name` may be a root of `gun`: a `*` at the end stands for any rest.
fn name_covers(common_name: &str, gun: &Gun) -> bool {
    if common_name.ends_with('*') {
        // The reference drops all the stars.
        return gun.as_str().starts_with(common_name.trim_end_matches('*'));
    }
    common_name == gun.as_str()
}

/// Checks the dates and gives the last second of validity.
fn check_validity(
    certificate: &X509Certificate<'_>,
    common_name: &str,
    now: UtcTime,
    expiry: Expiry,
) -> Result<UtcTime, CertificateError> {
    let common_name = || common_name.to_owned();
    let time = |seconds| UtcTime::from_unix_seconds(seconds).ok_or(CertificateError::Unreadable);
    let starts = time(certificate.validity().not_before.timestamp())?;
    let expired = time(certificate.validity().not_after.timestamp())?;
    if starts > expired {
        return Err(CertificateError::ReversedValidity { common_name: common_name() });
    }
    if expiry == Expiry::Checked {
        if now.plus_seconds(GRACE_BEFORE_START_SECONDS) < starts {
            return Err(CertificateError::NotYetValid { common_name: common_name(), starts });
        }
        if now > expired {
            return Err(CertificateError::Expired { common_name: common_name(), expired });
        }
    }
    Ok(expired)
}

fn check_algorithms(certificate: &X509Certificate<'_>, common_name: &str) -> Result<(), CertificateError> {
    let signed_by = certificate.signature_algorithm.oid();
    if let Some((_, algorithm)) = BROKEN_SIGNATURES.iter().find(|(broken, _)| broken == signed_by) {
        return Err(CertificateError::BrokenSignature { common_name: common_name.to_owned(), algorithm });
    }
    match rsa::modulus_bits(certificate.tbs_certificate.subject_pki.raw) {
        Some(bits) if bits < RSA_MINIMUM_BITS => {
            Err(CertificateError::RsaTooShort { common_name: common_name.to_owned(), bits })
        }
        _ => Ok(()),
    }
}
