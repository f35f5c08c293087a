//! Every document that the reference made verifies, and is its own re-encoding.
//!
//! The counts are those of the fixtures' manifests: a file that went missing fails the test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tuf_schema::model::{Root, Snapshot, Targets, Timestamp};
use tuf_schema::{Dialect, Envelope, KeyId, PublicKey, Role, Unverified, dialect::Document};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(json_files(&path));
        } else if path.extension().is_some_and(|e| e == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// `…/targets/alice/1.sub.json` is `targets/alice/sub`, whatever folder it lies in.
fn role_of(base: &Path, file: &Path) -> Role {
    let relative = file.strip_prefix(base).unwrap();
    let leaf = relative.file_name().unwrap().to_str().unwrap().trim_end_matches(".json");
    let leaf = leaf.split_once('.').filter(|(v, _)| v.parse::<u32>().is_ok()).map_or(leaf, |(_, rest)| rest);
    let folder = relative.parent().unwrap().to_str().unwrap();
    Role::parse(&if folder.is_empty() { leaf.to_owned() } else { format!("{folder}/{leaf}") }).unwrap()
}

/// The keys that a document lists, and what its signatures are over.
struct Read {
    file: PathBuf,
    keys: BTreeMap<KeyId, PublicKey>,
    message: Vec<u8>,
    signatures: Vec<tuf_schema::Signature>,
}

fn read<M: Document>(file: &Path, role: Role, keys: impl Fn(&M) -> BTreeMap<KeyId, PublicKey>) -> Read {
    let envelope = Envelope::parse(Dialect::Notary, std::fs::read(file).unwrap().into()).unwrap();
    assert!(envelope.is_reference_encoding::<M>(), "{} is not its own re-encoding", file.display());
    let document: Unverified<M> = envelope.decode(role).unwrap();
    Read {
        file: file.to_owned(),
        keys: keys(document.claims()),
        message: document.message().to_vec(),
        signatures: document.signatures().to_vec(),
    }
}

fn read_any(base: &Path, file: &Path) -> Read {
    let role = role_of(base, file);
    match role {
        Role::Root => read::<Root>(file, role, |m| m.keys.clone()),
        Role::Snapshot => read::<Snapshot>(file, role, |_| BTreeMap::new()),
        Role::Timestamp => read::<Timestamp>(file, role, |_| BTreeMap::new()),
        Role::Targets | Role::Delegation(_) => read::<Targets>(file, role, |m| m.delegations.keys.clone()),
    }
}

/// Checks every signature below `folder`, one repository; returns the numbers of documents and signatures.
fn check_repository(folder: &Path) -> (usize, usize) {
    let documents: Vec<Read> = json_files(folder).iter().map(|file| read_any(folder, file)).collect();
    let keys: BTreeMap<_, _> = documents.iter().flat_map(|d| d.keys.clone()).collect();
    for (id, key) in &keys {
        assert_eq!(id, key.id(), "a listed id is not its key's");
    }
    let mut signatures = 0;
    for document in &documents {
        for signature in &document.signatures {
            let key = keys.get(&signature.key_id).unwrap_or_else(|| panic!("{}: no key", document.file.display()));
            assert!(key.verifies(&document.message, signature), "{}: bad signature", document.file.display());
            signatures += 1;
        }
    }
    (documents.len(), signatures)
}

fn sum(folders: impl Iterator<Item = PathBuf>) -> (usize, usize) {
    folders.map(|f| check_repository(&f)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    all.filter(|p| p.is_dir()).collect()
}

#[test]
fn all_141_signatures_of_the_stored_versions_verify() {
    let folders = folders_in(&fixtures().join("tuf")).into_iter().map(|f| f.join("versions"));
    assert_eq!(sum(folders), (133, 141));
}

#[test]
fn the_current_documents_verify() {
    let folders = folders_in(&fixtures().join("tuf")).into_iter();
    let mut seen = (0, 0);
    for folder in folders {
        // Their keys may stand in versions only: take the documents of both, and count the current ones.
        let current = json_files(&folder.join("current"));
        let keys: BTreeMap<_, _> = json_files(&folder.join("versions"))
            .iter()
            .flat_map(|file| read_any(&folder.join("versions"), file).keys)
            .collect();
        for file in &current {
            let document = read_any(&folder.join("current"), file);
            for signature in &document.signatures {
                assert!(keys[&signature.key_id].verifies(&document.message, signature), "{}", file.display());
                seen.1 += 1;
            }
        }
        seen.0 += current.len();
    }
    assert_eq!(seen, (66, 70));
}

#[test]
fn roots_rotated_with_older_keys_and_null_delegations_verify() {
    assert_eq!(check_repository(&fixtures().join("tuf-extra/t5-a")), EXTRA_ROTATED);
    assert_eq!(check_repository(&fixtures().join("tuf-extra/t5-nulls")), EXTRA_NULLS);
}

#[test]
fn the_caches_of_a_trust_directory_verify() {
    let base = fixtures().join("trust-dir/tuf/example.com/fix");
    let folders = folders_in(&base).into_iter().map(|f| f.join("metadata"));
    assert_eq!(sum(folders), (40, 42));
}

const EXTRA_ROTATED: (usize, usize) = (20, 25);
const EXTRA_NULLS: (usize, usize) = (19, 19);
