//! Keys that are backed up on one machine and restored on another: the same bytes, the same trust, and all or nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tuf_schema::Sha256;

use crate::process::{Ended, FIXTURES, Home, copy, fixture};

const BUNDLE: (&str, &str) = ("BULLA_BUNDLE_PASSPHRASE_FILE", "words");
const ROOT_KEY: &str = "13fc08d1ec9a5117465a9313c861bd96571a2276ac3ef928c5236e7de4ffab80";

/// A machine with the passphrase of bundles, and nothing else.
fn machine() -> Home {
    let home = Home::new();
    private(&home, "words", "hush words of the bundle\n");
    home
}

/// A machine with the fixtures' keys and roots, and a pin.
fn full() -> Home {
    let home = machine();
    let trust = home.path().join(".docker/trust");
    copy(&fixture("trust-dir"), &trust);
    private(&home, ".docker/trust/bulla.json", r#"{"pins": {"ca": {"a.test/": "ca.pem"}, "disable_tofu": true}}"#);
    private(&home, ".docker/trust/policy.toml", "[pins.ca]\n\"b.test/\" = \"policy.pem\"\n");
    for name in ["ca.pem", "policy.pem"] {
        let certificate = fs::read_to_string(fixture("keys/alice.crt")).unwrap();
        private(&home, &format!(".docker/trust/{name}"), &certificate);
    }
    home
}

fn private(home: &Home, name: &str, text: &str) {
    let path = home.write(name, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Every file of the trust directory with its mode and content, but the documents that are fetched again.
fn trusted(home: &Home) -> Vec<(String, u32, Sha256)> {
    fn collect(directory: &std::path::Path, top: &std::path::Path, found: &mut Vec<(String, u32, Sha256)>) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            if path.is_dir() {
                assert_eq!(mode, 0o700, "{}", path.display());
                collect(&path, top, found);
            } else {
                found.push((
                    path.strip_prefix(top).unwrap().display().to_string(),
                    mode,
                    Sha256::of(&fs::read(&path).unwrap()),
                ));
            }
        }
    }
    let mut found = Vec::new();
    let top = home.path().join(".docker/trust");
    collect(&top, &top, &mut found);
    found.retain(|(name, ..)| !name.starts_with("tuf/") || name.ends_with("/root.json"));
    found.retain(|(name, ..)| name != "MANIFEST.md");
    found.sort();
    found
}

/// Carries a file from one home to another.
fn carry(from: &Home, to: &Home, name: &str) {
    fs::copy(from.path().join(name), to.path().join(name)).unwrap();
}

fn refused(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.err.contains("hush") && !ended.out.contains("hush"), "{ended:?}");
    ended.err.trim_end()
}

