//! ECDSA private keys: made, matched with their point, and signing in fixed width.

use p256::elliptic_curve::Generate as _;
use p256::elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p384::ecdsa::signature::hazmat::RandomizedPrehashSigner as _;
use pkcs8::der::{Decode as _, Encode as _};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

use super::{SecretForm, SecretKeyError, SignError};
use crate::digest::Sha256;
use crate::key::Curve;

/// A private number, with the point that belongs to it.
pub(super) struct EcSecret {
    curve: Curve,
    /// Big-endian, as wide as the curve's field.
    scalar: Zeroizing<Vec<u8>>,
    /// Uncompressed.
    point: Vec<u8>,
    /// What the cryptographic library makes of both. On the heap, so that moving the key leaves no copy behind.
    prepared: Option<Box<EcdsaKeyPair>>,
}

impl EcSecret {
    pub(super) fn generate(curve: Curve, rng: &dyn SecureRandom) -> Result<Self, SecretKeyError> {
        let mut entropy = Entropy(rng);
        let scalar = Zeroizing::new(match curve {
            Curve::P256 => p256::SecretKey::try_generate_from_rng(&mut entropy)?.to_bytes().to_vec(),
            Curve::P384 => p384::SecretKey::try_generate_from_rng(&mut entropy)?.to_bytes().to_vec(),
            Curve::P521 => p521::SecretKey::try_generate_from_rng(&mut entropy)?.to_bytes().to_vec(),
        });
        Self::new(curve, &scalar, None)
    }

    /// Reads an RFC 5915 key. `curve` is the one named outside, in a PKCS #8 frame; one named inside must be the same.
    pub(super) fn from_sec1(der: &[u8], curve: Option<Curve>) -> Result<Self, SecretKeyError> {
        let key = EcPrivateKey::from_der(der).map_err(|_| SecretKeyError::Malformed(SecretForm::Sec1))?;
        let inside = match key.parameters.and_then(EcParameters::named_curve) {
            Some(oid) => Some(Curve::from_oid(oid).ok_or(SecretKeyError::UnknownCurve)?),
            None => None,
        };
        let curve = match (curve, inside) {
            (Some(outside), Some(inside)) if outside != inside => return Err(SecretKeyError::Mismatched),
            (outside, inside) => outside.or(inside).ok_or(SecretKeyError::UnknownCurve)?,
        };
        Self::new(curve, key.private_key, key.public_key)
    }

    /// Derives the point and compares it with `public`, if that is known.
    fn new(curve: Curve, scalar: &[u8], public: Option<&[u8]>) -> Result<Self, SecretKeyError> {
        let scalar = of_field_width(scalar, curve).ok_or(SecretKeyError::ScalarOutOfRange)?;
        let point = derive_point(curve, &scalar).ok_or(SecretKeyError::ScalarOutOfRange)?;
        match public {
            Some(public) if curve.uncompressed(public).as_ref() != Some(&point) => Err(SecretKeyError::Mismatched),
            _ => Ok(Self { curve, scalar, point, prepared: None }),
        }
    }

    pub(super) fn curve(&self) -> Curve {
        self.curve
    }

    /// The SubjectPublicKeyInfo.
    pub(super) fn spki(&self) -> Option<Vec<u8>> {
        self.curve.spki(&self.point)
    }

    /// RFC 5915 with the named curve and the public key, as Go writes it.
    pub(super) fn to_sec1(&self) -> Option<Zeroizing<Vec<u8>>> {
        let key = EcPrivateKey {
            private_key: &self.scalar,
            parameters: Some(EcParameters::NamedCurve(self.curve.oid())),
            public_key: Some(&self.point),
        };
        key.to_der().ok().map(Zeroizing::new)
    }

    /// Does once what a signature would otherwise begin with: about as much work as the signature itself. Nothing on curves
    /// other than P-256.
    pub(super) fn prepare(&mut self, rng: &dyn SecureRandom) -> Result<(), SignError> {
        if self.curve == Curve::P256 {
            self.prepared = Some(Box::new(self.pair(rng)?));
        }
        Ok(())
    }

