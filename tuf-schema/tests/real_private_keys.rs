//! Private keys that the reference wrote: opened, matched with their public part, written back byte for byte.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Decode as _;
use ring::rand::SystemRandom;
use serde_json::Value;
use tuf_schema::key::x509;
use tuf_schema::sign::{SecretKey, SecretKeyError, SecretKind};
use tuf_schema::{Gun, KeyType, PublicKey, SigningKey as _, UtcTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Version;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

/// The passphrases of `tests/fixtures/MANIFEST.md`.
fn passphrase(role: &str) -> &'static str {
    match role {
        "root" => "fixture-root-pass",
        "targets" => "fixture-targets-pass",
        "snapshot" => "fixture-snapshot-pass",
        _ => "fixture-delegation-pass",
    }
}

/// What the key file of that name holds once it is decrypted, and its role.
fn opened(path: &Path) -> (String, Vec<u8>) {
    let file = pem::parse(std::fs::read(path).unwrap()).unwrap();
    let role = file.headers().get("role").unwrap().to_owned();
    let sealed = EncryptedPrivateKeyInfoRef::from_der(file.contents()).unwrap();
    let inner = sealed.decrypt(passphrase(&role)).unwrap();
    (role, inner.as_bytes().to_vec())
}

#[test]
fn every_key_file_of_a_trust_directory_opens_under_its_name_and_is_written_back() {
    let mut kinds = BTreeMap::new();
    for entry in std::fs::read_dir(fixtures().join("trust-dir/private")).unwrap() {
        let path = entry.unwrap().path();
        let (role, inner) = opened(&path);
        let key = SecretKey::from_pkcs8_der(&inner).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(key.public().id().as_str(), name, "{role}");
        let rng = SystemRandom::new();
        let signature = key.signature(b"message", &rng).unwrap();
        assert!(key.public().verifies(b"message", &signature));

        let mut written = inner.clone();
        if key.kind() == SecretKind::EcdsaP256 {
            // SEQUENCE, its length, INTEGER of one byte: the reference writes 1 there, we write 0.
            assert_eq!(std::mem::replace(&mut written[5], 0), 1);
        }
        assert_eq!(hex::encode(key.to_pkcs8_der().unwrap()), hex::encode(written), "{role}");
        *kinds.entry(key.kind()).or_insert(0) += 1;
    }
    assert_eq!(kinds, BTreeMap::from([(SecretKind::EcdsaP256, 31), (SecretKind::Rsa, 3)]));
}

#[test]
fn every_sealed_key_of_the_signers_database_makes_its_public_part() {
    let text = std::fs::read_to_string(fixtures().join("db/expected-keys.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut algorithms = BTreeMap::new();
    for row in &rows {
        let column = |name: &str| row[name].as_str().unwrap();
        let private = hex::decode(column("decrypted_private_hex")).unwrap();
        let (key, written) = match column("algorithm") {
            "ecdsa" => {
                let key = SecretKey::from_sec1_der(&private).unwrap();
                let written = key.to_sec1_der().unwrap();
                (key, written)
            }
            _ => {
                let key = SecretKey::from_ed25519_reference(&private).unwrap();
                let written = key.to_ed25519_reference().unwrap();
                (key, written)
            }
        };
        assert_eq!(hex::encode(key.public().public_bytes()), column("public_hex"));
        assert_eq!(key.public().id().as_str(), column("key_id"));
        assert_eq!(written.as_slice(), private, "{}", column("key_id"));
        *algorithms.entry(column("algorithm")).or_insert(0) += 1;
    }
    assert_eq!(rows.len(), 27);
    assert_eq!(algorithms.keys().copied().collect::<Vec<_>>(), ["ecdsa", "ed25519"]);
}

#[test]
fn single_key_files_of_other_tools_are_read_in_each_of_their_forms() {
    let contents = |name: &str| pem::parse(std::fs::read(fixtures().join("keys").join(name)).unwrap()).unwrap();
    let alice = SecretKey::from_sec1_der(contents("alice.key").contents()).unwrap();
    let framed = SecretKey::from_pkcs8_der(contents("alice.pkcs8.pem").contents()).unwrap();
    assert_eq!(alice.public(), framed.public());
    let ed25519 = SecretKey::from_pkcs8_der(contents("std-ed25519.pkcs8.pem").contents()).unwrap();
    assert_eq!(ed25519.kind(), SecretKind::Ed25519);
    let rsa = SecretKey::from_pkcs8_der(contents("rsaroot.key").contents()).unwrap();
    let certificate = PublicKey::new(KeyType::RsaX509, std::fs::read(fixtures().join("keys/wild.crt")).unwrap());
    assert_eq!(certificate.material(), rsa.public().material());
    let public = contents("genkey.pem").into_contents();
    assert!(SecretKey::from_pkcs8_der(&public).is_err());
    assert!(matches!(SecretKey::from_sec1_der(&public), Err(SecretKeyError::Malformed(_))));
}

#[test]
fn our_root_certificate_is_the_references_but_for_the_serial_number() {
    let gun = Gun::parse("example.com/fix/simple").unwrap();
    let root = fixtures().join("trust-dir/tuf/example.com/fix/simple/metadata/root.json");
    let root: Value = serde_json::from_slice(&std::fs::read(root).unwrap()).unwrap();
    let theirs = root["signed"]["keys"].as_object().unwrap().values().find_map(|object| {
        let key_type = KeyType::parse(object["keytype"].as_str()?);
        let text = object["keyval"]["public"].as_str()?;
        let public = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).ok()?;
        key_type.is_x509().then(|| PublicKey::new(key_type, public))
    });
    let theirs = theirs.unwrap();
    let file = fixtures().join(format!("trust-dir/private/{}.key", theirs.bare().unwrap().id()));
    let key = SecretKey::from_pkcs8_der(&opened(&file).1).unwrap();
    let made_at = UtcTime::parse("2026-11-21T20:56:09Z").unwrap();
    let ours = x509::self_signed_root_certificate(&key, &gun, made_at, &SystemRandom::new()).unwrap();

    assert_eq!(ours.key_type(), theirs.key_type());
    assert_eq!(ours.bare(), theirs.bare());
    assert_ne!(ours.id(), theirs.id(), "serial numbers are random");
    let (our_pem, their_pem) = (pem::parse(ours.public_bytes()).unwrap(), pem::parse(theirs.public_bytes()).unwrap());
    let (_, our) = X509Certificate::from_der(our_pem.contents()).unwrap();
    let (_, their) = X509Certificate::from_der(their_pem.contents()).unwrap();
    assert_eq!((our.version(), their.version()), (X509Version::V3, X509Version::V3));
    assert!(our.raw_serial().len() <= 17 && their.raw_serial().len() <= 17);
    // All that follows the serial number: algorithm, issuer, dates, subject, key and extensions, byte for byte.
    let after_serial = |certificate: &X509Certificate<'_>| {
        let tbs = certificate.tbs_certificate.as_ref();
        let serial = certificate.raw_serial();
        let at = tbs.windows(serial.len()).position(|window| window == serial).unwrap();
        hex::encode(&tbs[at + serial.len()..])
    };
    assert_eq!(after_serial(&our), after_serial(&their));
    assert_eq!(our.signature_algorithm, their.signature_algorithm);
}
