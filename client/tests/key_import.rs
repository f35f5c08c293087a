//! What becomes of every file of the collected key files when it is imported, beside what the reference makes of it.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bulla::config::EnvironmentPassphrases;
use bulla::keys::{Fallback, HeldKey, ImportError, KeyRole, Keyring, KeyringError, Passphrases, Prompt};
use bulla::paths::TrustDirectory;
use ring::rand::SystemRandom;
use tuf_schema::sign::{Passphrase, SecretKind};
use tuf_schema::{Gun, SigningKey as _};

/// Nobody sits at the terminal.
struct Nobody;

impl Prompt for Nobody {
    fn secret(&self, _: &str) -> std::io::Result<Passphrase> {
        Err(std::io::ErrorKind::NotConnected.into())
    }

    fn say(&self, _: &str) {}
}

fn fixtures(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(path)
}

/// With these passphrases for root keys, and the fixtures' for the others.
fn keyring(home: &Path, root: &[&str]) -> Keyring {
    let passphrases = |texts: &[&str]| texts.iter().map(|text| Passphrase::from_text((*text).to_owned())).collect();
    let environment = EnvironmentPassphrases {
        root: passphrases(root),
        targets: passphrases(&["fixture-targets-pass"]),
        snapshot: passphrases(&["fixture-snapshot-pass"]),
        // Keys that were root keys are imported as a signer's, too.
        signer: passphrases(&["fixture-delegation-pass", "fixture-root-pass"]),
    };
    Keyring::new(TrustDirectory::new(home.join("trust")), Passphrases::new(environment, Box::new(Nobody)))
}

fn alice() -> Fallback {
    Fallback { role: Some(KeyRole::Signer("alice".into())), gun: None }
}

/// What is expected of a file that is imported with `--role alice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// A key of this kind, whose id begins so, under this role.
    Key(SecretKind, &'static str, &'static str),
    /// There is no private key in it.
    NoKey,
}

/// Each file, what `notary key import FILE --role alice` of 0.7.0 says to it, and what becomes of it here.
const TABLE: [(&str, &str, Outcome); 17] = {
    use Outcome::{Key, NoKey};
    use SecretKind::{EcdsaP256, Ed25519, Rsa};
    [
        ("MANIFEST.md", "refused", NoKey),
        ("alice.crt", "refused", NoKey),
        ("alice.key", "imported", Key(EcdsaP256, "f9923499", "alice")),
        ("alice.pkcs8.pem", "imported", Key(EcdsaP256, "f9923499", "alice")),
        ("alice.trad-aes256.pem", "refused", Key(EcdsaP256, "f9923499", "alice")),
        ("alice.trad-des3.pem", "refused", Key(EcdsaP256, "f9923499", "alice")),
        ("bob.crt", "refused", NoKey),
        ("carol.pub", "refused", NoKey),
        ("genkey-key.pem", "refused", Key(EcdsaP256, "296fca1d", "root")),
        ("genkey.pem", "refused", NoKey),
        ("rsaroot.key", "imported", Key(Rsa, "0945ab7d", "alice")),
        ("rsaroot.p8.pem", "refused", Key(Rsa, "0945ab7d", "alice")),
        ("rsaroot.p8sha256.pem", "refused", Key(Rsa, "0945ab7d", "alice")),
        ("rsaroot.trad.pem", "refused", Key(Rsa, "0945ab7d", "alice")),
        ("rsatgt.key", "imported", Key(Rsa, "744aeace", "alice")),
        ("std-ed25519.pkcs8.pem", "refused", Key(Ed25519, "72db6973", "alice")),
        ("wild.crt", "refused", NoKey),
    ]
};

