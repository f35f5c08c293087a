//! The certificate that a new root key gets, made as the reference makes it.

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use ring::digest::{SHA384, digest};
use ring::rand::SecureRandom;

use super::secret::{Private, SecretKey, SecretKind};
use super::{SignError, SigningKey};
use crate::gun::Gun;
use crate::key::{Curve, KeyShape, KeyType, PublicKey, x509};
use crate::time::UtcTime;

/// How long a root certificate is valid: the reference's ten years of 365 days, in seconds.
pub const ROOT_CERTIFICATE_LIFETIME_SECONDS: u64 = 3650 * 24 * 60 * 60;

/// The last second of the year 9999, after which X.509 has no dates.
const LAST_SECOND: u64 = 253_402_300_799;

/// A key that can sign a certificate over itself: a [`SecretKey`], a key on a hardware token.
pub trait CertifyingKey: SigningKey {
    /// Signs `message` as certificates are signed, which is not as documents are: ECDSA with the digest that belongs to
    /// the curve (SHA-256 for P-256, SHA-384 for P-384), r and s as wide as the field, one after the other; RSA by
    /// PKCS #1 v1.5 with SHA-256.
    ///
    /// # Errors
    /// [`SignError`], also for keys that cannot stand in a root certificate.
    fn sign_certificate(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, SignError>;
}

/// Why no certificate was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The source of randomness gave none.
    #[error("no randomness for a serial number")]
    Randomness,
    /// Keys of this kind cannot stand in a root certificate.
    #[error("{0} keys cannot have a root certificate")]
    UnsuitableKey(SecretKind),
    /// A certificate's dates must lie between 1970 and 9999.
    #[error("a certificate that starts at {0} cannot be written")]
    TimeOutOfRange(UtcTime),
    /// The key did not sign.
    #[error("the certificate could not be signed")]
    Sign,
}

/// Makes the certificate of a root key for `gun`, signed by the key itself, and gives the key that carries it.
///
/// As the reference: subject and issuer are the GUN, 128 bits of random serial number, valid for ten years from `now`,
/// for digital signature, key encipherment and code signing, and not a certificate authority.
///
/// # Errors
/// [`IssueError`]; Ed25519 cannot be in a certificate of the reference, P-521 is not offered.
pub fn self_signed_root_certificate(
    key: &dyn CertifyingKey,
    gun: &Gun,
    now: UtcTime,
    rng: &dyn SecureRandom,
) -> Result<PublicKey, IssueError> {
    let (key_type, signer) = CertificateSigner::new(key, rng)?;
    let params = parameters(gun, now, rng)?;
    let certificate = params.self_signed(&signer).map_err(|_| IssueError::Sign)?;
    Ok(PublicKey::new(key_type, x509::pem_text(&[certificate.der().as_ref()])))
}

fn parameters(gun: &Gun, now: UtcTime, rng: &dyn SecureRandom) -> Result<CertificateParams, IssueError> {
    let mut serial = [0; 16];
    rng.fill(&mut serial).map_err(|_| IssueError::Randomness)?;
    let start = u64::try_from(now.unix_seconds()).map_err(|_| IssueError::TimeOutOfRange(now))?;
    let end = start.saturating_add(ROOT_CERTIFICATE_LIFETIME_SECONDS);
    if end > LAST_SECOND {
        return Err(IssueError::TimeOutOfRange(now));
    }
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name(gun));

    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = epoch + std::time::Duration::from_secs(start);
    params.not_after = epoch + std::time::Duration::from_secs(end);
    params.distinguished_name = name;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    // Saying so through `is_ca` would add a subject key identifier, which the reference does not write.
    params.is_ca = IsCa::NoCa;
    params.custom_extensions = vec![not_an_authority()];
    Ok(params)
}

/// As Go chooses: a PrintableString where the characters allow it.
fn common_name(gun: &Gun) -> DnValue {
    match rcgen::string::PrintableString::try_from(gun.as_str()) {
        Ok(printable) => DnValue::PrintableString(printable),
        Err(_) => DnValue::Utf8String(gun.as_str().to_owned()),
    }
}

/// BasicConstraints, critical, with `cA` at its default of false.
fn not_an_authority() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 19], vec![0x30, 0x00]);
    extension.set_criticality(true);
    extension
}

impl CertifyingKey for SecretKey {
    fn sign_certificate(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
        match self.private() {
            Private::Ec(key) => match key.curve() {
                Curve::P256 => key.sign(message, rng),
                Curve::P384 => key.sign_digest(digest(&SHA384, message).as_ref(), rng),
                Curve::P521 => Err(SignError::Refused),
            },
            Private::Rsa(key) => key.sign_pkcs1v15(message, rng),
            Private::Ed25519(_) => Err(SignError::Refused),
        }
    }
}

/// A key as rcgen wants it.
struct CertificateSigner<'a> {
    key: &'a dyn CertifyingKey,
    shape: KeyShape,
    /// The BIT STRING of the SubjectPublicKeyInfo.
    public: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
    rng: &'a dyn SecureRandom,
}

