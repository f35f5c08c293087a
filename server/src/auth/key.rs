//! The public keys that tokens and their certificates are verified with.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey;

const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";

/// A kind of key that tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
}

/// A public key, its kind known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenKey {
    kind: KeyKind,
    /// PKCS #1 for RSA, the uncompressed point for the curves.
    bits: Vec<u8>,
    /// How libtrust names it.
    id: String,
}

/// A signature algorithm of a token (RFC 7518, 3.1). `none`, the symmetric ones and PSS are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
}

impl TokenAlgorithm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "RS384" => Some(Self::Rs384),
            "RS512" => Some(Self::Rs512),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            _ => None,
        }
    }

    /// The kind of key it is used with, so that the token cannot choose what the key's owner did not.
    pub(super) fn key_kind(self) -> KeyKind {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 => KeyKind::Rsa,
            Self::Es256 => KeyKind::P256,
            Self::Es384 => KeyKind::P384,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        }
    }
}

impl TokenKey {
    /// Reads a SubjectPublicKeyInfo; `None` when it is none, or of a kind that no token is signed with.
    pub(super) fn from_spki(der: &[u8]) -> Option<Self> {
        let (rest, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let curve = || info.algorithm.parameters.as_ref()?.as_oid().ok().map(|oid| oid.to_id_string());
        let kind = match info.algorithm.algorithm.to_id_string().as_str() {
            RSA => KeyKind::Rsa,
            EC => match curve()?.as_str() {
                P256 => KeyKind::P256,
                P384 => KeyKind::P384,
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { kind, bits: info.subject_public_key.data.to_vec(), id: libtrust_id(der) })
    }

    pub(super) fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The name libtrust gives the key: what a token's `kid` holds.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether this is the point of a JWK.
    pub(super) fn is_point(&self, x: &[u8], y: &[u8]) -> bool {
        matches!(self.kind, KeyKind::P256 | KeyKind::P384)
            && matches!(self.bits.split_first(), Some((4, point)) if point == [x, y].concat() && x.len() == y.len())
    }

    /// Whether these are the modulus and exponent of a JWK.
    pub(super) fn is_modulus(&self, modulus: &[u8], exponent: &[u8]) -> bool {
        if self.kind != KeyKind::Rsa {
            return false;
        }
        match x509_parser::public_key::RSAPublicKey::from_der(&self.bits).map(|(_, key)| PublicKey::RSA(key)) {
            Ok(PublicKey::RSA(key)) => {
                trimmed(key.modulus) == trimmed(modulus) && trimmed(key.exponent) == trimmed(exponent)
            }
            _ => false,
        }
    }

    /// Whether `signature` is this key's over the signed part of a token. The kind must fit the algorithm.
    pub(super) fn signed_token(&self, algorithm: TokenAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        algorithm.key_kind() == self.kind
            && UnparsedPublicKey::new(algorithm.verification(), &self.bits).verify(message, signature).is_ok()
    }

    /// Whether `signature` is this key's over a certificate, by the algorithm with the dotted number `oid`.
    pub(super) fn signed_certificate(&self, oid: &str, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.kind, oid) {
            (KeyKind::Rsa, "1.2.840.113549.1.1.11") => &signature::RSA_PKCS1_2048_8192_SHA256,
            (KeyKind::Rsa, "1.2.840.113549.1.1.12") => &signature::RSA_PKCS1_2048_8192_SHA384,
            (KeyKind::Rsa, "1.2.840.113549.1.1.13") => &signature::RSA_PKCS1_2048_8192_SHA512,
            (KeyKind::P256, "1.2.840.10045.4.3.2") => &signature::ECDSA_P256_SHA256_ASN1,
            (KeyKind::P256, "1.2.840.10045.4.3.3") => &signature::ECDSA_P256_SHA384_ASN1,
            (KeyKind::P384, "1.2.840.10045.4.3.2") => &signature::ECDSA_P384_SHA256_ASN1,
            (KeyKind::P384, "1.2.840.10045.4.3.3") => &signature::ECDSA_P384_SHA384_ASN1,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.bits).verify(message, signature).is_ok()
    }
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The first 30 bytes of the SHA-256 of the SubjectPublicKeyInfo, in base 32, in twelve groups of four.
fn libtrust_id(spki: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = ring::digest::digest(&ring::digest::SHA256, spki);
    let mut id = String::with_capacity(59);
    // five bytes are eight characters
    for (n, five) in digest.as_ref().chunks_exact(5).take(6).enumerate() {
        let bits = five.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        for place in 0..8_u32 {
            if (n > 0 || place > 0) && place % 4 == 0 {
                id.push(':');
            }
            let index = usize::try_from((bits >> (35 - 5 * place)) & 31).unwrap_or_default();
            id.extend(ALPHABET.get(index).map(|letter| char::from(*letter)));
        }
    }
    id
}
