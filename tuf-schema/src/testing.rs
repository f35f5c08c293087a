//! Signed repositories for tests: each is right as it comes, and any one thing of it can be broken.
//!
//! Behind the feature `testing`, which only dev-dependencies enable.

#![expect(clippy::expect_used, reason = "a test that cannot make its material has nothing to go on with")]

use std::collections::BTreeMap;

use bytes::Bytes;
use ring::rand::SystemRandom;
use serde_json::Value;

use crate::dialect::{Dialect, Document};
use crate::digest::{Digests, Sha256};
use crate::envelope::Draft;
use crate::gun::Gun;
use crate::json;
use crate::key::PublicKey;
use crate::model::{Delegations, FileMeta, KeyGrant, Root, Snapshot, Target, Targets, Timestamp};
use crate::role::Role;
use crate::sign::{CertifiedKey, SecretKey, SecretKind, SigningKey, self_signed_root_certificate};
use crate::time::UtcTime;
use crate::version::Version;

/// Ten years, as the reference gives a root.
const LIFETIME_SECONDS: i64 = 3650 * 24 * 3600;

/// A publisher's side of a repository: its root and targets keys, and the documents it would send next.
///
/// The documents are plain models: change what you like, then ask for their signed bytes.
#[derive(Debug)]
pub struct Publisher {
    /// The repository.
    pub gun: Gun,
    /// Signs root, under its certificate's id.
    pub root_key: CertifiedKey<SecretKey>,
    /// Signs targets.
    pub targets_key: SecretKey,
    /// The next root.
    pub root: Root,
    /// The next targets.
    pub targets: Targets,
}

impl Publisher {
    /// A new repository whose snapshot and timestamp are signed with the given keys.
    #[must_use]
    pub fn new(gun: &Gun, snapshot: &PublicKey, timestamp: &PublicKey, now: UtcTime) -> Self {
        let root_key = root_key(gun, now);
        let targets_key = secret_key();
        let expires = now.plus_seconds(LIFETIME_SECONDS);
        let listed = [root_key.public(), targets_key.public(), snapshot, timestamp];
        let root = Root {
            version: Version::FIRST,
            expires,
            consistent_snapshot: false,
            keys: listed.into_iter().map(|key| (key.id().clone(), key.clone())).collect(),
            root: KeyGrant::single(root_key.public().id().clone()),
            targets: KeyGrant::single(targets_key.public().id().clone()),
            snapshot: KeyGrant::single(snapshot.id().clone()),
            timestamp: KeyGrant::single(timestamp.id().clone()),
        };
        let targets =
            Targets { version: Version::FIRST, expires, targets: BTreeMap::new(), delegations: Delegations::default() };
        Self { gun: gun.clone(), root_key, targets_key, root, targets }
    }

    /// The root, signed.
    #[must_use]
    pub fn root_bytes(&self) -> Bytes {
        signed(&self.root, &[&self.root_key])
    }

    /// The targets, signed.
    #[must_use]
    pub fn targets_bytes(&self) -> Bytes {
        signed(&self.targets, &[&self.targets_key])
    }

    /// Signs a tag in the next targets: its digest is that of `content`.
    pub fn tag(&mut self, name: &str, content: &[u8]) {
        let target =
            Target { length: content.len() as u64, digests: Digests::from_sha256(&Sha256::of(content)), custom: None };
        self.targets.targets.insert(name.to_owned(), target);
    }

    /// Goes on to the next version of targets.
    pub fn next_targets(&mut self) {
        self.targets.version = self.targets.version.next().expect("versions left");
    }

    /// A snapshot that lists these documents. ECDSA signatures differ each time, so it takes bytes and not models.
    #[must_use]
    pub fn snapshot(&self, version: Version, listed: &[(Role, &[u8])]) -> Snapshot {
        let meta = listed.iter().map(|(role, bytes)| (role.clone(), FileMeta::of(bytes))).collect();
        Snapshot { version, expires: self.root.expires, meta }
    }

    /// A timestamp of `snapshot`.
    #[must_use]
    pub fn timestamp(&self, version: Version, snapshot: &[u8]) -> Timestamp {
        Timestamp { version, expires: self.root.expires, snapshot: FileMeta::of(snapshot) }
    }
}

/// A new P-256 key.
#[must_use]
pub fn secret_key() -> SecretKey {
    SecretKey::generate(SecretKind::EcdsaP256, &SystemRandom::new()).expect("a key")
}

/// A new P-256 key with a root certificate for `gun`.
#[must_use]
pub fn root_key(gun: &Gun, now: UtcTime) -> CertifiedKey<SecretKey> {
    let key = secret_key();
    let certificate = self_signed_root_certificate(&key, gun, now, &SystemRandom::new()).expect("a certificate");
    CertifiedKey::new(key, certificate).expect("the key's own certificate")
}

/// Writes a document and signs it with each of `keys`.
#[must_use]
pub fn signed<M: Document>(model: &M, keys: &[&dyn SigningKey]) -> Bytes {
    let draft = Draft::new(Dialect::Notary, model).expect("a document that can be written");
    let rng = SystemRandom::new();
    let signatures: Vec<_> = keys.iter().map(|key| key.signature(draft.message(), &rng).expect("signs")).collect();
    draft.finish(&signatures)
}

/// The `signed` part of a document as JSON, to break what the models cannot express.
#[must_use]
pub fn to_value<M: Document>(model: &M) -> Value {
    let signed = model.encode(Dialect::Notary).expect("a document that can be written");
    json::parse(&signed).expect("a document that can be read")
}

/// Signs any JSON as if it were a document: the signatures are good, whatever stands there.
#[must_use]
pub fn signed_value(value: &Value, keys: &[&dyn SigningKey]) -> Bytes {
    let rng = SystemRandom::new();
    let message = json::canonical(value).expect("integral numbers");
    let signature = |key: &&dyn SigningKey| {
        let signature = key.signature(&message, &rng).expect("signs");
        serde_json::json!({
            "keyid": signature.key_id.as_str(),
            "method": signature.method.name(),
            "sig": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &signature.bytes),
        })
    };
    let signatures: Vec<Value> = keys.iter().map(signature).collect();
    let wire = |v: &Value| String::from_utf8(json::wire(v).expect("integral numbers")).expect("UTF-8");
    format!("{{\"signed\":{},\"signatures\":{}}}", wire(value), wire(&Value::Array(signatures))).into()
}
