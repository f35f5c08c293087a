//! Ed25519 private keys, in RFC 8410's form and in the reference's.

use ring::rand::SecureRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use super::{SecretForm, SecretKeyError, SignError};
use crate::key::ED25519_PUBLIC_BYTES;

/// The length of a seed, which is the private key of RFC 8032.
const SEED_BYTES: usize = 32;

/// A seed, with the public key that belongs to it. On the heap, so that moving the key leaves no copy behind.
pub(super) struct EdSecret {
    seed: Box<Zeroizing<[u8; SEED_BYTES]>>,
    public: Vec<u8>,
    /// What the cryptographic library makes of both.
    prepared: Option<Box<Ed25519KeyPair>>,
}

impl EdSecret {
    pub(super) fn generate(rng: &dyn SecureRandom) -> Result<Self, SecretKeyError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        rng.fill(seed.as_mut()).map_err(|_| SecretKeyError::Randomness)?;
        Self::from_seed(seed.as_ref(), None)
    }

    /// The key of a 32-byte seed, whose public key must be `public` if that is known.
    pub(super) fn from_seed(seed: &[u8], public: Option<&[u8]>) -> Result<Self, SecretKeyError> {
        let mut kept = Box::new(Zeroizing::new([0; SEED_BYTES]));
        if seed.len() != SEED_BYTES {
            return Err(SecretKeyError::Malformed(SecretForm::Ed25519Seed));
        }
        kept.copy_from_slice(seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SecretKeyError::Mismatched)?;
        let derived = pair.public_key().as_ref().to_vec();
        if public.is_some_and(|public| public != derived) {
            return Err(SecretKeyError::Mismatched);
        }
        Ok(Self { seed: kept, public: derived, prepared: None })
    }

    /// Reads the reference's 96 bytes: public key, seed, public key again (the last two are Go's private key).
    pub(super) fn from_reference(bytes: &[u8]) -> Result<Self, SecretKeyError> {
        let malformed = SecretKeyError::Malformed(SecretForm::Ed25519Reference);
        let Some((public, private)) = bytes.split_at_checked(ED25519_PUBLIC_BYTES) else {
            return Err(malformed);
        };
        let Some((seed, again)) = private.split_at_checked(SEED_BYTES) else { return Err(malformed) };
        if again.len() != ED25519_PUBLIC_BYTES {
            return Err(malformed);
        }
        if again != public {
            return Err(SecretKeyError::Mismatched);
        }
        Self::from_seed(seed, Some(public))
    }

    /// The reference's 96 bytes.
    pub(super) fn to_reference(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.public.as_slice(), self.seed.as_slice(), self.public.as_slice()].concat())
    }

    /// The 32 bytes of the public key.
    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// Does once what a signature would otherwise begin with.
    pub(super) fn prepare(&mut self) -> Result<(), SignError> {
        self.prepared = Some(Box::new(self.pair()?));
        Ok(())
    }

    /// Signs the message itself.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = match &self.prepared {
            Some(pair) => pair.sign(message),
            None => self.pair()?.sign(message),
        };
        Ok(signature.as_ref().to_vec())
    }

    /// What the cryptographic library signs with. It derives the public key once more and compares.
    fn pair(&self) -> Result<Ed25519KeyPair, SignError> {
        Ed25519KeyPair::from_seed_and_public_key(self.seed.as_slice(), &self.public).map_err(|_| SignError::Refused)
    }
}
