//! Public keys: what they are on the wire, when two of them are one key, and whether they made a signature.
//!
//! A key is parsed once, when it is made; afterwards asking costs no parsing. A key that cannot be understood is a
//! key all the same, because the reference carries it along: it has an id and never verifies anything.

use std::fmt;
use std::sync::Arc;

use crate::signature::{Signature, SignatureMethod};

mod ecdsa;
mod ed25519;
mod id;
mod rsa;
pub mod x509;

pub use ecdsa::Curve;
pub(crate) use ecdsa::EC_PUBLIC_KEY;
pub(crate) use ed25519::PUBLIC_BYTES as ED25519_PUBLIC_BYTES;
pub use id::KeyId;
pub(crate) use rsa::{MINIMUM_BITS as RSA_MINIMUM_BITS, RSA_ENCRYPTION, spki as rsa_spki};

/// The `keytype` of a key object: how its public bytes are to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// `ecdsa`: SubjectPublicKeyInfo in DER.
    Ecdsa,
    /// `ecdsa-x509`: certificates as PEM text, the key's own first.
    EcdsaX509,
    /// `rsa`: SubjectPublicKeyInfo in DER (or as PEM text for PyCrypto's signatures).
    Rsa,
    /// `rsa-x509`: certificates as PEM text, the key's own first.
    RsaX509,
    /// `ed25519`: the 32 bytes of the key.
    Ed25519,
    /// A type this version does not know; its keys never verify.
    Other(String),
}

impl KeyType {
    /// The type that has this name; names are matched exactly, as the reference does.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "ecdsa" => Self::Ecdsa,
            "ecdsa-x509" => Self::EcdsaX509,
            "rsa" => Self::Rsa,
            "rsa-x509" => Self::RsaX509,
            "ed25519" => Self::Ed25519,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name in metadata.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::EcdsaX509 => "ecdsa-x509",
            Self::Rsa => "rsa",
            Self::RsaX509 => "rsa-x509",
            Self::Ed25519 => "ed25519",
            Self::Other(name) => name,
        }
    }

    /// Whether the public bytes are certificates.
    #[must_use]
    pub fn is_x509(&self) -> bool {
        matches!(self, Self::EcdsaX509 | Self::RsaX509)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A public key as metadata carries it. Cheap to clone; equal when type and bytes are.
#[derive(Clone)]
pub struct PublicKey(Arc<Parts>);

struct Parts {
    id: KeyId,
    key_type: KeyType,
    public: Vec<u8>,
    /// `None` for a key that cannot verify anything.
    verifier: Option<Verifier>,
}

/// A key that was understood.
enum Verifier {
    Ecdsa(ecdsa::VerifyingKey),
    /// An RSA key given as DER or in a certificate.
    Rsa(rsa::VerifyingKey),
    /// An RSA key given as PEM text, which the reference reads for PyCrypto's method only.
    RsaPem(rsa::VerifyingKey),
    Ed25519(ed25519::VerifyingKey),
}

/// What kind of key a public key is, whatever it is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyShape {
    /// ECDSA on a curve.
    Ecdsa(Curve),
    /// RSA with a modulus of so many bits.
    Rsa {
        /// The length of the modulus.
        bits: usize,
    },
    /// Ed25519.
    Ed25519,
}

impl PublicKey {
    /// The ECDSA key of a point, compressed or not; `None` when the bytes are no point of the curve.
    #[must_use]
    pub fn of_point(curve: Curve, point: &[u8]) -> Option<Self> {
        Some(Self::new(KeyType::Ecdsa, curve.spki(&curve.uncompressed(point)?)?))
    }

