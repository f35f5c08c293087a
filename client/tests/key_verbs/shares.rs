//! Root keys in shares: what is written for the holders, what is joined elsewhere, and what leaves everything as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::process::{Ended, FIXTURES, Home, copy, fixture};

const ROOT_KEY: &str = "13fc08d1ec9a5117465a9313c861bd96571a2276ac3ef928c5236e7de4ffab80";
const NEW: [(&str, &str); 1] = [("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "hush new words")];

/// A machine with the keys of the fixtures.
fn full() -> Home {
    let home = Home::new();
    copy(&fixture("trust-dir"), &home.path().join(".docker/trust"));
    home
}

fn refused(ended: &Ended) -> &str {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.err.contains("hush") && !ended.out.contains("hush"), "{ended:?}");
    ended.err.trim_end()
}

fn share<'a>(shares: &'a str, threshold: &'a str) -> [&'a str; 9] {
    ["key", "share", ROOT_KEY, "--shares", shares, "--threshold", threshold, "--dir", "s"]
}

/// The files of shares, the first of them first.
fn files(home: &Home) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(home.path().join("s")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Carries shares from one home to another, by their numbers.
fn carry(from: &Home, to: &Home, numbers: &[u8]) -> Vec<String> {
    let carried = |number: &u8| {
        let name = format!("{ROOT_KEY}-{number}.share");
        fs::copy(from.path().join("s").join(&name), to.path().join(&name)).unwrap();
        name
    };
    numbers.iter().map(carried).collect()
}

fn join(files: &[String]) -> Vec<&str> {
    ["key", "join"].into_iter().chain(files.iter().map(String::as_str)).collect()
}

#[test]
fn two_of_three_shares_give_the_key_on_another_machine_under_a_passphrase_of_its_own() {
    let (here, there) = (full(), Home::new());
    let before = here.keys();
    let ended = here.shell("umask 000; exec \"$BULLA\" \"$@\"", &share("3", "2"), &FIXTURES, "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let words = format!(
        "Shared the root key {ROOT_KEY}: any 2 of these 3 files, which were read back and gave it, are the key"
    );
    assert!(ended.out.starts_with(&words), "{ended:?}");
    assert!(ended.out.contains(&format!("\n  s/{ROOT_KEY}-3.share\n")), "{ended:?}");
    assert!(ended.out.contains("\nThe key is still here, too: "), "{ended:?}");
    assert_eq!(here.keys(), before);
    assert_eq!(files(&here).len(), 3);
    for file in files(&here) {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    // Which two and in which order does not matter, nor that nobody knows the old passphrase.
    let shares = carry(&here, &there, &[3, 1]);
    let said = there.done(&join(&shares), &NEW);
    assert!(
        said.starts_with(&format!("Joined shares 3, 1 of 3: they give the root key {ROOT_KEY}\nStored it ")),
        "{said}"
    );
    assert_eq!(there.keys(), [format!("{ROOT_KEY}.key")]);
    let text = fs::read_to_string(there.private().join(format!("{ROOT_KEY}.key"))).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: root\n"), "{text}");
    // It is the very key: what is shared there fits under the same id, with the new passphrase.
    there.done(&share("2", "2"), &NEW);
    let wrong =
        there.run(&["key", "share", ROOT_KEY, "--shares", "2", "--threshold", "2", "--dir", "t"], &FIXTURES, "");
    assert!(refused(&wrong).contains("does not open the root key"), "{wrong:?}");
}

#[test]
fn what_is_shared_and_joined_is_told_to_programs_without_any_secret() {
    let (here, there) = (full(), Home::new());
    let arguments = [["--output", "json"].as_slice(), &share("3", "2"), &["--remove"]].concat();
    let said: serde_json::Value = serde_json::from_str(&here.done(&arguments, &FIXTURES)).unwrap();
    assert_eq!((&said["id"], &said["role"], &said["threshold"]), (&ROOT_KEY.into(), &"root".into(), &2.into()));
    assert_eq!(said["shares"][1], serde_json::json!({"number": 2, "file": format!("s/{ROOT_KEY}-2.share")}));
    assert_eq!((said["shares"].as_array().unwrap().len(), said["removed"].as_bool()), (3, Some(true)));
    let shares = carry(&here, &there, &[1, 2, 3]);
    let arguments = [vec!["--output", "json"], join(&shares)].concat();
    let joined: serde_json::Value = serde_json::from_str(&there.done(&arguments, &NEW)).unwrap();
    assert_eq!((&joined["id"], &joined["split"]), (&ROOT_KEY.into(), &said["split"]));
    assert_eq!(joined["joined"], serde_json::json!([1, 2, 3]));
    assert_eq!((joined["already_here"].as_bool(), joined["opened"].as_bool()), (Some(false), Some(true)));
}

#[test]
fn the_key_is_removed_only_if_it_is_asked_for_and_the_shares_hold() {
    let here = full();
    let key = format!("{ROOT_KEY}.key");
    let removing = [share("3", "2").as_slice(), &["--remove"]].concat();
    // What cannot be written removes nothing.
    let ended = here.shell("trap '' XFSZ; ulimit -f 0; exec \"$BULLA\" \"$@\"", &removing, &FIXTURES, "");
    assert!(refused(&ended).contains(": File too large (os error 27)"), "{ended:?}");
    assert!(here.keys().contains(&key));
    assert!(!here.path().join("s").exists(), "not even the directory");
    let said = here.done(&removing, &FIXTURES);
    assert!(said.contains("\nRemoved the key from "), "{said}");
    assert!(!here.keys().contains(&key));
    // And back again, on the same machine.
    let shares: Vec<_> = files(&here)[1..].iter().map(|file| file.display().to_string()).collect();
    here.done(&join(&shares), &NEW);
    assert!(here.keys().contains(&key));
}

#[test]
fn a_number_of_shares_that_makes_no_sense_is_refused_before_anything_is_done() {
    let here = full();
    for (shares, threshold, why) in [
        ("3", "1", "a threshold of 1 shares nothing: each holder alone would have the key; 2 at least"),
        ("3", "4", "a threshold of 4 cannot be met by 3 shares: as many at most"),
        ("256", "2", "a key has 255 shares at most, and not 256"),
    ] {
        let ended = here.run(&share(shares, threshold), &FIXTURES, "");
        assert_eq!((ended.code, ended.err.trim_end()), (Some(2), format!("Error: {why}").as_str()));
        assert!(!here.path().join("s").exists());
    }
    let ended = here.run(&share("255", "2"), &FIXTURES, "");
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(files(&here).len(), 255);
    fs::remove_dir_all(here.path().join("s")).unwrap();
    let ended = here.run(&share("2", "2"), &FIXTURES, "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.err, "Warning: all shares are needed: who loses one of them has lost the key\n");
}

#[test]
fn only_root_keys_that_are_here_are_shared() {
    let here = full();
    let said = here.done(&["--output", "json", "key", "list"], &[]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let targets = said["keys"].as_array().unwrap().iter().find(|key| key["role"] == "targets").unwrap();
    let targets = targets["id"].as_str().unwrap();
    let run = |id: &str, directory: &str| {
        here.run(&["key", "share", id, "--shares", "3", "--threshold", "2", "--dir", directory], &FIXTURES, "")
    };
    let ended = run(targets, "s");
    let words =
        "is for targets, and only root keys are shared: who loses another one has it replaced (`bulla key rotate`)";
    assert_eq!(refused(&ended), format!("Error: {targets} {words}"));
    let unknown = "0".repeat(64);
    assert_eq!(refused(&run(&unknown, "s")), format!("Error: No key with ID {unknown} found"));
    assert_eq!(refused(&run("x", "s")), "Error: invalid key ID provided: x");
    assert_eq!(refused(&run(ROOT_KEY, "no/such")), "Error: the directory of no/such does not exist");
    assert!(!here.path().join("s").exists());
}

#[test]
fn shares_are_never_written_beside_others_or_over_them() {
    let here = full();
    here.done(&share("3", "2"), &FIXTURES);
    let contents = || files(&here).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect::<Vec<_>>();
    let before = contents();
    let ended = here.run(&share("3", "2"), &FIXTURES, "");
    let words = "is here already: shares are written where none are, so that no two splits are mixed";
    assert_eq!(refused(&ended), format!("Error: s/{ROOT_KEY}-1.share {words}"));
    assert_eq!(contents(), before);
}

#[test]
fn shares_that_are_damaged_too_few_or_none_are_named_and_nothing_is_written() {
    let (here, there) = (full(), Home::new());
    here.done(&share("3", "2"), &FIXTURES);
    let shares = carry(&here, &there, &[1, 2]);
    let whole = fs::read_to_string(there.path().join(&shares[1])).unwrap();
    let damaged = "it is cut off or altered: take another copy, or another share";
    for (text, why) in [
        (whole[..whole.len() / 2].to_owned(), damaged),
        (whole.replace("number: 2", "number: 3"), damaged),
        ("hello".to_owned(), "it holds no share of a key"),
        (whole.repeat(2), "it holds several shares: give each a file of its own"),
    ] {
        fs::write(there.path().join(&shares[1]), text).unwrap();
        let ended = there.run(&join(&shares), &NEW, "");
        let named = format!("Error: {} is no share that can be joined, and nothing was written: {why}", shares[1]);
        assert_eq!(refused(&ended), named);
        assert!(!there.path().join(".docker").exists());
    }
    let ended = there.run(&join(&shares[..1]), &NEW, "");
    let words = format!("Error: 1 of the 2 shares that give the key {ROOT_KEY}: find 1 more of the split ");
    assert!(refused(&ended).starts_with(&words), "{ended:?}");
    let ended = there.run(&join(&["missing".to_owned()]), &NEW, "");
    assert!(refused(&ended).starts_with("Error: cannot read missing"), "{ended:?}");
    assert!(!there.path().join(".docker").exists());
}

#[test]
fn a_key_that_is_here_stays_under_its_passphrase_and_a_full_disk_leaves_none() {
    let (here, there) = (full(), Home::new());
    here.done(&share("3", "2"), &FIXTURES);
    let path = here.private().join(format!("{ROOT_KEY}.key"));
    let before = fs::read(&path).unwrap();
    let shares: Vec<_> = files(&here)[..2].iter().map(|file| file.display().to_string()).collect();
    let said = here.done(&join(&shares), &FIXTURES);
    assert!(said.contains("\nAlready here, left as it is: ") && said.ends_with("which was opened\n"), "{said}");
    let said = here.done(&join(&shares), &NEW);
    assert!(said.contains("which was not opened, as its passphrase was not given."), "{said}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let carried = carry(&here, &there, &[1, 2]);
    let ended = there.shell("trap '' XFSZ; ulimit -f 0; exec \"$BULLA\" \"$@\"", &join(&carried), &NEW, "");
    assert!(refused(&ended).contains(": File too large (os error 27)"), "{ended:?}");
    assert!(there.keys().is_empty());
    let ended = there.run(&join(&carried), &[], "");
    assert!(refused(&ended).starts_with("Error: no passphrase for the new root key with ID 13fc08d: "), "{ended:?}");
    assert!(there.keys().is_empty());
}
