//! Every key id, signature and root certificate that the reference wrote, checked without our own JSON reader or
//! encoder: the signed text is the wire text of `signed` with the five escapes of the wire undone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tuf_schema::key::x509::{CertificateError, Expiry, leaf_for};
use tuf_schema::{Gun, KeyId, KeyType, PublicKey, Signature, SignatureMethod, UtcTime};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

/// The documents under `folder`, by path.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn key_of(object: &Value) -> PublicKey {
    let public = STANDARD.decode(object["keyval"]["public"].as_str().unwrap()).unwrap();
    PublicKey::new(KeyType::parse(object["keytype"].as_str().unwrap()), public)
}

/// The keys a document declares, under the ids it declares them by.
fn declared_keys(document: &Value) -> BTreeMap<String, PublicKey> {
    let signed = &document["signed"];
    let maps = [&signed["keys"], &signed["delegations"]["keys"]];
    let entries = maps.into_iter().filter_map(Value::as_object).flatten();
    entries.map(|(id, object)| (id.clone(), key_of(object))).collect()
}

fn signatures(document: &Value) -> Vec<Signature> {
    let entries = document["signatures"].as_array().unwrap();
    let read = |entry: &Value| Signature {
        key_id: KeyId::from_wire(entry["keyid"].as_str().unwrap()),
        method: SignatureMethod::parse(entry["method"].as_str().unwrap()),
        bytes: STANDARD.decode(entry["sig"].as_str().unwrap()).unwrap(),
    };
    entries.iter().map(read).collect()
}

/// The canonical text of `signed`, cut out of the wire text.
fn signed_text(wire: &str) -> String {
    let start = "{\"signed\":".len();
    let end = wire.rfind(",\"signatures\":").unwrap();
    let mut text = String::new();
    let mut rest = &wire[start..end];
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let (escape, undone) = match &rest[at..] {
            tail if tail.starts_with("\\u003c") => (6, "<"),
            tail if tail.starts_with("\\u003e") => (6, ">"),
            tail if tail.starts_with("\\u0026") => (6, "&"),
            tail if tail.starts_with("\\u2028") => (6, "\u{2028}"),
            tail if tail.starts_with("\\u2029") => (6, "\u{2029}"),
            tail => (2, &tail[..2]),
        };
        text.push_str(undone);
        rest = &rest[at + escape..];
    }
    text + rest
}

/// What was checked in a set of documents that know each other's keys.
#[derive(Default)]
struct Tally {
    keys: usize,
    by_method: BTreeMap<&'static str, usize>,
    by_curve_width: BTreeMap<usize, usize>,
}

fn check(folder: &Path, tally: &mut Tally) {
    let wires: Vec<(PathBuf, String)> = documents(folder)
        .into_iter()
        .map(|path| (path.clone(), String::from_utf8(std::fs::read(path).unwrap()).unwrap()))
        .collect();
    let parsed: Vec<Value> = wires.iter().map(|(_, wire)| serde_json::from_str(wire).unwrap()).collect();
    let keys: BTreeMap<String, PublicKey> = parsed.iter().flat_map(declared_keys).collect();
    for (id, key) in &keys {
        assert_eq!(key.id().as_str(), id, "{}", folder.display());
        assert!(key.material().is_some(), "{id} cannot verify");
        tally.keys += 1;
    }
    for ((path, wire), document) in wires.iter().zip(&parsed) {
        let message = signed_text(wire);
        for signature in signatures(document) {
            let key = &keys[signature.key_id.as_str()];
            assert!(key.verifies(message.as_bytes(), &signature), "{}", path.display());
            assert!(!key.verifies(format!("{message} ").as_bytes(), &signature), "{}", path.display());
            let method = match signature.method {
                SignatureMethod::Ecdsa => "ecdsa",
                SignatureMethod::RsaPss => "rsapss",
                SignatureMethod::RsaPkcs1v15 => "rsapkcs1v15",
                SignatureMethod::Eddsa => "eddsa",
                other => panic!("{other} in {}", path.display()),
            };
            *tally.by_method.entry(method).or_default() += 1;
            if method == "ecdsa" {
                *tally.by_curve_width.entry(signature.bytes.len()).or_default() += 1;
            }
        }
    }
}

fn check_each(folders: &str, wanted: fn(&Path) -> bool, tally: &mut Tally) {
    for entry in std::fs::read_dir(fixtures().join(folders)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && wanted(&path) {
            check(&path, tally);
        }
    }
}

