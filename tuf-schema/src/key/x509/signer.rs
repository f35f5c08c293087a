//! The certificate of a signer: whose key it is does not matter, as the delegation says what it may sign.

use super::{CertificateError, Expiry, bundle, check_algorithms, check_validity};
use crate::key::{KeyType, PublicKey};
use crate::time::UtcTime;

/// The key of a signer's certificate, as a delegation lists it. Dates and algorithms count when it is added, as in the
/// reference; afterwards only the key does.
///
/// # Errors
/// [`CertificateError`] for the first broken rule.
pub fn signer_key(certificate: &[u8], now: UtcTime) -> Result<PublicKey, CertificateError> {
    let parsed = bundle::parse(certificate)?;
    let common_name = bundle::common_name(&parsed);
    check_validity(&parsed, &common_name, now, Expiry::Checked)?;
    check_algorithms(&parsed, &common_name)?;
    certified(&[certificate]).ok_or(CertificateError::NoUsableKey { common_name })
}

/// The key of these certificates, its own first, whatever they say; `None` if it is of no kind that can sign.
#[must_use]
pub fn certified(certificates: &[&[u8]]) -> Option<PublicKey> {
    let text = bundle::pem_text(certificates);
    let key = |key_type| PublicKey::new(key_type, text.clone());
    [KeyType::EcdsaX509, KeyType::RsaX509].into_iter().map(key).find(|key| key.material().is_some())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn now() -> UtcTime {
        UtcTime::parse("2026-11-21T12:00:00Z").unwrap()
    }

    fn certificate(first_year: i32, last_year: i32, key: &KeyPair) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(first_year, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        params.self_signed(key).unwrap().der().to_vec()
    }

    #[test]
    fn a_signer_is_known_by_the_key_of_its_certificate_whoever_it_is_issued_to() {
        let pair = KeyPair::generate().unwrap();
        let key = signer_key(&certificate(2020, 2030, &pair), now()).unwrap();
        assert_eq!(key.key_type(), &KeyType::EcdsaX509);
        let bare = key.bare().unwrap();
        assert_eq!(
            bare.id(),
            PublicKey::new(KeyType::Ecdsa, rcgen::PublicKeyData::subject_public_key_info(&pair)).id()
        );
    }

    #[test]
    fn a_signer_s_certificate_must_be_valid_when_it_is_added() {
        let pair = KeyPair::generate().unwrap();
        let refused = |first, last| signer_key(&certificate(first, last, &pair), now()).unwrap_err();
        assert!(matches!(refused(2010, 2020), CertificateError::Expired { .. }));
        assert!(matches!(refused(2027, 2030), CertificateError::NotYetValid { .. }));
    }

    #[test]
    fn a_certificate_of_a_key_that_cannot_sign_here_is_refused() {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let refused = signer_key(&certificate(2020, 2030, &pair), now()).unwrap_err();
        assert!(matches!(refused, CertificateError::NoUsableKey { .. }), "{refused}");
        assert_eq!(signer_key(b"no certificate", now()).unwrap_err(), CertificateError::Unreadable);
    }
}
