//! The one software key of the workspace.

use std::fmt;

use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use super::certified::{CertifiedKey, ForeignCertificate};
use super::ecdsa::EcSecret;
use super::ed25519::EdSecret;
use super::rsa::RsaSecret;
use super::{RawSignature, SignError, SigningKey, private_key_info};
use crate::key::{Curve, KeyType, PublicKey};
use crate::signature::SignatureMethod;

/// A private key in memory: it signs, and is written out only to be sealed.
///
/// Its memory is wiped when it is dropped. It cannot be cloned, serialised or printed; `Debug` shows the key id.
/// While it signs, the cryptographic library holds a working copy that it does not wipe.
///
/// ```compile_fail,E0599
/// fn twice(key: tuf_schema::sign::SecretKey) -> [tuf_schema::sign::SecretKey; 2] {
///     [key.clone(), key]
/// }
/// ```
pub struct SecretKey {
    private: Private,
    public: PublicKey,
}

/// The private part by kind.
pub(super) enum Private {
    Ec(EcSecret),
    Ed25519(EdSecret),
    Rsa(RsaSecret),
}

/// What a private key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKind {
    /// ECDSA on P-256, the kind of every key the reference makes itself.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
    /// RSA of 2048 to 4096 bits; imported, never made.
    Rsa,
}

/// How a private key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretForm {
    /// ECPrivateKey of SEC 1 and RFC 5915.
    Sec1,
    /// PrivateKeyInfo of PKCS #8.
    Pkcs8,
    /// RSAPrivateKey of PKCS #1.
    Pkcs1,
    /// The 32-byte seed of RFC 8032.
    Ed25519Seed,
    /// The reference's 96 bytes: public key, seed, public key.
    Ed25519Reference,
}

/// Why bytes are no usable private key, or a key cannot be made or written so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyError {
    /// The source of randomness gave none.
    #[error("no randomness to make a key with")]
    Randomness,
    /// This kind is imported only.
    #[error("{0} keys can be imported but not made")]
    NotGenerated(SecretKind),
    /// The bytes are not in the form they should have.
    #[error("the private key is not in the form {0}")]
    Malformed(SecretForm),
    /// A PKCS #8 frame names an algorithm (dotted object identifier) that does not sign metadata.
    #[error("private keys of the algorithm {0} are not supported")]
    UnknownAlgorithm(String),
    /// No curve is named, or none of ours.
    #[error("the private key is not on one of the curves P-256, P-384, P-521")]
    UnknownCurve,
    /// The private number is zero or not below the curve's order.
    #[error("the private key is outside its curve's range")]
    ScalarOutOfRange,
    /// The modulus is too short to be believed or too long to be used.
    #[error("an RSA key must have 2048 to 4096 bits, this one has {bits}")]
    RsaSize {
        /// The length of the modulus.
        bits: usize,
    },
    /// The private part does not make the public part, or the parts contradict each other.
    #[error("the private key does not belong to its public key")]
    Mismatched,
    /// A key of this kind is never written in this form.
    #[error("{kind} keys have no form {form}")]
    NoSuchForm {
        /// The key.
        kind: SecretKind,
        /// What was asked for.
        form: SecretForm,
    },
}