#[test]
fn an_empty_machine_has_after_a_restore_the_same_keys_roots_and_pins_to_the_byte() {
    let (here, there) = (full(), machine());
    let variables = [FIXTURES.as_slice(), &[BUNDLE]].concat();
    let said = here.done(&["key", "backup", "x.bundle"], &variables);
    assert!(said.starts_with("Backed up into x.bundle, which was read back and opened:\n"), "{said}");
    assert!(said.contains(&format!("  key {ROOT_KEY} (role root): opened\n")), "{said}");
    assert_eq!(fs::metadata(here.path().join("x.bundle")).unwrap().permissions().mode() & 0o7777, 0o600);
    carry(&here, &there, "x.bundle");
    let said = there.done(&["key", "restore", "--check", "x.bundle"], &variables);
    assert!(said.contains("To restore it: bulla key restore x.bundle"), "{said}");
    assert!(trusted(&there).is_empty(), "a check writes nothing");
    let elsewhere = there.done(&["-d", "a b", "key", "restore", "--check", "x.bundle"], &variables);
    assert!(elsewhere.contains("To restore it: bulla --trust-dir 'a b' key restore x.bundle"), "{elsewhere}");
    let ended = there.shell("umask 000; exec \"$BULLA\" \"$@\"", &["key", "restore", "x.bundle"], &[BUNDLE], "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(trusted(&there), trusted(&here));
    assert!(trusted(&there).iter().all(|(_, mode, _)| *mode == 0o600));
    assert_eq!(there.keys(), here.keys());
    // Again, it is all here.
    let said = there.done(&["key", "restore", "x.bundle"], &[BUNDLE]);
    assert!(said.contains("Nothing of it is missing in "), "{said}");
    assert_eq!(trusted(&there), trusted(&here));
}

#[test]
fn a_backup_of_one_repository_has_its_keys_its_root_key_and_its_root() {
    let (here, there) = (full(), machine());
    let said =
        here.done(&["--output", "json", "key", "backup", "--gun", "example.com/fix/simple", "x.bundle"], &[BUNDLE]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let mut roles: Vec<_> = said["keys"].as_array().unwrap().iter().map(|key| key["role"].as_str().unwrap()).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["root", "snapshot", "targets"]);
    assert_eq!(said["roots"], serde_json::json!(["example.com/fix/simple"]));
    carry(&here, &there, "x.bundle");
    there.done(&["key", "restore", "x.bundle"], &[BUNDLE]);
    assert_eq!(there.keys().len(), 3);
    let one = here.done(&["--output", "json", "key", "backup", "--key", ROOT_KEY, "y.bundle"], &[BUNDLE]);
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!((one["keys"].as_array().unwrap().len(), one["keys"][0]["opened"].as_bool()), (1, Some(false)));
    let missing = here.run(&["key", "backup", "--gun", "example.com/other", "z.bundle"], &[BUNDLE], "");
    assert!(refused(&missing).starts_with("Error: no key of example.com/other is in "), "{missing:?}");
    assert!(!here.path().join("z.bundle").exists());
}

#[test]
fn what_is_here_stays_and_a_different_setting_stops_all() {
    let (here, there) = (full(), machine());
    here.done(&["key", "backup", "x.bundle"], &[BUNDLE]);
    carry(&here, &there, "x.bundle");
    // The same key under another passphrase.
    fs::create_dir_all(there.private()).unwrap();
    let key = format!("{ROOT_KEY}.key");
    fs::copy(here.private().join(&key), there.private().join(&key)).unwrap();
    private(&there, "new", "another passphrase");
    let variables = [FIXTURES.as_slice(), &[("BULLA_NEW_PASSPHRASE_FILE", "new")]].concat();
    there.done(&["key", "passwd", ROOT_KEY], &variables);
    let resealed = fs::read(there.private().join(&key)).unwrap();
    private(&there, ".docker/trust/bulla.json", "{}");
    let before = trusted_loosely(&there);
    let ended = there.run(&["key", "restore", "x.bundle"], &[BUNDLE], "");
    let words = "/.docker/trust/bulla.json is here with another content, and nothing was written: move one of the two away, \
                 and restore again";
    assert!(refused(&ended).ends_with(words), "{ended:?}");
    assert_eq!(trusted_loosely(&there), before);
    fs::remove_file(there.path().join(".docker/trust/bulla.json")).unwrap();
    let said = there.done(&["key", "restore", "x.bundle"], &[BUNDLE]);
    assert!(said.contains(&format!("Already here, left as it is: private/{key}\n")), "{said}");
    assert_eq!(fs::read(there.private().join(&key)).unwrap(), resealed);
    assert_eq!(there.keys(), here.keys());
}

/// Names and contents, whatever the modes.
fn trusted_loosely(home: &Home) -> Vec<(String, Sha256)> {
    fs::set_permissions(home.path().join(".docker"), fs::Permissions::from_mode(0o700)).unwrap();
    let trust = home.path().join(".docker/trust");
    for directory in [trust.clone(), trust.join("private")] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
    }
    trusted(home).into_iter().map(|(name, _, content)| (name, content)).collect()
}

#[test]
fn a_bundle_opens_with_its_own_passphrase_and_no_other() {
    let (here, there) = (full(), machine());
    here.done(&["key", "backup", "x.bundle"], &[BUNDLE]);
    carry(&here, &there, "x.bundle");
    private(&there, "wrong", "hush wrong words");
    let wrong = ("BULLA_BUNDLE_PASSPHRASE_FILE", "wrong");
    let ended = there.run(&["key", "restore", "x.bundle"], &[wrong], "");
    let expected = "Error: the passphrase in the file wrong that BULLA_BUNDLE_PASSPHRASE_FILE names does not open the bundle \
                    x.bundle: mend it, or leave it out to be asked";
    assert_eq!(refused(&ended), expected);
    // Those of the keys are not tried.
    let ended = there.run(&["key", "restore", "x.bundle"], &FIXTURES, "");
    let expected = "Error: no passphrase for the bundle x.bundle: set BULLA_BUNDLE_PASSPHRASE_FILE, use \
                    --bundle-passphrase-fd, or run at a terminal";
    assert!(refused(&ended).starts_with(expected), "{ended:?}");
    assert!(trusted(&there).is_empty());
    let script = "exec \"$BULLA\" \"$@\" --bundle-passphrase-fd 3 3<words";
    assert_eq!(there.shell(script, &["key", "restore", "x.bundle"], &[wrong], "").code, Some(0));
}

