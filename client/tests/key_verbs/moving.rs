//! Keys listed, exported and imported: notary's tables and bytes.

use std::fs;

use crate::process::{FIXTURES, Home, copy, fixture};

const SIMPLE_TARGETS: &str = "25030abfe9df8e00e60d22f6f613e2faeef1c5f61dfd3841cd22f806332bcc21";

/// What the reference printed for a command, as its transcript has it.
fn transcript(command: &str) -> String {
    let text = fs::read_to_string(fixture("cli-transcript.txt")).unwrap();
    let (_, after) = text.split_once(&format!("\n$ {command}\n")).unwrap();
    after.split_once("[exit 0]\n").unwrap().0.to_owned()
}

fn with_the_fixtures_keys() -> Home {
    let home = Home::new();
    copy(&fixture("trust-dir"), &home.path().join(".docker/trust"));
    home
}

#[test]
fn the_list_is_the_references_to_the_byte() {
    let home = with_the_fixtures_keys();
    // A key that was made after the transcript's list.
    let later = "ca4a12f2a2225e6c4009b9e58e768d7d657d68d03d8fc1c1709b33a346edaa7c.key";
    fs::remove_file(home.private().join(later)).unwrap();
    // The reference's location is not cut in the transcript, which has another word for the directory.
    let printed = home.done(&["key", "list"], &[]);
    let location = printed.lines().nth(3).unwrap().split_whitespace().last().unwrap().to_owned();
    assert!(location.ends_with("/.docker/trust/private") && location.chars().count() <= 40, "{location}");
    assert_eq!(printed.replace(&location, "<trust>/private"), transcript("notary key list"));
    assert_eq!(Home::new().done(&["key", "list"], &[]), "\nNo signing keys found.\n\n");
}

