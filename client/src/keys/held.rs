//! A private key that is ready to sign, wherever it is.

use ring::rand::SecureRandom;
use tuf_schema::PublicKey;
use tuf_schema::sign::{CertifyingKey, RawSignature, SecretKey, SignError, SigningKey};

use super::token::TokenKey;

/// A private key that is ready to sign.
#[derive(Debug)]
pub enum HeldKey {
    /// In memory, out of its file.
    File(SecretKey),
    /// On its token, in a session that is logged in.
    Token(TokenKey),
}

impl HeldKey {
    fn key(&self) -> &dyn CertifyingKey {
        match self {
            Self::File(key) => key,
            Self::Token(key) => key,
        }
    }
}

impl SigningKey for HeldKey {
    fn public(&self) -> &PublicKey {
        self.key().public()
    }

    fn sign(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<RawSignature, SignError> {
        self.key().sign(message, rng)
    }
}

impl CertifyingKey for HeldKey {
    fn sign_certificate(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
        self.key().sign_certificate(message, rng)
    }
}
