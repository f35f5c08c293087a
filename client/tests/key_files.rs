//! Every key file that the reference wrote or reads is read here, and what is written here is in its form.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bulla::config::EnvironmentPassphrases;
use bulla::keys::seal::{public_pem, seal};
use bulla::keys::{Derivation, KeyFile, KeyRole, Keyring, OpenError, Passphrases, Prompt};
use bulla::paths::TrustDirectory;
use ring::rand::SystemRandom;
use tuf_schema::sign::{Passphrase, SecretKey, SecretKind};
use tuf_schema::{Gun, SigningKey as _};

/// Of genkey-key.pem, whose manifest names another one (openssl agrees with this one).
const GENKEY_PASSPHRASE: &str = "fixture-delegation-pass";

fn fixtures(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(path)
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::from_text(text.to_owned())
}

/// The passphrases of tests/fixtures/MANIFEST.md.
fn passphrase_of(role: &KeyRole) -> Passphrase {
    passphrase(match role {
        KeyRole::Root => "fixture-root-pass",
        KeyRole::Targets => "fixture-targets-pass",
        KeyRole::Snapshot | KeyRole::Timestamp => "fixture-snapshot-pass",
        KeyRole::Signer(_) => "fixture-delegation-pass",
    })
}

fn only_key(path: &Path) -> KeyFile {
    let mut keys = KeyFile::parse_all(&std::fs::read_to_string(path).unwrap());
    assert_eq!(keys.len(), 1, "{}", path.display());
    keys.remove(0)
}

fn key_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(key_files(&path));
        } else if path.extension().is_some_and(|e| e == "key") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_key_of_the_trust_directory_opens_under_the_id_of_its_file() {
    let files = key_files(&fixtures("trust-dir/private"));
    assert_eq!(files.len(), 34);
    for path in files {
        let file = only_key(&path);
        let role = file.role().unwrap();
        let key = file.open(Some(&passphrase_of(&role))).unwrap();
        assert_eq!(key.public().id().as_str(), path.file_stem().unwrap().to_str().unwrap());
        let bound = matches!(role, KeyRole::Targets | KeyRole::Snapshot);
        assert_eq!(file.gun().is_some(), bound, "{}", path.display());
    }
}

#[test]
fn keys_of_both_layouts_before_and_after_migration_open() {
    for (directory, count) in [("legacy-trust-dir", 4), ("migrated-legacy-trust-dir", 6)] {
        let files = key_files(&fixtures(directory));
        assert_eq!(files.len(), count);
        for path in files {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let (id, old_role) = stem.split_once('_').map_or((stem, None), |(id, role)| (id, Some(role)));
            let file = only_key(&path);
            let role = file.role().or(old_role.map(KeyRole::parse)).unwrap();
            let key = file.open(Some(&passphrase_of(&role))).unwrap();
            assert_eq!(key.public().id().as_str(), id);
        }
    }
}