#[test]
fn every_stored_document_of_the_reference_verifies() {
    let mut tally = Tally::default();
    check_each("tuf", |_| true, &mut tally);
    check_each("tuf-extra", |_| true, &mut tally);
    let methods: Vec<_> = tally.by_method.keys().copied().collect();
    assert_eq!(methods, ["ecdsa", "eddsa", "rsapkcs1v15", "rsapss"]);
    let widths: Vec<_> = tally.by_curve_width.keys().copied().collect();
    assert_eq!(widths, [64, 96, 132], "P-256, P-384 and P-521");
    let signatures: usize = tally.by_method.values().sum();
    assert!(signatures > 141, "only {signatures} signatures, {} keys", tally.keys);
}

#[test]
fn every_cached_document_of_the_reference_client_verifies() {
    let mut tally = Tally::default();
    // Before its first publish a client's snapshot may list keys of a root that is not there.
    check_each("trust-dir/tuf/example.com/fix", |path| path.join("metadata/root.json").exists(), &mut tally);
    assert!(tally.by_method.values().sum::<usize>() > 30, "{:?}", tally.by_method);
}

#[test]
fn an_rsa_key_of_1024_bits_never_verifies_its_own_real_signature() {
    let document = uploaded("183-post-rsa-1024.http", "targets");
    let short = "62e0099b34954b02a212027e3cac539eed248d31e4cdb7bda4ce744da2929af2";
    let root: Value = serde_json::from_str(&uploaded("183-post-rsa-1024.http", "root")).unwrap();
    let key = &declared_keys(&root)[short];
    assert_eq!(key.id().as_str(), short);
    assert_eq!(key.material(), None);
    assert_eq!(key.bare(), None);
    let signatures = signatures(&serde_json::from_str(&document).unwrap());
    assert!(signatures.iter().any(|signature| signature.key_id == *key.id()), "the fixture is signed by that key");
    let message = signed_text(&document);
    assert!(signatures.iter().all(|signature| !key.verifies(message.as_bytes(), signature)));
}

#[test]
fn an_ecdsa_signature_in_der_is_refused_although_it_is_right() {
    let document = uploaded("180-post-ecdsa-der-signature.http", "targets");
    let root: Value = serde_json::from_str(&uploaded("180-post-ecdsa-der-signature.http", "root")).unwrap();
    let keys = declared_keys(&root);
    let signatures = signatures(&serde_json::from_str(&document).unwrap());
    let [signature] = signatures.as_slice() else { panic!("one signature") };
    let key = &keys[signature.key_id.as_str()];
    let message = signed_text(&document);
    assert!(!key.verifies(message.as_bytes(), signature));
    // ring agrees that nothing but the encoding is wrong.
    let point = &key.material().unwrap()[26..];
    let der = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_ASN1, point);
    assert!(der.verify(message.as_bytes(), &signature.bytes).is_ok());
}

#[test]
fn root_certificates_are_judged_as_the_reference_judged_them() {
    let judged = |exchange: &str| {
        let root: Value = serde_json::from_str(&uploaded(exchange, "root")).unwrap();
        let id = root["signed"]["roles"]["root"]["keyids"][0].as_str().unwrap();
        let text = std::fs::read_to_string(fixtures().join("http").join(exchange)).unwrap();
        let path = text.split_once("POST /v2/").unwrap().1;
        let gun = Gun::parse(path.split_once("/_trust").unwrap().0).unwrap();
        let now = UtcTime::parse("2026-11-22T00:00:00Z").unwrap();
        leaf_for(&declared_keys(&root)[id], &gun, now, Expiry::Checked)
    };
    assert!(judged("091-post-root-cn-wildcard-ok.http").is_ok());
    assert!(judged("202-post-ok-root-rotation.http").is_ok());
    let refused = |exchange: &str| judged(exchange).unwrap_err();
    assert!(matches!(refused("088-post-root-cn-mismatch.http"), CertificateError::ForeignName { .. }));
    assert!(matches!(refused("100-post-root-key-without-certificate.http"), CertificateError::NoCertificate(_)));
    assert!(matches!(refused("103-post-root-certificate-expired.http"), CertificateError::Expired { .. }));
    assert!(matches!(refused("106-post-root-certificate-is-ca.http"), CertificateError::FirstIsAuthority { .. }));
}

/// The part that a recorded upload sends for `role`.
fn uploaded(exchange: &str, role: &str) -> String {
    let text = std::fs::read_to_string(fixtures().join("http").join(exchange)).unwrap().replace("\r\n", "\n");
    let (_, part) = text.split_once(&format!("filename=\"{role}\"")).unwrap();
    let (_, body) = part.split_once("\n\n").unwrap();
    let (document, _) = body.split_once("\n--fixtureboundary").unwrap();
    document.to_owned()
}