    /// The RSA key of a modulus and an exponent, both big-endian; `None` when it is no key.
    #[must_use]
    pub fn of_rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let key = Self::new(KeyType::Rsa, rsa::spki(without_zeros(modulus), without_zeros(exponent))?);
        key.material().is_some().then_some(key)
    }

    /// What kind of key it is; `None` for a key that never verifies.
    #[must_use]
    pub fn shape(&self) -> Option<KeyShape> {
        Some(match self.0.verifier.as_ref()? {
            Verifier::Ecdsa(key) => KeyShape::Ecdsa(key.curve()),
            Verifier::Rsa(key) | Verifier::RsaPem(key) => KeyShape::Rsa { bits: rsa::modulus_bits(key.spki())? },
            Verifier::Ed25519(_) => KeyShape::Ed25519,
        })
    }

    /// A key of `key_type` with the public bytes of the wire, decoded from base64.
    ///
    /// Never fails: a key that cannot be parsed, an RSA key under 2048 bits and an unknown type simply never verify.
    #[must_use]
    pub fn new(key_type: KeyType, public: Vec<u8>) -> Self {
        let id = KeyId::of(&key_type, &public);
        let verifier = Verifier::parse(&key_type, &public);
        Self(Arc::new(Parts { id, key_type, public, verifier }))
    }

    /// The id that this key must have in a document.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.0.id
    }

    /// How the public bytes are to be read.
    #[must_use]
    pub fn key_type(&self) -> &KeyType {
        &self.0.key_type
    }

    /// The public bytes as they stand in metadata.
    #[must_use]
    pub fn public_bytes(&self) -> &[u8] {
        &self.0.public
    }

    /// What makes two keys the same key, whatever their ids: the SubjectPublicKeyInfo of the bare key in its one
    /// usual form (uncompressed point, RSA with NULL parameters). Certificates, PEM text and encodings make no
    /// difference. `None` for a key that never verifies.
    #[must_use]
    pub fn material(&self) -> Option<&[u8]> {
        self.0.verifier.as_ref().map(Verifier::material)
    }

    /// The key without its certificate; its id is the canonical key id, under which private keys are stored.
    ///
    /// A key that has no certificate is its own bare key. `None` for a key that never verifies.
    #[must_use]
    pub fn bare(&self) -> Option<Self> {
        let material = self.material()?;
        match self.key_type() {
            KeyType::EcdsaX509 => Some(Self::new(KeyType::Ecdsa, material.to_vec())),
            KeyType::RsaX509 => Some(Self::new(KeyType::Rsa, material.to_vec())),
            KeyType::Ecdsa | KeyType::Rsa | KeyType::Ed25519 | KeyType::Other(_) => Some(self.clone()),
        }
    }

    /// The id under which the private key is stored: that of the bare key as the reference writes it, whatever form it has
    /// here (PEM, a compressed point), or its own if it never verifies.
    #[must_use]
    pub fn canonical_id(&self) -> KeyId {
        let key_type = match self.key_type() {
            KeyType::Ecdsa | KeyType::EcdsaX509 => KeyType::Ecdsa,
            KeyType::Rsa | KeyType::RsaX509 => KeyType::Rsa,
            KeyType::Ed25519 | KeyType::Other(_) => return self.id().clone(),
        };
        match self.material() {
            Some(material) if material != self.public_bytes() => Self::new(key_type, material.to_vec()).id().clone(),
            Some(_) | None => self.id().clone(),
        }
    }

    /// The method by which this form of a key verifies what its private key makes by `method`.
    pub(crate) fn method_as_listed(&self, method: SignatureMethod) -> SignatureMethod {
        match (&self.0.verifier, method) {
            (Some(Verifier::RsaPem(_)), SignatureMethod::RsaPss) => SignatureMethod::PycryptoPss,
            (_, other) => other,
        }
    }

    /// Whether this key made `signature` over `message`, by a method that fits the key's type.
    ///
    /// The key id in `signature` is not looked at.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        let Some(verifier) = &self.0.verifier else {
            return false;
        };
        let bytes = signature.bytes.as_slice();
        match (verifier, &signature.method) {
            (Verifier::Ecdsa(key), SignatureMethod::Ecdsa) => key.verifies(message, bytes),
            (Verifier::Rsa(key), SignatureMethod::RsaPss) => key.verifies_pss(message, bytes),
            (Verifier::Rsa(key), SignatureMethod::RsaPkcs1v15) => key.verifies_pkcs1v15(message, bytes),
            (Verifier::RsaPem(key), SignatureMethod::PycryptoPss) => key.verifies_pss(message, bytes),
            (Verifier::Ed25519(key), SignatureMethod::Eddsa) => key.verifies(message, bytes),
            _ => false,
        }
    }
}

impl Verifier {
    fn parse(key_type: &KeyType, public: &[u8]) -> Option<Self> {
        match key_type {
            KeyType::Ecdsa => ecdsa::VerifyingKey::from_spki(public).map(Self::Ecdsa),
            KeyType::EcdsaX509 => {
                let spki = x509::first_certificate_spki(public)?;
                ecdsa::VerifyingKey::from_spki(&spki).map(Self::Ecdsa)
            }
            KeyType::Rsa => match rsa::spki_of_pem(public) {
                Some(spki) => rsa::VerifyingKey::from_spki(&spki).map(Self::RsaPem),
                None => rsa::VerifyingKey::from_spki(public).map(Self::Rsa),
            },
            KeyType::RsaX509 => {
                let spki = x509::first_certificate_spki(public)?;
                rsa::VerifyingKey::from_spki(&spki).map(Self::Rsa)
            }
            KeyType::Ed25519 => ed25519::VerifyingKey::from_bytes(public).map(Self::Ed25519),
            KeyType::Other(_) => None,
        }
    }

    fn material(&self) -> &[u8] {
        match self {
            Self::Ecdsa(key) => key.spki(),
            Self::Rsa(key) | Self::RsaPem(key) => key.spki(),
            Self::Ed25519(key) => key.spki(),
        }
    }
}

/// A big-endian number as DER writes it.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key_type == other.0.key_type && self.0.public == other.0.public
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("id", self.id()).field("type", self.key_type()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
