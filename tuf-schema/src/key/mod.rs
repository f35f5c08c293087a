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
mod tests {
    use pkcs8::der::Decode as _;
    use pkcs8::der::Encode as _;
    use pkcs8::spki::SubjectPublicKeyInfoRef;
    use ring::rand::SystemRandom;
    use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

    use super::*;
    use crate::gun::Gun;
    use crate::sign::{SecretKey, SecretKind, SigningKey as _};
    use crate::time::UtcTime;

    const MESSAGE: &[u8] = b"a message";

    fn rsa_pkcs8() -> Vec<u8> {
        pem::parse(include_bytes!("../../../tests/fixtures/keys/rsaroot.key")).unwrap().into_contents()
    }

    fn generated(kind: SecretKind) -> SecretKey {
        SecretKey::generate(kind, &SystemRandom::new()).unwrap()
    }

    fn certified(key: &SecretKey) -> PublicKey {
        let now = UtcTime::parse("2026-11-21T00:00:00Z").unwrap();
        let gun = Gun::parse("example.com/a").unwrap();
        x509::self_signed_root_certificate(key, &gun, now, &SystemRandom::new()).unwrap()
    }

    /// A key, and every genuine signature that it can make over [`MESSAGE`], by its method.
    type Specimen = (&'static str, PublicKey, Vec<(SignatureMethod, Vec<u8>)>);

    fn specimens() -> Vec<Specimen> {
        let rng = SystemRandom::new();
        let signed = |key: &SecretKey| {
            let signature = key.sign(MESSAGE, &rng).unwrap();
            vec![(signature.method, signature.bytes)]
        };
        let [p256, p384, p521, ed25519] =
            [SecretKind::EcdsaP256, SecretKind::EcdsaP384, SecretKind::EcdsaP521, SecretKind::Ed25519].map(generated);
        let rsa = SecretKey::from_pkcs8_der(&rsa_pkcs8()).unwrap();
        let mut by_rsa = signed(&rsa);
        let pair = RsaKeyPair::from_pkcs8(&rsa_pkcs8()).unwrap();
        let mut bytes = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &rng, MESSAGE, &mut bytes).unwrap();
        by_rsa.push((SignatureMethod::RsaPkcs1v15, bytes));
        let as_pem = pem::encode(&pem::Pem::new("PUBLIC KEY", rsa.public().public_bytes()));
        let by_pycrypto = vec![(SignatureMethod::PycryptoPss, signed(&rsa)[0].1.clone())];
        vec![
            ("P-256", p256.public().clone(), signed(&p256)),
            ("P-256 certificate", certified(&p256), signed(&p256)),
            ("P-384", p384.public().clone(), signed(&p384)),
            ("P-384 certificate", certified(&p384), signed(&p384)),
            ("P-521", p521.public().clone(), signed(&p521)),
            ("Ed25519", ed25519.public().clone(), signed(&ed25519)),
            ("RSA", rsa.public().clone(), by_rsa.clone()),
            ("RSA certificate", certified(&rsa), by_rsa),
            ("RSA as PEM", PublicKey::new(KeyType::Rsa, as_pem.into_bytes()), by_pycrypto),
        ]
    }

    fn signature(method: SignatureMethod, bytes: &[u8]) -> Signature {
        Signature { key_id: KeyId::from_wire("any"), method, bytes: bytes.to_vec() }
    }

    #[test]
    fn every_method_verifies_with_its_own_keys_and_no_other_message() {
        for (name, key, signatures) in specimens() {
            for (method, bytes) in signatures {
                let signature = signature(method, &bytes);
                assert!(key.verifies(MESSAGE, &signature), "{name} {}", signature.method);
                assert!(!key.verifies(b"another message", &signature), "{name} {}", signature.method);
            }
        }
    }

