//! RSA private keys, which are imported and never made here.

use pkcs8::der::Decode as _;
use ring::rand::SecureRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents};
use zeroize::Zeroizing;

use super::{SecretForm, SecretKeyError, SignError};
use crate::key::{RSA_MINIMUM_BITS, rsa_spki};

/// The longest modulus that ring signs with, in bits.
const MAXIMUM_BITS: usize = 4096;

/// A private key in PKCS #1's form.
pub(super) struct RsaSecret {
    pkcs1: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
}

impl RsaSecret {
    /// Reads PKCS #1 DER. The library checks that the parts of the key belong together.
    pub(super) fn from_pkcs1(der: &[u8]) -> Result<Self, SecretKeyError> {
        let malformed = SecretKeyError::Malformed(SecretForm::Pkcs1);
        let Ok(key) = pkcs1::RsaPrivateKeyRef::from_der(der) else { return Err(malformed) };
        let modulus = key.modulus.as_bytes();
        let bits = (modulus.len() * 8).saturating_sub(modulus.first().map_or(0, |b| b.leading_zeros() as usize));
        if !(RSA_MINIMUM_BITS..=MAXIMUM_BITS).contains(&bits) {
            return Err(SecretKeyError::RsaSize { bits });
        }
        let pair = RsaKeyPair::from_der(der).map_err(|_| SecretKeyError::Mismatched)?;
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
        let Some(spki) = rsa_spki(&public.n, &public.e) else { return Err(malformed) };
        Ok(Self { pkcs1: Zeroizing::new(der.to_vec()), spki })
    }

    /// The PKCS #1 DER.
    pub(super) fn pkcs1(&self) -> &[u8] {
        &self.pkcs1
    }

    /// The SubjectPublicKeyInfo.
    pub(super) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// PSS with SHA-256 and a salt of 32 bytes, as the reference writes it.
    pub(super) fn sign_pss(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
        self.sign_with(&RSA_PSS_SHA256, message, rng)
    }

    /// PKCS #1 v1.5 with SHA-256, which certificates carry.
    pub(super) fn sign_pkcs1v15(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
        self.sign_with(&RSA_PKCS1_SHA256, message, rng)
    }

    fn sign_with(
        &self,
        encoding: &'static dyn RsaEncoding,
        message: &[u8],
        rng: &dyn SecureRandom,
    ) -> Result<Vec<u8>, SignError> {
        let pair = RsaKeyPair::from_der(&self.pkcs1).map_err(|_| SignError::Refused)?;
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, rng, message, &mut signature).map_err(|_| SignError::Refused)?;
        Ok(signature)
    }
}
