//! PKCS #8 frames, read as tolerantly as the keys of the reference need and written as it reads them.
//!
//! The reference writes EC keys as version 1 without the public key that this version is for, RSA keys without the
//! NULL parameters, and Ed25519 keys under an object identifier of its own.

use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{Decode as _, Encode as _, Reader as _, SliceReader};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::ecdsa::EcSecret;
use super::ed25519::EdSecret;
use super::rsa::RsaSecret;
use super::secret::{Private, SecretForm, SecretKeyError};
use crate::key::{Curve, EC_PUBLIC_KEY, RSA_ENCRYPTION};

/// `id-Ed25519` (RFC 8410).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// What the reference calls Ed25519: GNU's arc, with 96 raw bytes as the key.
const ED25519_REFERENCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.15.1");

/// Reads any private key that stands in a PKCS #8 frame.
pub(super) fn read(der: &[u8]) -> Result<Private, SecretKeyError> {
    let (algorithm, key) = frame(der).ok_or(SecretKeyError::Malformed(SecretForm::Pkcs8))?;
    match algorithm.oid {
        EC_PUBLIC_KEY => {
            let curve = algorithm.parameters_oid().ok().and_then(Curve::from_oid);
            let curve = curve.ok_or(SecretKeyError::UnknownCurve)?;
            EcSecret::from_sec1(key, Some(curve)).map(Private::Ec)
        }
        RSA_ENCRYPTION => RsaSecret::from_pkcs1(key).map(Private::Rsa),
        ED25519_REFERENCE => EdSecret::from_reference(key).map(Private::Ed25519),
        ED25519 => {
            // CurvePrivateKey is an OCTET STRING inside the OCTET STRING.
            let seed = <&OctetStringRef>::from_der(key);
            let seed = seed.map_err(|_| SecretKeyError::Malformed(SecretForm::Ed25519Seed))?;
            EdSecret::from_seed(seed.as_bytes(), None).map(Private::Ed25519)
        }
        other => Err(SecretKeyError::UnknownAlgorithm(other.to_string())),
    }
}

/// Writes version 0 for every kind of key: the reference reads that too, and so does everybody else.
pub(super) fn write(private: &Private) -> Option<Zeroizing<Vec<u8>>> {
    match private {
        Private::Ec(key) => {
            let curve = key.curve().oid();
            let algorithm = AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some(AnyRef::from(&curve)) };
            encode(algorithm, key.to_sec1()?.as_slice())
        }
        Private::Rsa(key) => encode(AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: None }, key.pkcs1()),
        Private::Ed25519(key) => {
            let algorithm = AlgorithmIdentifierRef { oid: ED25519_REFERENCE, parameters: None };
            encode(algorithm, key.to_reference().as_slice())
        }
    }
}

fn encode(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let info = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(key).ok()?);
    info.to_der().ok().map(Zeroizing::new)
}

/// The algorithm and the key inside a frame of version 0 or 1, whatever optional members follow.
fn frame(der: &[u8]) -> Option<(AlgorithmIdentifierRef<'_>, &[u8])> {
    let mut reader = SliceReader::new(der).ok()?;
    let parts = reader.sequence(|inside| {
        let version = u8::decode(inside)?;
        let algorithm = AlgorithmIdentifierRef::decode(inside)?;
        let key = <&OctetStringRef>::decode(inside)?;
        while !inside.is_finished() {
            AnyRef::decode(inside)?;
        }
        Ok::<_, pkcs8::der::Error>((version, algorithm, key.as_bytes()))
    });
    let (version, algorithm, key) = parts.ok()?;
    (version <= 1 && reader.is_finished()).then_some((algorithm, key))
}