#[test]
fn a_bundle_that_is_cut_altered_or_none_leaves_nothing_behind() {
    let (here, there) = (full(), machine());
    here.done(&["key", "backup", "x.bundle"], &[BUNDLE]);
    let whole = fs::read(here.path().join("x.bundle")).unwrap();
    let middle = whole.len() / 2;
    let altered = [&whole[..middle], &[whole[middle] ^ 1], &whole[middle + 1..]].concat();
    for (bytes, why) in [
        (&whole[..whole.len() - 1], "it is cut off or altered: take another copy"),
        (&whole[..100], "it is cut off or altered: take another copy"),
        (&altered, "it is cut off or altered: take another copy"),
        (b"PK\x03\x04", "it is no bundle of keys: it does not begin with \"scrypt\""),
    ] {
        fs::write(there.path().join("x.bundle"), bytes).unwrap();
        for arguments in [["key", "restore", "x.bundle"].as_slice(), &["key", "restore", "--check", "x.bundle"]] {
            let ended = there.run(arguments, &[BUNDLE], "");
            assert_eq!(refused(&ended), format!("Error: x.bundle is not restored, and nothing was written: {why}"));
            assert!(trusted(&there).is_empty());
        }
    }
}

#[test]
fn a_disk_that_fills_up_in_between_leaves_nothing_of_a_restore_and_no_bundle() {
    let (here, there) = (full(), machine());
    here.done(&["key", "backup", "x.bundle"], &[BUNDLE]);
    carry(&here, &there, "x.bundle");
    // Most files fit into 4 blocks of 1 KiB, one of the roots does not.
    let full = |home: &Home, arguments: &[&str]| {
        home.shell("trap '' XFSZ; ulimit -f 8; exec \"$BULLA\" \"$@\"", arguments, &[BUNDLE], "")
    };
    let ended = full(&there, &["key", "restore", "x.bundle"]);
    assert!(refused(&ended).contains("root.json: File too large (os error 27)"), "{ended:?}");
    assert!(!there.path().join(".docker").exists(), "not even a directory");
    let ended = full(&here, &["key", "backup", "y.bundle"]);
    assert!(refused(&ended).contains("cannot write y.bundle: File too large (os error 27)"), "{ended:?}");
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 3, "home, words, the first bundle");
}

#[test]
fn a_backup_is_never_written_over_and_one_that_would_lack_a_key_is_none() {
    let here = full();
    let backup = ["key", "backup", "x.bundle"];
    here.done(&backup, &[BUNDLE]);
    let first = fs::read(here.path().join("x.bundle")).unwrap();
    let ended = here.run(&backup, &[BUNDLE], "");
    assert_eq!(refused(&ended), "Error: x.bundle exists and is not overwritten");
    assert_eq!(fs::read(here.path().join("x.bundle")).unwrap(), first);
    private(&here, ".docker/trust/private/torn.key", "-----BEGIN");
    let ended = here.run(&["key", "backup", "y.bundle"], &[BUNDLE], "");
    assert!(refused(&ended).contains("torn.key holds no private key that can be read"), "{ended:?}");
    // A key under another key's name is none of that name.
    fs::remove_file(here.private().join("torn.key")).unwrap();
    let name = format!("{}.key", "1".repeat(64));
    fs::copy(here.private().join(format!("{ROOT_KEY}.key")), here.private().join(name)).unwrap();
    let ended = here.run(&["key", "backup", "y.bundle"], &[FIXTURES.as_slice(), &[BUNDLE]].concat(), "");
    assert!(refused(&ended).ends_with(&format!("holds the key {ROOT_KEY}")), "{ended:?}");
    assert!(!here.path().join("y.bundle").exists());
    let empty = machine();
    let ended = empty.run(&backup, &[BUNDLE], "");
    assert!(refused(&ended).ends_with(": there is nothing to back up"), "{ended:?}");
}