#[test]
fn the_list_for_programs_has_everything_in_full() {
    let home = with_the_fixtures_keys();
    let list: serde_json::Value = serde_json::from_str(&home.done(&["key", "list", "--output", "json"], &[])).unwrap();
    let keys = list["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 34);
    let key = keys.iter().find(|key| key["id"] == SIMPLE_TARGETS).unwrap();
    let file = home.private().join(format!("{SIMPLE_TARGETS}.key"));
    let expected = serde_json::json!({
        "role": "targets", "gun": "example.com/fix/simple", "id": SIMPLE_TARGETS, "file": file.to_str().unwrap()
    });
    assert_eq!(key, &expected);
}

#[test]
fn a_key_file_that_holds_no_key_is_named_and_passed_over() {
    let home = with_the_fixtures_keys();
    for (name, text) in [("empty.key", ""), ("torn.key", "-----BEGIN PRIVATE KEY-----\nMIG")] {
        let path = home.private().join(name);
        fs::write(&path, text).unwrap();
        let ended = home.run(&["key", "list"], &[], "");
        assert_eq!(ended.code, Some(0));
        assert_eq!(ended.err, format!("Warning: {} holds no private key that can be read\n", path.display()));
        fs::remove_file(path).unwrap();
    }
    // Nor does one that cannot be read keep the others from their work.
    let path = home.private().join("loop.key");
    std::os::unix::fs::symlink("loop.key", &path).unwrap();
    let ended = home.run(&["key", "export", "--key", SIMPLE_TARGETS], &[], "");
    assert_eq!(ended.code, Some(0));
    let said = "Too many levels of symbolic links (os error 40)";
    assert_eq!(ended.err, format!("Warning: cannot read {}: {said}\n", path.display()));
}

#[test]
fn an_export_is_the_references_to_the_byte() {
    let home = with_the_fixtures_keys();
    let expected = transcript("notary key export --gun example.com/fix/simple");
    assert_eq!(home.done(&["key", "export", "--gun", "example.com/fix/simple"], &[]), expected);
    let one = home.done(&["key", "export", "--key", SIMPLE_TARGETS], &[]);
    assert!(expected.starts_with(&one) && one.lines().filter(|line| line.starts_with("path:")).count() == 1);
    let gone = "0".repeat(64);
    for (arguments, said) in [
        (["--key", gone.as_str()], format!("Error: No key with ID {gone} found\n")),
        (["--key", "abc"], "Error: invalid key ID provided: abc\n".to_owned()),
        (["--gun", "no/such"], format!("Error: no key of no/such is in {}\n", home.private().display())),
    ] {
        let ended = home.run(&[&["key", "export"], arguments.as_slice()].concat(), &[], "");
        assert_eq!((ended.code, ended.err, ended.out.as_str()), (Some(1), said, ""));
    }
    let none = Home::new().run(&["key", "export"], &[], "");
    assert!(none.code == Some(1) && none.err.starts_with("Error: no keys are in "), "{none:?}");
}

#[test]
fn exported_keys_arrive_elsewhere_with_their_ids_bytes_and_passphrases() {
    let (home, other) = (with_the_fixtures_keys(), Home::new());
    let file = other.path().join("keys.pem");
    assert_eq!(home.done(&["key", "export", "-o", file.to_str().unwrap()], &[]), "");
    // No passphrase is at hand here, and none is needed.
    let printed = other.done(&["key", "import", "keys.pem"], &[]);
    assert_eq!(printed.lines().count(), 34);
    assert_eq!(other.keys(), home.keys());
    for name in home.keys() {
        assert_eq!(fs::read(home.private().join(&name)).unwrap(), fs::read(other.private().join(&name)).unwrap());
    }
    let again = other.done(&["key", "import", "keys.pem"], &[]);
    assert_eq!(again.lines().count(), 34);
    assert!(again.lines().all(|line| line.starts_with("Already here, left as it is: ")), "{again}");
    let exists = home.run(&["key", "export", "-o", file.to_str().unwrap()], &[], "");
    assert_eq!(exists.err, format!("Error: {} exists and is not overwritten\n", file.display()));
    let nowhere = home.run(&["key", "export", "-o", "no/such/file"], &[], "");
    assert_eq!(nowhere.err, "Error: the directory of no/such/file does not exist\n");
}

#[test]
fn an_export_of_the_old_layout_has_the_headers_that_a_migrated_one_has() {
    let (old, migrated) = (Home::new(), Home::new());
    copy(&fixture("legacy-trust-dir"), &old.path().join(".docker/trust"));
    copy(&fixture("migrated-legacy-trust-dir"), &migrated.path().join(".docker/trust"));
    for id in [
        "563affc96b3243b85c5c6e1be45de1b32c390c53cf285d0618992e49f6db1d8d",
        "194b8b9890761d95e096f65ea4a29c1f0da5c8459fe0ce953c1d1b1433bcb583",
        "89b5464b134b32e2fb5f2d9957b27b8c9a7e347155850e3f4ea869e4c4015e0a",
    ] {
        let export = |home: &Home| home.done(&["key", "export", "--key", id], &[]);
        assert_eq!(export(&old), export(&migrated));
    }
}

#[test]
fn docker_s_load_takes_a_key_for_its_name_and_refuses_one_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let path = home.path().join("bob.pem");
    fs::copy(fixture("keys/alice.key"), &path).unwrap();
    let load = |mode: u32, arguments: &[&str]| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        home.run(&[&["trust", "key", "load"], arguments].concat(), &FIXTURES, "")
    };
    for mode in [0o644, 0o640, 0o604, 0o620, 0o602] {
        let ended = load(mode, &["bob.pem", "--name", "bob"]);
        let said = "Loading key from \"bob.pem\"...\nError: refusing to load key from bob.pem: private key file bob.pem must \
                    not be readable or writable by others\n";
        assert_eq!((ended.code, ended.err.as_str()), (Some(1), said), "{mode:o}");
    }
    assert!(home.keys().is_empty());
    let ended = load(0o600, &["bob.pem", "--name", "bob"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), "Successfully imported key from bob.pem\n"));
    assert!(home.done(&["key", "list"], &[]).contains("\nbob            f9923499"));
    let again = load(0o400, &["bob.pem"]);
    assert_eq!((again.code, again.out.as_str()), (Some(0), "Successfully imported key from bob.pem\n"));
    assert!(
        again
            .err
            .contains("f9923499641878bfec4a6f08616f9fa3582a46920b24ed3a306e0964b81d8917 (role bob) is here already")
    );
    // docker says the same of such a key, and stores nothing.
    fs::remove_dir_all(home.private()).unwrap();
    fs::remove_file(&path).unwrap();
    fs::copy(fixture("keys/alice.trad-aes256.pem"), &path).unwrap();
    assert_eq!(load(0o600, &["bob.pem"]).code, Some(0));
    assert_eq!(home.keys(), ["f9923499641878bfec4a6f08616f9fa3582a46920b24ed3a306e0964b81d8917.key"]);
    let certificate = fixture("keys/alice.crt");
    fs::copy(&certificate, home.path().join("alice.crt")).unwrap();
    fs::set_permissions(home.path().join("alice.crt"), fs::Permissions::from_mode(0o600)).unwrap();
    for (arguments, said) in [
        (
            ["alice.crt", "--name=a"],
            "provided file alice.crt is not a supported private key - to add a signer's public key",
        ),
        (["absent", "--name=a"], "refusing to load key from absent: No such file or directory"),
        (["bob.pem", "--name=Bob"], "key name \"Bob\" must start with lowercase alphanumeric characters"),
        (["bob.pem", "--name=targets"], "a targets key is for one repository: say which with --gun"),
    ] {
        let ended = home.run(&[&["trust", "key", "load"], arguments.as_slice()].concat(), &FIXTURES, "");
        assert!(ended.code == Some(1) && ended.err.contains(said), "{ended:?}");
    }
}
