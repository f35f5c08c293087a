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
    /// Binds `key` to `certificate`, which may also be the bare key itself.
    ///
    /// # Errors
    /// [`ForeignCertificate`] when it is over another key, or cannot be read.
    pub fn new(key: K, certificate: PublicKey) -> Result<Self, ForeignCertificate> {
        match (certificate.bare(), key.public().bare()) {
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
        self.key.sign(message, rng)
    }
}
