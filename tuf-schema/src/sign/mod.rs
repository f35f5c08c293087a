//! Signing: what can sign, the one software key of the workspace, and passphrases.

use ring::rand::SecureRandom;

use crate::key::PublicKey;
use crate::signature::{Signature, SignatureMethod};

mod passphrase;

pub use passphrase::Passphrase;

/// Something that signs with one key: a software key, one with its certificate, a hardware token.
pub trait SigningKey {
    /// The key that verifies what this one signs; signatures stand under its id.
    fn public(&self) -> &PublicKey;

    /// Signs `message` by the method the key type is written with.
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
        Ok(Signature {
            key_id: self.public().id().clone(),
            method,
            bytes,
        })
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
    /// The source of randomness gave none.
    #[error("no randomness to sign with")]
    Randomness,
    /// The cryptographic library refused the key or the operation.
    #[error("the key could not sign")]
    Refused,
    /// A key held elsewhere cannot be reached.
    #[error("the key cannot be reached: {0}")]
    Unreachable(String),
}
