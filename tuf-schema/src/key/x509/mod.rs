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
mod signer;

pub use crate::sign::self_signed_root_certificate;
pub(super) use bundle::first_certificate_spki;
pub use bundle::pem_text;
pub(crate) use bundle::subject_public_key;
pub use signer::{certified, signer_key};

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
    /// The certificate's key is of no kind that can sign.
    #[error("the certificate for {common_name:?} has no key of a kind that can sign: ECDSA, or RSA")]
    NoUsableKey {
        /// The name it is issued to.
        common_name: String,
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

    /// The authorities that the key's bundle has above it.
    #[must_use]
    pub fn authorities(&self) -> &[CertificateDer<'static>] {
        &self.authorities
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

/// The names that a certificate is issued to and by; `None` if it is none.
#[must_use]
pub fn names(certificate: &CertificateDer<'_>) -> Option<(String, String)> {
    let parsed = bundle::parse(certificate).ok()?;
    Some((parsed.subject().to_string(), parsed.issuer().to_string()))
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, IsCa, KeyPair, PublicKeyData, SignatureAlgorithm};

    use super::*;

    const GUN: &str = "example.com/team/app";

    fn gun() -> Gun {
        Gun::parse(GUN).unwrap()
    }

    fn now() -> UtcTime {
        UtcTime::parse("2026-11-21T12:00:00Z").unwrap()
    }

    /// Seconds from [`now`].
    fn at(seconds: i64) -> UtcTime {
        now().plus_seconds(seconds)
    }

    fn rcgen_time(time: UtcTime) -> impl Fn(&mut CertificateParams, bool) {
        move |params, end| {
            let seconds = std::time::Duration::from_secs(u64::try_from(time.unix_seconds()).unwrap());
            let date = rcgen::date_time_ymd(1970, 1, 1) + seconds;
            if end { params.not_after = date } else { params.not_before = date }
        }
    }

    fn params(common_name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::ExplicitNoCa;
        rcgen_time(at(-1000))(&mut params, false);
        rcgen_time(at(1000))(&mut params, true);
        params
    }

    fn valid_between(starts: UtcTime, ends: UtcTime) -> PublicKey {
        let mut params = params(GUN);
        rcgen_time(starts)(&mut params, false);
        rcgen_time(ends)(&mut params, true);
        key(&[self_signed(&params)])
    }

    fn self_signed(params: &CertificateParams) -> Vec<u8> {
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn authority(name: &str) -> Vec<u8> {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        self_signed(&params)
    }

    fn key(certificates: &[Vec<u8>]) -> PublicKey {
        let certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        PublicKey::new(KeyType::EcdsaX509, pem_text(&certificates))
    }

    fn checked(key: &PublicKey) -> Result<Leaf, CertificateError> {
        leaf_for(key, &gun(), now(), Expiry::Checked)
    }

    fn refusal(key: &PublicKey) -> CertificateError {
        checked(key).unwrap_err()
    }

    #[test]
    fn a_leaf_followed_by_its_authorities_is_a_root_certificate() {
        let leaf = self_signed(&params(GUN));
        let found = checked(&key(&[leaf.clone(), authority("one"), authority("two")])).unwrap();
        assert_eq!(found.certificate().as_ref(), leaf);
        assert_eq!(found.common_name(), GUN);
        assert_eq!(found.not_after(), at(1000));
        assert_eq!(found.authorities().len(), 2);
        assert_eq!(names(found.certificate()), Some((format!("CN={GUN}"), format!("CN={GUN}"))));
        assert_eq!(names(&found.authorities()[1]), Some(("CN=two".into(), "CN=two".into())));
    }

    #[test]
    fn a_name_covers_a_repository_exactly_or_up_to_a_star() {
        for covering in [GUN, "example.com/team/*", "example.com/te*", "example.com/team/app*", "*", "e**"] {
            assert!(checked(&key(&[self_signed(&params(covering))])).is_ok(), "{covering}");
        }
        for foreign in
            ["", "example.com/team", "example.com/team/app/", "Example.com/team/app", "example.org/*", "*/app", "*.com"]
        {
            let expected = CertificateError::ForeignName { common_name: foreign.into(), gun: gun() };
            assert_eq!(refusal(&key(&[self_signed(&params(foreign))])), expected);
        }
    }

    #[test]
    fn a_bare_key_is_no_root_key() {
        let bare = key(&[self_signed(&params(GUN))]).bare().unwrap();
        assert_eq!(refusal(&bare), CertificateError::NoCertificate(KeyType::Ecdsa));
    }

    #[test]
    fn an_authority_alone_or_first_is_refused() {
        let expected = CertificateError::FirstIsAuthority { common_name: GUN.into() };
        assert_eq!(refusal(&key(&[authority(GUN)])), expected);
        assert_eq!(refusal(&key(&[authority(GUN), self_signed(&params(GUN))])), expected);
    }

    #[test]
    fn a_second_leaf_is_refused() {
        let leaf = || self_signed(&params(GUN));
        assert_eq!(refusal(&key(&[leaf(), authority("x"), leaf()])), CertificateError::SeveralLeaves { count: 2 });
    }

    #[test]
    fn a_certificate_is_accepted_one_day_before_its_time_and_not_earlier() {
        let starting = |seconds| valid_between(at(seconds), at(seconds + 1));
        assert!(checked(&starting(GRACE_BEFORE_START_SECONDS)).is_ok());
        let early = starting(GRACE_BEFORE_START_SECONDS + 1);
        let starts = at(GRACE_BEFORE_START_SECONDS + 1);
        assert_eq!(refusal(&early), CertificateError::NotYetValid { common_name: GUN.into(), starts });
        assert!(leaf_for(&early, &gun(), now(), Expiry::Ignored).is_ok());
    }

    #[test]
    fn a_certificate_is_accepted_to_its_last_second() {
        assert!(checked(&valid_between(at(-9), at(0))).is_ok());
        let late = valid_between(at(-9), at(-1));
        assert_eq!(refusal(&late), CertificateError::Expired { common_name: GUN.into(), expired: at(-1) });
        assert!(leaf_for(&late, &gun(), now(), Expiry::Ignored).is_ok());
    }

    #[test]
    fn a_certificate_that_ends_before_it_starts_is_refused_even_when_expiry_is_ignored() {
        let reversed = valid_between(at(10), at(9));
        let expected = CertificateError::ReversedValidity { common_name: GUN.into() };
        assert_eq!(leaf_for(&reversed, &gun(), now(), Expiry::Ignored).unwrap_err(), expected);
    }

    #[test]
    fn a_certificate_signed_over_sha1_or_md5_is_refused() {
        let wild = pem::parse(include_bytes!("../../../../tests/fixtures/keys/wild.crt")).unwrap().into_contents();
        let gun = Gun::parse("example.com/fix/wild").unwrap();
        let judged = |der: &[u8]| {
            let key = PublicKey::new(KeyType::RsaX509, pem_text(&[der]));
            leaf_for(&key, &gun, at(24 * 3600), Expiry::Checked).map(|_| ())
        };
        assert_eq!(judged(&wild), Ok(()));
        // sha256WithRSAEncryption is 1.2.840.113549.1.1.11; the last number decides, in both places it stands.
        let signed_by = |last: u8| {
            let mut der = wild.clone();
            let identifier = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
            let places: Vec<_> =
                wild.windows(9).enumerate().filter(|(_, w)| *w == identifier).map(|(at, _)| at).collect();
            assert_eq!(places.len(), 2);
            places.into_iter().for_each(|at| der[at + 8] = last);
            der
        };
        for (last, algorithm) in [(4, "MD5 with RSA"), (5, "SHA-1 with RSA")] {
            let expected = CertificateError::BrokenSignature { common_name: "example.com/fix/*".into(), algorithm };
            assert_eq!(judged(&signed_by(last)), Err(expected));
        }
    }

    /// An RSA key of which only the modulus matters.
    struct RsaOf(Vec<u8>);

    impl PublicKeyData for RsaOf {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }

        fn algorithm(&self) -> &'static SignatureAlgorithm {
            &rcgen::PKCS_RSA_SHA256
        }
    }

    #[test]
    fn an_rsa_certificate_below_2048_bits_is_refused() {
        let of_bits = |modulus: &[u8]| {
            let spki = rsa::spki(modulus, &[1, 0, 1]).unwrap();
            let issuer = rcgen::Issuer::new(params("issuer"), KeyPair::generate().unwrap());
            let public = RsaOf(subject_public_key(&spki).unwrap());
            let certificate = params(GUN).signed_by(&public, &issuer).unwrap();
            PublicKey::new(KeyType::RsaX509, pem_text(&[certificate.der().as_ref()]))
        };
        assert!(checked(&of_bits(&[0xff; 256])).is_ok());
        let mut modulus = [0xff; 256];
        modulus[0] = 0x7f;
        let expected = CertificateError::RsaTooShort { common_name: GUN.into(), bits: 2047 };
        assert_eq!(refusal(&of_bits(&modulus)), expected);
    }

    #[test]
    fn a_certificate_over_a_key_of_another_kind_is_refused() {
        let expected = |key_type| CertificateError::UnusableKey { common_name: GUN.into(), key_type };
        let text = key(&[self_signed(&params(GUN))]).public_bytes().to_vec();
        assert_eq!(refusal(&PublicKey::new(KeyType::RsaX509, text)), expected(KeyType::RsaX509));
        let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let certificate = params(GUN).self_signed(&ed25519).unwrap().der().to_vec();
        assert_eq!(refusal(&key(&[certificate])), expected(KeyType::EcdsaX509));
    }

    #[test]
    fn what_is_not_certificates_only_is_unreadable() {
        let leaf = self_signed(&params(GUN));
        let text = String::from_utf8(pem_text(&[&leaf])).unwrap();
        let broken = [
            String::new(),
            "no PEM".to_owned(),
            text.replace("CERTIFICATE", "X509 CRL"),
            format!("{text}{}", text.replace("CERTIFICATE", "PUBLIC KEY")),
            String::from_utf8(pem_text(&[&leaf[1..]])).unwrap(),
            String::from_utf8(pem_text(&[&[leaf.as_slice(), &[0]].concat()])).unwrap(),
        ];
        for text in broken {
            let key = PublicKey::new(KeyType::EcdsaX509, text.clone().into_bytes());
            assert_eq!(refusal(&key), CertificateError::Unreadable, "{text}");
        }
    }

    #[test]
    fn certificates_written_otherwise_than_the_reference_does_are_refused() {
        let text = String::from_utf8(key(&[self_signed(&params(GUN))]).public_bytes().to_vec()).unwrap();
        for unusual in [text.replace('\n', "\r\n"), format!("CN={GUN}\n{text}"), text.trim_end().to_owned()] {
            let key = PublicKey::new(KeyType::EcdsaX509, unusual.into_bytes());
            assert_eq!(refusal(&key), CertificateError::UnusualEncoding);
        }
    }
}