    /// Signs the message's SHA-256, on every curve: r and s in the field's width.
    pub(super) fn sign(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
        let signed = match (self.curve, &self.prepared) {
            (Curve::P256, Some(pair)) => pair.sign(rng, message),
            (Curve::P256, None) => self.pair(rng)?.sign(rng, message),
            (Curve::P384 | Curve::P521, _) => return self.sign_digest(Sha256::of(message).as_bytes(), rng),
        };
        Ok(signed.map_err(|_| SignError::Refused)?.as_ref().to_vec())
    }

    /// What the cryptographic library signs with. It derives the point once more and compares.
    fn pair(&self, rng: &dyn SecureRandom) -> Result<EcdsaKeyPair, SignError> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, &self.scalar, &self.point, rng)
            .map_err(|_| SignError::Refused)
    }

    /// Signs a digest that was made elsewhere: r and s in the field's width.
    pub(super) fn sign_digest(&self, digest: &[u8], rng: &dyn SecureRandom) -> Result<Vec<u8>, SignError> {
        let mut entropy = Entropy(rng);
        // Nonces come from RFC 6979 with fresh entropy mixed in, so bad randomness does not give the key away.
        match self.curve {
            Curve::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(&self.scalar)?;
                let signature: p256::ecdsa::Signature = key.sign_prehash_with_rng(&mut entropy, digest)?;
                Ok(signature.to_vec())
            }
            Curve::P384 => {
                let key = p384::ecdsa::SigningKey::from_slice(&self.scalar)?;
                let signature: p384::ecdsa::Signature = key.sign_prehash_with_rng(&mut entropy, digest)?;
                Ok(signature.to_vec())
            }
            Curve::P521 => {
                let key = p521::ecdsa::SigningKey::from_slice(&self.scalar)?;
                let signature: p521::ecdsa::Signature = key.sign_prehash_with_rng(&mut entropy, digest)?;
                Ok(signature.to_vec())
            }
        }
    }
}

/// A private number in the field's width. Go reads keys with leading zeros too many or cut off, so such files exist.
fn of_field_width(scalar: &[u8], curve: Curve) -> Option<Zeroizing<Vec<u8>>> {
    let significant = scalar.iter().position(|byte| *byte != 0).and_then(|at| scalar.get(at..))?;
    let padding = curve.field_bytes().checked_sub(significant.len())?;
    let mut padded = Zeroizing::new(vec![0; curve.field_bytes()]);
    padded.get_mut(padding..)?.copy_from_slice(significant);
    Some(padded)
}

fn derive_point(curve: Curve, scalar: &[u8]) -> Option<Vec<u8>> {
    Some(match curve {
        Curve::P256 => p256::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_point(false).as_bytes().to_vec(),
        Curve::P384 => p384::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_point(false).as_bytes().to_vec(),
        Curve::P521 => p521::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_point(false).as_bytes().to_vec(),
    })
}

/// The randomness we are given, as these crates want it.
struct Entropy<'a>(&'a dyn SecureRandom);

#[derive(Debug, thiserror::Error)]
#[error("no randomness")]
struct NoEntropy;

impl TryRng for Entropy<'_> {
    type Error = NoEntropy;

    fn try_next_u32(&mut self) -> Result<u32, NoEntropy> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, NoEntropy> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), NoEntropy> {
        self.0.fill(destination).map_err(|_| NoEntropy)
    }
}

impl TryCryptoRng for Entropy<'_> {}

impl From<NoEntropy> for SecretKeyError {
    fn from(_: NoEntropy) -> Self {
        Self::Randomness
    }
}

impl From<p256::ecdsa::Error> for SignError {
    fn from(_: p256::ecdsa::Error) -> Self {
        Self::Refused
    }
}