    #[test]
    fn a_key_is_made_anew_from_its_numbers() {
        let p384 = generated(SecretKind::EcdsaP384);
        let spki = p384.public().material().unwrap();
        let point = SubjectPublicKeyInfoRef::from_der(spki).unwrap().subject_public_key.as_bytes().unwrap();
        assert_eq!(PublicKey::of_point(Curve::P384, point).as_ref(), Some(p384.public()));
        assert_eq!(PublicKey::of_point(Curve::P256, point), None);
        let secret = SecretKey::from_pkcs8_der(&rsa_pkcs8()).unwrap();
        let spki = SubjectPublicKeyInfoRef::from_der(secret.public().public_bytes()).unwrap();
        let numbers = pkcs1::RsaPublicKeyRef::from_der(spki.subject_public_key.as_bytes().unwrap()).unwrap();
        let padded = [&[0], numbers.modulus.as_bytes()].concat();
        let made = PublicKey::of_rsa(&padded, numbers.public_exponent.as_bytes());
        assert_eq!(made.as_ref(), Some(secret.public()));
        assert_eq!(PublicKey::of_rsa(&[1; 128], &[1, 0, 1]), None, "1024 bits");
    }

    #[test]
    fn a_key_has_the_shape_it_was_made_in() {
        let shapes: Vec<_> = specimens().iter().map(|(_, key, _)| key.shape().unwrap()).collect();
        let [p256, p384, p521] = [Curve::P256, Curve::P384, Curve::P521].map(KeyShape::Ecdsa);
        let rsa = KeyShape::Rsa { bits: 2048 };
        assert_eq!(shapes, [p256, p256, p384, p384, p521, KeyShape::Ed25519, rsa, rsa, rsa]);
        assert_eq!(PublicKey::new(KeyType::Ecdsa, b"none".to_vec()).shape(), None);
    }

    #[test]
    fn every_method_is_refused_for_every_key_it_does_not_fit() {
        let methods = ["ecdsa", "rsapss", "rsapkcs1v15", "eddsa", "pycrypto-pkcs#1 pss", "hmac-sha256"];
        let (mut right, mut wrong) = (0, 0);
        for (name, key, signatures) in specimens() {
            for (made_by, bytes) in &signatures {
                for method in methods.map(SignatureMethod::parse) {
                    let fits = method == *made_by;
                    let found = key.verifies(MESSAGE, &signature(method.clone(), bytes));
                    assert_eq!(found, fits, "{name} signed {made_by}, called {method}");
                    if fits { right += 1 } else { wrong += 1 }
                }
            }
        }
        assert_eq!((right, wrong), (11, 55));
    }

    #[test]
    fn no_key_verifies_what_another_key_signed() {
        let all = specimens();
        for (name, key, _) in &all {
            for (other, owner, signatures) in &all {
                if key.material() == owner.material() {
                    continue;
                }
                for (method, bytes) in signatures {
                    assert!(!key.verifies(MESSAGE, &signature(method.clone(), bytes)), "{name} took {other}'s");
                }
            }
        }
    }

    #[test]
    fn ecdsa_signatures_have_the_width_of_the_field_and_are_never_der() {
        let rng = SystemRandom::new();
        for (kind, width) in [(SecretKind::EcdsaP256, 64), (SecretKind::EcdsaP384, 96), (SecretKind::EcdsaP521, 132)] {
            let key = generated(kind);
            let fixed = key.sign(MESSAGE, &rng).unwrap().bytes;
            assert_eq!(fixed.len(), width);
            let der = match kind {
                SecretKind::EcdsaP256 => {
                    p256::ecdsa::Signature::from_slice(&fixed).unwrap().to_der().as_bytes().to_vec()
                }
                SecretKind::EcdsaP384 => {
                    p384::ecdsa::Signature::from_slice(&fixed).unwrap().to_der().as_bytes().to_vec()
                }
                _ => p521::ecdsa::Signature::from_slice(&fixed).unwrap().to_der().as_bytes().to_vec(),
            };
            assert!(!key.public().verifies(MESSAGE, &signature(SignatureMethod::Ecdsa, &der)), "{kind}");
            let padded = [&[0], fixed.as_slice()].concat();
            assert!(!key.public().verifies(MESSAGE, &signature(SignatureMethod::Ecdsa, &padded)), "{kind}");
        }
    }

    #[test]
    fn a_key_and_its_certificates_are_one_key_under_three_ids() {
        let secret = generated(SecretKind::EcdsaP256);
        let (bare, first, second) = (secret.public(), certified(&secret), certified(&secret));
        assert!(first.id() != second.id() && first.id() != bare.id());
        assert_eq!(first.material(), second.material());
        assert_eq!(first.material(), bare.material());
        assert_eq!(first.bare().as_ref(), Some(bare));
        assert_eq!(bare.bare().as_ref(), Some(bare));
        for key in [bare, &first, &second] {
            assert_eq!(key.canonical_id(), *bare.id());
        }
    }

