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
/// While it signs, and as long as a [prepared](Self::prepare) key lives, the cryptographic library holds a working copy that
/// it does not wipe.
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

    /// Does now, once, what every signature of an EC or Ed25519 key would begin with and what costs about as much as the
    /// signature. For who signs often: the cryptographic library's working copy then stays, on the heap, until this key is
    /// dropped, and a process in which freed memory must hold no secrets needs an allocator that wipes it.
    ///
    /// # Errors
    /// [`SignError::Refused`] as [`SigningKey::sign`] would say.
    pub fn prepare(&mut self, rng: &dyn SecureRandom) -> Result<(), SignError> {
        match &mut self.private {
            Private::Ec(key) => key.prepare(rng),
            Private::Ed25519(key) => key.prepare(),
            Private::Rsa(_) => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    use pkcs8::der::Encode as _;
    use pkcs8::der::asn1::{AnyRef, OctetStringRef};
    use pkcs8::spki::AlgorithmIdentifierRef;
    use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
    use ring::rand::SystemRandom;
    use sec1::{EcParameters, EcPrivateKey};

    use super::*;

    const EC_KINDS: [SecretKind; 3] = [SecretKind::EcdsaP256, SecretKind::EcdsaP384, SecretKind::EcdsaP521];

    fn generated(kind: SecretKind) -> SecretKey {
        SecretKey::generate(kind, &SystemRandom::new()).unwrap()
    }

    fn verifies(key: &SecretKey) -> bool {
        key.public().verifies(b"message", &key.signature(b"message", &SystemRandom::new()).unwrap())
    }

    #[test]
    fn a_prepared_key_signs_as_it_did_before() {
        for kind in EC_KINDS.into_iter().chain([SecretKind::Ed25519]) {
            let mut key = generated(kind);
            assert!(verifies(&key));
            key.prepare(&SystemRandom::new()).unwrap();
            assert!(verifies(&key), "{kind}");
        }
        let mut key = SecretKey::from_pkcs8_der(&rsa_pkcs8()).unwrap();
        key.prepare(&SystemRandom::new()).unwrap();
        assert!(verifies(&key));
    }

    fn rsa_pkcs8() -> Vec<u8> {
        pem::parse(include_bytes!("../../../tests/fixtures/keys/rsaroot.key")).unwrap().into_contents()
    }

    fn sec1(scalar: &[u8], curve: Option<Curve>, public: Option<&[u8]>) -> Vec<u8> {
        let parameters = curve.map(|curve| EcParameters::NamedCurve(curve.oid()));
        EcPrivateKey { private_key: scalar, parameters, public_key: public }.to_der().unwrap()
    }

    fn ec_parts(key: &SecretKey) -> (Vec<u8>, Vec<u8>) {
        let der = key.to_sec1_der().unwrap();
        let parsed = EcPrivateKey::try_from(der.as_slice()).unwrap();
        (parsed.private_key.to_vec(), parsed.public_key.unwrap().to_vec())
    }

    #[test]
    fn every_made_key_is_read_back_from_every_form_it_has() {
        for kind in EC_KINDS {
            let key = generated(kind);
            assert_eq!(key.kind(), kind);
            let again = SecretKey::from_sec1_der(&key.to_sec1_der().unwrap()).unwrap();
            assert_eq!((again.public(), again.kind()), (key.public(), kind));
            let again = SecretKey::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
            assert_eq!(again.public(), key.public());
        }
        let key = generated(SecretKind::Ed25519);
        let again = SecretKey::from_ed25519_reference(&key.to_ed25519_reference().unwrap()).unwrap();
        assert_eq!(again.public(), key.public());
        let again = SecretKey::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
        assert_eq!(again.public(), key.public());
        let rsa = SecretKey::from_pkcs8_der(&rsa_pkcs8()).unwrap();
        let again = SecretKey::from_pkcs8_der(&rsa.to_pkcs8_der().unwrap()).unwrap();
        assert_eq!((again.public(), again.kind()), (rsa.public(), SecretKind::Rsa));
    }

    #[test]
    fn a_p256_key_is_written_in_121_bytes_as_go_writes_it() {
        let key = generated(SecretKind::EcdsaP256);
        assert_eq!(key.to_sec1_der().unwrap().len(), 121);
    }

    #[test]
    fn the_bare_pkcs1_key_inside_an_rsa_frame_is_read_too() {
        let framed = rsa_pkcs8();
        let inner = PrivateKeyInfoRef::try_from(framed.as_slice()).unwrap();
        let rsa = SecretKey::from_pkcs1_der(inner.private_key.as_bytes()).unwrap();
        assert_eq!(rsa.public(), SecretKey::from_pkcs8_der(&framed).unwrap().public());
    }

    #[test]
    fn a_private_number_that_belongs_to_another_point_is_refused() {
        for kind in EC_KINDS {
            let (scalar, _) = ec_parts(&generated(kind));
            let (_, foreign) = ec_parts(&generated(kind));
            let curve = match kind {
                SecretKind::EcdsaP256 => Curve::P256,
                SecretKind::EcdsaP384 => Curve::P384,
                _ => Curve::P521,
            };
            let der = sec1(&scalar, Some(curve), Some(&foreign));
            assert_eq!(SecretKey::from_sec1_der(&der).unwrap_err(), SecretKeyError::Mismatched, "{kind}");
            assert!(SecretKey::from_sec1_der(&sec1(&scalar, Some(curve), None)).is_ok(), "{kind}");
        }
    }

    #[test]
    fn an_ed25519_key_with_a_foreign_public_part_is_refused() {
        let good = generated(SecretKind::Ed25519).to_ed25519_reference().unwrap();
        for place in [0, 40, 95] {
            let mut bytes = good.to_vec();
            bytes[place] ^= 1;
            assert_eq!(SecretKey::from_ed25519_reference(&bytes).unwrap_err(), SecretKeyError::Mismatched, "{place}");
        }
        let malformed = SecretKeyError::Malformed(SecretForm::Ed25519Reference);
        for length in [0, 31, 32, 64, 95] {
            assert_eq!(SecretKey::from_ed25519_reference(&good[..length]).unwrap_err(), malformed);
        }
        assert_eq!(SecretKey::from_ed25519_reference(&[good.as_slice(), &[0]].concat()).unwrap_err(), malformed);
    }

    #[test]
    fn an_rsa_key_whose_parts_disagree_is_refused() {
        let mut der = rsa_pkcs8();
        // The CRT coefficient stands last.
        *der.last_mut().unwrap() ^= 1;
        assert_eq!(SecretKey::from_pkcs8_der(&der).unwrap_err(), SecretKeyError::Mismatched);
    }

    #[test]
    fn an_rsa_key_below_2048_bits_is_refused_with_its_size() {
        let number = |bytes: &'static [u8]| pkcs1::UintRef::new(bytes).unwrap();
        let short = pkcs1::RsaPrivateKeyRef {
            modulus: number(&[0xff; 128]),
            public_exponent: number(&[1, 0, 1]),
            private_exponent: number(&[3]),
            prime1: number(&[5]),
            prime2: number(&[7]),
            exponent1: number(&[1]),
            exponent2: number(&[1]),
            coefficient: number(&[1]),
            other_prime_infos: None,
        };
        let refused = SecretKey::from_pkcs1_der(&short.to_der().unwrap()).unwrap_err();
        assert_eq!(refused, SecretKeyError::RsaSize { bits: 1024 });
    }

    #[test]
    fn leading_zeros_too_many_or_cut_off_do_not_matter() {
        let mut scalar = [0; 32];
        scalar[31] = 7;
        let read = |scalar: &[u8]| SecretKey::from_sec1_der(&sec1(scalar, Some(Curve::P256), None)).unwrap();
        let full = read(&scalar);
        assert_eq!(read(&[7]).public(), full.public());
        assert_eq!(read(&[&[0, 0], scalar.as_slice()].concat()).public(), full.public());
        assert_eq!(ec_parts(&read(&[7])).0, scalar);
    }

    #[test]
    fn a_private_number_of_zero_or_beyond_the_order_is_refused() {
        for scalar in [&[0; 32][..], &[0xff; 32], &[1; 33]] {
            let der = sec1(scalar, Some(Curve::P256), None);
            assert_eq!(SecretKey::from_sec1_der(&der).unwrap_err(), SecretKeyError::ScalarOutOfRange);
        }
    }

    #[test]
    fn the_curve_must_be_named_and_named_once() {
        let unnamed = sec1(&[7; 32], None, None);
        assert_eq!(SecretKey::from_sec1_der(&unnamed).unwrap_err(), SecretKeyError::UnknownCurve);
        let framed = |outside: &ObjectIdentifier, inner: &[u8]| {
            let parameters = Some(AnyRef::from(outside));
            let algorithm = AlgorithmIdentifierRef { oid: crate::key::EC_PUBLIC_KEY, parameters };
            PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(inner).unwrap()).to_der().unwrap()
        };
        let p256 = Curve::P256.oid();
        assert!(SecretKey::from_pkcs8_der(&framed(&p256, &unnamed)).is_ok());
        let other = sec1(&[7; 32], Some(Curve::P384), None);
        assert_eq!(SecretKey::from_pkcs8_der(&framed(&p256, &other)).unwrap_err(), SecretKeyError::Mismatched);
        let secp256k1 = ObjectIdentifier::new_unwrap("1.3.132.0.10");
        assert_eq!(SecretKey::from_pkcs8_der(&framed(&secp256k1, &unnamed)).unwrap_err(), SecretKeyError::UnknownCurve);
    }

    #[test]
    fn keys_that_cannot_sign_metadata_are_refused_by_their_algorithm() {
        let x25519 = ObjectIdentifier::new_unwrap("1.3.101.110");
        let algorithm = AlgorithmIdentifierRef { oid: x25519, parameters: None };
        let der = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&[4, 0]).unwrap()).to_der().unwrap();
        let expected = SecretKeyError::UnknownAlgorithm("1.3.101.110".into());
        assert_eq!(SecretKey::from_pkcs8_der(&der).unwrap_err(), expected);
    }

    #[test]
    fn cut_or_lengthened_frames_are_refused() {
        let der = generated(SecretKind::EcdsaP256).to_pkcs8_der().unwrap();
        let malformed = SecretKeyError::Malformed(SecretForm::Pkcs8);
        for length in 0..der.len() {
            assert_eq!(SecretKey::from_pkcs8_der(&der[..length]).unwrap_err(), malformed, "{length}");
        }
        assert_eq!(SecretKey::from_pkcs8_der(&[der.as_slice(), &[0]].concat()).unwrap_err(), malformed);
    }

    #[test]
    fn rsa_keys_are_not_made_and_forms_of_other_kinds_are_refused() {
        let refused = SecretKey::generate(SecretKind::Rsa, &SystemRandom::new()).unwrap_err();
        assert_eq!(refused, SecretKeyError::NotGenerated(SecretKind::Rsa));
        let (kind, form) = (SecretKind::Ed25519, SecretForm::Sec1);
        assert_eq!(generated(kind).to_sec1_der().unwrap_err(), SecretKeyError::NoSuchForm { kind, form });
        let (kind, form) = (SecretKind::EcdsaP256, SecretForm::Ed25519Reference);
        assert_eq!(generated(kind).to_ed25519_reference().unwrap_err(), SecretKeyError::NoSuchForm { kind, form });
    }

    #[test]
    fn printing_a_key_shows_its_id_and_nothing_of_it() {
        let key = generated(SecretKind::EcdsaP256);
        let printed = format!("{key:?} {:?}", crate::sign::Passphrase::from_text("open sesame".into()));
        let expected = format!("SecretKey {{ id: \"{}\", .. }} Passphrase(..)", key.public().id());
        assert_eq!(printed, expected);
    }
}
