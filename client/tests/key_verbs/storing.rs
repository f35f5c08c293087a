//! Keys made, sealed anew and removed: what lies on the disk afterwards, and who may read it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bulla::keys::KeyFile;
use tuf_schema::SigningKey as _;
use tuf_schema::sign::{Passphrase, SecretKind};

use crate::process::{FIXTURES, Home};

const ALICE: [(&str, &str); 1] = [("NOTARY_DELEGATION_PASSPHRASE", "the passphrase of alice")];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn opens(text: &str, passphrase: &str) -> bool {
    KeyFile::parse_all(text).remove(0).open(Some(&Passphrase::from_text(passphrase.into()))).is_ok()
}

/// The id in `Generated new ... keyID: ID`.
fn id(printed: &str) -> String {
    printed.trim_end().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn files_and_directories_are_private_under_any_umask() {
    for umask in ["000", "022", "077", "0777"] {
        let home = Home::new();
        let script = format!("umask {umask}; exec \"$BULLA\" \"$@\"");
        let run = |arguments: &[&str]| {
            let ended = home.shell(&script, arguments, &FIXTURES, "");
            assert_eq!(ended.code, Some(0), "{umask}: {ended:?}");
            ended.out
        };
        let key = id(&run(&["key", "generate", "--role", "alice"]));
        run(&["trust", "key", "generate", "bob"]);
        run(&["key", "generate", "-o", "carol", "--role", "carol"]);
        run(&["key", "export", "-o", "export.pem"]);
        run(&["key", "import", "carol-key.pem"]);
        home.write("new", "a new passphrase");
        let ended = home.shell(
            &format!("umask {umask}; exec \"$BULLA\" key passwd {key} --new-passphrase-fd 3 3<new"),
            &[],
            &FIXTURES,
            "",
        );
        assert_eq!(ended.code, Some(0), "{umask}: {ended:?}");
        assert_eq!(home.keys().len(), 3, "{umask}");
        for name in home.keys() {
            assert_eq!(mode(&home.private().join(&name)), 0o600, "{umask}: {name}");
        }
        for name in ["bob.pub", "carol.pem", "carol-key.pem", "export.pem"] {
            assert_eq!(mode(&home.path().join(name)), 0o600, "{umask}: {name}");
        }
        for directory in [home.private(), home.path().join(".docker/trust"), home.path().join(".docker")] {
            assert_eq!(mode(&directory), 0o700, "{umask}: {}", directory.display());
        }
    }
}

#[test]
fn keys_of_every_kind_are_made_and_sign() {
    for (word, kind) in [
        ("ecdsa", SecretKind::EcdsaP256),
        ("ECDSA", SecretKind::EcdsaP256),
        ("p384", SecretKind::EcdsaP384),
        ("p521", SecretKind::EcdsaP521),
        ("ed25519", SecretKind::Ed25519),
    ] {
        let home = Home::new();
        let printed = home.done(&["key", "generate", word, "--role", "alice"], &ALICE);
        let shown = word.to_lowercase();
        let key = id(&printed);
        assert_eq!(printed, format!("Generated new {shown} alice key with keyID: {key}\n"));
        let text = fs::read_to_string(home.private().join(format!("{key}.key"))).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: alice\n\n"), "{text}");
        let passphrase = Passphrase::from_text("the passphrase of alice".into());
        let secret = KeyFile::parse_all(&text).remove(0).open(Some(&passphrase)).unwrap();
        assert_eq!((secret.kind(), secret.public().id().as_str()), (kind, key.as_str()));
        let signature = secret.signature(b"message", &ring::rand::SystemRandom::new()).unwrap();
        assert!(secret.public().verifies(b"message", &signature));
    }
}

#[test]
fn what_nobody_could_use_is_not_made() {
    let home = Home::new();
    for (arguments, said) in [
        (
            ["p521", "--role=root"],
            "a root key must be ecdsa or p384: nobody reads root certificates of ECDSA P-521 keys",
        ),
        (
            ["ed25519", "--role=root"],
            "a root key must be ecdsa or p384: nobody reads root certificates of Ed25519 keys",
        ),
        (["ecdsa", "--role=targets"], "a targets key is for one repository: say which with --gun"),
    ] {
        let ended = home.run(&[&["key", "generate"], arguments.as_slice()].concat(), &FIXTURES, "");
        assert_eq!((ended.code, ended.err), (Some(1), format!("Error: {said}\n")));
    }
    for arguments in [["rsa", "--role=a"], ["ecdsa", "--role=a\nb"], ["ecdsa", "--gun=../b"]] {
        let ended = home.run(&[&["key", "generate"], arguments.as_slice()].concat(), &FIXTURES, "");
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
    assert!(home.keys().is_empty());
    let printed = home.done(&["key", "generate", "--role", "targets", "--gun", "a.test:5000/b"], &FIXTURES);
    let text = fs::read_to_string(home.private().join(format!("{}.key", id(&printed)))).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\ngun: a.test:5000/b\nrole: targets\n\n"), "{text}");
}

#[test]
fn a_key_for_a_file_is_written_as_the_reference_writes_it_and_never_over_another() {
    let home = Home::new();
    let printed = home.done(&["key", "generate", "-o", "out"], &FIXTURES);
    assert!(home.keys().is_empty(), "nothing is stored");
    let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
    let (private, public) = (read("out-key.pem"), read("out.pem"));
    let theirs = |name: &str| fs::read_to_string(crate::process::fixture("keys").join(name)).unwrap();
    let lengths = |text: &str| text.lines().map(str::len).collect::<Vec<_>>();
    // But for its id, without which the reference does not import what it wrote.
    let path = format!("path: {}\n", id(&printed));
    assert_eq!(lengths(&private.replace(&path, "")), lengths(&theirs("genkey-key.pem")));
    assert_eq!(lengths(&public), lengths(&theirs("genkey.pem")));
    assert!(opens(&private, "fixture-root-pass"));
    for kept in ["out-key.pem", "out.pem"] {
        let other = if kept == "out.pem" { "out-key.pem" } else { "out.pem" };
        fs::rename(home.path().join(other), home.path().join("aside")).unwrap();
        let ended = home.run(&["key", "generate", "-o", "out"], &FIXTURES, "");
        assert_eq!((ended.code, ended.err), (Some(1), format!("Error: {kept} exists and is not overwritten\n")));
        assert!(!home.path().join(other).exists(), "half a pair is not written");
        fs::rename(home.path().join("aside"), home.path().join(other)).unwrap();
    }
    assert_eq!((read("out-key.pem"), read("out.pem")), (private, public));
    assert_eq!(id(&printed), id(&home.done(&["key", "import", "out-key.pem"], &FIXTURES).replace(" (role root)", "")));
}

#[test]
fn a_strong_derivation_is_told_and_turned_back_by_a_change_of_the_passphrase() {
    let home = Home::new();
    let ended = home.run(&["key", "generate", "--role", "alice", "--kdf", "strong"], &ALICE, "");
    assert_eq!(ended.err, "docker and notary cannot open keys that are sealed with --kdf strong\n");
    let key = id(&ended.out);
    let path = home.private().join(format!("{key}.key"));
    let strong = fs::read_to_string(&path).unwrap();
    assert!(opens(&strong, ALICE[0].1));
    home.write("new", "another passphrase\n");
    let passwd = format!("exec \"$BULLA\" key passwd {key} --new-passphrase-fd 3 3<new");
    let ended = home.shell(&passwd, &[], &ALICE, "");
    assert_eq!(ended.out, format!("Successfully updated passphrase for key ID: {key}\n"), "{ended:?}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(opens(&text, "another passphrase") && !opens(&text, ALICE[0].1));
    let scrypt = |text: &str| text.lines().nth(3).unwrap().contains("QB2kcE"); // the end of its object identifier
    assert!(scrypt(&strong) && !scrypt(&text), "{strong}{text}");
    assert_eq!(home.keys(), [format!("{key}.key")]);
}

#[test]
fn a_passphrase_that_is_not_changed_leaves_the_file_as_it_was() {
    let home = Home::new();
    let key = id(&home.done(&["key", "generate", "--role", "alice"], &ALICE));
    let path = home.private().join(format!("{key}.key"));
    let before = fs::read(&path).unwrap();
    let wrong = [("NOTARY_DELEGATION_PASSPHRASE", "wrong"), ("BULLA_NEW_PASSPHRASE_FILE", "/dev/null")];
    for (variables, said) in [
        (wrong.as_slice(), "does not open the alice key with ID"),
        (&[ALICE[0], wrong[1]], "cannot take the passphrase for the new alice key"),
        (&ALICE, "no new passphrase for the new alice key with ID"),
    ] {
        let ended = home.run(&["key", "passwd", &key], variables, "");
        assert!(ended.code == Some(1) && ended.err.contains(said), "{said}: {ended:?}");
        assert_eq!(fs::read(&path).unwrap(), before, "{said}");
    }
    let gone = "0".repeat(64);
    let ended = home.run(&["key", "passwd", &gone], &ALICE, "");
    assert_eq!((ended.code, ended.err), (Some(1), format!("Error: No key with ID {gone} found\n")));
}

#[test]
fn a_key_is_removed_after_yes_and_after_nothing_else() {
    let home = Home::new();
    let key = id(&home.done(&["key", "generate", "--role", "alice"], &ALICE));
    let remove = |input: &str| home.run(&["key", "remove", &key], &[], input);
    let ended = remove("no\n");
    let question =
        format!("Are you sure you want to remove {key} (role alice) from {}?  (yes/no)\n", home.private().display());
    assert_eq!((ended.code, ended.out.as_str(), ended.err), (Some(0), "Aborting action.\n", question));
    let ended = remove("");
    assert!(ended.code == Some(1) && ended.err.contains("nobody answered"), "{ended:?}");
    assert_eq!(home.keys().len(), 1);
    let ended = remove("yes\n");
    assert_eq!(ended.out, format!("Deleted {key} (role alice) from {}.\n", home.private().display()));
    assert!(home.keys().is_empty());
    let ended = remove("yes\n");
    assert_eq!((ended.code, ended.err), (Some(1), format!("Error: No key with ID {key} found\n")));
    let ended = home.run(&["key", "remove", "abc"], &[], "yes\n");
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), "Error: invalid key ID provided: abc\n"));
}

#[test]
fn a_root_key_is_removed_only_by_who_says_so_beforehand() {
    let home = Home::new();
    let key = id(&home.done(&["key", "generate"], &FIXTURES));
    let ended = home.run(&["key", "remove", &key], &[], "yes\n");
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.starts_with(&format!("Error: {key} is a root key, and this may be its only copy")), "{ended:?}");
    assert_eq!(home.keys().len(), 1);
    home.done(&["key", "remove", "--yes", &key], &[]);
    assert!(home.keys().is_empty());
}

#[test]
fn a_key_of_the_old_layout_is_removed_from_there() {
    let home = Home::new();
    crate::process::copy(&crate::process::fixture("legacy-trust-dir"), &home.path().join(".docker/trust"));
    let alice = "194b8b9890761d95e096f65ea4a29c1f0da5c8459fe0ce953c1d1b1433bcb583";
    home.done(&["key", "remove", "-y", alice], &[]);
    assert!(!home.private().join(format!("tuf_keys/{alice}_alice.key")).exists());
    assert!(!home.done(&["key", "list"], &[]).contains(alice));
}
