//! What breaks below the keys: the disk, the directory, another file in the way. What was there stays, and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::process::{Ended, FIXTURES, Home};

/// Runs `bulla` where no byte can be written to a file.
fn on_a_full_disk(home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    home.shell("trap '' XFSZ; ulimit -f 0; exec \"$BULLA\" \"$@\"", arguments, variables, "")
}

/// Every file below the home with its content.
fn everything(home: &Home) -> Vec<(String, Vec<u8>)> {
    fn collect(directory: &std::path::Path, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                found.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    collect(home.path(), &mut found);
    found.sort();
    found
}

#[test]
fn a_full_disk_leaves_every_key_as_it_was_and_nothing_half_written() {
    let home = Home::new();
    let made = home.done(&["key", "generate", "--role", "alice"], &FIXTURES);
    let id = made.trim_end().rsplit(' ').next().unwrap().to_owned();
    home.done(&["key", "export", "-o", "keys.pem"], &[]);
    home.write("new", "a new passphrase");
    fs::set_permissions(home.path().join("new"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = everything(&home);
    let new = [FIXTURES.as_slice(), &[("BULLA_NEW_PASSPHRASE_FILE", "new")]].concat();
    for arguments in [
        ["key", "passwd", &id].as_slice(),
        &["key", "generate", "--role", "bob"],
        &["key", "generate", "-o", "bob"],
        &["key", "export", "-o", "more.pem"],
        &["trust", "key", "generate", "bob"],
    ] {
        let ended = on_a_full_disk(&home, arguments, &new);
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(": File too large (os error 27)"), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains("cannot write ") && !ended.err.contains(".new"), "{arguments:?}: {ended:?}");
        assert_eq!(everything(&home), before, "{arguments:?}");
    }
    fs::remove_dir_all(home.private()).unwrap();
    let ended = on_a_full_disk(&home, &["key", "import", "keys.pem"], &[]);
    assert!(ended.code == Some(1) && ended.err.contains("cannot import keys.pem: cannot write "), "{ended:?}");
    assert!(home.keys().is_empty());
}

#[test]
fn a_file_where_the_directory_of_keys_should_be_is_named() {
    let home = Home::new();
    fs::create_dir_all(home.path().join(".docker/trust")).unwrap();
    home.write(".docker/trust/private", "");
    for arguments in [["key", "list"].as_slice(), &["key", "export"], &["key", "generate"]] {
        let ended = home.run(arguments, &FIXTURES, "");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let named = ended.err.contains(home.private().to_str().unwrap());
        assert!(named && ended.err.contains("(os error 20)"), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn a_torn_key_is_not_exported_opened_or_taken_for_another() {
    let home = Home::new();
    let made = home.done(&["key", "generate", "--role", "alice"], &FIXTURES);
    let id = made.trim_end().rsplit(' ').next().unwrap().to_owned();
    let other = home.done(&["key", "generate", "--role", "bob"], &FIXTURES);
    let other = other.trim_end().rsplit(' ').next().unwrap().to_owned();
    let path = home.private().join(format!("{id}.key"));
    let whole = fs::read_to_string(&path).unwrap();
    for text in ["", &whole[..whole.len() / 2], &whole.replace("KEY", "KEX")] {
        fs::write(&path, text).unwrap();
        let torn = format!("{} holds no private key that can be read", path.display());
        let said = format!("Warning: {torn}\nError: {torn}: restore it, or move it away\n");
        for verb in [["export", "--key"].as_slice(), &["passwd"], &["remove", "-y"]] {
            let ended = home.run(&[&["key"], verb, &[id.as_str()]].concat(), &FIXTURES, "");
            assert_eq!((ended.code, ended.err.as_str()), (Some(1), said.as_str()), "{verb:?}");
        }
    }
    fs::copy(home.private().join(format!("{other}.key")), &path).unwrap();
    let ended = home.run(&["key", "passwd", &id], &FIXTURES, "");
    assert_eq!((ended.code, ended.err), (Some(1), format!("Error: {} holds the key {other}\n", path.display())));
}

#[test]
fn a_key_that_others_may_read_is_used_with_a_warning_by_its_file() {
    let home = Home::new();
    let made = home.done(&["key", "generate", "--role", "alice"], &FIXTURES);
    let id = made.trim_end().rsplit(' ').next().unwrap().to_owned();
    let path = home.private().join(format!("{id}.key"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    home.write("new", "a new passphrase");
    let ended =
        home.shell("exec \"$BULLA\" \"$@\" --new-passphrase-fd 3 3<new", &["key", "passwd", &id], &FIXTURES, "");
    let warning = format!("Warning: {} is open to others (mode 0644); it should be 0600\n", path.display());
    assert_eq!((ended.code, ended.err), (Some(0), warning));
    // What is written anew is private again.
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}
