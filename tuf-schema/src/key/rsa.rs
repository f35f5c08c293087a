//! RSA keys of at least 2048 bits, and their PSS and PKCS #1 v1.5 signatures.

use pkcs1::RsaPublicKeyRef;
use pkcs8::ObjectIdentifier;
use pkcs8::der::asn1::{AnyRef, BitStringRef};
use pkcs8::der::{Decode as _, Encode as _};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};

/// `rsaEncryption` (RFC 8017).
pub(crate) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The shortest modulus in bits that the reference believes.
pub(crate) const MINIMUM_BITS: usize = 2048;

/// A public key.
pub(super) struct VerifyingKey {
    components: RsaPublicKeyComponents<Vec<u8>>,
    spki: Vec<u8>,
}

impl VerifyingKey {
    /// Reads a SubjectPublicKeyInfo, with or without the NULL parameters.
    pub(super) fn from_spki(der: &[u8]) -> Option<Self> {
        let (modulus, exponent) = components(der)?;
        if bit_length(&modulus) < MINIMUM_BITS {
            return None;
        }
        let spki = spki(&modulus, &exponent)?;
        Some(Self { components: RsaPublicKeyComponents { n: modulus, e: exponent }, spki })
    }

    /// The SubjectPublicKeyInfo with NULL parameters.
    pub(super) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// PSS with SHA-256, MGF1-SHA-256 and a salt of 32 bytes.
    pub(super) fn verifies_pss(&self, message: &[u8], signature: &[u8]) -> bool {
        self.components.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
    }

    /// PKCS #1 v1.5 with SHA-256.
    pub(super) fn verifies_pkcs1v15(&self, message: &[u8], signature: &[u8]) -> bool {
        self.components.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }
}

/// The SubjectPublicKeyInfo in a PEM text; `None` when the bytes are no PEM.
pub(super) fn spki_of_pem(text: &[u8]) -> Option<Vec<u8>> {
    Some(pem::parse(text).ok()?.into_contents())
}

/// The modulus' length in bits of an RSA SubjectPublicKeyInfo; `None` when it is none.
pub(super) fn modulus_bits(spki: &[u8]) -> Option<usize> {
    Some(bit_length(&components(spki)?.0))
}

/// The SubjectPublicKeyInfo of a modulus and an exponent, both big-endian without leading zeros.
pub(crate) fn spki(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let public = RsaPublicKeyRef {
        modulus: pkcs1::UintRef::new(modulus).ok()?,
        public_exponent: pkcs1::UintRef::new(exponent).ok()?,
    };
    let public = public.to_der().ok()?;
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) },
        subject_public_key: BitStringRef::from_bytes(&public).ok()?,
    };
    info.to_der().ok()
}

/// Modulus and exponent, big-endian without leading zeros.
fn components(spki: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    let null_or_absent = info.algorithm.parameters.is_none_or(|parameters| parameters.is_null());
    if info.algorithm.oid != RSA_ENCRYPTION || !null_or_absent {
        return None;
    }
    let public = RsaPublicKeyRef::from_der(info.subject_public_key.as_bytes()?).ok()?;
    Some((public.modulus.as_bytes().to_vec(), public.public_exponent.as_bytes().to_vec()))
}

fn bit_length(big_endian: &[u8]) -> usize {
    match big_endian.first() {
        Some(first) => big_endian.len() * 8 - first.leading_zeros() as usize,
        None => 0,
    }
}