#[test]
fn every_key_file_is_imported_that_the_reference_imports_and_those_of_other_tools_besides() {
    let mut there: BTreeSet<String> =
        fs::read_dir(fixtures("keys")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    for (name, reference, expected) in TABLE {
        let home = tempfile::tempdir().unwrap();
        let mut keys = keyring(home.path(), &["fixture-delegation-pass"]);
        let outcome = match keys.import_file(&fixtures("keys").join(name), &alice(), &SystemRandom::new()) {
            Ok(imported) => {
                let [imported] = imported.as_slice() else { panic!("{name}: {imported:?}") };
                assert!(imported.is_new, "{name}");
                assert_eq!(keys.list().unwrap(), std::slice::from_ref(&imported.key), "{name}");
                // Opened from its file again, it signs.
                let mut keys = keyring(home.path(), &["fixture-delegation-pass"]);
                let HeldKey::File(secret) = keys.open(&imported.key).unwrap() else { panic!("{name}") };
                let signature = secret.signature(b"message", &SystemRandom::new()).unwrap();
                assert!(secret.public().verifies(b"message", &signature), "{name}");
                let Outcome::Key(_, id, role) = expected else { panic!("{name}: {imported:?}") };
                assert!(imported.key.id.as_str().starts_with(id), "{name}: {}", imported.key.id);
                assert_eq!(imported.key.role.to_string(), role, "{name}");
                let mode = fs::metadata(imported.key.path()).unwrap().permissions().mode() & 0o7777;
                assert_eq!(mode, 0o600, "{name}");
                Outcome::Key(secret.kind(), id, role)
            }
            Err(ImportError::NoKey(_)) => {
                assert!(!home.path().join("trust").exists(), "{name}");
                Outcome::NoKey
            }
            Err(e) => panic!("{name}: {e}: {:?}", std::error::Error::source(&e)),
        };
        assert_eq!(outcome, expected, "{name}");
        assert!(reference != "imported" || outcome != Outcome::NoKey, "{name}: the reference imports it");
        assert!(there.remove(name), "{name} is not there");
    }
    assert_eq!(there, BTreeSet::new(), "files without a row");
}

/// A file with this text.
fn file(home: &Path, text: &str) -> PathBuf {
    let path = home.join("given.pem");
    fs::write(&path, text).unwrap();
    path
}

fn fixture(name: &str) -> String {
    fs::read_to_string(fixtures("keys").join(name)).unwrap()
}

fn import(home: &Path, text: &str, fallback: &Fallback) -> Result<Vec<(String, String, bool)>, ImportError> {
    let imported =
        keyring(home, &["fixture-root-pass"]).import_file(&file(home, text), fallback, &SystemRandom::new())?;
    let shown = |imported: bulla::keys::Imported| {
        (imported.key.id.as_str()[..8].to_owned(), imported.key.role.to_string(), imported.is_new)
    };
    Ok(imported.into_iter().map(shown).collect())
}

fn stored(home: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(home.join("trust/private")) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()[..8].to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_key_whose_file_and_command_name_no_role_is_a_delegation_key() {
    let home = tempfile::tempdir().unwrap();
    let imported = import(home.path(), &fixture("alice.key"), &Fallback::default()).unwrap();
    assert_eq!(imported, [("f9923499".into(), "delegation".into(), true)]);
}

#[test]
fn a_repositorys_key_needs_its_repository() {
    let home = tempfile::tempdir().unwrap();
    for role in [KeyRole::Targets, KeyRole::Snapshot, KeyRole::Timestamp] {
        let mut fallback = Fallback { role: Some(role.clone()), gun: None };
        let error = import(home.path(), &fixture("rsatgt.key"), &fallback).unwrap_err();
        let path = home.path().join("given.pem");
        let expected =
            format!("a {role} key is for one repository: say which with --gun ({} does not)", path.display());
        assert_eq!(error.to_string(), expected);
        assert!(stored(home.path()).is_empty());
        fallback.gun = Some(Gun::parse("a.test/b").unwrap());
        assert_eq!(import(home.path(), &fixture("rsatgt.key"), &fallback).unwrap().len(), 1);
        let key = keyring(home.path(), &[]).list().unwrap().remove(0);
        assert_eq!((key.role, key.gun), (role, fallback.gun));
        fs::remove_dir_all(home.path().join("trust")).unwrap();
    }
}

#[test]
fn what_a_block_says_comes_before_what_the_command_says() {
    let home = tempfile::tempdir().unwrap();
    let key = fixture("alice.pkcs8.pem");
    let with = |headers: &str| key.replacen("KEY-----\n", &format!("KEY-----\n{headers}\n\n"), 1);
    let fallback = Fallback { role: Some(KeyRole::Targets), gun: Some(Gun::parse("a.test/b").unwrap()) };
    let imported = import(home.path(), &with("gun: c.test/d\nrole: bob"), &fallback).unwrap();
    assert_eq!(imported, [("f9923499".into(), "bob".into(), true)]);
    // A signer's key is for every repository.
    assert_eq!(keyring(home.path(), &[]).list().unwrap()[0].gun, None);
    fs::remove_dir_all(home.path().join("trust")).unwrap();
    import(home.path(), &with("gun: c.test:5000/d\nrole: "), &fallback).unwrap();
    let key = keyring(home.path(), &[]).list().unwrap().remove(0);
    assert_eq!((key.role, key.gun), (KeyRole::Targets, Gun::parse("c.test:5000/d").ok()));
}

#[test]
fn all_keys_of_a_file_are_imported_and_certificates_beside_them_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let text = ["alice.crt", "alice.key", "alice.pkcs8.pem", "rsatgt.key"].map(fixture).concat();
    let imported = import(home.path(), &text, &alice()).unwrap();
    assert_eq!(imported, [("f9923499".into(), "alice".into(), true), ("744aeace".into(), "alice".into(), true)]);
    assert_eq!(stored(home.path()), ["744aeace", "f9923499"]);
}

#[test]
fn if_one_key_of_a_file_cannot_be_imported_none_is() {
    let cut =
        fixture("rsatgt.key").replace("-----END RSA PRIVATE KEY-----", "").replace("-----END PRIVATE KEY-----", "");
    let sealed = fixture("rsaroot.p8.pem").replacen("KEY-----\n", "KEY-----\nrole: root\n\n", 1);
    for (second, said) in [
        (cut, "PRIVATE KEY that is cut or damaged"),
        (fixture("rsatgt.key").replacen("MII", "MI!", 1), "PRIVATE KEY that is cut or damaged"),
        (fixture("rsatgt.key").replacen("KEY-----\n", "KEY-----\nrole: targets\n\n", 1), "say which with --gun"),
        (sealed, "cannot import"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut keys = keyring(home.path(), &["wrong"]);
        let path = file(home.path(), &[fixture("alice.key"), second].concat());
        let error = keys.import_file(&path, &alice(), &SystemRandom::new()).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(stored(home.path()).is_empty(), "{error}");
    }
}

#[test]
fn what_was_exported_is_kept_as_it_is_and_no_passphrase_is_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let name = "0b0c04439618cc8dbadec0a6fee4983caf3ba961a3617381c3325c48d186d665";
    let key = fs::read_to_string(fixtures("trust-dir/private").join(format!("{name}.key"))).unwrap();
    for path in [name.to_owned(), format!("tuf_keys/example.com/fix/badname/{name}_targets")] {
        let exported = key.replacen("role:", &format!("path: {path}\nrole:"), 1);
        let mut keys = Keyring::new(
            TrustDirectory::new(home.path().join("trust")),
            Passphrases::new(EnvironmentPassphrases::default(), Box::new(Nobody)),
        );
        keys.import_file(&file(home.path(), &exported), &Fallback::default(), &SystemRandom::new()).unwrap();
        let stored = home.path().join(format!("trust/private/{name}.key"));
        assert_eq!(fs::read_to_string(&stored).unwrap(), key);
        fs::remove_file(stored).unwrap();
    }
}

#[test]
fn a_path_that_is_no_key_id_names_no_file() {
    let key = fixture("alice.trad-aes256.pem");
    let digits = "f".repeat(64);
    for path in ["../../evil", "", "key", &format!("{digits}f"), &digits.to_uppercase(), &digits[1..]] {
        let home = tempfile::tempdir().unwrap();
        let text = key.replacen("Proc-Type", &format!("path: {path}\nProc-Type"), 1);
        let imported = import(home.path(), &text, &alice()).unwrap();
        assert_eq!(imported, [("f9923499".into(), "alice".into(), true)], "{path}");
        assert_eq!(stored(home.path()), ["f9923499"], "{path}");
    }
}

#[test]
fn a_key_that_another_tool_encrypted_stays_under_its_passphrase() {
    let home = tempfile::tempdir().unwrap();
    // The second of the passphrases for signers opens it; a new key would be sealed with the first.
    let key = import(home.path(), &fixture("rsaroot.p8.pem"), &alice()).unwrap();
    assert_eq!(key, [("0945ab7d".into(), "alice".into(), true)]);
    let keys = keyring(home.path(), &[]);
    let path = keys.list().unwrap()[0].path().to_owned();
    let file = bulla::keys::KeyFile::parse_all(&fs::read_to_string(path).unwrap()).remove(0);
    let open = |text: &str| file.open(Some(&Passphrase::from_text(text.into()))).is_ok();
    assert!(open("fixture-root-pass") && !open("fixture-delegation-pass"));
}

#[test]
fn a_key_that_is_here_already_is_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    import(home.path(), &fixture("alice.key"), &alice()).unwrap();
    let path = keyring(home.path(), &[]).list().unwrap()[0].path().to_owned();
    let before = fs::read(&path).unwrap();
    for name in ["alice.key", "alice.trad-des3.pem"] {
        let fallback = Fallback { role: Some(KeyRole::Root), gun: None };
        let mut keys = keyring(home.path(), &["fixture-delegation-pass"]);
        let again = keys.import_file(&fixtures("keys").join(name), &fallback, &SystemRandom::new()).unwrap();
        assert!(!again[0].is_new && again[0].key.role == KeyRole::Signer("alice".into()), "{again:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_in_the_place_of_a_key_is_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    import(home.path(), &fixture("alice.key"), &alice()).unwrap();
    let path = keyring(home.path(), &[]).list().unwrap()[0].path().to_owned();
    fs::write(&path, "torn").unwrap();
    let error = import(home.path(), &fixture("alice.key"), &alice()).unwrap_err();
    assert!(matches!(&error, ImportError::Key { source: KeyringError::NotAKey(p), .. } if *p == path), "{error:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "torn");
    assert_eq!(keyring(home.path(), &[]).damaged().unwrap(), [path]);
}

#[test]
fn a_file_of_a_mebibyte_is_read_and_one_byte_more_is_not() {
    let home = tempfile::tempdir().unwrap();
    let key = fixture("alice.key");
    let padded = |size: usize| format!("{}{key}", "#".repeat(size - key.len() - 1) + "\n");
    assert_eq!(import(home.path(), &padded(1 << 20), &alice()).unwrap().len(), 1);
    let error = import(home.path(), &padded((1 << 20) + 1), &alice()).unwrap_err();
    assert!(matches!(error, ImportError::TooLarge(_)), "{error}");
}

#[test]
fn names_in_other_encodings_beside_a_key_do_not_matter() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("given.pem");
    fs::write(
        &path,
        [b"Bag Attributes\n    friendlyName: M\xfcller\n".as_slice(), fixture("alice.key").as_bytes()].concat(),
    )
    .unwrap();
    let imported = keyring(home.path(), &[]).import_file(&path, &alice(), &SystemRandom::new()).unwrap();
    assert!(imported[0].is_new);
}

#[test]
fn what_is_not_there_or_no_key_is_said_so() {
    let home = tempfile::tempdir().unwrap();
    let mut keys = keyring(home.path(), &[]);
    let mut error = |path: &Path| keys.import_file(path, &alice(), &SystemRandom::new()).unwrap_err().to_string();
    let absent = home.path().join("absent");
    assert_eq!(error(&absent), format!("{} does not exist", absent.display()));
    let binary = home.path().join("binary");
    fs::write(&binary, [0xff, 0xfe]).unwrap();
    let expected = format!("invalid key pem block: {} holds no private key", binary.display());
    assert_eq!(error(&binary), expected);
    assert_eq!(error(home.path()), format!("cannot read {}", home.path().display()));
}

#[test]
fn the_layout_of_before_0_4_lists_the_same_keys_as_what_the_reference_made_of_it() {
    let keys = |directory: &str| -> Vec<_> {
        let environment = EnvironmentPassphrases::default();
        let keys =
            Keyring::new(TrustDirectory::new(fixtures(directory)), Passphrases::new(environment, Box::new(Nobody)));
        keys.list().unwrap().into_iter().map(|key| (key.id.to_string(), key.role, key.gun)).collect()
    };
    let (old, migrated) = (keys("legacy-trust-dir"), keys("migrated-legacy-trust-dir"));
    assert_eq!((old.len(), migrated.len()), (4, 6));
    assert!(old.iter().all(|key| migrated.contains(key)), "{old:?} {migrated:?}");
}