impl SecretKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`SecretKeyError::NotGenerated`] for RSA, [`SecretKeyError::Randomness`] when `rng` fails.
    pub fn generate(kind: SecretKind, rng: &dyn SecureRandom) -> Result<Self, SecretKeyError> {
        let private = match kind {
            SecretKind::EcdsaP256 => Private::Ec(EcSecret::generate(Curve::P256, rng)?),
            SecretKind::EcdsaP384 => Private::Ec(EcSecret::generate(Curve::P384, rng)?),
            SecretKind::EcdsaP521 => Private::Ec(EcSecret::generate(Curve::P521, rng)?),
            SecretKind::Ed25519 => Private::Ed25519(EdSecret::generate(rng)?),
            SecretKind::Rsa => return Err(SecretKeyError::NotGenerated(kind)),
        };
        Self::new(private)
    }

    /// Reads an EC key with its curve named; the public key may be missing, but must be right if it is there.
    ///
    /// # Errors
    /// [`SecretKeyError`] says what is wrong with the bytes.
    pub fn from_sec1_der(der: &[u8]) -> Result<Self, SecretKeyError> {
        EcSecret::from_sec1(der, None).map(Private::Ec).and_then(Self::new)
    }

    /// Reads an unencrypted PKCS #8 key, in the reference's readings of that format too.
    ///
    /// # Errors
    /// [`SecretKeyError`] says what is wrong with the bytes.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, SecretKeyError> {
        private_key_info::read(der).and_then(Self::new)
    }

    /// Reads a two-prime RSA key.
    ///
    /// # Errors
    /// [`SecretKeyError`] says what is wrong with the bytes.
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, SecretKeyError> {
        RsaSecret::from_pkcs1(der).map(Private::Rsa).and_then(Self::new)
    }

    /// Reads the reference's 96 bytes of an Ed25519 key: public key, seed, public key.
    ///
    /// # Errors
    /// [`SecretKeyError`] says what is wrong with the bytes.
    pub fn from_ed25519_reference(bytes: &[u8]) -> Result<Self, SecretKeyError> {
        EdSecret::from_reference(bytes).map(Private::Ed25519).and_then(Self::new)
    }

    fn new(private: Private) -> Result<Self, SecretKeyError> {
        let public = match &private {
            Private::Ec(key) => PublicKey::new(KeyType::Ecdsa, key.spki().ok_or(SecretKeyError::Mismatched)?),
            Private::Ed25519(key) => PublicKey::new(KeyType::Ed25519, key.public().to_vec()),
            Private::Rsa(key) => PublicKey::new(KeyType::Rsa, key.spki().to_vec()),
        };
        Ok(Self { private, public })
    }

    /// What kind of key this is.
    #[must_use]
    pub fn kind(&self) -> SecretKind {
        match &self.private {
            Private::Ec(key) => match key.curve() {
                Curve::P256 => SecretKind::EcdsaP256,
                Curve::P384 => SecretKind::EcdsaP384,
                Curve::P521 => SecretKind::EcdsaP521,
            },
            Private::Ed25519(_) => SecretKind::Ed25519,
            Private::Rsa(_) => SecretKind::Rsa,
        }
    }

    /// The key as the reference seals EC keys in its signer's database: 121 bytes for P-256.
    ///
    /// # Errors
    /// [`SecretKeyError::NoSuchForm`] for other kinds.
    pub fn to_sec1_der(&self) -> Result<Zeroizing<Vec<u8>>, SecretKeyError> {
        match &self.private {
            Private::Ec(key) => key.to_sec1().ok_or(SecretKeyError::Malformed(SecretForm::Sec1)),
            Private::Ed25519(_) | Private::Rsa(_) => Err(self.no_such(SecretForm::Sec1)),
        }
    }

    /// The key as the reference's client reads it from a key file once that is decrypted.
    ///
    /// # Errors
    /// [`SecretKeyError::Malformed`] should the key be too long for DER, which none is.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, SecretKeyError> {
        private_key_info::write(&self.private).ok_or(SecretKeyError::Malformed(SecretForm::Pkcs8))
    }

    /// The key as the reference seals Ed25519 keys in its signer's database: 96 bytes.
    ///
    /// # Errors
    /// [`SecretKeyError::NoSuchForm`] for other kinds.
    pub fn to_ed25519_reference(&self) -> Result<Zeroizing<Vec<u8>>, SecretKeyError> {
        match &self.private {
            Private::Ed25519(key) => Ok(key.to_reference()),
            Private::Ec(_) | Private::Rsa(_) => Err(self.no_such(SecretForm::Ed25519Reference)),
        }
    }

    /// This key signing under the id of `certificate`, which must be over this key.
    ///
    /// # Errors
    /// [`ForeignCertificate`] when it is over another one.
    pub fn with_certificate(&self, certificate: PublicKey) -> Result<CertifiedKey<&Self>, ForeignCertificate> {
        CertifiedKey::new(self, certificate)
    }

    /// The private part, for making a certificate.
    pub(super) fn private(&self) -> &Private {
        &self.private
    }

    fn no_such(&self, form: SecretForm) -> SecretKeyError {
        SecretKeyError::NoSuchForm { kind: self.kind(), form }
    }
}

impl SigningKey for SecretKey {
    /// The bare key; its id is the one under which the private key is stored.
    fn public(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8], rng: &dyn SecureRandom) -> Result<RawSignature, SignError> {
        let (method, bytes) = match &self.private {
            Private::Ec(key) => (SignatureMethod::Ecdsa, key.sign(message, rng)?),
            Private::Ed25519(key) => (SignatureMethod::Eddsa, key.sign(message)?),
            Private::Rsa(key) => (SignatureMethod::RsaPss, key.sign_pss(message, rng)?),
        };
        Ok(RawSignature { method, bytes })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("id", self.public.id()).finish_non_exhaustive()
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
            Self::EcdsaP521 => "ECDSA P-521",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        })
    }
}

impl fmt::Display for SecretForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sec1 => "SEC 1",
            Self::Pkcs8 => "PKCS #8",
            Self::Pkcs1 => "PKCS #1",
            Self::Ed25519Seed => "Ed25519 seed",
            Self::Ed25519Reference => "Ed25519 in 96 bytes",
        })
    }
}
