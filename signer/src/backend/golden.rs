//! Keys that the reference's signer made and sealed: every row of its database opens here, and signs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ring::rand::SystemRandom;
use tuf_schema::key::{KeyType, PublicKey};
use tuf_schema::signature::Signature;

use super::{KeyBackend as _, OpenedKeys, SoftwareKeys};
use crate::clock::SystemClock;
use crate::config::Environment;
use crate::seal::passphrase::{Alias, Passphrases};
use crate::seal::{KeyWrap, SealedKey, Sealing};
use crate::store::{KeyRecord, Purpose};

const VARIABLE: (&str, &str) = ("NOTARY_SIGNER_ALIAS_ONE", "fixture-alias-pass-1");

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/db");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn sealing() -> Arc<Sealing> {
    let environment = Environment::new([(VARIABLE.0.to_owned(), VARIABLE.1.to_owned())]);
    Arc::new(Sealing::with_passphrases(Passphrases::from_environment(environment, &[])))
}

/// The rows of `private_keys` in a dump of PostgreSQL.
fn rows() -> Vec<KeyRecord> {
    let dump = fixture("notarysigner.postgres.sql");
    let rows = dump.lines().filter_map(|line| line.strip_prefix("INSERT INTO public.private_keys VALUES ("));
    rows.map(|row| {
        let values: Vec<&str> = row.split(", ").map(|value| value.trim_matches('\'')).collect();
        let bytes = |index: usize| hex::decode(values[index].strip_prefix("\\x").unwrap()).unwrap();
        let record = KeyRecord {
            key: PublicKey::new(KeyType::parse(values[7]), bytes(9)),
            purpose: Purpose { gun: None, role: None },
            alias: Alias::parse(values[8]).unwrap(),
            sealed: SealedKey::from_row(KeyWrap::parse(values[6]).unwrap(), String::from_utf8(bytes(10)).unwrap()),
            last_used: None,
            retired: None,
        };
        assert_eq!(record.key.id().as_str(), values[4]);
        record
    })
    .collect()
}

#[tokio::test]
async fn every_sealed_key_opens_to_what_an_independent_implementation_found() {
    let expected: Vec<BTreeMap<String, String>> = serde_json::from_str(&fixture("expected-keys.json")).unwrap();
    let expected: BTreeMap<_, _> =
        expected.iter().map(|key| (key["key_id"].as_str(), key["decrypted_private_hex"].as_str())).collect();
    let rows = rows();
    assert_eq!((rows.len(), expected.len()), (27, 27));
    for row in rows {
        let plaintext = sealing().open(&row).await.unwrap();
        assert_eq!(hex::encode(plaintext.as_slice()), expected[row.key.id().as_str()]);
    }
}

#[tokio::test]
async fn every_sealed_key_signs_for_its_public_key() {
    let alias = Alias::parse("alias_one").unwrap();
    let backend = SoftwareKeys::new(
        sealing(),
        alias,
        OpenedKeys::default(),
        Arc::new(SystemClock),
        Arc::new(SystemRandom::new()),
    );
    for row in rows() {
        let signed = backend.sign(&row, b"message").await.unwrap();
        let signature = Signature { key_id: row.key.id().clone(), method: signed.method, bytes: signed.bytes };
        assert!(row.key.verifies(b"message", &signature), "{:?}", row.key);
    }
}
