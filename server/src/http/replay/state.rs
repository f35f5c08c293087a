//! What the recorded server stood on: its database as dumped, and its signer, whose private keys nobody has.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use tuf_schema::model::Root;
use tuf_schema::signature::SignatureMethod;
use tuf_schema::{Dialect, Envelope, Gun, KeyId, KeyType, PublicKey, Role, Sha256, Signature, UtcTime, Version};

use super::captures::Capture;
use crate::clock::Clock;
use crate::signer::{Custody, KeyAlgorithm, RoleSigner, ServerRole, SignerError};
use crate::store::memory::MemoryStore;
use crate::store::{Change, ChangeCategory, Stored};

/// Keys of uploaded roots that the recorded signers did not hold.
const NOT_HELD: [&str; 5] = [
    "90de9ac47a217a855fab9f0d822ffb2ba8d626dfafd5b85830a1a2940e913b43",
    "10c209e00342ab80c4ea4e7b0b048ec7e85e165f004862386576c3cb84e56d9c",
    "9305454536df87e92d371ab4d8cbdd05d0a7bc919d94bbc5682b6b35a425ed41",
    "1a71c5b053187b902fda338e3cf538040d66f7981a46e0610172f0b3b635314b",
    "9a846c22232c44a8ece0072cd4182b956f154317c711c2c59ece2a93a3074a40",
];

/// Holds the keys that the recorded one held, hands out those that it handed out, and signs without meaning.
pub(super) struct RecordedSigner {
    held: BTreeMap<KeyId, PublicKey>,
    /// By repository and role, in the order in which they were handed out.
    handed_out: Mutex<BTreeMap<(String, String), VecDeque<PublicKey>>>,
    custody: Custody,
    is_down: bool,
}

impl RecordedSigner {
    /// The signer behind these captures and the dumped database.
    pub(super) fn of(captures: &[Capture]) -> Self {
        let mut signer = Self::down();
        signer.is_down = false;
        for capture in captures {
            let key = capture.answer.as_ref().and_then(|answer| key(&answer.json()?));
            let asked = capture.subject();
            if let (Some(key), Some((gun, file))) = (key, asked) {
                signer.held.insert(key.id().clone(), key.clone());
                let asked = (gun, file.trim_end_matches(".key").to_owned());
                signer.handed_out.get_mut().unwrap().entry(asked).or_default().push_back(key);
            }
            signer.hold_keys_of_root_in(&capture.request);
        }
        signer
    }

    /// The same, with no connection to it.
    pub(super) fn down() -> Self {
        let keys = std::fs::read(fixture("db/expected-keys.json")).unwrap();
        let keys: Vec<Value> = serde_json::from_slice(&keys).unwrap();
        let public = |key: &Value| {
            let kind = KeyType::parse(key["algorithm"].as_str().unwrap());
            let public = PublicKey::new(kind, hex::decode(key["public_hex"].as_str().unwrap()).unwrap());
            (public.id().clone(), public)
        };
        let held = keys.iter().map(public).collect();
        Self { held, handed_out: Mutex::default(), custody: Custody::Remote, is_down: true }
    }

    pub(super) fn in_custody(self, custody: Custody) -> Self {
        Self { custody, ..self }
    }

    /// The server's keys in an uploaded root were the signer's, but for some.
    fn hold_keys_of_root_in(&mut self, request: &[u8]) {
        let text = String::from_utf8_lossy(request);
        let Some((_, root)) = text.split_once("filename=\"root\"") else { return };
        let Some((_, root)) = root.split_once("\r\n\r\n") else { return };
        let root = root.split_once("\r\n--").map_or(root, |(root, _)| root).to_owned();
        let Ok(envelope) = Envelope::parse(Dialect::Notary, root.into()) else { return };
        let Ok(root) = envelope.decode::<Root>(Role::Root) else { return };
        let root = root.claims();
        // the author signed the snapshot that came along
        let roles: &[_] = if text.contains("filename=\"snapshot\"") {
            &[&root.timestamp]
        } else {
            &[&root.timestamp, &root.snapshot]
        };
        for id in roles.iter().flat_map(|grant| &grant.key_ids) {
            if let Some(key) = root.keys.get(id).filter(|_| !NOT_HELD.contains(&id.as_str())) {
                self.held.insert(id.clone(), key.clone());
            }
        }
    }

