//! ECDSA keys on the NIST curves, and their signatures of fixed width.

use p256::elliptic_curve::sec1::ToSec1Point as _;
use pkcs8::ObjectIdentifier;
use pkcs8::der::asn1::{AnyRef, BitStringRef};
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use p384::ecdsa::signature::hazmat::PrehashVerifier as _;

use crate::digest::Sha256;

/// `id-ecPublicKey` (RFC 5480).
pub(crate) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The first byte of a point that is written with both coordinates (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A curve whose keys this crate can use. The reference also knows P-224, which none of its tools makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// secp256r1; the curve of every key the reference makes.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
}

impl Curve {
    /// The curve that has this object identifier.
    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521].into_iter().find(|curve| curve.oid() == oid)
    }

    /// The object identifier (RFC 5480, 2.1.1.1).
    pub(crate) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }

    /// The width in bytes of a coordinate, of a private scalar, and of each half of a signature.
    #[must_use]
    pub const fn field_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// A point on this curve with both coordinates written out; `None` when the bytes are no point of it.
    ///
    /// The point at infinity and the hybrid form of X9.62 are refused.
    pub(crate) fn uncompressed(self, point: &[u8]) -> Option<Vec<u8>> {
        let width = self.field_bytes();
        let expected = match point.first()? {
            &UNCOMPRESSED => 2 * width + 1,
            2 | 3 => width + 1,
            _ => return None,
        };
        if point.len() != expected {
            return None;
        }
        Some(match self {
            Self::P256 => p256::PublicKey::from_sec1_bytes(point).ok()?.to_sec1_point(false).as_bytes().to_vec(),
            Self::P384 => p384::PublicKey::from_sec1_bytes(point).ok()?.to_sec1_point(false).as_bytes().to_vec(),
            Self::P521 => p521::PublicKey::from_sec1_bytes(point).ok()?.to_sec1_point(false).as_bytes().to_vec(),
        })
    }

    /// The SubjectPublicKeyInfo of an uncompressed point, as the reference writes it.
    pub(crate) fn spki(self, uncompressed: &[u8]) -> Option<Vec<u8>> {
        let oid = self.oid();
        let info = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some(AnyRef::from(&oid)) },
            subject_public_key: BitStringRef::from_bytes(uncompressed).ok()?,
        };
        info.to_der().ok()
    }
}

/// A public key on one of the curves.
pub(super) struct VerifyingKey {
    point: Point,
    spki: Vec<u8>,
}

enum Point {
    /// Uncompressed, as ring takes it.
    P256(Vec<u8>),
    /// ring knows this curve with SHA-384 in fixed width only.
    P384(p384::ecdsa::VerifyingKey),
    /// ring does not know this curve.
    P521(Box<p521::ecdsa::VerifyingKey>),
}

impl VerifyingKey {
    /// Reads a SubjectPublicKeyInfo with a named curve and a point, compressed or not.
    pub(super) fn from_spki(der: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
        if info.algorithm.oid != EC_PUBLIC_KEY {
            return None;
        }
        let curve = Curve::from_oid(info.algorithm.parameters_oid().ok()?)?;
        let point = curve.uncompressed(info.subject_public_key.as_bytes()?)?;
        let spki = curve.spki(&point)?;
        let point = match curve {
            Curve::P256 => Point::P256(point),
            Curve::P384 => Point::P384(p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?),
            Curve::P521 => Point::P521(Box::new(p521::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?)),
        };
        Some(Self { point, spki })
    }

    /// The curve the point is of.
    pub(super) fn curve(&self) -> Curve {
        match &self.point {
            Point::P256(_) => Curve::P256,
            Point::P384(_) => Curve::P384,
            Point::P521(_) => Curve::P521,
        }
    }

    /// The SubjectPublicKeyInfo with the point uncompressed.
    pub(super) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether `signature`, r and s of the field's width, was made over the message's SHA-256.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.point {
            Point::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            Point::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(Sha256::of(message).as_bytes(), &signature).is_ok()),
            Point::P521(key) => p521::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(Sha256::of(message).as_bytes(), &signature).is_ok()),
        }
    }
}
