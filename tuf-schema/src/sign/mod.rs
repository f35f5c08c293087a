//! Signing: what can sign, the one software key of the workspace, and passphrases.

use ring::rand::SecureRandom;

use crate::key::PublicKey;
use crate::signature::{Signature, SignatureMethod};

mod certified;
mod ecdsa;
mod ed25519;
mod passphrase;
mod private_key_info;
mod root_certificate;
mod rsa;
mod secret;

pub use certified::{CertifiedKey, ForeignCertificate};
pub use passphrase::Passphrase;
pub use root_certificate::{
    CertifyingKey, IssueError, ROOT_CERTIFICATE_LIFETIME_SECONDS, self_signed_root_certificate,
};
pub use secret::{SecretForm, SecretKey, SecretKeyError, SecretKind};

/// Something that signs with one key: a [`SecretKey`], a [`CertifiedKey`], a hardware token.
pub trait SigningKey {
    /// The key that verifies what this one signs; signatures stand under its id.
    fn public(&self) -> &PublicKey;

    /// Signs `message` by the method that keys of this type are written with.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used.
    fn sign(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<RawSignature, SignError>;

    /// Signs `message` and names the key, as a document carries it.
    ///
    /// # Errors
    /// As [`SigningKey::sign`].
    fn signature(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<Signature, SignError> {
        let RawSignature { method, bytes } = self.sign(message, rng)?;
        Ok(Signature { key_id: self.public().id().clone(), method, bytes })
    }
}

impl<K: SigningKey + ?Sized> SigningKey for &K {
    fn public(&self) -> &PublicKey {
        (**self).public()
    }

    fn sign(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<RawSignature, SignError> {
        (**self).sign(message, rng)
    }
}

/// A signature that does not say yet by which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSignature {
    /// How it was made.
    pub method: SignatureMethod,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// Why a key did not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The cryptographic library refused the key, or the source of randomness gave none.
    #[error("the key could not sign")]
    Refused,
    /// A key that is held elsewhere cannot be reached.
    #[error("the key cannot be reached: {0}")]
    Unreachable(String),
}