impl<'a> CertificateSigner<'a> {
    fn new(key: &'a dyn CertifyingKey, rng: &'a dyn SecureRandom) -> Result<(KeyType, Self), IssueError> {
        let shape = key.public().shape().ok_or(IssueError::Sign)?;
        let (key_type, algorithm) = match shape {
            KeyShape::Ecdsa(Curve::P256) => (KeyType::EcdsaX509, &rcgen::PKCS_ECDSA_P256_SHA256),
            KeyShape::Ecdsa(Curve::P384) => (KeyType::EcdsaX509, &rcgen::PKCS_ECDSA_P384_SHA384),
            KeyShape::Rsa { .. } => (KeyType::RsaX509, &rcgen::PKCS_RSA_SHA256),
            KeyShape::Ecdsa(Curve::P521) => return Err(IssueError::UnsuitableKey(SecretKind::EcdsaP521)),
            KeyShape::Ed25519 => return Err(IssueError::UnsuitableKey(SecretKind::Ed25519)),
        };
        let public = x509::subject_public_key(key.public().public_bytes()).ok_or(IssueError::Sign)?;
        Ok((key_type, Self { key, shape, public, algorithm, rng }))
    }

    /// The signature in the form certificates have: DER for ECDSA, PKCS #1 v1.5 for RSA.
    fn certificate_signature(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signed = self.key.sign_certificate(message, self.rng)?;
        match self.shape {
            KeyShape::Ecdsa(Curve::P256) => {
                Ok(p256::ecdsa::Signature::from_slice(&signed)?.to_der().as_bytes().to_vec())
            }
            KeyShape::Ecdsa(Curve::P384) => {
                Ok(p384::ecdsa::Signature::from_slice(&signed)?.to_der().as_bytes().to_vec())
            }
            KeyShape::Rsa { .. } => Ok(signed),
            KeyShape::Ecdsa(Curve::P521) | KeyShape::Ed25519 => Err(SignError::Refused),
        }
    }
}

impl PublicKeyData for CertificateSigner<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for CertificateSigner<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.certificate_signature(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::key::x509::{CertificateError, Expiry, leaf_for};

    const NOW: &str = "2026-11-21T00:00:00Z";

    fn now() -> UtcTime {
        UtcTime::parse(NOW).unwrap()
    }

    fn generated(kind: SecretKind) -> SecretKey {
        SecretKey::generate(kind, &SystemRandom::new()).unwrap()
    }

    fn issue(key: &SecretKey, gun: &Gun, now: UtcTime) -> Result<PublicKey, IssueError> {
        self_signed_root_certificate(key, gun, now, &SystemRandom::new())
    }

    #[test]
    fn what_is_made_keeps_the_rules_for_ten_years_and_signs_itself() {
        let rsa = include_bytes!("../../../tests/fixtures/keys/rsaroot.key");
        let rsa = SecretKey::from_pkcs8_der(pem::parse(rsa).unwrap().contents()).unwrap();
        let long = format!("{}app", "long/".repeat(50));
        // An underscore is no character of a PrintableString.
        for name in ["example.com/plain", "registry:5000/under_score", &long] {
            let gun = Gun::parse(name).unwrap();
            for key in [&generated(SecretKind::EcdsaP256), &generated(SecretKind::EcdsaP384), &rsa] {
                let public = issue(key, &gun, now()).unwrap();
                let leaf = leaf_for(&public, &gun, now(), Expiry::Checked).unwrap();
                assert_eq!(leaf.common_name(), name);
                let last = now().plus_seconds(3650 * 24 * 3600);
                assert_eq!(leaf.not_after(), last);
                assert!(leaf_for(&public, &gun, last.plus_seconds(1), Expiry::Checked).is_err());
                // No chain check looks at a self-signature, so it is checked here.
                let certificate = webpki::EndEntityCert::try_from(leaf.certificate()).unwrap();
                let (_, parsed) = x509_parser::parse_x509_certificate(leaf.certificate()).unwrap();
                let algorithm = match key.kind() {
                    SecretKind::EcdsaP256 => webpki::ring::ECDSA_P256_SHA256,
                    SecretKind::EcdsaP384 => webpki::ring::ECDSA_P384_SHA384,
                    _ => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
                };
                let (message, signature) = (parsed.tbs_certificate.as_ref(), &parsed.signature_value.data);
                assert!(certificate.verify_signature(algorithm, message, signature).is_ok(), "{}", key.kind());
            }
        }
    }

    #[test]
    fn a_certificate_is_for_its_own_repository_only() {
        let public = issue(&generated(SecretKind::EcdsaP256), &Gun::parse("a/b").unwrap(), now()).unwrap();
        let other = Gun::parse("a/b/c").unwrap();
        let refused = leaf_for(&public, &other, now(), Expiry::Checked).unwrap_err();
        assert_eq!(refused, CertificateError::ForeignName { common_name: "a/b".into(), gun: other });
    }

    #[test]
    fn kinds_that_no_reader_of_root_certificates_knows_are_refused() {
        for kind in [SecretKind::Ed25519, SecretKind::EcdsaP521] {
            let refused = issue(&generated(kind), &Gun::parse("a/b").unwrap(), now()).unwrap_err();
            assert_eq!(refused, IssueError::UnsuitableKey(kind));
        }
    }

    #[test]
    fn dates_that_a_certificate_cannot_hold_are_refused() {
        let key = generated(SecretKind::EcdsaP256);
        for text in ["1969-12-31T23:59:59Z", "9995-01-01T00:00:00Z"] {
            let time = UtcTime::parse(text).unwrap();
            let refused = issue(&key, &Gun::parse("a/b").unwrap(), time).unwrap_err();
            assert_eq!(refused, IssueError::TimeOutOfRange(time));
        }
    }
}
