//! Keys of every kind: each verifies what it signed and nothing else, and is one key in all its forms.

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
            SecretKind::EcdsaP256 => p256::ecdsa::Signature::from_slice(&fixed).unwrap().to_der().as_bytes().to_vec(),
            SecretKind::EcdsaP384 => p384::ecdsa::Signature::from_slice(&fixed).unwrap().to_der().as_bytes().to_vec(),
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
        let signature = secret.with_certificate(key.clone()).unwrap().signature(MESSAGE, &SystemRandom::new()).unwrap();
        assert_eq!(signature.key_id, *key.id());
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
        let signature = secret.with_certificate(key.clone()).unwrap().signature(MESSAGE, &SystemRandom::new()).unwrap();
        assert_eq!(signature.key_id, *key.id());
        assert!(key.verifies(MESSAGE, &signature));
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