    #[test]
    fn a_compressed_point_is_the_same_key_under_another_id() {
        for kind in [SecretKind::EcdsaP256, SecretKind::EcdsaP384, SecretKind::EcdsaP521] {
            let secret = generated(kind);
            let spki = SubjectPublicKeyInfoRef::from_der(secret.public().public_bytes()).unwrap();
            let point = spki.subject_public_key.raw_bytes();
            let width = (point.len() - 1) / 2;
            let sign = 2 + (point[2 * width] & 1);
            let compressed = [&[sign], &point[1..=width]].concat();
            let bits = pkcs8::der::asn1::BitStringRef::from_bytes(&compressed).unwrap();
            let der = SubjectPublicKeyInfoRef { algorithm: spki.algorithm, subject_public_key: bits }.to_der().unwrap();
            let key = PublicKey::new(KeyType::Ecdsa, der);
            assert_ne!(key.id(), secret.public().id());
            assert_eq!(key.material(), secret.public().material(), "{kind}");
            assert_eq!(key.canonical_id(), *secret.public().id(), "{kind}");
            let signature = secret.signature(MESSAGE, &SystemRandom::new()).unwrap();
            assert!(key.verifies(MESSAGE, &signature), "{kind}");
        }
    }

    #[test]
    fn an_rsa_key_is_the_same_with_and_without_null_parameters_and_as_pem() {
        let secret = SecretKey::from_pkcs8_der(&rsa_pkcs8()).unwrap();
        let mut spki = SubjectPublicKeyInfoRef::from_der(secret.public().public_bytes()).unwrap();
        spki.algorithm.parameters = None;
        let without_null = PublicKey::new(KeyType::Rsa, spki.to_der().unwrap());
        assert_ne!(without_null.id(), secret.public().id());
        assert_eq!(without_null.material(), secret.public().material());
        let text = pem::encode(&pem::Pem::new("PUBLIC KEY", secret.public().public_bytes()));
        let as_pem = PublicKey::new(KeyType::Rsa, text.into_bytes());
        assert_eq!(as_pem.material(), secret.public().material());
        for key in [without_null, as_pem] {
            assert_eq!(key.canonical_id(), *secret.public().id());
        }
    }

    #[test]
    fn a_key_of_another_type_than_its_bytes_never_verifies() {
        let secret = generated(SecretKind::EcdsaP256);
        let spki = secret.public().public_bytes().to_vec();
        let certificate = certified(&secret).public_bytes().to_vec();
        let rsa = SecretKey::from_pkcs8_der(&rsa_pkcs8()).unwrap();
        for (key_type, bytes) in [
            (KeyType::Rsa, spki.clone()),
            (KeyType::Ed25519, spki.clone()),
            (KeyType::EcdsaX509, spki.clone()),
            (KeyType::Other("ecdsa-sha2-nistp256".into()), spki.clone()),
            (KeyType::Ecdsa, certificate.clone()),
            (KeyType::RsaX509, certificate),
            (KeyType::Ecdsa, rsa.public().public_bytes().to_vec()),
            (KeyType::EcdsaX509, certified(&rsa).public_bytes().to_vec()),
            (KeyType::Ecdsa, [spki.as_slice(), &[0]].concat()),
            (KeyType::Ecdsa, Vec::new()),
        ] {
            let key = PublicKey::new(key_type.clone(), bytes);
            assert_eq!((key.material(), key.bare()), (None, None), "{key_type}");
            let signature = secret.signature(MESSAGE, &SystemRandom::new()).unwrap();
            assert!(!key.verifies(MESSAGE, &signature), "{key_type}");
        }
    }

    #[test]
    fn a_point_off_the_curve_is_no_key() {
        let secret = generated(SecretKind::EcdsaP256);
        let mut spki = secret.public().public_bytes().to_vec();
        *spki.last_mut().unwrap() ^= 1;
        assert_eq!(PublicKey::new(KeyType::Ecdsa, spki).material(), None);
    }

    #[test]
    fn key_types_are_read_and_written_by_their_names() {
        for name in ["ecdsa", "ecdsa-x509", "rsa", "rsa-x509", "ed25519", "ECDSA", ""] {
            assert_eq!(KeyType::parse(name).name(), name);
        }
        assert_eq!(KeyType::parse("ECDSA"), KeyType::Other("ECDSA".into()));
    }
}
