//! A key that signs under the id of its certificate, as root keys do.

use ring::rand::SecureRandom;

use super::{RawSignature, SignError, SigningKey};
use crate::key::{KeyId, PublicKey};

/// A signing key together with the certificate that metadata knows it by.
#[derive(Debug)]
pub struct CertifiedKey<K> {
    key: K,
    certificate: PublicKey,
}

/// A certificate that is over another key than the one that should sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate {certificate} is not over the key {key}")]
pub struct ForeignCertificate {
    /// The id of the key with its certificate.
    pub certificate: KeyId,
    /// The id of the key that should sign.
    pub key: KeyId,
}

impl<K: SigningKey> CertifiedKey<K> {
    /// Binds `key` to `certificate`, which may also be the bare key itself, in any form.
    ///
    /// # Errors
    /// [`ForeignCertificate`] when it is over another key, or cannot be read.
    pub fn new(key: K, certificate: PublicKey) -> Result<Self, ForeignCertificate> {
        match (certificate.material(), key.public().material()) {
            (Some(over), Some(signs)) if over == signs => Ok(Self { key, certificate }),
            _ => Err(ForeignCertificate { certificate: certificate.id().clone(), key: key.public().id().clone() }),
        }
    }

    /// The key without its certificate.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: SigningKey> SigningKey for CertifiedKey<K> {
    fn public(&self) -> &PublicKey {
        &self.certificate
    }

    fn sign(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<RawSignature, SignError> {
        let RawSignature { method, bytes } = self.key.sign(message, rng)?;
        Ok(RawSignature { method: self.certificate.method_as_listed(method), bytes })
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::gun::Gun;
    use crate::key::x509;
    use crate::sign::{SecretKey, SecretKind};
    use crate::time::UtcTime;

    fn key() -> SecretKey {
        SecretKey::generate(SecretKind::EcdsaP256, &SystemRandom::new()).unwrap()
    }

    fn certificate(key: &SecretKey) -> PublicKey {
        let now = UtcTime::parse("2026-11-21T00:00:00Z").unwrap();
        x509::self_signed_root_certificate(key, &Gun::parse("a/b").unwrap(), now, &SystemRandom::new()).unwrap()
    }

    #[test]
    fn a_certified_key_signs_under_the_id_of_its_certificate() {
        let key = key();
        let certificate = certificate(&key);
        let signature =
            key.with_certificate(certificate.clone()).unwrap().signature(b"root", &SystemRandom::new()).unwrap();
        assert_eq!(&signature.key_id, certificate.id());
        assert_ne!(&signature.key_id, key.public().id());
        assert!(certificate.verifies(b"root", &signature));
    }

    #[test]
    fn a_certificate_over_another_key_is_refused() {
        let (ours, theirs) = (key(), key());
        let certificate = certificate(&theirs);
        let refused = ours.with_certificate(certificate.clone()).unwrap_err();
        let expected = ForeignCertificate { certificate: certificate.id().clone(), key: ours.public().id().clone() };
        assert_eq!(refused, expected);
    }
}