    fn reach(&self) -> Result<(), SignerError> {
        if self.is_down { Err(SignerError::Unavailable("no connection".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl RoleSigner for RecordedSigner {
    async fn create_key(&self, gun: &Gun, role: ServerRole, _: KeyAlgorithm) -> Result<PublicKey, SignerError> {
        self.reach()?;
        let mut handed_out = self.handed_out.lock().unwrap();
        let next = handed_out.get_mut(&(gun.to_string(), Role::from(role).to_string())).and_then(VecDeque::pop_front);
        next.ok_or_else(|| SignerError::Unavailable("no such key was recorded".into()))
    }

    async fn public_key(&self, id: &KeyId) -> Result<Option<PublicKey>, SignerError> {
        self.reach()?;
        Ok(self.held.get(id).cloned())
    }

    async fn sign(&self, _: &Gun, key: &PublicKey, _: &[u8]) -> Result<Signature, SignerError> {
        self.reach()?;
        let method = match key.key_type() {
            KeyType::Ed25519 => SignatureMethod::Eddsa,
            _ => SignatureMethod::Ecdsa,
        };
        Ok(Signature { key_id: key.id().clone(), method, bytes: vec![0; 64] })
    }

    async fn check(&self) -> Result<(), SignerError> {
        self.reach()
    }

    fn custody(&self) -> Custody {
        self.custody
    }
}

/// The database as dumped.
pub(super) fn recorded_store(clock: Arc<dyn Clock>) -> Arc<MemoryStore> {
    let store = MemoryStore::new(clock);
    let dump = std::fs::read_to_string(fixture("db/notaryserver.postgres.sql")).unwrap();
    let (mut files, mut changes) = (0, 0);
    for line in dump.lines() {
        if let Some(row) = row(line, "tuf_files") {
            let [_, created_at, _, _, gun, role, version, data, _] = row[..] else { panic!("{line}") };
            let bytes: Bytes = hex::decode(data.strip_prefix("\\x").unwrap()).unwrap().into();
            let version = Version::new(version.parse().unwrap()).unwrap();
            let stored = Stored { version, sha256: Sha256::of(&bytes), bytes, created_at: time(created_at) };
            store.take_over(&Gun::parse(gun).unwrap(), &Role::parse(role).unwrap(), stored);
            files += 1;
        } else if let Some(row) = row(line, "changefeed") {
            let [id, created_at, gun, version, sha256, category] = row[..] else { panic!("{line}") };
            store.take_over_change(Change {
                id: id.parse().unwrap(),
                created_at: time(created_at),
                gun: gun.to_owned(),
                version: version.parse().unwrap(),
                sha256: sha256.trim().to_owned(),
                category: if category == "update" { ChangeCategory::Update } else { ChangeCategory::Deletion },
            });
            changes += 1;
        }
    }
    assert_eq!((files, changes), (133, 39));
    Arc::new(store)
}

/// The changes that were made between the dump and the recordings, as the recorded whole feed shows them.
pub(super) fn take_over_later_changes(store: &MemoryStore, captures: &[Capture]) {
    let capture = captures.iter().find(|capture| capture.name.contains("050-cf-records-0")).unwrap();
    let feed = capture.answer.as_ref().unwrap().json().unwrap();
    let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
    for record in feed["records"].as_array().unwrap().iter().skip(39) {
        store.take_over_change(Change {
            id: text(record, "ID").parse().unwrap(),
            created_at: UtcTime::parse(&text(record, "CreatedAt")).unwrap(),
            gun: text(record, "GUN"),
            version: u32::try_from(record["Version"].as_u64().unwrap()).unwrap(),
            sha256: text(record, "SHA256"),
            category: ChangeCategory::Update,
        });
    }
}

/// What somebody published to `fix/simple` between the dump and the last recordings, as these show it.
pub(super) fn take_over_later_publish(store: &MemoryStore, captures: &[Capture]) {
    let gun = Gun::parse("example.com/fix/simple").unwrap();
    for (role, version, name) in [(Role::Snapshot, 4, "057-get-snapshot"), (Role::Timestamp, 3, "056-get-timestamp")] {
        let capture = captures.iter().find(|capture| capture.name.contains(name)).unwrap();
        let bytes = Bytes::from(capture.answer.as_ref().unwrap().body.trim_end().to_owned());
        let created_at = time("2026-11-21 21:01:15.6");
        let version = Version::new(version).unwrap();
        store.take_over(&gun, &role, Stored { version, sha256: Sha256::of(&bytes), bytes, created_at });
    }
}

/// The values of a row that is put into `table`.
fn row<'a>(line: &'a str, table: &str) -> Option<Vec<&'a str>> {
    let rest = line.strip_prefix("INSERT INTO public.")?.strip_prefix(table)?.strip_prefix(" VALUES (")?;
    Some(rest.strip_suffix(");")?.split(", ").map(|value| value.trim_matches('\'')).collect())
}

fn time(text: &str) -> UtcTime {
    UtcTime::parse(&(text.replace(' ', "T") + "Z")).unwrap()
}

fn key(answer: &Value) -> Option<PublicKey> {
    let public = STANDARD.decode(answer["keyval"]["public"].as_str()?).unwrap();
    Some(PublicKey::new(KeyType::parse(answer["keytype"].as_str()?), public))
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

/// A token service for the tokens that were taken out of the recordings: its key and its certificate.
pub(super) fn token_service() -> &'static (KeyPair, String) {
    static SERVICE: LazyLock<(KeyPair, String)> = LazyLock::new(|| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        (key, certificate)
    });
    &SERVICE
}

/// A token for everything in one repository.
pub(super) fn token(gun: &str) -> String {
    let (key, certificate) = token_service();
    let certificate = STANDARD.encode(pem::parse(certificate).unwrap().contents());
    let now = UtcTime::parse(super::RECORDED_AT).unwrap().unix_seconds();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({"alg": "ES256", "x5c": [certificate]}));
    let access = json!([{"type": "repository", "name": gun, "actions": ["*"]}]);
    let claims = json!({
        "iss": "auth.example.com", "aud": "notary-server", "sub": "alice", "exp": now + 300, "access": access,
    });
    let signed = format!("{header}.{}", part(claims));
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der(), &random).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(&random, signed.as_bytes()).unwrap()))
}
