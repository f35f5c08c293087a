//! Signed root and targets documents in the reference's wire form, and the multipart bodies that carry them.
//!
//! Only plain ASCII goes in, so the compact, sorted output of `serde_json` is both the signed and the wire form.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Datelike, Duration, SecondsFormat, Utc};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Map, Value, json};

/// The boundary of every body; it occurs in none of the documents.
pub(crate) const BOUNDARY: &str = "bulla-bench-boundary";

/// A signing key with what the documents say of it.
pub(crate) struct Signer {
    pair: EcdsaKeyPair,
    /// The key object of the protocol.
    pub(crate) object: Value,
    random: SystemRandom,
}

impl Signer {
    /// A new P-256 key, named in documents by its bare public key.
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let key = rcgen::KeyPair::generate()?;
        let object = key_object("ecdsa", &rcgen::PublicKeyData::subject_public_key_info(&key));
        Self::new(&key, object)
    }

    /// A new P-256 key, named by a self-signed certificate for `gun`, as root keys have to be.
    pub(crate) fn generate_with_certificate(gun: &str, now: DateTime<Utc>) -> anyhow::Result<Self> {
        let key = rcgen::KeyPair::generate()?;
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, gun);
        parameters.is_ca = rcgen::IsCa::ExplicitNoCa;
        parameters.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature, rcgen::KeyUsagePurpose::KeyEncipherment];
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::CodeSigning];
        parameters.not_before = rcgen::date_time_ymd(now.year() - 1, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(now.year() + 9, 1, 1);
        let certificate = parameters.self_signed(&key)?;
        let object = key_object("ecdsa-x509", certificate.pem().as_bytes());
        Self::new(&key, object)
    }

    fn new(key: &rcgen::KeyPair, object: Value) -> anyhow::Result<Self> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der(), &random)
            .map_err(|refusal| anyhow::anyhow!("a generated key was refused: {refusal}"))?;
        Ok(Self { pair, object, random })
    }

    /// The signed document, as it goes over the wire.
    pub(crate) fn sign(&self, signed: &Value) -> anyhow::Result<String> {
        let message = signed.to_string();
        let signature =
            self.pair.sign(&self.random, message.as_bytes()).ok().context("signing a prepared document failed")?;
        Ok(format!(
            r#"{{"signed":{message},"signatures":[{{"keyid":"{}","method":"ecdsa","sig":"{}"}}]}}"#,
            key_id(&self.object),
            BASE64.encode(signature)
        ))
    }
}

/// The keys that the roles of a root name.
pub(crate) struct Keys<'a> {
    pub(crate) root: &'a Value,
    pub(crate) targets: &'a Value,
    pub(crate) snapshot: &'a Value,
    pub(crate) timestamp: &'a Value,
}

/// A root of a repository, whose first has version 1.
pub(crate) fn root(keys: &Keys<'_>, version: usize, now: DateTime<Utc>) -> Value {
    let all =
        [("root", keys.root), ("targets", keys.targets), ("snapshot", keys.snapshot), ("timestamp", keys.timestamp)];
    let objects: Map<String, Value> = all.iter().map(|(_, key)| (key_id(key), (*key).clone())).collect();
    let roles: Map<String, Value> =
        all.iter().map(|(role, key)| ((*role).to_owned(), json!({"keyids": [key_id(key)], "threshold": 1}))).collect();
    json!({
        "_type": "Root", "consistent_snapshot": false, "expires": expiry(now, 3650), "keys": objects, "roles": roles,
        "version": version
    })
}

/// A targets document with `tags` tags, each with a digest of its own.
pub(crate) fn targets(tags: usize, version: usize, now: DateTime<Utc>) -> Value {
    let targets: Map<String, Value> = (0..tags)
        .map(|number| {
            let tag = format!("v1.{number}.0");
            let digest = ring::digest::digest(&ring::digest::SHA256, tag.as_bytes());
            (tag, json!({"hashes": {"sha256": BASE64.encode(digest)}, "length": 1000 + number}))
        })
        .collect();
    json!({
        "_type": "Targets", "delegations": {"keys": {}, "roles": []}, "expires": expiry(now, 1095), "targets": targets,
        "version": version
    })
}

/// A request body with one part for each role, as the reference's client writes it.
pub(crate) fn multipart(parts: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (role, document) in parts {
        body.push_str(&format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{document}\r\n"
        ));
    }
    body.push_str(&format!("--{BOUNDARY}--\r\n"));
    body
}

/// The key object as documents hold it, from the server's answer for one of its keys: only the order of members differs.
pub(crate) fn key_of_answer(answer: &Value) -> anyhow::Result<Value> {
    let text =
        |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).context("the server's key lacks a member");
    Ok(json!({"keytype": text("/keytype")?, "keyval": {"private": null, "public": text("/keyval/public")?}}))
}

fn key_object(kind: &str, public: &[u8]) -> Value {
    json!({"keytype": kind, "keyval": {"private": null, "public": BASE64.encode(public)}})
}

fn key_id(object: &Value) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, object.to_string().as_bytes()))
}

fn expiry(now: DateTime<Utc>, days: i64) -> String {
    (now + Duration::days(days)).to_rfc3339_opts(SecondsFormat::Secs, true)
}