#[test]
fn one_key_in_many_encodings_is_one_key() {
    let open =
        |name: &str, phrase: &str| only_key(&fixtures("keys").join(name)).open(Some(&passphrase(phrase))).unwrap();
    for (names, phrase) in [
        (&["rsaroot.key", "rsaroot.p8.pem", "rsaroot.p8sha256.pem", "rsaroot.trad.pem"][..], "fixture-root-pass"),
        (
            &["alice.key", "alice.pkcs8.pem", "alice.trad-aes256.pem", "alice.trad-des3.pem"][..],
            "fixture-delegation-pass",
        ),
    ] {
        let ids: Vec<_> = names.iter().map(|name| open(name, phrase).public().id().clone()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    }
    open("rsatgt.key", "");
    open("std-ed25519.pkcs8.pem", "");
    open("genkey-key.pem", GENKEY_PASSPHRASE);
}

#[test]
fn a_wrong_passphrase_is_told_as_such_in_every_encryption() {
    for name in
        ["rsaroot.p8.pem", "rsaroot.p8sha256.pem", "rsaroot.trad.pem", "alice.trad-aes256.pem", "alice.trad-des3.pem"]
    {
        let file = only_key(&fixtures("keys").join(name));
        // About one wrong passphrase in 256 passes the padding: none of these may then pass as a key.
        for attempt in 0..300 {
            let error = file.open(Some(&passphrase(&format!("wrong {attempt}")))).unwrap_err();
            assert!(matches!(error, OpenError::WrongPassphrase), "{name}: {error}");
            if name.contains(".p8") && attempt > 20 {
                break; // 2048 rounds each
            }
        }
        assert!(matches!(file.open(None), Err(OpenError::PassphraseNeeded)), "{name}");
    }
}

#[test]
fn a_sealed_key_has_the_form_of_the_reference_and_opens_again() {
    let rng = SystemRandom::new();
    let gun = Gun::parse("registry.test:5000/team/app").unwrap();
    for kind in [SecretKind::EcdsaP256, SecretKind::EcdsaP384, SecretKind::EcdsaP521, SecretKind::Ed25519] {
        let key = SecretKey::generate(kind, &rng).unwrap();
        let text = seal(&key, &KeyRole::Targets, Some(&gun), &passphrase("a passphrase"), Derivation::Compatible, &rng)
            .unwrap();
        let file = KeyFile::parse_all(&text).remove(0);
        assert_eq!((file.role(), file.gun()), (Some(KeyRole::Targets), Some(gun.clone())));
        assert_eq!(file.open(Some(&passphrase("a passphrase"))).unwrap().public().id(), key.public().id());
        assert!(file.open(Some(&passphrase("another"))).is_err());
    }
    // The same lines as a file of the reference, up to the random bytes: headers, lengths of lines, parameters.
    let key = SecretKey::generate(SecretKind::EcdsaP256, &rng).unwrap();
    let ours = seal(&key, &KeyRole::Root, None, &passphrase("a passphrase"), Derivation::Compatible, &rng).unwrap();
    let theirs = std::fs::read_to_string(fixtures("keys/genkey-key.pem")).unwrap();
    let lengths = |text: &str| text.lines().map(str::len).collect::<Vec<_>>();
    assert_eq!(lengths(&ours), lengths(&theirs));
    assert_eq!(ours.lines().take(3).collect::<Vec<_>>(), theirs.lines().take(3).collect::<Vec<_>>());
    // Up to the salt: object identifiers of PBES2 and PBKDF2.
    assert_eq!(ours.lines().nth(3).map(|l| &l[..46]), theirs.lines().nth(3).map(|l| &l[..46]));
}

#[test]
fn an_empty_passphrase_writes_the_key_in_the_clear() {
    let rng = SystemRandom::new();
    let key = SecretKey::generate(SecretKind::EcdsaP256, &rng).unwrap();
    let text = seal(&key, &KeyRole::Signer("bob".into()), None, &passphrase(""), Derivation::Compatible, &rng).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\nrole: bob\n\n"));
    let file = KeyFile::parse_all(&text).remove(0);
    assert!(!file.is_encrypted());
    assert_eq!(file.open(None).unwrap().public().id(), key.public().id());
}

#[test]
fn a_public_key_is_written_as_docker_writes_it() {
    let key = only_key(&fixtures("keys/genkey-key.pem")).open(Some(&passphrase(GENKEY_PASSPHRASE))).unwrap();
    let expected = std::fs::read_to_string(fixtures("keys/genkey.pem")).unwrap();
    assert_eq!(public_pem(key.public(), "root"), expected);
}

/// Keeps what it is told, and types nothing.
struct Listener(Arc<Mutex<Vec<String>>>);

impl Prompt for Listener {
    fn secret(&self, _: &str) -> std::io::Result<Passphrase> {
        Err(std::io::ErrorKind::NotConnected.into())
    }

    fn say(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_used_with_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let directory = TrustDirectory::new(home.path().to_owned());
    let said = Arc::new(Mutex::new(Vec::new()));
    let keyring = || {
        let environment = EnvironmentPassphrases { root: vec![passphrase("root passphrase")], ..Default::default() };
        Keyring::new(directory.clone(), Passphrases::new(environment, Box::new(Listener(Arc::clone(&said)))))
    };
    let stored = keyring().create(KeyRole::Root, None, &SystemRandom::new()).unwrap();
    keyring().open(&stored).unwrap();
    assert_eq!(*said.lock().unwrap(), [""; 0]);
    let path = directory.private_key(&stored.id);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    keyring().open(&stored).unwrap();
    let expected = format!("Warning: {} is open to others (mode 0644); it should be 0600", path.display());
    assert_eq!(*said.lock().unwrap(), [expected]);
}

#[test]
fn the_directory_is_read_once_and_again_after_the_keyring_wrote_to_it() {
    let (home, rng) = (tempfile::tempdir().unwrap(), SystemRandom::new());
    let directory = TrustDirectory::new(home.path().to_owned());
    let keyring = || {
        let environment = EnvironmentPassphrases { root: vec![passphrase("root passphrase")], ..Default::default() };
        Keyring::new(directory.clone(), Passphrases::new(environment, Box::new(Listener(Arc::default()))))
    };
    let made = |keys: &mut Keyring| keys.create(KeyRole::Root, None, &rng).unwrap();
    let listed = |keys: &Keyring| keys.list().unwrap();
    let (mut keys, mut others) = (keyring(), keyring());
    let first = made(&mut keys);
    assert_eq!(listed(&keys), std::slice::from_ref(&first));
    let theirs = made(&mut others);
    assert_eq!(listed(&keys), std::slice::from_ref(&first), "the next run sees it");
    let second = made(&mut keys);
    let mut all = vec![first.clone(), theirs, second];
    all.sort();
    assert_eq!(listed(&keys), all);
    // What is removed is looked for anew: no file of it must stay.
    let beside = directory.private().join("beside");
    std::fs::create_dir(&beside).unwrap();
    std::fs::copy(first.path(), beside.join(first.path().file_name().unwrap())).unwrap();
    keys.remove(&first).unwrap();
    all.retain(|key| *key != first);
    assert_eq!(listed(&keys), all);
    assert_eq!(std::fs::read_dir(&beside).unwrap().count(), 0);
}
